//! One worker thread: it owns an engine and its sockets and drives them from one loop.
//!
//! A turn takes what has arrived (commands, relays of other workers, datagrams), runs due timers
//! and sends what came of it; then it sleeps until the next arrival or deadline. There is no
//! polling interval anywhere.

use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::net::lookup_host;
use tokio::time::Sleep;

use crate::connection::config::WorkerId;
use crate::connection::engine::{Engine, EngineConfig};
use crate::connection::output::{EngineOutput, Relay};
use crate::runtime::certificate;
use crate::runtime::datagram_batch::ReceiveBatch;
use crate::runtime::message::Message;
use crate::runtime::pool::{Inbox, WorkerHandle};
use crate::runtime::sockets::Sockets;

/// Messages taken in one turn before sockets get theirs.
const MESSAGES_PER_TURN: usize = 256;
/// Datagram batches taken from one socket in one turn: media that has arrived leaves before more
/// is taken.
const BATCHES_PER_TURN: usize = 4;
/// Connections that may panic in one flush before the rest waits for the next turn.
const FLUSH_ATTEMPTS: usize = 16;
/// A sleep with nothing to wait for; arrivals end it.
const IDLE: Duration = Duration::from_secs(3600);

/// Starts the thread that owns `inbox`. It ends once it was told to shut down and its last
/// connection is closed; nobody waits for it.
pub(crate) fn spawn(inbox: Inbox) {
    let name = format!("erizo-worker-{}", inbox.shared.id.0);
    let spawned = std::thread::Builder::new().name(name).spawn(move || run(inbox));
    if let Err(error) = spawned {
        tracing::error!(%error, "cannot start a worker thread");
    }
}

fn run(inbox: Inbox) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return tracing::error!(%error, "cannot start a worker's event loop"),
    };
    let certificate = match certificate::of_process() {
        Ok(certificate) => certificate,
        Err(error) => return tracing::error!(%error, "cannot make a DTLS certificate"),
    };
    let unix_time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let engine = Engine::new(EngineConfig {
        worker: inbox.shared.id,
        certificate,
        now: Instant::now(),
        unix_time,
    });
    runtime.block_on(Worker::new(inbox, engine).drive());
}

struct Worker {
    inbox: Inbox,
    engine: Engine,
    sockets: Sockets,
    peers: HashMap<WorkerId, WorkerHandle>,
    messages: Vec<Message>,
    relays: Vec<Relay>,
    received: ReceiveBatch,
    shutdown: bool,
}

impl Worker {
    fn new(inbox: Inbox, engine: Engine) -> Self {
        Worker {
            inbox,
            engine,
            sockets: Sockets::new(),
            peers: HashMap::new(),
            messages: Vec::with_capacity(MESSAGES_PER_TURN),
            relays: Vec::with_capacity(MESSAGES_PER_TURN),
            received: ReceiveBatch::new(),
            shutdown: false,
        }
    }

    async fn drive(mut self) {
        let mut sleep = pin!(tokio::time::sleep(IDLE));
        while !(self.shutdown && self.engine.is_idle()) {
            let now = Instant::now();
            let deadline = self.engine.poll_timeout().unwrap_or(now + IDLE);
            sleep.as_mut().reset(deadline.into());
            poll_fn(|cx| self.poll_arrivals(cx, sleep.as_mut())).await;
            self.turn();
        }
    }

    fn poll_arrivals(&mut self, cx: &mut Context<'_>, sleep: Pin<&mut Sleep>) -> Poll<()> {
        let mut ready = sleep.poll(cx).is_ready();
        let (messages, relays) = (&mut self.messages, &mut self.relays);
        if let Poll::Ready(count) =
            self.inbox.commands.poll_recv_many(cx, messages, MESSAGES_PER_TURN)
        {
            ready |= count > 0;
        }
        if let Poll::Ready(count) = self.inbox.relays.poll_recv_many(cx, relays, MESSAGES_PER_TURN)
        {
            ready |= count > 0;
        }
        ready |= self.sockets.poll_readable(cx);
        if ready { Poll::Ready(()) } else { Poll::Pending }
    }

