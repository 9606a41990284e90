//! Which authentic checks a session takes: not too many, none replayed, and from a bounded number
//! of addresses that nobody announced (security.md N17, N20).

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

#[derive(Debug)]
pub(super) struct Admission {
    second: Instant,
    admitted: u32,
    /// Transactions of the peer's checks and where they came from.
    seen: VecDeque<([u8; 12], SocketAddr)>,
    /// Where checks came from.
    pub(super) sources: AddressSet,
    /// Under which addresses answers say that the peer sees us.
    pub(super) mappings: AddressSet,
}

/// The agent keeps a candidate for ever per address it ever heard of (dependencies.md section 1).
#[derive(Default, Debug)]
pub(super) struct AddressSet(Vec<SocketAddr>);

impl Admission {
    pub(super) fn new(now: Instant) -> Self {
        Admission {
            second: now,
            admitted: 0,
            seen: VecDeque::new(),
            sources: AddressSet::default(),
            mappings: AddressSet::default(),
        }
    }

    /// So that a peer cannot make us answer at line rate.
    pub(super) fn admit(&mut self, now: Instant) -> bool {
        if now.saturating_duration_since(self.second) >= Duration::from_secs(1) {
            self.second = now;
            self.admitted = 0;
        }
        self.admitted = self.admitted.saturating_add(1);
        self.admitted <= MAX_PER_SECOND
    }

    /// A check is authentic wherever it is sent from, so whoever captured one could name itself,
    /// or a victim, as the peer's address. Repetitions come from where the first came from.
    pub(super) fn is_replay(&mut self, transaction: [u8; 12], remote: SocketAddr) -> bool {
        if let Some((_, first)) = self.seen.iter().find(|(seen, _)| *seen == transaction) {
            return *first != remote;
        }
        if self.seen.len() >= MAX_SEEN {
            self.seen.pop_front();
        }
        self.seen.push_back((transaction, remote));
        false
    }

    pub(super) fn forget_addresses(&mut self) {
        self.sources = AddressSet::default();
        self.mappings = AddressSet::default();
    }
}

impl AddressSet {
    /// `false` if the address is new and there is no room.
    pub(super) fn insert(&mut self, address: SocketAddr) -> bool {
        if self.0.contains(&address) {
            return true;
        }
        let room = self.0.len() < MAX_ADDRESSES;
        if room {
            self.0.push(address);
        }
        room
    }
}

/// A peer paces its checks at 20 a second (RFC 8445 §14.2), and repeats some.
const MAX_PER_SECOND: u32 = 200;
/// Ten minutes of a settled connection's checks.
const MAX_SEEN: usize = 256;
/// A browser behind a symmetric NAT shows a handful.
const MAX_ADDRESSES: usize = 64;

#[cfg(test)]
mod test {
    use super::*;
    use crate::transport::ice::instant;

    fn address(port: u16) -> SocketAddr {
        ([192, 0, 2, 1], port).into()
    }

    #[test]
    fn a_second_admits_so_many_checks() {
        let now = instant();
        let mut admission = Admission::new(now);
        let admitted = (0..1000).filter(|_| admission.admit(now)).count();
        assert_eq!(admitted, MAX_PER_SECOND as usize);
        assert!(!admission.admit(now + Duration::from_millis(999)));
        assert!(admission.admit(now + Duration::from_secs(1)));
    }

    #[test]
    fn a_transaction_belongs_to_its_first_source() {
        let mut admission = Admission::new(instant());
        assert!(!admission.is_replay([1; 12], address(1)));
        assert!(!admission.is_replay([1; 12], address(1)), "a repetition");
        assert!(admission.is_replay([1; 12], address(2)));
        for n in 0..10_000_u16 {
            let mut transaction = [0; 12];
            transaction[..2].copy_from_slice(&n.to_be_bytes());
            assert!(!admission.is_replay(transaction, address(1)));
        }
        assert_eq!(admission.seen.len(), MAX_SEEN);
    }

    #[test]
    fn the_number_of_addresses_is_bounded() {
        let mut set = AddressSet::default();
        let taken = (1..1000).filter(|port| set.insert(address(*port))).count();
        assert_eq!(taken, MAX_ADDRESSES);
        assert!(set.insert(address(1)), "known ones stay welcome");
    }
}
