//! Engines with simulated browsers around them, driven as `runtime` drives them but in virtual
//! time: commands, gathered addresses, datagrams, flushes, replies, relays between workers, and a
//! panic caught where the worker catches it.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use erizo::connection::command::{Command, ConnectionCommand, FanOutCommand, Reply, StreamCommand};
use erizo::connection::config::{
    ConnectionConfig, ConnectionId, FanOutId, StreamConfig, StreamKey, StreamRole, WorkerId,
};
use erizo::connection::engine::{Engine, EngineConfig};
use erizo::connection::error::ConnectionError;
use erizo::connection::event::{ConnectionEvent, ConnectionState};
use erizo::connection::output::{DatagramSink, EngineOutput, Relay};
use erizo::negotiation::description::SessionDescription;
use erizo::negotiation::setup::DtlsSetup;
use erizo::rtp::id::{MediaKind, Ssrc};
use erizo::transport::TransportConfig;
use serde_json::Value;

use crate::link::{Datagram, Link, LinkConfig, Node, address};
use crate::negotiation_support::{configuration, pair, remote};
use crate::session_client::{Client, FIRST_SEQUENCE, Format};
use crate::transport_peer::certificate;

/// The wall clock of the engines when virtual time starts.
pub const ENGINE_EPOCH: Duration = Duration::from_secs(1_800_000_000);

#[derive(Debug)]
pub struct Outbox {
    slot: Box<[u8]>,
    queue: VecDeque<Datagram>,
    /// Sending there panics: the only way into the packet path from outside.
    pub poison: Option<SocketAddr>,
    pub sent: u64,
}

impl DatagramSink for Outbox {
    fn slot(&mut self) -> &mut [u8] {
        &mut self.slot
    }

    fn send(&mut self, local: SocketAddr, remote: SocketAddr, len: usize) {
        assert_ne!(self.poison, Some(remote), "the panic of this test");
        self.sent += 1;
        let data = self.slot[..len].to_vec();
        self.queue.push_back(Datagram { from: local, to: remote, data });
    }
}

type Mail = Rc<RefCell<Vec<(WorkerId, Relay)>>>;

pub struct Server {
    pub engine: Engine,
    pub id: WorkerId,
    pub address: SocketAddr,
    pub out: Outbox,
    /// Gather requests wait in `held` until [`Server::gather`].
    pub hold_gather: bool,
    pub held: Vec<ConnectionId>,
    pub released: Vec<ConnectionId>,
    pub panics: u32,
    pub wake_ups: u32,
    mail: Mail,
    deadline: Option<Instant>,
}

impl Server {
    fn new(link: &Link, id: u64, mail: Mail) -> Server {
        let id = WorkerId(id);
        Server {
            engine: Engine::new(EngineConfig {
                worker: id,
                certificate: certificate(0),
                now: link.now,
                unix_time: ENGINE_EPOCH,
            }),
            address: address(&format!("10.0.0.{}:30000", id.0)),
            id,
            out: Outbox {
                slot: vec![0; 2048].into(),
                queue: VecDeque::new(),
                poison: None,
                sent: 0,
            },
            hold_gather: false,
            held: Vec::new(),
            released: Vec::new(),
            panics: 0,
            wake_ups: 0,
            mail,
            deadline: None,
        }
    }

    pub fn command(&mut self, now: Instant, command: Command) {
        self.guarded(now, |engine, _| engine.handle_command(now, command));
        self.finish(now);
    }

    pub fn gather(&mut self, now: Instant, id: ConnectionId) {
        let addresses = [self.address];
        self.guarded(now, |engine, _| engine.handle_addresses(now, id, &addresses));
        self.finish(now);
    }

    pub fn inject(&mut self, now: Instant, from: SocketAddr, data: &[u8]) {
        let (local, mut data) = (self.address, data.to_vec());
        self.receive(now, local, from, &mut data);
    }

    fn guarded(&mut self, now: Instant, step: impl FnOnce(&mut Engine, &mut Outbox)) -> bool {
        let (engine, out) = (&mut self.engine, &mut self.out);
        if catch_unwind(AssertUnwindSafe(|| step(engine, out))).is_ok() {
            return true;
        }
        self.panics += 1;
        self.engine.fail_current(now);
        false
    }

