//! What a connection counts about its traffic.

/// Packets that went nowhere, by reason; `getStats` of the connection shows them.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct ConnectionCounters {
    /// Clear RTP whose own lengths contradict each other.
    pub(crate) malformed_rtp: u64,
    /// RTCP members that could not be read.
    pub(crate) malformed_rtcp: u64,
    /// RTP that belongs to no stream of the connection.
    pub(crate) unroutable: u64,
    pub(crate) rtp_received: u64,
    pub(crate) rtp_sent: u64,
    pub(crate) bytes_received: u64,
    pub(crate) bytes_sent: u64,
}
