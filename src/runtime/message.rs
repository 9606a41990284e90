//! What travels to a worker thread.

use std::net::SocketAddr;
use std::time::Instant;

use crate::connection::command::Command;
use crate::connection::config::ConnectionId;
use crate::runtime::pool::WorkerHandle;

/// Sent through the unbounded command queue of a worker: only the embedding program fills it.
#[derive(Debug)]
pub(crate) enum Message {
    Command {
        command: Command,
        sent_at: Instant,
    },
    /// A name that the engine asked for; `None` if it is unknown.
    Resolved {
        connection: ConnectionId,
        server: Option<SocketAddr>,
    },
    /// Another worker that this one will send media or feedback to.
    Introduce(WorkerHandle),
    /// The pool is closed: end once no connection is open.
    Shutdown,
}