    fn finish(&mut self, now: Instant) {
        while !self.guarded(now, |engine, out| engine.flush(now, out)) {}
        while let Some(output) = self.engine.poll_output() {
            match output {
                EngineOutput::Gather { connection, .. } if self.hold_gather => {
                    self.held.push(connection);
                }
                EngineOutput::Gather { connection, .. } => self.gather(now, connection),
                // No connection of this room names a STUN server.
                EngineOutput::Resolve { .. } => {}
                EngineOutput::Release { connection } => self.released.push(connection),
                EngineOutput::Reply(reply) => reply(),
                EngineOutput::Relay { to, relay } => self.mail.borrow_mut().push((to, relay)),
            }
        }
        self.deadline = self.engine.poll_timeout();
    }

    fn take_mail(&mut self, now: Instant) {
        loop {
            let at = self.mail.borrow().iter().position(|(to, _)| *to == self.id);
            let Some(at) = at else { return };
            let (_, relay) = self.mail.borrow_mut().remove(at);
            self.guarded(now, |engine, _| engine.handle_relay(now, relay));
            self.finish(now);
        }
    }
}

impl Node for Server {
    fn owns(&self, address: SocketAddr) -> bool {
        self.address == address
    }

    fn receive(&mut self, now: Instant, local: SocketAddr, remote: SocketAddr, data: &mut [u8]) {
        self.guarded(now, |engine, out| engine.handle_datagram(now, local, remote, data, out));
        self.finish(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.wake_ups += 1;
        self.take_mail(now);
        self.guarded(now, |engine, out| engine.handle_timeout(now, out));
        self.finish(now);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.deadline
    }

    fn poll_transmit(&mut self, now: Instant) -> Option<Datagram> {
        self.take_mail(now);
        self.out.queue.pop_front()
    }
}

/// A browser and the engine's connection for it.
pub struct Peer {
    pub client: Client,
    pub worker: usize,
    pub id: ConnectionId,
    pub events: Arc<Mutex<Vec<ConnectionEvent>>>,
    /// The engine's last description.
    pub described: Option<SessionDescription>,
}

impl Peer {
    pub fn states(&self) -> Vec<ConnectionState> {
        let events = self.events.lock().unwrap();
        let state = |event: &ConnectionEvent| match event {
            ConnectionEvent::State(state) => Some(*state),
            ConnectionEvent::Candidate { .. } => None,
        };
        events.iter().filter_map(state).collect()
    }

