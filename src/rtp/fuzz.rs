//! Fuzz bodies: each takes any bytes, feeds them to one parser and checks what must hold for
//! whatever comes back. Ordinary functions, so that they compile and run with every build; the
//! unit tests call them with damaged valid inputs.

use super::codec::{self, Codec, vp8};
use super::extension::{ExtensionKind, ExtensionMap, ExtensionSpans};
use super::packet::RtpHeader;
use super::rtcp::{self, Rtcp};
use super::sequence::{Unwrapper16, Unwrapper32};

/// Header, extensions in both forms, payload.
pub fn rtp(packet: &[u8]) {
    let Ok(header) = RtpHeader::parse(packet) else { return };
    let header_len = usize::from(header.header_len);
    let payload = header.payload(packet);
    assert_eq!(header_len + payload.len() + usize::from(header.padding_len), packet.len());
    let mut map = ExtensionMap::default();
    for (id, kind) in (1..).zip(ExtensionKind::ALL) {
        map.insert(id, kind);
    }
    let spans = ExtensionSpans::parse(&header, packet, &map);
    let block = packet[..header_len].as_ptr_range();
    for kind in ExtensionKind::ALL {
        let data = spans.data(packet, kind).map(<[u8]>::as_ptr_range);
        assert!(data.is_none_or(|data| data.start >= block.start && data.end <= block.end));
    }
}

/// A compound packet: work and memory follow its length.
pub fn rtcp(compound: &[u8]) {
    let mut members = 0;
    rtcp::parse(compound, |member| {
        members += 1;
        let held = match member {
            Ok(Rtcp::SenderReport(report)) => report.blocks.len(),
            Ok(Rtcp::ReceiverReport { blocks, .. }) => blocks.len(),
            Ok(Rtcp::Nack { lost, .. }) => lost.len() / 17,
            Ok(Rtcp::Fir { entries, .. }) => entries.len(),
            Ok(Rtcp::Remb { ssrcs, .. }) => ssrcs.len(),
            Ok(Rtcp::Goodbye { sources }) => sources.len(),
            Ok(Rtcp::TransportFeedback(feedback)) => {
                assert_eq!(feedback.statuses().flat_map(|s| s.1).count(), feedback.arrivals.len());
                feedback.arrivals.len()
            }
            _ => 0,
        };
        assert!(held <= compound.len());
    });
    assert!(members <= compound.len() / 4 + 1);
}

/// Payload descriptors of every codec, and the VP8 rewrite.
pub fn payload(payload: &[u8]) {
    for codec in
        [Codec::Vp8, Codec::Vp9, Codec::H264, Codec::Av1, Codec::H265, Codec::Opus, Codec::Other]
    {
        let info = codec::inspect(codec, payload);
        assert!(!payload.is_empty() || !(info.key_frame || info.frame_start));
        if let Some(descriptor) = info.vp8 {
            let mut copy = payload.to_vec();
            vp8::rewrite(&mut copy, &descriptor, 0x1234, 0x56);
            let after = vp8::Descriptor::parse(&copy).map(|d| (d.len, d.start, d.key_frame));
            assert_eq!(after, Some((descriptor.len, descriptor.start, descriptor.key_frame)));
        }
    }
}

/// A run of wire values: the low bits survive, and nothing reaches below zero.
pub fn sequence(values: &[u8]) {
    let (mut short, mut long) = (Unwrapper16::default(), Unwrapper32::default());
    for bytes in values.as_chunks::<4>().0 {
        let value = u32::from_le_bytes(*bytes);
        let (sequence, timestamp) = (short.unwrap(value as u16), long.unwrap(value));
        assert!(sequence as u16 == value as u16 && sequence >= Unwrapper16::ORIGIN / 2);
        assert!(timestamp as u32 == value && timestamp >= Unwrapper32::ORIGIN / 2);
    }
}
