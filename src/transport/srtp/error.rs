//! Why a packet was not protected or not let through.

/// Reasons are facts about one packet (or one set of keys); none names key material.
#[derive(Copy, Clone, Eq, PartialEq, Hash, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SrtpError {
    #[error("the key material has the wrong length for the profile")]
    KeyLength,
    #[error("the packet is shorter than its header and its tag")]
    TooShort,
    #[error("the packet is longer than a datagram")]
    TooLong,
    #[error("the packet has no valid RTP or RTCP header")]
    Malformed,
    #[error("the buffer has no room for the tag")]
    BufferTooSmall,
    #[error("the tag does not match")]
    Unauthentic,
    #[error("the packet was received before")]
    Replayed,
    #[error("the packet is older than the replay window")]
    Stale,
    #[error("the SRTCP packet is not encrypted")]
    NotEncrypted,
    #[error("the association has no room for another source")]
    TooManySources,
    #[error("every packet index of this key is used up")]
    IndexExhausted,
}
