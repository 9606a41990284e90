//! Engine tests.

mod link;
mod srtp_hostile;
mod srtp_oracle;
mod srtp_packets;
mod transport_handshake;
mod transport_peer;
mod transport_restart;
mod transport_security;
