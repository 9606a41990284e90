//! One ICE session: the checks under one pair of credentials (RFC 8445), wrapped around the `is`
//! agent. A restart makes a second session; `super::Ice` decides between them.
//!
//! The agent decides what to check and when. This file adds what it leaves open: answers must come
//! from where the check went, bounded memory under a spray of source addresses, and nominations
//! that move to a path of lower priority.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use is::stun::{StunMessage, StunPacket};
use is::{Candidate, IceAgent, IceAgentEvent, IceCreds, Protocol};

use super::admission::Admission;
use super::candidate::LocalCandidate;
use super::integrity::Integrity;
use crate::transport::demux::{StunKind, fingerprint_holds, stun_kind, transaction_id};
use crate::transport::state::DropReason;

/// A local and a remote address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::transport) struct Pair {
    pub(in crate::transport) local: SocketAddr,
    pub(in crate::transport) remote: SocketAddr,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct SessionConfig {
    pub(super) controlling: bool,
    pub(super) lite: bool,
}

pub(super) struct Session {
    agent: IceAgent,
    config: SessionConfig,
    /// Kept to fill a new agent in [`Session::rebuild`].
    locals: Vec<Candidate>,
    remotes: Vec<Candidate>,
    admission: Admission,
    rebuilt_at: Option<Instant>,
    checks: VecDeque<Check>,
    /// Remote addresses that we probed or that probed us with our password.
    probed: Vec<SocketAddr>,
    validated: Vec<Pair>,
    nominated: Option<Pair>,
    challenger: Option<Challenger>,
    /// Last answer to a check of ours; with ICE-lite, last check that we answered.
    last_consent: Option<Instant>,
    /// Since when a check could have succeeded (contract ICE-26).
    possible_since: Option<Instant>,
    round_trip: Option<Duration>,
    timeout: Option<Instant>,
    pub(super) output: VecDeque<SessionOutput>,
}

#[derive(Debug)]
pub(super) enum SessionOutput {
    Transmit(Pair, Vec<u8>),
    Probed(SocketAddr),
    Validated(SocketAddr),
}

/// A check of ours that may still be answered.
#[derive(Debug)]
struct Check {
    transaction: [u8; 12],
    pair: Pair,
    sent: Instant,
}

/// A pair that the controlling side nominated although another one is in use.
#[derive(Debug)]
struct Challenger {
    pair: Pair,
    nominations: u32,
}

impl Session {
    pub(super) fn new(now: Instant, local: IceCreds, config: SessionConfig) -> Session {
        let mut session = Session {
            agent: new_agent(local, config),
            config,
            locals: Vec::new(),
            remotes: Vec::new(),
            admission: Admission::new(now),
            rebuilt_at: None,
            checks: VecDeque::new(),
            probed: Vec::new(),
            validated: Vec::new(),
            nominated: None,
            challenger: None,
            last_consent: None,
            possible_since: None,
            round_trip: None,
            timeout: None,
            output: VecDeque::new(),
        };
        session.agent.handle_timeout(now);
        session.drain(now);
        session
    }

    pub(super) fn local_credentials(&self) -> &IceCreds {
        self.agent.local_credentials()
    }

    pub(super) fn remote_credentials(&self) -> Option<&IceCreds> {
        self.agent.remote_credentials()
    }

    pub(super) fn config(&self) -> SessionConfig {
        self.config
    }

    pub(super) fn nominated(&self) -> Option<Pair> {
        self.nominated
    }

    pub(super) fn last_consent(&self) -> Option<Instant> {
        self.last_consent
    }

    pub(super) fn possible_since(&self) -> Option<Instant> {
        self.possible_since
    }

