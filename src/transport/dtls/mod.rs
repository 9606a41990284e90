//! DTLS 1.2 (RFC 6347) with SRTP keys (RFC 5764), wrapped around rtc-dtls.
//!
//! The engine is keyed by remote address; it gets one constant address, so that a change of path
//! keeps the association. [`inbox`] decides what it may read. Its retransmission timer counts
//! seven fixed intervals and gives up; the gaps are stretched here to last as long as the contract
//! wants (DTL-9). Neither the engine nor this file reads a clock.

mod inbox;
mod message;
mod record;

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rtc::dtls::cipher_suite::CipherSuiteId;
use rtc::dtls::config::{ClientAuthType, ConfigBuilder, HandshakeConfig};
use rtc::dtls::endpoint::{Endpoint, EndpointEvent};
use rtc::dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc::shared::TransportProtocol;

use self::inbox::{Inbox, offered_srtp_profiles};
use super::certificate::{Certificate, Fingerprint};
use super::error::TransportError;
use super::srtp::{SessionKeys, SrtpInbound, SrtpOutbound, SrtpProfile, keying_material_len};
use super::state::FailReason;

pub(super) struct Dtls {
    engine: Endpoint,
    is_client: bool,
    certificate: Arc<Certificate>,
    profiles: Vec<SrtpProfile>,
    inbox: Inbox,
    state: State,
    retry: Retry,
    /// Our answer to the first ClientHello, which the engine does not repeat.
    hello_verify: Option<Vec<u8>>,
    output: VecDeque<Vec<u8>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Idle,
    Handshaking {
        /// A plaintext alert came and nothing since: fail then (see [`ALERT_PATIENCE`]).
        give_up_at: Option<Instant>,
    },
    /// `answers`: how often we repeated our last flight.
    Established {
        answers: u32,
    },
    Closed,
}

/// When the engine's retransmission timer is allowed to fire.
#[derive(Clone, Copy, Debug, Default)]
struct Retry {
    /// The engine's own timer, by which a new flight is recognised.
    armed: Option<Instant>,
    attempts: usize,
    due: Option<Instant>,
}

/// What a datagram did to the association.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Progress {
    /// It was dropped whole.
    Useless,
    Used,
    /// The handshake is over; the certificate is not checked yet.
    Established,
    PeerClosed,
}

impl Dtls {
    pub(super) fn new(
        is_client: bool,
        certificate: Arc<Certificate>,
        profiles: Vec<SrtpProfile>,
    ) -> Result<Dtls, TransportError> {
        if profiles.is_empty() {
            return Err(TransportError::NoSrtpProfile);
        }
        let server_config = match is_client {
            true => None,
            false => Some(handshake_config(false, &certificate, &profiles)?),
        };
        Ok(Dtls {
            engine: Endpoint::new(PEER, TransportProtocol::UDP, server_config),
            is_client,
            certificate,
            profiles,
            inbox: Inbox::new(is_client),
            state: State::Idle,
            retry: Retry::default(),
            hello_verify: None,
            output: VecDeque::new(),
        })
    }

