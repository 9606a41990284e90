//! Why a description is refused.

use crate::negotiation::section::Profile;

/// The only reasons to refuse a remote description, and only the first one of a connection
/// (contract WRC-24, security.md H2). The connection is unchanged afterwards.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NegotiationError {
    #[error("the first remote description carries no ICE credentials (a=ice-ufrag, a=ice-pwd)")]
    MissingIceCredentials,
    #[error("the first remote description carries no DTLS fingerprint (a=fingerprint)")]
    MissingFingerprint,
    #[error(
        "the remote description asks for plaintext media ({}), but this connection is encrypted",
        profile.text()
    )]
    PlaintextRefused { profile: Profile },
}

/// Why a text is not a session description.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SdpError {
    /// RFC 8866 §5; the start of what the parser stumbled over.
    #[error("the text is not a session description: {near}")]
    Syntax { near: String },
}
