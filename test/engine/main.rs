//! Engine tests.
mod link;
mod transport_handshake;
mod transport_peer;
mod transport_restart;
mod transport_security;
