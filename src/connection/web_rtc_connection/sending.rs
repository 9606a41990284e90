//! Finished packets of a connection: encrypted and handed to the sink.

use std::net::SocketAddr;
use std::time::Instant;

use super::WebRtcConnection;
use crate::connection::output::DatagramSink;
use crate::media::outgoing_track::Outgoing;
use crate::rtp::id::Ssrc;
use crate::transport::Transport;

impl WebRtcConnection {
    /// Whether media may leave now (contract M-PATH-1).
    pub(crate) fn can_send(&self) -> bool {
        self.transport.as_ref().is_some_and(Transport::is_ready)
    }

    /// The number for the next packet that carries one; used up by [`Self::send_rtp`].
    pub(crate) fn transport_sequence(&self) -> u16 {
        self.transport_sequence
    }

    /// Encrypts the packet that stands in the sink's slot and sends it.
    pub(crate) fn send_rtp(&mut self, packet: &Outgoing, out: &mut dyn DatagramSink) {
        if packet.numbered {
            self.transport_sequence = self.transport_sequence.wrapping_add(1);
        }
        self.send_again(packet, out);
    }

    /// The same for a packet that was sent before.
    pub(crate) fn send_again(&mut self, packet: &Outgoing, out: &mut dyn DatagramSink) {
        let Some(transport) = &mut self.transport else { return };
        let Some((local, remote)) = transport.path() else { return };
        let Outgoing { len, header_len, roll_over, .. } = *packet;
        let Some(len) = transport.protect_rtp(out.slot(), len, header_len, roll_over) else {
            return;
        };
        self.counters.rtp_sent += 1;
        self.counters.bytes_sent += len as u64;
        out.send(local, remote, len);
    }

    /// Encrypts a compound and sends it.
    pub(crate) fn send_rtcp(&mut self, compound: &mut Vec<u8>, out: &mut dyn DatagramSink) {
        let Some(transport) = &mut self.transport else { return };
        let Some((local, remote)) = transport.path() else { return };
        if transport.protect_rtcp(compound).is_none() {
            return;
        }
        send(out, local, remote, compound);
    }

    /// Tells the peer what has arrived from its publishers, whose video SSRCs are `sources`.
    pub(crate) fn send_receive_side(
        &mut self,
        now: Instant,
        sender: Ssrc,
        sources: &[Ssrc],
        compound: &mut Vec<u8>,
        out: &mut dyn DatagramSink,
    ) {
        compound.clear();
        if self.receive_side.poll_feedback(now, sender, sources, compound) {
            self.send_rtcp(compound, out);
        }
    }
}

/// What does not fit a datagram is not sent.
pub(super) fn send(out: &mut dyn DatagramSink, local: SocketAddr, remote: SocketAddr, data: &[u8]) {
    if let Some(slot) = out.slot().get_mut(..data.len()) {
        slot.copy_from_slice(data);
        out.send(local, remote, data.len());
    }
}