    pub fn is_ready(&self) -> bool {
        self.states().last() == Some(&ConnectionState::Ready) && self.client.is_ready()
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Stream {
    pub peer: usize,
    pub key: StreamKey,
    pub fan_out: FanOutId,
    /// Where media comes from the client, or ours towards it.
    pub audio: u32,
    pub video: u32,
}

pub struct Room {
    pub link: Link,
    pub servers: Vec<Server>,
    pub peers: Vec<Peer>,
    pub configure: fn(&mut ConnectionConfig),
    pub configure_transport: fn(&mut TransportConfig),
    pub without: Vec<&'static str>,
    pub format: Format,
    pub first_sequence: u16,
    /// The address of the next client.
    pub next_host: Option<SocketAddr>,
    next_id: u64,
    next_ssrc: u32,
    next_mid: u32,
    replies: Arc<Mutex<Vec<String>>>,
}

impl Room {
    pub fn new() -> Room {
        Room::with(1, LinkConfig::default(), 1)
    }

    pub fn with(seed: u64, config: LinkConfig, workers: u64) -> Room {
        let link = Link::new(seed, config);
        let mail = Mail::default();
        Room {
            servers: (1..=workers).map(|id| Server::new(&link, id, mail.clone())).collect(),
            link,
            peers: Vec::new(),
            configure: |_| {},
            configure_transport: |_| {},
            without: Vec::new(),
            format: Format::Vp8,
            first_sequence: FIRST_SEQUENCE,
            next_host: None,
            next_id: 1,
            next_ssrc: 1000,
            next_mid: 0,
            replies: Arc::default(),
        }
    }

    pub fn now(&self) -> Instant {
        self.link.now
    }

    pub fn run_for(&mut self, time: Duration) {
        self.run_until(time, |_| false);
    }

    pub fn run_ms(&mut self, ms: u64) {
        self.run_for(Duration::from_millis(ms));
    }

    /// Runs in steps of 5 ms until `done` holds; says whether it did.
    pub fn run_until(&mut self, limit: Duration, done: impl Fn(&Room) -> bool) -> bool {
        let end = self.link.now + limit;
        while !done(self) {
            if self.link.now >= end {
                return false;
            }
            let step = (end - self.link.now).min(Duration::from_millis(5));
            let servers = self.servers.iter_mut().map(|server| server as &mut dyn Node);
            let clients = self.peers.iter_mut().map(|peer| &mut peer.client as &mut dyn Node);
            let mut nodes: Vec<&mut dyn Node> = servers.chain(clients).collect();
            self.link.run_for(&mut nodes, step);
        }
        true
    }

    pub fn run_until_ready(&mut self, limit: Duration) -> bool {
        self.run_until(limit, |room| room.peers.iter().all(Peer::is_ready))
    }

    /// A browser arrives; nothing is negotiated yet.
    pub fn join(&mut self, worker: usize) -> usize {
        let index = self.peers.len();
        let id = ConnectionId(self.id());
        let mut config = ConnectionConfig {
            name: format!("peer {index}"),
            media: configuration(if self.format == Format::H264 { "H264" } else { "VP8" }),
            trickle: false,
            encrypt: true,
            ice_lite: false,
            ports: None,
            network_interface: None,
            stun: None,
            srtp_profiles: erizo::transport::SrtpProfile::ALL.to_vec(),
        };
        (self.configure)(&mut config);
        let events: Arc<Mutex<Vec<ConnectionEvent>>> = Arc::default();
        let told = Arc::clone(&events);
        let mut transport = TransportConfig::new(certificate(1), false);
        transport.encrypted = config.encrypt;
        (self.configure_transport)(&mut transport);
        self.command(
            worker,
            Command::OpenConnection {
                id,
                config: Box::new(config),
                listener: Box::new(move |event| told.lock().unwrap().push(event)),
            },
        );
        let host = address(&format!("192.168.{}.{}:40000", index / 250, 1 + index % 250));
        let host = self.next_host.take().unwrap_or(host);
        let mut client = Client::new(&self.link, host, transport);
        client.without = self.without.clone();
        client.first_sequence = self.first_sequence;
        if self.format == Format::H264 {
            client.video_configuration = "H264";
        }
        self.peers.push(Peer { client, worker, id, events, described: None });
        index
    }

    pub fn command(&mut self, worker: usize, command: Command) {
        let now = self.link.now;
        self.servers[worker].command(now, command);
    }

    /// Sends a command and returns its reply, which has to come at once.
    pub fn ask<T: Send + 'static>(
        &mut self,
        peer: usize,
        command: impl FnOnce(Reply<T>) -> ConnectionCommand,
    ) -> Result<T, ConnectionError> {
        let outcome = Arc::new(Mutex::new(None));
        let slot = Arc::clone(&outcome);
        let reply: Reply<T> = Box::new(move |outcome| {
            assert!(slot.lock().unwrap().replace(outcome).is_none(), "a reply came twice");
        });
        let Peer { id, worker, .. } = self.peers[peer];
        self.command(worker, Command::Connection { id, command: command(reply) });
        outcome.lock().unwrap().take().expect("no reply")
    }

    /// A reply that writes its name into the log.
    pub fn logged<T: 'static>(&self, name: &str) -> Reply<T> {
        let (log, name) = (Arc::clone(&self.replies), name.to_owned());
        Box::new(move |outcome: Result<T, _>| {
            let word = if outcome.is_ok() { "ok" } else { "refused" };
            log.lock().unwrap().push(format!("{name} {word}"));
        })
    }

    pub fn replies(&self) -> Vec<String> {
        self.replies.lock().unwrap().clone()
    }

    pub fn stream_command(&mut self, stream: &Stream, command: StreamCommand) {
        let worker = self.peers[stream.peer].worker;
        self.command(worker, Command::Stream { key: stream.key, command });
    }

    pub fn fan_out_command(&mut self, worker: usize, id: FanOutId, command: FanOutCommand) {
        self.command(worker, Command::FanOut { id, command });
    }

