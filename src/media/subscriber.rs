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
        let key_frame =
            info.kind == MediaKind::Video && (show == Show::Black || info.frame.key_frame);
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
