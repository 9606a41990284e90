//! VP8 payload descriptor (RFC 7741 §4.2) and the few payload header bits behind it (§4.3).
//!
//! ```text
//!       0 1 2 3 4 5 6 7
//!      |X|R|N|S|R| PID |  required
//! X:   |I|L|T|K|  RSV  |
//! I:   |M| PictureID   |  7 bits, or 15 in two bytes if M
//! L:   |   TL0PICIDX   |
//! T/K: |TID|Y| KEYIDX  |
//! ```

use super::FrameInfo;

pub use super::vp8_black::BLACK_KEY_FRAME;

/// A picture id and where it lies in the payload.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct PictureId {
    pub offset: u8,
    pub value: u16,
    /// 15 bits in two bytes, else 7 bits in one.
    pub wide: bool,
}

/// A one byte field and where it lies in the payload.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Indexed {
    pub offset: u8,
    pub value: u8,
}

/// The descriptor of one packet, and whether its frame is a key frame.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// Bytes before the VP8 data.
    pub len: u8,
    pub picture_id: Option<PictureId>,
    pub tl0_pic_idx: Option<Indexed>,
    pub temporal_id: Option<u8>,
    /// The frame depends on the base temporal layer only (Y).
    pub layer_sync: bool,
    /// No other frame depends on this one (N).
    pub non_reference: bool,
    /// First packet of a frame: start of partition 0.
    pub start: bool,
    /// First packet of a key frame.
    pub key_frame: bool,
}

impl Descriptor {
    /// `None` if the payload ends inside the descriptor or has no VP8 data behind it.
    pub fn parse(payload: &[u8]) -> Option<Descriptor> {
        let mut reader = Reader { payload, offset: 0 };
        let first = reader.next()?;
        let mut picture_id = None;
        let mut tl0_pic_idx = None;
        let mut temporal_id = None;
        let mut layer_sync = false;
        if first & 0x80 != 0 {
            let present = reader.next()?;
            if present & 0x80 != 0 {
                let offset = reader.offset;
                let high = reader.next()?;
                let wide = high & 0x80 != 0;
                let value = if wide {
                    u16::from_be_bytes([high & 0x7f, reader.next()?])
                } else {
                    u16::from(high)
                };
                picture_id = Some(PictureId { offset, value, wide });
            }
            if present & 0x40 != 0 {
                tl0_pic_idx = Some(Indexed { offset: reader.offset, value: reader.next()? });
            }
            if present & 0x30 != 0 {
                let byte = reader.next()?;
                // With K alone the TID bits mean nothing.
                if present & 0x20 != 0 {
                    temporal_id = Some(byte >> 6);
                    layer_sync = byte & 0x20 != 0;
                }
            }
        }
        let len = reader.offset;
        let header = reader.next()?;
        let start = first & 0x10 != 0 && first & 0x07 == 0;
        Some(Descriptor {
            len,
            picture_id,
            tl0_pic_idx,
            temporal_id,
            layer_sync,
            non_reference: first & 0x20 != 0,
            start,
            // RFC 7741 §4.3: P clear means key frame.
            key_frame: start && header & 0x01 == 0,
        })
    }
}

pub(super) fn inspect(payload: &[u8]) -> Option<FrameInfo> {
    let descriptor = Descriptor::parse(payload)?;
    let data = payload.get(usize::from(descriptor.len)..)?;
    Some(FrameInfo {
        key_frame: descriptor.key_frame,
        frame_start: descriptor.start,
        temporal_layer: descriptor.temporal_id,
        resolution: if descriptor.key_frame { key_frame_resolution(data) } else { None },
        vp8: Some(descriptor),
        ..FrameInfo::default()
    })
}

/// Replaces picture id and TL0PICIDX where the descriptor has them. A 7 bit picture id stays one
/// and takes the low 7 bits.
pub fn rewrite(payload: &mut [u8], descriptor: &Descriptor, picture_id: u16, tl0: u8) {
    if let Some(PictureId { offset, wide, .. }) = descriptor.picture_id {
        let offset = usize::from(offset);
        if wide {
            if let Some(field) = payload.get_mut(offset..offset + 2) {
                field.copy_from_slice(&(picture_id | 0x8000).to_be_bytes());
            }
        } else if let Some(field) = payload.get_mut(offset) {
            *field = (picture_id & 0x7f) as u8;
        }
    }
    if let Some(index) = descriptor.tl0_pic_idx
        && let Some(field) = payload.get_mut(usize::from(index.offset))
    {
        *field = tl0;
    }
}

