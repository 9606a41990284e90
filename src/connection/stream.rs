//! A stream inside the engine: what the program set on it, and its publisher or subscriber once a
//! remote description has made one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::bandwidth::receive_side::ReceiveSide;
use crate::connection::command::StreamListener;
use crate::connection::config::{ConnectionId, FanOutId, StreamConfig, StreamRole};
use crate::connection::event::StreamEvent;
use crate::media::incoming::IncomingPacket;
use crate::media::outgoing_track::OutgoingTrackConfig;
use crate::media::packet::MediaPacket;
use crate::media::payload_types::{Payload, PayloadTypes};
use crate::media::publisher::{Publisher, PublisherConfig, Refused};
use crate::media::subscriber::{Subscriber, SubscriberConfig};
use crate::negotiation::description::SessionDescription;
use crate::negotiation::direction::MediaType;
use crate::negotiation::section::RidDirection;
use crate::rtp::codec::Codec;
use crate::rtp::extension::ExtensionMap;
use crate::rtp::id::{MediaKind, Mid, Rid};

/// See the module documentation.
pub(crate) struct Stream {
    pub(crate) config: StreamConfig,
    pub(crate) connection: ConnectionId,
    listener: StreamListener,
    /// Between `addMediaStream` and `removeMediaStream`.
    pub(crate) attached: bool,
    /// Queued for a look at its deadline and feedback.
    pub(crate) stirred: bool,
    audio_receiver: Option<FanOutId>,
    video_receiver: Option<FanOutId>,
    /// The fan-out that this stream publishes to or subscribes from.
    pub(crate) fan_out: Option<FanOutId>,
    audio_mid: Option<Mid>,
    video_mid: Option<Mid>,
    settings: Settings,
    pub(crate) role: Role,
}

/// What was set before there is anything to set it on (contract MST-7).
#[derive(Clone, Debug)]
struct Settings {
    mute_video: bool,
    mute_audio: bool,
    was_muted: bool,
    max_video_bitrate: u64,
    feedback: bool,
    video_disabled: bool,
    periodic_key_frames: Duration,
    priority: String,
}

/// Waiting until a remote description concerns the stream (contract M-PATH-1, NEG-28).
#[derive(Debug)]
pub(crate) enum Role {
    Waiting,
    Publisher(Box<Publisher>),
    Subscriber(Box<Subscriber>),
}

/// What a stream learns from the connection when its first remote description is applied.
pub(crate) struct Agreement<'a> {
    pub(crate) remote: &'a SessionDescription,
    pub(crate) audio: &'a ExtensionMap,
    pub(crate) video: &'a ExtensionMap,
}

impl Stream {
    pub(crate) fn new(
        connection: ConnectionId,
        config: StreamConfig,
        listener: StreamListener,
    ) -> Self {
        Stream {
            settings: Settings {
                mute_video: false,
                mute_audio: false,
                was_muted: false,
                max_video_bitrate: DEFAULT_MAX_VIDEO_BITRATE,
                feedback: true,
                video_disabled: false,
                periodic_key_frames: Duration::ZERO,
                priority: config.priority.clone(),
            },
            config,
            connection,
            listener,
            attached: false,
            stirred: false,
            audio_receiver: None,
            video_receiver: None,
            fan_out: None,
            audio_mid: None,
            video_mid: None,
            role: Role::Waiting,
        }
    }

    /// The stream takes the remote description as its own, for good, and tells the program
    /// (contract NEG-28, NEG-30). A second one is ignored.
    pub(crate) fn configure(&mut self, now: Instant, agreement: &Agreement<'_>) {
        if !matches!(self.role, Role::Waiting) {
            return;
        }
        // OTH-1: the first remote description sets the bound, if it names one.
        let described = u64::from(agreement.remote.video_bandwidth()) * 1000;
        if described != 0 {
            self.settings.max_video_bitrate = described;
        }
        self.role = match self.config.role {
            StreamRole::Publisher => Role::Publisher(Box::new(self.publisher(now, agreement))),
            StreamRole::Subscriber => Role::Subscriber(Box::new(self.subscriber(now, agreement))),
        };
        (self.listener)(StreamEvent::Ready);
    }

