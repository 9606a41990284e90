//! Workload `one2many`: one publisher, N viewers, each with a connection of its own.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::Fallible;
use crate::arguments::Arguments;
use crate::measurement::Samples;
use crate::media::Publication;
use crate::peer::{Identity, Peer};
use crate::process::{self, Usage};
use crate::report::Report;
use crate::sdp;
use crate::session::Session;
use crate::system;

pub fn run(arguments: &Arguments, mut session: Session) -> Fallible<Report> {
    let identity = Arc::new(Identity::new(arguments.profile)?);
    let pid = session.server.pid();
    wait_for(&mut session, |message| message["event"] == "started")?;
    let idle = process::usage(pid);

    publish(&mut session, &identity)?;
    let mut joining =
        Joining { identity, waiting: HashMap::new(), requested: 0, next_request: Instant::now() };
    joining.run(&mut session, arguments)?;
    run_for(&mut session, WARM_UP)?;

    let dropped_before = dropped(&session);
    let (started, before) = (Instant::now(), Load::now(arguments, pid));
    let first = sent(&session);
    session.measurement.open(first);
    session.clients.iter_mut().for_each(|client| client.subscriber.start_window());
    run_for(&mut session, Duration::from_secs(arguments.seconds))?;
    let end = sent(&session);
    session.measurement.close(end);
    let (after, elapsed) = (Load::now(arguments, pid), started.elapsed());
    run_for(&mut session, DRAIN)?;
    let dropped_after = dropped(&session);

    let joined = |reached: fn(&crate::subscriber::Subscriber) -> Option<Instant>| -> Samples {
        let viewers = session.clients.iter().map(|client| &client.subscriber);
        viewers.filter_map(|v| Some(reached(v)?.duration_since(v.requested_at?))).collect()
    };
    let (connected, first_packet) =
        (joined(|v| v.connected_at).summary(), joined(|v| v.first_packet_at).summary());
    let measurement = &mut session.measurement;
    Ok(Report {
        load_average: process::load_average(),
        elapsed,
        published: end - first,
        expected: (end - first) * arguments.subscribers as u64,
        received: measurement.received,
        repeated: measurement.repeated,
        key_frames: session.clients.iter().flat_map(|c| &c.publication).map(|p| p.key_frames).sum(),
        latency: measurement.latency.summary(),
        lag: measurement.lag.summary(),
        connected,
        first_packet,
        server_time: after.server.processor_time.saturating_sub(before.server.processor_time),
        precise_time: after.server.precise_time.saturating_sub(before.server.precise_time),
        server_core_busy: after.core - before.core,
        generator_time: after.generator - before.generator,
        idle,
        loaded: after.server,
        dropped_by_generator: dropped_after.0.saturating_sub(dropped_before.0),
        dropped_by_server: dropped_after.1.saturating_sub(dropped_before.1),
    })
}

/// Time spent so far by all that take part.
struct Load {
    server: Usage,
    generator: Duration,
    /// Whatever ran on the server's core.
    core: Duration,
}

impl Load {
    fn now(arguments: &Arguments, pid: u32) -> Load {
        let ticks = arguments.server_core.map_or(0, process::busy_ticks);
        let seconds = ticks as f64 / system::clock_ticks_per_second() as f64;
        Load {
            server: process::usage(pid),
            generator: system::own_processor_time(),
            core: Duration::from_secs_f64(seconds),
        }
    }
}

/// Packets of all publishers so far.
fn sent(session: &Session) -> u64 {
    session.clients.iter().filter_map(|c| c.publication.as_ref()).map(Publication::sent).sum()
}

fn dropped(session: &Session) -> (u64, u64) {
    let ports: Vec<u16> = session.clients.iter().map(|client| client.peer.port()).collect();
    process::dropped_datagrams(&ports)
}

fn publish(session: &mut Session, identity: &Arc<Identity>) -> Fallible<()> {
    let now = Instant::now();
    let peer = Peer::new(now, identity, true)?;
    let sdp = sdp::publisher_offer(&peer.description(), "stream");
    let index = session.add(peer)?;
    let request = json!({ "type": "publish", "peer": "publisher", "label": "stream", "sdp": sdp });
    let id = session.server.request(request)?;
    let answer = wait_for(session, |message| message["id"] == id)?;
    let sdp = answer["sdp"].as_str().ok_or("no description in the server's answer")?;
    session.clients[index].peer.connect(Instant::now(), sdp)?;
    // Media that comes before the server is ready would be lost.
    wait_for(session, |message| message["event"] == "ready")?;
    let end = Instant::now() + PATIENCE;
    while !session.clients[index].peer.is_ready() {
        if Instant::now() > end {
            return Err("the publisher did not connect".into());
        }
        session.turn(end, &mut Vec::new())?;
    }
    session.clients[index].publication = Some(Publication::new(system::unix_nanoseconds()));
    Ok(())
}

