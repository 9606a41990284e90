//! erizo: the media engine behind `erizo-rs`, Licode's ErizoAPI in Rust.
//!
//! Layers, each importing only from those below it (docs/architecture.md):
//!
//! ```text
//! node -> runtime -> connection -> { transport, media } -> { negotiation, bandwidth } -> stats -> rtp
//! ```
//!
//! Everything below `runtime` is sans-I/O: it is told the time and handed bytes. `node` is the
//! only layer that knows JavaScript and sits behind the default Cargo feature of the same name.

#![deny(unsafe_op_in_unsafe_fn)]

pub mod bandwidth;
pub mod connection;
pub mod media;
pub mod negotiation;
#[cfg(feature = "node")]
pub mod node;
pub mod rtp;
pub mod runtime;
pub mod stats;
pub mod transport;