    /// Opens a stream and adds it to its connection.
    pub fn add_stream(
        &mut self,
        peer: usize,
        label: &str,
        kinds: &str,
        role: StreamRole,
    ) -> Stream {
        let key = StreamKey(self.id());
        let (audio, video) = (self.ssrc(), self.ssrc());
        let config = StreamConfig {
            key,
            id: format!("id of {label}"),
            label: label.to_owned(),
            role,
            has_audio: kinds.contains('a'),
            has_video: kinds.contains('v'),
            audio_ssrc: Ssrc(audio),
            video_ssrc: Ssrc(video),
            priority: "default".into(),
        };
        let (connection, id) = (self.peers[peer].id, config.id.clone());
        let config = Box::new(config);
        let worker = self.peers[peer].worker;
        self.command(
            worker,
            Command::OpenStream { connection, config, listener: Box::new(|_| {}) },
        );
        self.ask(peer, |reply| ConnectionCommand::AddStream { key, id, reply }).unwrap();
        Stream { peer, key, fan_out: FanOutId(0), audio, video }
    }

    /// The browser publishes one more stream: offer, answer, fan-out.
    pub fn publish(&mut self, peer: usize, label: &str) -> Stream {
        let mut stream = self.add_stream(peer, label, "av", StreamRole::Publisher);
        stream.fan_out = FanOutId(self.id());
        let mids = [self.next_mid, self.next_mid + 1];
        self.next_mid += 2;
        (stream.audio, stream.video) = (self.ssrc(), self.ssrc());
        let rtx = self.ssrc();
        let mut sections = pair(mids, label, "sendonly");
        sections[0].ssrcs = vec![stream.audio];
        sections[1].ssrcs = vec![stream.video, rtx];
        let video_type = if self.format == Format::H264 { 125 } else { 96 };
        let client = &mut self.peers[peer].client;
        client.sections.append(&mut sections);
        client.publish(Format::Opus, stream.audio, 111, &mids[0].to_string());
        client.publish(self.format, stream.video, video_type, &mids[1].to_string());
        let now = self.link.now;
        self.peers[peer].client.play(now);
        self.offer_to_engine(peer);
        let worker = self.peers[peer].worker;
        for kind in [MediaKind::Audio, MediaKind::Video] {
            let receiver = Some(stream.fan_out);
            self.stream_command(&stream, StreamCommand::SetReceiver { kind, receiver });
        }
        let publisher = Some((self.servers[worker].id, stream.key));
        let command = FanOutCommand::SetPublisher { publisher };
        self.fan_out_command(worker, stream.fan_out, command);
        stream
    }

    /// The browser publishes a voice without a picture.
    pub fn publish_voice(&mut self, peer: usize, label: &str) -> Stream {
        let mut stream = self.add_stream(peer, label, "a", StreamRole::Publisher);
        let mids = [self.next_mid, self.next_mid + 1];
        self.next_mid += 2;
        stream.audio = self.ssrc();
        let mut sections = pair(mids, label, "sendonly");
        sections.truncate(1);
        sections[0].ssrcs = vec![stream.audio];
        let now = self.link.now;
        let client = &mut self.peers[peer].client;
        client.sections.append(&mut sections);
        client.publish(Format::Opus, stream.audio, 111, &mids[0].to_string());
        client.play(now);
        self.offer_to_engine(peer);
        stream
    }

    /// The browser stops publishing: its sections go inactive.
    pub fn unpublish(&mut self, stream: &Stream, label: &str) {
        let id = format!("id of {label}");
        self.ask(stream.peer, |reply| ConnectionCommand::RemoveStream { id, reply }).unwrap();
        let client = &mut self.peers[stream.peer].client;
        client.sources.retain(|source| ![stream.audio, stream.video].contains(&source.ssrc));
        for section in client.sections.iter_mut().filter(|section| section.label == label) {
            section.direction = "inactive";
            section.ssrcs.clear();
        }
        self.offer_to_engine(stream.peer);
        self.stream_command(stream, StreamCommand::Close { reply: Box::new(|_| {}) });
    }

    /// The browser offers, the engine answers.
    pub fn offer_to_engine(&mut self, peer: usize) {
        let description = Box::new(self.peers[peer].client.description());
        self.ask(peer, |reply| ConnectionCommand::SetRemoteDescription { description, reply })
            .unwrap();
        let answer = self.local_description(peer);
        let ours = match answer.dtls_role() {
            DtlsSetup::Passive => DtlsSetup::Active,
            _ => DtlsSetup::Passive,
        };
        let now = self.link.now;
        self.peers[peer].client.learn(now, &answer, ours);
    }

