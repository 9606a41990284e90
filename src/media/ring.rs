//! The last packets of one track, for answering NACKs of any number of subscribers.

use std::sync::Arc;

use super::packet::MediaPacket;

/// Indexed by sequence number; a newer packet takes the slot of an older one.
#[derive(Debug)]
pub struct TrackRing {
    slots: Box<[Option<Arc<MediaPacket>>]>,
    newest: u64,
}

impl TrackRing {
    pub fn new(capacity: usize) -> Self {
        TrackRing { slots: vec![None; capacity.max(1)].into_boxed_slice(), newest: 0 }
    }

    pub fn store(&mut self, packet: &Arc<MediaPacket>) {
        let sequence = packet.info().sequence;
        // What never came gives its slot up too: packets leave in the order they came in, which
        // is what makes the pool behind them work.
        let skipped = sequence.saturating_sub(self.newest).min(self.slots.len() as u64);
        for missing in sequence - skipped.saturating_sub(1)..sequence {
            let index = self.index(missing);
            if let Some(slot) = self.slots.get_mut(index) {
                *slot = None;
            }
        }
        self.newest = self.newest.max(sequence);
        let index = self.index(sequence);
        if let Some(slot) = self.slots.get_mut(index) {
            *slot = Some(Arc::clone(packet));
        }
    }

    pub fn packet(&self, sequence: u64) -> Option<&Arc<MediaPacket>> {
        let packet = self.slots.get(self.index(sequence))?.as_ref()?;
        (packet.info().sequence == sequence).then_some(packet)
    }

    pub fn clear(&mut self) {
        self.slots.fill(None);
        self.newest = 0;
    }

    fn index(&self, sequence: u64) -> usize {
        (sequence % self.slots.len() as u64) as usize
    }
}

#[cfg(test)]
mod test {
    use super::super::packet::test::media_packet;
    use super::*;
    use crate::rtp::codec::Codec;

    #[test]
    fn finds_exactly_the_packet_asked_for_m_rtx_2() {
        let data = [0x80, 111, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 7];
        let mut ring = TrackRing::new(4);
        for sequence in [10, 11, 12, 14] {
            ring.store(&media_packet(&data, Codec::Opus, sequence));
        }
        let found = |ring: &TrackRing, n| ring.packet(n).map(|p| p.info().sequence);
        assert_eq!(found(&ring, 11), Some(11));
        assert_eq!(found(&ring, 13), None, "never came");
        assert_eq!(found(&ring, 10), None, "overwritten by 14");
        ring.store(&media_packet(&data, Codec::Opus, 17));
        assert_eq!(found(&ring, 11), None, "the slot of 15, which never came");
        assert_eq!(found(&ring, 14), Some(14));
        ring.store(&media_packet(&data, Codec::Opus, 15));
        assert_eq!(found(&ring, 15), Some(15), "late");
        assert_eq!(found(&ring, 17), Some(17));
        ring.clear();
        assert_eq!(found(&ring, 14), None);
    }
}
