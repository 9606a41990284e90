//! Receive state of the sources of one stream, kept only for sources that sent something
//! authentic (security N20).
//!
//! A full table refuses new sources instead of evicting one: eviction would forget a roll-over
//! counter, which silences the source for good, and a replay window, which lets its old packets
//! in again. Only the holder of the keys can fill the table, and so only spoils its own connection.

use super::SrtpError;
use super::replay::ReplayWindow;

/// Sources per association and stream, over its whole life. Room for more than a hundred
/// publications of simulcast with retransmission on one connection; each costs 140 bytes.
pub const MAX_SOURCES: usize = 1024;

/// Looked up by scanning the SSRCs, which for the usual handful costs less than a hash.
#[derive(Default)]
pub(super) struct Sources {
    ssrcs: Vec<u32>,
    windows: Vec<ReplayWindow>,
}

impl Sources {
    pub(super) fn find(&mut self, ssrc: u32) -> Option<&mut ReplayWindow> {
        let position = self.ssrcs.iter().position(|known| *known == ssrc)?;
        self.windows.get_mut(position)
    }

    /// Asked before the tag of an unknown source's packet is worth checking.
    pub(super) fn check_room(&self) -> Result<(), SrtpError> {
        if self.ssrcs.len() < MAX_SOURCES { Ok(()) } else { Err(SrtpError::TooManySources) }
    }

    /// Adds a source that [`find`](Self::find) did not know, after its first authentic packet.
    pub(super) fn admit(&mut self, ssrc: u32, index: u64) {
        self.ssrcs.push(ssrc);
        self.windows.push(ReplayWindow::starting_at(index));
    }

    pub(super) fn len(&self) -> usize {
        self.ssrcs.len()
    }
}

#[cfg(test)]
mod test {
    use super::*;

    #[test]
    fn knows_only_admitted_sources() {
        let mut sources = Sources::default();
        assert!(sources.find(1).is_none());
        sources.admit(1, 10);
        sources.admit(2, 20);
        assert_eq!(sources.find(1).unwrap().check(10), Err(SrtpError::Replayed));
        assert_eq!(sources.find(2).unwrap().check(10), Ok(()));
    }

    #[test]
    fn a_full_table_refuses_and_forgets_nobody() {
        let mut sources = Sources::default();
        for ssrc in 0..MAX_SOURCES as u32 {
            assert_eq!(sources.check_room(), Ok(()));
            sources.admit(ssrc, 1);
        }
        assert_eq!(sources.check_room(), Err(SrtpError::TooManySources));
        assert!((0..MAX_SOURCES as u32).all(|ssrc| sources.find(ssrc).is_some()));
    }
}
