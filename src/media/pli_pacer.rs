//! Requests for key frames towards a publisher: one at a time, repeated until a key frame comes
//! (contract section 4.7).
//!
//! Any number of subscribers may ask; the publisher hears at most one request per 500 ms
//! (security.md N16, which replaces the 200 ms of M-PLI-3). After 10 s without a key frame the
//! repeats become FIR (M-PLI-5), three of them with consecutive numbers, one per interval.

use std::time::{Duration, Instant};

/// What to send upstream (PLI: RFC 4585 §6.3.1, FIR: RFC 5104 §4.3.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyFrameRequest {
    Pli,
    Fir { sequence: u8 },
}

/// See the module documentation.
#[derive(Debug)]
pub struct PliPacer {
    state: State,
    last_key_frame: Instant,
    last_request: Option<Instant>,
    fir_sequence: u8,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Idle,
    Waiting { next: Instant, asked: bool, firs: u8 },
}

impl PliPacer {
    /// At most one request in this time (security.md N16).
    pub const INTERVAL: Duration = Duration::from_millis(500);
    /// So long after the last key frame a repeat is a FIR (M-PLI-5).
    pub const FIR_AFTER: Duration = Duration::from_secs(10);
    const FIRS: u8 = 3;

    pub fn new(now: Instant) -> Self {
        PliPacer { state: State::Idle, last_key_frame: now, last_request: None, fir_sequence: 0 }
    }

    /// Somebody needs a key frame. Absorbed while one is already being waited for (M-PLI-2).
    pub fn request(&mut self, now: Instant) {
        if let State::Idle = self.state {
            let earliest = self.last_request.map_or(now, |last| last + Self::INTERVAL);
            self.state = State::Waiting { next: earliest.max(now), asked: false, firs: 0 };
        }
    }

    /// A key frame of any layer arrived (M-PLI-4).
    pub fn handle_key_frame(&mut self, now: Instant) {
        self.state = State::Idle;
        self.last_key_frame = now;
    }

    /// The request that is due, if any; `poll_timeout` says when to ask again.
    pub fn poll(&mut self, now: Instant) -> Option<KeyFrameRequest> {
        let State::Waiting { next, asked, firs } = self.state else { return None };
        if now < next {
            return None;
        }
        self.last_request = Some(now);
        let next = now + Self::INTERVAL;
        if !asked || now.saturating_duration_since(self.last_key_frame) < Self::FIR_AFTER {
            self.state = State::Waiting { next, asked: true, firs };
            return Some(KeyFrameRequest::Pli);
        }
        let sequence = self.fir_sequence;
        self.fir_sequence = sequence.wrapping_add(1);
        self.state = match firs + 1 {
            // Whoever still needs a key frame asks again.
            Self::FIRS => State::Idle,
            firs => State::Waiting { next, asked, firs },
        };
        Some(KeyFrameRequest::Fir { sequence })
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Idle => None,
            State::Waiting { next, .. } => Some(next),
        }
    }
}

#[cfg(test)]
mod test {
    use super::KeyFrameRequest::{Fir, Pli};
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn asks_at_once_and_repeats_until_a_key_frame_m_pli_1_3_4() {
        let start = Instant::now();
        let mut pacer = PliPacer::new(start);
        assert_eq!(pacer.poll(start), None);
        pacer.request(start);
        assert_eq!(pacer.poll(start), Some(Pli));
        assert_eq!(pacer.poll_timeout(), Some(start + ms(500)));
        assert_eq!(pacer.poll(start + ms(499)), None);
        assert_eq!(pacer.poll(start + ms(500)), Some(Pli));
        pacer.handle_key_frame(start + ms(600));
        assert_eq!(pacer.poll_timeout(), None);
        assert_eq!(pacer.poll(start + ms(5000)), None);
    }

    #[test]
    fn a_flood_reaches_the_publisher_once_per_500_ms_n16() {
        let start = Instant::now();
        let mut pacer = PliPacer::new(start);
        let mut sent = 0;
        for at in 0..5000 {
            let now = start + ms(at);
            pacer.request(now);
            sent += u32::from(pacer.poll(now).is_some());
            if at % 100 == 50 {
                pacer.handle_key_frame(now);
            }
        }
        assert_eq!(sent, 10);
    }

    #[test]
    fn ten_seconds_after_the_last_key_frame_repeats_are_three_firs_m_pli_5() {
        let start = Instant::now();
        let mut pacer = PliPacer::new(start);
        let asked = start + Duration::from_secs(60);
        pacer.request(asked);
        let sent: Vec<_> = (0..6).filter_map(|n| pacer.poll(asked + ms(500 * n))).collect();
        assert_eq!(
            sent,
            [Pli, Fir { sequence: 0 }, Fir { sequence: 1 }, Fir { sequence: 2 }],
            "then the waiting ends"
        );
        pacer.request(asked + ms(3000));
        assert_eq!(pacer.poll(asked + ms(3000)), Some(Pli));
        assert_eq!(pacer.poll(asked + ms(3500)), Some(Fir { sequence: 3 }));
    }
}
