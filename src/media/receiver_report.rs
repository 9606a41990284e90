//! Reception statistics of one SSRC of a publisher, and when to report them (RFC 3550 §6.4.1,
//! appendices A.3 and A.8; contract section 4.5, M-RR).

use std::time::{Duration, Instant};

use crate::rtp::id::{MediaKind, Ssrc};
use crate::rtp::rtcp::ReportBlock;
use crate::rtp::sequence::extended_highest;
use crate::rtp::time::{NtpTime, to_short};

/// Counts what came and what did not.
#[derive(Debug)]
pub struct Reception {
    ssrc: Ssrc,
    interval: Duration,
    numbers: Option<Numbers>,
    /// Reported so far; never decreases (M-RR-4).
    lost: u32,
    jitter: f64,
    last_media: Option<(Instant, u32)>,
    last_sender_report: Option<(NtpTime, Instant)>,
    next_report: Option<Instant>,
    /// Spreads reports in time (M-RR-2); any fixed sequence will do.
    random: u32,
}

#[derive(Clone, Copy, Debug)]
struct Numbers {
    base: u64,
    highest: u64,
    received: u64,
    /// Both at the last report.
    expected_before: u64,
    received_before: u64,
}

impl Reception {
    const VIDEO_INTERVAL: Duration = Duration::from_millis(1000);
    const AUDIO_INTERVAL: Duration = Duration::from_millis(5000);
    /// A gap this long is a sender that jumped, not loss (M-PKT-5).
    const JUMP: u64 = 1000;
    /// A transit time that jumps by this is no jitter (M-RR-5), in RTP units.
    const TRANSIT_JUMP: f64 = 450_000.0;

    pub fn new(ssrc: Ssrc, kind: MediaKind) -> Self {
        Reception {
            ssrc,
            interval: match kind {
                MediaKind::Audio => Self::AUDIO_INTERVAL,
                MediaKind::Video => Self::VIDEO_INTERVAL,
            },
            numbers: None,
            lost: 0,
            jitter: 0.0,
            last_media: None,
            last_sender_report: None,
            next_report: None,
            random: ssrc.0 | 1,
        }
    }

    /// Takes note of a packet, padding or not (M-RR-1). Returns how many packets are newly
    /// missing because of it; -1 if it is one that was missing.
    pub fn on_packet(
        &mut self,
        now: Instant,
        sequence: u64,
        timestamp: u32,
        clock_rate_hz: u32,
    ) -> i32 {
        let Some(numbers) = &mut self.numbers else {
            self.numbers = Some(Numbers {
                base: sequence,
                highest: sequence,
                received: 1,
                expected_before: 0,
                received_before: 0,
            });
            self.last_media = Some((now, timestamp));
            self.next_report = Some(now + self.interval);
            return 0;
        };
        numbers.received += 1;
        if sequence <= numbers.highest {
            return -1;
        }
        let mut gap = sequence - numbers.highest - 1;
        if gap > Self::JUMP {
            numbers.base += gap;
            gap = 0;
        }
        numbers.highest = sequence;
        self.update_jitter(now, timestamp, clock_rate_hz);
        gap as i32
    }

    pub fn on_sender_report(&mut self, now: Instant, ntp: NtpTime) {
        self.last_sender_report = Some((ntp, now));
    }

    /// Asked when a packet has arrived: reports follow media (M-RR-2).
    pub fn is_due(&self, now: Instant) -> bool {
        self.next_report.is_some_and(|due| now >= due)
    }

    /// Closes the interval since the last report. The next one is due after 0.5 to 1.5 intervals.
    pub fn report(&mut self, now: Instant) -> ReportBlock {
        self.next_report = Some(now + self.interval.mul_f32(0.5 + self.next_random()));
        let (mut extended, mut fraction_lost) = (0, 0);
        if let Some(numbers) = &mut self.numbers {
            extended = extended_highest(numbers.highest);
            let expected = (numbers.highest + 1).saturating_sub(numbers.base);
            let expected_now = expected.saturating_sub(numbers.expected_before);
            let received_now = numbers.received - numbers.received_before;
            let lost_now = expected_now.saturating_sub(received_now);
            fraction_lost = (lost_now * 256 / expected_now.max(1)).min(255) as u8;
            self.lost = self.lost.saturating_add(lost_now as u32).min(0x7f_ffff);
            numbers.expected_before = expected;
            numbers.received_before = numbers.received;
        }
        let (last_sr, delay_since_last_sr) = match self.last_sender_report {
            Some((ntp, at)) => (ntp.middle(), to_short(now.saturating_duration_since(at))),
            None => (0, 0),
        };
        ReportBlock {
            ssrc: self.ssrc,
            fraction_lost,
            cumulative_lost: self.lost as i32,
            extended_highest: extended,
            jitter: self.jitter as u32,
            last_sr,
            delay_since_last_sr,
        }
    }

