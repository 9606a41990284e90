//! What an engine gives to whoever drives it.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::connection::config::{ConnectionId, FanOutId, ServerAddress, StreamKey, WorkerId};
use crate::media::clock::MediaClock;
use crate::media::packet::MediaPacket;

/// Where finished datagrams go.
pub trait DatagramSink {
    /// A buffer of at least 1500 bytes for the next datagram; what it holds is undefined.
    fn slot(&mut self) -> &mut [u8];
    /// Sends the first `len` bytes of the slot.
    fn send(&mut self, local: SocketAddr, remote: SocketAddr, len: usize);
}

/// Local addresses that a connection needs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GatherRequest {
    /// Local ports, both ends included; `None`: any.
    pub ports: Option<RangeInclusive<u16>>,
    pub network_interface: Option<String>,
}

/// Done by the driver in order.
pub enum EngineOutput {
    /// Answered by `Engine::handle_addresses`.
    Gather {
        connection: ConnectionId,
        request: GatherRequest,
    },
    /// Answered by `Engine::handle_resolved`.
    Resolve {
        connection: ConnectionId,
        server: ServerAddress,
    },
    /// The connection uses no address any more.
    Release {
        connection: ConnectionId,
    },
    /// The outcome of a command, after everything that it asked for above.
    Reply(Box<dyn FnOnce() + Send>),
    Relay {
        to: WorkerId,
        relay: Relay,
    },
}

/// What one engine tells another about a fan-out that both take part in.
#[derive(Debug)]
pub enum Relay {
    /// Media of one loop turn, in order.
    Media { fan_out: FanOutId, packets: Vec<Arc<MediaPacket>> },
    /// How the publisher's clocks relate, for the sender reports of its subscribers.
    Clock { fan_out: FanOutId, clock: MediaClock },
    /// A subscriber cannot go on without a key frame.
    KeyFrameWanted { publisher: StreamKey },
}

impl std::fmt::Debug for EngineOutput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            EngineOutput::Gather { connection, .. } => write!(f, "Gather({connection:?})"),
            EngineOutput::Resolve { connection, .. } => write!(f, "Resolve({connection:?})"),
            EngineOutput::Release { connection } => write!(f, "Release({connection:?})"),
            EngineOutput::Reply(_) => f.write_str("Reply"),
            EngineOutput::Relay { to, relay } => write!(f, "Relay({to:?}, {relay:?})"),
        }
    }
}
