//! One SSRC of a publisher: from packets as they came to packets that subscribers can share.

use std::sync::Arc;
use std::time::Instant;

use super::incoming::IncomingPacket;
use super::nack_generator::NackGenerator;
use super::packet::{MediaPacket, PacketInfo, PacketPool};
use super::payload_types::PayloadTypes;
use super::receiver_report::Reception;
use super::sequence_map::{Mapping, SequenceMap};
use crate::rtp::codec::{self, Codec};
use crate::rtp::id::{MediaKind, Ssrc};
use crate::rtp::sequence::Unwrapper16;

/// See the module documentation.
#[derive(Debug)]
pub(super) struct SourceTrack {
    pub ssrc: Ssrc,
    pub kind: MediaKind,
    pub layer: u8,
    /// Where its statistics are counted.
    pub stats: usize,
    pub reception: Reception,
    /// Video only (M-RR-1).
    pub nacks: Option<NackGenerator>,
    pub clock_rate_hz: u32,
    unwrapper: Unwrapper16,
    /// Closes the holes that dropped padding leaves, and finds duplicates (M-PADR-1).
    numbers: SequenceMap,
    pictures: PictureIds,
    pool: PacketPool,
    /// Publisher this track belongs to, so that subscribers notice when another takes over.
    publisher: u64,
    last_key_frame: Option<u32>,
}

/// What one packet was to its track.
#[derive(Debug)]
pub(super) struct Arrival {
    /// Newly missing packets, or -1.
    pub missed: i32,
    /// A gap is known and this packet is newer: time to ask for it (M-RR-3).
    pub ask: bool,
    pub packet: Option<Arc<MediaPacket>>,
    /// The packet is the first one seen of a key frame; several may be marked as such (VP9, and
    /// H264 with parameter sets ahead).
    pub key_frame: bool,
}

impl SourceTrack {
    pub fn new(publisher: u64, ssrc: Ssrc, kind: MediaKind, layer: u8, stats: usize) -> Self {
        SourceTrack {
            ssrc,
            kind,
            layer,
            stats,
            reception: Reception::new(ssrc, kind),
            nacks: (kind == MediaKind::Video).then(NackGenerator::new),
            clock_rate_hz: default_clock_rate(kind),
            unwrapper: Unwrapper16::default(),
            numbers: SequenceMap::new(u64::BITS - 1),
            pictures: PictureIds::default(),
            pool: PacketPool::default(),
            publisher,
            last_key_frame: None,
        }
    }

    pub fn handle(
        &mut self,
        now: Instant,
        incoming: &IncomingPacket<'_>,
        payload_types: &PayloadTypes,
    ) -> Arrival {
        let header = incoming.header;
        let agreed = payload_types.payload(header.payload_type);
        let (payload_type, codec) = match agreed {
            Some(payload) => {
                self.clock_rate_hz = payload.clock_rate_hz;
                (payload.internal, payload.codec)
            }
            None => (header.payload_type, Codec::Other),
        };
        let wire_sequence = self.unwrapper.unwrap(header.sequence);
        let missed =
            self.reception.on_packet(now, wire_sequence, header.timestamp, self.clock_rate_hz);
        let ask = match &mut self.nacks {
            Some(nacks) => nacks.on_packet(wire_sequence) && !nacks.is_empty(),
            None => false,
        };
        // Nothing but padding, or nothing at all (security.md N9).
        let payload = incoming.payload();
        let mapping = self.numbers.get(wire_sequence, payload.is_empty());
        let Mapping::Valid(sequence) = mapping else {
            return Arrival { missed, ask, packet: None, key_frame: false };
        };
        let frame = codec::inspect(codec, payload);
        let picture_id = frame
            .vp8
            .and_then(|vp8| vp8.picture_id)
            .map(|id| self.pictures.unwrap(id.value, if id.wide { 15 } else { 7 }));
        let key_frame = self.kind == MediaKind::Video
            && frame.key_frame
            && self.last_key_frame.replace(header.timestamp) != Some(header.timestamp);
        let info = PacketInfo {
            publisher: self.publisher,
            header,
            extensions: incoming.extensions,
            kind: self.kind,
            layer: self.layer,
            sequence,
            codec,
            clock_rate_hz: self.clock_rate_hz,
            payload_type,
            frame,
            picture_id,
            arrival: now,
        };
        Arrival { missed, ask, packet: Some(self.pool.make(incoming.data, info)), key_frame }
    }
}

fn default_clock_rate(kind: MediaKind) -> u32 {
    match kind {
        MediaKind::Audio => 48_000,
        MediaKind::Video => 90_000,
    }
}

/// Extends picture ids of 7 or 15 bits by the half-range rule.
#[derive(Debug, Default)]
struct PictureIds {
    highest: Option<u64>,
}

impl PictureIds {
    /// Ids before the first one exist too.
    const ORIGIN: u64 = 1 << 16;

    fn unwrap(&mut self, value: u16, bits: u32) -> u64 {
        let range = 1_u64 << bits;
        let Some(highest) = self.highest else {
            let first = u64::from(value) + Self::ORIGIN;
            self.highest = Some(first);
            return first;
        };
        let ahead = u64::from(value).wrapping_sub(highest) & (range - 1);
        if ahead < range / 2 {
            self.highest = Some(highest + ahead);
            highest + ahead
        } else {
            highest.saturating_sub(range - ahead)
        }
    }
}

#[cfg(test)]
mod test {
    use super::*;

    #[test]
    fn picture_ids_wrap_at_their_width() {
        let mut ids = PictureIds::default();
        let origin = PictureIds::ORIGIN;
        assert_eq!(ids.unwrap(0x7ffe, 15), origin + 0x7ffe);
        assert_eq!(ids.unwrap(0, 15), origin + 0x8000);
        assert_eq!(ids.unwrap(0x7fff, 15), origin + 0x7fff);
        let mut ids = PictureIds::default();
        assert_eq!(ids.unwrap(127, 7), origin + 127);
        assert_eq!(ids.unwrap(0, 7), origin + 128);
    }
}
