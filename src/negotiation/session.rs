//! The offer/answer engine of one connection: streams in, ordered sections out.
//!
//! Contract section 5. It decides sections, mids, roles and codecs and returns plans; opening
//! transports, starting streams and telling them their mids is left to the caller. Making an
//! offer is in `offer`, taking a remote description in `remote`, reporting ours in `local`.

use std::collections::HashSet;
use std::sync::Arc;

use crate::negotiation::codec::PayloadTypeMap;
use crate::negotiation::configuration::MediaConfiguration;
use crate::negotiation::description::SessionDescription;
use crate::negotiation::direction::MediaType;
use crate::negotiation::extension::AgreedExtensions;
use crate::negotiation::ice::IceCredentials;
pub use crate::negotiation::plan::{
    Association, LocalTransport, NegotiatedStream, NewTransport, OfferPlan, RemotePlan,
};
use crate::negotiation::section::{DescribedExtension, Profile};
use crate::negotiation::setup::DtlsSetup;
use crate::negotiation::transceiver::Transceiver;
use crate::rtp::extension::{ExtensionKind, ExtensionMap};

/// The state of contract section 5.1.
#[derive(Debug)]
pub struct Negotiation {
    pub(super) streams: Vec<StreamEntry>,
    pub(super) transceivers: Vec<Transceiver>,
    pub(super) local: SessionDescription,
    pub(super) remote: Option<SessionDescription>,
    pub(super) agreed_extensions: AgreedExtensions,
    /// The connection may never carry plaintext media (security.md H2).
    pub(super) encrypted: bool,
    pub(super) transport: Transport,
    /// `None`: undecided. Never changes once a remote description was processed.
    pub(super) role: Option<DtlsSetup>,
    pub(super) phase: Phase,
    pub(super) remote_ufrag: String,
    /// Remote candidates that went into a plan since the last ICE restart.
    pub(super) known_candidates: HashSet<(String, u32)>,
    supported_extensions: Arc<[String]>,
    next_mid: u64,
}

#[derive(Debug)]
pub(super) struct StreamEntry {
    pub stream: NegotiatedStream,
    pub state: StreamState,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum StreamState {
    /// Not negotiated yet.
    New,
    /// A subscriber stream with sections (contract ASC-1).
    Offered,
    /// Has its remote description; later ones do not concern it (contract NEG-28).
    Described,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Transport {
    None,
    Encrypted,
    Plain,
}

/// Whose turn it is. The caller does not say whether a remote description is an offer or an
/// answer: it is an answer exactly if an offer of ours is out (contract GLR-1 to GLR-3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    Stable,
    Offering,
    Answering,
}

impl Negotiation {
    /// `encrypted`: the connection may never carry plaintext media (security.md H2).
    pub fn new(media: &MediaConfiguration, ice_lite: bool, encrypted: bool) -> Self {
        let supported_extensions: Arc<[String]> = media.extensions.clone().into();
        let mut local = SessionDescription::new(media);
        local.supported_extensions = supported_extensions.clone();
        local.set_ice_lite(ice_lite); // WRC-8
        local.set_profile(if encrypted { Profile::Savpf } else { Profile::Avpf }); // OTH-5
        Negotiation {
            streams: Vec::new(),
            transceivers: Vec::new(),
            local,
            remote: None,
            agreed_extensions: AgreedExtensions::default(),
            encrypted,
            transport: Transport::None,
            role: None,
            phase: Phase::Stable,
            remote_ufrag: String::new(),
            known_candidates: HashSet::new(),
            supported_extensions,
            next_mid: 0,
        }
    }

    /// Creates no section yet. Adding a stream twice changes nothing (contract WRC-26).
    pub fn add_stream(&mut self, stream: NegotiatedStream) {
        if self.streams.iter().all(|entry| entry.stream.key != stream.key) {
            self.streams.push(StreamEntry { stream, state: StreamState::New });
        }
    }

