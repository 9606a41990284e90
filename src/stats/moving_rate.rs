//! Moving rates over fixed time slots (contract M-STAT-2).
//!
//! Several quantities that are counted at the same moments (bytes and packets, say) share one row
//! of slots, so that a packet costs one slot look-up however many rates it feeds.

use std::time::{Duration, Instant};

/// Length of a slot of the rates shown to callers (M-STAT-2).
pub const STATS_SLOT: Duration = Duration::from_millis(100);
/// Slots of the rates shown to callers: a window of 3 s (M-STAT-2).
pub const STATS_SLOTS: usize = 30;

/// The rates of `N` quantities over the last `slots` slots.
#[derive(Clone, Debug)]
pub struct MovingRate<const N: usize> {
    slot_ms: u64,
    /// One slot more than the window, because a window seldom starts on a slot's edge.
    slots: Box<[[u32; N]]>,
    /// The moment of the first sample, where slot 0 starts, and the newest slot in use.
    started: Option<(Instant, u64)>,
}

impl<const N: usize> MovingRate<N> {
    pub fn new(slot: Duration, slots: usize) -> Self {
        MovingRate {
            slot_ms: u64::try_from(slot.as_millis()).unwrap_or(u64::MAX).max(1),
            slots: vec![[0; N]; slots.max(1) + 1].into_boxed_slice(),
            started: None,
        }
    }

    /// Rates as they appear in stats documents: 30 slots of 100 ms.
    pub fn for_stats() -> Self {
        MovingRate::new(STATS_SLOT, STATS_SLOTS)
    }

    /// Whether anything was ever counted.
    pub fn is_started(&self) -> bool {
        self.started.is_some()
    }

    pub fn add(&mut self, now: Instant, amounts: [u32; N]) {
        let slot = match self.started {
            None => {
                self.started = Some((now, 0));
                0
            }
            Some((start, newest)) => {
                let slot = self.slot_at(start, now).max(newest);
                if slot > newest {
                    self.clear_between(newest, slot);
                    self.started = Some((start, slot));
                }
                slot
            }
        };
        let index = self.index(slot);
        if let Some(sums) = self.slots.get_mut(index) {
            for (sum, amount) in sums.iter_mut().zip(amounts) {
                *sum = sum.saturating_add(amount);
            }
        }
    }

    /// `factor` times the amount per second of quantity `which`, over the last window or since the
    /// first sample if that is less; 0 if no time has passed or the last sample left the window.
    pub fn rate(&self, now: Instant, which: usize, factor: f64) -> u64 {
        let Some((start, newest)) = self.started else { return 0 };
        let window_ms = self.slot_ms * (self.slots.len() as u64 - 1);
        let elapsed_ms = millis(now.saturating_duration_since(start));
        if elapsed_ms == 0 || elapsed_ms >= (newest + 1) * self.slot_ms + window_ms {
            return 0;
        }
        let from_ms = elapsed_ms.saturating_sub(window_ms);
        let first = from_ms / self.slot_ms;
        let current = elapsed_ms / self.slot_ms;
        let mut sum = 0.0;
        for slot in first..=current.min(newest) {
            let amount = self.slots.get(self.index(slot)).and_then(|sums| sums.get(which));
            let amount = f64::from(amount.copied().unwrap_or(0));
            let begins = slot * self.slot_ms;
            // The oldest slot counts with the part still inside the window, the newest with the
            // part of it that has passed.
            let counted = (begins + self.slot_ms).min(elapsed_ms) - begins.max(from_ms);
            sum += amount * counted as f64 / self.slot_ms as f64;
        }
        (factor * 1000.0 * sum / (elapsed_ms - from_ms) as f64) as u64
    }

    fn slot_at(&self, start: Instant, now: Instant) -> u64 {
        millis(now.saturating_duration_since(start)) / self.slot_ms
    }

    fn index(&self, slot: u64) -> usize {
        (slot % self.slots.len() as u64) as usize
    }

    /// Empties the slots after `newest` up to and including `slot`.
    fn clear_between(&mut self, newest: u64, slot: u64) {
        if slot - newest >= self.slots.len() as u64 {
            self.slots.fill([0; N]);
            return;
        }
        for stale in newest + 1..=slot {
            let index = self.index(stale);
            if let Some(sums) = self.slots.get_mut(index) {
                *sums = [0; N];
            }
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX / 4).min(u64::MAX / 4)
}

#[cfg(test)]
mod test {
    use super::*;

    /// One row of M-STAT-3: samples as (ms, amount), the moment of reading, the value.
    fn check(samples: &[(u64, u32)], read_ms: u64, expected: u64) {
        let start = Instant::now();
        let mut rate = MovingRate::<1>::new(Duration::from_millis(100), 5);
        for &(ms, amount) in samples {
            rate.add(start + Duration::from_millis(ms), [amount]);
        }
        let value = rate.rate(start + Duration::from_millis(read_ms), 0, 0.1);
        assert_eq!(value, expected, "{samples:?} read at {read_ms}");
    }

    #[test]
    fn gives_the_examples_of_the_contract_m_stat_3() {
        check(&[(0, 100), (100, 110), (200, 120)], 300, 110);
        check(&[(0, 100), (0, 100), (300, 50)], 400, 62);
        check(&[(0, 100), (100, 100)], 400, 50);
        check(&[(0, 100), (100, 100)], 800, 0);
        check(&[(0, 50), (150, 200)], 150, 100);
    }

    #[test]
    fn is_zero_before_the_first_sample_and_when_no_time_has_passed() {
        check(&[], 0, 0);
        check(&[(0, 100)], 0, 0);
    }

    #[test]
    fn forgets_samples_that_left_the_window_but_keeps_newer_ones() {
        check(&[(0, 900), (1000, 100)], 1100, 20);
    }

    #[test]
    fn survives_a_silence_of_many_windows() {
        check(&[(0, 900), (100_000, 100)], 100_100, 20);
    }

    #[test]
    fn quantities_of_one_row_do_not_mix() {
        let start = Instant::now();
        let mut rate = MovingRate::<2>::for_stats();
        for ms in 0..10 {
            rate.add(start + Duration::from_millis(ms * 100), [1000, 1]);
        }
        let now = start + Duration::from_secs(1);
        assert_eq!(rate.rate(now, 0, 8.0), 80_000);
        assert_eq!(rate.rate(now, 1, 1.0), 10);
        assert_eq!(rate.rate(now, 2, 1.0), 0);
    }

    #[test]
    fn a_clock_that_steps_back_counts_into_the_newest_slot() {
        let start = Instant::now() + Duration::from_secs(10);
        let mut rate = MovingRate::<1>::for_stats();
        rate.add(start, [100]);
        rate.add(start - Duration::from_secs(5), [100]);
        assert_eq!(rate.rate(start + Duration::from_secs(1), 0, 1.0), 200);
    }
}
