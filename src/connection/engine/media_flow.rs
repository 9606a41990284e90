//! Media from a publisher to its subscribers, and what subscribers want from it.

use std::sync::Arc;
use std::time::Instant;

use crate::bandwidth::receive_side::ReceiveSide;
use crate::connection::config::{ConnectionId, FanOutId, StreamKey};
use crate::connection::engine::{Engine, TimerKey};
use crate::connection::output::{DatagramSink, EngineOutput, Relay};
use crate::connection::stream::{Agreement, Role};
use crate::media::subscriber::Forward;
use crate::rtp::id::Ssrc;
use crate::rtp::rtcp::{ReportBlock, Rtcp};

impl Engine {
    /// Something that another worker sent to a fan-out of ours.
    pub fn handle_relay(&mut self, now: Instant, relay: Relay) {
        match relay {
            Relay::Media { fan_out, packets } => {
                let Some(target) = self.fan_outs.get_mut(&fan_out) else { return };
                for packet in packets {
                    if target.take(packet) {
                        self.flowing.push(fan_out);
                    }
                }
            }
            Relay::Clock { fan_out, clock } => {
                if let Some(target) = self.fan_outs.get_mut(&fan_out) {
                    target.shared.set_clock(clock);
                }
            }
            Relay::KeyFrameWanted { publisher } => self.ask_publisher(now, publisher),
        }
    }

    /// Hands the media of this turn to every subscriber here and once to every other worker.
    ///
    /// Subscriber by subscriber, not packet by packet: its state stays in the cache and its
    /// datagrams stay adjacent in the send batch.
    pub(super) fn deliver(&mut self, now: Instant, id: FanOutId, out: &mut dyn DatagramSink) {
        let at = self.moment(now);
        let Some(fan_out) = self.fan_outs.get_mut(&id) else { return };
        if fan_out.served == 0 {
            for worker in &fan_out.workers {
                let packets = fan_out.pending.iter().map(Arc::clone).collect();
                let relay = Relay::Media { fan_out: id, packets };
                self.outputs.push_back(EngineOutput::Relay { to: *worker, relay });
            }
        }
        while let Some(key) = fan_out.subscriber(fan_out.served) {
            // First, so that after a panic the others are served without this one.
            fan_out.served += 1;
            let Some(stream) = self.streams.get_mut(&key) else { continue };
            let Role::Subscriber(subscriber) = &mut stream.role else { continue };
            if !stream.attached {
                continue;
            }
            self.driving = Some(stream.connection);
            let Some(connection) = self.connections.get_mut(&stream.connection) else { continue };
            if !connection.can_send() {
                continue;
            }
            for packet in &fan_out.pending {
                let sequence = connection.transport_sequence();
                let written = subscriber.forward(at, packet, Some(sequence), out.slot());
                if let Forward::Send(outgoing) = written {
                    connection.send_rtp(&outgoing, out);
                }
            }
            if !std::mem::replace(&mut stream.stirred, true) {
                self.stirred.push(key);
            }
        }
        fan_out.served = 0;
        fan_out.pending.clear();
    }

    /// Looks after a stream whose packets, feedback or deadline moved: timers, reports, requests.
    pub(super) fn drive_stream(
        &mut self,
        now: Instant,
        key: StreamKey,
        out: &mut dyn DatagramSink,
    ) {
        let at = self.moment(now);
        let Some(stream) = self.streams.get_mut(&key) else { return };
        stream.stirred = false;
        let Some(connection) = self.connections.get_mut(&stream.connection) else { return };
        self.driving = Some(stream.connection);
        // What cannot speak has no deadline: whatever lets it speak stirs it.
        if !connection.can_send() || !stream.attached {
            return;
        }
        let compound = &mut self.compound;
        compound.clear();
        let mut ask = None;
        match &mut stream.role {
            Role::Waiting => return,
            Role::Publisher(publisher) => {
                publisher.handle_timeout(now);
                publisher.poll_feedback(now, compound);
            }
            Role::Subscriber(subscriber) => {
                let Some(fan_out) = stream.fan_out.and_then(|id| self.fan_outs.get(&id)) else {
                    return;
                };
                subscriber.handle_timeout(now);
                subscriber.poll_reports(at, &fan_out.shared, compound);
                ask = fan_out.publisher.filter(|_| subscriber.take_key_frame_request());
            }
        }
        if !compound.is_empty() {
            connection.send_rtcp(compound, out);
        }
        self.timers.arm(now, TimerKey::Stream(key), stream.poll_timeout());
        if let Some((worker, publisher)) = ask {
            if worker == self.worker {
                self.ask_publisher(now, publisher);
            } else {
                let relay = Relay::KeyFrameWanted { publisher };
                self.outputs.push_back(EngineOutput::Relay { to: worker, relay });
            }
        }
    }

    /// A sender report of a publisher, for the clocks of its subscribers.
    pub(super) fn handle_publisher_report(&mut self, now: Instant, key: StreamKey, report: &Rtcp) {
        let Some(stream) = self.streams.get_mut(&key) else { return };
        let Role::Publisher(publisher) = &mut stream.role else { return };
        let Some(clock) = publisher.handle_rtcp(now, report) else { return };
        // Both receivers: they may differ, and a clock too many does no harm.
        for id in stream.receivers() {
            let Some(fan_out) = self.fan_outs.get_mut(&id) else { continue };
            fan_out.shared.set_clock(clock);
            for worker in &fan_out.workers {
                let relay = Relay::Clock { fan_out: id, clock };
                self.outputs.push_back(EngineOutput::Relay { to: *worker, relay });
            }
        }
    }

