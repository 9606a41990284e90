//! What a connection and its streams tell the embedding program.

use crate::negotiation::ice::IceCandidate;

/// Life of a connection (contract section 3.1; the numbers live in `node/events.rs`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ConnectionState {
    Initial,
    Gathered,
    Ready,
    Failed,
}

#[derive(Clone, PartialEq, Debug)]
pub enum ConnectionEvent {
    State(ConnectionState),
    /// A local candidate, only with trickle on; `mid` is that of the first section (EVT-7).
    Candidate {
        candidate: IceCandidate,
        mid: String,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StreamEvent {
    /// The stream has its remote description and media can flow (contract EVT-20).
    Ready,
}
