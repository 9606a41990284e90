//! H.264 payloads (RFC 6184 §5): does this packet start a key frame, does it start a frame.
//!
//! ```text
//! NAL unit:  |F|NRI|  type   | slice data ...
//! STAP-A:    |F|NRI|   24    | size (16) | NAL unit | size (16) | NAL unit ...
//! FU-A:      |F|NRI|   28    |S|E|R| type | fragment ...
//! ```

use super::FrameInfo;

const SLICE: u8 = 1;
const IDR_SLICE: u8 = 5;
const SEQUENCE_PARAMETERS: u8 = 7;
const STAP_A: u8 = 24;
const FU_A: u8 = 28;

/// Types 25 to 27, 29 and up are not understood, as in erizo (M-LAYER-7).
pub(super) fn inspect(payload: &[u8]) -> Option<FrameInfo> {
    let (&first, rest) = payload.split_first()?;
    let mut info = FrameInfo::default();
    match first & 0x1f {
        STAP_A => {
            let mut rest = rest;
            while let Some((size, after)) = rest.split_first_chunk::<2>() {
                let size = usize::from(u16::from_be_bytes(*size));
                let Some((unit, after)) = after.split_at_checked(size) else { break };
                if let Some((&first, data)) = unit.split_first() {
                    note(&mut info, first & 0x1f, data);
                }
                rest = after;
            }
        }
        FU_A => {
            let (&header, data) = rest.split_first()?;
            if header & 0x80 != 0 {
                note(&mut info, header & 0x1f, data);
            }
        }
        kind => note(&mut info, kind, rest),
    }
    Some(info)
}

/// Parameter sets count as part of the key frame they precede. Erizo looks at slices only, so that
/// a receiver switched in at the slice lacks the parameters when they travel ahead of it in a
/// packet of their own, as browsers send them.
fn note(info: &mut FrameInfo, kind: u8, data: &[u8]) {
    match kind {
        SEQUENCE_PARAMETERS => {
            info.key_frame = true;
            info.frame_start = true;
        }
        SLICE..=IDR_SLICE => {
            info.key_frame |= kind == IDR_SLICE;
            // first_mb_in_slice is an Exp-Golomb number (H.264 §7.3.3): 0 is the single bit 1.
            info.frame_start |= data.first().is_some_and(|byte| byte & 0x80 != 0);
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
    fn finds_key_frames_in_single_units_and_fragments() {
        assert!(key_frame(&[0x65, 0x88]));
        assert!(!key_frame(&[0x41, 0x9a]));
        assert!(key_frame(&[0x7c, 0x85, 0x88]), "FU-A start of type 5");
        assert!(!key_frame(&[0x7c, 0x05, 0x88]), "FU-A middle");
        assert!(!key_frame(&[0x7c, 0x45, 0x88]), "FU-A end");
        assert!(!key_frame(&[0x7c, 0x81, 0x9a]), "FU-A start of type 1");
    }

    #[test]
    fn finds_key_frames_anywhere_in_an_aggregate() {
        assert!(key_frame(&[0x78, 0, 2, 0x68, 1, 0, 2, 0x65, 0x88]));
        assert!(key_frame(&[0x78, 0, 2, 0x67, 1, 0, 2, 0x68, 1]));
        assert!(!key_frame(&[0x78, 0, 2, 0x68, 1, 0, 2, 0x41, 0x9a]));
        assert!(!key_frame(&[0x78, 0, 0, 0, 0, 0, 1, 0x41]));
    }

    #[test]
    fn parameter_sets_belong_to_the_key_frame() {
        assert!(key_frame(&[0x67, 0x42]));
        assert!(!key_frame(&[0x68, 0xce]));
    }

    // N18
    #[test]
    fn an_aggregate_that_reaches_past_the_end_keeps_what_came_before() {
        assert!(key_frame(&[0x78, 0, 2, 0x65, 0x88, 0xff, 0xff, 0x41]));
        assert!(!key_frame(&[0x78, 0, 3, 0x65, 0x88]));
        assert!(!key_frame(&[0x78, 0]));
        assert!(!key_frame(&[0x7c]));
        assert!(inspect(&[]).is_none());
    }

    #[test]
    fn a_frame_starts_with_macroblock_0() {
        let start = |payload: &[u8]| inspect(payload).unwrap().frame_start;
        assert!(start(&[0x41, 0x9a]));
        assert!(!start(&[0x41, 0x40]), "second slice of a frame");
        assert!(start(&[0x7c, 0x81, 0x9a]));
        assert!(!start(&[0x7c, 0x01, 0x9a]));
        assert!(!start(&[0x06, 0x80]), "supplemental information");
    }
}
