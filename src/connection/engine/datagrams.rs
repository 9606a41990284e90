//! A datagram's way to its connection and stream.

use std::net::SocketAddr;
use std::time::Instant;

use crate::connection::config::ConnectionId;
use crate::connection::engine::Engine;
use crate::connection::output::DatagramSink;
use crate::media::incoming::IncomingPacket;
use crate::media::publisher::Refused;
use crate::rtp::packet::RtpHeader;
use crate::rtp::rtcp::{self, Rtcp};
use crate::transport::Received;
use crate::transport::demux::{self, Datagram};

impl Engine {
    /// `data` is decrypted in place and may be overwritten.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        local: SocketAddr,
        remote: SocketAddr,
        data: &mut [u8],
        out: &mut dyn DatagramSink,
    ) {
        if let Some(id) = self.server_answer(data) {
            return self.handle_server_answer(now, id, remote, data);
        }
        let Some(id) = self.route(remote, data) else {
            self.stray_datagrams += 1;
            return;
        };
        self.driving = Some(id);
        let Some(connection) = self.connections.get_mut(&id) else { return };
        match connection.handle_datagram(now, local, remote, data) {
            Some(Received::Rtp(packet)) => self.handle_rtp(now, id, packet),
            Some(Received::Rtcp(compound)) => self.handle_rtcp(now, id, compound, out),
            Some(Received::Handled) => self.touch(id),
            Some(Received::Dropped(_)) | None => {}
        }
        self.driving = None;
    }

    /// The connection whose question to a STUN server this answers.
    fn server_answer(&mut self, data: &[u8]) -> Option<ConnectionId> {
        if demux::classify(data) != Datagram::Stun || !demux::is_binding_response(data) {
            return None;
        }
        self.router.take_transaction(&demux::transaction_id(data)?)
    }

    fn handle_server_answer(
        &mut self,
        now: Instant,
        id: ConnectionId,
        remote: SocketAddr,
        data: &[u8],
    ) {
        self.driving = Some(id);
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.handle_stun_answer(now, remote, data);
            self.touch(id);
        }
        self.driving = None;
    }

    fn route(&self, remote: SocketAddr, data: &[u8]) -> Option<ConnectionId> {
        if demux::classify(data) != Datagram::Stun {
            return self.router.by_remote(remote);
        }
        if let Some(ufrag) = demux::local_ufrag_of_binding_request(data) {
            return self.router.by_ufrag(ufrag);
        }
        // An answer belongs to whoever asked, whosever the address is.
        let asked = |id: &&ConnectionId| {
            let transport = self.connections.get(id).and_then(|connection| connection.transport());
            transport.is_some_and(|transport| transport.owns_stun(data, remote))
        };
        self.router.claimants(remote).iter().find(asked).copied()
    }

    fn handle_rtp(&mut self, now: Instant, id: ConnectionId, packet: &[u8]) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let Ok(header) = RtpHeader::parse(packet) else {
            connection.counters.malformed_rtp += 1;
            return;
        };
        connection.counters.rtp_received += 1;
        connection.counters.bytes_received += packet.len() as u64;
        let Some((route, extensions)) = connection.routes.find(&header, packet) else {
            connection.counters.unroutable += 1;
            return;
        };
        let Some(stream) = self.streams.get_mut(&route.stream).filter(|s| s.attached) else {
            connection.counters.unroutable += 1;
            return;
        };
        let packet = IncomingPacket { data: packet, header, extensions };
        let media = stream.receive(now, &packet, &mut connection.receive_side);
        connection.counters.unroutable += u64::from(matches!(media, Err(Refused::UnknownSource)));
        let receiver = stream.receiver(route.kind);
        self.stir(route.stream);
        self.touch(id);
        let (Ok(media), Some(receiver)) = (media, receiver) else { return };
        let Some(fan_out) = self.fan_outs.get_mut(&receiver) else { return };
        if fan_out.take(media) {
            self.flowing.push(receiver);
        }
    }

    fn handle_rtcp(
        &mut self,
        now: Instant,
        id: ConnectionId,
        compound: &[u8],
        out: &mut dyn DatagramSink,
    ) {
        let mut malformed = 0;
        rtcp::parse(compound, |member| match member {
            Ok(report) => self.handle_report(now, id, &report, out),
            Err(_) => malformed += 1,
        });
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.counters.malformed_rtcp += malformed;
        }
    }

    /// A sender report belongs to the publisher that sends under its SSRC, feedback to the
    /// subscriber whose SSRC it names (contract M-PATH-20).
    fn handle_report(
        &mut self,
        now: Instant,
        id: ConnectionId,
        report: &Rtcp,
        out: &mut dyn DatagramSink,
    ) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        match report {
            Rtcp::SenderReport(sender) => {
                if let Some(route) = connection.routes.source(sender.ssrc) {
                    self.handle_publisher_report(now, route.stream, report);
                }
                self.handle_report_blocks(now, id, &sender.blocks);
            }
            Rtcp::ReceiverReport { blocks, .. } => self.handle_report_blocks(now, id, blocks),
            Rtcp::Nack { media, .. } | Rtcp::Pli { media, .. } => {
                self.handle_feedback(now, id, *media, report, out);
            }
            Rtcp::Fir { .. } => self.handle_listed_feedback(now, id, report),
            Rtcp::Remb { bitrate, .. } => {
                connection.remote_estimate = Some(*bitrate);
                self.handle_listed_feedback(now, id, report);
            }
            _ => {}
        }
    }
}
