//! How much a publisher may send, estimated from what arrives, for publishers that do not number
//! their packets transport-wide.
//!
//! Rises while packets come complete and on time, quickly until the first sign of congestion and
//! by 8 % a second after it; falls when a queue builds up on the way or when more than a tenth is
//! lost. The rates are those of contract section 4.21 (M-BWE-3, M-BWE-4) and of the loss control of
//! draft-ietf-rmcat-gcc-02 §5.3; the queue is measured directly, as delay above the least delay of
//! the last seconds, in place of the draft's Kalman filter.

use std::time::{Duration, Instant};

use crate::stats::moving_rate::MovingRate;

/// See the module documentation. Bitrates are in bit/s.
#[derive(Debug)]
pub struct RemoteEstimate {
    bitrate: f64,
    limit: f64,
    received: MovingRate<1>,
    queue: Queue,
    /// Since the last evaluation.
    arrived: u32,
    missing: i32,
    evaluated: Option<Instant>,
    /// No estimate is lowered twice for one and the same queue.
    lowered: Option<Instant>,
    congested_once: bool,
}

impl RemoteEstimate {
    /// Before anything is known. Browsers start sending 300 kbit/s.
    const START: f64 = 600_000.0;
    /// M-BWE-4.
    const MINIMUM: f64 = 20_000.0;
    const EVALUATION: Duration = Duration::from_millis(500);
    /// Growth per second before and after the first congestion.
    const FIRST_GROWTH: f64 = 1.5;
    const GROWTH: f64 = 1.08;
    /// A sender that sends little does not show that the path carries much more than this.
    const HEADROOM: f64 = 1.5;
    /// Below this, loss does not hold the growth back; above the other, it lowers the estimate.
    const LOW_LOSS: f64 = 0.02;
    const HIGH_LOSS: f64 = 0.1;
    const BACK_OFF: f64 = 0.85;
    /// A round trip (M-BWE-3: taken as 200 ms) and the time the sender needs to follow.
    const PATIENCE: Duration = Duration::from_millis(400);

    pub fn new() -> Self {
        RemoteEstimate {
            bitrate: Self::START,
            limit: f64::INFINITY,
            received: MovingRate::new(Duration::from_millis(50), 20),
            queue: Queue::default(),
            arrived: 0,
            missing: 0,
            evaluated: None,
            lowered: None,
            congested_once: false,
        }
    }

    /// No estimate is above this; 0: no limit.
    pub fn set_limit(&mut self, bits_per_second: u64) {
        self.limit = match bits_per_second {
            0 => f64::INFINITY,
            limit => limit as f64,
        };
    }

    /// A packet of `len` bytes; `missed` as counted by its stream, negative for a late packet;
    /// `send_time` the 24 bits of abs-send-time.
    pub fn on_packet(&mut self, now: Instant, len: usize, missed: i32, send_time: Option<u32>) {
        self.evaluated.get_or_insert(now);
        self.received.add(now, [u32::try_from(len).unwrap_or(u32::MAX)]);
        self.arrived = self.arrived.saturating_add(1);
        self.missing = self.missing.saturating_add(missed);
        if let Some(send_time) = send_time {
            self.queue.on_packet(now, send_time);
        }
        if self.queue.is_overused(now) {
            self.lower(now, Self::BACK_OFF * self.received_bitrate(now));
        }
    }

    /// Takes in what arrived since the last call half a second ago; tells whether it did.
    pub fn evaluate(&mut self, now: Instant) -> bool {
        let Some(evaluated) = self.evaluated else { return false };
        let elapsed = now.saturating_duration_since(evaluated);
        if elapsed < Self::EVALUATION {
            return false;
        }
        self.evaluated = Some(now);
        let missing = self.missing.max(0) as f64;
        let expected = f64::from(self.arrived) + missing;
        (self.arrived, self.missing) = (0, 0);
        if expected == 0.0 {
            return true;
        }
        let loss = missing / expected;
        if loss > Self::HIGH_LOSS {
            self.lower(now, self.bitrate * (1.0 - 0.5 * loss));
        } else if loss < Self::LOW_LOSS && self.queue.is_short() && self.is_settled(now) {
            self.raise(now, elapsed);
        }
        true
    }

