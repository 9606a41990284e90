//! Restarts, clients that change their network, and authentic floods. The client's ICE is a bare
//! agent in front of a transport's DTLS and SRTP, because a transport never starts a restart.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use erizo::negotiation::ice::IceCredentials;
use erizo::negotiation::setup::DtlsSetup::{Active, Passive};
use erizo::transport::{FailReason, IceState, TransportConfig, TransportEvent};
use hmac::{Hmac, Mac};
use is::stun::{StunMessage, StunPacket, TransId};
use is::{Candidate, IceAgent, IceAgentEvent, IceCreds, Protocol, Sha1HmacProvider};

use crate::link::{Datagram, Link, LinkConfig, Node, address};
use crate::transport_peer::{Couple, HOST_A, HOST_B, Peer, certificate, rtp_packet};

const SOON: Duration = Duration::from_secs(3);
const HOST_B2: &str = "198.51.100.7:6000";

#[derive(Debug)]
struct Integrity;

impl Sha1HmacProvider for Integrity {
    fn sha1_hmac(&self, key: &[u8], payloads: &[&[u8]]) -> [u8; 20] {
        let mut mac = <Hmac<sha1::Sha1> as Mac>::new_from_slice(key).unwrap();
        payloads.iter().for_each(|payload| mac.update(payload));
        mac.finalize().into_bytes().into()
    }
}

/// A browser: controls, and can restart or move.
struct Client {
    peer: Peer,
    agent: Option<IceAgent>,
    path: Option<(SocketAddr, SocketAddr)>,
}

impl Client {
    fn agent(&mut self, now: Instant, server: &IceCredentials, hosts: &[&str]) -> IceCredentials {
        let mut agent = IceAgent::with_hmac(IceCreds::new(), &Integrity);
        agent.set_controlling(true);
        for host in hosts {
            agent.add_local_candidate(Candidate::host(address(host), "udp").unwrap());
            if !self.peer.addresses.contains(&address(host)) {
                self.peer.addresses.push(address(host));
            }
        }
        agent.set_remote_credentials(creds(server));
        agent.add_remote_candidate(Candidate::host(address(HOST_A), "udp").unwrap());
        agent.handle_timeout(now);
        let IceCreds { ufrag, pass } = agent.local_credentials().clone();
        self.agent = Some(agent);
        IceCredentials { ufrag, pwd: pass }
    }

    fn send_rtp(&mut self, link: &mut Link) {
        let (from, to) = self.path.or(self.peer.transport.path()).unwrap();
        let data = self.peer.protected_rtp().unwrap();
        link.send(Datagram { from, to, data });
    }
}

impl Node for Client {
    fn owns(&self, address: SocketAddr) -> bool {
        self.peer.owns(address)
    }

