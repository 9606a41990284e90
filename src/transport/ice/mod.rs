//! ICE for one connection: the current session, the previous one during a restart, the path in
//! use, and the timers that end the connection (contract section 5.8).
//!
//! A restart keeps the old session alive and its pair in use until the new session has nominated
//! one (ICE-20); both sets of credentials are answered meanwhile.

mod admission;
mod candidate;
mod integrity;
mod session;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use is::IceCreds;

use self::candidate::{LocalCandidate, agent_credentials, random_credentials, usable};
pub(super) use self::session::Pair;
use self::session::{Session, SessionConfig, SessionOutput};
use super::demux::{local_ufrag_of_binding_request, transaction_id};
use super::error::TransportError;
use super::state::{DropReason, FailReason, IceState};
use crate::negotiation::ice::{IceCandidate, IceCredentials};

#[derive(Debug)]
pub(super) struct Ice {
    current: Session,
    previous: Option<Session>,
    /// Ours, with the priority the agent gave each.
    locals: Vec<(LocalCandidate, u32)>,
    selected: Option<Pair>,
    failed: bool,
}

#[derive(Debug)]
pub(super) enum IceOutput {
    Transmit(Pair, Vec<u8>),
    Probed(SocketAddr),
    Validated(SocketAddr),
}

/// What a step changed about the path in use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum PathChange {
    Moved,
    /// The new session of a restart took over; the path may be the same.
    Restarted,
}

impl Ice {
    pub(super) fn new(now: Instant, controlling: bool, lite: bool) -> Result<Ice, TransportError> {
        let config = SessionConfig { controlling: controlling && !lite, lite };
        Ok(Ice {
            current: Session::new(now, fresh_credentials()?, config),
            previous: None,
            locals: Vec::new(),
            selected: None,
            failed: false,
        })
    }

    pub(super) fn local_credentials(&self) -> IceCredentials {
        let IceCreds { ufrag, pass } = self.current.local_credentials().clone();
        IceCredentials { ufrag, pwd: pass }
    }

    pub(super) fn local_ufrags(&self) -> impl Iterator<Item = &str> {
        self.sessions().map(|session| session.local_credentials().ufrag.as_str())
    }

    pub(super) fn local_candidates(&self) -> Vec<IceCandidate> {
        let ufrag = &self.current.local_credentials().ufrag;
        self.locals.iter().map(|(c, priority)| c.describe(*priority, ufrag)).collect()
    }

    pub(super) fn add_host(
        &mut self,
        now: Instant,
        address: SocketAddr,
    ) -> Result<(), TransportError> {
        self.add_local(now, LocalCandidate::host(address)?);
        Ok(())
    }

    pub(super) fn add_server_reflexive(
        &mut self,
        now: Instant,
        mapped: SocketAddr,
        base: SocketAddr,
    ) -> Result<(), TransportError> {
        self.add_local(now, LocalCandidate::server_reflexive(mapped, base)?);
        Ok(())
    }

    pub(super) fn add_relayed(
        &mut self,
        now: Instant,
        relay: SocketAddr,
        mapped: SocketAddr,
        local: SocketAddr,
    ) -> Result<(), TransportError> {
        self.add_local(now, LocalCandidate::relayed(relay, mapped, local)?);
        Ok(())
    }

    fn add_local(&mut self, now: Instant, candidate: LocalCandidate) {
        if self.locals.len() >= MAX_LOCAL_CANDIDATES {
            return;
        }
        if let Some(priority) = self.current.add_local(now, &candidate) {
            self.locals.push((candidate, priority));
        }
    }

    /// The peer is lite and we are not: then we control, whoever offered (RFC 8445 §6.1.1).
    pub(super) fn set_remote_lite(&mut self) {
        let config = self.current.config();
        if !config.lite && self.current.remote_credentials().is_none() {
            self.current.set_controlling(true);
        }
    }

    /// Takes the first remote credentials of the session; later ones come by restart only.
    pub(super) fn set_remote_credentials(
        &mut self,
        now: Instant,
        remote: &IceCredentials,
    ) -> Result<(), TransportError> {
        let remote = agent_credentials(remote)?;
        if self.current.remote_credentials().is_none() {
            self.current.set_remote_credentials(now, remote);
        }
        Ok(())
    }

    pub(super) fn add_remote_candidate(&mut self, now: Instant, candidate: &IceCandidate) {
        // WRC-45: a candidate of another session.
        let remote = self.current.remote_credentials();
        let foreign = match (&candidate.ufrag, remote) {
            (Some(ufrag), Some(remote)) => *ufrag != remote.ufrag,
            _ => false,
        };
        if foreign {
            return;
        }
        if let Some(candidate) = usable(candidate) {
            self.current.add_remote(now, candidate);
        }
    }

    /// Contract ICE-20. `false`: nothing to do.
    pub(super) fn restart(
        &mut self,
        now: Instant,
        remote: &IceCredentials,
    ) -> Result<bool, TransportError> {
        let in_force = self.current.remote_credentials();
        if self.failed || in_force.is_none_or(|in_force| in_force.ufrag == remote.ufrag) {
            return Ok(false);
        }
        let remote = agent_credentials(remote)?;
        let mut next = Session::new(now, fresh_credentials()?, self.current.config());
        for (candidate, _) in &self.locals {
            next.add_local(now, candidate);
        }
        next.set_remote_credentials(now, remote);
        let old = std::mem::replace(&mut self.current, next);
        // A restart during a restart: the session that carries media is the one to keep.
        if self.previous.is_none() && old.nominated().is_some() {
            self.previous = Some(old);
        }
        Ok(true)
    }

