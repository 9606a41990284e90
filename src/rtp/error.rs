//! Why a packet was refused. Each variant names the fact, so that drops can be counted by reason.

/// What is wrong with an RTP packet.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RtpError {
    #[error("packet is shorter than its header")]
    Truncated,
    #[error("packet is longer than a datagram can be")]
    TooLong,
    #[error("version is not 2")]
    WrongVersion,
    #[error("padding count is zero or larger than the payload")]
    WrongPadding,
}

/// What is wrong with one member of an RTCP compound packet, or with the compound itself.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RtcpError {
    #[error("member is longer than the rest of the packet")]
    Truncated,
    #[error("version is not 2")]
    WrongVersion,
    #[error("padding count is wrong or not in the last member")]
    WrongPadding,
    #[error("body does not match its packet type")]
    WrongBody,
    #[error("compound has too many members")]
    TooManyMembers,
}
