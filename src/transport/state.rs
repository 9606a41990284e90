//! What a transport reports: states, events, verdicts on datagrams and counters.

use std::net::SocketAddr;

/// ICE, in the words of the W3C's `RTCIceTransportState`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum IceState {
    #[default]
    New,
    Checking,
    Connected,
    /// Consent is overdue but not yet lost (RFC 7675 §5.1).
    Disconnected,
    Failed,
    Closed,
}

/// DTLS, in the words of the W3C's `RTCDtlsTransportState`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum DtlsState {
    #[default]
    New,
    Connecting,
    /// Handshake done and the peer's certificate matches its fingerprint.
    Connected,
    /// The peer sent `close_notify`, or we did.
    Closed,
    Failed,
}

/// Why a transport became unusable (contract EVT-11).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum FailReason {
    /// No check succeeded in time (ICE-26).
    IceChecks,
    /// The peer stopped answering checks (ICE-25).
    Consent,
    DtlsHandshake,
    /// DTL-9.
    DtlsTimeout,
    /// The certificate is not the one that the description announced (DTL-8).
    FingerprintMismatch,
    /// The peer negotiated no SRTP profile, or the keys could not be installed.
    SrtpKeys,
}

/// Something the owner may act on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum TransportEvent {
    /// Media may flow.
    Ready,
    /// An ICE restart has completed (contract ICE-20); media never stopped.
    ReadyAgain,
    /// Final.
    Failed(FailReason),
    /// [`path`](super::Transport::path) changed.
    PathChanged,
    /// Datagrams from this remote address may be routed here by address: we sent a check there, or
    /// an authenticated check came from there. Not yet trusted with DTLS.
    ProbedAddress(SocketAddr),
    /// A check on this remote address has passed: it may also carry DTLS and media.
    ValidatedAddress(SocketAddr),
    /// The peer ended DTLS in order. SRTP goes on until consent expires or the owner closes.
    PeerClosed,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TransportOutput {
    Transmit {
        /// The address of one of our sockets (or relays), as given to `add_host`.
        local: SocketAddr,
        remote: SocketAddr,
        data: Vec<u8>,
    },
    Event(TransportEvent),
}

/// What became of one datagram.
#[derive(PartialEq, Eq, Debug)]
pub enum Received<'a> {
    /// A clear RTP packet, in place.
    Rtp(&'a mut [u8]),
    /// A clear compound RTCP packet, in place.
    Rtcp(&'a mut [u8]),
    Handled,
    Dropped(DropReason),
}

/// Each reason has a counter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum DropReason {
    /// The first byte belongs to no protocol we speak (contract DTL-5).
    UnknownProtocol,
    /// STUN that does not parse, or with a wrong FINGERPRINT.
    MalformedStun,
    /// STUN for other credentials, without valid integrity, or an answer nobody asked for.
    UnauthenticStun,
    /// More checks than any honest peer sends.
    StunFlood,
    /// From an address on which no check has passed.
    UnvalidatedAddress,
    /// DTLS that is malformed, late, repeated or not part of this handshake.
    Dtls,
    /// SRTP before the keys are there, or media before the transport is ready.
    BeforeKeys,
    /// Wrong tag, truncated, or in clear where it may not be.
    UnauthenticSrtp,
    /// Received before, or older than the replay window.
    Replayed,
    /// More SSRCs than a transport may carry.
    TooManySources,
    Closed,
}

impl DropReason {
    const COUNT: usize = DropReason::Closed as usize + 1;
}

/// Never read back for a decision.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TransportCounters {
    dropped: [u64; DropReason::COUNT],
}

impl TransportCounters {
    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.dropped[reason as usize]
    }

    pub(super) fn count(&mut self, reason: DropReason) {
        let counter = &mut self.dropped[reason as usize];
        *counter = counter.wrapping_add(1);
    }
}
