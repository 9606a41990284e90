//! Why a transport could not be built or refused a remote description.

/// Caller-visible refusals; the transport stays as it was.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    #[error("the system gave no randomness")]
    Randomness,
    #[error("no DTLS certificate could be made")]
    Certificate,
    #[error("the address cannot be an ICE candidate")]
    UnusableAddress,
    #[error("the remote ICE credentials are too short or too long")]
    MalformedCredentials,
    #[error("the remote fingerprint is not 20, 32, 48 or 64 bytes of hex")]
    MalformedFingerprint,
    #[error("no SRTP profile is configured")]
    NoSrtpProfile,
    #[error("DTLS could not be set up")]
    DtlsSetup,
}
