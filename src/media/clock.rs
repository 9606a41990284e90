//! The clocks of a publisher, seen from here (RFC 3550 §6.4.1).
//!
//! A sender report says what each media clock showed at one moment of the *publisher's* wall
//! clock. Subscribers get reports in *our* wall clock instead, so one offset between the two is
//! kept for all tracks of a publisher: whatever its error, audio and video carry the same one and
//! stay in step. Erizo forwards the publisher's reports with the timestamps unmended (M-SR-3,
//! M-OTM-7); this replaces both.

use std::time::{Duration, Instant};

use crate::rtp::id::Ssrc;

/// The two forms of one moment: for intervals, and for the wire. The caller keeps both in step,
/// so that all packets of a connection carry the same clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Moment {
    pub now: Instant,
    /// Wall clock, since 1970.
    pub since_unix: Duration,
}

impl Moment {
    pub fn later(self, by: Duration) -> Moment {
        Moment { now: self.now + by, since_unix: self.since_unix + by }
    }
}

/// What one media clock showed at a moment of ours.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct MediaClock {
    pub ssrc: Ssrc,
    pub timestamp: u32,
    pub at: Instant,
    pub clock_rate_hz: u32,
}

impl MediaClock {
    /// What it shows at another moment.
    pub fn timestamp_at(&self, now: Instant) -> u32 {
        let ticks = |elapsed: Duration| {
            // Modulo 2^32, like the clock itself.
            (elapsed.as_nanos() * u128::from(self.clock_rate_hz) / 1_000_000_000) as u32
        };
        match now.checked_duration_since(self.at) {
            Some(elapsed) => self.timestamp.wrapping_add(ticks(elapsed)),
            None => self.timestamp.wrapping_sub(ticks(self.at.saturating_duration_since(now))),
        }
    }
}

/// The offset between a publisher's wall clock and ours.
#[derive(Debug, Default)]
pub struct PublisherClock {
    /// The publisher's NTP time, 32.32 fixed point, at one moment of ours.
    anchor: Option<(Instant, u64)>,
}

impl PublisherClock {
    /// A report's delay on the way varies; its effect on the offset is damped by this.
    const DAMPING: i64 = 16;
    /// A clock that is off by more was set anew, and is followed at once.
    const STEP: i64 = 1 << 32;

    /// A sender report that arrived `now`: `ntp` and `timestamp` as it states them.
    pub fn handle_sender_report(
        &mut self,
        now: Instant,
        ssrc: Ssrc,
        ntp: u64,
        timestamp: u32,
        clock_rate_hz: u32,
    ) -> MediaClock {
        let expected = self.anchor.map(|(at, anchor)| anchor.wrapping_add(fixed_point(now, at)));
        let current = match expected {
            None => ntp,
            Some(expected) => {
                let error = ntp.wrapping_sub(expected) as i64;
                match error.unsigned_abs() > Self::STEP as u64 {
                    true => ntp,
                    false => expected.wrapping_add((error / Self::DAMPING) as u64),
                }
            }
        };
        self.anchor = Some((now, current));
        // How long ago, or in how long, the publisher's clock shows `ntp`.
        let ago = current.wrapping_sub(ntp) as i64;
        let distance = duration(ago.unsigned_abs());
        let at = match ago >= 0 {
            true => now.checked_sub(distance).unwrap_or(now),
            false => now.checked_add(distance).unwrap_or(now),
        };
        MediaClock { ssrc, timestamp, at, clock_rate_hz }
    }
}

/// `to - from` as 32.32 fixed point seconds.
fn fixed_point(to: Instant, from: Instant) -> u64 {
    let elapsed = to.saturating_duration_since(from);
    ((elapsed.as_nanos() << 32) / 1_000_000_000) as u64
}

fn duration(fixed_point: u64) -> Duration {
    let nanos = u128::from(fixed_point) * 1_000_000_000 >> 32;
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod test {
    use super::*;

    const SECOND: u64 = 1 << 32;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// Whether two timestamps are within `ms` of each other.
    fn close(a: u32, b: u32, clock_rate_hz: u32, ms: u32) -> bool {
        (a.wrapping_sub(b) as i32).unsigned_abs() <= clock_rate_hz / 1000 * ms
    }

    #[test]
    fn a_media_clock_runs_at_its_rate_in_both_directions_and_wraps() {
        let at = Instant::now();
        let clock =
            MediaClock { ssrc: Ssrc(1), timestamp: 10, at, clock_rate_hz: 90_000 };
        assert_eq!(clock.timestamp_at(at + ms(1000)), 90_010);
        assert_eq!(clock.timestamp_at(at - ms(1)), 10_u32.wrapping_sub(90));
    }

    /// The publisher captures audio and video at the same instant; their reports travel 20 ms and
    /// 120 ms. Both clocks must still agree on what belongs together.
    #[test]
    fn audio_and_video_share_one_offset_whatever_their_reports_delay() {
        let start = Instant::now();
        let ntp = 3_900_000_000 * SECOND;
        let mut publisher = PublisherClock::default();
        let audio =
            publisher.handle_sender_report(start + ms(20), Ssrc(1), ntp, 48_000, 48_000);
        let video = publisher.handle_sender_report(
            start + ms(1120),
            Ssrc(2),
            ntp + SECOND,
            900_000,
            90_000,
        );
        let now = start + ms(5000);
        let audio_seconds = f64::from(audio.timestamp_at(now).wrapping_sub(48_000)) / 48_000.0;
        let video_seconds = f64::from(video.timestamp_at(now).wrapping_sub(900_000)) / 90_000.0;
        let skew = audio_seconds - (video_seconds + 1.0);
        assert!(skew.abs() < 0.01, "{skew}");
    }

    #[test]
    fn a_drifting_publisher_clock_is_followed() {
        let start = Instant::now();
        let mut publisher = PublisherClock::default();
        let mut clock = None;
        for n in 0..3600_u64 {
            // 100 ppm fast.
            let ntp = (n * SECOND).wrapping_add(n * SECOND / 10_000);
            let timestamp = (n * 90_009) as u32;
            let now = start + ms(1000 * n);
            clock = Some(publisher.handle_sender_report(now, Ssrc(1), ntp, timestamp, 90_000));
        }
        let shown = clock.map(|clock| clock.timestamp_at(start + ms(3_599_000)));
        assert!(close(shown.unwrap(), (3599 * 90_009_u64) as u32, 90_000, 5));
    }

    #[test]
    fn a_clock_that_was_set_is_followed_at_once() {
        let start = Instant::now();
        let mut publisher = PublisherClock::default();
        publisher.handle_sender_report(start, Ssrc(1), 100 * SECOND, 0, 90_000);
        let clock =
            publisher.handle_sender_report(start + ms(1000), Ssrc(1), 7 * SECOND, 90_000, 90_000);
        assert_eq!(clock.at, start + ms(1000));
        let clock =
            publisher.handle_sender_report(start + ms(2000), Ssrc(1), u64::MAX, 1, 90_000);
        assert_eq!(clock.timestamp, 1, "nonsense does no harm");
    }
}
