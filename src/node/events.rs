//! The numbers and names under which callers know events (contract section 3).

use serde_json::json;

use crate::connection::event::{ConnectionState, StreamEvent};
use crate::negotiation::ice::IceCandidate;

const INITIAL: u32 = 101;
const GATHERED: u32 = 103;
const READY: u32 = 104;
const FAILED: u32 = 500;
/// A local candidate; only with trickle.
pub const CANDIDATE: u32 = 201;

pub fn state_code(state: ConnectionState) -> u32 {
    match state {
        ConnectionState::Initial => INITIAL,
        ConnectionState::Gathered => GATHERED,
        ConnectionState::Ready => READY,
        ConnectionState::Failed => FAILED,
    }
}

/// Type and message of a stream event (contract section 3.2).
pub fn stream_event(event: StreamEvent) -> (&'static str, &'static str) {
    match event {
        StreamEvent::Ready => ("ready", ""),
    }
}

/// Contract EVT-6 and EVT-7: three members, all strings.
pub fn candidate_message(candidate: &IceCandidate, mid: &str) -> String {
    let mut line = format!(
        "a=candidate:{} {} udp {} {} {} typ {}",
        candidate.foundation,
        candidate.component,
        candidate.priority,
        candidate.address,
        candidate.port,
        candidate.candidate_type.word(),
    );
    if !candidate.related_address.is_empty() {
        line += &format!(" raddr {} rport {}", candidate.related_address, candidate.related_port);
    }
    // The members leave in alphabetical order, which is the order of EVT-6.
    json!({ "candidate": line, "sdpMLineIndex": "0", "sdpMid": mid }).to_string()
}

#[cfg(test)]
mod test {
    use super::*;
    use crate::negotiation::ice::CandidateType;

    #[test]
    fn candidates_are_told_as_erizojs_reads_them() {
        let mut candidate = IceCandidate {
            foundation: "1".to_owned(),
            component: 1,
            priority: 2_130_706_431,
            address: "192.0.2.1".to_owned(),
            port: 40_000,
            candidate_type: CandidateType::Host,
            related_address: String::new(),
            related_port: 0,
            ufrag: None,
        };
        assert_eq!(
            candidate_message(&candidate, "0"),
            "{\"candidate\":\"a=candidate:1 1 udp 2130706431 192.0.2.1 40000 typ host\",\
             \"sdpMLineIndex\":\"0\",\"sdpMid\":\"0\"}"
        );
        candidate.candidate_type = CandidateType::ServerReflexive;
        candidate.related_address = "10.0.0.1".to_owned();
        candidate.related_port = 9;
        assert!(candidate_message(&candidate, "a").contains("typ srflx raddr 10.0.0.1 rport 9\""));
    }
}
