//! The loop that drives every far end from one thread: receive, count, send what is due.

use std::time::{Duration, Instant};

use rtc::rtcp::Packet;
use rtc::rtcp::payload_feedbacks::full_intra_request::FullIntraRequest;
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use serde_json::Value;

use crate::Fallible;
use crate::measurement::Measurement;
use crate::media::{Publication, Stamp};
use crate::peer::{Arrival, Peer};
use crate::signalling::Server;
use crate::subscriber::Subscriber;
use crate::system::{self, Readiness, ReceiveBatch};

pub struct Session {
    pub server: Server,
    pub clients: Vec<Client>,
    pub measurement: Measurement,
    readiness: Readiness,
    ready: Vec<usize>,
    batch: ReceiveBatch,
    clear: Vec<u8>,
    next_tick: Instant,
    ticks: usize,
}

pub struct Client {
    pub peer: Peer,
    pub publication: Option<Publication>,
    pub subscriber: Subscriber,
}

impl Session {
    pub fn new(server: Server) -> Fallible<Session> {
        let readiness = Readiness::new()?;
        readiness.add(server.fd(), SERVER)?;
        Ok(Session {
            server,
            clients: Vec::new(),
            measurement: Measurement::default(),
            readiness,
            ready: Vec::new(),
            batch: ReceiveBatch::new(),
            clear: Vec::new(),
            next_tick: Instant::now(),
            ticks: 0,
        })
    }

    /// Returns the client's index.
    pub fn add(&mut self, peer: Peer) -> Fallible<usize> {
        let index = self.clients.len();
        self.readiness.add(peer.fd(), index)?;
        let subscriber = Subscriber::default();
        self.clients.push(Client { peer, publication: None, subscriber });
        Ok(index)
    }

    /// Runs until `end`, or until the server has said something.
    pub fn run_until(&mut self, end: Instant) -> Fallible<Vec<Value>> {
        let mut messages = Vec::new();
        while messages.is_empty() && Instant::now() < end {
            self.turn(end, &mut messages)?;
        }
        Ok(messages)
    }

    /// One wait and what it brought.
    pub fn turn(&mut self, end: Instant, messages: &mut Vec<Value>) -> Fallible<()> {
        let now = Instant::now();
        let until = end.min(self.next_tick).saturating_duration_since(now);
        let media = self
            .media_due_at()
            .map(|due| Duration::from_nanos(due.saturating_sub(system::unix_nanoseconds())));
        let mut ready = std::mem::take(&mut self.ready);
        self.readiness.wait(media.map_or(until, |media| media.min(until)), &mut ready);
        for number in ready.drain(..) {
            match number {
                SERVER => self.server.read(messages)?,
                index => self.receive(index)?,
            }
        }
        self.ready = ready;
        self.send_media()?;
        if Instant::now() >= self.next_tick {
            self.tick()?;
        }
        Ok(())
    }

    fn media_due_at(&self) -> Option<u64> {
        self.clients.iter().filter_map(|c| c.publication.as_ref().map(Publication::due_at)).min()
    }

    fn send_media(&mut self) -> Fallible<()> {
        for Client { peer, publication, .. } in &mut self.clients {
            let Some(publication) = publication else { continue };
            let mut result = Ok(());
            publication.run(system::unix_nanoseconds, |packet| {
                result =
                    std::mem::replace(&mut result, Ok(())).and_then(|()| peer.send_rtp(packet));
            });
            result?;
        }
        Ok(())
    }

    fn receive(&mut self, index: usize) -> Fallible<()> {
        let Some(client) = self.clients.get_mut(index) else { return Ok(()) };
        // Readiness is level-triggered: a full batch leaves the rest to the next turn.
        self.batch.receive(client.peer.fd());
        let (now, clock) = (Instant::now(), system::unix_nanoseconds());
        let was_ready = client.peer.is_ready();
        for (from, datagram, arrived_at) in self.batch.iter() {
            match client.peer.handle(now, from, datagram, &mut self.clear)? {
                Arrival::Rtp => {
                    client.subscriber.count(&self.clear);
                    let Some(stamp) = Stamp::read(&self.clear) else { continue };
                    client.subscriber.first_packet_at.get_or_insert(now);
                    let arrived_at = arrived_at.unwrap_or(clock);
                    self.measurement.count(&mut client.subscriber, stamp, arrived_at, clock);
                }
                Arrival::Rtcp => client.handle_rtcp(now, &self.clear),
                Arrival::Other => {}
            }
        }
        if !was_ready && client.peer.is_ready() {
            client.subscriber.connected_at = Some(now);
        }
        Ok(())
    }

    /// Timers, and each second every client's reports, spread over the second.
    fn tick(&mut self) -> Fallible<()> {
        let now = Instant::now();
        self.next_tick = now + TICK;
        self.ticks += 1;
        for (index, client) in self.clients.iter_mut().enumerate() {
            client.peer.handle_timeout(now)?;
            if (index + self.ticks).is_multiple_of(TICKS_PER_REPORT) && client.peer.is_ready() {
                client.send_reports(now)?;
            }
        }
        Ok(())
    }
}

impl Client {
    fn handle_rtcp(&mut self, now: Instant, compound: &[u8]) {
        self.subscriber.handle_rtcp(now, compound);
        let Some(publication) = &mut self.publication else { return };
        for packet in rtc::rtcp::packet::unmarshal(&mut &*compound).unwrap_or_default() {
            let packet = packet.as_any();
            if packet.is::<PictureLossIndication>() || packet.is::<FullIntraRequest>() {
                publication.want_key_frame();
            }
        }
    }

    fn send_reports(&mut self, now: Instant) -> Fallible<()> {
        let reports: Vec<Box<dyn Packet>> = match &self.publication {
            Some(publication) => publication
                .sender_reports(system::unix_nanoseconds())
                .into_iter()
                .map(|report| Box::new(report) as Box<dyn Packet>)
                .collect(),
            None => self.subscriber.reports(now),
        };
        self.peer.send_rtcp(&rtc::rtcp::packet::marshal(&reports)?)
    }
}

/// The server's number among the readable; clients have their index.
const SERVER: usize = usize::MAX;
const TICK: Duration = Duration::from_millis(20);
const TICKS_PER_REPORT: usize = 50;
