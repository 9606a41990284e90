//! A stream from us to a peer: its own copy of each packet, its own clock and numbers, answers to
//! its feedback.

use std::time::{Duration, Instant};

use super::clock::Moment;
use super::fan_out::FanOut;
use super::mute::{Picture, Show, VideoMute};
use super::outgoing_track::{Outgoing, OutgoingTrack, OutgoingTrackConfig};
use super::packet::{MediaPacket, PacketInfo};
use super::payload_types::PayloadTypes;
use super::token_bucket::RetransmissionBudget;
use crate::rtp::codec::Codec;
use crate::rtp::id::{MediaKind, Ssrc};
use crate::rtp::rtcp::{self, ReportBlock, Rtcp};
use crate::rtp::time::{NtpTime, round_trip};
use crate::stats::stream::{FeedbackKind, StreamStats};

/// What is known about a subscriber when its remote description is applied (M-API-20).
#[derive(Clone, Debug)]
pub struct SubscriberConfig {
    /// `has_audio` and `has_video` of the stream: media of a kind that is off goes nowhere
    /// (M-PATH-12).
    pub has_audio: bool,
    pub has_video: bool,
    pub audio: OutgoingTrackConfig,
    pub video: OutgoingTrackConfig,
    pub payload_types: PayloadTypes,
    pub priority: String,
    /// bit/s; 0: none known.
    pub max_video_bitrate: u64,
}

/// See the module documentation.
#[derive(Debug)]
pub struct Subscriber {
    audio: OutgoingTrack,
    video: OutgoingTrack,
    has_audio: bool,
    has_video: bool,
    payload_types: PayloadTypes,
    audio_muted: bool,
    video_mute: VideoMute,
    /// The simulcast layer that is forwarded.
    layer: u8,
    max_video_bitrate: u64,
    feedback: bool,
    wish: KeyFrameWish,
    budget: RetransmissionBudget,
    next_report: Option<Instant>,
    round_trip: Option<Duration>,
    /// Its RTP timestamp: a key frame counts once, however many of its packets are marked.
    last_key_frame: Option<u32>,
    audio_stats: usize,
    video_stats: usize,
    stats: StreamStats,
}

/// What became of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Forward {
    Send(Outgoing),
    Drop(DropReason),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DropReason {
    /// The stream does not carry this kind of media.
    Disabled,
    Muted,
    /// Another simulcast layer is forwarded.
    Layer,
    /// A duplicate, or so late that its number is gone.
    Late,
    /// It does not fit the buffer.
    TooLong,
}

/// Whether a key frame is to be asked for, and when again (M-FKF-3).
#[derive(Debug, Default)]
struct KeyFrameWish {
    now: bool,
    /// While the peer cannot show what it gets.
    repeat: Option<Instant>,
    /// Media came since the last repeat: nothing is asked of a silent publisher.
    heard: bool,
}

impl Subscriber {
    /// Long enough to cost little, short enough for lip-sync soon after joining.
    const REPORT_INTERVAL: Duration = Duration::from_secs(1);
    const FIRST_REPORT: Duration = Duration::from_millis(200);
    /// M-FKF-3.
    const KEY_FRAME_REPEAT: Duration = Duration::from_millis(300);
    /// One name for all streams: a receiver plays in step only what bears the same one
    /// (RFC 3550 §6.5.1).
    const CNAME: &str = "erizo";

    pub fn new(now: Instant, config: SubscriberConfig) -> Self {
        let mut stats =
            StreamStats::new(config.audio.ssrc, config.video.ssrc, config.priority.clone());
        Subscriber {
            audio_stats: stats.add_track(config.audio.ssrc, MediaKind::Audio),
            video_stats: stats.add_track(config.video.ssrc, MediaKind::Video),
            stats,
            audio: OutgoingTrack::new(config.audio, OutgoingTrack::AUDIO_RECORDS),
            video: OutgoingTrack::new(config.video, OutgoingTrack::VIDEO_RECORDS),
            has_audio: config.has_audio,
            has_video: config.has_video,
            payload_types: config.payload_types,
            audio_muted: false,
            video_mute: VideoMute::new(),
            layer: 0,
            max_video_bitrate: config.max_video_bitrate,
            feedback: true,
            wish: KeyFrameWish::default(),
            budget: RetransmissionBudget::new(now),
            next_report: None,
            round_trip: None,
            last_key_frame: None,
        }
    }

    /// Whether feedback about `ssrc` is for this stream.
    pub fn owns(&self, ssrc: Ssrc) -> bool {
        self.audio.ssrc() == ssrc || self.video.ssrc() == ssrc
    }

