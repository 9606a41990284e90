//! The typed session description: what ErizoAPI calls a `ConnectionDescription`.
//!
//! A plain value with the setters and getters of contract section 4.2; their arguments arrive
//! already coerced. SDP text is made and read in `sdp`, offer/answer rules live in `session`.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use crate::negotiation::codec::{
    CodecMapping, ParsedCodec, Payload, PayloadTypeMap, agree, payload_type,
};
use crate::negotiation::configuration::MediaConfiguration;
use crate::negotiation::direction::{Direction, MediaType};
use crate::negotiation::extension::one_byte_id;
use crate::negotiation::ice::{CandidateType, IceCandidate, IceCredentials};
use crate::negotiation::section::{
    BundleTag, DescribedCandidate, DescribedExtension, DescribedRid, MediaSection, Profile,
    RidDirection,
};
use crate::negotiation::setup::DtlsSetup;
use crate::rtp::id::{MediaKind, PayloadType, Ssrc};

/// Contract section 4. `Default` is the empty description of CDS-2 and CDS-3.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionDescription {
    pub(crate) profile: Profile,
    pub(crate) bundle: bool,
    pub(crate) rtcp_mux: bool,
    pub(crate) ice_lite: bool,
    pub(crate) bundle_tags: Vec<BundleTag>,
    pub(crate) audio_ssrcs: BTreeMap<String, Ssrc>,
    pub(crate) video_ssrcs: BTreeMap<String, Vec<Ssrc>>,
    pub(crate) sections: Vec<MediaSection>,
    pub(crate) audio_direction: Direction,
    pub(crate) video_direction: Direction,
    pub(crate) fingerprint: Option<String>,
    pub(crate) dtls_role: DtlsSetup,
    /// kbit/s; 0: none given.
    pub(crate) video_bandwidth_kbps: u32,
    pub(crate) x_google_flag: String,
    pub(crate) candidates: Vec<DescribedCandidate>,
    pub(crate) audio_credentials: IceCredentials,
    pub(crate) video_credentials: IceCredentials,
    pub(crate) rids: Vec<DescribedRid>,
    pub(crate) payloads: Vec<Payload>,
    pub(crate) payload_map: PayloadTypeMap,
    pub(crate) extensions: Vec<DescribedExtension>,
    /// URIs that `extensions` reports; empty unless a connection set it (contract CDS-24).
    pub(crate) supported_extensions: Arc<[String]>,
    parsed: BTreeMap<PayloadType, ParsedCodec>,
    internal: Arc<[CodecMapping]>,
}

impl SessionDescription {
    /// Remembers the supported codecs for `agree`; extensions are not used here (contract CDS-1).
    pub fn new(configuration: &MediaConfiguration) -> Self {
        SessionDescription { internal: configuration.codecs.clone().into(), ..Self::default() }
    }

    /// Empties the description (contract CDS-4).
    pub fn clear(&mut self) {
        *self = SessionDescription::default();
    }

    pub fn set_profile(&mut self, profile: Profile) {
        self.profile = profile;
    }

    pub fn profile(&self) -> Profile {
        self.profile
    }

    pub fn set_bundle(&mut self, bundle: bool) {
        self.bundle = bundle;
    }

    pub fn is_bundle(&self) -> bool {
        self.bundle
    }

    pub fn set_rtcp_mux(&mut self, rtcp_mux: bool) {
        self.rtcp_mux = rtcp_mux;
    }

    pub fn is_rtcp_mux(&self) -> bool {
        self.rtcp_mux
    }

    pub fn set_ice_lite(&mut self, ice_lite: bool) {
        self.ice_lite = ice_lite;
    }

    pub fn is_ice_lite(&self) -> bool {
        self.ice_lite
    }

    pub fn add_bundle_tag(&mut self, id: String, media_type: MediaType) {
        self.bundle_tags.push(BundleTag { id, media_type });
    }

    /// Id of the first bundle tag of that type; without one the word itself.
    pub fn media_id(&self, media_word: &str) -> String {
        let media_type = MediaType::from_word(media_word);
        let tag = self.bundle_tags.iter().find(|tag| tag.media_type == media_type);
        tag.map_or(media_word, |tag| tag.id.as_str()).to_owned()
    }

    pub fn set_audio_ssrc(&mut self, label: String, ssrc: Ssrc) {
        self.audio_ssrcs.insert(label, ssrc);
    }

    pub fn audio_ssrcs(&self) -> &BTreeMap<String, Ssrc> {
        &self.audio_ssrcs
    }

    pub fn audio_ssrc(&self, label: &str) -> Option<Ssrc> {
        self.audio_ssrcs.get(label).copied()
    }

    /// An empty list creates an entry as well.
    pub fn set_video_ssrcs(&mut self, label: String, ssrcs: Vec<Ssrc>) {
        self.video_ssrcs.insert(label, ssrcs);
    }

