//! All connections, streams and fan-outs of one worker, as one sans-I/O machine.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::connection::command::Command;
use crate::connection::config::{ConnectionId, WorkerId};
use crate::transport::certificate::Certificate;

/// Where finished datagrams go.
pub trait DatagramSink {
    /// A buffer of at least 1500 bytes for the next datagram; what it holds is undefined.
    fn slot(&mut self) -> &mut [u8];
    /// Sends the first `len` bytes of the slot.
    fn send(&mut self, local: SocketAddr, remote: SocketAddr, len: usize);
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GatherRequest {
    pub ports: Option<RangeInclusive<u16>>,
    pub network_interface: Option<String>,
}

#[derive(Debug)]
pub struct EngineConfig {
    pub worker: WorkerId,
    pub certificate: Arc<Certificate>,
    pub now: Instant,
    pub unix_time: Duration,
}

#[derive(Debug)]
pub enum Relay {}

pub enum EngineOutput {
    Gather { connection: ConnectionId, request: GatherRequest },
    Release { connection: ConnectionId },
    Reply(Box<dyn FnOnce() + Send>),
    Relay { to: WorkerId, relay: Relay },
}

#[derive(Debug)]
pub struct Engine;

impl Engine {
    pub fn new(_: EngineConfig) -> Self {
        Engine
    }
    pub fn handle_command(&mut self, _: Instant, _: Command) {}
    pub fn handle_relay(&mut self, _: Instant, _: Relay) {}
    pub fn handle_addresses(&mut self, _: Instant, _: ConnectionId, _: &[SocketAddr]) {}
    pub fn handle_datagram(
        &mut self,
        _: Instant,
        _: SocketAddr,
        _: SocketAddr,
        _: &mut [u8],
        _: &mut dyn DatagramSink,
    ) {
    }
    pub fn handle_timeout(&mut self, _: Instant, _: &mut dyn DatagramSink) {}
    pub fn flush(&mut self, _: Instant, _: &mut dyn DatagramSink) {}
    pub fn fail_current(&mut self, _: Instant) {}
    pub fn poll_output(&mut self) -> Option<EngineOutput> {
        None
    }
    pub fn poll_timeout(&mut self) -> Option<Instant> {
        None
    }
    pub fn is_idle(&self) -> bool {
        true
    }
}
