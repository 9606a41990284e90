//! All connections, streams and fan-outs of one worker, as one sans-I/O machine.
//!
//! Commands and datagrams go in with the time; datagrams go out through a sink that the driver
//! lends, everything else through [`Engine::poll_output`]. Media that arrives in one turn of the
//! driver leaves with the [`Engine::flush`] of the same turn.

mod commands;
mod datagrams;
mod media_flow;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::connection::command::Reply;
use crate::connection::config::{ConnectionId, FanOutId, StreamKey, WorkerId};
use crate::connection::effect::Effect;
use crate::connection::fan_out::FanOut;
use crate::connection::identity_hash::IdMap;
use crate::connection::output::{DatagramSink, EngineOutput};
use crate::connection::router::Router;
use crate::connection::stream::Stream;
use crate::connection::timers::Timers;
use crate::connection::web_rtc_connection::WebRtcConnection;
use crate::media::clock::Moment;
use crate::rtp::id::{Mid, Ssrc};
use crate::transport::certificate::Certificate;

#[derive(Debug)]
pub struct EngineConfig {
    pub worker: WorkerId,
    /// Shown to every peer.
    pub certificate: Arc<Certificate>,
    pub now: Instant,
    /// Wall clock at `now`, since 1970; sender reports are written in it.
    pub unix_time: Duration,
}

/// See the module documentation.
pub struct Engine {
    worker: WorkerId,
    certificate: Arc<Certificate>,
    start: (Instant, Duration),
    connections: IdMap<ConnectionId, WebRtcConnection>,
    streams: IdMap<StreamKey, Stream>,
    fan_outs: IdMap<FanOutId, FanOut>,
    router: Router,
    timers: Timers<TimerKey>,
    outputs: VecDeque<EngineOutput>,
    /// Connections whose transport may have something to say.
    touched: Vec<ConnectionId>,
    /// Fan-outs with media of this turn.
    flowing: Vec<FanOutId>,
    /// Streams whose deadline may have moved.
    stirred: Vec<StreamKey>,
    /// Reused for each list of SSRCs that a REMB names.
    sources: Vec<Ssrc>,
    /// Reused for each RTCP compound.
    compound: Vec<u8>,
    /// Who is being driven, so that a panic can be pinned on it.
    driving: Option<ConnectionId>,
    /// Connections that are being closed, with who waits for it.
    closing: Vec<(ConnectionId, Reply<()>)>,
    /// Datagrams that belong to no connection.
    stray_datagrams: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
enum TimerKey {
    Connection(ConnectionId),
    Stream(StreamKey),
}

impl Engine {
    pub fn new(config: EngineConfig) -> Self {
        Engine {
            worker: config.worker,
            certificate: config.certificate,
            start: (config.now, config.unix_time),
            connections: IdMap::default(),
            streams: IdMap::default(),
            fan_outs: IdMap::default(),
            router: Router::default(),
            timers: Timers::new(),
            outputs: VecDeque::new(),
            touched: Vec::new(),
            flowing: Vec::new(),
            stirred: Vec::new(),
            sources: Vec::new(),
            compound: Vec::with_capacity(1500),
            driving: None,
            closing: Vec::new(),
            stray_datagrams: 0,
        }
    }

    /// Runs what is due; early and repeated calls are harmless.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut dyn DatagramSink) {
        while let Some(key) = self.timers.pop_due(now) {
            match key {
                TimerKey::Connection(id) => {
                    self.driving = Some(id);
                    if let Some(connection) = self.connections.get_mut(&id) {
                        connection.handle_timeout(now);
                        self.touch(id);
                    }
                }
                TimerKey::Stream(key) => self.drive_stream(now, key, out),
            }
        }
        self.driving = None;
    }

    /// Delivers the media of the turn, sends what transports have to say and arms the timers.
    pub fn flush(&mut self, now: Instant, out: &mut dyn DatagramSink) {
        loop {
            self.driving = None;
            // Each may give work to those before it.
            if let Some(id) = self.flowing.pop() {
                self.deliver(now, id, out);
            } else if let Some(key) = self.stirred.pop() {
                self.drive_stream(now, key, out);
            } else if let Some(id) = self.touched.pop() {
                self.settle(now, id, out);
            } else {
                break;
            }
        }
        for (id, reply) in std::mem::take(&mut self.closing) {
            self.forget_connection(id, reply);
        }
    }

    pub fn poll_output(&mut self) -> Option<EngineOutput> {
        self.outputs.pop_front()
    }