    fn turn(&mut self) {
        let mut messages = std::mem::take(&mut self.messages);
        for message in messages.drain(..) {
            self.handle_message(message);
        }
        self.messages = messages;
        let mut relays = std::mem::take(&mut self.relays);
        let now = Instant::now();
        for relay in relays.drain(..) {
            self.guarded(|engine, _| engine.handle_relay(now, relay));
        }
        self.relays = relays;
        for index in 0..self.sockets.len() {
            self.receive(index);
        }
        let now = Instant::now();
        self.guarded(|engine, out| engine.handle_timeout(now, out));
        self.finish(now);
    }

    fn handle_message(&mut self, message: Message) {
        let now = Instant::now();
        match message {
            Message::Command { command, sent_at } => {
                let shared = Arc::clone(&self.inbox.shared);
                shared.delays.record(now.saturating_duration_since(sent_at));
                self.guarded(|engine, _| engine.handle_command(now, command));
                // A reply must not overtake what its command asked of the sockets.
                self.finish(now);
                shared.durations.record(now.elapsed());
            }
            Message::Resolved { connection, server } => {
                self.guarded(|engine, _| engine.handle_resolved(now, connection, server));
            }
            Message::Introduce(peer) => {
                self.peers.insert(peer.id(), peer);
            }
            Message::Shutdown => self.shutdown = true,
        }
    }

    fn receive(&mut self, index: usize) {
        for _ in 0..BATCHES_PER_TURN {
            let Some(local) = self.sockets.receive(index, &mut self.received) else { return };
            let now = Instant::now();
            for i in 0..self.received.len() {
                let Some((remote, data)) = self.received.datagram(i) else { continue };
                let (engine, sockets) = (&mut self.engine, &mut self.sockets);
                let driven = catch_unwind(AssertUnwindSafe(|| {
                    engine.handle_datagram(now, local, remote, data, sockets);
                }));
                if driven.is_err() {
                    self.engine.fail_current(now);
                }
            }
            self.finish(now);
        }
    }

    /// Sends what the turn has produced and does what the engine asks for.
    fn finish(&mut self, now: Instant) {
        // A panic ends the flush for everybody; the others get theirs all the same.
        for _ in 0..FLUSH_ATTEMPTS {
            if self.guarded(|engine, out| engine.flush(now, out)) {
                break;
            }
        }
        self.sockets.flush();
        while let Some(output) = self.engine.poll_output() {
            match output {
                EngineOutput::Gather { connection, request } => {
                    let gathered = self.sockets.gather(connection, &request);
                    self.guarded(|engine, out| {
                        engine.handle_addresses(now, connection, &gathered);
                        engine.flush(now, out);
                    });
                }
                EngineOutput::Resolve { connection, server } => {
                    let inbox = self.inbox.own.clone();
                    // Name service may take its time: it has a task of its own.
                    tokio::spawn(async move {
                        let found = lookup_host((server.host.as_str(), server.port)).await;
                        let server = match found {
                            Ok(mut found) => found.find(SocketAddr::is_ipv4),
                            Err(error) => {
                                tracing::warn!(host = server.host, %error, "unknown STUN server");
                                None
                            }
                        };
                        let _ = inbox.send(Message::Resolved { connection, server });
                    });
                }
                EngineOutput::Release { connection } => self.sockets.release(connection),
                EngineOutput::Reply(reply) => reply(),
                EngineOutput::Relay { to, relay } => {
                    if let Some(peer) = self.peers.get(&to) {
                        peer.relay(relay);
                    }
                }
            }
        }
        self.sockets.flush();
    }

    /// Runs one step of the engine; a panic fails the connection it was driving and nothing else
    /// (design.md section 3.7). Tells whether there was none.
    fn guarded(&mut self, step: impl FnOnce(&mut Engine, &mut Sockets)) -> bool {
        let (engine, sockets) = (&mut self.engine, &mut self.sockets);
        let completed = catch_unwind(AssertUnwindSafe(|| step(engine, sockets))).is_ok();
        if !completed {
            self.engine.fail_current(Instant::now());
        }
        completed
    }
}