    pub(super) fn handle_stun(
        &mut self,
        now: Instant,
        pair: Pair,
        datagram: &[u8],
    ) -> Result<(), DropReason> {
        self.session_for(datagram, pair.remote)
            .ok_or(DropReason::UnauthenticStun)?
            .handle_stun(now, pair, datagram)
    }

    /// By our ufrag for a check, by its transaction for an answer.
    fn session_for(&mut self, datagram: &[u8], remote: SocketAddr) -> Option<&mut Session> {
        let ufrag = local_ufrag_of_binding_request(datagram);
        let transaction = transaction_id(datagram)?;
        self.previous.iter_mut().chain(std::iter::once(&mut self.current)).find(|session| {
            match ufrag {
                Some(ufrag) => session.local_credentials().ufrag == ufrag,
                None => session.owns_transaction(&transaction, remote),
            }
        })
    }

    /// Is this a check for our credentials, or an answer to a check of ours?
    pub(super) fn owns_stun(&self, datagram: &[u8], remote: SocketAddr) -> bool {
        match local_ufrag_of_binding_request(datagram) {
            Some(ufrag) => self.local_ufrags().any(|ours| ours == ufrag),
            None => transaction_id(datagram)
                .is_some_and(|id| self.sessions().any(|s| s.owns_transaction(&id, remote))),
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) -> Option<FailReason> {
        self.current.handle_timeout(now);
        if let Some(previous) = &mut self.previous {
            previous.handle_timeout(now);
        }
        let (deadline, reason) = self.deadline()?;
        if self.failed || now < deadline {
            return None;
        }
        self.failed = true;
        Some(reason)
    }

    /// Takes over a newly nominated pair. To be called after every input.
    pub(super) fn update_path(&mut self) -> Option<PathChange> {
        let nominated = match (self.current.nominated(), &self.previous) {
            (Some(pair), _) => pair,
            (None, Some(previous)) => previous.nominated()?,
            (None, None) => return None,
        };
        if self.previous.is_some() && self.current.nominated().is_some() {
            self.previous = None;
            self.selected = Some(nominated);
            return Some(PathChange::Restarted);
        }
        if self.selected == Some(nominated) {
            return None;
        }
        self.selected = Some(nominated);
        Some(PathChange::Moved)
    }

    /// When ICE gives up if nothing arrives.
    fn deadline(&self) -> Option<(Instant, FailReason)> {
        let consent = |session: &Session| session.last_consent().map(|at| at + CONSENT_TIMEOUT);
        if self.current.nominated().is_some() {
            return consent(&self.current).map(|at| (at, FailReason::Consent));
        }
        let checks = self.current.possible_since().map(|since| since + CHECK_TIMEOUT);
        // A restart that fails is no loss as long as the old pair works; one that never gets a
        // candidate has as long as one that does.
        let old = self.previous.as_ref().and_then(consent);
        let deadline = match (checks, old) {
            (Some(checks), Some(old)) => checks.max(old),
            (Some(checks), None) => checks,
            (None, old) => old? + CHECK_TIMEOUT,
        };
        Some((deadline, FailReason::IceChecks))
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let agents = self.sessions().filter_map(Session::poll_timeout).min();
        let deadline = self.deadline().map(|(at, _)| at);
        agents.into_iter().chain(deadline).min()
    }

    pub(super) fn poll_output(&mut self) -> Option<IceOutput> {
        let previous = self.previous.as_mut().and_then(|session| session.output.pop_front());
        Some(match previous.or_else(|| self.current.output.pop_front())? {
            SessionOutput::Transmit(pair, data) => IceOutput::Transmit(pair, data),
            SessionOutput::Probed(remote) => IceOutput::Probed(remote),
            SessionOutput::Validated(remote) => IceOutput::Validated(remote),
        })
    }

    pub(super) fn selected(&self) -> Option<Pair> {
        self.selected
    }

    pub(super) fn is_validated(&self, remote: SocketAddr) -> bool {
        self.sessions().any(|session| session.is_validated(remote))
    }

    pub(super) fn is_probed(&self, remote: SocketAddr) -> bool {
        self.sessions().any(|session| session.is_probed(remote))
    }

    pub(super) fn round_trip(&self) -> Option<Duration> {
        self.sessions().find_map(Session::round_trip)
    }

    pub(super) fn state(&self, now: Instant) -> IceState {
        if self.failed {
            return IceState::Failed;
        }
        let Some(session) = self.sessions().find(|session| session.nominated().is_some()) else {
            return match self.current.possible_since() {
                Some(_) => IceState::Checking,
                None => IceState::New,
            };
        };
        let overdue = session
            .last_consent()
            .is_some_and(|at| now.saturating_duration_since(at) >= CONSENT_OVERDUE);
        if overdue { IceState::Disconnected } else { IceState::Connected }
    }

    fn sessions(&self) -> impl Iterator<Item = &Session> {
        std::iter::once(&self.current).chain(&self.previous)
    }
}

fn fresh_credentials() -> Result<IceCreds, TransportError> {
    let IceCredentials { ufrag, pwd } = random_credentials()?;
    Ok(IceCreds { ufrag, pass: pwd })
}

/// ICE-25: not before 15 s, by 30 s.
const CONSENT_TIMEOUT: Duration = Duration::from_secs(25);
/// A path in use is checked every 3 s: two checks have gone unanswered.
const CONSENT_OVERDUE: Duration = Duration::from_secs(7);
/// ICE-26.
const CHECK_TIMEOUT: Duration = Duration::from_secs(30);
/// One per interface and server; a host has a handful.
const MAX_LOCAL_CANDIDATES: usize = 32;

/// Any instant will do for tests.
#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "virtual time starts somewhere")]
fn instant() -> Instant {
    Instant::now()
}
