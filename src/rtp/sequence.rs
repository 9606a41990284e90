//! Sequence numbers and timestamps without wrap-around: 16 and 32 bit wire values become 64 bit
//! ones by the half-range rule (RFC 1982 §3.2), which replaces erizo's 4095 window (M-PKT-5).

/// Extends 16 bit sequence numbers of one stream.
///
/// The first value gets number `value + Self::ORIGIN`: numbers before it exist, so a late
/// packet that precedes the first one on the wire precedes it here too, without going below zero.
#[derive(Clone, Debug, Default)]
pub struct Unwrapper16 {
    highest: Option<u64>,
    /// What would follow the last value far in the past, see [`Unwrapper16::unwrap`].
    restart: Option<u16>,
}

impl Unwrapper16 {
    /// One full cycle.
    pub const ORIGIN: u64 = 1 << 16;

    /// More than this far behind the highest number, a value is taken for the first of a
    /// restarted sender. Well above what a retransmission can reach back (256 packets, M-RTX-1).
    const MAX_MISORDER: u64 = 3000;

    /// A value up to 2^15 ahead of the highest is newer, all others are older. Two consecutive
    /// values far in the past mean that the sender restarted (RFC 3550 appendix A.1): the second
    /// of them is placed ahead, so that the stream goes on instead of looking old until it
    /// catches up.
    pub fn unwrap(&mut self, value: u16) -> u64 {
        let Some(highest) = self.highest else {
            let first = u64::from(value) + Self::ORIGIN;
            self.highest = Some(first);
            return first;
        };
        let ahead = value.wrapping_sub(highest as u16);
        if ahead < 0x8000 {
            let newer = highest.saturating_add(u64::from(ahead));
            self.highest = Some(newer);
            self.restart = None;
            return newer;
        }
        let behind = u64::from(ahead.wrapping_neg());
        if behind > Self::MAX_MISORDER {
            if self.restart == Some(value) {
                self.restart = None;
                let newer = highest.saturating_add(u64::from(ahead));
                self.highest = Some(newer);
                return newer;
            }
            self.restart = Some(value.wrapping_add(1));
        }
        highest.saturating_sub(behind)
    }

    pub fn highest(&self) -> Option<u64> {
        self.highest
    }
}

/// Cycles and highest sequence number as a report block carries them (RFC 3550 §6.4.1), where the
/// first cycle is 0.
pub fn extended_highest(sequence: u64) -> u32 {
    sequence.wrapping_sub(Unwrapper16::ORIGIN) as u32
}

/// Extends 32 bit RTP timestamps of one stream; the first gets `value + Self::ORIGIN`.
#[derive(Clone, Debug, Default)]
pub struct Unwrapper32 {
    highest: Option<u64>,
}

impl Unwrapper32 {
    /// One full cycle.
    pub const ORIGIN: u64 = 1 << 32;

    pub fn unwrap(&mut self, value: u32) -> u64 {
        let Some(highest) = self.highest else {
            let first = u64::from(value) + Self::ORIGIN;
            self.highest = Some(first);
            return first;
        };
        let extended = self.peek(value).unwrap_or(highest);
        self.highest = Some(highest.max(extended));
        extended
    }

    /// What `unwrap` would answer, without moving: for timestamps that other packets mention,
    /// such as those in sender reports. `None` before the first packet.
    pub fn peek(&self, value: u32) -> Option<u64> {
        let highest = self.highest?;
        let ahead = value.wrapping_sub(highest as u32);
        Some(if ahead < 0x8000_0000 {
            highest.saturating_add(u64::from(ahead))
        } else {
            highest.saturating_sub(u64::from(ahead.wrapping_neg()))
        })
    }
}

/// Whether 16 bit number `a` comes after `b` (RFC 1982 §3.2, half range).
pub fn is_newer(a: u16, b: u16) -> bool {
    a != b && a.wrapping_sub(b) < 0x8000
}

#[cfg(test)]
mod test {
    use super::super::mutation::Generator;
    use super::*;

    fn sequence(values: &[u16]) -> Vec<i64> {
        let mut unwrapper = Unwrapper16::default();
        values.iter().map(|&v| unwrapper.unwrap(v) as i64 - 0x10000).collect()
    }

    #[test]
    fn counts_on_through_the_wrap() {
        assert_eq!(sequence(&[65534, 65535, 0, 1]), [65534, 65535, 65536, 65537]);
    }

    #[test]
    fn places_late_values_before_the_wrap() {
        assert_eq!(sequence(&[65534, 1, 65535, 0, 2]), [65534, 65537, 65535, 65536, 65538]);
    }

    #[test]
    fn a_value_before_the_first_precedes_it() {
        assert_eq!(sequence(&[0, 65535, 1]), [0, -1, 1]);
    }

    // M-PKT-5: erizo takes a jump of more than 4095 for an old packet.
    #[test]
    fn a_jump_of_less_than_half_the_range_is_newer() {
        assert_eq!(sequence(&[0, 4096, 4096 + 0x7fff]), [0, 4096, 4096 + 0x7fff]);
    }

    #[test]
    fn a_single_stray_value_changes_nothing() {
        assert_eq!(sequence(&[50_000, 30_000, 50_001, 30_001]), [50_000, 30_000, 50_001, 30_001]);
    }

    #[test]
    fn two_consecutive_values_far_in_the_past_restart_the_stream() {
        assert_eq!(
            sequence(&[50_000, 45_000, 45_001, 45_002, 50_000]),
            [50_000, 45_000, 65_536 + 45_001, 65_536 + 45_002, 65_536 + 50_000]
        );
    }

    #[test]
    fn consecutive_retransmissions_do_not_restart_the_stream() {
        assert_eq!(sequence(&[5000, 4000, 4001, 4002, 5001]), [5000, 4000, 4001, 4002, 5001]);
    }

    #[test]
    fn report_blocks_start_in_cycle_zero() {
        let mut unwrapper = Unwrapper16::default();
        assert_eq!(extended_highest(unwrapper.unwrap(65535)), 65535);
        assert_eq!(extended_highest(unwrapper.unwrap(0)), 0x1_0000);
    }

    #[test]
    fn the_low_bits_are_always_the_wire_value() {
        let mut random = Generator::new(1);
        let (mut short, mut long) = (Unwrapper16::default(), Unwrapper32::default());
        for _ in 0..100_000 {
            let value = random.next();
            assert_eq!(short.unwrap(value as u16) as u16, value as u16);
            assert_eq!(long.unwrap(value as u32) as u32, value as u32);
        }
    }

    #[test]
    fn timestamps_wrap_and_tolerate_reordering() {
        let mut unwrapper = Unwrapper32::default();
        assert_eq!(unwrapper.peek(5), None);
        let first = unwrapper.unwrap(0xffff_f000);
        assert_eq!(unwrapper.unwrap(0x0000_0800), first + 0x1800);
        assert_eq!(unwrapper.unwrap(0xffff_fc00), first + 0xc00);
        assert_eq!(unwrapper.peek(0x0000_0900), Some(first + 0x1900));
        assert_eq!(unwrapper.unwrap(0x0000_0801), first + 0x1801);
    }

    #[test]
    fn newer_is_decided_by_half_range() {
        assert!(is_newer(0, 65535) && !is_newer(65535, 0));
        assert!(!is_newer(7, 7));
        assert!(is_newer(0x7fff, 0) && !is_newer(0x8000, 0));
    }
}
