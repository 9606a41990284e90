//! What our addresses look like from outside: a STUN server is asked from each of them
//! (RFC 8489 §2, contract ICE-4).
//!
//! A plain request without credentials, as RFC 8445 §5.1.1.2 has it. It ends when every address
//! was answered for, and gives up where no answer comes: gathering must end in time (EVT-2).

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ring::rand::{SecureRandom, SystemRandom};
use rtc::stun::message::{BINDING_REQUEST, BINDING_SUCCESS, Getter, Message, TransactionId};
use rtc::stun::xoraddr::XorMappedAddress;

/// First retransmission, doubled each time (RFC 8489 §6.2.1).
const FIRST_RETRY: Duration = Duration::from_millis(500);
/// Retransmissions at 0.5, 1.5 and 3.5 s; the answer may come until 4.5 s, which leaves gathering
/// below the 5 s of contract EVT-2.
const GIVE_UP: Duration = Duration::from_millis(4500);

/// See the module documentation.
#[derive(Debug)]
pub struct ReflexiveDiscovery {
    server: SocketAddr,
    give_up: Instant,
    queries: Vec<Query>,
}

#[derive(Debug)]
struct Query {
    base: SocketAddr,
    transaction: [u8; 12],
    request: Vec<u8>,
    retry_at: Instant,
    interval: Duration,
}

/// An address of ours as the server saw it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reflexive {
    pub mapped: SocketAddr,
    pub base: SocketAddr,
}

impl ReflexiveDiscovery {
    /// Asks `server` from each of `bases` of its address family.
    pub fn new(now: Instant, server: SocketAddr, bases: &[SocketAddr]) -> Self {
        let same_family = bases.iter().filter(|base| base.is_ipv4() == server.is_ipv4());
        let queries = same_family.filter_map(|base| Query::new(now, *base)).collect();
        ReflexiveDiscovery { server, give_up: now + GIVE_UP, queries }
    }

    /// Transactions whose answers belong here.
    pub fn transactions(&self) -> impl Iterator<Item = [u8; 12]> + '_ {
        self.queries.iter().map(|query| query.transaction)
    }

    /// Whether nothing is outstanding.
    pub fn is_done(&self) -> bool {
        self.queries.is_empty()
    }

    /// An answer. Errors and answers that cannot be read end their query as well; what nobody
    /// asked for, or comes from elsewhere, changes nothing.
    pub fn handle_response(&mut self, remote: SocketAddr, datagram: &[u8]) -> Option<Reflexive> {
        if remote != self.server {
            return None;
        }
        let mut message = Message { raw: datagram.to_vec(), ..Message::default() };
        message.decode().ok()?;
        let TransactionId(transaction) = message.transaction_id;
        let at = self.queries.iter().position(|query| query.transaction == transaction)?;
        let query = self.queries.swap_remove(at);
        if message.typ != BINDING_SUCCESS {
            return None;
        }
        let mut address = XorMappedAddress::default();
        address.get_from(&message).ok()?;
        let mapped = SocketAddr::new(address.ip, address.port);
        Some(Reflexive { mapped, base: query.base })
    }

    /// The next request that is due: from which address, to which, and its bytes.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<(SocketAddr, SocketAddr, Vec<u8>)> {
        let server = self.server;
        let query = self.queries.iter_mut().find(|query| query.retry_at <= now)?;
        query.retry_at = now + query.interval;
        query.interval *= 2;
        Some((query.base, server, query.request.clone()))
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        if now >= self.give_up {
            self.queries.clear();
        }
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        let retry = self.queries.iter().map(|query| query.retry_at).min()?;
        Some(retry.min(self.give_up))
    }
}

impl Query {
    fn new(now: Instant, base: SocketAddr) -> Option<Self> {
        let mut transaction = [0; 12];
        SystemRandom::new().fill(&mut transaction).ok()?;
        let mut message = Message::new();
        message.typ = BINDING_REQUEST;
        message.transaction_id = TransactionId(transaction);
        message.encode();
        let request = message.raw;
        Some(Query { base, transaction, request, retry_at: now, interval: FIRST_RETRY })
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "any instant will do to start from")]
mod test {
    use rtc::stun::message::Setter;

    use super::*;

    const BASE: &str = "10.0.0.7:4000";
    const SERVER: &str = "192.0.2.1:3478";
    const MAPPED: &str = "203.0.113.9:61000";

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn discovery(now: Instant) -> ReflexiveDiscovery {
        ReflexiveDiscovery::new(now, address(SERVER), &[address(BASE)])
    }

    fn answer(request: &[u8], mapped: SocketAddr) -> Vec<u8> {
        let mut request = Message { raw: request.to_vec(), ..Message::default() };
        request.decode().unwrap();
        let mut response = Message::new();
        response.typ = BINDING_SUCCESS;
        response.transaction_id = request.transaction_id;
        response.encode();
        XorMappedAddress { ip: mapped.ip(), port: mapped.port() }.add_to(&mut response).unwrap();
        response.encode();
        response.raw
    }

    #[test]
    fn ice_4_learns_the_mapped_address() {
        let now = Instant::now();
        let mut discovery = discovery(now);
        let (from, to, request) = discovery.poll_transmit(now).unwrap();
        assert_eq!((from, to), (address(BASE), address(SERVER)));
        assert_eq!(discovery.poll_transmit(now), None);
        let response = answer(&request, address(MAPPED));
        // From somebody else it counts for nothing.
        assert_eq!(discovery.handle_response(address(BASE), &response), None);
        let found = discovery.handle_response(address(SERVER), &response);
        assert_eq!(found, Some(Reflexive { mapped: address(MAPPED), base: address(BASE) }));
        assert!(discovery.is_done());
        assert_eq!(discovery.poll_timeout(), None);
    }

    #[test]
    fn evt_2_a_silent_server_is_given_up_within_five_seconds() {
        let start = Instant::now();
        let mut discovery = discovery(start);
        let mut sent = Vec::new();
        while let Some(now) = discovery.poll_timeout() {
            discovery.handle_timeout(now);
            while discovery.poll_transmit(now).is_some() {
                sent.push((now - start).as_millis());
            }
            assert!(now - start < Duration::from_secs(5));
        }
        assert_eq!(sent, [0, 500, 1500, 3500]);
        assert!(discovery.is_done());
    }

    #[test]
    fn junk_and_foreign_answers_change_nothing() {
        let now = Instant::now();
        let mut discovery = discovery(now);
        let (_, _, request) = discovery.poll_transmit(now).unwrap();
        let mut response = answer(&request, address(MAPPED));
        for len in 0..response.len() {
            assert_eq!(discovery.handle_response(address(SERVER), &response[..len]), None);
        }
        response[10] ^= 1;
        assert_eq!(discovery.handle_response(address(SERVER), &response), None);
        assert!(!discovery.is_done());
    }
}
