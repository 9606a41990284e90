//! Which missing packets of a publisher's video to ask for again (contract section 4.5, M-NACK).

use std::time::{Duration, Instant};

/// Generic NACKs (RFC 4585 §6.2.1) for one SSRC, in the publisher's own sequence space.
#[derive(Debug)]
pub struct NackGenerator {
    highest: Option<u64>,
    /// Ascending.
    missing: Vec<Missing>,
}

#[derive(Clone, Copy, Debug)]
struct Missing {
    sequence: u64,
    sent: u8,
    last_sent: Option<Instant>,
}

impl NackGenerator {
    /// At most this many packets are asked for at a time (M-NACK-1).
    pub const CAPACITY: usize = 150;
    /// One packet is asked for again only after more than this (M-NACK-2).
    const SPACING: Duration = Duration::from_millis(20);
    /// And so often in all (M-NACK-2).
    const ATTEMPTS: u8 = 2;
    /// A gap this long is not loss but a sender that jumped (M-PKT-5): nothing is asked for.
    const JUMP: u64 = 1000;

    pub fn new() -> Self {
        NackGenerator { highest: None, missing: Vec::with_capacity(Self::CAPACITY) }
    }

    /// Takes note of an arrival; tells whether it is newer than all before it, which is when
    /// requests are sent (M-RR-3).
    pub fn on_packet(&mut self, sequence: u64) -> bool {
        let Some(highest) = self.highest else {
            self.highest = Some(sequence);
            return false;
        };
        if sequence <= highest {
            self.missing.retain(|missing| missing.sequence != sequence);
            return false;
        }
        self.highest = Some(sequence);
        if sequence - highest > Self::JUMP {
            self.missing.clear();
            return true;
        }
        let room = Self::CAPACITY - self.missing.len();
        self.missing.extend(
            (highest + 1..sequence)
                .map(|sequence| Missing { sequence, sent: 0, last_sent: None })
                .take(room),
        );
        true
    }

    /// Appends the low 16 bits of every number that is due to `lost`.
    pub fn collect(&mut self, now: Instant, lost: &mut Vec<u16>) {
        self.missing.retain_mut(|missing| {
            let due = match missing.last_sent {
                None => true,
                Some(last) => now.saturating_duration_since(last) > Self::SPACING,
            };
            if !due {
                return true;
            }
            if missing.sent == Self::ATTEMPTS {
                return false;
            }
            missing.sent += 1;
            missing.last_sent = Some(now);
            lost.push(missing.sequence as u16);
            true
        });
    }

    pub fn is_empty(&self) -> bool {
        self.missing.is_empty()
    }
}

impl Default for NackGenerator {
    fn default() -> Self {
        NackGenerator::new()
    }
}

#[cfg(test)]
mod test {
    use super::*;

    fn collect(nacks: &mut NackGenerator, now: Instant) -> Vec<u16> {
        let mut lost = Vec::new();
        nacks.collect(now, &mut lost);
        lost
    }

    #[test]
    fn asks_for_gaps_twice_more_than_20_ms_apart_m_nack_2() {
        let start = Instant::now();
        let mut nacks = NackGenerator::new();
        assert!(!nacks.on_packet(100), "the first packet only initialises (M-NACK-1)");
        assert!(nacks.on_packet(103));
        assert_eq!(collect(&mut nacks, start), [101, 102]);
        assert_eq!(collect(&mut nacks, start + Duration::from_millis(20)), []);
        assert_eq!(collect(&mut nacks, start + Duration::from_millis(21)), [101, 102]);
        assert_eq!(collect(&mut nacks, start + Duration::from_millis(50)), []);
        assert!(nacks.is_empty(), "given up");
    }

    #[test]
    fn a_late_packet_is_no_longer_missing_m_nack_1() {
        let mut nacks = NackGenerator::new();
        nacks.on_packet(100);
        nacks.on_packet(103);
        assert!(!nacks.on_packet(101));
        assert_eq!(collect(&mut nacks, Instant::now()), [102]);
    }

    #[test]
    fn keeps_150_entries_and_drops_the_most_recent_excess_m_nack_1() {
        let mut nacks = NackGenerator::new();
        nacks.on_packet(100);
        nacks.on_packet(301);
        let lost = collect(&mut nacks, Instant::now());
        assert_eq!((lost.len(), lost.first(), lost.last()), (150, Some(&101), Some(&250)));
    }

    #[test]
    fn a_restarted_sender_is_not_asked_for_thousands_of_packets_m_pkt_5() {
        let mut nacks = NackGenerator::new();
        nacks.on_packet(100);
        nacks.on_packet(102);
        assert!(nacks.on_packet(20_000));
        assert!(nacks.is_empty());
    }

    #[test]
    fn numbers_wrap_on_the_wire() {
        let mut nacks = NackGenerator::new();
        nacks.on_packet(65_534);
        nacks.on_packet(65_538);
        assert_eq!(collect(&mut nacks, Instant::now()), [65_535, 0, 1]);
    }
}
