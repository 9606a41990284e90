//! The machine: demultiplexes datagrams, runs ICE, DTLS and SRTP, and says when media may flow.
//!
//! Invariants: no key is derived before the peer's certificate matches its description (H1); DTLS
//! is read only from addresses on which a check has passed (N5); media goes only where ICE
//! selected (N7).

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::certificate::Fingerprint;
use super::config::TransportConfig;
use super::demux::{Datagram, classify};
use super::dtls::{Dtls, Progress};
use super::error::TransportError;
use super::ice::{Ice, IceOutput, Pair, PathChange};
use super::srtp::{SrtpError, SrtpInbound, SrtpOutbound, SrtpProfile};
use super::state::{
    DropReason, DtlsState, FailReason, IceState, Received, TransportCounters, TransportEvent,
    TransportOutput,
};
use crate::negotiation::ice::{IceCandidate, IceCredentials};
use crate::negotiation::setup::DtlsSetup;

#[derive(Debug)]
pub struct Transport {
    ice: Ice,
    security: Security,
    phase: Phase,
    /// DTLS from probed addresses that no check has validated yet.
    early: VecDeque<(Pair, Vec<u8>)>,
    output: VecDeque<TransportOutput>,
    counters: TransportCounters,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Connecting,
    Ready,
    Failed(FailReason),
    Closed,
}

#[derive(Debug)]
enum Security {
    /// ENC-1.
    Plain,
    /// DTLS starts when the remote description says in which role.
    Waiting(Box<TransportConfig>),
    Dtls(Box<Secured>),
    /// After failure or close: no key is kept.
    Gone(DtlsState),
}

#[derive(Debug)]
struct Secured {
    dtls: Dtls,
    /// Last announced fingerprint; the keys stay out of reach until it is there and matches.
    fingerprint: Option<Fingerprint>,
    /// DTL-9, from the moment ICE is connected.
    deadline: Option<Instant>,
    /// Where the peer last spoke DTLS to us, for answers before ICE has selected.
    heard_on: Option<Pair>,
    keys: Option<Keys>,
    peer_closed: bool,
}

#[derive(Debug)]
struct Keys {
    outbound: SrtpOutbound,
    inbound: SrtpInbound,
}

impl Transport {
    pub fn new(now: Instant, config: TransportConfig) -> Result<Transport, TransportError> {
        let ice = Ice::new(now, config.ice_controlling, config.ice_lite)?;
        let security = match config.encrypted {
            true if config.profiles.is_empty() => return Err(TransportError::NoSrtpProfile),
            true => Security::Waiting(Box::new(config)),
            false => Security::Plain,
        };
        Ok(Transport {
            ice,
            security,
            phase: Phase::Connecting,
            early: VecDeque::new(),
            output: VecDeque::new(),
            counters: TransportCounters::default(),
        })
    }

    /// Credentials for descriptions; new after a restart.
    pub fn local_credentials(&self) -> IceCredentials {
        self.ice.local_credentials()
    }

    /// Every ufrag that checks may be addressed to: during a restart also the old one.
    pub fn local_ufrags(&self) -> impl Iterator<Item = &str> {
        self.ice.local_ufrags()
    }

    /// Valid candidates with the current ufrag.
    pub fn local_candidates(&self) -> Vec<IceCandidate> {
        self.ice.local_candidates()
    }

    /// A socket of ours. `address` is what `handle_datagram` gets as `local`: with a socket bound
    /// to the unspecified address, the interface's.
    pub fn add_host(&mut self, now: Instant, address: SocketAddr) -> Result<(), TransportError> {
        self.ice.add_host(now, address)?;
        self.advance(now);
        Ok(())
    }

    /// `base` under the address that a STUN server saw.
    pub fn add_server_reflexive(
        &mut self,
        now: Instant,
        mapped: SocketAddr,
        base: SocketAddr,
    ) -> Result<(), TransportError> {
        self.ice.add_server_reflexive(now, mapped, base)?;
        self.advance(now);
        Ok(())
    }