    /// What the sender is to be told.
    pub fn bitrate(&self) -> u64 {
        self.bitrate.min(self.limit).max(Self::MINIMUM) as u64
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        self.evaluated.map(|evaluated| evaluated + Self::EVALUATION)
    }

    fn raise(&mut self, now: Instant, elapsed: Duration) {
        let growth: f64 = if self.congested_once { Self::GROWTH } else { Self::FIRST_GROWTH };
        let seconds = elapsed.as_secs_f64().min(1.0);
        let raised = (self.bitrate * growth.powf(seconds)).max(self.bitrate + 1000.0 * seconds);
        let proven = Self::HEADROOM * self.received_bitrate(now) + 10_000.0;
        // A sender with nothing to send keeps what it had.
        self.bitrate = raised.min(proven.max(self.bitrate)).min(self.limit.max(Self::MINIMUM));
    }

    fn lower(&mut self, now: Instant, bitrate: f64) {
        self.congested_once = true;
        if self.is_settled(now) {
            self.lowered = Some(now);
            self.bitrate = self.bitrate.min(bitrate).max(Self::MINIMUM);
        }
    }

    fn is_settled(&self, now: Instant) -> bool {
        self.lowered.is_none_or(|at| now.saturating_duration_since(at) >= Self::PATIENCE)
    }

    fn received_bitrate(&self, now: Instant) -> f64 {
        self.received.rate(now, 0, 8.0) as f64
    }
}

impl Default for RemoteEstimate {
    fn default() -> Self {
        RemoteEstimate::new()
    }
}

/// The delay of packets above the least delay seen lately, which is what waits in queues.
#[derive(Debug, Default)]
struct Queue {
    /// Arrival and 6.18 send time of the packet that all others are compared with.
    reference: Option<(Instant, u32)>,
    /// In seconds: the least delay of this period and of the one before, so that a drifting or
    /// rerouted sender is followed.
    least: f64,
    least_before: f64,
    period_began: Option<Instant>,
    smoothed: f64,
    long_since: Option<Instant>,
}

impl Queue {
    const PERIOD: Duration = Duration::from_secs(10);
    const SHORT: f64 = 0.030;
    const LONG: f64 = 0.080;
    /// A single late frame is no queue.
    const SUSTAINED: Duration = Duration::from_millis(100);

    fn on_packet(&mut self, now: Instant, send_time: u32) {
        let Some((arrived, sent)) = self.reference else {
            self.reference = Some((now, send_time));
            self.period_began = Some(now);
            return;
        };
        // The 24 bits wrap every 64 s, and so must what they are compared with.
        let sent = f64::from(send_time.wrapping_sub(sent) & 0xff_ffff) / f64::from(1 << 18);
        let elapsed = now.saturating_duration_since(arrived).as_secs_f64();
        let delay = (elapsed - sent + 32.0).rem_euclid(64.0) - 32.0;
        if self.period_began.is_some_and(|at| now.saturating_duration_since(at) > Self::PERIOD) {
            self.period_began = Some(now);
            self.least_before = self.least;
            self.least = delay;
        }
        self.least = self.least.min(delay);
        let queued = delay - self.least.min(self.least_before);
        self.smoothed += (queued - self.smoothed) / 8.0;
        if self.smoothed < Self::LONG {
            self.long_since = None;
        } else {
            self.long_since.get_or_insert(now);
        }
    }

    fn is_short(&self) -> bool {
        self.smoothed < Self::SHORT
    }

    fn is_overused(&self, now: Instant) -> bool {
        self.long_since.is_some_and(|at| now.saturating_duration_since(at) >= Self::SUSTAINED)
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "an arbitrary first moment")]
mod test {
    use super::*;

    /// A sender that follows the estimate, over a path with a bottleneck, a queue and loss.
    struct Path {
        estimate: RemoteEstimate,
        start: Instant,
        sent_at: Duration,
        queue_ends: Duration,
        capacity: f64,
        /// Every n-th packet is lost; 0: none.
        lose_every: u32,
        sent: u32,
        missed: i32,
        source_limit: f64,
    }

    impl Path {
        fn new(capacity: f64) -> Self {
            Path {
                estimate: RemoteEstimate::new(),
                start: Instant::now(),
                sent_at: Duration::ZERO,
                queue_ends: Duration::ZERO,
                capacity,
                lose_every: 0,
                sent: 0,
                missed: 0,
                source_limit: 4_000_000.0,
            }
        }

