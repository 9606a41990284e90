//! The `transport` layer: ICE, DTLS and SRTP as one machine. Datagrams go in, clear RTP and RTCP
//! come out.
//!
//! Sockets, routing between connections and the meaning of media belong to the layers above.

pub mod certificate;
pub mod config;
pub mod demux;
mod dtls;
pub mod error;
mod ice;
pub mod reflexive;
mod security;
pub mod srtp;
pub mod state;
#[expect(clippy::module_inception, reason = "the layer and its machine share the RFC's word")]
mod transport;

pub use certificate::Certificate;
pub use config::TransportConfig;
pub use error::TransportError;
pub use srtp::SrtpProfile;
pub use state::{
    DropReason, DtlsState, FailReason, IceState, Received, TransportCounters, TransportEvent,
    TransportOutput,
};
pub use transport::Transport;
