//! Which connection a datagram on a shared port belongs to (design.md section 3.2).
//!
//! A connectivity check names its connection by the local fragment in USERNAME. Everything else
//! belongs to the connection that has proven its sender's address by a check, and an answer to a
//! check to the connection that sent it. To claim an address is not to prove it: no peer can move
//! another one's media by naming its address (security.md N7).

use std::collections::HashMap;
use std::net::SocketAddr;

use crate::connection::config::ConnectionId;

/// Addresses per connection. A browser on many networks uses some ten; more is a peer that
/// sprays (security.md N20).
const MAX_REMOTES: usize = 64;

#[derive(Debug, Default)]
pub(crate) struct Router {
    by_ufrag: HashMap<String, ConnectionId>,
    by_remote: HashMap<SocketAddr, Owner>,
    /// Connections that sent a check to an address or got one from it.
    claimants: HashMap<SocketAddr, Vec<ConnectionId>>,
    /// STUN transactions with servers, which many connections share.
    by_transaction: HashMap<[u8; 12], ConnectionId>,
    remotes: HashMap<ConnectionId, Vec<SocketAddr>>,
}

#[derive(Clone, Copy, Debug)]
struct Owner {
    connection: ConnectionId,
    /// A check has passed. Anybody can claim an address: it takes a candidate in a description,
    /// or a check with a forged source.
    proven: bool,
}

impl Router {
    pub(crate) fn by_ufrag(&self, ufrag: &str) -> Option<ConnectionId> {
        self.by_ufrag.get(ufrag).copied()
    }

    pub(crate) fn by_remote(&self, remote: SocketAddr) -> Option<ConnectionId> {
        self.by_remote.get(&remote).map(|owner| owner.connection)
    }

    /// Who may be waiting for an answer from this address.
    pub(crate) fn claimants(&self, remote: SocketAddr) -> &[ConnectionId] {
        self.claimants.get(&remote).map_or(&[], Vec::as_slice)
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

    /// Gives an address that nobody has proven to the last one to claim it.
    pub(crate) fn claim_remote(&mut self, remote: SocketAddr, connection: ConnectionId) {
        self.note(remote, connection);
        let owner = self.by_remote.entry(remote).or_insert(Owner { connection, proven: false });
        if !owner.proven {
            owner.connection = connection;
        }
    }

    /// The last one to prove an address has it: a NAT may hand a port from one peer to the next.
    pub(crate) fn own_remote(&mut self, remote: SocketAddr, connection: ConnectionId) {
        self.note(remote, connection);
        self.by_remote.insert(remote, Owner { connection, proven: true });
    }

    pub(crate) fn remove(&mut self, connection: ConnectionId) {
        self.by_ufrag.retain(|_, owner| *owner != connection);
        self.by_transaction.retain(|_, owner| *owner != connection);
        for remote in self.remotes.remove(&connection).unwrap_or_default() {
            self.give_up(remote, connection);
        }
    }

    fn note(&mut self, remote: SocketAddr, connection: ConnectionId) {
        let known = self.remotes.entry(connection).or_default();
        if known.contains(&remote) {
            return;
        }
        known.push(remote);
        if known.len() > MAX_REMOTES {
            let oldest = known.remove(0);
            self.give_up(oldest, connection);
        }
        self.claimants.entry(remote).or_default().push(connection);
    }

    /// What it owned goes to the last of those who claim it as well.
    fn give_up(&mut self, remote: SocketAddr, connection: ConnectionId) {
        let Some(claimants) = self.claimants.get_mut(&remote) else { return };
        claimants.retain(|claimant| *claimant != connection);
        let heir = claimants.last().copied();
        if heir.is_none() {
            self.claimants.remove(&remote);
        }
        if self.by_remote(remote) == Some(connection) {
            match heir {
                Some(connection) => {
                    self.by_remote.insert(remote, Owner { connection, proven: false });
                }
                None => {
                    self.by_remote.remove(&remote);
                }
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
            router.own_remote(address(port), ConnectionId(1));
        }
        assert_eq!(router.by_remote(address(100)), Some(ConnectionId(1)));
        assert_eq!(router.by_remote(address(36)), None);
        assert_eq!(router.by_remote(address(37)), Some(ConnectionId(1)));
    }

    #[test]
    fn an_address_follows_the_last_connection_that_proved_it() {
        let mut router = Router::default();
        router.own_remote(address(1), ConnectionId(1));
        router.own_remote(address(1), ConnectionId(2));
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

    #[test]
    fn n7_a_claim_takes_no_address_from_who_has_proven_it() {
        let mut router = Router::default();
        router.own_remote(address(1), ConnectionId(1));
        router.claim_remote(address(1), ConnectionId(2));
        assert_eq!(router.by_remote(address(1)), Some(ConnectionId(1)));
        assert_eq!(router.claimants(address(1)), [ConnectionId(1), ConnectionId(2)]);
        router.remove(ConnectionId(1));
        assert_eq!(router.by_remote(address(1)), Some(ConnectionId(2)));
        router.claim_remote(address(1), ConnectionId(3));
        assert_eq!(router.by_remote(address(1)), Some(ConnectionId(3)));
        router.remove(ConnectionId(3));
        router.remove(ConnectionId(2));
        assert_eq!(router.by_remote(address(1)), None);
        assert!(router.claimants.is_empty() && router.remotes.is_empty());
    }
}