    /// Feedback about what we send under `media`.
    pub(super) fn handle_feedback(
        &mut self,
        now: Instant,
        id: ConnectionId,
        media: Ssrc,
        report: &Rtcp,
        out: &mut dyn DatagramSink,
    ) {
        let at = self.moment(now);
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let Some(key) = connection.routes.sender(media) else { return };
        let Some(stream) = self.streams.get_mut(&key) else { return };
        let Role::Subscriber(subscriber) = &mut stream.role else { return };
        subscriber.handle_rtcp(at, report);
        if let Rtcp::Nack { lost, .. } = report
            && let Some(fan_out) = stream.fan_out.and_then(|id| self.fan_outs.get(&id))
        {
            for sequence in lost {
                if let Some(outgoing) =
                    subscriber.resend(now, media, *sequence, &fan_out.shared, out.slot())
                {
                    connection.send_again(&outgoing, out);
                }
            }
        }
        self.stir(key);
    }

    /// Feedback with a list of our SSRCs: each stream looks for its own, once, however often the
    /// list names them.
    pub(super) fn handle_listed_feedback(&mut self, now: Instant, id: ConnectionId, report: &Rtcp) {
        let at = self.moment(now);
        let Some(connection) = self.connections.get(&id) else { return };
        for key in &connection.streams {
            let Some(stream) = self.streams.get_mut(key) else { continue };
            let Role::Subscriber(subscriber) = &mut stream.role else { continue };
            if subscriber.handle_rtcp(at, report) && !std::mem::replace(&mut stream.stirred, true) {
                self.stirred.push(*key);
            }
        }
    }

    /// Each block is about one of our sending SSRCs.
    pub(super) fn handle_report_blocks(
        &mut self,
        now: Instant,
        id: ConnectionId,
        blocks: &[ReportBlock],
    ) {
        let at = self.moment(now);
        let Some(connection) = self.connections.get(&id) else { return };
        for block in blocks {
            let Some(key) = connection.routes.sender(block.ssrc) else { continue };
            let Some(stream) = self.streams.get_mut(&key) else { continue };
            if let Role::Subscriber(subscriber) = &mut stream.role {
                subscriber.handle_report_block(at, block);
            }
        }
    }

    /// Arrival times or an estimate for the peer, about all its publishers together.
    pub(super) fn send_receive_side(
        &mut self,
        now: Instant,
        id: ConnectionId,
        out: &mut dyn DatagramSink,
    ) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if !connection.can_send() || !connection.receive_side.is_due(now) {
            return;
        }
        let mut sources = std::mem::take(&mut self.sources);
        sources.clear();
        let mut sender = None;
        let mut limit = Some(0u64);
        for key in &connection.streams {
            let Some(stream) = self.streams.get(key) else { continue };
            let Role::Publisher(publisher) = &stream.role else { continue };
            sender = Some(stream.config.video_ssrc);
            sources.extend(publisher.feedback_source());
            // One publisher without a bound leaves the connection without one.
            let bound = Some(publisher.max_video_bitrate()).filter(|bound| *bound != 0);
            limit = limit.zip(bound).map(|(sum, bound)| sum.saturating_add(bound));
        }
        connection.receive_side.set_limit(limit.unwrap_or(0));
        if let (Some(sender), false) = (sender, sources.is_empty()) {
            connection.send_receive_side(now, sender, &sources, &mut self.compound, out);
        } else {
            // Nobody is left to be told; a deadline that is not served would never rest.
            connection.receive_side = ReceiveSide::new();
        }
        self.sources = sources;
    }

    /// Streams that a new remote description concerns get their publisher or subscriber.
    pub(super) fn configure_stream(&mut self, now: Instant, key: StreamKey) {
        let Some(stream) = self.streams.get_mut(&key) else { return };
        let Some(connection) = self.connections.get_mut(&stream.connection) else { return };
        let (audio, video) = connection.negotiation().extension_maps();
        if let Some(remote) = connection.negotiation().remote() {
            stream.configure(now, &Agreement { remote, audio: &audio, video: &video });
        }
        if let Role::Publisher(publisher) = &stream.role {
            for (ssrc, kind) in publisher.sources() {
                connection.routes.add_source(ssrc, kind, key);
            }
        }
        if connection.can_send() {
            stream.set_client_host_type(connection.client_host_type());
        }
        self.stir(key);
    }

    /// The transport carries media now: subscribers need a picture (contract EVT-12).
    pub(super) fn wake_streams(&mut self, now: Instant, id: ConnectionId) {
        let Some(connection) = self.connections.get(&id) else { return };
        let host_type = connection.client_host_type();
        for key in &connection.streams {
            if let Some(stream) = self.streams.get_mut(key) {
                stream.set_client_host_type(host_type);
                if matches!(stream.role, Role::Subscriber(_)) {
                    stream.request_key_frame(now);
                }
                if !std::mem::replace(&mut stream.stirred, true) {
                    self.stirred.push(*key);
                }
            }
        }
    }

    fn ask_publisher(&mut self, now: Instant, key: StreamKey) {
        if let Some(stream) = self.streams.get_mut(&key) {
            stream.request_key_frame(now);
            self.stir(key);
        }
    }
}
