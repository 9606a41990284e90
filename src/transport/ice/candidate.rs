//! Candidates and credentials between the description's form and the agent's (RFC 8445 §5.1).

use std::net::{IpAddr, SocketAddr};

use is::{Candidate, CandidateKind, IceCreds, Protocol};
use ring::rand::{SecureRandom, SystemRandom};

use crate::negotiation::ice::{CandidateType, IceCandidate, IceCredentials};
use crate::transport::error::TransportError;

/// A candidate of ours: what the agent gets and what the peer is told.
#[derive(Clone, Debug)]
pub(super) struct LocalCandidate {
    pub(super) agent: Candidate,
    /// Where the worker sends from and receives on.
    pub(super) base: SocketAddr,
    kind: CandidateType,
    address: SocketAddr,
    related: Option<SocketAddr>,
}

impl LocalCandidate {
    pub(super) fn host(address: SocketAddr) -> Result<Self, TransportError> {
        let agent =
            Candidate::host(address, Protocol::Udp).map_err(|_| TransportError::UnusableAddress)?;
        Ok(Self { agent, base: address, kind: CandidateType::Host, address, related: None })
    }

    pub(super) fn server_reflexive(
        mapped: SocketAddr,
        base: SocketAddr,
    ) -> Result<Self, TransportError> {
        let agent = Candidate::server_reflexive(mapped, base, Protocol::Udp)
            .map_err(|_| TransportError::UnusableAddress)?;
        let kind = CandidateType::ServerReflexive;
        Ok(Self { agent, base, kind, address: mapped, related: Some(base) })
    }

    /// The base of a relayed candidate is the relay itself (RFC 8445 §5.1.1.2).
    pub(super) fn relayed(
        relay: SocketAddr,
        mapped: SocketAddr,
        local: SocketAddr,
    ) -> Result<Self, TransportError> {
        let agent = Candidate::relayed(relay, local, Protocol::Udp)
            .map_err(|_| TransportError::UnusableAddress)?;
        let kind = CandidateType::Relayed;
        Ok(Self { agent, base: relay, kind, address: relay, related: Some(mapped) })
    }

    /// As the peer is told (contract CDS-22, ICE-8). `priority` is the agent's.
    pub(super) fn describe(&self, priority: u32, ufrag: &str) -> IceCandidate {
        IceCandidate {
            foundation: foundation(self.kind, self.base.ip()),
            component: 1,
            priority,
            address: self.address.ip().to_string(),
            port: u32::from(self.address.port()),
            candidate_type: self.kind,
            related_address: self.related.map_or_else(String::new, |a| a.ip().to_string()),
            related_port: self.related.map_or(0, |a| u32::from(a.port())),
            ufrag: Some(ufrag.to_owned()),
        }
    }
}

/// Equal for candidates of one type and base address, different otherwise (RFC 8445 §5.1.1.3).
fn foundation(kind: CandidateType, base: IpAddr) -> String {
    // FNV-1a: any spread will do, it only has to be the same every time.
    let mut hash = 0x811c_9dc5_u32;
    let mut mix = |byte: u8| hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    mix(kind as u8);
    match base {
        IpAddr::V4(ip) => ip.octets().into_iter().for_each(&mut mix),
        IpAddr::V6(ip) => ip.octets().into_iter().for_each(&mut mix),
    }
    hash.to_string()
}

/// The remote candidate in the agent's form, or `None` for one that contract WRC-43 ignores.
pub(super) fn usable(candidate: &IceCandidate) -> Option<Candidate> {
    if candidate.component != 1 {
        return None;
    }
    let port = u16::try_from(candidate.port).ok().filter(|port| *port != 0)?;
    let ip = candidate.ip()?;
    if ip.is_unspecified() || ip.is_multicast() {
        return None;
    }
    let kind = match candidate.candidate_type {
        CandidateType::Host => CandidateKind::Host,
        CandidateType::ServerReflexive => CandidateKind::ServerReflexive,
        CandidateType::PeerReflexive => CandidateKind::PeerReflexive,
        CandidateType::Relayed => CandidateKind::Relayed,
    };
    let foundation: String = candidate.foundation.chars().take(MAX_FOUNDATION).collect();
    Some(Candidate::from_parts(
        foundation,
        1,
        Protocol::Udp,
        // RFC 8445 §5.1.2.1: at most 2^31 - 1.
        candidate.priority.min(i32::MAX as u32),
        SocketAddr::new(ip, port),
        kind,
        None,
        None,
        None,
    ))
}

/// Fresh random credentials (contract ICE-2).
pub(super) fn random_credentials() -> Result<IceCredentials, TransportError> {
    Ok(IceCredentials { ufrag: random_text(UFRAG_LEN)?, pwd: random_text(PWD_LEN)? })
}

