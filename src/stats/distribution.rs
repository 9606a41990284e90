//! How long tasks took, in the five buckets that ErizoJS adds up (contract THP-6, M-THR-9).

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper ends of the first four buckets, included; the fifth takes the rest.
const LIMITS: [Duration; 4] = [
    Duration::from_millis(10),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(1000),
];

/// Written by one thread, read and reset by another; a count may fall on either side of a reset.
#[derive(Debug, Default)]
pub struct Distribution {
    buckets: [AtomicU64; 5],
}

impl Distribution {
    pub fn record(&self, took: Duration) {
        let index = LIMITS.iter().position(|limit| took <= *limit).unwrap_or(LIMITS.len());
        if let Some(bucket) = self.buckets.get(index) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub fn counts(&self) -> [u64; 5] {
        std::array::from_fn(|i| self.buckets.get(i).map_or(0, |b| b.load(Ordering::Relaxed)))
    }

    pub fn reset(&self) {
        for bucket in &self.buckets {
            bucket.store(0, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod test {
    use super::*;

    #[test]
    fn thp_6_each_task_lands_in_one_bucket_with_its_upper_end_included() {
        let d = Distribution::default();
        for ms in [0, 10, 11, 50, 51, 100, 101, 1000, 1001] {
            d.record(Duration::from_millis(ms));
        }
        assert_eq!(d.counts(), [2, 2, 2, 2, 1]);
        d.reset();
        assert_eq!(d.counts(), [0; 5]);
    }
}
