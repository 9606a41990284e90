//! ICE values that cross a session description (RFC 8839).

use std::net::IpAddr;

/// Username fragment and password (RFC 8445 §5.3).
#[derive(Clone, PartialEq, Eq, Default)]
pub struct IceCredentials {
    pub ufrag: String,
    pub pwd: String,
}

/// `typ` of a candidate (RFC 8839 §5.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CandidateType {
    Host,
    ServerReflexive,
    PeerReflexive,
    Relayed,
}

/// One UDP candidate as a description or a trickle message carries it. Text fields are what the
/// peer sent: nothing here has been checked yet (contract WRC-43 says what is usable).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IceCandidate {
    pub foundation: String,
    pub component: u32,
    pub priority: u32,
    /// Address text: a literal, or an mDNS name that we cannot resolve.
    pub address: String,
    pub port: u32,
    pub candidate_type: CandidateType,
    /// Related address and port, empty and 0 if there is none.
    pub related_address: String,
    pub related_port: u32,
    /// `ufrag` extension attribute (RFC 8838 §5.1), if the line carried one.
    pub ufrag: Option<String>,
}

impl CandidateType {
    /// The word in a candidate line; `None` for anything else.
    pub fn from_word(word: &str) -> Option<Self> {
        Some(match word {
            "host" => CandidateType::Host,
            "srflx" => CandidateType::ServerReflexive,
            "prflx" => CandidateType::PeerReflexive,
            "relay" => CandidateType::Relayed,
            _ => return None,
        })
    }

    pub fn word(self) -> &'static str {
        match self {
            CandidateType::Host => "host",
            CandidateType::ServerReflexive => "srflx",
            CandidateType::PeerReflexive => "prflx",
            CandidateType::Relayed => "relay",
        }
    }
}

impl IceCandidate {
    /// The address as an IP literal; `None` for names (contract WRC-43).
    pub fn ip(&self) -> Option<IpAddr> {
        self.address.parse().ok()
    }
}

impl std::fmt::Debug for IceCredentials {
    /// The password stays out of logs (security.md H5).
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IceCredentials").field("ufrag", &self.ufrag).finish_non_exhaustive()
    }
}
