//! RTP packets for the tests of this layer, with defaults.

use crate::rtp::codec::Codec;
use crate::rtp::extension::{ExtensionKind, ExtensionMap};
use crate::rtp::id::{PayloadType, Ssrc};
use crate::rtp::packet::{HeaderWriter, OutgoingHeader};

use super::payload_types::{Payload, PayloadTypes};

/// Payload types as the publisher of the tests numbers them.
pub const VP8: PayloadType = PayloadType(96);
pub const H264: PayloadType = PayloadType(102);
pub const OPUS: PayloadType = PayloadType(111);

/// A packet to be; all fields may be set.
#[derive(Clone)]
pub struct Build {
    pub header: OutgoingHeader,
    pub extensions: Vec<(u8, Vec<u8>)>,
    pub payload: Vec<u8>,
    pub padding: u8,
}

impl Build {
    fn new(payload_type: PayloadType, ssrc: u32, sequence: u16, payload: Vec<u8>) -> Self {
        Build {
            header: OutgoingHeader {
                payload_type,
                marker: false,
                sequence,
                timestamp: u32::from(sequence) * 3000,
                ssrc: Ssrc(ssrc),
            },
            extensions: Vec::new(),
            payload,
            padding: 0,
        }
    }

    /// One whole VP8 frame with 15 bit picture id and TL0PICIDX, both following the sequence.
    pub fn vp8(sequence: u16, key_frame: bool) -> Self {
        let picture = (0x8000 | sequence).to_be_bytes();
        let frame = if key_frame { 0x10 } else { 0x11 };
        let payload = vec![
            0x90,
            0xe0,
            picture[0],
            picture[1],
            sequence as u8,
            0x20,
            frame,
            2,
            0,
            0x9d,
            1,
            0x2a,
            64,
            1,
            180,
            0,
            7,
            7,
        ];
        Build::new(VP8, 100, sequence, payload)
    }

    pub fn h264(sequence: u16, key_frame: bool) -> Self {
        let slice = if key_frame { 0x65 } else { 0x61 };
        Build::new(H264, 100, sequence, vec![slice, 0x80, 1, 2])
    }

    pub fn opus(sequence: u16) -> Self {
        let mut build = Build::new(OPUS, 200, sequence, vec![0xfc, 1, 2, 3]);
        build.header.timestamp = u32::from(sequence) * 960;
        build
    }

    pub fn padding(sequence: u16) -> Self {
        Build { padding: 200, ..Build::new(VP8, 100, sequence, Vec::new()) }
    }

    pub fn ssrc(mut self, ssrc: u32) -> Self {
        self.header.ssrc = Ssrc(ssrc);
        self
    }

    pub fn timestamp(mut self, timestamp: u32) -> Self {
        self.header.timestamp = timestamp;
        self
    }

    pub fn extension(mut self, kind: ExtensionKind, data: &[u8]) -> Self {
        let id = extensions().id(kind).unwrap();
        self.extensions.push((id, data.to_vec()));
        self
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut buf = vec![0; 1500];
        let mut writer = HeaderWriter::new(&mut buf, &self.header).unwrap();
        for (id, data) in &self.extensions {
            writer.extension(*id, data).unwrap();
        }
        let len = writer.finish();
        buf.truncate(len);
        buf.extend_from_slice(&self.payload);
        if self.padding > 0 {
            buf[0] |= 0x20;
            buf.resize(buf.len() + usize::from(self.padding) - 1, 0);
            buf.push(self.padding);
        }
        buf
    }
}

/// Every extension, numbered in the order of `ExtensionKind::ALL` from 1 on.
pub fn extensions() -> ExtensionMap {
    let mut map = ExtensionMap::default();
    for kind in ExtensionKind::ALL {
        map.insert(kind.index() as u8 + 1, kind);
    }
    map
}

/// The publisher's numbers to the internal ones of the contract (section 0.3).
pub fn payload_types() -> PayloadTypes {
    let mut types = PayloadTypes::new();
    for (external, internal, codec, clock_rate_hz) in [
        (VP8, 100, Codec::Vp8, 90_000),
        (H264, 101, Codec::H264, 90_000),
        (OPUS, 111, Codec::Opus, 48_000),
        (PayloadType(97), 96, Codec::Other, 90_000),
    ] {
        types.insert(external, Payload { internal: PayloadType(internal), codec, clock_rate_hz });
    }
    types
}