    /// Only for a new RTP timestamp (M-RR-5): packets of one frame leave together.
    fn update_jitter(&mut self, now: Instant, timestamp: u32, clock_rate_hz: u32) {
        let Some((last_at, last_timestamp)) = self.last_media else { return };
        if timestamp == last_timestamp {
            return;
        }
        self.last_media = Some((now, timestamp));
        let arrival =
            now.saturating_duration_since(last_at).as_secs_f64() * f64::from(clock_rate_hz);
        let media = f64::from(timestamp.wrapping_sub(last_timestamp) as i32);
        let difference = (arrival - media).abs();
        if difference < Self::TRANSIT_JUMP {
            self.jitter += (difference - self.jitter) / 16.0;
        }
    }

    /// 0 to 1, by Marsaglia's xorshift32.
    fn next_random(&mut self) -> f32 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 17;
        self.random ^= self.random << 5;
        (self.random >> 8) as f32 / (1 << 24) as f32
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "an arbitrary first moment")]
mod test {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn video() -> Reception {
        Reception::new(Ssrc(7), MediaKind::Video)
    }

    #[test]
    fn counts_loss_per_interval_and_in_all_m_rr_4() {
        let start = Instant::now();
        let mut reception = video();
        assert_eq!(reception.on_packet(start, 65_536, 0, 90_000), 0);
        assert_eq!(reception.on_packet(start, 65_539, 0, 90_000), 2);
        let block = reception.report(start);
        assert_eq!((block.fraction_lost, block.cumulative_lost), (128, 2));
        assert_eq!((block.extended_highest, block.ssrc), (3, Ssrc(7)));
        assert_eq!(reception.on_packet(start, 65_537, 0, 90_000), -1);
        let block = reception.report(start);
        assert_eq!((block.fraction_lost, block.cumulative_lost), (0, 2), "never decreases");
    }

    #[test]
    fn first_report_after_one_second_of_video_then_between_half_and_one_and_a_half_m_rr_2() {
        let start = Instant::now();
        let mut reception = video();
        assert!(!reception.is_due(start));
        reception.on_packet(start, 100_000, 0, 90_000);
        assert!(!reception.is_due(start + ms(999)));
        assert!(reception.is_due(start + ms(1000)));
        for n in 1..200_u64 {
            let now = start + ms(2000 * n);
            reception.report(now);
            assert!(!reception.is_due(now + ms(499)) && reception.is_due(now + ms(1501)));
        }
    }

    #[test]
    fn first_audio_report_after_five_seconds_m_rr_2() {
        let start = Instant::now();
        let mut reception = Reception::new(Ssrc(1), MediaKind::Audio);
        reception.on_packet(start, 100_000, 0, 48_000);
        assert!(!reception.is_due(start + ms(4999)) && reception.is_due(start + ms(5000)));
    }

    #[test]
    fn echoes_the_last_sender_report_m_rr_6() {
        let start = Instant::now();
        let mut reception = video();
        reception.on_packet(start, 100_000, 0, 90_000);
        let block = reception.report(start);
        assert_eq!((block.last_sr, block.delay_since_last_sr), (0, 0));
        reception.on_sender_report(start, NtpTime(0x1234_5678_9abc_def0));
        let block = reception.report(start + ms(500));
        assert_eq!((block.last_sr, block.delay_since_last_sr), (0x5678_9abc, 32_768));
    }

    #[test]
    fn jitter_is_zero_for_a_steady_sender_and_grows_for_an_unsteady_one_m_rr_5() {
        let start = Instant::now();
        let (mut steady, mut unsteady) = (video(), video());
        for n in 0..100_u64 {
            let timestamp = (n * 3000) as u32;
            let at = start + Duration::from_nanos(n * 33_333_333);
            steady.on_packet(at, 100_000 + n, timestamp, 90_000);
            unsteady.on_packet(at + ms(n % 2 * 10), 100_000 + n, timestamp, 90_000);
        }
        assert!(steady.report(start).jitter <= 1);
        let jitter = unsteady.report(start).jitter;
        assert!((800..=900).contains(&jitter), "10 ms are 900 units: {jitter}");
    }

    #[test]
    fn a_jump_of_the_sender_is_not_loss_m_pkt_5() {
        let start = Instant::now();
        let mut reception = video();
        reception.on_packet(start, 100_000, 0, 90_000);
        assert_eq!(reception.on_packet(start, 120_000, 0, 90_000), 0);
        assert_eq!(reception.report(start).cumulative_lost, 0);
    }
}
