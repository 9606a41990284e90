//! A network in virtual time: seeded loss, delay, jitter and duplication between any number of
//! nodes. The same seed gives the same run, and an hour takes as long as its packets do.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Small, seeded, good enough for tests (splitmix64).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in `0..bound`; 0 if `bound` is.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next().checked_rem(bound).unwrap_or(0)
    }

    pub fn chance(&mut self, per_mille: u64) -> bool {
        self.below(1000) < per_mille
    }
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Datagram {
    pub from: SocketAddr,
    pub to: SocketAddr,
    pub data: Vec<u8>,
}

/// Something with addresses that sends, receives and waits.
pub trait Node {
    fn owns(&self, address: SocketAddr) -> bool;
    fn receive(&mut self, now: Instant, local: SocketAddr, remote: SocketAddr, data: &mut [u8]);
    fn handle_timeout(&mut self, now: Instant);
    fn poll_timeout(&self) -> Option<Instant>;
    fn poll_transmit(&mut self, now: Instant) -> Option<Datagram>;
}

#[derive(Clone, Copy, Debug)]
pub struct LinkConfig {
    pub loss_per_mille: u64,
    pub duplicate_per_mille: u64,
    pub delay: Duration,
    /// Added to the delay, uniformly from zero to this; reorders.
    pub jitter: Duration,
}

impl Default for LinkConfig {
    fn default() -> Self {
        LinkConfig {
            loss_per_mille: 0,
            duplicate_per_mille: 0,
            delay: Duration::from_millis(20),
            jitter: Duration::ZERO,
        }
    }
}

#[derive(Debug)]
pub struct Link {
    pub now: Instant,
    pub config: LinkConfig,
    random: Random,
    /// Arrival, order of sending, datagram.
    in_flight: BinaryHeap<Reverse<(Instant, u64, Datagram)>>,
    sent: u64,
    blocked: Vec<SocketAddr>,
    tamper: Option<fn(&mut Random, &mut Datagram)>,
    /// Every datagram that was sent, lost or not, if [`Link::capture`] asked for it.
    captured: Option<Vec<Datagram>>,
}

impl Link {
    pub fn new(seed: u64, config: LinkConfig) -> Link {
        Link {
            now: origin(),
            config,
            random: Random::new(seed),
            in_flight: BinaryHeap::new(),
            sent: 0,
            blocked: Vec::new(),
            tamper: None,
            captured: None,
        }
    }

    pub fn capture(&mut self) {
        self.captured = Some(Vec::new());
    }

    pub fn captured(&self) -> &[Datagram] {
        self.captured.as_deref().unwrap_or_default()
    }

    /// What an attacker on the path does to each datagram.
    pub fn tamper(&mut self, tamper: fn(&mut Random, &mut Datagram)) {
        self.tamper = Some(tamper);
    }

    /// Nothing passes from or to `address` any more.
    pub fn block(&mut self, address: SocketAddr) {
        self.blocked.push(address);
    }

    pub fn unblock(&mut self, address: SocketAddr) {
        self.blocked.retain(|blocked| *blocked != address);
    }

    pub fn send(&mut self, mut datagram: Datagram) {
        if let Some(captured) = &mut self.captured {
            captured.push(datagram.clone());
        }
        if let Some(tamper) = self.tamper {
            tamper(&mut self.random, &mut datagram);
        }
        if self.blocked.contains(&datagram.from) || self.blocked.contains(&datagram.to) {
            return;
        }
        if self.random.chance(self.config.loss_per_mille) {
            return;
        }
        let copies = 1 + u64::from(self.random.chance(self.config.duplicate_per_mille));
        for _ in 0..copies {
            let jitter = self.random.below(self.config.jitter.as_micros() as u64 + 1);
            let arrival = self.now + self.config.delay + Duration::from_micros(jitter);
            self.sent += 1;
            self.in_flight.push(Reverse((arrival, self.sent, datagram.clone())));
        }
    }

    /// Runs the nodes until `done` holds (checked after every step) or `limit` has passed; says
    /// whether it held.
    pub fn run(
        &mut self,
        nodes: &mut [&mut dyn Node],
        limit: Duration,
        mut done: impl FnMut(&mut [&mut dyn Node]) -> bool,
    ) -> bool {
        let end = self.now + limit;
        loop {
            self.collect(nodes);
            if done(nodes) {
                return true;
            }
            let arrival = self.in_flight.peek().map(|Reverse((at, ..))| *at);
            let timeouts = nodes.iter().filter_map(|node| node.poll_timeout());
            let Some(next) = timeouts.chain(arrival).min().filter(|at| *at <= end) else {
                self.now = end;
                return false;
            };
            // A deadline in the past still has to make time go on.
            self.now = self.now.max(next);
            self.deliver(nodes);
            for node in nodes.iter_mut() {
                if node.poll_timeout().is_some_and(|at| at <= self.now) {
                    node.handle_timeout(self.now);
                    assert!(
                        node.poll_timeout().is_none_or(|at| at > self.now),
                        "the node would spin"
                    );
                }
            }
        }
    }

    /// Runs for a time, whatever happens.
    pub fn run_for(&mut self, nodes: &mut [&mut dyn Node], time: Duration) {
        self.run(nodes, time, |_| false);
    }

    fn collect(&mut self, nodes: &mut [&mut dyn Node]) {
        for node in nodes.iter_mut() {
            while let Some(datagram) = node.poll_transmit(self.now) {
                self.send(datagram);
            }
        }
    }

    fn deliver(&mut self, nodes: &mut [&mut dyn Node]) {
        while let Some(Reverse((at, ..))) = self.in_flight.peek() {
            if *at > self.now {
                return;
            }
            let Some(Reverse((_, _, mut datagram))) = self.in_flight.pop() else { return };
            let (from, to) = (datagram.from, datagram.to);
            if let Some(node) = nodes.iter_mut().find(|node| node.owns(to)) {
                node.receive(self.now, to, from, &mut datagram.data);
            }
            self.collect(nodes);
        }
    }
}

/// Any instant will do; this is the only one that there is.
#[expect(clippy::disallowed_methods, reason = "virtual time starts somewhere")]
pub fn origin() -> Instant {
    Instant::now()
}

pub fn address(text: &str) -> SocketAddr {
    text.parse().expect("a literal in a test")
}
