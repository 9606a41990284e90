//! H.265 payloads (RFC 7798 §4.4): does this packet start a key frame.
//!
//! ```text
//! NAL unit:     |F|   type    |  layer id | TID | data ...
//! aggregation:  type 48, then size (16) | NAL unit ...      (no DONL: sprop-max-don-diff is 0)
//! fragment:     type 49, then |S|E|  type     | data ...
//! ```

use super::FrameInfo;

const AGGREGATION: u8 = 48;
const FRAGMENT: u8 = 49;

pub(super) fn inspect(payload: &[u8]) -> Option<FrameInfo> {
    let (&[first, _], rest) = payload.split_first_chunk::<2>()?;
    let mut info = FrameInfo::default();
    match kind(first) {
        AGGREGATION => {
            let mut rest = rest;
            while let Some((size, after)) = rest.split_first_chunk::<2>() {
                let size = usize::from(u16::from_be_bytes(*size));
                let Some((unit, after)) = after.split_at_checked(size) else { break };
                if let Some((&[first, _], data)) = unit.split_first_chunk::<2>() {
                    note(&mut info, kind(first), data);
                }
                rest = after;
            }
        }
        FRAGMENT => {
            let (&header, data) = rest.split_first()?;
            if header & 0x80 != 0 {
                note(&mut info, header & 0x3f, data);
            }
        }
        kind => note(&mut info, kind, rest),
    }
    Some(info)
}

fn kind(first: u8) -> u8 {
    first >> 1 & 0x3f
}

fn note(info: &mut FrameInfo, kind: u8, data: &[u8]) {
    match kind {
        // Slices; 16 to 23 are random access points (H.265 table 7-1). The first bit of a slice
        // header is first_slice_segment_in_pic_flag.
        0..=31 => {
            info.key_frame |= (16..=23).contains(&kind);
            info.frame_start |= data.first().is_some_and(|byte| byte & 0x80 != 0);
        }
        // Video and sequence parameters precede a key frame, see `h264`.
        32 | 33 => {
            info.key_frame = true;
            info.frame_start = true;
        }
        _ => {}
    }
}

#[cfg(test)]
mod test {
    use super::*;

    fn key_frame(payload: &[u8]) -> bool {
        inspect(payload).unwrap_or_default().key_frame
    }

    #[test]
    fn finds_key_frames_in_units_fragments_and_aggregates() {
        assert!(key_frame(&[19 << 1, 1, 0x80]));
        assert!(!key_frame(&[1 << 1, 1, 0x80]));
        assert!(key_frame(&[33 << 1, 1, 0]));
        assert!(!key_frame(&[34 << 1, 1, 0]));
        assert!(key_frame(&[49 << 1, 1, 0x80 | 19, 0x80]));
        assert!(!key_frame(&[49 << 1, 1, 19, 0x80]));
        assert!(key_frame(&[48 << 1, 1, 0, 3, 34 << 1, 1, 0, 0, 3, 20 << 1, 1, 0x80]));
    }

    // N18
    #[test]
    fn truncated_payloads_tell_nothing() {
        assert!(inspect(&[38]).is_none());
        assert!(inspect(&[49 << 1, 1]).is_none());
        assert!(!key_frame(&[48 << 1, 1, 0, 9, 19 << 1, 1, 0x80]));
        assert!(!key_frame(&[48 << 1, 1, 0, 1, 19 << 1]));
    }
}
