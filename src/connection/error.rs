//! Why an operation on a connection was refused.

/// Errors that reach the caller of an operation; the connection stays usable after each of them.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectionError {
    /// The object was closed before or while the operation ran (contract LIF-8).
    #[error("the connection is closed")]
    Closed,
    #[error("the first remote description carries no ICE credentials (a=ice-ufrag, a=ice-pwd)")]
    MissingIceCredentials,
    #[error("the first remote description carries no DTLS fingerprint (a=fingerprint)")]
    MissingFingerprint,
    #[error(
        "the remote description asks for plaintext media ({profile}), but this connection is encrypted; \
         expected UDP/TLS/RTP/SAVPF with a fingerprint"
    )]
    PlaintextRefused { profile: &'static str },
    #[error("stream {id} was built for another connection")]
    ForeignStream { id: String },
}
