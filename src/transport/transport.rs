//! The machine: demultiplexes datagrams, runs ICE, DTLS and SRTP, and says when media may flow.
//!
//! Invariants: no key is derived before the peer's certificate matches its description (H1); DTLS
//! is read only from addresses on which a check has passed (N5); media goes only where ICE
//! selected (N7).

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::config::TransportConfig;
use super::demux::{Datagram, classify};
use super::dtls::Progress;
use super::error::TransportError;
use super::ice::{Ice, IceOutput, Pair, PathChange};
use super::security::Security;
use super::srtp::SrtpProfile;
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
    /// Where the peer last spoke DTLS to us, for answers before ICE has selected.
    heard_on: Option<Pair>,
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

impl Transport {
    pub fn new(now: Instant, config: TransportConfig) -> Result<Transport, TransportError> {
        let ice = Ice::new(now, config.ice_controlling, config.ice_lite)?;
        Ok(Transport {
            ice,
            security: Security::new(config)?,
            phase: Phase::Connecting,
            early: VecDeque::new(),
            heard_on: None,
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
        self.security.set_remote(dtls_setup == DtlsSetup::Active, fingerprint)?;
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
        if self.security.is_plain() {
            // No tag says where it comes from, so the address has to.
            if !self.ice.is_validated(pair.remote) {
                return Err(DropReason::UnvalidatedAddress);
            }
            if self.phase != Phase::Ready {
                return Err(DropReason::BeforeKeys);
            }
        }
        let len = self.security.unprotect(data, is_rtcp)?;
        Ok((len.min(data.len()), is_rtcp))
    }

    fn receive_stun(&mut self, now: Instant, pair: Pair, data: &[u8]) -> Result<(), DropReason> {
        self.ice.handle_stun(now, pair, data)?;
        self.advance(now);
        Ok(())
    }

    fn receive_dtls(&mut self, now: Instant, pair: Pair, data: &[u8]) -> Result<(), DropReason> {
        if self.security.is_plain() {
            return Err(DropReason::Dtls);
        }
        if self.security.dtls().is_none() || !self.ice.is_validated(pair.remote) {
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
        let Some(dtls) = self.security.dtls() else { return false };
        let progress = dtls.handle(now, data);
        if progress != Ok(Progress::Useless) {
            self.heard_on = Some(pair);
        }
        match progress {
            Ok(Progress::PeerClosed) => self.event(TransportEvent::PeerClosed),
            Ok(_) => {}
            Err(reason) => self.fail(now, reason),
        }
        progress != Ok(Progress::Useless)
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        if self.is_over() {
            return;
        }
        let ice = self.ice.handle_timeout(now);
        let dtls = self.security.handle_timeout(now).err();
        let failure = ice.or(dtls);
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
        self.ice.poll_timeout().into_iter().chain(self.security.poll_timeout()).min()
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
        match self.phase {
            Phase::Ready => self.security.protect_rtp(buf, len, header_len, roll_over),
            _ => None,
        }
    }

    /// Encrypts a compound RTCP packet in place. `None` while media may not flow.
    pub fn protect_rtcp(&mut self, compound: &mut Vec<u8>) -> Option<()> {
        match self.phase {
            Phase::Ready => self.security.protect_rtcp(compound),
            _ => None,
        }
    }

    /// Negotiated SRTP profile; `None` before the keys and on a plain transport.
    pub fn profile(&self) -> Option<SrtpProfile> {
        self.security.profile()
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
        self.security.state()
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
        if let Err(reason) = self.security.unlock() {
            self.fail(now, reason);
        }
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
        if self.early.is_empty() || self.security.dtls().is_none() {
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
        if self.ice.selected().is_some()
            && let Err(reason) = self.security.ice_connected(now)
        {
            self.fail(now, reason);
        }
    }

    fn send_dtls(&mut self) {
        let Some(pair) = self.ice.selected().or(self.heard_on) else { return };
        while let Some(data) = self.security.dtls().and_then(|dtls| dtls.poll_transmit()) {
            self.transmit(pair, data);
        }
    }

    fn become_ready(&mut self) {
        if self.phase == Phase::Connecting
            && self.security.is_unlocked()
            && self.ice.selected().is_some()
        {
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
        if let Some(dtls) = self.security.dtls() {
            dtls.close(now);
        }
        self.send_dtls();
        self.early.clear();
        self.security.end(state);
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

/// A ClientHello, of which each browser sends one or two before our check is answered.
const MAX_EARLY: usize = 4;
