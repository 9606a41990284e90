//! What is counted while a window is open: packets, and how late they came.

use crate::media::Stamp;
use crate::subscriber::Subscriber;

#[derive(Default)]
pub struct Measurement {
    window: Option<Window>,
    pub received: u64,
    pub repeated: u64,
    /// From the publisher's `send` to the kernel's receipt for the viewer, in units of 100 ns.
    pub latency: Samples,
    /// From there to us: how far the generator was behind.
    pub lag: Samples,
}

/// The numbers of the publisher's packets that count.
#[derive(Clone, Copy)]
struct Window {
    starts: u64,
    /// Excluded; unknown while the window is open.
    ends: Option<u64>,
}

impl Measurement {
    pub fn open(&mut self, starts: u64) {
        *self =
            Measurement { window: Some(Window { starts, ends: None }), ..Measurement::default() };
    }

    /// Packets before `ends` that are still on their way go on being counted.
    pub fn close(&mut self, ends: u64) {
        if let Some(window) = &mut self.window {
            window.ends = Some(ends);
        }
    }

    pub fn count(&mut self, by: &mut Subscriber, stamp: Stamp, arrived_at: u64, now: u64) {
        let Some(Window { starts, ends }) = self.window else { return };
        if stamp.number < starts || ends.is_some_and(|ends| stamp.number >= ends) {
            return;
        }
        if !by.is_new(stamp, starts) {
            self.repeated += 1;
            return;
        }
        self.received += 1;
        self.latency.add(arrived_at.saturating_sub(stamp.sent_at));
        self.lag.add(now.saturating_sub(arrived_at));
    }
}

#[derive(Default)]
pub struct Samples {
    values: Vec<u32>,
}

impl Samples {
    fn add(&mut self, nanoseconds: u64) {
        self.values.push(u32::try_from(nanoseconds / 100).unwrap_or(u32::MAX));
    }

    pub fn summary(&mut self) -> Summary {
        self.values.sort_unstable();
        let at = |share: f64| milliseconds(&self.values, share);
        Summary { p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1.0) }
    }
}

impl FromIterator<std::time::Duration> for Samples {
    fn from_iter<T: IntoIterator<Item = std::time::Duration>>(durations: T) -> Samples {
        let mut samples = Samples::default();
        durations.into_iter().for_each(|duration| samples.add(duration.as_nanos() as u64));
        samples
    }
}

/// In milliseconds; NaN when there was nothing to summarize.
#[derive(Clone, Copy, Debug)]
pub struct Summary {
    pub p50: f64,
    pub p95: f64,
    pub p99: f64,
    pub max: f64,
}

/// Nearest rank.
fn milliseconds(sorted: &[u32], share: f64) -> f64 {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).map_or(f64::NAN, |value| f64::from(*value) / 1e4)
}

#[cfg(test)]
mod test {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_percentile_is_the_nearest_rank() {
        let mut samples: Samples = (1..=100).rev().map(Duration::from_millis).collect();
        let Summary { p50, p95, p99, max } = samples.summary();
        assert_eq!([p50, p95, p99, max], [50.0, 95.0, 99.0, 100.0]);
        assert!(Samples::default().summary().p50.is_nan());
    }

    #[test]
    fn only_packets_of_the_window_count() {
        let (mut measurement, mut viewer) = (Measurement::default(), Subscriber::default());
        let mut count = |m: &mut Measurement, number| {
            m.count(&mut viewer, Stamp { number, sent_at: 0 }, 1_000_000, 1_000_000);
        };
        count(&mut measurement, 4);
        measurement.open(5);
        for number in [4, 5, 5, 6] {
            count(&mut measurement, number);
        }
        measurement.close(8);
        for number in [7, 8] {
            count(&mut measurement, number);
        }
        assert_eq!((measurement.received, measurement.repeated), (3, 1));
        assert_eq!(measurement.latency.summary().max, 1.0);
    }
}
