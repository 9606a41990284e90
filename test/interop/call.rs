//! Who takes part in a test: publishers and viewers, each a connected pair of near and far end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use erizo::connection::config::{ConnectionConfig, StreamRole};
use erizo::connection::event::ConnectionState;
use erizo::rtp::id::MediaKind;
use erizo::runtime::fan_out::FanOutHandle;
use erizo::runtime::pool::WorkerPool;
use webrtc::peer_connection::SettingEngine;

use crate::far_end::{Arrival, FarEnd, Pump};
use crate::media::Codec;
use crate::near_end::{NearEnd, NearStream, config};
use crate::sdp;

/// A far end that offers streams to us.
pub struct Publisher {
    pub far: FarEnd,
    pub near: NearEnd,
    pub codec: Codec,
    /// Our last description.
    pub answer: String,
}

/// One of its streams.
pub struct Published {
    pub label: String,
    pub stream: NearStream,
    pub fan_out: FanOutHandle,
    pub video: Pump,
    pub audio: Pump,
}

/// A far end that we offer streams to.
pub struct Viewer {
    pub far: FarEnd,
    pub near: NearEnd,
    pub codec: Codec,
    /// Our last description.
    pub offer: String,
    /// Its last description.
    pub answer: String,
}

/// What a viewer gets of a stream.
pub struct Subscribed {
    pub stream: NearStream,
    pub fan_out: FanOutHandle,
    pub id: String,
    pub audio: u32,
    pub video: u32,
}

impl Publisher {
    /// Connected, with one stream.
    pub async fn connect(
        pool: &Arc<WorkerPool>,
        config: ConnectionConfig,
        codec: Codec,
    ) -> (Publisher, Published) {
        let mut publisher = Publisher::open(pool, config, codec).await;
        let published = publisher.publish("camera", 1000).await;
        publisher.near.reaches(ConnectionState::Ready).await;
        (publisher, published)
    }

    pub async fn open(pool: &Arc<WorkerPool>, config: ConnectionConfig, codec: Codec) -> Publisher {
        let far = FarEnd::open(codec).await;
        Publisher { far, near: NearEnd::open(pool, config), codec, answer: String::new() }
    }

    /// Negotiates one more stream, video under `ssrc`, audio under the next number.
    pub async fn publish(&mut self, label: &str, ssrc: u32) -> Published {
        let mut published = self.announce(label, ssrc).await;
        self.negotiate().await;
        published.stream.ready().await;
        published
    }

    /// The stream will be in the next offer.
    pub async fn announce(&mut self, label: &str, ssrc: u32) -> Published {
        let audio = self.far.publish(Codec::Opus, label, ssrc + 1).await;
        let video = self.far.publish(self.codec, label, ssrc).await;
        let stream = self.near.add(label, label, StreamRole::Publisher).await;
        let fan_out = FanOutHandle::new();
        fan_out.set_publisher(&stream.handle);
        stream.handle.set_receiver(MediaKind::Audio, Some(&fan_out));
        stream.handle.set_receiver(MediaKind::Video, Some(&fan_out));
        Published { label: label.to_owned(), stream, fan_out, video, audio }
    }

    /// Both ends drop the stream and negotiate.
    pub async fn unpublish(&mut self, published: Published) {
        self.far.unpublish(published.video).await;
        self.far.unpublish(published.audio).await;
        self.near.remove(&published.label).await;
        self.negotiate().await;
    }

    pub async fn negotiate(&mut self) {
        let offer = self.far.offer().await;
        self.answer = self.near.answer(&offer).await;
        self.far.accept(&self.answer).await;
    }
}

impl Viewer {
    /// Connected, with one stream.
    pub async fn connect(
        pool: &Arc<WorkerPool>,
        config: ConnectionConfig,
        settings: SettingEngine,
        codec: Codec,
        published: &Published,
    ) -> (Viewer, Subscribed) {
        let mut viewer = Viewer::open(pool, config, settings, codec).await;
        let subscribed = viewer.subscribe(published).await;
        viewer.near.reaches(ConnectionState::Ready).await;
        (viewer, subscribed)
    }

