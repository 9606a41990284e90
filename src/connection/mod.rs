//! Connections: transport, negotiation and streams of one remote party composed, and the engine
//! that owns all connections and fan-outs of one worker. Sans-I/O throughout.

pub mod command;
pub mod config;
pub mod engine;
pub mod error;
pub mod event;
