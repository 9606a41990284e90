//! VP9 payload descriptor (RFC 9628 §4.2), flexible and non-flexible mode.
//!
//! ```text
//!      |I|P|L|F|B|E|V|Z|  required
//! I:   |M| PictureID   |  7 bits, or 15 in two bytes if M
//! L:   |TID|U| SID |D|    then TL0PICIDX unless F
//! F,P: |   P_DIFF    |N|  up to three, while N
//! V:   scalability structure: |N_S|Y|G|---|, sizes if Y, picture group if G
//! ```

use super::FrameInfo;

/// Spatial layers whose size is kept (M-LAYER-1).
pub const MAX_SIZES: usize = 4;

#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Descriptor {
    /// Bytes before the VP9 data.
    pub len: u16,
    pub picture_id: Option<u16>,
    pub tl0_pic_idx: Option<u8>,
    pub temporal_id: Option<u8>,
    pub spatial_id: Option<u8>,
    /// The stream may be switched up to this temporal layer here (U).
    pub switching_up_point: bool,
    /// The layer frame depends on the next lower spatial layer (D).
    pub inter_layer_dependent: bool,
    /// The layer frame depends on earlier pictures (P).
    pub inter_picture_predicted: bool,
    /// First packet of a layer frame (B).
    pub start: bool,
    /// Last packet of a layer frame (E).
    pub end: bool,
    /// Width and height per spatial layer, from a scalability structure (V).
    pub sizes: [Option<(u16, u16)>; MAX_SIZES],
}

impl Descriptor {
    /// `None` if the payload ends inside the descriptor or has no VP9 data behind it.
    pub fn parse(payload: &[u8]) -> Option<Descriptor> {
        let mut reader = Reader(payload);
        let flags = reader.byte()?;
        let flexible = flags & 0x10 != 0;
        let mut descriptor = Descriptor {
            inter_picture_predicted: flags & 0x40 != 0,
            start: flags & 0x08 != 0,
            end: flags & 0x04 != 0,
            ..Descriptor::default()
        };
        if flags & 0x80 != 0 {
            let high = reader.byte()?;
            descriptor.picture_id = Some(if high & 0x80 != 0 {
                u16::from_be_bytes([high & 0x7f, reader.byte()?])
            } else {
                u16::from(high)
            });
        }
        if flags & 0x20 != 0 {
            let layers = reader.byte()?;
            descriptor.temporal_id = Some(layers >> 5);
            descriptor.switching_up_point = layers & 0x10 != 0;
            descriptor.spatial_id = Some(layers >> 1 & 0x07);
            descriptor.inter_layer_dependent = layers & 0x01 != 0;
            if !flexible {
                descriptor.tl0_pic_idx = Some(reader.byte()?);
            }
        }
        if flexible && descriptor.inter_picture_predicted {
            for _ in 0..3 {
                if reader.byte()? & 0x01 == 0 {
                    break;
                }
            }
        }
        if flags & 0x02 != 0 {
            descriptor.sizes = scalability_structure(&mut reader)?;
        }
        if reader.0.is_empty() {
            return None;
        }
        descriptor.len = u16::try_from(payload.len() - reader.0.len()).ok()?;
        Some(descriptor)
    }
}

pub(super) fn inspect(payload: &[u8]) -> Option<FrameInfo> {
    let descriptor = Descriptor::parse(payload)?;
    let layer = usize::from(descriptor.spatial_id.unwrap_or(0));
    Some(FrameInfo {
        key_frame: !descriptor.inter_picture_predicted,
        frame_start: descriptor.start,
        temporal_layer: descriptor.temporal_id,
        spatial_layer: descriptor.spatial_id,
        resolution: descriptor.sizes.get(layer).copied().flatten(),
        vp8: None,
        vp9: Some(descriptor),
    })
}

/// RFC 9628 §4.2.1. All parts are bounded by their own counts: 8 sizes, 255 pictures.
fn scalability_structure(reader: &mut Reader<'_>) -> Option<[Option<(u16, u16)>; MAX_SIZES]> {
    let mut sizes = [None; MAX_SIZES];
    let flags = reader.byte()?;
    if flags & 0x10 != 0 {
        for layer in 0..=usize::from(flags >> 5) {
            let width = u16::from_be_bytes([reader.byte()?, reader.byte()?]);
            let height = u16::from_be_bytes([reader.byte()?, reader.byte()?]);
            if let Some(size) = sizes.get_mut(layer) {
                *size = Some((width, height));
            }
        }
    }
    if flags & 0x08 != 0 {
        for _ in 0..reader.byte()? {
            let references = reader.byte()? >> 2 & 0x03;
            for _ in 0..references {
                reader.byte()?;
            }
        }
    }
    Some(sizes)
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(byte)
    }
}

#[cfg(test)]
mod test {
    use super::*;

    /// Non-flexible: I with 15 bits, L, V with two sizes and a group of two pictures.
    const FULL: [u8; 22] = [
        0x80 | 0x20 | 0x08 | 0x02,
        0x92,
        0x34,
        0x52,
        0x07,
        0x20 | 0x10 | 0x08,
        0x01,
        0x40,
        0x00,
        0xb4,
        0x02,
        0x80,
        0x01,
        0x68,
        0x02,
        0x04,
        0x01,
        0x58,
        0x01,
        0x02,
        0xaa,
        0xbb,
    ];

    #[test]
    fn reads_a_full_descriptor() {
        let descriptor = Descriptor::parse(&FULL).unwrap();
        // M-LAYER-6: both bytes of the picture id count.
        assert_eq!(descriptor.picture_id, Some(0x1234));
        assert_eq!((descriptor.temporal_id, descriptor.spatial_id), (Some(2), Some(1)));
        assert!(descriptor.switching_up_point && !descriptor.inter_layer_dependent);
        assert_eq!(descriptor.tl0_pic_idx, Some(7));
        assert_eq!(descriptor.sizes, [Some((320, 180)), Some((640, 360)), None, None]);
        assert!(descriptor.start && !descriptor.end);
        assert_eq!(descriptor.len, 20);
        let info = inspect(&FULL).unwrap();
        assert!(info.key_frame && info.frame_start);
        assert_eq!(info.resolution, Some((640, 360)));
    }

    #[test]
    fn reads_flexible_references_and_no_base_layer_index() {
        let payload = [0x80 | 0x40 | 0x20 | 0x10 | 0x04, 0x11, 0x00, 0x03, 0x04, 0xaa];
        let descriptor = Descriptor::parse(&payload).unwrap();
        assert_eq!(descriptor.len, 5);
        assert_eq!((descriptor.picture_id, descriptor.tl0_pic_idx), (Some(0x11), None));
        assert!(descriptor.end && !descriptor.start);
        assert!(!inspect(&payload).unwrap().key_frame);
    }

    #[test]
    fn without_layer_indices_nothing_is_known_of_layers() {
        let info = inspect(&[0x48, 0xaa]).unwrap();
        assert!(!info.key_frame && info.frame_start);
        assert_eq!((info.temporal_layer, info.spatial_layer), (None, None));
    }

    // N18
    #[test]
    fn refuses_truncation_at_every_length() {
        for len in 0..=20 {
            assert_eq!(Descriptor::parse(&FULL[..len]), None);
        }
        assert_eq!(Descriptor::parse(&[0x02, 0x08, 0xff, 0x0c, 1, 2]), None);
    }
}
