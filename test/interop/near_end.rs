//! Our side: the handles that the Node addon uses, as futures.

use std::sync::Arc;

use erizo::connection::command::Reply;
use erizo::connection::config::{ConnectionConfig, StreamRole};
use erizo::connection::error::ConnectionError;
use erizo::connection::event::{ConnectionEvent, ConnectionState, StreamEvent};
use erizo::negotiation::configuration::MediaConfiguration;
use erizo::negotiation::description::SessionDescription;
use erizo::runtime::handle::{ConnectionHandle, StreamHandle, StreamOptions};
use erizo::runtime::pool::WorkerPool;
use erizo::transport::SrtpProfile;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use crate::bounded::within;
use crate::media::Codec;

pub struct NearEnd {
    pub handle: ConnectionHandle,
    media: MediaConfiguration,
    states: mpsc::UnboundedReceiver<ConnectionState>,
    gathered: bool,
    version: u64,
}

/// A stream of ours with its events.
pub struct NearStream {
    pub handle: StreamHandle,
    events: mpsc::UnboundedReceiver<StreamEvent>,
}

/// Workers that are running already.
pub fn pool(workers: u32) -> Arc<WorkerPool> {
    let pool = WorkerPool::new(workers);
    pool.start();
    pool
}

/// A connection on the loopback interface with this video codec and Opus.
pub fn config(video: Codec) -> ConnectionConfig {
    ConnectionConfig {
        name: "interop".to_owned(),
        media: media(video),
        trickle: false,
        encrypt: true,
        ice_lite: false,
        ports: None,
        network_interface: Some("lo".to_owned()),
        stun: None,
        srtp_profiles: vec![SrtpProfile::AeadAes128Gcm, SrtpProfile::Aes128CmHmacSha1_80],
    }
}

/// Licode's stock configuration for one video codec (contract MCF-3).
fn media(video: Codec) -> MediaConfiguration {
    let feedback = ["ccm fir", "nack", "nack pli", "goog-remb", "transport-cc"];
    let (name, parameters) = match video {
        Codec::Vp8 => ("VP8", json!({})),
        _ => (
            "H264",
            json!({ "profile-level-id": "42e01f", "level-asymmetry-allowed": "1",
                "packetization-mode": "1" }),
        ),
    };
    MediaConfiguration::from_json(&json!({
        "rtpMappings": {
            "video": { "payloadType": video.our_payload_type(), "encodingName": name,
                "clockRate": 90000, "channels": 1, "mediaType": "video",
                "feedbackTypes": feedback, "formatParameters": parameters },
            "opus": { "payloadType": Codec::Opus.our_payload_type(), "encodingName": "opus",
                "clockRate": 48000, "channels": 2, "mediaType": "audio" },
        },
        "extMappings": [
            "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
            "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
            "urn:ietf:params:rtp-hdrext:toffset",
            "urn:3gpp:video-orientation",
            "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
            "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay",
            "urn:ietf:params:rtp-hdrext:sdes:mid",
        ],
    }))
}

impl NearEnd {
    pub fn open(pool: &Arc<WorkerPool>, config: ConnectionConfig) -> NearEnd {
        let (tell, states) = mpsc::unbounded_channel();
        let media = config.media.clone();
        let listener = Box::new(move |event| {
            if let ConnectionEvent::State(state) = event {
                let _ = tell.send(state);
            }
        });
        let handle = ConnectionHandle::open(pool, config, listener);
        NearEnd { handle, media, states, gathered: false, version: 0 }
    }

    /// Opens a stream with audio and video and adds it to the connection.
    pub async fn add(&self, id: &str, label: &str, role: StreamRole) -> NearStream {
        let (tell, events) = mpsc::unbounded_channel();
        let options = StreamOptions {
            id: id.to_owned(),
            label: label.to_owned(),
            role,
            has_audio: true,
            has_video: true,
            priority: "default".to_owned(),
        };
        let listener = Box::new(move |event| {
            let _ = tell.send(event);
        });
        let handle = StreamHandle::open(&self.handle, options, listener);
        ask(|reply| self.handle.add_stream(&handle, reply)).await.expect("stream added");
        NearStream { handle, events }
    }

    pub async fn remove(&self, id: &str) {
        ask(|reply| self.handle.remove_stream(id.to_owned(), reply)).await.expect("removed");
    }

    pub async fn create_offer(&self) {
        ask(|reply| self.handle.create_offer(reply)).await.expect("an offer");
    }

    pub async fn offer(&mut self) -> String {
        self.create_offer().await;
        self.local().await
    }

    pub async fn answer(&mut self, offer: &str) -> String {
        self.set_remote(offer).await.expect("a good offer");
        self.local().await
    }

    pub async fn set_remote(&self, text: &str) -> Result<(), ConnectionError> {
        let description = SessionDescription::from_sdp(text, &self.media).expect("readable SDP");
        ask(|reply| self.handle.set_remote_description(description, reply)).await
    }

    /// Our description with all candidates.
    async fn local(&mut self) -> String {
        if !self.gathered {
            self.reaches(ConnectionState::Gathered).await;
            self.gathered = true;
        }
        let description =
            ask(|reply| self.handle.local_description(reply)).await.expect("a description");
        self.version += 1;
        description.to_sdp(self.version)
    }

    /// The next state event is this one.
    pub async fn reaches(&mut self, state: ConnectionState) {
        let next = within(&format!("state {state:?}"), self.states.recv()).await;
        assert_eq!(next, Some(state));
    }

    pub async fn statistics(&self) -> Value {
        let text = ask(|reply| self.handle.stats(reply)).await.expect("statistics");
        serde_json::from_str(&text).expect("JSON")
    }

    pub async fn close(&self) -> Result<(), ConnectionError> {
        ask(|reply| self.handle.close(reply)).await
    }
}

impl NearStream {
    pub async fn ready(&mut self) {
        let event = within("a ready stream", self.events.recv()).await;
        assert_eq!(event, Some(StreamEvent::Ready));
    }

    pub async fn close(&self) -> Result<(), ConnectionError> {
        ask(|reply| self.handle.close(reply)).await
    }
}

/// Waits for the reply to one operation.
pub async fn ask<T: Send + 'static>(
    operation: impl FnOnce(Reply<T>),
) -> Result<T, ConnectionError> {
    let (tell, answer) = oneshot::channel();
    operation(Box::new(move |outcome| {
        let _ = tell.send(outcome);
    }));
    within("a reply", answer).await.expect("a reply that is not dropped")
}