    pub(super) fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }

    pub(super) fn is_validated(&self, remote: SocketAddr) -> bool {
        self.validated.iter().any(|pair| pair.remote == remote)
    }

    pub(super) fn is_probed(&self, remote: SocketAddr) -> bool {
        self.probed.contains(&remote)
    }

    pub(super) fn owns_transaction(&self, transaction: &[u8; 12], remote: SocketAddr) -> bool {
        self.checks.iter().any(|c| c.transaction == *transaction && c.pair.remote == remote)
    }

    /// `None` if the agent takes the candidate for redundant; else its priority.
    pub(super) fn add_local(&mut self, now: Instant, candidate: &LocalCandidate) -> Option<u32> {
        let priority = self.agent.add_local_candidate(candidate.agent.clone())?.prio();
        self.locals.push(candidate.agent.clone());
        self.kick(now);
        Some(priority)
    }

    pub(super) fn set_remote_credentials(&mut self, now: Instant, remote: IceCreds) {
        self.agent.set_remote_credentials(remote);
        self.note_possible(now);
        // The agent answers one waiting check (ICE-11) each time it is called, and only then
        // starts checks of its own.
        for _ in 0..AGENT_QUEUE {
            self.agent.handle_timeout(now);
            if !self.drain(now) {
                break;
            }
        }
    }

    pub(super) fn add_remote(&mut self, now: Instant, candidate: Candidate) {
        let known = self
            .remotes
            .iter()
            .any(|c| c.addr() == candidate.addr() && c.kind() == candidate.kind());
        if known || self.remotes.len() >= MAX_REMOTE_CANDIDATES {
            return;
        }
        self.remotes.push(candidate.clone());
        self.agent.add_remote_candidate(candidate);
        self.note_possible(now);
        self.kick(now);
    }

    /// Only before the first pair is formed: priorities depend on it.
    pub(super) fn set_controlling(&mut self, controlling: bool) {
        self.config.controlling = controlling;
        self.agent.set_controlling(controlling);
    }

    pub(super) fn handle_stun(
        &mut self,
        now: Instant,
        pair: Pair,
        datagram: &[u8],
    ) -> Result<(), DropReason> {
        let kind = stun_kind(datagram).ok_or(DropReason::MalformedStun)?;
        let message = StunMessage::parse(datagram).map_err(|_| DropReason::MalformedStun)?;
        if !fingerprint_holds(datagram) {
            return Err(DropReason::MalformedStun);
        }
        match kind {
            StunKind::Request => self.handle_check(now, pair, datagram, message),
            StunKind::Response => self.handle_answer(now, pair, datagram, message),
            StunKind::Other => Err(DropReason::UnauthenticStun),
        }
    }

    fn handle_check(
        &mut self,
        now: Instant,
        pair: Pair,
        datagram: &[u8],
        message: StunMessage<'_>,
    ) -> Result<(), DropReason> {
        if !self.agent.accepts_message(&message) {
            return Err(DropReason::UnauthenticStun);
        }
        let transaction = transaction_id(datagram).ok_or(DropReason::MalformedStun)?;
        if self.admission.is_replay(transaction, pair.remote) {
            return Err(DropReason::UnauthenticStun);
        }
        if !self.admission.admit(now) {
            return Err(DropReason::StunFlood);
        }
        self.admit_source(now, pair.remote)?;
        let nominates = message.use_candidate();
        self.note_probed(pair.remote);
        self.note_possible(now);
        let packet = StunPacket {
            proto: Protocol::Udp,
            source: pair.remote,
            destination: pair.local,
            message,
        };
        if !self.agent.handle_packet(now, packet) {
            return Err(DropReason::UnauthenticStun);
        }
        if self.config.lite && self.agent.remote_credentials().is_some() {
            // A lite agent sends no checks: the peer's, authenticated by our password, is all
            // the validation there will be (contract ICE-30).
            self.last_consent = Some(now);
            self.note_validated(pair);
        }
        self.drain(now);
        if nominates && !self.agent.controlling() {
            self.challenge(pair);
        }
        self.kick(now);
        Ok(())
    }

    fn handle_answer(
        &mut self,
        now: Instant,
        pair: Pair,
        datagram: &[u8],
        message: StunMessage<'_>,
    ) -> Result<(), DropReason> {
        let transaction = transaction_id(datagram).ok_or(DropReason::MalformedStun)?;
        let check = self
            .checks
            .iter()
            .position(|c| c.transaction == transaction)
            .ok_or(DropReason::UnauthenticStun)?;
        // RFC 8445 §7.2.5.2.1: the addresses must be those of the check, mirrored.
        if self.checks[check].pair != pair {
            return Err(DropReason::UnauthenticStun);
        }
        if let Some(mapped) = message.mapped_address() {
            self.admit_mapping(now, mapped)?;
        }
        let answered = self.agent.stats().bind_success_recv;
        let packet = StunPacket {
            proto: Protocol::Udp,
            source: pair.remote,
            destination: pair.local,
            message,
        };
        if !self.agent.handle_packet(now, packet) {
            return Err(DropReason::UnauthenticStun);
        }
        let sent = self.checks.remove(check).map(|check| check.sent);
        if self.agent.stats().bind_success_recv > answered {
            self.last_consent = Some(now);
            self.round_trip = sent.map(|sent| now.saturating_duration_since(sent));
            self.note_validated(pair);
            self.drain(now);
            self.settle_challenge();
        }
        self.kick(now);
        Ok(())
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if self.timeout.is_some_and(|timeout| now >= timeout) {
            self.kick(now);
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.timeout
    }

    fn kick(&mut self, now: Instant) {
        self.agent.handle_timeout(now);
        self.drain(now);
    }

    /// Takes over what the agent wants sent and reports; says whether it wanted to send.
    fn drain(&mut self, now: Instant) -> bool {
        let mut sent = false;
        while let Some(transmit) = self.agent.poll_transmit() {
            sent = true;
            let pair = Pair { local: transmit.source, remote: transmit.destination };
            let data: Vec<u8> = transmit.contents.into();
            if stun_kind(&data) == Some(StunKind::Request) {
                if let Some(transaction) = transaction_id(&data) {
                    if self.checks.len() >= MAX_CHECKS {
                        self.checks.pop_front();
                    }
                    self.checks.push_back(Check { transaction, pair, sent: now });
                }
                self.note_probed(pair.remote);
            }
            self.output.push_back(SessionOutput::Transmit(pair, data));
        }
        while let Some(event) = self.agent.poll_event() {
            if let IceAgentEvent::NominatedSend { source, destination, .. } = event {
                self.nominated = Some(Pair { local: source, remote: destination });
                self.challenger = None;
            }
        }
        self.timeout = self.agent.poll_timeout();
        sent
    }

    /// The agent moves to a nominated pair of lower priority only when the old pair has died
    /// (20 s). A phone that changes network should not wait: follow a nomination that is repeated
    /// while the pair in use is nominated no more. Aggressive nomination, where every check
    /// nominates, does not look like that as long as the pair in use is alive.
    fn challenge(&mut self, pair: Pair) {
        if self.nominated.is_none_or(|nominated| nominated == pair) {
            self.challenger = None;
            return;
        }
        match &mut self.challenger {
            Some(challenger) if challenger.pair == pair => challenger.nominations += 1,
            _ => self.challenger = Some(Challenger { pair, nominations: 1 }),
        }
        self.settle_challenge();
    }

    fn settle_challenge(&mut self) {
        let Some(challenger) = &self.challenger else { return };
        if challenger.nominations >= 2 && self.validated.contains(&challenger.pair) {
            self.nominated = Some(challenger.pair);
            self.challenger = None;
        }
    }

    fn note_possible(&mut self, now: Instant) {
        let possible = self.agent.remote_credentials().is_some()
            && !(self.remotes.is_empty() && self.probed.is_empty());
        if possible && self.possible_since.is_none() {
            self.possible_since = Some(now);
        }
    }

    fn note_probed(&mut self, remote: SocketAddr) {
        if !self.probed.contains(&remote) {
            self.probed.push(remote);
            self.output.push_back(SessionOutput::Probed(remote));
        }
    }

    fn note_validated(&mut self, pair: Pair) {
        if self.validated.contains(&pair) {
            return;
        }
        if !self.is_validated(pair.remote) {
            self.output.push_back(SessionOutput::Validated(pair.remote));
        }
        self.validated.push(pair);
    }

    fn admit_source(&mut self, now: Instant, remote: SocketAddr) -> Result<(), DropReason> {
        let announced = self.remotes.iter().any(|c| c.addr() == remote);
        if !announced && !self.admission.sources.insert(remote) {
            self.rebuild(now)?;
            self.admission.sources.insert(remote);
        }
        Ok(())
    }

    fn admit_mapping(&mut self, now: Instant, mapped: SocketAddr) -> Result<(), DropReason> {
        let ours = self.locals.iter().any(|c| c.addr() == mapped);
        if !ours && !self.admission.mappings.insert(mapped) {
            self.rebuild(now)?;
            self.admission.mappings.insert(mapped);
        }
        Ok(())
    }

    /// Starts over with a new agent that knows the announced candidates and the pair in use. A
    /// client behind a rebinding NAT needs this once in hours; a spray gets it once per interval.
    fn rebuild(&mut self, now: Instant) -> Result<(), DropReason> {
        let too_soon =
            self.rebuilt_at.is_some_and(|at| now.saturating_duration_since(at) < REBUILD_INTERVAL);
        if too_soon {
            return Err(DropReason::StunFlood);
        }
        self.rebuilt_at = Some(now);
        let mut agent = new_agent(self.agent.local_credentials().clone(), self.config);
        agent.set_controlling(self.agent.controlling());
        if let Some(remote) = self.agent.remote_credentials() {
            agent.set_remote_credentials(remote.clone());
        }
        for candidate in &self.locals {
            agent.add_local_candidate(candidate.clone());
        }
        for candidate in &self.remotes {
            agent.add_remote_candidate(candidate.clone());
        }
        self.agent = agent;
        self.admission.forget_addresses();
        let keep = self.nominated;
        self.validated.retain(|pair| Some(*pair) == keep);
        let (remotes, validated) = (&self.remotes, &self.validated);
        self.probed.retain(|a| {
            remotes.iter().any(|c| c.addr() == *a) || validated.iter().any(|p| p.remote == *a)
        });
        Ok(())
    }
}

impl std::fmt::Debug for Session {
    /// The agent would print its passwords (security.md H5).
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("config", &self.config)
            .field("nominated", &self.nominated)
            .field("validated", &self.validated)
            .finish_non_exhaustive()
    }
}

fn new_agent(local: IceCreds, config: SessionConfig) -> IceAgent {
    let mut agent = IceAgent::with_hmac(local, &Integrity);
    agent.set_ice_lite(config.lite);
    agent.set_controlling(config.controlling);
    agent
}

/// Outstanding checks of ours. The agent forgets a check after 9 further ones on its pair.
const MAX_CHECKS: usize = 256;
/// Announced remote candidates. Browsers announce about ten.
const MAX_REMOTE_CANDIDATES: usize = 64;
const REBUILD_INTERVAL: Duration = Duration::from_secs(30);
/// Checks that the agent holds until it knows the remote credentials.
const AGENT_QUEUE: usize = 100;
