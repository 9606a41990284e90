//! The peer: a PeerConnection of the `webrtc` crate with everything it receives at hand.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use rtc::interceptor::{Interceptor, Packet, Slot, StreamInfo, TaggedPacket};
use rtc::rtcp;
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc::rtp;
use rtc::rtp_transceiver::rtp_sender::RtpCodecKind;
use rtc::sansio;
use rtc::shared::error::Error;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use webrtc::media_stream::track_local::TrackLocal;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};
use webrtc::peer_connection::{
    MediaEngine, PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler,
    RTCIceConnectionState, RTCIceGatheringState, RTCSessionDescription, Registry, SettingEngine,
    register_default_interceptors,
};
use webrtc::rtp_transceiver::RtpSender;

use crate::bounded::within;
use crate::media::{Codec, Numbered};

pub type Feedback = Box<dyn rtcp::Packet>;

pub struct FarEnd {
    connection: Arc<dyn PeerConnection>,
    gathering: watch::Receiver<RTCIceGatheringState>,
    ice: watch::Receiver<RTCIceConnectionState>,
    packets: mpsc::UnboundedReceiver<Arrival>,
    /// Everything that came, by SSRC.
    pub received: HashMap<u32, Vec<Arrival>>,
    tracks: Tracks,
    rtcp: mpsc::UnboundedReceiver<Feedback>,
}

#[derive(Clone, Debug)]
pub struct Arrival {
    pub packet: rtp::packet::Packet,
    pub at: Instant,
}

/// Sends numbered packets until it is dropped.
pub struct Pump {
    pub ssrc: u32,
    key_frame_wanted: Arc<AtomicBool>,
    sent: watch::Receiver<u32>,
    task: JoinHandle<()>,
    pub sender: Arc<dyn RtpSender>,
}

type Tracks = Arc<Mutex<HashMap<u32, Arc<dyn TrackRemote>>>>;

impl FarEnd {
    /// Supports one video codec and Opus.
    pub async fn open(video: Codec) -> FarEnd {
        FarEnd::with(video, SettingEngine::default()).await
    }

    pub async fn with(video: Codec, settings: SettingEngine) -> FarEnd {
        let mut engine = MediaEngine::default();
        for (codec, kind) in [(video, RtpCodecKind::Video), (Codec::Opus, RtpCodecKind::Audio)] {
            engine.register_codec(codec.parameters(), kind).expect("a codec");
        }
        let registry =
            register_default_interceptors(Registry::new(), &mut engine).expect("interceptors");
        let (tell_rtcp, rtcp) = mpsc::unbounded_channel();
        let registry = registry.with(Slot::from(14_000), Tap::new(tell_rtcp));
        let (tell_gathering, gathering) = watch::channel(RTCIceGatheringState::New);
        let (tell_ice, ice) = watch::channel(RTCIceConnectionState::New);
        let (tell_packet, packets) = mpsc::unbounded_channel();
        let tracks = Tracks::default();
        let handler =
            Handler { tell_gathering, tell_ice, tell_packet, tracks: Arc::clone(&tracks) };
        let connection = PeerConnectionBuilder::new()
            .with_media_engine(engine)
            .with_setting_engine(settings)
            .with_interceptor_registry(registry)
            .with_handler(Arc::new(handler))
            .with_udp_addrs(vec!["127.0.0.1:0".to_owned()])
            .build()
            .await
            .expect("a peer connection");
        FarEnd {
            connection: Arc::new(connection),
            gathering,
            ice,
            packets,
            received: HashMap::new(),
            tracks,
            rtcp,
        }
    }

    /// Adds a track to the next offer and starts to send on it.
    pub async fn publish(&self, codec: Codec, stream: &str, ssrc: u32) -> Pump {
        let track = Arc::new(TrackLocalStaticRTP::new(codec.track(stream, ssrc)));
        let local = Arc::clone(&track) as Arc<dyn TrackLocal>;
        let sender = self.connection.add_track(local).await.expect("a track");
        Pump::start(codec, ssrc, track, sender)
    }

    pub async fn unpublish(&self, pump: Pump) {
        self.connection.remove_track(&pump.sender).await.expect("track removed");
    }

