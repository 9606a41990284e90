//! Engine tests.
mod link;
mod transport_handshake;
mod transport_peer;
mod transport_security;