    fn receive(&mut self, now: Instant, local: SocketAddr, remote: SocketAddr, data: &mut [u8]) {
        if let Some(agent) = &mut self.agent
            && let Ok(message) = StunMessage::parse(data)
            && agent.accepts_message(&message)
        {
            let proto = Protocol::Udp;
            agent.handle_packet(
                now,
                StunPacket { proto, source: remote, destination: local, message },
            );
        } else {
            self.peer.receive(now, local, remote, data);
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.peer.handle_timeout(now);
        if let Some(agent) = &mut self.agent {
            agent.handle_timeout(now);
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.peer.poll_timeout()
    }

    fn poll_transmit(&mut self, now: Instant) -> Option<Datagram> {
        if let Some(agent) = &mut self.agent {
            while let Some(event) = agent.poll_event() {
                if let IceAgentEvent::NominatedSend { source, destination, .. } = event {
                    self.path = Some((source, destination));
                }
            }
            if let Some(transmit) = agent.poll_transmit() {
                let data = transmit.contents.to_vec();
                return Some(Datagram { from: transmit.source, to: transmit.destination, data });
            }
        }
        self.peer.poll_transmit(now)
    }
}

fn creds(credentials: &IceCredentials) -> IceCreds {
    IceCreds { ufrag: credentials.ufrag.clone(), pass: credentials.pwd.clone() }
}

/// The server (controlled) and the client, connected.
fn connected(link: &mut Link, configure: fn(&mut TransportConfig)) -> (Peer, Client) {
    let mut couple = Couple::with(link, Active, |_| {}, configure);
    if !couple_is_full(configure) {
        couple.a.transport.set_remote_ice_lite();
    }
    // A is the client here, so swap the addresses' roles: the server is B of the couple.
    couple.introduce(link);
    assert!(couple.run_until_ready(link, SOON));
    (couple.b, Client { peer: couple.a, agent: None, path: None })
}

fn couple_is_full(configure: fn(&mut TransportConfig)) -> bool {
    let mut config = TransportConfig::new(certificate(0), false);
    configure(&mut config);
    !config.ice_lite
}

/// `time` in steps in which the client's agent, which has no readable deadline, is driven too.
fn run(link: &mut Link, server: &mut Peer, client: &mut Client, time: Duration) {
    let end = link.now + time;
    while link.now < end {
        if let Some(agent) = &mut client.agent {
            agent.handle_timeout(link.now);
        }
        link.run_for(&mut [server, client], Duration::from_millis(10));
    }
}

fn swap_hosts() -> (&'static str, &'static str) {
    // Of the couple, A (client) has HOST_A and B (server) HOST_B.
    (HOST_B, HOST_A)
}

fn restart(link: &Link, server: &mut Peer, client: &mut Client, hosts: &[&str]) -> bool {
    let (server_host, _) = swap_hosts();
    // The client's offer comes first; its agent gets the server's answer with the restart.
    let placeholder = IceCredentials { ufrag: "none".into(), pwd: "p".repeat(22) };
    let offered = client.agent(link.now, &placeholder, hosts);
    let restarted = server.transport.restart_ice(link.now, &offered).unwrap();
    let answered = server.transport.local_credentials();
    let agent = client.agent.as_mut().unwrap();
    agent.set_remote_credentials(creds(&answered));
    agent.add_remote_candidate(Candidate::host(address(server_host), "udp").unwrap());
    restarted
}

#[test]
fn a_restart_keeps_dtls_and_media_ice_20() {
    for configure in [|_: &mut TransportConfig| {}, |c: &mut TransportConfig| c.ice_lite = true] {
        let mut link = Link::new(1, LinkConfig::default());
        let (mut server, mut client) = connected(&mut link, configure);
        let old = server.transport.local_credentials();
        let old_path = server.transport.path();
        let (_, client_host) = swap_hosts();
        assert!(restart(&link, &mut server, &mut client, &[client_host]));
        let new = server.transport.local_credentials();
        assert!(new.ufrag != old.ufrag && new.pwd != old.pwd);
        let ufrags: Vec<&str> = server.transport.local_ufrags().collect();
        assert_eq!(ufrags, [&new.ufrag, &old.ufrag], "both are routed");
        assert!(
            server
                .transport
                .local_candidates()
                .iter()
                .all(|c| { c.ufrag.as_ref() == Some(&new.ufrag) })
        );
        // Media goes on before, during and after.
        assert_eq!(server.transport.path(), old_path);
        for _ in 0..50 {
            client.send_rtp(&mut link);
            server.send_rtp(&mut link);
            run(&mut link, &mut server, &mut client, Duration::from_millis(20));
        }
        run(&mut link, &mut server, &mut client, SOON);
        let expected: Vec<_> = (0..50).map(rtp_packet).collect();
        assert_eq!((&server.rtp, &client.peer.rtp), (&expected, &expected));
        assert_eq!(server.events.iter().filter(|e| **e == TransportEvent::ReadyAgain).count(), 1);
        assert_eq!(server.events.iter().filter(|e| **e == TransportEvent::Ready).count(), 1);
        assert_eq!(server.transport.local_ufrags().count(), 1);
        let again = client.agent.as_ref().unwrap().local_credentials().clone();
        let same = IceCredentials { ufrag: again.ufrag, pwd: again.pass };
        assert_eq!(server.transport.restart_ice(link.now, &same), Ok(false), "ICE-22");
    }
}

#[test]
fn a_restart_rescues_a_client_whose_network_is_gone() {
    let mut link = Link::new(1, LinkConfig::default());
    let (mut server, mut client) = connected(&mut link, |_| {});
    let (server_host, client_host) = swap_hosts();
    link.block(address(client_host));
    // The client notices after 20 s, when the server has nearly given up.
    run(&mut link, &mut server, &mut client, Duration::from_secs(20));
    assert_eq!(server.transport.ice_state(link.now), IceState::Disconnected);
    assert!(restart(&link, &mut server, &mut client, &[HOST_B2]));
    run(&mut link, &mut server, &mut client, SOON);
    assert!(server.has(TransportEvent::ReadyAgain));
    assert_eq!(server.transport.path(), Some((address(server_host), address(HOST_B2))));
    client.send_rtp(&mut link);
    server.send_rtp(&mut link);
    run(&mut link, &mut server, &mut client, Duration::from_millis(200));
    assert_eq!((server.rtp.len(), client.peer.rtp.len()), (1, 1));
    run(&mut link, &mut server, &mut client, Duration::from_secs(60));
    assert_eq!(server.failure(), None);
}

#[test]
fn a_restart_that_never_connects_fails_only_with_the_old_path() {
    let mut link = Link::new(1, LinkConfig::default());
    let (mut server, mut client) = connected(&mut link, |_| {});
    let (_, client_host) = swap_hosts();
    let nobody = IceCredentials { ufrag: "nobody".into(), pwd: "p".repeat(22) };
    assert!(server.transport.restart_ice(link.now, &nobody).unwrap());
    run(&mut link, &mut server, &mut client, Duration::from_secs(60));
    assert_eq!(server.failure(), None, "the old pair still works");
    link.block(address(client_host));
    run(&mut link, &mut server, &mut client, Duration::from_secs(60));
    assert_eq!(server.failure(), Some(FailReason::IceChecks));
}

#[test]
fn a_second_restart_before_the_first_is_done_still_keeps_media() {
    let mut link = Link::new(1, LinkConfig::default());
    let (mut server, mut client) = connected(&mut link, |_| {});
    let (_, client_host) = swap_hosts();
    let nobody = IceCredentials { ufrag: "nobody".into(), pwd: "p".repeat(22) };
    assert!(server.transport.restart_ice(link.now, &nobody).unwrap());
    assert!(restart(&link, &mut server, &mut client, &[client_host]));
    server.send_rtp(&mut link);
    run(&mut link, &mut server, &mut client, SOON);
    assert_eq!(client.peer.rtp.len(), 1);
    assert!(server.has(TransportEvent::ReadyAgain));
}

#[test]
fn malformed_restart_credentials_change_nothing() {
    let mut link = Link::new(1, LinkConfig::default());
    let (mut server, _client) = connected(&mut link, |_| {});
    let before = server.transport.local_credentials();
    let bad = IceCredentials { ufrag: "x".repeat(1000), pwd: String::new() };
    assert!(server.transport.restart_ice(link.now, &bad).is_err());
    assert!(server.transport.local_credentials() == before);
    assert!(server.transport.path().is_some());
}

#[test]
fn a_later_nomination_is_followed_within_seconds() {
    for configure in [|_: &mut TransportConfig| {}, |c: &mut TransportConfig| c.ice_lite = true] {
        let mut link = Link::new(1, LinkConfig::default());
        let (mut server, mut client) = connected(&mut link, configure);
        let (server_host, client_host) = swap_hosts();
        assert!(restart(&link, &mut server, &mut client, &[client_host, HOST_B2]));
        // Announced, so that its priority is the higher: the new path has to win against it.
        let announced = client.agent.as_ref().unwrap().local_candidates();
        for candidate in announced.filter(|c| c.addr() == address(client_host)) {
            let candidate = erizo::negotiation::ice::IceCandidate {
                foundation: "1".into(),
                component: 1,
                priority: candidate.prio(),
                address: candidate.addr().ip().to_string(),
                port: u32::from(candidate.addr().port()),
                candidate_type: erizo::negotiation::ice::CandidateType::Host,
                related_address: String::new(),
                related_port: 0,
                ufrag: None,
            };
            server.transport.add_remote_candidate(link.now, &candidate);
        }
        run(&mut link, &mut server, &mut client, SOON);
        let path = |host: &str| Some((address(server_host), address(host)));
        assert_eq!(server.transport.path(), path(client_host));
        // The phone leaves its first network.
        link.block(address(client_host));
        let gone = Candidate::host(address(client_host), "udp").unwrap();
        assert!(client.agent.as_mut().unwrap().invalidate_candidate(&gone));
        run(&mut link, &mut server, &mut client, Duration::from_secs(4));
        assert_eq!(server.transport.path(), path(HOST_B2));
        server.send_rtp(&mut link);
        run(&mut link, &mut server, &mut client, SOON);
        assert_eq!(client.peer.rtp.len(), 1);
        run(&mut link, &mut server, &mut client, Duration::from_secs(60));
        assert_eq!(server.failure(), None);
        assert_eq!(server.transport.path(), path(HOST_B2));
    }
}

/// A check with the client's password, from wherever.
fn authentic_check(server: &IceCredentials, client: &IceCredentials) -> Vec<u8> {
    let username = format!("{}:{}", server.ufrag, client.ufrag);
    let check = StunMessage::binding_request(&username, TransId::new(), true, 7, 1, true);
    let mut bytes = vec![0; 300];
    let hmac = |key: &[u8], payloads: &[&[u8]]| Integrity.sha1_hmac(key, payloads);
    let len = check.to_bytes(Some(server.pwd.as_bytes()), &mut bytes, hmac).unwrap();
    bytes.truncate(len);
    bytes
}

#[test]
fn authentic_checks_from_thousands_of_ports_cost_bounded_work() {
    let mut link = Link::new(1, LinkConfig::default());
    let mut couple = Couple::new(&link, Passive);
    couple.introduce(&link);
    assert!(couple.run_until_ready(&mut link, SOON));
    let (server, client) =
        (couple.b.transport.local_credentials(), couple.a.transport.local_credentials());
    link.capture();
    for round in 0..100_u16 {
        for port in 1..=100 {
            let from = address(&format!("203.0.113.9:{}", round * 100 + port));
            link.send(Datagram {
                from,
                to: address(HOST_B),
                data: authentic_check(&server, &client),
            });
        }
        couple.run_for(&mut link, Duration::from_millis(100));
    }
    let sent = link.captured().iter().filter(|d| d.from == address(HOST_B));
    let foreign = sent.filter(|d| d.to != address(HOST_A)).count();
    assert!(foreign < 2_000, "{foreign} datagrams for 10,000");
    assert_eq!(couple.b.transport.path(), Some((address(HOST_B), address(HOST_A))));
    couple.run_for(&mut link, Duration::from_secs(60));
    assert!(couple.b.is_ready());
    assert!(couple.a.send_rtp(&mut link) && couple.b.send_rtp(&mut link));
    couple.run_for(&mut link, SOON);
    assert_eq!((couple.a.rtp.len(), couple.b.rtp.len()), (1, 1));
}
