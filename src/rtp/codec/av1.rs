//! AV1 payloads: the aggregation header of the AV1 RTP payload format, §4.4.
//!
//! ```text
//! |Z|Y|W W|N|-|-|-|   Z: begins inside an OBU   N: first packet of a coded video sequence
//! ```

use super::FrameInfo;

pub(super) fn inspect(payload: &[u8]) -> Option<FrameInfo> {
    let (&header, obus) = payload.split_first()?;
    if obus.is_empty() {
        return None;
    }
    let continued = header & 0x80 != 0;
    // A coded video sequence begins with a key frame, and its first packet continues nothing.
    Some(FrameInfo {
        key_frame: header & 0x08 != 0 && !continued,
        frame_start: !continued,
        ..FrameInfo::default()
    })
}

#[cfg(test)]
mod test {
    use super::*;

    #[test]
    fn a_new_coded_video_sequence_is_a_key_frame() {
        assert!(inspect(&[0x08, 0x0a]).unwrap().key_frame);
        assert!(!inspect(&[0x10, 0x32]).unwrap().key_frame);
        assert!(!inspect(&[0x88, 0x0a]).unwrap().key_frame);
        assert!(!inspect(&[0x80, 0x0a]).unwrap().frame_start);
        assert!(inspect(&[0x08]).is_none());
        assert!(inspect(&[]).is_none());
    }
}