    /// A TURN allocation. `relay` is `local` of what is sent and received through it; `local` is
    /// the socket that talks to the server, `mapped` how the server sees it.
    pub fn add_relayed(
        &mut self,
        now: Instant,
        relay: SocketAddr,
        mapped: SocketAddr,
        local: SocketAddr,
    ) -> Result<(), TransportError> {
        self.ice.add_relayed(now, relay, mapped, local)?;
        self.advance(now);
        Ok(())
    }

    /// To be called before [`Self::set_remote`] if the peer's description says `a=ice-lite`.
    pub fn set_remote_ice_lite(&mut self) {
        self.ice.set_remote_lite();
    }

    /// The remote description is known. `dtls_setup` is our role; a second call can change
    /// neither it nor the credentials (see [`Self::restart_ice`]). Of several fingerprints the
    /// last one before the check counts (DTL-8).
    pub fn set_remote(
        &mut self,
        now: Instant,
        credentials: &IceCredentials,
        fingerprint: Option<&str>,
        dtls_setup: DtlsSetup,
    ) -> Result<(), TransportError> {
        let fingerprint = fingerprint.map(Fingerprint::parse).transpose()?;
        if let Security::Waiting(config) = &self.security {
            let is_client = dtls_setup == DtlsSetup::Active;
            let dtls = Dtls::new(is_client, config.certificate.clone(), config.profiles.clone())?;
            self.security = Security::Dtls(Box::new(Secured {
                dtls,
                fingerprint: None,
                deadline: None,
                heard_on: None,
                keys: None,
                peer_closed: false,
            }));
        }
        if let (Security::Dtls(secured), Some(fingerprint)) = (&mut self.security, fingerprint) {
            secured.fingerprint = Some(fingerprint);
        }
        self.ice.set_remote_credentials(now, credentials)?;
        self.advance(now);
        Ok(())
    }

    /// Ignores what contract WRC-43 and WRC-45 say to ignore.
    pub fn add_remote_candidate(&mut self, now: Instant, candidate: &IceCandidate) {
        if self.is_over() {
            return;
        }
        self.ice.add_remote_candidate(now, candidate);
        self.advance(now);
    }

    /// Contract ICE-20. `false` if the ufrag is the one in force: nothing happened. DTLS and SRTP
    /// go on, and media stays on the old path until [`TransportEvent::ReadyAgain`].
    pub fn restart_ice(
        &mut self,
        now: Instant,
        remote: &IceCredentials,
    ) -> Result<bool, TransportError> {
        if self.is_over() {
            return Ok(false);
        }
        let restarted = self.ice.restart(now, remote)?;
        self.advance(now);
        Ok(restarted)
    }

    /// Should the worker bring this STUN datagram here? Requests belong to one of our ufrags,
    /// answers to a check that we sent to `remote`.
    pub fn owns_stun(&self, data: &[u8], remote: SocketAddr) -> bool {
        self.ice.owns_stun(data, remote)
    }