    pub async fn offer(&mut self) -> String {
        let offer = self.connection.create_offer(None).await.expect("an offer");
        self.set_local(offer).await
    }

    pub async fn answer(&mut self, offer: &str) -> String {
        let offer = RTCSessionDescription::offer(offer.to_owned()).expect("readable SDP");
        self.connection.set_remote_description(offer).await.expect("offer taken");
        let answer = self.connection.create_answer(None).await.expect("an answer");
        self.set_local(answer).await
    }

    pub async fn accept(&self, answer: &str) {
        let answer = RTCSessionDescription::answer(answer.to_owned()).expect("readable SDP");
        self.connection.set_remote_description(answer).await.expect("answer taken");
    }

    async fn set_local(&mut self, description: RTCSessionDescription) -> String {
        self.connection.set_local_description(description).await.expect("own description");
        let complete = self.gathering.wait_for(|s| *s == RTCIceGatheringState::Complete);
        within("gathering", complete).await.expect("gathering");
        self.connection.local_description().await.expect("a description").sdp
    }

    /// Connectivity checks succeeded: the DTLS handshake may begin.
    pub async fn has_a_path(&mut self) {
        let wanted = |state: &RTCIceConnectionState| {
            matches!(state, RTCIceConnectionState::Connected | RTCIceConnectionState::Completed)
        };
        within("a path", self.ice.wait_for(wanted)).await.expect("a living peer");
    }

    /// The next `count` numbered packets of an SSRC.
    pub async fn receive(&mut self, codec: Codec, ssrc: u32, count: usize) -> Vec<Arrival> {
        let from = self.numbered(codec, ssrc).len();
        let what = format!("{count} {codec:?} packets of {ssrc} after {from}");
        within(&what, async {
            while self.numbered(codec, ssrc).len() < from + count {
                let arrival = self.packets.recv().await.expect("a living peer");
                self.keep(arrival);
            }
        })
        .await;
        self.numbered(codec, ssrc).split_off(from)
    }

    /// Takes what has arrived so far.
    pub fn drain(&mut self) {
        while let Ok(arrival) = self.packets.try_recv() {
            self.keep(arrival);
        }
    }

    /// The numbered packets of an SSRC so far, in order of arrival.
    pub fn numbered(&self, codec: Codec, ssrc: u32) -> Vec<Arrival> {
        let all = self.received.get(&ssrc).into_iter().flatten();
        all.filter(|arrival| codec.read(&arrival.packet.payload).is_some()).cloned().collect()
    }

    /// Waits for RTCP that says what is wanted; what comes before it is gone.
    pub async fn feedback<T>(&mut self, what: &str, wanted: impl Fn(&Feedback) -> Option<T>) -> T {
        within(what, async {
            loop {
                let packet = self.rtcp.recv().await.expect("a living peer");
                if let Some(found) = wanted(&packet) {
                    return found;
                }
            }
        })
        .await
    }

    /// Waits for a PLI about one of our tracks.
    pub async fn key_frame_request(&mut self, ssrc: u32) {
        self.feedback(&format!("a key frame request for {ssrc}"), |packet| {
            let pli = packet.as_any().downcast_ref::<PictureLossIndication>()?;
            (pli.media_ssrc == ssrc).then_some(())
        })
        .await;
    }

    /// Forgets RTCP that has arrived.
    pub fn forget_feedback(&mut self) {
        while self.rtcp.try_recv().is_ok() {}
    }

    /// Sends RTCP about a track that we receive.
    pub async fn send_feedback(&self, ssrc: u32, packets: Vec<Feedback>) {
        let track = self.tracks.lock().expect("no panic before").get(&ssrc).cloned();
        track.expect("a track with this SSRC").write_rtcp(packets).await.expect("RTCP sent");
    }

    pub async fn close(&self) {
        within("the far end's close", self.connection.close()).await.expect("closed");
    }

    fn keep(&mut self, arrival: Arrival) {
        self.received.entry(arrival.packet.header.ssrc).or_default().push(arrival);
    }
}

impl Pump {
    /// Milliseconds between packets: enough traffic for a test to be short.
    pub const INTERVAL_MS: u32 = 5;

