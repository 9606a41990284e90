//! Interop tests: our workers and handles against the `webrtc` crate, an independent stack, over
//! real UDP on the loopback interface, with signalling by SDP text as a program would do it.
//!
//! Everything waits for events with a bound; nothing sleeps to let something happen.

#![allow(clippy::disallowed_methods, reason = "this suite runs on real time and real sockets")]

mod bounded;
mod call;
mod far_end;
mod media;
mod near_end;
mod relay;
mod sdp;

mod feedback;
mod lifecycle;
mod publish_and_subscribe;
mod renegotiation;
mod transport;
mod worker_time;