    /// Writes this peer's copy of a publisher's packet into `buf`. Only while the transport is
    /// ready (M-PATH-1). `transport_sequence` is the connection's next number, used up only if
    /// the answer says so.
    pub fn forward(
        &mut self,
        at: Moment,
        packet: &MediaPacket,
        transport_sequence: Option<u16>,
        buf: &mut [u8],
    ) -> Forward {
        let info = packet.info();
        let show = match info.kind {
            MediaKind::Audio if !self.has_audio => return Forward::Drop(DropReason::Disabled),
            MediaKind::Video if !self.has_video => return Forward::Drop(DropReason::Disabled),
            MediaKind::Video if info.layer != self.layer => {
                return Forward::Drop(DropReason::Layer);
            }
            MediaKind::Audio if self.audio_muted => Show::Nothing,
            MediaKind::Audio => Show::Packet,
            MediaKind::Video => self.decide_video(at.now, info),
        };
        let track = match info.kind {
            MediaKind::Audio => &mut self.audio,
            MediaKind::Video => &mut self.video,
        };
        if show == Show::Nothing {
            track.skip(info);
            return Forward::Drop(DropReason::Muted);
        }
        let Some(record) = track.assign(at, info, show == Show::Black, transport_sequence) else {
            return Forward::Drop(DropReason::Late);
        };
        let Some(sent) = track.write(&record, packet, &self.payload_types, buf) else {
            return Forward::Drop(DropReason::TooLong);
        };
        self.next_report.get_or_insert(at.now + Self::FIRST_REPORT);
        let key_frame = info.kind == MediaKind::Video
            && (show == Show::Black || info.frame.key_frame)
            && self.last_key_frame.replace(info.header.timestamp) != Some(info.header.timestamp);
        self.stats.on_packet(at.now, self.stats_index(info.kind), sent.len, key_frame);
        Forward::Send(sent)
    }

    /// Writes a packet again that the peer missed, bit by bit the same (see `outgoing_track`).
    /// `None` if it is not there any more or the budget is used up (M-RTX-2, M-RTX-4).
    pub fn resend(
        &mut self,
        now: Instant,
        media: Ssrc,
        sequence: u16,
        fan_out: &FanOut,
        buf: &mut [u8],
    ) -> Option<Outgoing> {
        let kind = self.kind_of(media)?;
        let track = match kind {
            MediaKind::Audio => &mut self.audio,
            MediaKind::Video => &mut self.video,
        };
        let record = track.record(sequence)?;
        let packet = fan_out.packet(kind, record.layer, record.input)?;
        if track.is_new_source(packet.info()) {
            return None;
        }
        let stats = &self.stats;
        if !self.budget.take(now, packet.payload().len(), || stats.bitrate(now)) {
            return None;
        }
        let sent = track.write(&record, packet, &self.payload_types, buf)?;
        self.stats.on_packet(now, self.stats_index(kind), sent.len, false);
        self.stats.on_retransmission(now, sent.len);
        Some(sent)
    }

    /// One member of a compound of the peer; tells whether it was about this stream. The packets
    /// that a NACK asks for are to be sent with [`Subscriber::resend`].
    pub fn handle_rtcp(&mut self, at: Moment, member: &Rtcp) -> bool {
        match member {
            Rtcp::ReceiverReport { blocks, .. } => self.handle_report_blocks(at, blocks),
            Rtcp::SenderReport(report) => self.handle_report_blocks(at, &report.blocks),
            Rtcp::Nack { media, .. } => self.count(*media, FeedbackKind::Nack),
            Rtcp::Pli { media, .. } => self.wants_key_frame(*media, FeedbackKind::Pli),
            Rtcp::Sli { media } => self.wants_key_frame(*media, FeedbackKind::Sli),
            Rtcp::Fir { entries, .. } => entries.iter().fold(false, |ours, (ssrc, _)| {
                self.wants_key_frame(*ssrc, FeedbackKind::Fir) | ours
            }),
            Rtcp::Remb { bitrate, ssrcs, .. } => {
                let Some(kind) = ssrcs.iter().find_map(|ssrc| self.kind_of(*ssrc)) else {
                    return false;
                };
                self.stats.on_bandwidth(self.stats_index(kind), *bitrate);
                true
            }
            _ => false,
        }
    }

    /// What the peer says it received of one of our SSRCs; tells whether it is one of ours.
    pub fn handle_report_block(&mut self, at: Moment, block: &ReportBlock) -> bool {
        let Some(kind) = self.kind_of(block.ssrc) else { return false };
        self.stats.on_receiver_report(self.stats_index(kind), block);
        let now = NtpTime::from_unix(at.since_unix);
        let measured = round_trip(now, block.last_sr, block.delay_since_last_sr);
        self.round_trip = measured.or(self.round_trip);
        true
    }

