//! What the offer/answer engine is told and what it decides, as plain values.

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

impl NegotiatedStream {
    pub(super) fn has(&self, kind: MediaKind) -> bool {
        match kind {
            MediaKind::Audio => self.has_audio,
            MediaKind::Video => self.has_video,
        }
    }

    pub(super) fn ssrc(&self, kind: MediaKind) -> Ssrc {
        match kind {
            MediaKind::Audio => self.audio_ssrc,
            MediaKind::Video => self.video_ssrc,
        }
    }
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
