//! Key frame requests at a fixed period, for subscribers in slide show mode (contract M-PLI-20).

use std::time::{Duration, Instant};

/// Asks for a key frame at each expiry unless the publisher sent enough of them by itself.
#[derive(Debug, Default)]
pub struct PeriodicKeyFrames {
    state: State,
    /// What the next period will be; `None`: off.
    period: Option<Duration>,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Off,
    Running {
        expires: Instant,
        key_frames: u32,
    },
}

impl PeriodicKeyFrames {
    /// A running period is not cut short: a change shows at its expiry (M-PLI-21). Zero is off.
    pub fn set(&mut self, now: Instant, period: Duration) {
        self.period = (!period.is_zero()).then_some(period.max(SHORTEST));
        if let (State::Off, Some(period)) = (&self.state, self.period) {
            self.state = State::Running { expires: now + period, key_frames: 0 };
        }
    }

    pub fn is_on(&self) -> bool {
        self.period.is_some()
    }

    /// A key frame of the lowest layer arrived.
    pub fn handle_key_frame(&mut self) {
        if let State::Running { key_frames, .. } = &mut self.state {
            *key_frames = key_frames.saturating_add(1);
        }
    }

    /// Whether a key frame is to be requested now. Switching off asks once more at the expiry
    /// that was running (M-PLI-21).
    pub fn handle_timeout(&mut self, now: Instant) -> bool {
        let State::Running { expires, key_frames } = self.state else { return false };
        if now < expires {
            return false;
        }
        match self.period {
            Some(period) => {
                self.state = State::Running { expires: now + period, key_frames: 0 };
                // One key frame is the answer to the previous request.
                key_frames <= 1
            }
            None => {
                self.state = State::Off;
                true
            }
        }
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Off => None,
            State::Running { expires, .. } => Some(expires),
        }
    }
}

/// Nothing is asked for more often than the pacer lets through (security.md N16), so a shorter
/// period would only cost wake-ups.
const SHORTEST: Duration = Duration::from_millis(500);

#[cfg(test)]
mod test {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn asks_when_at_most_one_key_frame_came_in_the_period_m_pli_20() {
        let start = Instant::now();
        let mut periodic = PeriodicKeyFrames::default();
        periodic.set(start, ms(2000));
        assert!(!periodic.handle_timeout(start + ms(1999)));
        assert!(periodic.handle_timeout(start + ms(2000)));
        periodic.handle_key_frame();
        assert!(periodic.handle_timeout(start + ms(4000)));
        periodic.handle_key_frame();
        periodic.handle_key_frame();
        assert!(!periodic.handle_timeout(start + ms(6000)));
        assert!(periodic.handle_timeout(start + ms(8000)), "the count was cleared");
    }

    #[test]
    fn changes_show_at_the_next_expiry_m_pli_21() {
        let start = Instant::now();
        let mut periodic = PeriodicKeyFrames::default();
        periodic.set(start, ms(2000));
        periodic.set(start + ms(100), ms(1000));
        assert_eq!(periodic.poll_timeout(), Some(start + ms(2000)));
        assert!(periodic.handle_timeout(start + ms(2000)));
        assert_eq!(periodic.poll_timeout(), Some(start + ms(3000)));
        periodic.set(start + ms(2100), Duration::ZERO);
        assert!(!periodic.is_on());
        assert!(periodic.handle_timeout(start + ms(3000)), "one last request");
        assert_eq!(periodic.poll_timeout(), None);
    }
}
