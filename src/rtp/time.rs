//! NTP timestamps as RTCP carries them (RFC 3550 §4): 64 bit fixed point seconds since 1900, and
//! their middle 32 bits in reports. The wall clock itself is an input from above.

use std::time::Duration;

/// Seconds from 1900 to 1970.
const UNIX_EPOCH_SECONDS: u64 = 2_208_988_800;
const NANOS_PER_SECOND: u128 = 1_000_000_000;

/// 32 bits of seconds and 32 bits of fraction. Seconds wrap in 2036; differences do not mind.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct NtpTime(pub u64);

impl NtpTime {
    pub fn from_unix(since_1970: Duration) -> NtpTime {
        let seconds = since_1970.as_secs().wrapping_add(UNIX_EPOCH_SECONDS);
        let fraction = (u64::from(since_1970.subsec_nanos()) << 32) / NANOS_PER_SECOND as u64;
        NtpTime(seconds << 32 | fraction)
    }

    /// The form in which reports echo a sender report (LSR): 16 bits of seconds, 16 of fraction.
    pub fn middle(self) -> u32 {
        (self.0 >> 16) as u32
    }

    /// How much later than `earlier` this is; `None` if it is before it.
    pub fn since(self, earlier: NtpTime) -> Option<Duration> {
        let units = self.0.wrapping_sub(earlier.0);
        if units > u64::MAX / 2 {
            return None;
        }
        let nanos = (u128::from(units) * NANOS_PER_SECOND) >> 32;
        Some(Duration::from_nanos(nanos as u64))
    }

    /// The difference whichever way round it is, and whether `self` is the earlier one.
    pub fn distance(self, other: NtpTime) -> (Duration, bool) {
        match self.since(other) {
            Some(later) => (later, false),
            None => (other.since(self).unwrap_or_default(), true),
        }
    }

    pub fn after(self, delay: Duration) -> NtpTime {
        let units = (delay.as_nanos() << 32) / NANOS_PER_SECOND;
        NtpTime(self.0.wrapping_add(units as u64))
    }
}

/// Duration in units of 1/65536 s, as DLSR is written; the largest value stands for all above.
pub fn to_short(duration: Duration) -> u32 {
    let units = (duration.as_nanos() << 16) / NANOS_PER_SECOND;
    u32::try_from(units).unwrap_or(u32::MAX)
}

/// Inverse of [`to_short`].
pub fn from_short(units: u32) -> Duration {
    Duration::from_nanos(((u64::from(units)) * 1_000_000_000) >> 16)
}

/// Round trip time from a report block (RFC 3550 §6.4.1). `None` if the remote party has seen no
/// sender report yet, or claims to have held it for longer than it has existed.
pub fn round_trip(now: NtpTime, last_sr: u32, delay_since_last_sr: u32) -> Option<Duration> {
    if last_sr == 0 {
        return None;
    }
    let units = now.middle().wrapping_sub(last_sr).wrapping_sub(delay_since_last_sr);
    (units <= u32::MAX / 2).then(|| from_short(units))
}

#[cfg(test)]
mod test {
    use super::*;

    #[test]
    fn unix_epoch_is_70_years_after_ntp_epoch() {
        assert_eq!(NtpTime::from_unix(Duration::ZERO).0 >> 32, 2_208_988_800);
        let half = NtpTime::from_unix(Duration::from_millis(500));
        assert_eq!(half.0 & 0xffff_ffff, 0x8000_0000);
        assert_eq!(half.middle(), 0x7e80_8000);
    }

    #[test]
    fn differences_survive_the_wrap_in_2036() {
        let wrap = Duration::from_secs((1 << 32) - UNIX_EPOCH_SECONDS);
        let before = NtpTime::from_unix(wrap - Duration::from_secs(1));
        let after = NtpTime::from_unix(wrap + Duration::from_secs(2));
        assert_eq!(after.since(before), Some(Duration::from_secs(3)));
        assert_eq!(before.since(after), None);
        assert_eq!(before.distance(after), (Duration::from_secs(3), true));
        assert_eq!(before.after(Duration::from_secs(3)), after);
    }

    #[test]
    fn short_form_saturates() {
        assert_eq!(to_short(Duration::from_millis(1500)), 0x1_8000);
        assert_eq!(to_short(Duration::from_secs(70_000)), u32::MAX);
        assert_eq!(from_short(0x1_8000), Duration::from_millis(1500));
    }

    // The worked example of RFC 3550 §6.4.1, figure 2.
    #[test]
    fn round_trip_of_the_rfc_example() {
        let now = NtpTime(0xb44d_b705 << 32 | 0x2000_0000);
        assert_eq!(now.middle(), 0xb705_2000);
        let expected = Duration::from_millis(6125);
        assert_eq!(round_trip(now, 0xb705_2000 - 0x6_2000 - 0x5_4000, 0x5_4000), Some(expected));
        let figure = round_trip(NtpTime(0xb710_8000 << 16), 0xb705_2000, 0x0005_4000);
        assert_eq!(figure, Some(expected));
    }

    #[test]
    fn impossible_round_trips_are_none() {
        let now = NtpTime::from_unix(Duration::from_secs(1_000));
        assert_eq!(round_trip(now, 0, 0), None);
        assert_eq!(round_trip(now, now.middle(), 1), None);
        assert_eq!(round_trip(now, now.middle().wrapping_add(1), 0), None);
        assert_eq!(round_trip(now, now.middle().max(1), 0), Some(Duration::ZERO));
    }
}