    /// Whether the publisher is to be asked for a key frame now. To be called after packets or
    /// feedback were handed in and when time has passed.
    pub fn take_key_frame_request(&mut self) -> bool {
        // While feedback is off the wish is void, not postponed (M-PATH-30).
        std::mem::take(&mut self.wish.now) && self.feedback
    }

    /// Asks for a key frame from outside: the transport became ready (M-PATH-50).
    pub fn request_key_frame(&mut self) {
        self.wish.now |= self.has_video;
    }

    /// Applies from the next packet on (M-MUTE-1 to M-MUTE-3).
    pub fn set_mute(&mut self, video: bool, audio: bool) {
        self.audio_muted = audio;
        self.wish.now |= self.video_mute.set(video);
        self.stats.audio_mute = Some(audio);
        self.stats.video_mute = Some(video);
    }

    /// Whether this stream's feedback may reach its publisher (M-API-5).
    pub fn set_feedback(&mut self, enabled: bool) {
        self.feedback = enabled;
    }

    /// For good (M-API-5, target 1).
    pub fn disable_video(&mut self) {
        self.has_video = false;
        self.wish = KeyFrameWish::default();
    }

    /// bit/s; 0: none known.
    pub fn set_max_video_bitrate(&mut self, bits_per_second: u64) {
        self.max_video_bitrate = bits_per_second;
    }

    pub fn max_video_bitrate(&self) -> u64 {
        self.max_video_bitrate
    }

    /// From the last report of the peer about this stream.
    pub fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        if self.wish.repeat.is_some_and(|at| now >= at) {
            self.wish.repeat = self.wish.heard.then_some(now + Self::KEY_FRAME_REPEAT);
            self.wish.now = self.wish.heard;
            self.wish.heard = false;
        }
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        [self.wish.repeat, self.next_report].into_iter().flatten().min()
    }

    /// Appends the sender reports that are due, with CNAME; tells whether there were any. Kinds
    /// whose publisher has not reported yet have no clock to report.
    pub fn poll_reports(&mut self, at: Moment, fan_out: &FanOut, out: &mut Vec<u8>) -> bool {
        if self.next_report.is_none_or(|due| at.now < due) {
            return false;
        }
        let before = out.len();
        for track in [&mut self.audio, &mut self.video] {
            let clock = track.source_ssrc().and_then(|ssrc| fan_out.clock(ssrc));
            if let Some(report) = clock.and_then(|clock| track.report(at, clock)) {
                rtcp::write_sender_report(out, &report);
                rtcp::write_sdes_cname(out, report.ssrc, Self::CNAME);
            }
        }
        let reported = out.len() > before;
        // The next packet starts the timer again, so that a silent stream wakes nobody.
        self.next_report = reported.then_some(at.now + Self::REPORT_INTERVAL);
        reported
    }

    pub fn stats(&self) -> &StreamStats {
        &self.stats
    }

    pub fn stats_mut(&mut self) -> &mut StreamStats {
        &mut self.stats
    }

    fn decide_video(&mut self, now: Instant, info: &PacketInfo) -> Show {
        if self.video.has_sent() && self.video.is_new_source(info) {
            self.video_mute.restart();
        }
        let picture = Picture {
            key_frame: info.frame.key_frame,
            can_be_black: info.codec == Codec::Vp8,
            recognised: info.codec != Codec::Other,
        };
        let show = self.video_mute.decide(now, picture);
        if self.video_mute.waits_for_key_frame() {
            self.wish.heard = true;
            if self.wish.repeat.is_none() {
                self.wish.now = true;
                self.wish.repeat = Some(now + Self::KEY_FRAME_REPEAT);
            }
        } else {
            self.wish.repeat = None;
        }
        show
    }

    fn handle_report_blocks(&mut self, at: Moment, blocks: &[ReportBlock]) -> bool {
        blocks.iter().fold(false, |ours, block| self.handle_report_block(at, block) | ours)
    }

    fn wants_key_frame(&mut self, media: Ssrc, kind: FeedbackKind) -> bool {
        if media == self.video.ssrc() {
            self.request_key_frame();
        }
        self.count(media, kind)
    }

    fn count(&mut self, media: Ssrc, feedback: FeedbackKind) -> bool {
        let Some(kind) = self.kind_of(media) else { return false };
        self.stats.on_feedback(self.stats_index(kind), feedback);
        true
    }

    fn kind_of(&self, ssrc: Ssrc) -> Option<MediaKind> {
        match ssrc {
            ssrc if ssrc == self.audio.ssrc() => Some(MediaKind::Audio),
            ssrc if ssrc == self.video.ssrc() => Some(MediaKind::Video),
            _ => None,
        }
    }

    fn stats_index(&self, kind: MediaKind) -> usize {
        match kind {
            MediaKind::Audio => self.audio_stats,
            MediaKind::Video => self.video_stats,
        }
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "an arbitrary first moment")]
mod test {
    use std::sync::Arc;

