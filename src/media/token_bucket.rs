//! The byte budget of retransmissions (contract M-RTX-4, security.md N16).

use std::time::{Duration, Instant};

/// Holds up to `BURST` bytes and fills at a rate that follows the stream's bitrate.
#[derive(Debug)]
pub struct RetransmissionBudget {
    bytes: f64,
    bytes_per_second: f64,
    filled: Instant,
    rated: Instant,
}

impl RetransmissionBudget {
    const BURST: f64 = 26_000.0;
    const INITIAL_RATE: f64 = 30_000.0;
    /// The share of the stream's bitrate that resends may take.
    const SHARE: f64 = 0.1;
    const RATE_AGE: Duration = Duration::from_millis(500);

    pub fn new(now: Instant) -> Self {
        RetransmissionBudget {
            bytes: Self::BURST,
            bytes_per_second: Self::INITIAL_RATE,
            filled: now,
            rated: now,
        }
    }

    /// Takes `len` bytes if they are there. `bitrate` is asked for the stream's bit/s only when
    /// the rate in use is older than 500 ms.
    pub fn take(&mut self, now: Instant, len: usize, bitrate: impl FnOnce() -> u64) -> bool {
        let elapsed = now.saturating_duration_since(self.filled).as_secs_f64();
        self.bytes = (self.bytes + elapsed * self.bytes_per_second).min(Self::BURST);
        self.filled = self.filled.max(now);
        if now.saturating_duration_since(self.rated) > Self::RATE_AGE {
            self.bytes_per_second = bitrate() as f64 / 8.0 * Self::SHARE;
            self.rated = now;
        }
        let len = len as f64;
        if self.bytes < len {
            return false;
        }
        self.bytes -= len;
        true
    }
}

#[cfg(test)]
mod test {
    use super::*;

    fn storm(budget: &mut RetransmissionBudget, now: Instant, bitrate: u64) -> usize {
        (0..1000).filter(|_| budget.take(now, 1000, || bitrate)).count()
    }

    #[test]
    fn a_storm_gets_the_burst_and_then_a_tenth_of_the_bitrate_m_rtx_4() {
        let start = Instant::now();
        let mut budget = RetransmissionBudget::new(start);
        assert_eq!(storm(&mut budget, start, 0), 26);
        let later = start + Duration::from_millis(500);
        assert_eq!(storm(&mut budget, later, 0), 15, "30 000 bytes/s at first");
        let later = start + Duration::from_millis(1001);
        storm(&mut budget, later, 800_000);
        assert_eq!(storm(&mut budget, later + Duration::from_secs(1), 800_000), 10);
    }

    #[test]
    fn a_clock_that_steps_back_gives_nothing_away() {
        let start = Instant::now() + Duration::from_secs(9);
        let mut budget = RetransmissionBudget::new(start);
        assert_eq!(storm(&mut budget, start, 0), 26);
        assert_eq!(storm(&mut budget, start - Duration::from_secs(8), 0), 0);
        assert_eq!(storm(&mut budget, start, 0), 0);
    }
}