    /// The section with this mid carries the stream's media of one kind (contract ASC-3).
    pub(crate) fn associate(&mut self, kind: MediaKind, mid: Option<Mid>) {
        match kind {
            MediaKind::Audio => self.audio_mid = mid,
            MediaKind::Video => self.video_mid = mid,
        }
        if let (Role::Publisher(publisher), Some(mid)) = (&mut self.role, mid) {
            publisher.set_mid(kind, mid);
        }
    }

    pub(crate) fn set_receiver(&mut self, kind: MediaKind, receiver: Option<FanOutId>) {
        match kind {
            MediaKind::Audio => self.audio_receiver = receiver,
            MediaKind::Video => self.video_receiver = receiver,
        }
    }

    pub(crate) fn receiver(&self, kind: MediaKind) -> Option<FanOutId> {
        match kind {
            MediaKind::Audio => self.audio_receiver,
            MediaKind::Video => self.video_receiver,
        }
    }

    /// The fan-outs that media goes to.
    pub(crate) fn receivers(&self) -> impl Iterator<Item = FanOutId> + use<> {
        let video = self.video_receiver.filter(|id| self.audio_receiver != Some(*id));
        self.audio_receiver.into_iter().chain(video)
    }

    /// One packet of the peer, as subscribers may share it.
    pub(crate) fn receive(
        &mut self,
        now: Instant,
        packet: &IncomingPacket<'_>,
        receive_side: &mut ReceiveSide,
    ) -> Result<Arc<MediaPacket>, Refused> {
        let Role::Publisher(publisher) = &mut self.role else {
            return Err(Refused::UnknownSource);
        };
        if !publisher.learn(packet) {
            return Err(Refused::UnknownSource);
        }
        publisher.handle_rtp(now, packet, receive_side)
    }

    /// On a publisher: its peer is asked. On a subscriber: its publisher is.
    pub(crate) fn request_key_frame(&mut self, now: Instant) {
        match &mut self.role {
            Role::Waiting => {}
            Role::Publisher(publisher) => publisher.request_key_frame(now),
            Role::Subscriber(subscriber) => subscriber.request_key_frame(),
        }
    }

    pub(crate) fn mute(&mut self, video: bool, audio: bool) {
        self.settings.mute_video = video;
        self.settings.mute_audio = audio;
        self.settings.was_muted = true;
        if let Role::Subscriber(subscriber) = &mut self.role {
            subscriber.set_mute(video, audio);
        }
    }

    pub(crate) fn set_max_video_bitrate(&mut self, bits_per_second: u64) {
        self.settings.max_video_bitrate = bits_per_second;
        match &mut self.role {
            Role::Waiting => {}
            Role::Publisher(publisher) => publisher.set_max_video_bitrate(bits_per_second),
            Role::Subscriber(subscriber) => subscriber.set_max_video_bitrate(bits_per_second),
        }
    }

    pub(crate) fn set_feedback(&mut self, enabled: bool) {
        self.settings.feedback = enabled;
        if let Role::Subscriber(subscriber) = &mut self.role {
            subscriber.set_feedback(enabled);
        }
    }

    pub(crate) fn disable_video(&mut self) {
        self.settings.video_disabled = true;
        if let Role::Subscriber(subscriber) = &mut self.role {
            subscriber.disable_video();
        }
    }

    pub(crate) fn set_priority(&mut self, priority: String) {
        if let Role::Publisher(publisher) = &mut self.role {
            publisher.stats_mut().priority.clone_from(&priority);
        }
        if let Role::Subscriber(subscriber) = &mut self.role {
            subscriber.stats_mut().priority.clone_from(&priority);
        }
        self.settings.priority = priority;
    }

    pub(crate) fn set_periodic_key_frames(&mut self, now: Instant, interval_ms: u32) {
        self.settings.periodic_key_frames = Duration::from_millis(interval_ms.into());
        if let Role::Publisher(publisher) = &mut self.role {
            publisher.set_periodic_key_frames(now, self.settings.periodic_key_frames);
        }
    }

