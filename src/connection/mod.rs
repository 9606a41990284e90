//! Connections: transport, negotiation and streams of one remote party composed, and the engine
//! that owns all connections and fan-outs of one worker. Sans-I/O throughout.

pub mod command;
pub mod config;
mod counters;
mod effect;
pub mod engine;
pub mod error;
pub mod event;
mod fan_out;
mod identity_hash;
pub mod output;
mod router;
mod routes;
mod statistics;
mod stream;
mod timers;
mod web_rtc_connection;