    use super::super::builder::{Build, extensions, payload_types};
    use super::super::clock::MediaClock;
    use super::super::incoming::IncomingPacket;
    use super::super::publisher::{Publisher, PublisherConfig};
    use super::*;
    use crate::bandwidth::receive_side::ReceiveSide;
    use crate::rtp::codec::vp8;
    use crate::rtp::extension::{ExtensionKind, ExtensionMap, ExtensionSpans};
    use crate::rtp::id::{PayloadType, ShortText};
    use crate::rtp::packet::RtpHeader;

    const AUDIO: Ssrc = Ssrc(1_000_000_001);
    const VIDEO: Ssrc = Ssrc(1_000_000_002);

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// Ids of the subscriber: other numbers than the publisher's, and fewer.
    fn agreed() -> ExtensionMap {
        let mut map = ExtensionMap::default();
        map.insert(14, ExtensionKind::VideoOrientation);
        map.insert(13, ExtensionKind::AbsSendTime);
        map.insert(12, ExtensionKind::TransportSequence);
        map.insert(11, ExtensionKind::AudioLevel);
        map
    }

    fn publisher(key: u64, start: Instant) -> Publisher {
        Publisher::new(
            start,
            PublisherConfig {
                key,
                audio_source: Some(Ssrc(200)),
                video_sources: vec![Ssrc(100), Ssrc(101)],
                rids: Vec::new(),
                audio_mid: None,
                video_mid: None,
                payload_types: payload_types(),
                audio_ssrc: Ssrc(44_444),
                video_ssrc: Ssrc(55_543),
                priority: "default".to_owned(),
                max_video_bitrate: 0,
            },
        )
    }

    struct Setup {
        start: Moment,
        publisher: Publisher,
        side: ReceiveSide,
        fan_out: FanOut,
        subscriber: Subscriber,
    }

    /// A forwarded packet as the peer sees it.
    struct Seen {
        outgoing: Outgoing,
        header: RtpHeader,
        bytes: Vec<u8>,
    }

    impl Seen {
        fn new(outgoing: Outgoing, buf: &[u8]) -> Self {
            let bytes = buf[..outgoing.len].to_vec();
            let header = RtpHeader::parse(&bytes).unwrap();
            assert_eq!(usize::from(header.header_len), outgoing.header_len);
            assert_eq!((header.ssrc, header.sequence), (outgoing.ssrc, outgoing.sequence));
            Seen { outgoing, header, bytes }
        }

        fn payload(&self) -> &[u8] {
            self.header.payload(&self.bytes)
        }

        fn extension(&self, kind: ExtensionKind) -> Option<&[u8]> {
            ExtensionSpans::parse(&self.header, &self.bytes, &agreed()).data(&self.bytes, kind)
        }

        fn is_black(&self) -> bool {
            self.payload() == vp8::BLACK_KEY_FRAME
        }

        /// Picture id and TL0PICIDX.
        fn picture(&self) -> (u16, u8) {
            let descriptor = vp8::Descriptor::parse(self.payload()).unwrap();
            (
                descriptor.picture_id.map(|id| id.value).unwrap(),
                descriptor.tl0_pic_idx.map(|index| index.value).unwrap(),
            )
        }
    }

    impl Setup {
        fn new() -> Self {
            Setup::with(|_| {})
        }

        fn with(change: impl FnOnce(&mut SubscriberConfig)) -> Self {
            let now = Instant::now();
            let mut payload_types = PayloadTypes::new();
            let payload = super::super::builder::payload_types().payload(PayloadType(96)).unwrap();
            payload_types.insert(PayloadType(120), payload);
            let track = |ssrc| OutgoingTrackConfig { ssrc, extensions: agreed(), mid: None };
            let mut config = SubscriberConfig {
                has_audio: true,
                has_video: true,
                audio: track(AUDIO),
                video: track(VIDEO),
                payload_types,
                priority: "default".to_owned(),
                max_video_bitrate: 0,
            };
            change(&mut config);
            Setup {
                start: Moment { now, since_unix: Duration::from_secs(1_800_000_000) },
                publisher: publisher(1, now),
                side: ReceiveSide::new(),
                fan_out: FanOut::new(),
                subscriber: Subscriber::new(now, config),
            }
        }

        fn publish(&mut self, at: u64, build: &Build) -> Arc<MediaPacket> {
            let bytes = build.bytes();
            let incoming = IncomingPacket::parse(&bytes, &extensions()).unwrap();
            let now = self.start.now + ms(at);
            let packet = self.publisher.handle_rtp(now, &incoming, &mut self.side).unwrap();
            self.fan_out.store(&packet);
            packet
        }