/// Uncompressed part of a key frame (RFC 6386 §9.1): frame tag, start code, then two times 14
/// bits of size below 2 bits of scaling.
fn key_frame_resolution(data: &[u8]) -> Option<(u16, u16)> {
    let [_, _, _, 0x9d, 0x01, 0x2a, w0, w1, h0, h1] = *data.first_chunk::<10>()? else {
        return None;
    };
    let size = |bytes| u16::from_le_bytes(bytes) & 0x3fff;
    Some((size([w0, w1]), size([h0, h1])))
}

struct Reader<'a> {
    payload: &'a [u8],
    /// At most 6 bytes are read.
    offset: u8,
}

impl Reader<'_> {
    fn next(&mut self) -> Option<u8> {
        let byte = *self.payload.get(usize::from(self.offset))?;
        self.offset += 1;
        Some(byte)
    }
}

#[cfg(test)]
mod test {
    use super::super::super::mutation;
    use super::*;

    const FULL: [u8; 7] = [0x90, 0xf0, 0x92, 0x34, 0x56, 0xe1, 0x00];

    #[test]
    fn reads_a_full_descriptor() {
        let descriptor = Descriptor::parse(&FULL).unwrap();
        let picture_id = PictureId { offset: 2, value: 0x1234, wide: true };
        assert_eq!(descriptor.picture_id, Some(picture_id));
        assert_eq!(descriptor.tl0_pic_idx, Some(Indexed { offset: 4, value: 0x56 }));
        assert_eq!(descriptor.temporal_id, Some(3));
        assert!(descriptor.layer_sync && descriptor.start && descriptor.key_frame);
        assert_eq!(descriptor.len, 6);
    }

    #[test]
    fn reads_the_descriptor_of_one_byte_and_the_short_picture_id() {
        let descriptor = Descriptor::parse(&[0x10, 0x01]).unwrap();
        assert_eq!((descriptor.len, descriptor.start, descriptor.key_frame), (1, true, false));
        assert_eq!(descriptor.picture_id, None);
        let descriptor = Descriptor::parse(&[0x80, 0x80, 0x7f, 0]).unwrap();
        let picture_id = PictureId { offset: 2, value: 0x7f, wide: false };
        assert_eq!(descriptor.picture_id, Some(picture_id));
    }

    #[test]
    fn only_the_first_packet_of_partition_0_can_start_a_key_frame() {
        for (first, key_frame) in [(0x10, true), (0x00, false), (0x11, false), (0x30, true)] {
            assert_eq!(Descriptor::parse(&[first, 0]).unwrap().key_frame, key_frame, "{first:x}");
        }
    }

    #[test]
    fn temporal_id_needs_the_t_bit() {
        assert_eq!(Descriptor::parse(&[0x80, 0x10, 0xc0, 0]).unwrap().temporal_id, None);
        assert_eq!(Descriptor::parse(&[0x80, 0x20, 0xc0, 0]).unwrap().temporal_id, Some(3));
    }

    #[test]
    fn refuses_truncation_at_every_length() {
        for len in 0..FULL.len() {
            assert_eq!(Descriptor::parse(&FULL[..len]), None);
        }
    }

    #[test]
    fn resolution_needs_a_key_frame_with_start_code() {
        let mut payload = vec![0x10, 0, 0, 0, 0x9d, 0x01, 0x2a, 0x40, 0x41, 0xb4, 0x80];
        assert_eq!(inspect(&payload).unwrap().resolution, Some((320, 180)));
        payload[4] = 0;
        assert_eq!(inspect(&payload).unwrap().resolution, None);
        payload[4] = 0x9d;
        payload[1] = 1;
        assert_eq!(inspect(&payload).unwrap().resolution, None);
    }

    #[test]
    fn rewrites_fields_in_place_and_keeps_their_width() {
        let mut payload = FULL;
        let descriptor = Descriptor::parse(&payload).unwrap();
        rewrite(&mut payload, &descriptor, 0x7fff, 9);
        let after = Descriptor::parse(&payload).unwrap();
        assert_eq!(after.picture_id.unwrap().value, 0x7fff);
        assert_eq!(after.tl0_pic_idx.unwrap().value, 9);
        assert_eq!((after.len, after.temporal_id), (descriptor.len, descriptor.temporal_id));

        let mut payload = [0x80, 0x80, 0x05, 0];
        let descriptor = Descriptor::parse(&payload).unwrap();
        rewrite(&mut payload, &descriptor, 0x1ff, 9);
        assert_eq!(payload, [0x80, 0x80, 0x7f, 0]);
    }

    // N18
    #[test]
    fn rewriting_a_shorter_payload_does_nothing_bad() {
        let descriptor = Descriptor::parse(&FULL).unwrap();
        mutation::damage(&FULL, 5_000, |bytes| {
            rewrite(&mut bytes.to_vec(), &descriptor, 1, 1);
        });
    }
}