    pub(super) fn is_idle(&self) -> bool {
        self.state == State::Idle
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    /// Sends the first ClientHello. A server only waits.
    pub(super) fn start(&mut self, now: Instant) -> Result<(), FailReason> {
        if self.state != State::Idle || !self.is_client {
            return Ok(());
        }
        self.state = State::Handshaking { give_up_at: None };
        let config = handshake_config(true, &self.certificate, &self.profiles)
            .map_err(|_| FailReason::DtlsHandshake)?;
        self.engine.connect(now, PEER, config, None).map_err(|_| FailReason::DtlsHandshake)?;
        self.collect();
        self.rearm(now);
        Ok(())
    }

    pub(super) fn handle(&mut self, now: Instant, datagram: &[u8]) -> Result<Progress, FailReason> {
        match self.state {
            State::Closed => return Ok(Progress::Useless),
            // A ClientHello to a client, or before it spoke.
            State::Idle if self.is_client => return Ok(Progress::Useless),
            State::Idle => self.state = State::Handshaking { give_up_at: None },
            State::Handshaking { .. } | State::Established { .. } => {}
        }
        let delivery = self.inbox.accept(datagram);
        if delivery.repeated_hello {
            self.output.extend(self.hello_verify.clone());
        }
        if let State::Handshaking { give_up_at } = &mut self.state {
            if !delivery.datagrams.is_empty() {
                *give_up_at = None;
            } else if delivery.plaintext_alert && give_up_at.is_none() {
                *give_up_at = Some(now + ALERT_PATIENCE);
            }
        }
        let mut progress = match delivery.useful || delivery.repeated_hello {
            true => Progress::Used,
            false => Progress::Useless,
        };
        for datagram in delivery.datagrams {
            match self.read(now, &datagram)? {
                Progress::Used | Progress::Useless => {}
                decisive => progress = decisive,
            }
            if self.state == State::Closed {
                break;
            }
        }
        Ok(progress)
    }

    fn read(&mut self, now: Instant, datagram: &[u8]) -> Result<Progress, FailReason> {
        if let State::Established { answers } = self.state {
            return Ok(self.read_established(now, datagram, answers));
        }
        self.prefer_own_profile(datagram)?;
        let events = self.engine.read(now, PEER, None, datagram.into()).map_err(|_| {
            // The engine has queued its alert.
            self.collect();
            FailReason::DtlsHandshake
        })?;
        let sent = self.collect();
        if self.hello_verify.is_none() && !self.is_client && sent > 0 {
            self.hello_verify = self.output.back().cloned();
        }
        self.rearm(now);
        for event in events {
            match event {
                EndpointEvent::HandshakeComplete => {
                    self.state = State::Established { answers: 0 };
                    self.retry = Retry::default();
                    self.hello_verify = None;
                    self.inbox.establish();
                    return Ok(Progress::Established);
                }
                EndpointEvent::PeerClosed => {
                    self.state = State::Closed;
                    return Err(FailReason::DtlsHandshake);
                }
                _ => {}
            }
        }
        Ok(Progress::Used)
    }

    /// The peer repeats its last flight because ours was lost, or sends an alert.
    fn read_established(&mut self, now: Instant, datagram: &[u8], answers: u32) -> Progress {
        if answers >= MAX_ANSWERS && datagram.first() == Some(&HANDSHAKE) {
            return Progress::Useless;
        }
        let result = self.engine.read(now, PEER, None, datagram.into());
        if self.collect() > 0 {
            self.state = State::Established { answers: answers + 1 };
        }
        match result {
            Ok(events) if !events.iter().any(|e| matches!(e, EndpointEvent::PeerClosed)) => {
                Progress::Used
            }
            // The alert was authentic, so the peer is done; SRTP has its own keys and no need of
            // the association.
            Ok(_) | Err(_) => {
                self.state = State::Closed;
                Progress::PeerClosed
            }
        }
    }

    /// The engine takes the client's order of SRTP profiles. AES-GCM costs us a quarter of AES-CM,
    /// so before the first ClientHello is read it is left one choice only.
    fn prefer_own_profile(&mut self, datagram: &[u8]) -> Result<(), FailReason> {
        if self.is_client || self.hello_verify.is_some() {
            return Ok(());
        }
        let offered = offered_srtp_profiles(datagram).ok_or(FailReason::SrtpKeys)?;
        let chosen = self
            .profiles
            .iter()
            .find(|profile| offered.contains(&(protection_profile(**profile) as u16)))
            .ok_or(FailReason::SrtpKeys)?;
        let config = handshake_config(false, &self.certificate, &[*chosen])
            .map_err(|_| FailReason::DtlsHandshake)?;
        self.engine.set_server_config(Some(config));
        Ok(())
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) -> Result<(), FailReason> {
        let State::Handshaking { give_up_at } = self.state else { return Ok(()) };
        if give_up_at.is_some_and(|at| now >= at) {
            return Err(FailReason::DtlsHandshake);
        }
        if self.retry.due.is_none_or(|due| now < due) {
            return Ok(());
        }
        self.engine.handle_timeout(PEER, now).map_err(|_| FailReason::DtlsTimeout)?;
        self.collect();
        let attempts = self.retry.attempts + 1;
        let armed = self.engine.poll_timeout(&PEER);
        let due = RETRY_GAPS.get(attempts).map(|gap| now + *gap);
        self.retry = Retry { armed, attempts, due: armed.and(due) };
        Ok(())
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let State::Handshaking { give_up_at } = self.state else { return None };
        self.retry.due.into_iter().chain(give_up_at).min()
    }

    /// A changed engine timer means a new flight, an absent one that the peer has to move.
    fn rearm(&mut self, now: Instant) {
        let armed = self.engine.poll_timeout(&PEER);
        if armed != self.retry.armed {
            let due = armed.map(|_| now + RETRY_GAPS[0]);
            self.retry = Retry { armed, attempts: 0, due };
        }
    }

    fn collect(&mut self) -> usize {
        let before = self.output.len();
        while let Some(transmit) = self.engine.poll_transmit() {
            self.output.push_back(transmit.message.to_vec());
        }
        self.output.len() - before
    }

    pub(super) fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.output.pop_front()
    }

