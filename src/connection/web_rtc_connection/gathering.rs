//! Which local candidates a connection still waits for (contract EVT-2, ICE-4).

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::{Effect, WebRtcConnection};
use crate::connection::event::{ConnectionEvent, ConnectionState};
use crate::negotiation::ice::IceCandidate;
use crate::transport::Transport;
use crate::transport::reflexive::{Reflexive, ReflexiveDiscovery};

/// Whatever a name server or a STUN server does, gathering ends by then (contract EVT-2).
const DEADLINE: Duration = Duration::from_millis(4900);

/// From the moment on that the host addresses are known.
#[derive(Debug, Default)]
pub(crate) enum Gathering {
    /// Not begun, or done.
    #[default]
    Idle,
    /// The address of the STUN server is being looked up.
    Resolving { bases: Vec<SocketAddr>, deadline: Instant },
    /// The STUN server is being asked.
    Asking { discovery: ReflexiveDiscovery, deadline: Instant },
}

impl Gathering {
    pub(crate) fn resolve(now: Instant, bases: &[SocketAddr]) -> Self {
        Gathering::Resolving { bases: bases.to_vec(), deadline: now + DEADLINE }
    }

    /// The server is known; without an address there is nobody to ask.
    pub(crate) fn resolved(&mut self, now: Instant, server: Option<SocketAddr>) {
        *self = match (std::mem::take(self), server) {
            (Gathering::Resolving { bases, deadline }, Some(server)) => Gathering::Asking {
                discovery: ReflexiveDiscovery::new(now, server, &bases),
                deadline,
            },
            (Gathering::Resolving { .. }, None) => Gathering::Idle,
            (other, _) => other,
        };
    }

    pub(crate) fn discovery(&mut self) -> Option<&mut ReflexiveDiscovery> {
        match self {
            Gathering::Asking { discovery, .. } => Some(discovery),
            Gathering::Idle | Gathering::Resolving { .. } => None,
        }
    }

    /// Whether nothing more will come; false before it has begun and after it was said once.
    pub(crate) fn take_finished(&mut self, now: Instant) -> bool {
        let finished = match self {
            Gathering::Idle => return false,
            Gathering::Resolving { deadline, .. } => now >= *deadline,
            Gathering::Asking { discovery, deadline } => discovery.is_done() || now >= *deadline,
        };
        if finished {
            *self = Gathering::Idle;
        }
        finished
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        match self {
            Gathering::Idle => None,
            Gathering::Resolving { deadline, .. } => Some(*deadline),
            Gathering::Asking { discovery, deadline } => {
                Some(discovery.poll_timeout().map_or(*deadline, |next| next.min(*deadline)))
            }
        }
    }
}

impl WebRtcConnection {
    /// The addresses that were asked for by [`Effect::Gather`]; none at all means that the port
    /// range is used up (contract ICE-7).
    pub(crate) fn handle_addresses(&mut self, now: Instant, addresses: &[SocketAddr]) {
        let Some(transport) = &mut self.transport else { return };
        for address in addresses {
            if let Err(error) = transport.add_host(now, *address) {
                tracing::warn!(connection = %self.config.name, %address, %error, "unusable address");
            }
        }
        self.announce_candidates(&transport_candidates(&self.transport));
        match &self.config.stun {
            // A lite agent is reachable as it is (contract ICE-30).
            Some(server) if !addresses.is_empty() && !self.config.ice_lite => {
                self.gathering = Gathering::resolve(now, addresses);
                self.effects.push_back(Effect::Resolve(server.clone()));
            }
            _ => self.finish_gathering(),
        }
        if addresses.is_empty() {
            self.fail(now, "no local address could be opened");
        }
    }

    /// What [`Effect::Resolve`] asked for; `None` if the name is unknown.
    pub(crate) fn handle_resolved(&mut self, now: Instant, server: Option<SocketAddr>) {
        self.gathering.resolved(now, server);
        match self.gathering.discovery() {
            Some(discovery) => {
                let expected = discovery.transactions().map(Effect::AddTransaction);
                self.effects.extend(expected);
            }
            None => self.finish_gathering(),
        }
    }

    /// An answer of the STUN server that we asked.
    pub(crate) fn handle_stun_answer(&mut self, now: Instant, remote: SocketAddr, data: &[u8]) {
        let Some(discovery) = self.gathering.discovery() else { return };
        let found = discovery.handle_response(remote, data);
        if let (Some(Reflexive { mapped, base }), Some(transport)) = (found, &mut self.transport)
            && mapped != base
            && transport.add_server_reflexive(now, mapped, base).is_ok()
        {
            let mut candidates = transport.local_candidates();
            candidates
                .retain(|c| c.ip() == Some(mapped.ip()) && c.port == u32::from(mapped.port()));
            self.announce_candidates(&candidates);
        }
        if self.gathering.take_finished(now) {
            self.finish_gathering();
        }
    }

    /// With trickle on, one event per candidate (contract EVT-7).
    fn announce_candidates(&self, candidates: &[IceCandidate]) {
        if !self.config.trickle {
            return;
        }
        let mid = self.negotiation.first_mid().unwrap_or("0");
        for candidate in candidates {
            let (candidate, mid) = (candidate.clone(), mid.to_owned());
            self.listener.tell(ConnectionEvent::Candidate { candidate, mid });
        }
    }

    pub(super) fn finish_gathering(&mut self) {
        self.gathering = Gathering::Idle;
        if !self.config.trickle && self.state == ConnectionState::Initial {
            self.enter(ConnectionState::Gathered);
        }
    }
}

fn transport_candidates(transport: &Option<Transport>) -> Vec<IceCandidate> {
    transport.as_ref().map(Transport::local_candidates).unwrap_or_default()
}
