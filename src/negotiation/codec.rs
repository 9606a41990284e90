//! Codec agreement: what both ends support, and how payload types translate.
//!
//! Contract section 4.4 (PPI rules). The matching is deliberately simple: exact names, exact
//! format parameters or none (LIM-4).

use std::collections::BTreeMap;

use crate::negotiation::direction::MediaType;
use crate::rtp::id::{MediaKind, PayloadType};

/// A supported codec with its internal payload type (contract section 4.3).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CodecMapping {
    pub payload_type: PayloadType,
    pub name: String,
    pub kind: MediaKind,
    pub clock_rate_hz: u32,
    pub channels: u32,
    pub parameters: BTreeMap<String, String>,
    pub feedback: Vec<String>,
}

/// A codec of the peer as its description lists it (`addPt`, `addParameter`, `addFeedback`).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ParsedCodec {
    pub name: String,
    pub clock_rate_hz: u32,
    pub media_type: MediaType,
    pub parameters: BTreeMap<String, String>,
    pub feedback: Vec<String>,
}

/// A negotiated codec under its external payload type (`getCodecs`, contract CDS-23).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Payload {
    pub payload_type: PayloadType,
    pub name: String,
    pub clock_rate_hz: u32,
    pub media_type: MediaType,
    /// 0 for video: any other number would become a third component of `a=rtpmap`.
    pub channels: u32,
    pub parameters: BTreeMap<String, String>,
    pub feedback: Vec<String>,
}

/// External and internal payload types of one connection (contract PPI-12).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PayloadTypeMap {
    internal: [Option<PayloadType>; PAYLOAD_TYPES],
    external: [Option<PayloadType>; PAYLOAD_TYPES],
}

const PAYLOAD_TYPES: usize = 128;

impl Default for PayloadTypeMap {
    fn default() -> Self {
        PayloadTypeMap { internal: [None; PAYLOAD_TYPES], external: [None; PAYLOAD_TYPES] }
    }
}

impl PayloadTypeMap {
    /// What we call the peer's payload type; unknown ones pass unchanged.
    pub fn internal(&self, external: PayloadType) -> PayloadType {
        self.known_internal(external).unwrap_or(external)
    }

    /// What the peer calls our payload type; unknown ones pass unchanged.
    pub fn external(&self, internal: PayloadType) -> PayloadType {
        self.external.get(usize::from(internal.0)).copied().flatten().unwrap_or(internal)
    }

    pub fn known_internal(&self, external: PayloadType) -> Option<PayloadType> {
        self.internal.get(usize::from(external.0)).copied().flatten()
    }

    /// A second external payload type takes over the way out (contract PPI-8).
    pub fn insert(&mut self, external: PayloadType, internal: PayloadType) {
        if let Some(entry) = self.internal.get_mut(usize::from(external.0)) {
            *entry = Some(internal);
        }
        if let Some(entry) = self.external.get_mut(usize::from(internal.0)) {
            *entry = Some(external);
        }
    }
}

/// 0 to 127 only (RFC 3550 §5.1).
pub(crate) fn payload_type(number: u32) -> Option<PayloadType> {
    u8::try_from(number).ok().filter(|number| *number < 128).map(PayloadType)
}

impl Payload {
    /// A supported codec offered under its own payload type (contract NEG-1).
    pub fn from_mapping(mapping: &CodecMapping) -> Self {
        Payload {
            payload_type: mapping.payload_type,
            name: mapping.name.clone(),
            clock_rate_hz: mapping.clock_rate_hz,
            media_type: mapping.kind.into(),
            channels: mapping.channels,
            parameters: mapping.parameters.clone(),
            feedback: mapping.feedback.clone(),
        }
    }

    /// Equal enough not to be listed twice (contract CPY-1).
    pub fn same_codec(&self, other: &Payload) -> bool {
        self.name == other.name
            && self.clock_rate_hz == other.clock_rate_hz
            && self.media_type == other.media_type
            && self.channels == other.channels
    }
}

/// Appends to `payloads` what `internal` and `parsed` have in common and notes the payload type
/// pairs. Running it again on the same input changes nothing (contract PPI-11).
pub(crate) fn agree(
    internal: &[CodecMapping],
    parsed: &BTreeMap<PayloadType, ParsedCodec>,
    payloads: &mut Vec<Payload>,
    map: &mut PayloadTypeMap,
) {
    for mapping in internal {
        for (&external, codec) in parsed {
            if codec.name == RTX || codec.name != mapping.name {
                continue; // PPI-3, PPI-4
            }
            if codec.clock_rate_hz != mapping.clock_rate_hz {
                continue;
            }
            let parameters = common_parameters(mapping, codec);
            let accepted =
                mapping.parameters.is_empty() || codec.parameters.len() == parameters.len();
            if !accepted {
                continue; // PPI-8
            }
            let audio = codec.media_type == MediaType::Audio;
            let payload = Payload {
                payload_type: external,
                name: codec.name.clone(),
                clock_rate_hz: codec.clock_rate_hz,
                media_type: codec.media_type,
                // CDS-23, also where the peer calls one of our audio codecs video.
                channels: if audio { mapping.channels } else { 0 },
                parameters,
                feedback: common_feedback(mapping, codec),
            };
            push_new(payloads, payload);
            map.insert(external, mapping.payload_type);
        }
    }
    for (&external, codec) in parsed.iter().filter(|(_, codec)| codec.name == RTX) {
        for mapping in internal.iter().filter(|mapping| mapping.name == RTX) {
            let (Some(peers), Some(ours)) = (apt(&codec.parameters), apt(&mapping.parameters))
            else {
                continue;
            };
            if map.known_internal(peers) == Some(ours) {
                push_new(payloads, rtx_payload(external, codec));
                map.insert(external, mapping.payload_type);
            }
        }
    }
}

