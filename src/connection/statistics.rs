//! The statistics of a connection as JSON (contract media.md section 7.3) with what helps an
//! operator beside Licode's keys.

use std::time::Instant;

use serde_json::{Map, Value, json};

use crate::connection::web_rtc_connection::WebRtcConnection;
use crate::transport::{DropReason, DtlsState, IceState, SrtpProfile};

const DROP_REASONS: [(DropReason, &str); 11] = [
    (DropReason::UnknownProtocol, "unknownProtocol"),
    (DropReason::MalformedStun, "malformedStun"),
    (DropReason::UnauthenticStun, "unauthenticStun"),
    (DropReason::StunFlood, "stunFlood"),
    (DropReason::UnvalidatedAddress, "unvalidatedAddress"),
    (DropReason::Dtls, "dtls"),
    (DropReason::BeforeKeys, "beforeKeys"),
    (DropReason::UnauthenticSrtp, "unauthenticSrtp"),
    (DropReason::Replayed, "replayed"),
    (DropReason::TooManySources, "tooManySources"),
    (DropReason::Closed, "closed"),
];

impl WebRtcConnection {
    /// Only what exists: an estimate that nobody made is absent, not 0.
    pub(crate) fn statistics(&self, now: Instant) -> Value {
        let mut document = Map::new();
        let mut total = Map::new();
        total.insert("numberOfStreams".into(), json!(self.streams.len()));
        if let Some(estimate) = self.remote_estimate {
            total.insert("senderBitrateEstimation".into(), json!(estimate));
        }
        document.insert("total".into(), Value::Object(total));
        if let Some(sent) = self.receive_side.last_sent() {
            document.insert("erizoBandwidth".into(), json!(sent));
        }
        document.insert("traffic".into(), self.traffic());
        if let Some(transport) = self.transport() {
            let rtt = transport.round_trip().map(|rtt| rtt.as_secs_f64() * 1000.0);
            document.insert(
                "transport".into(),
                json!({
                    "iceState": ice_word(transport.ice_state(now)),
                    "dtlsState": dtls_word(transport.dtls_state()),
                    "srtpProfile": transport.profile().map(SrtpProfile::name),
                    "roundTripMs": rtt,
                }),
            );
        }
        Value::Object(document)
    }

    fn traffic(&self) -> Value {
        let counters = &self.counters;
        let mut dropped = Map::new();
        dropped.insert("malformedRtp".into(), json!(counters.malformed_rtp));
        dropped.insert("malformedRtcp".into(), json!(counters.malformed_rtcp));
        dropped.insert("unroutable".into(), json!(counters.unroutable));
        if let Some(transport) = self.transport() {
            for (reason, word) in DROP_REASONS {
                dropped.insert(word.into(), json!(transport.counters().dropped(reason)));
            }
        }
        json!({
            "packetsReceived": counters.rtp_received,
            "bytesReceived": counters.bytes_received,
            "packetsSent": counters.rtp_sent,
            "bytesSent": counters.bytes_sent,
            "dropped": dropped,
        })
    }
}

/// The words of the W3C's RTCIceTransportState.
fn ice_word(state: IceState) -> &'static str {
    match state {
        IceState::New => "new",
        IceState::Checking => "checking",
        IceState::Connected => "connected",
        IceState::Disconnected => "disconnected",
        IceState::Failed => "failed",
        IceState::Closed => "closed",
    }
}

/// The words of the W3C's RTCDtlsTransportState.
fn dtls_word(state: DtlsState) -> &'static str {
    match state {
        DtlsState::New => "new",
        DtlsState::Connecting => "connecting",
        DtlsState::Connected => "connected",
        DtlsState::Closed => "closed",
        DtlsState::Failed => "failed",
    }
}