        fn forward(&mut self, at: u64, packet: &MediaPacket) -> Result<Seen, DropReason> {
            let mut buf = [0xaa; 1500];
            match self.subscriber.forward(self.start.later(ms(at)), packet, None, &mut buf) {
                Forward::Send(outgoing) => Ok(Seen::new(outgoing, &buf)),
                Forward::Drop(reason) => Err(reason),
            }
        }

        fn send(&mut self, at: u64, build: &Build) -> Result<Seen, DropReason> {
            let packet = self.publish(at, build);
            self.forward(at, &packet)
        }

        fn resend(&mut self, at: u64, media: Ssrc, sequence: u16) -> Option<Seen> {
            let mut buf = [0xbb; 1500];
            let now = self.start.now + ms(at);
            let sent = self.subscriber.resend(now, media, sequence, &self.fan_out, &mut buf)?;
            Some(Seen::new(sent, &buf))
        }

        fn wants_key_frame(&mut self, at: u64) -> bool {
            self.subscriber.handle_timeout(self.start.now + ms(at));
            self.subscriber.take_key_frame_request()
        }
    }

    #[test]
    fn a_packet_gets_the_subscribers_ssrc_and_payload_type() {
        let mut setup = Setup::new();
        let seen = setup.send(0, &Build::vp8(7, true)).unwrap();
        assert_eq!(seen.header.ssrc, VIDEO);
        assert_eq!(seen.header.payload_type, PayloadType(120));
        assert_eq!((seen.header.sequence, seen.header.timestamp), (7, 21_000));
        assert_eq!(seen.payload(), Build::vp8(7, true).payload);
        let seen = setup.send(0, &Build::opus(9)).unwrap();
        assert_eq!((seen.header.ssrc, seen.header.payload_type.0), (AUDIO, 111), "M-PT-1");
        assert_eq!(seen.payload(), Build::opus(9).payload);
    }

    #[test]
    fn only_agreed_extensions_leave_under_their_own_numbers_m_ext_4_5() {
        let mut setup = Setup::new();
        let build = Build::vp8(7, true)
            .extension(ExtensionKind::VideoOrientation, &[3])
            .extension(ExtensionKind::PlayoutDelay, &[1, 2, 3])
            .extension(ExtensionKind::Mid, b"1")
            .extension(ExtensionKind::RtpStreamId, b"1")
            .extension(ExtensionKind::TransportSequence, &[9, 9])
            .extension(ExtensionKind::AbsSendTime, &[9, 9, 9]);
        let packet = setup.publish(0, &build);
        let mut buf = [0; 1500];
        let at = setup.start;
        let Forward::Send(outgoing) = setup.subscriber.forward(at, &packet, Some(0x1234), &mut buf)
        else {
            panic!();
        };
        let seen = Seen::new(outgoing, &buf);
        assert!(outgoing.numbered);
        assert_eq!(seen.extension(ExtensionKind::VideoOrientation), Some(&[3][..]));
        assert_eq!(seen.extension(ExtensionKind::TransportSequence), Some(&[0x12, 0x34][..]));
        let clock = crate::rtp::extension::abs_send_time(at.since_unix);
        assert_eq!(seen.extension(ExtensionKind::AbsSendTime), Some(&clock[..]), "M-EXT-6");
        // Three elements of 2, 4 and 3 bytes behind a 4 byte head, and 3 of padding.
        assert_eq!(outgoing.header_len, 12 + 4 + 12);
        assert_eq!(seen.payload(), build.payload);
    }

    #[test]
    fn mid_is_written_only_if_agreed_and_known_m_ext_8() {
        let mid = ShortText::new(b"4");
        let mut setup = Setup::with(|config| config.video.mid = mid);
        let without = setup.send(0, &Build::vp8(7, true)).unwrap();
        assert!(!without.bytes[..without.outgoing.header_len].contains(&b'4'));
        let mut setup = Setup::with(|config| {
            config.video.mid = mid;
            config.video.extensions = ExtensionMap::default();
            config.video.extensions.insert(5, ExtensionKind::Mid);
        });
        let with = setup.send(0, &Build::vp8(7, true)).unwrap();
        assert_eq!(with.bytes[12..with.outgoing.header_len], [0xbe, 0xde, 0, 1, 0x50, b'4', 0, 0]);
    }

    #[test]
    fn a_packet_without_agreed_extensions_has_no_block() {
        let mut setup = Setup::with(|config| config.audio.extensions = ExtensionMap::default());
        let seen = setup.send(0, &Build::opus(9)).unwrap();
        assert_eq!((seen.outgoing.header_len, seen.outgoing.numbered), (12, false));
    }

