//! A publisher's packet as everybody behind the publisher sees it: clear, parsed once, immutable.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use crate::rtp::codec::{Codec, FrameInfo};
use crate::rtp::extension::{ExtensionKind, ExtensionSpans};
use crate::rtp::id::{MediaKind, PayloadType, Ssrc};
use crate::rtp::packet::RtpHeader;

/// What a packet is, without its bytes.
#[derive(Clone, Copy, Debug)]
pub struct PacketInfo {
    /// As it stood on the wire.
    pub header: RtpHeader,
    pub extensions: ExtensionSpans,
    pub kind: MediaKind,
    /// Position of the SSRC in the publisher's source list: the simulcast layer (M-SIM-3).
    pub layer: u8,
    /// Extended, and without the holes that dropped padding left (M-PADR-1).
    pub sequence: u64,
    pub codec: Codec,
    pub clock_rate_hz: u32,
    pub payload_type: PayloadType,
    pub frame: FrameInfo,
    /// VP8 picture id, extended.
    pub picture_id: Option<u64>,
    pub arrival: Instant,
}

/// One clear RTP packet, shared by every subscriber and by the retransmission ring.
#[derive(Debug)]
pub struct MediaPacket {
    bytes: Vec<u8>,
    info: PacketInfo,
}

impl MediaPacket {
    pub fn info(&self) -> &PacketInfo {
        &self.info
    }

    pub fn ssrc(&self) -> Ssrc {
        self.info.header.ssrc
    }

    /// Without padding.
    pub fn payload(&self) -> &[u8] {
        self.info.header.payload(&self.bytes)
    }

    pub fn extension(&self, kind: ExtensionKind) -> Option<&[u8]> {
        self.info.extensions.data(&self.bytes, kind)
    }
}

/// Packets of one track that nobody holds any more are used again, buffer included.
///
/// Packets of a track are given up in the order they were made (the ring forgets the oldest
/// first), so that looking at the oldest is enough: a pool is per track, and in steady state a
/// packet allocates nothing.
#[derive(Debug, Default)]
pub struct PacketPool {
    /// Oldest first.
    lent: VecDeque<Arc<MediaPacket>>,
}

impl PacketPool {
    /// More packets than this are in use only if another worker fell far behind; those beyond are
    /// allocated and freed.
    const CAPACITY: usize = 2048;
    /// Buffers come in two sizes, so that a buffer grows at most twice in its life: one that fits
    /// voice, and one that fits a datagram (contract section 0.3).
    const SMALL: usize = 320;
    const LARGE: usize = 1500;

    pub fn make(&mut self, data: &[u8], info: PacketInfo) -> Arc<MediaPacket> {
        let oldest_is_free =
            self.lent.front_mut().is_some_and(|packet| Arc::get_mut(packet).is_some());
        let mut packet = match oldest_is_free.then(|| self.lent.pop_front()).flatten() {
            Some(packet) => packet,
            None => Arc::new(MediaPacket { bytes: Vec::new(), info }),
        };
        if let Some(free) = Arc::get_mut(&mut packet) {
            free.info = info;
            free.bytes.clear();
            let capacity = if data.len() <= Self::SMALL { Self::SMALL } else { Self::LARGE };
            free.bytes.reserve_exact(capacity.max(data.len()));
            free.bytes.extend_from_slice(data);
        }
        if self.lent.len() < Self::CAPACITY {
            self.lent.push_back(Arc::clone(&packet));
        }
        packet
    }
}

#[cfg(test)]
pub(super) mod test {
    use super::*;
    use crate::rtp::codec;
    use crate::rtp::extension::ExtensionMap;

    /// A packet for tests of this layer, built from a clear RTP packet.
    pub fn media_packet(data: &[u8], codec: Codec, sequence: u64) -> Arc<MediaPacket> {
        PacketPool::default().make(data, info(data, codec, sequence))
    }

    pub fn info(data: &[u8], codec: Codec, sequence: u64) -> PacketInfo {
        let header = RtpHeader::parse(data).unwrap();
        let frame = codec::inspect(codec, header.payload(data));
        let picture_id = frame.vp8.and_then(|vp8| vp8.picture_id);
        PacketInfo {
            header,
            extensions: ExtensionSpans::parse(&header, data, &ExtensionMap::default()),
            kind: if codec == Codec::Opus { MediaKind::Audio } else { MediaKind::Video },
            layer: 0,
            sequence,
            codec,
            clock_rate_hz: if codec == Codec::Opus { 48_000 } else { 90_000 },
            payload_type: header.payload_type,
            frame,
            picture_id: picture_id.map(|id| u64::from(id.value)),
            arrival: Instant::now(),
        }
    }

    #[test]
    fn a_packet_nobody_holds_is_used_again_with_its_buffer() {
        let data = [0x80, 111, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 7, 7];
        let mut pool = PacketPool::default();
        let first = pool.make(&data, info(&data, Codec::Opus, 1));
        let address = first.payload().as_ptr();
        let second = pool.make(&data, info(&data, Codec::Opus, 2));
        assert_ne!(second.payload().as_ptr(), address, "still held");
        drop(first);
        let third = pool.make(&data, info(&data, Codec::Opus, 3));
        assert_eq!(third.payload().as_ptr(), address);
        assert_eq!((third.info().sequence, third.payload()), (3, &[7, 7][..]));
        assert_eq!(second.info().sequence, 2, "what is held does not change");
    }

    #[test]
    fn a_ring_of_packets_needs_one_more_than_it_holds() {
        let data = [0x80, 111, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 7, 7];
        let mut pool = PacketPool::default();
        let mut ring = VecDeque::new();
        for sequence in 0..1000 {
            ring.push_back(pool.make(&data, info(&data, Codec::Opus, sequence)));
            if ring.len() > 8 {
                ring.pop_front();
            }
        }
        assert_eq!(pool.lent.len(), 9);
    }
}