    /// Is the peer's certificate the announced one? `None` before the handshake is over.
    pub(super) fn verify(&self, fingerprint: &Fingerprint) -> Option<bool> {
        if !matches!(self.state, State::Established { .. }) {
            return None;
        }
        let certificates = &self.engine.get_connection_state(PEER)?.peer_certificates;
        Some(certificates.first().is_some_and(|certificate| fingerprint.matches(certificate)))
    }

    /// The SRTP keys. Only after [`Self::verify`].
    pub(super) fn keys(&self) -> Option<(SrtpOutbound, SrtpInbound)> {
        let state = self.engine.get_connection_state(PEER)?;
        let negotiated = state.srtp_protection_profile();
        let profile = *self.profiles.iter().find(|p| protection_profile(**p) == negotiated)?;
        let material =
            state.export_keying_material(EXPORTER_LABEL, &[], keying_material_len(profile)).ok()?;
        SessionKeys::from_exporter(profile, material.as_ref(), self.is_client).ok()
    }

    /// Ends the association with `close_notify`.
    pub(super) fn close(&mut self, now: Instant) {
        if matches!(self.state, State::Established { .. }) {
            self.engine.stop(now, PEER);
            self.collect();
        }
        self.state = State::Closed;
    }
}

impl std::fmt::Debug for Dtls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dtls")
            .field("is_client", &self.is_client)
            .field("state", &self.state)
            .field("retry", &self.retry)
            .finish_non_exhaustive()
    }
}

fn handshake_config(
    is_client: bool,
    certificate: &Certificate,
    profiles: &[SrtpProfile],
) -> Result<Arc<HandshakeConfig>, TransportError> {
    ConfigBuilder::default()
        .with_crypto_provider(certificate.provider().clone())
        .with_certificates(vec![certificate.dtls().clone()])
        .with_cipher_suites(CIPHER_SUITES.to_vec())
        .with_srtp_protection_profiles(profiles.iter().map(|p| protection_profile(*p)).collect())
        .with_client_auth(ClientAuthType::RequireAnyClientCert)
        // Self-signed on both sides: the fingerprint is the check (RFC 8122 §5).
        .with_insecure_skip_verify(true)
        .with_flight_interval(RETRY_GAPS[0])
        .with_mtu(MTU)
        .build(is_client, Some(PEER))
        .map(Arc::new)
        .map_err(|_| TransportError::DtlsSetup)
}

fn protection_profile(profile: SrtpProfile) -> SrtpProtectionProfile {
    match profile {
        SrtpProfile::AeadAes128Gcm => SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm,
        SrtpProfile::Aes128CmHmacSha1_80 => SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80,
    }
}

/// The engine's name for the peer, whatever path it is on.
const PEER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 5000);
/// Authenticated encryption only; the first is mandatory (RFC 8827 §6.5). As client we also take
/// a server's RSA certificate.
const CIPHER_SUITES: [CipherSuiteId; 4] = [
    CipherSuiteId::Tls_Ecdhe_Ecdsa_With_Aes_128_Gcm_Sha256,
    CipherSuiteId::Tls_Ecdhe_Ecdsa_With_ChaCha20_Poly1305_Sha256,
    CipherSuiteId::Tls_Ecdhe_Rsa_With_Aes_128_Gcm_Sha256,
    CipherSuiteId::Tls_Ecdhe_Rsa_With_ChaCha20_Poly1305_Sha256,
];
/// DTL-9 wants the first at 1 s or less and the end not before 15 s. The engine allows seven
/// repetitions and fails at the eighth, which the transport's deadline forestalls. The first is
/// also the engine's own interval: none may be shorter.
const RETRY_GAPS: [Duration; 7] = [
    Duration::from_millis(500),
    Duration::from_millis(500),
    Duration::from_millis(1000),
    Duration::from_millis(1500),
    Duration::from_millis(2500),
    Duration::from_millis(3500),
    Duration::from_millis(4500),
];
/// An alert in plaintext may be forged, so a handshake that goes on overrules it.
const ALERT_PATIENCE: Duration = Duration::from_secs(2);
/// The engine's own limit for repeating the last flight.
const MAX_ANSWERS: u32 = 7;
/// Fragments of handshake messages; with headers and protection a record stays below the 1472
/// bytes of DTL-10.
const MTU: usize = 1200;
/// RFC 5764 §4.2.
const EXPORTER_LABEL: &str = "EXTRACTOR-dtls_srtp";
/// Record type of handshake messages.
const HANDSHAKE: u8 = 22;