    /// The engine offers, the browser answers: it takes everything that is sent.
    pub fn offer_to_client(&mut self, peer: usize) {
        self.ask(peer, |reply| ConnectionCommand::CreateOffer { reply }).unwrap();
        let offer = self.local_description(peer);
        let now = self.link.now;
        let client = &mut self.peers[peer].client;
        client.learn(now, &offer, DtlsSetup::Active);
        client.sections = offer
            .sections()
            .iter()
            .map(|section| {
                let kind = if section.kind == "audio" { "audio" } else { "video" };
                let sends = section.direction_word().starts_with("send");
                let direction = if sends { "recvonly" } else { "inactive" };
                let mut answer = remote(&section.mid, kind, "", direction);
                answer.setup = "active";
                answer.port = if section.stopped { 0 } else { 9 };
                answer
            })
            .collect();
        let description = Box::new(client.description());
        self.ask(peer, |reply| ConnectionCommand::SetRemoteDescription { description, reply })
            .unwrap();
    }

    pub fn local_description(&mut self, peer: usize) -> SessionDescription {
        let description =
            *self.ask(peer, |reply| ConnectionCommand::LocalDescription { reply }).unwrap();
        self.peers[peer].described = Some(description.clone());
        description
    }

    /// The browser gets one more stream, from a publisher on any worker.
    pub fn subscribe(&mut self, peer: usize, published: &Stream, label: &str) -> Stream {
        let mut stream = self.add_stream(peer, label, "av", StreamRole::Subscriber);
        stream.fan_out = published.fan_out;
        let now = self.link.now;
        self.peers[peer].client.play(now);
        let (home, worker) = (self.peers[published.peer].worker, self.peers[peer].worker);
        if home != worker {
            let publisher = Some((self.servers[home].id, published.key));
            let command = FanOutCommand::SetPublisher { publisher };
            self.fan_out_command(worker, stream.fan_out, command);
            let command = FanOutCommand::AttachWorker { worker: self.servers[worker].id };
            self.fan_out_command(home, stream.fan_out, command);
        }
        let peer_id = format!("{peer} {label}");
        let command = FanOutCommand::AddSubscriber { peer_id, stream: stream.key };
        self.fan_out_command(worker, stream.fan_out, command);
        self.offer_to_client(peer);
        stream
    }

    pub fn unsubscribe(&mut self, stream: &Stream, label: &str) {
        let worker = self.peers[stream.peer].worker;
        let peer_id = format!("{} {label}", stream.peer);
        self.fan_out_command(worker, stream.fan_out, FanOutCommand::RemoveSubscriber { peer_id });
        let id = format!("id of {label}");
        self.ask(stream.peer, |reply| ConnectionCommand::RemoveStream { id, reply }).unwrap();
        self.offer_to_client(stream.peer);
        self.stream_command(stream, StreamCommand::Close { reply: Box::new(|_| {}) });
    }

    /// One publisher, `subscribers` that watch, all connected and with a picture.
    pub fn call(&mut self, subscribers: usize) -> (Stream, Vec<Stream>) {
        let peer = self.join(0);
        let published = self.publish(peer, "camera");
        let streams: Vec<Stream> = (0..subscribers)
            .map(|_| {
                let peer = self.join(0);
                self.subscribe(peer, &published, "watched")
            })
            .collect();
        assert!(self.run_until_ready(Duration::from_secs(10)), "not everybody is ready");
        self.run_ms(500);
        (published, streams)
    }

    pub fn close(&mut self, peer: usize, name: &str) {
        let reply = self.logged(name);
        let Peer { id, worker, .. } = self.peers[peer];
        let command = ConnectionCommand::Close { reply };
        self.command(worker, Command::Connection { id, command });
    }

    /// The statistics of a connection.
    pub fn statistics(&mut self, peer: usize) -> Value {
        let text = self.ask(peer, |reply| ConnectionCommand::Stats { reply }).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    pub fn drops(&mut self, peer: usize, reason: &str) -> u64 {
        let statistics = self.statistics(peer);
        statistics["traffic"]["dropped"][reason].as_u64().unwrap_or_else(|| {
            panic!("no reason {reason} in {statistics}");
        })
    }

    pub fn client(&mut self, peer: usize) -> &mut Client {
        &mut self.peers[peer].client
    }

    fn id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    fn ssrc(&mut self) -> u32 {
        self.next_ssrc += 1;
        self.next_ssrc
    }
}
