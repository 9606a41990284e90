//! What other threads may ask of the engine that owns a connection.

use crate::connection::config::{
    ConnectionConfig, ConnectionId, FanOutId, StreamConfig, StreamKey, WorkerId,
};
use crate::connection::error::ConnectionError;
use crate::connection::event::{ConnectionEvent, StreamEvent};
use crate::negotiation::description::SessionDescription;
use crate::negotiation::ice::{IceCandidate, IceCredentials};
use crate::rtp::id::MediaKind;

/// Called once with the outcome of an operation. Dropping it uncalled must be harmless: the
/// receiver settles by itself then.
pub type Reply<T> = Box<dyn FnOnce(Result<T, ConnectionError>) + Send>;
/// Receives the events of one connection, in order.
pub type ConnectionListener = Box<dyn Fn(ConnectionEvent) + Send>;
/// Receives the events of one stream, in order.
pub type StreamListener = Box<dyn Fn(StreamEvent) + Send>;

/// Applied in the order of sending (contract LIF-9).
pub enum Command {
    OpenConnection { id: ConnectionId, config: Box<ConnectionConfig>, listener: ConnectionListener },
    Connection { id: ConnectionId, command: ConnectionCommand },
    OpenStream { connection: ConnectionId, config: Box<StreamConfig>, listener: StreamListener },
    Stream { key: StreamKey, command: StreamCommand },
    FanOut { id: FanOutId, command: FanOutCommand },
}

pub enum ConnectionCommand {
    CreateOffer {
        reply: Reply<()>,
    },
    SetRemoteDescription {
        description: Box<SessionDescription>,
        reply: Reply<()>,
    },
    LocalDescription {
        reply: Reply<Box<SessionDescription>>,
    },
    CopyDescription {
        description: Box<SessionDescription>,
    },
    AddStream {
        key: StreamKey,
        id: String,
        reply: Reply<()>,
    },
    RemoveStream {
        id: String,
        reply: Reply<()>,
    },
    AddRemoteCandidate {
        candidate: IceCandidate,
    },
    RestartIce {
        remote: IceCredentials,
    },
    /// The document of contract media.md section 7.3, as JSON text.
    Stats {
        reply: Reply<String>,
    },
    Close {
        reply: Reply<()>,
    },
}

pub enum StreamCommand {
    /// Where media of one kind goes; `None`: nowhere.
    SetReceiver {
        kind: MediaKind,
        receiver: Option<FanOutId>,
    },
    /// Asks the publisher behind this stream for a key frame (`generatePLIPacket`).
    RequestKeyFrame,
    Mute {
        video: bool,
        audio: bool,
    },
    /// bit/s; 0: no limit known.
    SetMaxVideoBitrate {
        bits_per_second: u64,
    },
    /// Whether feedback of this subscriber may reach its publisher (contract M-API-5).
    SetFeedback {
        enabled: bool,
    },
    /// Video to this peer is switched off for good (contract M-API-5, bitrate 1).
    DisableVideo,
    SetPriority {
        priority: String,
    },
    /// 0 interval: off (contract M-PLI-20).
    SetPeriodicKeyFrameRequests {
        interval_ms: u32,
    },
    /// The document of contract media.md section 7.2, as JSON text.
    Stats {
        reply: Reply<String>,
    },
    Close {
        reply: Reply<()>,
    },
}

/// A fan-out lives on the worker of its publisher and on that of each subscriber.
pub enum FanOutCommand {
    /// The publisher of the fan-out and the worker it lives on.
    SetPublisher {
        publisher: Option<(WorkerId, StreamKey)>,
    },
    /// `peer_id` names the subscriber; a known name is replaced (contract OTM-1).
    AddSubscriber {
        peer_id: String,
        stream: StreamKey,
    },
    RemoveSubscriber {
        peer_id: String,
    },
    /// This worker has subscribers: the publisher's worker sends it the media.
    AttachWorker {
        worker: WorkerId,
    },
    DetachWorker {
        worker: WorkerId,
    },
    Close,
}

impl std::fmt::Debug for Command {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Command::OpenConnection { .. } => "OpenConnection",
            Command::Connection { .. } => "Connection",
            Command::OpenStream { .. } => "OpenStream",
            Command::Stream { .. } => "Stream",
            Command::FanOut { .. } => "FanOut",
        })
    }
}
