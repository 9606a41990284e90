//! What the first bytes of a payload tell about its frame, for each codec that Licode offers.
//!
//! Detection only: payloads are never decoded, and apart from the VP8 descriptor (`vp8::rewrite`)
//! never changed. Anything that cannot be read counts as "nothing known".

pub mod av1;
pub mod h264;
pub mod h265;
pub mod vp8;
mod vp8_black;
pub mod vp9;

#[derive(Copy, Clone, Eq, PartialEq, Debug, Hash)]
pub enum Codec {
    Vp8,
    Vp9,
    H264,
    Av1,
    H265,
    Opus,
    Other,
}

impl Codec {
    /// By SDP encoding name, which is case-insensitive (RFC 8866 §6.6).
    pub fn from_name(name: &str) -> Codec {
        const NAMES: [(&str, Codec); 6] = [
            ("VP8", Codec::Vp8),
            ("VP9", Codec::Vp9),
            ("H264", Codec::H264),
            ("AV1", Codec::Av1),
            ("H265", Codec::H265),
            ("opus", Codec::Opus),
        ];
        let known = NAMES.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        known.map_or(Codec::Other, |(_, codec)| codec)
    }
}

/// What one packet tells about its frame (contract §4.2).
#[derive(Copy, Clone, Default, Debug)]
pub struct FrameInfo {
    /// M-PKT-2: VP8 and H264 on the first packet of a key frame, VP9 on every packet of a layer
    /// frame that is not inter-predicted.
    pub key_frame: bool,
    /// The first packet of a frame (VP9: of a layer frame).
    pub frame_start: bool,
    /// TID of the VP8 or VP9 descriptor.
    pub temporal_layer: Option<u8>,
    /// SID of the VP9 descriptor.
    pub spatial_layer: Option<u8>,
    /// Width and height in pixels, where this packet says so.
    pub resolution: Option<(u16, u16)>,
    pub vp8: Option<vp8::Descriptor>,
    pub vp9: Option<vp9::Descriptor>,
}

/// Never fails: what cannot be read is the default.
pub fn inspect(codec: Codec, payload: &[u8]) -> FrameInfo {
    match codec {
        Codec::Vp8 => vp8::inspect(payload),
        Codec::Vp9 => vp9::inspect(payload),
        Codec::H264 => h264::inspect(payload),
        Codec::Av1 => av1::inspect(payload),
        Codec::H265 => h265::inspect(payload),
        Codec::Opus | Codec::Other => None,
    }
    .unwrap_or_default()
}

#[cfg(test)]
mod test {
    use super::super::mutation;
    use super::*;

    #[test]
    fn names_are_compared_without_case() {
        assert_eq!(Codec::from_name("vp8"), Codec::Vp8);
        assert_eq!(Codec::from_name("OPUS"), Codec::Opus);
        assert_eq!(Codec::from_name("red"), Codec::Other);
        assert_eq!(Codec::from_name(""), Codec::Other);
    }

    // N18
    #[test]
    fn survives_damage() {
        let codecs = [
            Codec::Vp8,
            Codec::Vp9,
            Codec::H264,
            Codec::Av1,
            Codec::H265,
            Codec::Opus,
            Codec::Other,
        ];
        let mut seed = mutation::Generator::new(18);
        for _ in 0..20 {
            let input: Vec<u8> = (0..40).map(|_| seed.next() as u8).collect();
            mutation::damage(&input, 500, |payload| {
                for codec in codecs {
                    let info = inspect(codec, payload);
                    assert!(!payload.is_empty() || !info.key_frame);
                }
            });
        }
    }
}