    pub fn video_ssrcs(&self) -> &BTreeMap<String, Vec<Ssrc>> {
        &self.video_ssrcs
    }

    /// Whether a publisher with this label is in the description (contract ASC-1, NEG-31).
    pub fn has_label(&self, label: &str) -> bool {
        self.audio_ssrcs.contains_key(label) || self.video_ssrcs.contains_key(label)
    }

    /// Source SSRC of a publisher's audio, with the stand-in of contract RID-5.
    pub fn source_audio_ssrc(&self, label: &str) -> Ssrc {
        self.audio_ssrc(label).unwrap_or(Ssrc(44_444))
    }

    /// Source SSRCs of a publisher's video, with the stand-in of contract RID-5.
    pub fn source_video_ssrcs(&self, label: &str) -> Vec<Ssrc> {
        let listed = self.video_ssrcs.get(label).map(Vec::as_slice).unwrap_or_default();
        if listed.iter().all(|ssrc| ssrc.0 == 0) { vec![Ssrc(55_543)] } else { listed.to_vec() }
    }

    /// `addMediaInfo`; an unknown direction word is inactive.
    #[allow(
        clippy::too_many_arguments,
        reason = "the method of contract section 4.2, in its order"
    )]
    pub fn add_section(
        &mut self,
        sender_stream_id: String,
        receiver_stream_id: String,
        mid: String,
        direction: &str,
        kind: String,
        ssrc: String,
        stopped: bool,
    ) {
        self.sections.push(MediaSection {
            sender_stream_id,
            receiver_stream_id,
            mid,
            direction: Direction::from_word(direction).unwrap_or(Direction::Inactive),
            kind,
            ssrc,
            just_added_in_offer: false,
            stopped,
            exact_direction: false,
        });
    }

    pub fn sections(&self) -> &[MediaSection] {
        &self.sections
    }

    pub fn set_audio_direction(&mut self, direction: Direction) {
        self.audio_direction = direction;
    }

    pub fn set_video_direction(&mut self, direction: Direction) {
        self.video_direction = direction;
    }

    /// Audio's for audio, video's for everything else. Never respelt (contract CDS-21).
    pub fn direction(&self, media_type: MediaType) -> Direction {
        if media_type == MediaType::Audio { self.audio_direction } else { self.video_direction }
    }

    pub fn set_fingerprint(&mut self, fingerprint: String) {
        self.fingerprint = Some(fingerprint);
    }

    /// Empty if there is none.
    pub fn fingerprint(&self) -> &str {
        self.fingerprint.as_deref().unwrap_or_default()
    }

    pub fn set_dtls_role(&mut self, role: DtlsSetup) {
        self.dtls_role = role;
    }

    pub fn dtls_role(&self) -> DtlsSetup {
        self.dtls_role
    }

    pub fn set_video_bandwidth(&mut self, kbps: u32) {
        self.video_bandwidth_kbps = kbps;
    }

    pub fn video_bandwidth(&self) -> u32 {
        self.video_bandwidth_kbps
    }

    pub fn set_x_google_flag(&mut self, flag: String) {
        self.x_google_flag = flag;
    }

    pub fn x_google_flag(&self) -> &str {
        &self.x_google_flag
    }

    /// Stores a UDP candidate; `false` without storing for any other protocol word.
    pub fn add_candidate(
        &mut self,
        media_type: MediaType,
        protocol: &str,
        mut candidate: IceCandidate,
    ) -> bool {
        if !matches!(protocol, "udp" | "UDP") {
            return false;
        }
        // CDS-14: only these two have a related address here.
        let related = [CandidateType::ServerReflexive, CandidateType::Relayed];
        if !related.contains(&candidate.candidate_type) {
            candidate.related_address = String::new();
            candidate.related_port = 0;
        }
        self.candidates.push(DescribedCandidate {
            candidate,
            protocol: protocol.to_owned(),
            media_type,
            bundle: self.bundle,
            user: String::new(),
            pass: String::new(),
            local: false,
        });
        true
    }

    pub fn candidates(&self) -> &[DescribedCandidate] {
        &self.candidates
    }

    /// The pair of one type; both for `Other`.
    pub fn set_ice_credentials(&mut self, credentials: IceCredentials, media_type: MediaType) {
        match media_type {
            MediaType::Audio => self.audio_credentials = credentials,
            MediaType::Video => self.video_credentials = credentials,
            MediaType::Other => {
                self.audio_credentials = credentials.clone();
                self.video_credentials = credentials;
            }
        }
    }

    /// The video pair for video, the audio pair for everything else.
    pub fn ice_credentials(&self, media_type: MediaType) -> &IceCredentials {
        if media_type == MediaType::Video {
            &self.video_credentials
        } else {
            &self.audio_credentials
        }
    }

    /// Negotiated codecs of that type; none for `Other`.
    pub fn codecs(&self, media_type: MediaType) -> impl Iterator<Item = &Payload> {
        let wanted = media_type.kind().map(MediaType::from);
        self.payloads.iter().filter(move |payload| Some(payload.media_type) == wanted)
    }

    /// External to internal payload types and back (contract PPI-12).
    pub fn payload_map(&self) -> &PayloadTypeMap {
        &self.payload_map
    }

    /// Id to URI, of supported extensions only (contract CDS-24), ids 1 to 14 only (EXM-2).
    pub fn extensions(&self, media_type: MediaType) -> BTreeMap<u32, &str> {
        let listed = self.extensions.iter().filter(|extension| extension.media_type == media_type);
        listed
            .filter(|extension| one_byte_id(extension.id).is_some())
            .filter(|extension| self.supported_extensions.contains(&extension.uri))
            .map(|extension| (extension.id, extension.uri.as_str()))
            .collect()
    }

    pub fn add_extension(&mut self, id: u32, uri: String, media_type: MediaType) {
        self.extensions.push(DescribedExtension { id, uri, media_type });
    }

    pub fn add_rid(&mut self, id: String, direction: RidDirection) {
        self.rids.push(DescribedRid { id, direction });
    }

    /// In the order of adding.
    pub fn rids(&self) -> &[DescribedRid] {
        &self.rids
    }

    /// Creates or replaces the peer's mapping of that payload type. Numbers that are no payload
    /// type cannot occur in a packet and are ignored (security.md N10).
    pub fn add_payload_type(
        &mut self,
        number: u32,
        name: String,
        clock_rate_hz: u32,
        media_type: MediaType,
    ) {
        let Some(payload_type) = payload_type(number) else { return };
        let codec = ParsedCodec { name, clock_rate_hz, media_type, ..ParsedCodec::default() };
        self.parsed.insert(payload_type, codec);
    }

    /// Sets a format parameter; an unknown payload type gets a nameless mapping.
    pub fn add_parameter(&mut self, number: u32, name: String, value: String) {
        let Some(payload_type) = payload_type(number) else { return };
        self.parsed.entry(payload_type).or_default().parameters.insert(name, value);
    }

    /// Appends a feedback text; an unknown payload type gets a nameless mapping.
    pub fn add_feedback(&mut self, number: u32, text: String) {
        let Some(payload_type) = payload_type(number) else { return };
        self.parsed.entry(payload_type).or_default().feedback.push(text);
    }

    /// `postProcessInfo`: completes credentials and candidates and intersects the codecs.
    /// `false`, with nothing changed, if there are no ICE credentials (contract PPI-1).
    pub fn agree(&mut self) -> bool {
        match (self.audio_credentials.ufrag.is_empty(), self.video_credentials.ufrag.is_empty()) {
            (true, true) => return false,
            (true, false) => self.audio_credentials = self.video_credentials.clone(),
            (false, true) => self.video_credentials = self.audio_credentials.clone(),
            (false, false) => {}
        }
        for candidate in &mut self.candidates {
            let credentials = match candidate.media_type {
                MediaType::Audio => &self.audio_credentials,
                _ => &self.video_credentials,
            };
            candidate.bundle = self.bundle;
            candidate.user.clone_from(&credentials.ufrag);
            candidate.pass.clone_from(&credentials.pwd);
        }
        agree(&self.internal, &self.parsed, &mut self.payloads, &mut self.payload_map);
        true
    }

    /// `copyInfoFromSdp`: takes over codecs and extensions that are not here yet (contract CPY-1).
    pub fn copy_from(&mut self, source: &SessionDescription) {
        for payload in &source.payloads {
            if !self.payloads.iter().any(|known| known.same_codec(payload)) {
                self.payloads.push(payload.clone());
            }
        }
        let mut known: HashSet<(&str, MediaType)> =
            self.extensions.iter().map(|known| (known.uri.as_str(), known.media_type)).collect();
        let new: Vec<DescribedExtension> = source
            .extensions
            .iter()
            .filter(|extension| known.insert((extension.uri.as_str(), extension.media_type)))
            .cloned()
            .collect();
        self.extensions.extend(new);
    }

    /// Adds the supported codecs, of one kind or of all: what a connection offers before it
    /// knows its peer's (contract NEG-1). Bundled sections share one space of payload types
    /// (RFC 8843 §9.1), so one that is taken is replaced by a free dynamic one.
    pub(crate) fn take_internal_codecs(&mut self, kind: Option<MediaKind>) {
        for mapping in self.internal.iter().filter(|mapping| kind.is_none_or(|k| k == mapping.kind))
        {
            let mut payload = Payload::from_mapping(mapping);
            let taken = |number: PayloadType| {
                kind.is_some() && self.payloads.iter().any(|known| known.payload_type == number)
            };
            if taken(payload.payload_type) {
                let free = (96..=127).map(PayloadType).find(|number| !taken(*number));
                let Some(free) = free else { continue };
                payload.payload_type = free;
            }
            self.payloads.push(payload);
        }
    }
}
