//! A transport as a node of the link, and pairs of them that know each other's description.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use erizo::negotiation::setup::DtlsSetup;
use erizo::transport::{
    Certificate, DropReason, FailReason, Received, Transport, TransportConfig, TransportEvent,
    TransportOutput,
};

use crate::link::{Datagram, Link, Node, address};

pub struct Peer {
    pub transport: Transport,
    pub addresses: Vec<SocketAddr>,
    pub events: Vec<TransportEvent>,
    pub rtp: Vec<Vec<u8>>,
    pub rtcp: Vec<Vec<u8>>,
    pub dropped: Vec<DropReason>,
    sequence: u16,
}

impl Peer {
    pub fn new(link: &Link, host: &str, config: TransportConfig) -> Peer {
        let mut transport = Transport::new(link.now, config).unwrap();
        transport.add_host(link.now, address(host)).unwrap();
        Peer {
            transport,
            addresses: vec![address(host)],
            events: Vec::new(),
            rtp: Vec::new(),
            rtcp: Vec::new(),
            dropped: Vec::new(),
            sequence: 0,
        }
    }

    pub fn has(&self, event: TransportEvent) -> bool {
        self.events.contains(&event)
    }

    pub fn is_ready(&self) -> bool {
        self.has(TransportEvent::Ready) && self.failure().is_none()
    }

    pub fn failure(&self) -> Option<FailReason> {
        self.events.iter().find_map(|event| match event {
            TransportEvent::Failed(reason) => Some(*reason),
            _ => None,
        })
    }

    /// A protected RTP packet as it goes on the wire; `None` while the transport refuses.
    pub fn protected_rtp(&mut self) -> Option<Vec<u8>> {
        let clear = rtp_packet(self.sequence);
        self.sequence = self.sequence.wrapping_add(1);
        let mut buf = clear.clone();
        buf.resize(clear.len() + 16, 0);
        let len = self.transport.protect_rtp(&mut buf, clear.len(), 12, 0)?;
        buf.truncate(len);
        Some(buf)
    }

    /// Sends one RTP packet on the path in use.
    pub fn send_rtp(&mut self, link: &mut Link) -> bool {
        let (Some((from, to)), Some(data)) = (self.transport.path(), self.protected_rtp()) else {
            return false;
        };
        link.send(Datagram { from, to, data });
        true
    }

    pub fn drain(&mut self) -> Option<Datagram> {
        while let Some(output) = self.transport.poll_output() {
            match output {
                TransportOutput::Transmit { local, remote, data } => {
                    return Some(Datagram { from: local, to: remote, data });
                }
                TransportOutput::Event(event) => self.events.push(event),
            }
        }
        None
    }
}

impl Node for Peer {
    fn owns(&self, address: SocketAddr) -> bool {
        self.addresses.contains(&address)
    }

    fn receive(&mut self, now: Instant, local: SocketAddr, remote: SocketAddr, data: &mut [u8]) {
        match self.transport.handle_datagram(now, local, remote, data) {
            Received::Rtp(packet) => self.rtp.push(packet.to_vec()),
            Received::Rtcp(packet) => self.rtcp.push(packet.to_vec()),
            Received::Handled => {}
            Received::Dropped(reason) => self.dropped.push(reason),
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.transport.handle_timeout(now);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.transport.poll_timeout()
    }

    fn poll_transmit(&mut self, _: Instant) -> Option<Datagram> {
        self.drain()
    }
}

/// Two peers; `a` offered: it controls, and its DTLS role is `setup`.
pub struct Couple {
    pub a: Peer,
    pub b: Peer,
    pub setup: DtlsSetup,
}

pub const HOST_A: &str = "192.168.1.1:40000";
pub const HOST_B: &str = "192.168.1.2:50000";

impl Couple {
    pub fn new(link: &Link, setup: DtlsSetup) -> Couple {
        Couple::with(link, setup, |_| {}, |_| {})
    }

    pub fn with(
        link: &Link,
        setup: DtlsSetup,
        configure_a: impl FnOnce(&mut TransportConfig),
        configure_b: impl FnOnce(&mut TransportConfig),
    ) -> Couple {
        let mut a = TransportConfig::new(certificate(0), true);
        let mut b = TransportConfig::new(certificate(1), false);
        configure_a(&mut a);
        configure_b(&mut b);
        Couple { a: Peer::new(link, HOST_A, a), b: Peer::new(link, HOST_B, b), setup }
    }

    /// Both sides learn the other's description.
    pub fn introduce(&mut self, link: &Link) {
        let fingerprints = [certificate(0).fingerprint(), certificate(1).fingerprint()];
        self.introduce_with(link, Some(&fingerprints[0]), Some(&fingerprints[1]));
    }

    /// The same, with what each claims to be its fingerprint.
    pub fn introduce_with(&mut self, link: &Link, of_a: Option<&str>, of_b: Option<&str>) {
        let now = link.now;
        let opposite = match self.setup {
            DtlsSetup::Active => DtlsSetup::Passive,
            _ => DtlsSetup::Active,
        };
        let (a, b) = (&mut self.a.transport, &mut self.b.transport);
        a.set_remote(now, &b.local_credentials(), of_b, self.setup).unwrap();
        b.set_remote(now, &a.local_credentials(), of_a, opposite).unwrap();
        self.trickle(link);
    }

    pub fn trickle(&mut self, link: &Link) {
        let (a, b) = (&mut self.a.transport, &mut self.b.transport);
        for candidate in a.local_candidates() {
            b.add_remote_candidate(link.now, &candidate);
        }
        for candidate in b.local_candidates() {
            a.add_remote_candidate(link.now, &candidate);
        }
    }

    pub fn run_until_ready(&mut self, link: &mut Link, limit: std::time::Duration) -> bool {
        self.run_until(link, limit, |a, b| a.is_ready() && b.is_ready())
    }

    pub fn run_until(
        &mut self,
        link: &mut Link,
        limit: std::time::Duration,
        done: impl Fn(&Peer, &Peer) -> bool,
    ) -> bool {
        // The closure sees the peers through the nodes' borrow only, so step in between.
        let end = link.now + limit;
        loop {
            let step = std::time::Duration::from_millis(5);
            link.run_for(&mut [&mut self.a, &mut self.b], step);
            if done(&self.a, &self.b) {
                return true;
            }
            if link.now >= end {
                return false;
            }
        }
    }

    pub fn run_for(&mut self, link: &mut Link, time: std::time::Duration) {
        link.run_for(&mut [&mut self.a, &mut self.b], time);
    }
}

/// Keys are slow to make: two certificates serve all tests.
pub fn certificate(index: usize) -> Arc<Certificate> {
    static CERTIFICATES: OnceLock<[Arc<Certificate>; 3]> = OnceLock::new();
    let make = || Arc::new(Certificate::generate().unwrap());
    CERTIFICATES.get_or_init(|| [make(), make(), make()])[index].clone()
}

pub fn rtp_packet(sequence: u16) -> Vec<u8> {
    let mut packet = vec![0x80, 96];
    packet.extend(sequence.to_be_bytes());
    packet.extend([0, 0, 0, 1, 0, 0, 0, 42]);
    packet.extend([sequence as u8; 100]);
    packet
}