    /// `host` and so on, once the transport is connected (contract EVT-12).
    pub(crate) fn set_client_host_type(&mut self, host_type: &'static str) {
        match &mut self.role {
            Role::Waiting => {}
            Role::Publisher(publisher) => {
                publisher.stats_mut().client_host_type = Some(host_type);
            }
            Role::Subscriber(subscriber) => {
                subscriber.stats_mut().client_host_type = Some(host_type);
            }
        }
    }

    /// The document of contract media.md section 7.2; empty before there is anything to count.
    pub(crate) fn statistics(&self, now: Instant) -> String {
        match &self.role {
            Role::Waiting => "{}".to_owned(),
            Role::Publisher(publisher) => publisher.stats().to_json(now),
            Role::Subscriber(subscriber) => subscriber.stats().to_json(now),
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        match &self.role {
            Role::Waiting => None,
            Role::Publisher(publisher) => publisher.poll_timeout(),
            Role::Subscriber(subscriber) => subscriber.poll_timeout(),
        }
    }

    fn publisher(&self, now: Instant, agreement: &Agreement<'_>) -> Publisher {
        let remote = agreement.remote;
        let label = &self.config.label;
        // RID-5's stand-ins are for reports only; a source that was not named is learnt.
        let video_sources = remote.video_ssrcs().get(label).cloned().unwrap_or_default();
        let rids = remote
            .rids()
            .iter()
            .filter(|rid| rid.direction == RidDirection::Send)
            .filter_map(|rid| Rid::new(rid.id.as_bytes()))
            .collect();
        let mut publisher = Publisher::new(
            now,
            PublisherConfig {
                key: self.config.key.0,
                audio_source: remote.audio_ssrc(label).filter(|ssrc| ssrc.0 != 0),
                video_sources,
                rids,
                audio_mid: self.audio_mid,
                video_mid: self.video_mid,
                payload_types: payload_types(remote),
                audio_ssrc: self.config.audio_ssrc,
                video_ssrc: self.config.video_ssrc,
                priority: self.settings.priority.clone(),
                max_video_bitrate: self.settings.max_video_bitrate,
            },
        );
        publisher.set_periodic_key_frames(now, self.settings.periodic_key_frames);
        publisher
    }

    fn subscriber(&self, now: Instant, agreement: &Agreement<'_>) -> Subscriber {
        let track = |ssrc, extensions: &ExtensionMap, mid| OutgoingTrackConfig {
            ssrc,
            extensions: extensions.clone(),
            mid,
        };
        let mut subscriber = Subscriber::new(
            now,
            SubscriberConfig {
                has_audio: self.config.has_audio,
                has_video: self.config.has_video && !self.settings.video_disabled,
                audio: track(self.config.audio_ssrc, agreement.audio, self.audio_mid),
                video: track(self.config.video_ssrc, agreement.video, self.video_mid),
                payload_types: payload_types(agreement.remote),
                priority: self.settings.priority.clone(),
                max_video_bitrate: self.settings.max_video_bitrate,
            },
        );
        if self.settings.was_muted {
            subscriber.set_mute(self.settings.mute_video, self.settings.mute_audio);
        }
        subscriber.set_feedback(self.settings.feedback);
        // A new viewer gets a picture at once, also on a connection that is long ready.
        subscriber.request_key_frame();
        subscriber
    }
}

/// bit/s, before anything else is said (contract M-RTCP-4).
const DEFAULT_MAX_VIDEO_BITRATE: u64 = 30_000_000;

/// The payload types that a remote description agreed on (contract M-PT-1, M-PT-3).
fn payload_types(remote: &SessionDescription) -> PayloadTypes {
    let mut types = PayloadTypes::new();
    let map = remote.payload_map();
    for media_type in [MediaType::Audio, MediaType::Video] {
        for payload in remote.codecs(media_type) {
            let Some(internal) = map.known_internal(payload.payload_type) else { continue };
            types.insert(
                payload.payload_type,
                Payload {
                    internal,
                    codec: Codec::from_name(&payload.name),
                    clock_rate_hz: payload.clock_rate_hz,
                },
            );
        }
    }
    types
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stream").field("config", &self.config).finish_non_exhaustive()
    }
}