        fn run(&mut self, seconds: u64) -> u64 {
            const LEN: usize = 1200;
            let bits = LEN as f64 * 8.0;
            let end = self.sent_at + Duration::from_secs(seconds);
            while self.sent_at < end {
                let bitrate = (self.estimate.bitrate() as f64).min(self.source_limit);
                self.sent_at += Duration::from_secs_f64(bits / bitrate);
                self.sent += 1;
                if self.lose_every > 0 && self.sent.is_multiple_of(self.lose_every) {
                    self.missed += 1;
                    continue;
                }
                let serialised = Duration::from_secs_f64(bits / self.capacity);
                self.queue_ends = self.queue_ends.max(self.sent_at) + serialised;
                let now = self.start + self.queue_ends + Duration::from_millis(20);
                let send_time = (self.sent_at.as_secs_f64() * f64::from(1 << 18)) as u64 as u32;
                let send_time = Some(send_time & 0xff_ffff);
                self.estimate.on_packet(now, LEN, std::mem::take(&mut self.missed), send_time);
                self.estimate.evaluate(now);
            }
            self.estimate.bitrate()
        }
    }

    #[test]
    fn rises_quickly_on_a_free_path() {
        let mut path = Path::new(100_000_000.0);
        assert_eq!(path.estimate.bitrate(), 600_000);
        let bitrate = path.run(6);
        assert!(bitrate > 2_500_000, "{bitrate}");
        assert!(path.run(10) >= 4_000_000);
    }

    #[test]
    fn stays_near_the_capacity_of_a_bottleneck_with_a_short_queue() {
        let mut path = Path::new(1_000_000.0);
        path.run(20);
        let (mut least, mut most, mut longest) = (u64::MAX, 0, Duration::ZERO);
        for _ in 0..60 {
            let bitrate = path.run(1);
            (least, most) = (least.min(bitrate), most.max(bitrate));
            longest = longest.max(path.queue_ends.saturating_sub(path.sent_at));
        }
        assert!(least > 600_000 && most < 1_300_000, "{least} to {most}");
        assert!(longest < Duration::from_millis(400), "{longest:?}");
    }

    #[test]
    fn falls_when_the_path_narrows_and_recovers() {
        let mut path = Path::new(3_000_000.0);
        path.run(20);
        path.capacity = 500_000.0;
        path.run(5);
        let narrow = path.run(3);
        assert!(narrow < 650_000, "{narrow}");
        path.capacity = 3_000_000.0;
        let wide = path.run(30);
        assert!(wide > 1_500_000, "{wide}");
    }

    #[test]
    fn heavy_loss_lowers_and_light_loss_does_not() {
        let mut path = Path::new(100_000_000.0);
        path.run(5);
        let before = path.estimate.bitrate();
        path.lose_every = 5;
        let heavy = path.run(5);
        assert!(heavy < before / 2, "{before} to {heavy}");
        path.lose_every = 100;
        assert!(path.run(10) > heavy);
    }

    #[test]
    fn medium_loss_holds() {
        let mut path = Path::new(100_000_000.0);
        path.run(3);
        path.lose_every = 20;
        path.run(1);
        let before = path.estimate.bitrate();
        assert_eq!(path.run(5), before);
    }

    #[test]
    fn a_sender_with_little_to_send_is_not_told_ever_more() {
        let mut path = Path::new(100_000_000.0);
        path.source_limit = 500_000.0;
        let bitrate = path.run(30);
        assert!((600_000..=800_000).contains(&bitrate), "{bitrate}");
    }

    #[test]
    fn the_limit_holds_and_zero_lifts_it() {
        let mut path = Path::new(100_000_000.0);
        path.estimate.set_limit(800_000);
        assert_eq!(path.run(10), 800_000);
        path.estimate.set_limit(0);
        assert!(path.run(10) > 1_000_000);
    }

    #[test]
    fn never_below_20_kbit_m_bwe_4() {
        let mut estimate = RemoteEstimate::new();
        let start = Instant::now();
        for n in 1..100_u32 {
            let now = start + Duration::from_millis(500) * n;
            estimate.on_packet(now, 100, 100, None);
            estimate.evaluate(now);
        }
        assert_eq!(estimate.bitrate(), 20_000);
    }
}
