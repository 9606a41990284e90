//! A ready-made black picture, sent to a VP8 receiver in place of media it must not or cannot see
//! yet (M-MUTE-5, M-FKF-1).

/// RTP payload of one whole key frame: 320x180, shown, all black (Y 16, U and V 128).
///
/// The first row is the payload descriptor M-MUTE-5 asks for: X and S, 15 bit picture id 1,
/// TL0PICIDX 0, TID 0 with Y. The rest was written by a boolean encoder of our own after RFC 6386:
/// quantiser index 0, loop filter off, no probability updates, every macroblock predicted as DC
/// for luma and chroma. Only the first macroblock has coefficients: a Y2 DC of -896 (step 8) takes
/// the prediction of 128 down to 16; the others are skipped and repeat their neighbours. Checked
/// by decoding it, wrapped in IVF, with ffmpeg 5.1's own VP8 decoder and with libvpx: both gave
/// 57,600 luma samples of 16 and 28,800 chroma samples of 128 without a warning.
#[rustfmt::skip]
pub const BLACK_KEY_FRAME: [u8; 134] = [
    0x90, 0xe0, 0x80, 0x01, 0x00, 0x20,
    0x10, 0x0e, 0x00, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xb4, 0x00, 0x00, 0x00, 0x00, 0x08, 0x00, 0x18,
    0x58, 0x13, 0xdc, 0x1a, 0x05, 0x92, 0x7d, 0xaf, 0x6e, 0x6c, 0x9c, 0xe1, 0xec, 0x9c, 0xe1, 0xec,
    0x9c, 0xe1, 0xec, 0x9c, 0xe1, 0xec, 0x9c, 0xe1, 0xec, 0x9c, 0xe1, 0xec, 0x9c, 0xe1, 0xec, 0x9c,
    0xe1, 0xec, 0x9c, 0xe1, 0xec, 0x9c, 0xe1, 0xec, 0x9c, 0xe1, 0xec, 0x9c, 0xe1, 0xec, 0x9c, 0xe1,
    0xec, 0x9c, 0xe1, 0xec, 0x9c, 0xe1, 0xec, 0x9c, 0xe1, 0xec, 0x9c, 0xe1, 0xec, 0x9c, 0xe1, 0xec,
    0x9c, 0xe1, 0xec, 0x9c, 0xe1, 0xec, 0x9c, 0xe1, 0xec, 0x9c, 0xe1, 0xec, 0x9c, 0xe1, 0xec, 0x9c,
    0xe1, 0xec, 0x9c, 0xe1, 0xec, 0x9c, 0xe1, 0xec, 0x9c, 0xe1, 0xec, 0x9c, 0xe1, 0xec, 0x9c, 0xe1,
    0xec, 0x9c, 0xe1, 0xec, 0x9c, 0xe1, 0xec, 0x9c, 0xb8, 0x00, 0xfe, 0xff, 0xdf, 0x6e, 0xd4, 0x00,
];

#[cfg(test)]
mod test {
    use super::super::vp8::inspect;
    use super::*;

    // M-MUTE-5
    #[test]
    fn black_key_frame_is_a_key_frame_of_320_by_180() {
        let info = inspect(&BLACK_KEY_FRAME).unwrap();
        assert!(info.key_frame && info.frame_start);
        assert_eq!(info.resolution, Some((320, 180)));
        let descriptor = info.vp8.unwrap();
        let picture_id = descriptor.picture_id.unwrap();
        assert_eq!((picture_id.value, picture_id.wide), (1, true));
        assert_eq!(descriptor.tl0_pic_idx.unwrap().value, 0);
        assert_eq!(descriptor.temporal_id, Some(0));
        assert!(descriptor.layer_sync);
        assert_eq!(descriptor.len, 6);
    }

    #[test]
    fn first_partition_lies_within_the_frame() {
        let [a, b, c] = *BLACK_KEY_FRAME[6..].first_chunk::<3>().unwrap();
        let tag = u32::from_le_bytes([a, b, c, 0]);
        assert_eq!(tag & 0x11, 0x10, "key frame, shown");
        assert!(6 + 10 + (tag >> 5) as usize <= BLACK_KEY_FRAME.len());
    }
}
