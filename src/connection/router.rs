//! Which connection a datagram on a shared port belongs to (design.md section 3.2).
//!
//! A connectivity check names its connection by the local fragment in USERNAME. Everything else
//! belongs to the connection to which its sender's address was given, and an address is given
//! only by the transport that checked it: no foreign datagram moves media (security.md N7).

use std::collections::HashMap;
use std::net::SocketAddr;

use crate::connection::config::ConnectionId;

/// Addresses per connection. A browser on many networks uses some ten; more is a peer that
/// sprays (security.md N20).
const MAX_REMOTES: usize = 64;

#[derive(Debug, Default)]
pub(crate) struct Router {
    by_ufrag: HashMap<String, ConnectionId>,
    by_remote: HashMap<SocketAddr, ConnectionId>,
    /// STUN transactions with servers, which many connections share.
    by_transaction: HashMap<[u8; 12], ConnectionId>,
    remotes: HashMap<ConnectionId, Vec<SocketAddr>>,
}

impl Router {
    pub(crate) fn by_ufrag(&self, ufrag: &str) -> Option<ConnectionId> {
        self.by_ufrag.get(ufrag).copied()
    }

    pub(crate) fn by_remote(&self, remote: SocketAddr) -> Option<ConnectionId> {
        self.by_remote.get(&remote).copied()
    }

    /// The answer to a transaction comes once.
    pub(crate) fn take_transaction(&mut self, transaction: &[u8; 12]) -> Option<ConnectionId> {
        self.by_transaction.remove(transaction)
    }

    pub(crate) fn add_transaction(&mut self, transaction: [u8; 12], connection: ConnectionId) {
        self.by_transaction.insert(transaction, connection);
    }

    pub(crate) fn add_ufrag(&mut self, ufrag: String, connection: ConnectionId) {
        self.by_ufrag.insert(ufrag, connection);
    }

    /// The last one to prove an address has it: a NAT may hand a port from one peer to the next.
    pub(crate) fn add_remote(&mut self, remote: SocketAddr, connection: ConnectionId) {
        let known = self.remotes.entry(connection).or_default();
        if known.contains(&remote) && self.by_remote.get(&remote) == Some(&connection) {
            return;
        }
        if known.len() >= MAX_REMOTES {
            let oldest = known.remove(0);
            if self.by_remote.get(&oldest) == Some(&connection) {
                self.by_remote.remove(&oldest);
            }
        }
        known.retain(|address| *address != remote);
        known.push(remote);
        self.by_remote.insert(remote, connection);
    }

    pub(crate) fn remove(&mut self, connection: ConnectionId) {
        self.by_ufrag.retain(|_, owner| *owner != connection);
        self.by_transaction.retain(|_, owner| *owner != connection);
        for remote in self.remotes.remove(&connection).unwrap_or_default() {
            if self.by_remote.get(&remote) == Some(&connection) {
                self.by_remote.remove(&remote);
            }
        }
    }
}

#[cfg(test)]
mod test {
    use super::*;

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    #[test]
    fn n20_a_connection_keeps_a_bounded_number_of_addresses() {
        let mut router = Router::default();
        for port in 1..=100 {
            router.add_remote(address(port), ConnectionId(1));
        }
        assert_eq!(router.by_remote(address(100)), Some(ConnectionId(1)));
        assert_eq!(router.by_remote(address(36)), None);
        assert_eq!(router.by_remote(address(37)), Some(ConnectionId(1)));
    }

    #[test]
    fn an_address_follows_the_last_connection_that_proved_it() {
        let mut router = Router::default();
        router.add_remote(address(1), ConnectionId(1));
        router.add_remote(address(1), ConnectionId(2));
        router.remove(ConnectionId(1));
        assert_eq!(router.by_remote(address(1)), Some(ConnectionId(2)));
        router.remove(ConnectionId(2));
        assert_eq!(router.by_remote(address(1)), None);
    }

    #[test]
    fn a_removed_connection_loses_its_fragments() {
        let mut router = Router::default();
        router.add_ufrag("abcd".into(), ConnectionId(1));
        assert_eq!(router.by_ufrag("abcd"), Some(ConnectionId(1)));
        router.remove(ConnectionId(1));
        assert_eq!(router.by_ufrag("abcd"), None);
    }
}