    /// The same with nothing out of the ordinary.
    pub async fn join(
        pool: &Arc<WorkerPool>,
        codec: Codec,
        published: &Published,
    ) -> (Viewer, Subscribed) {
        Viewer::connect(pool, config(codec), SettingEngine::default(), codec, published).await
    }

    pub async fn open(
        pool: &Arc<WorkerPool>,
        config: ConnectionConfig,
        settings: SettingEngine,
        codec: Codec,
    ) -> Viewer {
        let far = FarEnd::with(codec, settings).await;
        let near = NearEnd::open(pool, config);
        Viewer { far, near, codec, offer: String::new(), answer: String::new() }
    }

    /// Negotiates one more stream.
    pub async fn subscribe(&mut self, published: &Published) -> Subscribed {
        let mut subscribed = self.announce(published).await;
        self.near.set_remote(&self.answer).await.expect("a good answer");
        subscribed.stream.ready().await;
        subscribed
    }

    /// Offers one more stream; the answer is not applied yet.
    pub async fn announce(&mut self, published: &Published) -> Subscribed {
        let label = &published.label;
        static NEXT_ID: AtomicU32 = AtomicU32::new(1);
        let id = format!("{} of {label}", NEXT_ID.fetch_add(1, Ordering::Relaxed));
        let stream = self.near.add(&id, label, StreamRole::Subscriber).await;
        published.fan_out.add_subscriber(&stream.handle, id.clone());
        self.exchange().await;
        Subscribed {
            stream,
            fan_out: published.fan_out.clone(),
            id,
            audio: sdp::ssrc(&self.offer, "audio", label),
            video: sdp::ssrc(&self.offer, "video", label),
        }
    }

    pub async fn unsubscribe(&mut self, subscribed: &Subscribed) {
        subscribed.fan_out.remove_subscriber(&subscribed.id);
        self.near.remove(&subscribed.id).await;
        self.exchange().await;
        self.near.set_remote(&self.answer).await.expect("a good answer");
    }

    async fn exchange(&mut self) {
        self.offer = self.near.offer().await;
        self.answer = self.far.answer(&self.offer).await;
    }

    /// Waits for `count` more packets of each kind and checks all that came so far.
    pub async fn watch(&mut self, subscribed: &Subscribed, count: usize) {
        self.far.receive(Codec::Opus, subscribed.audio, count).await;
        self.far.receive(self.codec, subscribed.video, count).await;
        self.check(subscribed);
    }

    /// Every packet of the stream that came so far is as it should be, and none is missing.
    pub fn check(&self, subscribed: &Subscribed) {
        check_all(Codec::Opus, &self.far.numbered(Codec::Opus, subscribed.audio));
        check_all(self.codec, &self.far.numbered(self.codec, subscribed.video));
    }
}

/// No pause may be longer in what stays (issue: streams that stay).
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// Contiguous in every number and in time.
pub fn check_all(codec: Codec, arrivals: &[Arrival]) {
    for arrival in arrivals {
        let header = &arrival.packet.header;
        assert_eq!(header.payload_type, codec.our_payload_type());
        assert_eq!(header.marker, codec.is_video());
    }
    for pair in arrivals.windows(2) {
        let [before, after] = pair else { continue };
        let numbers = |arrival: &Arrival| {
            let header = &arrival.packet.header;
            let read = codec.read(&arrival.packet.payload).expect("only numbered ones");
            (read.index, header.sequence_number, header.timestamp)
        };
        let (index, sequence, timestamp) = numbers(before);
        let next = (
            index + 1,
            sequence.wrapping_add(1),
            timestamp.wrapping_add(codec.ticks(Pump::INTERVAL_MS)),
        );
        assert_eq!(numbers(after), next, "{codec:?}: index, sequence number, timestamp");
        let pause = after.at - before.at;
        assert!(pause < LONGEST_PAUSE, "{codec:?} paused for {pause:?} after packet {index}");
    }
}
