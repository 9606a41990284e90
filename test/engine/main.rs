//! Engine tests.
mod link;
mod transport_handshake;
mod transport_peer;
