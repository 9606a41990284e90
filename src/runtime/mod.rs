//! The only layer that knows threads, sockets and clocks: worker threads that each own an engine,
//! and the handles through which other threads talk to them.

#![allow(clippy::disallowed_methods, reason = "clocks, threads and sockets belong here")]

mod certificate;
mod datagram_batch;
pub mod fan_out;
pub mod handle;
mod interfaces;
mod message;
pub mod pool;
mod random;
mod sockets;
mod worker;
