//! The offer/answer engine of one connection: streams in, ordered sections out.
//!
//! Contract section 5. It decides sections, mids, roles and codecs and returns plans; opening
//! transports, starting streams and telling them their mids is left to the caller.

use crate::negotiation::codec::PayloadTypeMap;
use crate::negotiation::configuration::MediaConfiguration;
use crate::negotiation::description::SessionDescription;
use crate::negotiation::error::NegotiationError;
use crate::negotiation::ice::{IceCandidate, IceCredentials};
use crate::negotiation::setup::DtlsSetup;
use crate::rtp::id::{MediaKind, Ssrc};

/// A stream as negotiation sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NegotiatedStream {
    /// Identity within the process.
    pub key: u64,
    /// Name that JavaScript chose; `removeMediaStream` takes it.
    pub id: String,
    /// MediaStream id in `a=msid`; not unique.
    pub label: String,
    pub publisher: bool,
    pub has_audio: bool,
    pub has_video: bool,
    pub audio_ssrc: Ssrc,
    pub video_ssrc: Ssrc,
}

/// A stream now uses the section with this mid (contract ASC-3).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Association {
    pub key: u64,
    pub kind: MediaKind,
    pub mid: String,
}

/// What the caller does after `create_offer`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct OfferPlan {
    /// Open a transport in the DTLS passive role (contract NEG-6); encrypted as configured.
    pub create_transport: bool,
    /// Subscriber streams that got sections, in list order.
    pub newly_ready: Vec<u64>,
    pub associations: Vec<Association>,
}

/// What the caller does after `set_remote_description`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RemotePlan {
    /// This was the first one: credentials, fingerprint and role are for the transport.
    pub first: bool,
    pub create_transport: Option<NewTransport>,
    /// Our role, `Active` or `Passive`; never changes after the first description.
    pub dtls_role: DtlsSetup,
    /// Only with the first description (contract NEG-27).
    pub credentials: Option<IceCredentials>,
    /// Only with the first description.
    pub fingerprint: Option<String>,
    pub ice_lite_remote: bool,
    /// To be added to ICE; of later descriptions only new ones of the current ufrag.
    pub candidates: Vec<IceCandidate>,
    /// Streams that take this description as theirs, in list order (contract NEG-28).
    pub streams_ready: Vec<u64>,
    pub associations: Vec<Association>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NewTransport {
    pub encrypted: bool,
}

/// What the transport contributes to a local description.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LocalTransport {
    pub credentials: IceCredentials,
    /// `None` if the transport is plain.
    pub fingerprint: Option<String>,
    /// Gathered so far, and valid after the last ICE restart.
    pub candidates: Vec<IceCandidate>,
}

/// The state of contract section 5.1.
#[derive(Debug)]
pub struct Negotiation {
    local: SessionDescription,
    remote: Option<SessionDescription>,
}

impl Negotiation {
    /// `encrypted`: the connection may never carry plaintext media (security.md H2).
    pub fn new(media: &MediaConfiguration, ice_lite: bool, encrypted: bool) -> Self {
        let mut local = SessionDescription::new(media);
        local.set_ice_lite(ice_lite);
        let _ = encrypted;
        Negotiation { local, remote: None }
    }

    /// Adding a stream twice changes nothing (contract WRC-26).
    pub fn add_stream(&mut self, _stream: NegotiatedStream) {}

    /// Returns the key of the removed stream (contract NEG-60).
    pub fn remove_stream(&mut self, _id: &str) -> Option<u64> {
        None
    }

    pub fn create_offer(&mut self, _bundle: bool) -> OfferPlan {
        OfferPlan::default()
    }

    pub fn set_remote_description(
        &mut self,
        description: SessionDescription,
    ) -> Result<RemotePlan, NegotiationError> {
        self.remote = Some(description);
        Ok(RemotePlan::default())
    }

    /// Reports the sections and has the side effects of contract NEG-50.
    pub fn local_description(&mut self, _transport: Option<LocalTransport>) -> SessionDescription {
        self.local.clone()
    }

    /// `copySdpToLocalDescription` (contract CPY-2).
    pub fn copy_description(&mut self, source: &SessionDescription) {
        self.local.copy_from(source);
    }

    /// An ICE restart put other remote credentials in force (contract ICE-20).
    pub fn restart_ice(&mut self, _remote: &IceCredentials) {}

    pub fn remote(&self) -> Option<&SessionDescription> {
        self.remote.as_ref()
    }

    /// A stream keeps a copy from the moment it becomes ready (contract NEG-30).
    pub fn payload_map(&self) -> &PayloadTypeMap {
        &self.local.payload_map
    }

    /// Mid of the first section, for trickled candidates (contract EVT-7).
    pub fn first_mid(&self) -> Option<&str> {
        None
    }
}
