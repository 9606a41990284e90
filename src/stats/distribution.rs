//! How long things took, as counts in fixed classes (contract M-THR-9).
//!
//! The one structure of the engine that another thread reads while it is written: JavaScript asks
//! for it synchronously, so the counters are atomics.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the first four classes; the fifth has none.
const BOUNDS: [Duration; 4] = [
    Duration::from_millis(10),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(1000),
];

/// Five counters: at most 10 ms, 50 ms, 100 ms, 1000 ms, and above. ErizoJS adds such arrays
/// element by element, so their length is part of the contract (M-THR-10).
#[derive(Debug, Default)]
pub struct Distribution([AtomicU64; 5]);

impl Distribution {
    pub fn record(&self, duration: Duration) {
        let class = BOUNDS.iter().position(|bound| duration <= *bound).unwrap_or(BOUNDS.len());
        if let Some(counter) = self.0.get(class) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub fn counts(&self) -> [u64; 5] {
        std::array::from_fn(|class| self.0.get(class).map_or(0, |c| c.load(Ordering::Relaxed)))
    }

    pub fn reset(&self) {
        for counter in &self.0 {
            counter.store(0, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod test {
    use super::*;

    #[test]
    fn counts_in_the_classes_of_m_thr_9() {
        let distribution = Distribution::default();
        for ms in [0, 10, 11, 50, 51, 100, 101, 1000, 1001, 60_000] {
            distribution.record(Duration::from_millis(ms));
        }
        assert_eq!(distribution.counts(), [2, 2, 2, 2, 2]);
        distribution.reset();
        assert_eq!(distribution.counts(), [0; 5]);
    }
}