    #[test]
    fn the_roll_over_counter_starts_at_zero_and_counts_cycles() {
        let mut setup = Setup::new();
        let mut roll_overs = Vec::new();
        for n in 0..300_000_u32 {
            let packet = setup.publish(u64::from(n), &Build::opus(n as u16));
            if n < 70_000 {
                continue; // The subscriber comes late.
            }
            let seen = setup.forward(u64::from(n), &packet).unwrap();
            assert_eq!(seen.outgoing.sequence, n as u16);
            if roll_overs.last() != Some(&seen.outgoing.roll_over) {
                roll_overs.push(seen.outgoing.roll_over);
            }
        }
        assert_eq!(roll_overs, [0, 1, 2, 3]);
    }

    #[test]
    fn black_until_the_first_key_frame_with_requests_every_300_ms_m_fkf() {
        let mut setup = Setup::new();
        let first = setup.send(0, &Build::vp8(5, false)).unwrap();
        assert!(first.is_black() && first.header.marker);
        assert_eq!((first.header.sequence, first.header.timestamp), (5, 15_000));
        assert!(setup.wants_key_frame(0));
        assert!(!setup.wants_key_frame(299));
        assert!(setup.wants_key_frame(300));
        setup.send(310, &Build::vp8(6, false)).unwrap();
        assert!(setup.wants_key_frame(600));
        let key = setup.send(700, &Build::vp8(7, true)).unwrap();
        assert!(!key.is_black());
        assert_eq!(key.payload(), Build::vp8(7, true).payload);
        assert!(!setup.wants_key_frame(5000));
    }

    #[test]
    fn no_request_if_the_first_packet_is_a_key_frame_m_fkf_4() {
        let mut setup = Setup::new();
        setup.send(0, &Build::vp8(5, true)).unwrap();
        assert!(!setup.wants_key_frame(0));
    }

    #[test]
    fn h264_passes_before_its_key_frame_which_is_asked_for_m_fkf_2() {
        let mut setup = Setup::new();
        let seen = setup.send(0, &Build::h264(5, false)).unwrap();
        assert_eq!(seen.payload(), Build::h264(5, false).payload);
        assert!(setup.wants_key_frame(0));
        setup.send(1, &Build::h264(6, true)).unwrap();
        assert!(!setup.wants_key_frame(300));
    }

    #[test]
    fn a_silent_publisher_is_not_asked_again_and_again() {
        let mut setup = Setup::new();
        setup.send(0, &Build::vp8(5, false)).unwrap();
        let asked = (0..100).filter(|n| setup.wants_key_frame(100 * n)).count();
        assert_eq!(asked, 2);
        setup.send(20_000, &Build::vp8(6, false)).unwrap();
        assert!(setup.wants_key_frame(20_000));
    }

    #[test]
    fn muted_audio_leaves_no_hole_m_mute_1() {
        let mut setup = Setup::new();
        setup.send(0, &Build::opus(1)).unwrap();
        setup.subscriber.set_mute(false, true);
        for n in 2..50 {
            assert_eq!(setup.send(0, &Build::opus(n)).err(), Some(DropReason::Muted));
        }
        setup.subscriber.set_mute(false, false);
        let seen = setup.send(0, &Build::opus(50)).unwrap();
        assert_eq!((seen.header.sequence, seen.header.timestamp), (2, 48_000));
    }

    #[test]
    fn muted_video_is_black_and_returns_with_a_key_frame_m_mute_2_3() {
        let mut setup = Setup::new();
        setup.send(0, &Build::vp8(1, true)).unwrap();
        setup.subscriber.set_mute(true, false);
        let black = setup.send(10, &Build::vp8(2, false)).unwrap();
        assert!(black.is_black());
        assert_eq!((black.header.sequence, black.header.timestamp), (2, 6000));
        for n in 3..20 {
            assert_eq!(setup.send(20, &Build::vp8(n, false)).err(), Some(DropReason::Muted));
        }
        assert!(!setup.wants_key_frame(30));
        setup.subscriber.set_mute(false, false);
        assert!(setup.wants_key_frame(40));
        assert_eq!(setup.send(50, &Build::vp8(20, false)).err(), Some(DropReason::Muted));
        let back = setup.send(60, &Build::vp8(21, true)).unwrap();
        assert_eq!(back.header.sequence, 3);
        assert_eq!(back.picture(), (21, 21));
    }

    #[test]
    fn a_resend_is_the_same_packet_bit_by_bit() {
        let mut setup = Setup::new();
        let build = Build::vp8(1, true).extension(ExtensionKind::VideoOrientation, &[1]);
        let first = setup.send(0, &build).unwrap();
        setup.subscriber.set_mute(true, false);
        let black = setup.send(10, &Build::vp8(2, false)).unwrap();
        for sent in [first, black] {
            let again = setup.resend(500, VIDEO, sent.header.sequence).unwrap();
            assert_eq!((again.bytes, again.outgoing), (sent.bytes, sent.outgoing));
        }
        let document = setup.subscriber.stats().document(setup.start.now + ms(600));
        assert!(document["total"]["rtxBitrate"].as_u64() > Some(0));
    }

