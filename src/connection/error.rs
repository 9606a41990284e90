//! Why an operation on a connection was refused.

use crate::negotiation::error::NegotiationError;

/// Errors that reach the caller of an operation; the connection stays usable after each of them.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectionError {
    /// The object was closed before or while the operation ran (contract LIF-8).
    #[error("the connection is closed")]
    Closed,
    #[error(transparent)]
    Negotiation(#[from] NegotiationError),
    #[error("stream {id} was built for another connection")]
    ForeignStream { id: String },
}
