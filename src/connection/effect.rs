//! What a connection asks of the engine that owns it, in order.

use std::net::SocketAddr;

use crate::connection::config::{ServerAddress, StreamKey};
use crate::connection::output::GatherRequest;
use crate::rtp::id::MediaKind;

/// What has to happen outside the connection.
#[derive(Debug)]
pub(crate) enum Effect {
    Gather(GatherRequest),
    /// The address of this server is needed.
    Resolve(ServerAddress),
    /// The answer to this STUN transaction is for this connection.
    AddTransaction([u8; 12]),
    /// Connectivity checks for this fragment are for this connection.
    AddUfrag(String),
    /// Answers to checks may come from this address, and its handshake, if it is nobody else's.
    ClaimRemote(SocketAddr),
    /// Datagrams from this address are for this connection: a check has passed on it.
    OwnRemote(SocketAddr),
    /// These streams take the current remote description as theirs (contract NEG-28).
    ConfigureStreams(Vec<StreamKey>),
    /// The transport carries media now (contract EVT-12).
    Ready,
    /// The section with this mid belongs to the stream now (contract ASC-3).
    Associate {
        stream: StreamKey,
        kind: MediaKind,
        mid: String,
    },
    /// Nothing will be sent or received any more.
    Release,
}