    /// The next deadline; `None` while nothing is pending.
    pub fn poll_timeout(&mut self) -> Option<Instant> {
        self.timers.next()
    }

    /// Whether no connection is open.
    pub fn is_idle(&self) -> bool {
        self.connections.is_empty()
    }

    /// Datagrams that came for nobody so far.
    pub fn stray_datagrams(&self) -> u64 {
        self.stray_datagrams
    }

    /// The local addresses that `EngineOutput::Gather` asked for.
    pub fn handle_addresses(&mut self, now: Instant, id: ConnectionId, addresses: &[SocketAddr]) {
        self.driving = Some(id);
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.handle_addresses(now, addresses);
            self.touch(id);
        }
        self.driving = None;
    }

    /// The address that `EngineOutput::Resolve` asked for; `None` if there is none.
    pub fn handle_resolved(&mut self, now: Instant, id: ConnectionId, server: Option<SocketAddr>) {
        self.driving = Some(id);
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.handle_resolved(now, server);
            self.touch(id);
        }
        self.driving = None;
    }

    /// The last call panicked: the connection that it was driving fails. The others go on where
    /// they were; to be followed by [`Engine::flush`].
    pub fn fail_current(&mut self, now: Instant) {
        for (id, fan_out) in &self.fan_outs {
            if !fan_out.pending.is_empty() && !self.flowing.contains(id) {
                self.flowing.push(*id);
            }
        }
        let Some(id) = self.driving.take() else { return };
        tracing::error!(connection = id.0, "a panic while driving this connection: it fails");
        if let Some(connection) = self.connections.get_mut(&id) {
            // What panicked once may do it again, and so may the program's listener.
            let failed = AssertUnwindSafe(|| connection.fail(now, "internal error"));
            if catch_unwind(failed).is_err() {
                connection.abandon();
            }
            connection.touched = false;
            self.touch(id);
        }
    }

    /// Sends what a connection's transport has to say, does what it asks for, arms its timer.
    fn settle(&mut self, now: Instant, id: ConnectionId, out: &mut dyn DatagramSink) {
        self.driving = Some(id);
        let Some(connection) = self.connections.get_mut(&id) else { return };
        connection.touched = false;
        connection.drain_transport(now, out);
        while let Some(effect) = self.connections.get_mut(&id).and_then(|c| c.poll_effect()) {
            self.apply(now, id, effect);
        }
        self.send_receive_side(now, id, out);
        if let Some(connection) = self.connections.get(&id) {
            self.timers.arm(now, TimerKey::Connection(id), connection.poll_timeout());
        }
    }

    fn apply(&mut self, now: Instant, id: ConnectionId, effect: Effect) {
        match effect {
            Effect::Gather(request) => {
                self.outputs.push_back(EngineOutput::Gather { connection: id, request });
            }
            Effect::Resolve(server) => {
                self.outputs.push_back(EngineOutput::Resolve { connection: id, server });
            }
            Effect::AddTransaction(transaction) => self.router.add_transaction(transaction, id),
            Effect::AddUfrag(ufrag) => self.router.add_ufrag(ufrag, id),
            Effect::ClaimRemote(remote) => self.router.claim_remote(remote, id),
            Effect::OwnRemote(remote) => self.router.own_remote(remote, id),
            Effect::ConfigureStreams(streams) => {
                for key in streams {
                    self.configure_stream(now, key);
                }
            }
            Effect::Ready => self.wake_streams(now, id),
            Effect::Associate { stream, kind, mid } => {
                if let Some(stream) = self.streams.get_mut(&stream) {
                    stream.associate(kind, Mid::new(mid.as_bytes()));
                }
            }
            Effect::Release => {
                self.router.remove(id);
                self.outputs.push_back(EngineOutput::Release { connection: id });
            }
        }
    }

    /// Has the connection looked after before the turn ends.
    fn touch(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(&id)
            && !std::mem::replace(&mut connection.touched, true)
        {
            self.touched.push(id);
        }
    }

    /// The same for a stream.
    fn stir(&mut self, key: StreamKey) {
        if let Some(stream) = self.streams.get_mut(&key)
            && !std::mem::replace(&mut stream.stirred, true)
        {
            self.stirred.push(key);
        }
    }

    /// The same moment in both clocks.
    fn moment(&self, now: Instant) -> Moment {
        let (start, unix) = self.start;
        Moment { now, since_unix: unix + now.saturating_duration_since(start) }
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("worker", &self.worker).finish_non_exhaustive()
    }
}