    #[test]
    fn a_resend_keeps_its_transport_wide_number() {
        let mut setup = Setup::new();
        let packet = setup.publish(0, &Build::vp8(1, true));
        let mut buf = [0; 1500];
        let at = setup.start;
        assert!(matches!(
            setup.subscriber.forward(at, &packet, Some(77), &mut buf),
            Forward::Send(outgoing) if outgoing.numbered
        ));
        let again = setup.resend(50, VIDEO, 1).unwrap();
        assert_eq!(again.extension(ExtensionKind::TransportSequence), Some(&[0, 77][..]));
    }

    #[test]
    fn nacks_for_anything_else_are_not_answered_m_rtx_2() {
        let mut setup = Setup::new();
        setup.send(0, &Build::vp8(1, true)).unwrap();
        setup.send(0, &Build::opus(1)).unwrap();
        assert!(setup.resend(1, AUDIO, 1).is_some());
        for (media, sequence) in [(VIDEO, 0), (VIDEO, 2), (VIDEO, 1 + 512), (Ssrc(9), 1)] {
            assert!(setup.resend(1, media, sequence).is_none(), "{media} {sequence}");
        }
        for n in 2..600 {
            setup.send(1, &Build::vp8(n, false)).unwrap();
        }
        assert!(setup.resend(1, VIDEO, 1).is_none(), "overwritten");
        assert!(setup.resend(1, VIDEO, 599).is_some());
    }

    #[test]
    fn a_nack_storm_is_held_to_the_budget_m_rtx_4_n16() {
        let mut setup = Setup::new();
        let mut build = Build::vp8(1, true);
        build.payload.resize(1000, 0);
        setup.send(0, &build).unwrap();
        let answered = (0..10_000).filter(|_| setup.resend(1, VIDEO, 1).is_some()).count();
        assert_eq!(answered, 26);
    }

    #[test]
    fn another_publisher_goes_on_where_the_first_one_stopped_m_qf_9_10() {
        let mut setup = Setup::new();
        setup.send(0, &Build::vp8(10, true)).unwrap();
        let last = setup.send(100, &Build::vp8(11, false)).unwrap();
        setup.publisher = publisher(2, setup.start.now);
        let black = setup.send(1100, &Build::vp8(40_000, false)).unwrap();
        assert!(black.is_black(), "it cannot be decoded yet");
        assert!(setup.wants_key_frame(1100));
        let key = setup.send(1200, &Build::vp8(40_001, true)).unwrap();
        assert_eq!(key.header.sequence, last.header.sequence + 2);
        let elapsed = key.header.timestamp.wrapping_sub(last.header.timestamp);
        assert_eq!(elapsed, 90_000 + 3000, "one second passed, and one frame");
        assert_eq!(key.picture().0, last.picture().0 + 1);
        assert_eq!(key.picture().1, last.picture().1 + 2, "one for the black frame's place");
        assert!(setup.resend(1200, VIDEO, 11).is_none(), "not the other one's packet");
    }

    #[test]
    fn only_the_lowest_layer_is_forwarded() {
        let mut setup = Setup::new();
        setup.send(0, &Build::vp8(10, true)).unwrap();
        let upper = Build::vp8(500, true).ssrc(101);
        assert_eq!(setup.send(0, &upper).err(), Some(DropReason::Layer));
        assert_eq!(setup.send(0, &Build::vp8(11, false)).unwrap().header.sequence, 11);
    }

    #[test]
    fn what_the_stream_does_not_carry_is_dropped_m_path_12() {
        let mut setup = Setup::with(|config| config.has_audio = false);
        assert_eq!(setup.send(0, &Build::opus(1)).err(), Some(DropReason::Disabled));
        setup.subscriber.disable_video();
        assert_eq!(setup.send(0, &Build::vp8(1, false)).err(), Some(DropReason::Disabled));
        assert!(!setup.wants_key_frame(0));
    }

    #[test]
    fn late_packets_keep_their_place_and_duplicates_are_dropped() {
        let mut setup = Setup::new();
        let first = setup.publish(0, &Build::vp8(1, true));
        let second = setup.publish(0, &Build::vp8(2, false));
        let third = setup.publish(0, &Build::vp8(3, false));
        setup.forward(0, &first).unwrap();
        setup.forward(0, &third).unwrap();
        assert_eq!(setup.forward(0, &second).unwrap().header.sequence, 2);
        assert_eq!(setup.forward(0, &second).err(), Some(DropReason::Late));
    }

    #[test]
    fn a_short_buffer_is_refused_without_a_panic() {
        let mut setup = Setup::new();
        for len in 0..38_u16 {
            let packet = setup.publish(0, &Build::vp8(len, true));
            let mut buf = vec![0; usize::from(len)];
            let at = setup.start;
            let forward = setup.subscriber.forward(at, &packet, None, &mut buf);
            assert_eq!(forward, Forward::Drop(DropReason::TooLong));
        }
    }

