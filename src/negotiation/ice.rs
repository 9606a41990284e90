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
    /// Reads `candidate:...` (RFC 8839 §5.1), with or without `a=`; returns the protocol word too.
    /// Unknown types count as host (contract WRC-41).
    pub fn parse_line(line: &str) -> Option<(String, IceCandidate)> {
        let line = line.trim();
        let line = line.strip_prefix("a=").unwrap_or(line);
        let mut words = line.strip_prefix("candidate:").unwrap_or(line).split_ascii_whitespace();
        let foundation = words.next()?.to_owned();
        let component = words.next()?.parse().ok()?;
        let protocol = words.next()?.to_owned();
        let priority = words.next()?.parse().ok()?;
        let address = words.next()?.to_owned();
        let port = words.next()?.parse().ok()?;
        if words.next()? != "typ" {
            return None;
        }
        let candidate_type = CandidateType::from_word(words.next()?).unwrap_or(CandidateType::Host);
        let mut candidate = IceCandidate {
            foundation,
            component,
            priority,
            address,
            port,
            candidate_type,
            related_address: String::new(),
            related_port: 0,
            ufrag: None,
        };
        while let (Some(name), Some(value)) = (words.next(), words.next()) {
            match name {
                "raddr" => candidate.related_address = value.to_owned(),
                "rport" => candidate.related_port = value.parse().unwrap_or(0),
                "ufrag" => candidate.ufrag = Some(value.to_owned()),
                _ => {}
            }
        }
        Some((protocol, candidate))
    }

    /// The `ufrag` extension attribute of a candidate line (contract WRC-45).
    pub fn ufrag_of_line(line: &str) -> Option<String> {
        let mut words = line.split_ascii_whitespace().skip_while(|word| *word != "ufrag");
        words.nth(1).map(str::to_owned)
    }

    /// The value of `a=candidate`, with the trailer that ErizoJS writes (contract LIM-7).
    pub fn line(&self, protocol: &str) -> String {
        let related = if self.related_address.is_empty() {
            String::new()
        } else {
            format!(" raddr {} rport {}", self.related_address, self.related_port)
        };
        format!(
            "{} {} {protocol} {} {} {} typ {}{related} generation 0",
            self.foundation,
            self.component,
            self.priority,
            self.address,
            self.port,
            self.candidate_type.word()
        )
    }

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

#[cfg(test)]
mod test {
    use super::*;

    #[test]
    fn reads_a_browser_candidate_line() {
        let line = "a=candidate:842163049 1 udp 1677729535 203.0.113.5 50016 typ srflx \
                    raddr 10.0.0.7 rport 50016 generation 0 ufrag EsAw network-cost 999";
        let (protocol, candidate) = IceCandidate::parse_line(line).expect("a candidate");
        assert_eq!(protocol, "udp");
        assert_eq!(candidate.candidate_type, CandidateType::ServerReflexive);
        assert_eq!(candidate.related_address, "10.0.0.7");
        assert_eq!(candidate.ufrag.as_deref(), Some("EsAw"));
        assert_eq!(IceCandidate::ufrag_of_line(line).as_deref(), Some("EsAw"));
        assert_eq!(
            candidate.line("udp"),
            "842163049 1 udp 1677729535 203.0.113.5 50016 typ srflx raddr 10.0.0.7 rport 50016 \
             generation 0"
        );
    }

    #[test]
    fn refuses_candidate_lines_that_are_cut_short_or_not_numeric() {
        let line = "candidate:1 1 udp 99 127.0.0.1 5000 typ host";
        assert!(IceCandidate::parse_line(line).is_some());
        for end in 0..line.len() - "host".len() {
            assert_eq!(IceCandidate::parse_line(&line[..end]), None, "{}", &line[..end]);
        }
        assert_eq!(IceCandidate::parse_line("candidate:1 1 udp 9 1.1.1.1 -1 typ host"), None);
        assert_eq!(IceCandidate::parse_line("candidate:1 x udp 9 1.1.1.1 1 typ host"), None);
        assert_eq!(IceCandidate::ufrag_of_line("a=candidate:1 1 udp ufrag"), None);
    }

    #[test]
    fn passwords_stay_out_of_debug_output() {
        let credentials = IceCredentials { ufrag: "u".into(), pwd: "secret".into() };
        assert!(!format!("{credentials:?}").contains("secret"));
    }
}
