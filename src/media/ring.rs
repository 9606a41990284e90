//! The last packets of one track, for answering NACKs of any number of subscribers.

use std::sync::Arc;

use super::packet::MediaPacket;

/// Indexed by sequence number; a newer packet takes the slot of an older one.
#[derive(Debug)]
pub struct TrackRing {
    slots: Box<[Option<Arc<MediaPacket>>]>,
}

impl TrackRing {
    pub fn new(capacity: usize) -> Self {
        TrackRing { slots: vec![None; capacity.max(1)].into_boxed_slice() }
    }

    pub fn store(&mut self, packet: &Arc<MediaPacket>) {
        let index = self.index(packet.info().sequence);
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
        ring.clear();
        assert_eq!(found(&ring, 14), None);
    }
}
