//! Session descriptions as SDP text (RFC 8866), for callers that have no SDP code of their own.
//!
//! Licode's ErizoJS fills and reads descriptions through the typed model; reading text fills it
//! in exactly that order (contract section 4.8), writing yields what ErizoJS writes (CDS-25) in
//! the spelling of the RFCs. Grammar is left to `rtc::sdp`, which only `text` touches.

mod read;
mod text;
mod write;

use crate::negotiation::configuration::MediaConfiguration;
use crate::negotiation::description::SessionDescription;
use crate::negotiation::error::SdpError;

impl SessionDescription {
    /// Reads a peer's description and intersects its codecs with `configuration` (PPI rules).
    pub fn from_sdp(
        text: &str,
        configuration: &MediaConfiguration,
    ) -> Result<SessionDescription, SdpError> {
        read::description(&text::parse(text)?, configuration)
    }

    /// Writes a local description. `session_version` rises by one with each changed text of a
    /// session (RFC 3264 §8).
    pub fn to_sdp(&self, session_version: u64) -> String {
        text::print(&write::description(self, session_version))
    }
}
