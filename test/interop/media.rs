//! Numbered packets whose every byte the receiver can foretell.

use webrtc::media_stream::MediaStreamTrack;

use rtc::rtp_transceiver::rtp_sender::{
    RTCPFeedback, RTCRtpCodec, RTCRtpCodecParameters, RTCRtpCodingParameters,
    RTCRtpEncodingParameters, RtpCodecKind,
};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Codec {
    H264,
    Vp8,
    Opus,
}

/// What a payload of ours says about itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Numbered {
    pub index: u32,
    pub key_frame: bool,
}

impl Codec {
    /// The payload type in the descriptions of the far end; none is one of ours.
    pub fn payload_type(self) -> u8 {
        match self {
            Codec::H264 => 104,
            Codec::Vp8 => 96,
            Codec::Opus => 109,
        }
    }

    /// The payload type in our own offers (media configuration).
    pub fn our_payload_type(self) -> u8 {
        match self {
            Codec::Vp8 => 100,
            Codec::H264 => 101,
            Codec::Opus => 111,
        }
    }

    pub fn kind(self) -> RtpCodecKind {
        if self == Codec::Opus { RtpCodecKind::Audio } else { RtpCodecKind::Video }
    }

    pub fn is_video(self) -> bool {
        self != Codec::Opus
    }

    fn clock_rate_hz(self) -> u32 {
        if self == Codec::Opus { 48_000 } else { 90_000 }
    }

    pub fn ticks(self, ms: u32) -> u32 {
        self.clock_rate_hz() / 1000 * ms
    }

    pub fn capability(self) -> RTCRtpCodec {
        let (name, channels, parameters) = match self {
            Codec::H264 => (
                "video/H264",
                0,
                "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
            ),
            Codec::Vp8 => ("video/VP8", 0, ""),
            Codec::Opus => ("audio/opus", 2, "minptime=10;useinbandfec=1"),
        };
        let feedback: &[(&str, &str)] = match self {
            Codec::Opus => &[],
            _ => &[("goog-remb", ""), ("ccm", "fir"), ("nack", ""), ("nack", "pli")],
        };
        RTCRtpCodec {
            mime_type: name.to_owned(),
            clock_rate: self.clock_rate_hz(),
            channels,
            sdp_fmtp_line: parameters.to_owned(),
            rtcp_feedback: feedback
                .iter()
                .map(|(kind, parameter)| RTCPFeedback {
                    typ: (*kind).to_owned(),
                    parameter: (*parameter).to_owned(),
                })
                .collect(),
        }
    }

    pub fn parameters(self) -> RTCRtpCodecParameters {
        RTCRtpCodecParameters { rtp_codec: self.capability(), payload_type: self.payload_type() }
    }

    /// A local track of the far end.
    pub fn track(self, stream: &str, ssrc: u32) -> MediaStreamTrack {
        let encoding = RTCRtpEncodingParameters {
            rtp_coding_parameters: RTCRtpCodingParameters {
                ssrc: Some(ssrc),
                ..Default::default()
            },
            codec: self.capability(),
            ..Default::default()
        };
        let id = format!("{stream}_{self:?}");
        MediaStreamTrack::new(stream.to_owned(), id.clone(), id, self.kind(), vec![encoding])
    }

    /// One frame in one packet.
    pub fn payload(self, Numbered { index, key_frame }: Numbered) -> Vec<u8> {
        let mut bytes = match (self, key_frame) {
            // One slice: IDR or not, and first_mb_in_slice 0 (H.264 §7.3.1, §7.3.3).
            (Codec::H264, true) => vec![0x65, 0x88],
            (Codec::H264, false) => vec![0x41, 0x9a],
            // Start of partition 0 without extensions (RFC 7741 §4.2), then the frame tag.
            (Codec::Vp8, true) => vec![0x10, 0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x40, 1, 0xb4, 0],
            (Codec::Vp8, false) => vec![0x10, 0x11, 0, 0],
            (Codec::Opus, _) => vec![0x78],
        };
        bytes.extend(MAGIC);
        bytes.extend(index.to_be_bytes());
        let mut noise = index.wrapping_mul(0x9e37_79b9) | 1;
        for _ in 0..20 + index.wrapping_mul(37) % 900 {
            noise ^= noise << 13;
            noise ^= noise >> 17;
            noise ^= noise << 5;
            bytes.push(noise as u8);
        }
        bytes
    }

    /// Recognises a payload of [`Codec::payload`] and compares it byte by byte. `None`: another
    /// payload, such as a black frame.
    pub fn read(self, payload: &[u8]) -> Option<Numbered> {
        let at = payload.windows(MAGIC.len()).position(|window| window == MAGIC)?;
        let index: [u8; 4] = payload.get(at + MAGIC.len()..)?.first_chunk().copied()?;
        let key_frame = match self {
            Codec::H264 => payload.first()? & 0x1f == 5,
            Codec::Vp8 => payload.get(1)? & 1 == 0,
            Codec::Opus => false,
        };
        let numbered = Numbered { index: u32::from_be_bytes(index), key_frame };
        assert_eq!(payload, self.payload(numbered), "packet {index:?} arrived changed");
        Some(numbered)
    }
}

const MAGIC: [u8; 4] = *b"nr: ";
