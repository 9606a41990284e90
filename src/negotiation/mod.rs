//! Session descriptions and the offer/answer engine: what a connection promises its peer.
//!
//! Decides section order, mids, codecs and extensions (contract negotiation.md sections 4 and 5);
//! leaves ICE, DTLS and media to the layers above.

pub mod codec;
pub mod configuration;
pub mod description;
pub mod direction;
pub mod error;
pub mod extension;
pub mod fuzz;
pub mod ice;
mod local;
mod offer;
pub mod plan;
mod remote;
mod sdp;
pub mod section;
pub mod session;
pub mod setup;
mod transceiver;