    #[test]
    fn feedback_becomes_key_frame_requests_while_it_is_on_m_path_30() {
        let mut setup = Setup::new();
        let at = setup.start;
        let pli = Rtcp::Pli { sender: Ssrc(1), media: VIDEO };
        let fir = Rtcp::Fir { sender: Ssrc(1), entries: vec![(AUDIO, 1), (VIDEO, 2)] };
        for member in [&pli, &fir, &Rtcp::Sli { media: VIDEO }] {
            assert!(setup.subscriber.handle_rtcp(at, member));
            assert!(setup.subscriber.take_key_frame_request());
            assert!(!setup.subscriber.take_key_frame_request());
        }
        setup.subscriber.set_feedback(false);
        setup.subscriber.handle_rtcp(at, &pli);
        assert!(!setup.subscriber.take_key_frame_request());
        setup.subscriber.set_feedback(true);
        assert!(!setup.subscriber.take_key_frame_request(), "void, not postponed");
        let foreign = Rtcp::Pli { sender: Ssrc(1), media: Ssrc(5) };
        assert!(!setup.subscriber.handle_rtcp(at, &foreign));
        assert!(!setup.subscriber.take_key_frame_request());
    }

    #[test]
    fn reports_carry_our_time_the_publishers_clock_and_our_counters_m_sr_3() {
        let mut setup = Setup::new();
        let mut out = Vec::new();
        setup.send(0, &Build::vp8(10, true)).unwrap();
        setup.send(0, &Build::opus(10)).unwrap();
        let at = setup.start.later(ms(200));
        assert!(!setup.subscriber.poll_reports(at, &setup.fan_out, &mut out), "no clock yet");
        // At the start the video clock showed 5000 and the audio clock 700.
        for (ssrc, timestamp, clock_rate_hz) in [(100, 5000, 90_000), (200, 700, 48_000)] {
            let at = setup.start.now;
            setup.fan_out.set_clock(MediaClock { ssrc: Ssrc(ssrc), timestamp, at, clock_rate_hz });
        }
        setup.send(900, &Build::vp8(11, false)).unwrap();
        assert_eq!(setup.subscriber.poll_timeout(), Some(setup.start.now + ms(1100)));
        let at = setup.start.later(ms(2000));
        assert!(setup.subscriber.poll_reports(at, &setup.fan_out, &mut out));
        let mut reports = Vec::new();
        let mut descriptions = 0;
        rtcp::parse(&out, |member| match member.unwrap() {
            Rtcp::SenderReport(report) => reports.push(report),
            Rtcp::Sdes => descriptions += 1,
            other => panic!("{other:?}"),
        });
        assert_eq!(descriptions, 2);
        assert!(out.windows(7).any(|bytes| bytes == b"\x01\x05erizo"));
        let [audio, video] = &reports[..] else { panic!("{reports:?}") };
        assert_eq!((audio.ssrc, video.ssrc), (AUDIO, VIDEO));
        assert_eq!(audio.ntp, NtpTime::from_unix(at.since_unix));
        assert_eq!(audio.ntp, video.ntp);
        assert_eq!(audio.rtp_timestamp, 700 + 2 * 48_000);
        assert_eq!(video.rtp_timestamp, 5000 + 2 * 90_000);
        assert_eq!((audio.packets, audio.octets), (1, 4));
        assert_eq!((video.packets, video.octets), (2, 2 * 18));
        assert_eq!(setup.subscriber.poll_timeout(), Some(at.now + ms(1000)));
        let later = at.later(ms(1000));
        assert!(!setup.subscriber.poll_reports(later, &setup.fan_out, &mut out), "nothing sent");
    }

    #[test]
    fn receiver_reports_give_round_trip_and_statistics() {
        let mut setup = Setup::new();
        let sent = NtpTime::from_unix(setup.start.since_unix);
        let block = ReportBlock {
            ssrc: VIDEO,
            fraction_lost: 12,
            last_sr: sent.middle(),
            delay_since_last_sr: 65_536,
            ..ReportBlock::default()
        };
        let at = setup.start.later(ms(1080));
        let report = Rtcp::ReceiverReport { sender: Ssrc(5), blocks: vec![block] };
        assert!(setup.subscriber.handle_rtcp(at, &report));
        let round_trip = setup.subscriber.round_trip().unwrap();
        assert!(round_trip.abs_diff(ms(80)) < ms(1), "{round_trip:?}");
        let document = setup.subscriber.stats().document(at.now);
        assert_eq!(document[VIDEO.to_string()]["fractionLost"], 12);
    }
}