/// The remote credentials in the agent's form.
pub(super) fn agent_credentials(remote: &IceCredentials) -> Result<IceCreds, TransportError> {
    // RFC 8445 §5.3 allows ufrags of 4 to 256 characters, but `theirs:ours` must fit into the
    // 128 that the agent can write: beyond, it panics. Browsers use 4 to 16.
    let usable = (4..=MAX_REMOTE_UFRAG).contains(&remote.ufrag.len())
        && (22..=256).contains(&remote.pwd.len());
    if !usable {
        return Err(TransportError::MalformedCredentials);
    }
    Ok(IceCreds { ufrag: remote.ufrag.clone(), pass: remote.pwd.clone() })
}

fn random_text(len: usize) -> Result<String, TransportError> {
    let random = SystemRandom::new();
    let mut text = String::with_capacity(len);
    while text.len() < len {
        let mut bytes = [0; 32];
        random.fill(&mut bytes).map_err(|_| TransportError::Randomness)?;
        for byte in bytes {
            // Bytes beyond the last whole multiple would favour the first letters.
            let symbol = ALPHABET.get(usize::from(byte % ALPHABET.len() as u8));
            if let (Some(symbol), true) = (symbol, byte < 248 && text.len() < len) {
                text.push(char::from(*symbol));
            }
        }
    }
    Ok(text)
}

/// Letters and digits of the ICE alphabet; `+` and `/` would need escaping in some places.
const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
/// 71 bits: unique among the connections of a worker, which routes by it.
const UFRAG_LEN: usize = 12;
/// 142 bits, RFC 8445 §5.3 wants 128.
const PWD_LEN: usize = 24;
const MAX_REMOTE_UFRAG: usize = 128 - 1 - UFRAG_LEN;
/// RFC 8839 §5.1.
const MAX_FOUNDATION: usize = 32;

#[cfg(test)]
mod test {
    use super::*;

    fn remote(address: &str) -> IceCandidate {
        IceCandidate {
            foundation: "1".into(),
            component: 1,
            priority: 2_130_706_431,
            address: address.into(),
            port: 5000,
            candidate_type: CandidateType::Host,
            related_address: String::new(),
            related_port: 0,
            ufrag: None,
        }
    }

    #[test]
    fn unusable_remote_candidates_are_ignored_wrc_43() {
        assert!(usable(&remote("192.0.2.1")).is_some());
        assert!(usable(&remote("2001:db8::1")).is_some());
        for address in ["abcd.local", "", "0.0.0.0", "224.0.0.1", "192.0.2.1:3", "300.1.1.1"] {
            assert!(usable(&remote(address)).is_none(), "{address}");
        }
        for port in [0, 65_536, u32::MAX] {
            assert!(usable(&IceCandidate { port, ..remote("192.0.2.1") }).is_none(), "{port}");
        }
        assert!(usable(&IceCandidate { component: 2, ..remote("192.0.2.1") }).is_none());
    }

    #[test]
    fn credentials_are_long_random_and_of_the_alphabet_ice_2() {
        let (a, b) = (random_credentials().unwrap(), random_credentials().unwrap());
        assert!(a.ufrag.len() >= 4 && a.pwd.len() >= 22);
        assert!(a.ufrag != b.ufrag && a.pwd != b.pwd);
        assert!(a.ufrag.bytes().chain(a.pwd.bytes()).all(|b| b.is_ascii_alphanumeric()));
    }

    #[test]
    fn remote_credentials_that_the_agent_cannot_hold_are_refused() {
        let with = |ufrag: usize, pwd: usize| {
            agent_credentials(&IceCredentials { ufrag: "u".repeat(ufrag), pwd: "p".repeat(pwd) })
                .is_ok()
        };
        assert!(with(4, 22) && with(MAX_REMOTE_UFRAG, 256));
        assert!(!with(3, 22) && !with(4, 21));
        assert!(!with(MAX_REMOTE_UFRAG + 1, 22) && !with(4, 257) && !with(100_000, 100_000));
    }

    #[test]
    fn foundations_group_by_type_and_base() {
        let [a, b] = ["192.0.2.1:1", "192.0.2.2:1"].map(|a| a.parse::<SocketAddr>().unwrap());
        let host = |a| LocalCandidate::host(a).unwrap().describe(1, "u").foundation;
        assert_eq!(host(a), host("192.0.2.1:2".parse().unwrap()));
        assert_ne!(host(a), host(b));
        let reflexive = LocalCandidate::server_reflexive(b, a).unwrap().describe(1, "u");
        assert_ne!(reflexive.foundation, host(a));
        assert_eq!((&*reflexive.related_address, reflexive.related_port), ("192.0.2.1", 1));
    }
}