    /// Returns the key of the removed stream (contract NEG-60). Its sections are freed at the
    /// next report (NEG-62).
    pub fn remove_stream(&mut self, id: &str) -> Option<u64> {
        let position = self.streams.iter().position(|entry| entry.stream.id == id)?;
        let NegotiatedStream { key, label, .. } = self.streams.remove(position).stream;
        let mut others = self.streams.iter().map(|entry| &entry.stream);
        if !others.any(|other| !other.publisher && other.label == label) {
            self.local.audio_ssrcs.remove(&label);
            self.local.video_ssrcs.remove(&label);
        }
        for transceiver in &mut self.transceivers {
            if transceiver.sender == Some(key) {
                transceiver.reset_sender();
            }
        }
        Some(key)
    }

    /// `copySdpToLocalDescription` (contract CPY-2).
    pub fn copy_description(&mut self, source: &SessionDescription) {
        self.local.copy_from(source);
        // What neither end could ever use is dropped here, or a peer could make the list grow
        // with each renegotiation.
        let supported = &self.supported_extensions;
        self.local.extensions.retain(|DescribedExtension { uri, media_type, .. }| {
            *media_type != MediaType::Other
                && (supported.contains(uri) || ExtensionKind::from_uri(uri).is_some())
        });
        self.local.supported_extensions = self.supported_extensions.clone();
    }

    /// An ICE restart put other remote credentials in force (contract ICE-20). Call it before
    /// the description that carries them is set.
    pub fn restart_ice(&mut self, remote: &IceCredentials) {
        if self.remote_ufrag != remote.ufrag {
            self.remote_ufrag.clone_from(&remote.ufrag);
            self.known_candidates.clear();
        }
    }

    pub fn remote(&self) -> Option<&SessionDescription> {
        self.remote.as_ref()
    }

    /// A stream keeps a copy from the moment it becomes ready (contract NEG-30).
    pub fn payload_map(&self) -> &PayloadTypeMap {
        &self.local.payload_map
    }

    /// Ids of audio and of video extensions. They change only when a remote description is
    /// processed, and then only grow (contract EXM-3).
    pub fn extension_maps(&self) -> (ExtensionMap, ExtensionMap) {
        (self.agreed_extensions.audio.clone(), self.agreed_extensions.video.clone())
    }

    /// Mid of the first section, for trickled candidates (contract EVT-7).
    pub fn first_mid(&self) -> Option<&str> {
        self.transceivers.first().map(|transceiver| transceiver.mid.as_str())
    }

    /// Refreshes the local SSRC maps (contract NEG-5, NEG-40).
    pub(super) fn record_local_ssrcs(&mut self) {
        for StreamEntry { stream, state } in &self.streams {
            if stream.publisher || *state == StreamState::New {
                continue;
            }
            self.local.audio_ssrcs.insert(stream.label.clone(), stream.audio_ssrc);
            self.local.video_ssrcs.insert(stream.label.clone(), vec![stream.video_ssrc]);
        }
    }

    /// Publishers that left the list receive no more. By identity: labels and ids may recur
    /// (DEF-44).
    pub(super) fn reset_dead_receivers(&mut self) {
        let live: HashSet<u64> = self.streams.iter().map(|entry| entry.stream.key).collect();
        for transceiver in &mut self.transceivers {
            if transceiver.receiver.is_some_and(|key| !live.contains(&key)) {
                transceiver.reset_receiver();
            }
        }
    }

    /// A mid that was never used here (contract TRX-8). Remote mids cannot be in the way as long
    /// as `note_remote_mid` moves the counter past them.
    pub(super) fn allot_mid(&mut self) -> String {
        loop {
            let number = self.next_mid;
            self.next_mid = number.wrapping_add(1);
            let mid = number.to_string();
            let noted = number <= u64::from(u32::MAX);
            if noted || self.transceivers.iter().all(|transceiver| transceiver.mid != mid) {
                return mid;
            }
        }
    }

    /// Contract TRX-9, TRX-10. Larger numbers count as text: a mid has to stay short enough
    /// for a one-byte header extension (RFC 8285 §4.2).
    pub(super) fn note_remote_mid(&mut self, mid: &str) {
        if let Ok(number) = mid.parse::<u32>() {
            self.next_mid = self.next_mid.max(u64::from(number) + 1);
        }
    }
}

impl StreamEntry {
    pub fn is_waiting_subscriber(&self) -> bool {
        !self.stream.publisher && self.state == StreamState::New
    }
}