/// Retransmission payload format (RFC 4588 §8.1).
pub(crate) const RTX: &str = "rtx";

fn push_new(payloads: &mut Vec<Payload>, payload: Payload) {
    if !payloads.contains(&payload) {
        payloads.push(payload);
    }
}

/// PPI-7: equal names with equal values, if both ends have equally many.
fn common_parameters(mapping: &CodecMapping, codec: &ParsedCodec) -> BTreeMap<String, String> {
    if mapping.parameters.len() != codec.parameters.len() {
        return BTreeMap::new();
    }
    let ours = mapping.parameters.iter();
    ours.filter(|(name, value)| codec.parameters.get(*name) == Some(value))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// PPI-6: ours that the peer lists too, in our order, each once.
fn common_feedback(mapping: &CodecMapping, codec: &ParsedCodec) -> Vec<String> {
    let mut common: Vec<String> = Vec::new();
    for text in &mapping.feedback {
        if codec.feedback.contains(text) && !common.contains(text) {
            common.push(text.clone());
        }
    }
    common
}

fn rtx_payload(external: PayloadType, codec: &ParsedCodec) -> Payload {
    Payload {
        payload_type: external,
        name: codec.name.clone(),
        clock_rate_hz: codec.clock_rate_hz,
        media_type: codec.media_type,
        channels: 0,
        parameters: codec.parameters.clone(),
        feedback: codec.feedback.clone(),
    }
}

/// The payload type that an rtx mapping repeats (RFC 4588 §8.1).
fn apt(parameters: &BTreeMap<String, String>) -> Option<PayloadType> {
    payload_type(parameters.get("apt")?.trim().parse().ok()?)
}

#[cfg(test)]
mod test {
    use super::*;

    fn parameters(text: &str) -> BTreeMap<String, String> {
        let pairs = text.split(';').filter_map(|pair| pair.split_once('='));
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    fn mapping(payload_type: u8, fmtp: &str) -> CodecMapping {
        CodecMapping {
            payload_type: PayloadType(payload_type),
            name: "X".to_owned(),
            kind: MediaKind::Video,
            clock_rate_hz: 90_000,
            channels: 2,
            parameters: parameters(fmtp),
            feedback: vec!["nack".to_owned(), "a".to_owned(), "nack".to_owned()],
        }
    }

    fn parsed(name: &str, clock_rate_hz: u32, fmtp: &str) -> ParsedCodec {
        ParsedCodec {
            name: name.to_owned(),
            clock_rate_hz,
            media_type: MediaType::Video,
            parameters: parameters(fmtp),
            feedback: ["b", "nack", "nack", "a"].map(str::to_owned).to_vec(),
        }
    }

    #[test]
    fn codecs_match_by_exact_name_rate_and_parameters() {
        // PPI-3, PPI-7, PPI-8.
        for (ours, peers, agreed) in [
            ("", parsed("X", 90_000, ""), Some(0)),
            ("", parsed("X", 90_000, "p=1"), Some(0)),
            ("p=1", parsed("X", 90_000, ""), Some(0)),
            ("p=1", parsed("X", 90_000, "p=1"), Some(1)),
            ("p=1", parsed("X", 90_000, "p=2"), None),
            ("p=1", parsed("X", 90_000, "q=1"), None),
            ("p=1", parsed("X", 90_000, "p=1;q=1"), None),
            ("p=1;q=2", parsed("X", 90_000, "p=1;q=3"), None),
            ("", parsed("x", 90_000, ""), None),
            ("", parsed("X", 8_000, ""), None),
        ] {
            let (mut payloads, mut map) = (Vec::new(), PayloadTypeMap::default());
            let peer = BTreeMap::from([(PayloadType(96), peers.clone())]);
            agree(&[mapping(100, ours)], &peer, &mut payloads, &mut map);
            let found = payloads.first().map(|payload: &Payload| payload.parameters.len());
            assert_eq!(found, agreed, "{ours:?} with {peers:?}");
            assert_eq!(map.known_internal(PayloadType(96)).is_some(), agreed.is_some());
        }
    }

    #[test]
    fn negotiated_codec_takes_feedback_in_our_order_once() {
        // PPI-5, PPI-6, CDS-23.
        let (mut payloads, mut map) = (Vec::new(), PayloadTypeMap::default());
        let peer = BTreeMap::from([(PayloadType(96), parsed("X", 90_000, ""))]);
        agree(&[mapping(100, "")], &peer, &mut payloads, &mut map);
        assert_eq!(payloads[0].feedback, ["nack", "a"]);
        assert_eq!(payloads[0].channels, 0);
    }

    #[test]
    fn highest_external_payload_type_wins_the_way_out() {
        // PPI-8, PPI-12.
        let (mut payloads, mut map) = (Vec::new(), PayloadTypeMap::default());
        let peer = BTreeMap::from([
            (PayloadType(98), parsed("X", 90_000, "")),
            (PayloadType(96), parsed("X", 90_000, "")),
        ]);
        agree(&[mapping(100, "")], &peer, &mut payloads, &mut map);
        assert_eq!(payloads.len(), 2);
        assert_eq!(map.external(PayloadType(100)), PayloadType(98));
        assert_eq!(map.internal(PayloadType(96)), PayloadType(100));
        assert_eq!(map.internal(PayloadType(255)), PayloadType(255), "not an index");
    }
}