    /// One datagram that the worker routed to this connection. RTP and RTCP come back decrypted,
    /// in place.
    pub fn handle_datagram<'a>(
        &mut self,
        now: Instant,
        local: SocketAddr,
        remote: SocketAddr,
        data: &'a mut [u8],
    ) -> Received<'a> {
        let pair = Pair { local, remote };
        let handled = match classify(data) {
            _ if self.is_over() => Err(DropReason::Closed),
            Datagram::Rtp => self.receive_media(pair, data, false).map(Some),
            Datagram::Rtcp => self.receive_media(pair, data, true).map(Some),
            Datagram::Stun => self.receive_stun(now, pair, data).map(|()| None),
            Datagram::Dtls => self.receive_dtls(now, pair, data).map(|()| None),
            Datagram::Unknown => Err(DropReason::UnknownProtocol),
        };
        match handled {
            Ok(Some((len, is_rtcp))) => {
                let clear = &mut data[..len];
                if is_rtcp { Received::Rtcp(clear) } else { Received::Rtp(clear) }
            }
            Ok(None) => Received::Handled,
            Err(reason) => {
                self.counters.count(reason);
                Received::Dropped(reason)
            }
        }
    }

    /// The clear length, at most `data.len()`.
    fn receive_media(
        &mut self,
        pair: Pair,
        data: &mut [u8],
        is_rtcp: bool,
    ) -> Result<(usize, bool), DropReason> {
        let len = match &mut self.security {
            Security::Dtls(secured) => {
                let keys = secured.keys.as_mut().ok_or(DropReason::BeforeKeys)?;
                let clear = match is_rtcp {
                    true => keys.inbound.unprotect_rtcp(data),
                    false => keys.inbound.unprotect_rtp(data),
                };
                clear.map_err(drop_reason)?
            }
            // No tag says where it comes from, so the address has to.
            Security::Plain if !self.ice.is_validated(pair.remote) => {
                return Err(DropReason::UnvalidatedAddress);
            }
            Security::Plain if self.phase == Phase::Ready => data.len(),
            Security::Plain | Security::Waiting(_) => return Err(DropReason::BeforeKeys),
            Security::Gone(_) => return Err(DropReason::Closed),
        };
        Ok((len.min(data.len()), is_rtcp))
    }

    fn receive_stun(&mut self, now: Instant, pair: Pair, data: &[u8]) -> Result<(), DropReason> {
        self.ice.handle_stun(now, pair, data)?;
        self.advance(now);
        Ok(())
    }

    fn receive_dtls(&mut self, now: Instant, pair: Pair, data: &[u8]) -> Result<(), DropReason> {
        if matches!(self.security, Security::Plain) {
            return Err(DropReason::Dtls);
        }
        let known = matches!(self.security, Security::Dtls(_));
        if !known || !self.ice.is_validated(pair.remote) {
            // Our check may be a round trip behind the peer's: keep its ClientHello.
            if !self.ice.is_probed(pair.remote) || self.early.len() >= MAX_EARLY {
                return Err(DropReason::UnvalidatedAddress);
            }
            self.early.push_back((pair, data.to_vec()));
            return Ok(());
        }
        let used = self.read_dtls(now, pair, data);
        self.advance(now);
        if used { Ok(()) } else { Err(DropReason::Dtls) }
    }

    fn read_dtls(&mut self, now: Instant, pair: Pair, data: &[u8]) -> bool {
        let Security::Dtls(secured) = &mut self.security else { return false };
        match secured.dtls.handle(now, data) {
            Ok(Progress::Useless) => false,
            Ok(progress) => {
                secured.heard_on = Some(pair);
                if progress == Progress::PeerClosed {
                    secured.peer_closed = true;
                    self.event(TransportEvent::PeerClosed);
                }
                true
            }
            Err(reason) => {
                secured.heard_on = Some(pair);
                self.fail(now, reason);
                true
            }
        }
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        if self.is_over() {
            return;
        }
        let mut failure = self.ice.handle_timeout(now);
        if let Security::Dtls(secured) = &mut self.security {
            let overdue = secured.deadline.is_some_and(|deadline| now >= deadline);
            let overdue = overdue.then_some(FailReason::DtlsTimeout);
            failure = failure.or(secured.dtls.handle_timeout(now).err()).or(overdue);
        }
        if let Some(reason) = failure {
            self.fail(now, reason);
        }
        self.advance(now);
    }

    /// When [`Self::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.is_over() {
            return None;
        }
        let dtls = match &self.security {
            Security::Dtls(secured) => {
                secured.dtls.poll_timeout().into_iter().chain(secured.deadline).min()
            }
            _ => None,
        };
        self.ice.poll_timeout().into_iter().chain(dtls).min()
    }

    /// To be drained after every other call.
    pub fn poll_output(&mut self) -> Option<TransportOutput> {
        self.output.pop_front()
    }

    /// Local and remote address that media is sent on. `None` until ready and after the end.
    pub fn path(&self) -> Option<(SocketAddr, SocketAddr)> {
        let pair = self.ice.selected().filter(|_| self.phase == Phase::Ready)?;
        Some((pair.local, pair.remote))
    }

    /// Encrypts `buf[..len]` in place and returns the new length; the caller leaves room for the
    /// tag. `None` while media may not flow.
    pub fn protect_rtp(
        &mut self,
        buf: &mut [u8],
        len: usize,
        header_len: usize,
        roll_over: u32,
    ) -> Option<usize> {
        match &mut self.security {
            _ if self.phase != Phase::Ready => None,
            Security::Plain => Some(len),
            Security::Dtls(secured) => {
                let outbound = &mut secured.keys.as_mut()?.outbound;
                outbound.protect_rtp(buf, len, header_len, roll_over).ok()
            }
            Security::Waiting(_) | Security::Gone(_) => None,
        }
    }

    /// Encrypts a compound RTCP packet in place. `None` while media may not flow.
    pub fn protect_rtcp(&mut self, compound: &mut Vec<u8>) -> Option<()> {
        match &mut self.security {
            _ if self.phase != Phase::Ready => None,
            Security::Plain => Some(()),
            Security::Dtls(secured) => secured.keys.as_mut()?.outbound.protect_rtcp(compound).ok(),
            Security::Waiting(_) | Security::Gone(_) => None,
        }
    }

    /// Negotiated SRTP profile; `None` before the keys and on a plain transport.
    pub fn profile(&self) -> Option<SrtpProfile> {
        let Security::Dtls(secured) = &self.security else { return None };
        secured.keys.as_ref().map(|keys| keys.outbound.profile())
    }

    pub fn counters(&self) -> &TransportCounters {
        &self.counters
    }

    pub fn ice_state(&self, now: Instant) -> IceState {
        match self.phase {
            Phase::Closed => IceState::Closed,
            _ => self.ice.state(now),
        }
    }

    pub fn dtls_state(&self) -> DtlsState {
        match &self.security {
            Security::Plain | Security::Waiting(_) => DtlsState::New,
            Security::Gone(state) => *state,
            Security::Dtls(secured) if secured.peer_closed => DtlsState::Closed,
            Security::Dtls(secured) if secured.keys.is_some() => DtlsState::Connected,
            Security::Dtls(secured) if secured.dtls.is_idle() => DtlsState::New,
            Security::Dtls(_) => DtlsState::Connecting,
        }
    }

    /// Of the last answered check.
    pub fn round_trip(&self) -> Option<Duration> {
        self.ice.round_trip()
    }

    pub fn is_ready(&self) -> bool {
        self.phase == Phase::Ready
    }

    /// Says goodbye; the last output is still to be drained. Later calls do nothing.
    pub fn close(&mut self, now: Instant) {
        if self.phase == Phase::Closed {
            return;
        }
        if !self.is_over() {
            self.end_security(now, DtlsState::Closed);
        }
        self.phase = Phase::Closed;
    }

    /// Draws the consequences of whatever just happened.
    fn advance(&mut self, now: Instant) {
        if self.is_over() {
            return;
        }
        self.take_ice_output();
        self.replay_early(now);
        self.follow_path(now);
        self.unlock(now);
        self.send_dtls();
        // DTLS may have failed and left an alert, never more checks.
        self.become_ready();
    }

    fn take_ice_output(&mut self) {
        while let Some(output) = self.ice.poll_output() {
            match output {
                IceOutput::Transmit(pair, data) => self.transmit(pair, data),
                IceOutput::Probed(remote) => self.event(TransportEvent::ProbedAddress(remote)),
                IceOutput::Validated(remote) => {
                    self.event(TransportEvent::ValidatedAddress(remote));
                }
            }
        }
    }

    fn replay_early(&mut self, now: Instant) {
        if self.early.is_empty() || !matches!(self.security, Security::Dtls(_)) {
            return;
        }
        for (pair, data) in std::mem::take(&mut self.early) {
            if self.ice.is_validated(pair.remote) {
                self.read_dtls(now, pair, &data);
            } else {
                self.early.push_back((pair, data));
            }
        }
    }

    fn follow_path(&mut self, now: Instant) {
        let change = self.ice.update_path();
        if let Some(change) = change {
            if change == PathChange::Restarted && self.phase == Phase::Ready {
                self.event(TransportEvent::ReadyAgain);
            }
            self.event(TransportEvent::PathChanged);
        }
        if self.ice.selected().is_none() {
            return;
        }
        // DTL-3: the client speaks first once ICE is connected. DTL-9 counts from there.
        let Security::Dtls(secured) = &mut self.security else { return };
        if secured.keys.is_some() {
            return;
        }
        secured.deadline.get_or_insert(now + HANDSHAKE_TIMEOUT);
        if let Err(reason) = secured.dtls.start(now) {
            self.fail(now, reason);
        }
    }

    /// Installs the keys once the handshake is over and the certificate is the announced one (H1).
    fn unlock(&mut self, now: Instant) {
        let Security::Dtls(secured) = &mut self.security else { return };
        if secured.keys.is_some() {
            return;
        }
        let Some(fingerprint) = &secured.fingerprint else { return };
        let reason = match secured.dtls.verify(fingerprint) {
            None => return,
            Some(false) => FailReason::FingerprintMismatch,
            Some(true) => match secured.dtls.keys() {
                Some((outbound, inbound)) => {
                    secured.keys = Some(Keys { outbound, inbound });
                    secured.deadline = None;
                    return;
                }
                None => FailReason::SrtpKeys,
            },
        };
        self.fail(now, reason);
    }

    fn send_dtls(&mut self) {
        let Security::Dtls(secured) = &mut self.security else { return };
        let Some(pair) = self.ice.selected().or(secured.heard_on) else { return };
        while let Some(data) = secured.dtls.poll_transmit() {
            let Pair { local, remote } = pair;
            self.output.push_back(TransportOutput::Transmit { local, remote, data });
        }
    }

    fn become_ready(&mut self) {
        let unlocked = match &self.security {
            Security::Plain => true,
            Security::Dtls(secured) => secured.keys.is_some(),
            Security::Waiting(_) | Security::Gone(_) => false,
        };
        if self.phase == Phase::Connecting && unlocked && self.ice.selected().is_some() {
            self.phase = Phase::Ready;
            self.event(TransportEvent::Ready);
        }
    }

    fn fail(&mut self, now: Instant, reason: FailReason) {
        if self.is_over() {
            return;
        }
        self.end_security(now, DtlsState::Failed);
        self.phase = Phase::Failed(reason);
        self.event(TransportEvent::Failed(reason));
    }

    /// Sends what DTLS has to say last, then forgets it and the keys.
    fn end_security(&mut self, now: Instant, state: DtlsState) {
        if let Security::Dtls(secured) = &mut self.security {
            secured.dtls.close(now);
        }
        self.send_dtls();
        self.early.clear();
        if !matches!(self.security, Security::Plain) {
            self.security = Security::Gone(state);
        }
    }

    fn transmit(&mut self, pair: Pair, data: Vec<u8>) {
        let Pair { local, remote } = pair;
        self.output.push_back(TransportOutput::Transmit { local, remote, data });
    }

    fn event(&mut self, event: TransportEvent) {
        self.output.push_back(TransportOutput::Event(event));
    }

    fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Failed(_) | Phase::Closed)
    }
}

fn drop_reason(error: SrtpError) -> DropReason {
    match error {
        SrtpError::Replayed | SrtpError::Stale => DropReason::Replayed,
        SrtpError::TooManySources => DropReason::TooManySources,
        _ => DropReason::UnauthenticSrtp,
    }
}

/// DTL-9: 15 to 20 s after ICE connected.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(18);
/// A ClientHello, of which each browser sends one or two before our check is answered.
const MAX_EARLY: usize = 4;
