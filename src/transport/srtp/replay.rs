//! Which packet indices of one source were received (RFC 3711 §3.3.1, §3.3.2).
//!
//! The window asks before the tag is checked and remembers only after it matched; between the two
//! it changes nothing.

use super::SrtpError;

/// Packets older than this behind the newest one are refused (contract DTL-7).
pub(super) const WINDOW: u64 = 1024;
/// 32 bit roll-over counter and 16 bit sequence number (RFC 3711 §3.3.1).
const MAX_INDEX: u64 = (1 << 48) - 1;

#[derive(Clone)]
pub(super) struct ReplayWindow {
    highest: u64,
    /// Bit `index % WINDOW`, for the indices in `highest - WINDOW + 1 ..= highest`.
    seen: [u64; WORDS],
}

const WORDS: usize = (WINDOW / 64) as usize;

impl ReplayWindow {
    /// A source whose first authentic packet had this index.
    pub(super) fn starting_at(index: u64) -> ReplayWindow {
        let mut window = ReplayWindow { highest: index, seen: [0; WORDS] };
        window.set(index, true);
        window
    }

    /// The index that a 16 bit sequence number most likely stands for: the one nearest to the
    /// highest received (RFC 3711 §3.3.1). The roll-over counter starts at zero, so a guess below
    /// zero becomes a jump ahead, as long losses at the start of a stream are.
    pub(super) fn nearest(&self, sequence: u16) -> Result<u64, SrtpError> {
        const CYCLE: u64 = 1 << 16;
        const HALF: u64 = 1 << 15;
        let same_cycle = (self.highest & !(CYCLE - 1)) | u64::from(sequence);
        if self.highest.saturating_sub(same_cycle) > HALF {
            let next_cycle = same_cycle + CYCLE;
            return if next_cycle <= MAX_INDEX {
                Ok(next_cycle)
            } else {
                Err(SrtpError::IndexExhausted)
            };
        }
        if same_cycle.saturating_sub(self.highest) > HALF && same_cycle >= CYCLE {
            return Ok(same_cycle - CYCLE);
        }
        Ok(same_cycle)
    }

    /// Refuses an index that was received or is too old to tell.
    pub(super) fn check(&self, index: u64) -> Result<(), SrtpError> {
        if index > self.highest {
            Ok(())
        } else if self.highest - index >= WINDOW {
            Err(SrtpError::Stale)
        } else if self.is_set(index) {
            Err(SrtpError::Replayed)
        } else {
            Ok(())
        }
    }

    /// Remembers the index of an authentic packet that passed [`check`](Self::check).
    pub(super) fn record(&mut self, index: u64) {
        if index > self.highest {
            if index - self.highest >= WINDOW {
                self.seen = [0; WORDS];
            } else {
                for skipped in self.highest + 1..index {
                    self.set(skipped, false);
                }
            }
            self.highest = index;
        }
        self.set(index, true);
    }

    fn set(&mut self, index: u64, seen: bool) {
        let word = &mut self.seen[(index / 64) as usize % WORDS];
        let bit = 1 << (index % 64);
        if seen { *word |= bit } else { *word &= !bit }
    }

    fn is_set(&self, index: u64) -> bool {
        self.seen[(index / 64) as usize % WORDS] & (1 << (index % 64)) != 0
    }
}

#[cfg(test)]
mod test {
    use super::*;

    #[test]
    fn each_index_passes_once() {
        let mut window = ReplayWindow::starting_at(5000);
        for back in [0, 1, 63, 64, 65, 1022, 1023] {
            let expected = if back == 0 { Err(SrtpError::Replayed) } else { Ok(()) };
            assert_eq!(window.check(5000 - back), expected, "{back} back");
            window.record(5000 - back);
            assert_eq!(window.check(5000 - back), Err(SrtpError::Replayed), "{back} back");
        }
        for back in [1024, 1025, 5000] {
            assert_eq!(window.check(5000 - back), Err(SrtpError::Stale), "{back} back");
        }
    }

    /// Against the plain definition: a set of everything received.
    #[test]
    fn agrees_with_a_model_on_random_walks() {
        let mut random = 0x2545_f491_4f6c_dd1d_u64;
        let mut window = ReplayWindow::starting_at(3000);
        let mut received = std::collections::HashSet::from([3000]);
        let mut highest = 3000_u64;
        for _ in 0..200_000 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let index = match random % 8 {
                0 => highest + random / 8 % 1200,
                1..=3 => highest + 1,
                _ => highest.saturating_sub(random / 8 % 1100),
            };
            let expected = if index <= highest && highest - index >= WINDOW {
                Err(SrtpError::Stale)
            } else if received.contains(&index) {
                Err(SrtpError::Replayed)
            } else {
                Ok(())
            };
            assert_eq!(window.check(index), expected);
            if expected.is_ok() {
                window.record(index);
                received.insert(index);
                highest = highest.max(index);
            }
        }
    }

    #[test]
    fn nearest_index_follows_roll_over_in_both_directions() {
        let at = |highest, sequence| ReplayWindow::starting_at(highest).nearest(sequence);
        assert_eq!(at(65_535, 0), Ok(65_536));
        assert_eq!(at(65_536, 65_535), Ok(65_535));
        assert_eq!(at(0x1_8000, 0), Ok(0x1_0000), "half a cycle back stays in the cycle");
        assert_eq!(at(0x1_8001, 0), Ok(0x2_0000), "further back is ahead");
        assert_eq!(at(0x1_0000, 0x8000), Ok(0x1_8000));
        assert_eq!(at(0x1_0000, 0x8001), Ok(0x8001));
    }

    #[test]
    fn first_cycle_has_nothing_before_it() {
        assert_eq!(ReplayWindow::starting_at(10).nearest(65_000), Ok(65_000));
    }

    #[test]
    fn last_cycle_has_nothing_after_it() {
        assert_eq!(ReplayWindow::starting_at(MAX_INDEX).nearest(0), Err(SrtpError::IndexExhausted));
        assert_eq!(ReplayWindow::starting_at(MAX_INDEX).nearest(65_535), Ok(MAX_INDEX));
    }
}
