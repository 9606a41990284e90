//! The few lines of SDP that two ends on one machine need (RFC 8866, RFC 8839, RFC 8842).

use std::net::SocketAddr;

use crate::Fallible;
use crate::media::{AUDIO, EXTENSIONS, VIDEO};

/// What the transport says of itself in a description.
pub struct LocalTransport {
    pub ufrag: String,
    pub password: String,
    pub fingerprint: String,
    pub address: SocketAddr,
}

/// What the server's description says of its transport.
#[derive(Debug)]
pub struct RemoteTransport {
    pub ufrag: String,
    pub password: String,
    /// SHA-256, colons removed, lower case.
    pub fingerprint: String,
    /// Whether the server opens the DTLS handshake.
    pub is_dtls_client: bool,
    pub candidates: Vec<SocketAddr>,
}

impl RemoteTransport {
    pub fn parse(sdp: &str) -> Fallible<RemoteTransport> {
        let value = |name: &str| sdp.lines().find_map(|line| line.strip_prefix(name));
        let required = |name: &str| value(name).ok_or_else(|| format!("no {name} in {sdp}"));
        let fingerprint = required("a=fingerprint:sha-256 ")?;
        let mut candidates: Vec<SocketAddr> = sdp.lines().filter_map(candidate).collect();
        candidates.sort_unstable();
        candidates.dedup();
        Ok(RemoteTransport {
            ufrag: required("a=ice-ufrag:")?.trim().to_owned(),
            password: required("a=ice-pwd:")?.trim().to_owned(),
            fingerprint: fingerprint.trim().replace(':', "").to_lowercase(),
            is_dtls_client: required("a=setup:")?.trim() == "active",
            candidates,
        })
    }
}

/// A host candidate over UDP.
fn candidate(line: &str) -> Option<SocketAddr> {
    let fields: Vec<&str> = line.strip_prefix("a=candidate:")?.split_whitespace().collect();
    let [_, "1", protocol, _, ip, port, "typ", "host", ..] = fields[..] else { return None };
    if !protocol.eq_ignore_ascii_case("udp") {
        return None;
    }
    Some(SocketAddr::new(ip.parse().ok()?, port.parse().ok()?))
}

/// The offer of a publisher with one audio and one video track.
pub fn publisher_offer(local: &LocalTransport, label: &str) -> String {
    let mut sdp = String::from(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n\
         a=extmap-allow-mixed\r\n",
    );
    sdp += &format!("a=msid-semantic: WMS {label}\r\n");
    for (mid, track) in [AUDIO, VIDEO].iter().enumerate() {
        let (kind, payload_type, ssrc) = (track.kind, track.payload_type, track.ssrc);
        sdp += &format!(
            "m={kind} 9 UDP/TLS/RTP/SAVPF {payload_type}\r\nc=IN IP4 0.0.0.0\r\n\
             a=rtcp:9 IN IP4 0.0.0.0\r\na=mid:{mid}\r\na=sendonly\r\na=rtcp-mux\r\n\
             a=msid:{label} {kind}\r\n",
        );
        sdp += &transport_lines(local, "actpass");
        for (id, uri) in EXTENSIONS {
            if track.uses(id) {
                sdp += &format!("a=extmap:{id} {uri}\r\n");
            }
        }
        for line in track.codec_lines {
            sdp += &format!("a={line}\r\n");
        }
        sdp += &format!("a=ssrc:{ssrc} cname:load\r\na=ssrc:{ssrc} msid:{label} {kind}\r\n",);
    }
    sdp
}

/// Accepts everything that is offered, for receiving only.
pub fn subscriber_answer(local: &LocalTransport, offer: &str) -> String {
    let mut sdp = String::new();
    let mut lines = offer.lines().map(str::trim_end).peekable();
    while let Some(line) = lines.next() {
        if !OUR_OWN.iter().any(|start| line.starts_with(start)) {
            sdp += line;
            sdp += "\r\n";
        }
        let section_ends = lines.peek().is_none_or(|next| next.starts_with("m="));
        if section_ends && sdp.contains("\nm=") {
            sdp += "a=recvonly\r\n";
            sdp += &transport_lines(local, "active");
        }
    }
    sdp
}

/// Lines of an offer that are its sender's own business.
const OUR_OWN: [&str; 13] = [
    "a=ice-",
    "a=fingerprint:",
    "a=setup:",
    "a=candidate:",
    "a=end-of-candidates",
    "a=sendrecv",
    "a=sendonly",
    "a=recvonly",
    "a=inactive",
    "a=ssrc",
    "a=msid",
    "a=rid",
    "a=simulcast",
];

fn transport_lines(local: &LocalTransport, setup: &str) -> String {
    let LocalTransport { ufrag, password, fingerprint, address } = local;
    format!(
        "a=ice-ufrag:{ufrag}\r\na=ice-pwd:{password}\r\na=fingerprint:sha-256 {fingerprint}\r\n\
         a=setup:{setup}\r\n\
         a=candidate:1 1 udp 2130706431 {} {} typ host\r\na=end-of-candidates\r\n",
        address.ip(),
        address.port(),
    )
}

#[cfg(test)]
mod test {
    use super::*;

    fn local() -> LocalTransport {
        LocalTransport {
            ufrag: "me".into(),
            password: "secret".into(),
            fingerprint: "AB:CD".into(),
            address: "127.0.0.1:4000".parse().unwrap(),
        }
    }

    #[test]
    fn what_is_offered_is_read_back() {
        let remote = RemoteTransport::parse(&publisher_offer(&local(), "stream")).unwrap();
        assert_eq!((remote.ufrag.as_str(), remote.fingerprint.as_str()), ("me", "abcd"));
        assert_eq!(remote.candidates, [local().address]);
        assert!(!remote.is_dtls_client);
    }

    #[test]
    fn an_answer_has_its_own_transport_in_every_section() {
        let answer = subscriber_answer(&local(), &publisher_offer(&local(), "stream"));
        assert_eq!(answer.matches("a=setup:active").count(), 2);
        assert_eq!(answer.matches("a=recvonly").count(), 2);
        assert_eq!(answer.matches("m=").count(), 2);
        assert!(!answer.contains("a=ssrc") && !answer.contains("actpass"));
    }
}