    fn start(
        codec: Codec,
        ssrc: u32,
        track: Arc<TrackLocalStaticRTP>,
        sender: Arc<dyn RtpSender>,
    ) -> Pump {
        let key_frame_wanted = Arc::new(AtomicBool::new(true));
        let wanted = Arc::clone(&key_frame_wanted);
        let (tell, sent) = watch::channel(0);
        let task = tokio::spawn(async move {
            let mut pace = tokio::time::interval(Duration::from_millis(Self::INTERVAL_MS.into()));
            for index in 0u32.. {
                pace.tick().await;
                let key_frame = codec.is_video() && wanted.swap(false, Ordering::Relaxed);
                let packet = rtp::packet::Packet {
                    header: rtp::header::Header {
                        version: 2,
                        marker: codec.is_video(),
                        payload_type: codec.payload_type(),
                        // Wraps soon (RFC 3550 §5.1 wants a random start; this one is the worst).
                        sequence_number: 65_500u16.wrapping_add(index as u16),
                        timestamp: index.wrapping_mul(codec.ticks(Self::INTERVAL_MS)),
                        ssrc,
                        ..Default::default()
                    },
                    payload: codec.payload(Numbered { index, key_frame }).into(),
                };
                // Refused until the track is negotiated.
                let _ = track.write_rtp(packet).await;
                tell.send_replace(index);
            }
        });
        Pump { ssrc, key_frame_wanted, sent, task, sender }
    }

    /// The next packet is a key frame.
    pub fn key_frame(&self) {
        self.key_frame_wanted.store(true, Ordering::Relaxed);
    }

    /// Waits until `count` more packets were handed to the far end's stack.
    pub async fn sends(&mut self, count: u32) {
        let goal = *self.sent.borrow() + count;
        within("packets sent", self.sent.wait_for(|sent| *sent >= goal)).await.expect("a pump");
    }
}

impl Drop for Pump {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Handler {
    tell_gathering: watch::Sender<RTCIceGatheringState>,
    tell_ice: watch::Sender<RTCIceConnectionState>,
    tell_packet: mpsc::UnboundedSender<Arrival>,
    tracks: Tracks,
}

#[async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        self.tell_gathering.send_replace(state);
    }

    async fn on_ice_connection_state_change(&self, state: RTCIceConnectionState) {
        self.tell_ice.send_replace(state);
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        let (tell, tracks) = (self.tell_packet.clone(), Arc::clone(&self.tracks));
        tokio::spawn(async move {
            while let Some(event) = track.poll().await {
                if let TrackRemoteEvent::OnRtpPacket(packet) = event {
                    let ssrc = packet.header.ssrc;
                    tracks.lock().expect("no panic before").insert(ssrc, Arc::clone(&track));
                    let _ = tell.send(Arrival { packet, at: Instant::now() });
                }
            }
        });
    }
}

/// Closest to the application: copies the RTCP that its peer sent, in clear.
struct Tap {
    tell: mpsc::UnboundedSender<Feedback>,
    reads: VecDeque<TaggedPacket>,
    writes: VecDeque<TaggedPacket>,
}

impl Tap {
    fn new(tell: mpsc::UnboundedSender<Feedback>) -> Self {
        Tap { tell, reads: VecDeque::new(), writes: VecDeque::new() }
    }
}

impl sansio::Protocol<TaggedPacket, TaggedPacket, ()> for Tap {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = Error;
    type Time = Instant;

    fn handle_read(&mut self, packet: TaggedPacket) -> Result<(), Error> {
        if let Packet::Rtcp(members) = &packet.message.packet {
            for member in members {
                let _ = self.tell.send(member.clone());
            }
        }
        self.reads.push_back(packet);
        Ok(())
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.reads.pop_front()
    }

    fn handle_write(&mut self, packet: TaggedPacket) -> Result<(), Error> {
        self.writes.push_back(packet);
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.writes.pop_front()
    }
}

impl Interceptor for Tap {
    fn bind_local_stream(&mut self, _: &StreamInfo) {}
    fn unbind_local_stream(&mut self, _: &StreamInfo) {}
    fn bind_remote_stream(&mut self, _: &StreamInfo) {}
    fn unbind_remote_stream(&mut self, _: &StreamInfo) {}
}
