//! Engine tests: everything below `runtime`, without sockets, in virtual time.

mod layering;
mod link;
mod negotiation_description;
mod negotiation_hostile;
mod negotiation_roles;
mod negotiation_scenarios;
mod negotiation_sdp;
mod negotiation_support;
mod session_client;
mod session_close;
mod session_feedback;
mod session_hostile;
mod session_loss;
mod session_media;
mod session_room;
mod session_streams;
mod srtp_hostile;
mod srtp_oracle;
mod srtp_packets;
mod transport_handshake;
mod transport_peer;
mod transport_restart;
mod transport_security;