/// Viewers join a few at a time, while media flows.
struct Joining {
    identity: Arc<Identity>,
    /// The requests on their way, with the number of their viewer and its start.
    waiting: HashMap<u64, (usize, Instant)>,
    requested: usize,
    next_request: Instant,
}

impl Joining {
    fn run(&mut self, session: &mut Session, arguments: &Arguments) -> Fallible<()> {
        let mut end = Instant::now() + PATIENCE;
        loop {
            // The first client publishes.
            let viewers = session.clients.iter().skip(1);
            let joined = viewers.filter(|c| c.subscriber.first_packet_at.is_some()).count();
            if joined == arguments.subscribers {
                return Ok(());
            }
            while self.requested < arguments.subscribers
                && self.requested < joined + arguments.joins_at_once
                && Instant::now() >= self.next_request
            {
                let peer = format!("viewer-{}", self.requested);
                let request = json!({ "type": "subscribe", "peer": peer });
                let id = session.server.request(request)?;
                self.waiting.insert(id, (self.requested, Instant::now()));
                self.requested += 1;
                // Right after a packet of the publisher, joins would all wait for the same one.
                let phase = FRAME.mul_f64(self.requested as f64 * 0.618_034 % 1.0);
                self.next_request = Instant::now() + JOIN_INTERVAL + phase;
                end = Instant::now() + PATIENCE;
            }
            if Instant::now() > end {
                return Err(format!("only {joined} viewers got media").into());
            }
            let mut messages = Vec::new();
            // Not in the past: that would be a busy loop while the last ones join.
            let wake = if self.next_request > Instant::now() { self.next_request } else { end };
            session.turn(wake, &mut messages)?;
            for message in messages {
                self.handle(session, &message)?;
            }
        }
    }

    fn handle(&mut self, session: &mut Session, message: &Value) -> Fallible<()> {
        refuse_failure(message)?;
        let id = message["id"].as_u64().unwrap_or(0);
        let Some((number, requested_at)) = self.waiting.remove(&id) else { return Ok(()) };
        let offer = message["sdp"].as_str().ok_or("no description in the server's offer")?;
        let now = Instant::now();
        let mut peer = Peer::new(now, &self.identity, false)?;
        let sdp = sdp::subscriber_answer(&peer.description(), offer);
        let name = format!("viewer-{number}");
        session.server.request(json!({ "type": "answer", "peer": name, "sdp": sdp }))?;
        peer.connect(now, offer)?;
        let index = session.add(peer)?;
        session.clients[index].subscriber.requested_at = Some(requested_at);
        Ok(())
    }
}

fn refuse_failure(message: &Value) -> Fallible<()> {
    match message["event"] == "failed" {
        true => Err(format!("the server gave up on {}", message["peer"]).into()),
        false => Ok(()),
    }
}

fn wait_for(session: &mut Session, mut wanted: impl FnMut(&Value) -> bool) -> Fallible<Value> {
    let end = Instant::now() + PATIENCE;
    loop {
        if Instant::now() > end {
            return Err("the server does not answer".into());
        }
        for message in session.run_until(end)? {
            refuse_failure(&message)?;
            if wanted(&message) {
                return Ok(message);
            }
        }
    }
}

fn run_for(session: &mut Session, time: Duration) -> Fallible<()> {
    let end = Instant::now() + time;
    while Instant::now() < end {
        for message in session.run_until(end)? {
            refuse_failure(&message)?;
        }
    }
    Ok(())
}

/// For one step of signalling or connecting; loaded machines are slow, dead servers slower.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two joins at least.
const JOIN_INTERVAL: Duration = Duration::from_millis(10);
/// Joins start at every phase of the publisher's slowest rhythm.
const FRAME: Duration = Duration::from_millis(33);
const WARM_UP: Duration = Duration::from_secs(1);
/// Longer than any packet of a server that keeps up is under way.
const DRAIN: Duration = Duration::from_millis(500);
