//! A stream from a peer to us: takes its packets in, asks it for what is missing and for key
//! frames, reports what arrived.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::clock::{MediaClock, PublisherClock};
use super::incoming::IncomingPacket;
use super::packet::MediaPacket;
use super::payload_types::PayloadTypes;
use super::periodic_key_frames::PeriodicKeyFrames;
use super::pli_pacer::{KeyFrameRequest, PliPacer};
use super::source_track::SourceTrack;
use crate::bandwidth::receive_side::{Arrival, ReceiveSide};
use crate::rtp::codec::Codec;
use crate::rtp::id::{MediaKind, Mid, Rid, Ssrc};
use crate::rtp::rtcp::{self, Rtcp, SenderReport};
use crate::stats::stream::{FeedbackKind, StreamStats};

/// What is known about a publisher when its remote description is applied (M-API-20).
#[derive(Clone, Debug)]
pub struct PublisherConfig {
    /// Number of the stream among all of the process.
    pub key: u64,
    pub audio_source: Option<Ssrc>,
    /// Lowest simulcast layer first (M-SIM-5).
    pub video_sources: Vec<Ssrc>,
    /// In the order of the description, lowest layer first (M-PATH-9).
    pub rids: Vec<Rid>,
    pub audio_mid: Option<Mid>,
    pub video_mid: Option<Mid>,
    pub payload_types: PayloadTypes,
    /// SSRCs of our own, under which requests and statistics go out.
    pub audio_ssrc: Ssrc,
    pub video_ssrc: Ssrc,
    pub priority: String,
    /// bit/s; 0: none known.
    pub max_video_bitrate: u64,
}

/// See the module documentation.
#[derive(Debug)]
pub struct Publisher {
    config: PublisherConfig,
    tracks: Vec<SourceTrack>,
    clock: PublisherClock,
    pacer: PliPacer,
    periodic: PeriodicKeyFrames,
    /// A packet arrived that makes a report or a NACK due.
    report_due: bool,
    /// Lent to each NACK in turn.
    lost: Vec<u16>,
    stats: StreamStats,
}

/// Why a packet goes no further.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused {
    /// Not one of this publisher's sources.
    UnknownSource,
    /// No payload, a duplicate, or too late.
    Useless,
}

impl Publisher {
    /// Layers beyond this are not taken (security.md N20).
    const MAX_LAYERS: usize = 8;

    pub fn new(now: Instant, config: PublisherConfig) -> Self {
        let mut publisher = Publisher {
            stats: StreamStats::new(config.audio_ssrc, config.video_ssrc, config.priority.clone()),
            tracks: Vec::new(),
            clock: PublisherClock::default(),
            pacer: PliPacer::new(now),
            periodic: PeriodicKeyFrames::default(),
            report_due: false,
            lost: Vec::with_capacity(256),
            config,
        };
        if let Some(ssrc) = publisher.config.audio_source {
            publisher.set_source(ssrc, MediaKind::Audio, 0);
        }
        for layer in 0..publisher.config.video_sources.len().min(Self::MAX_LAYERS) {
            if let Some(&ssrc) = publisher.config.video_sources.get(layer) {
                publisher.set_source(ssrc, MediaKind::Video, layer as u8);
            }
        }
        publisher
    }

    /// Whether packets of `ssrc` belong here.
    pub fn owns(&self, ssrc: Ssrc) -> bool {
        self.tracks.iter().any(|track| track.ssrc == ssrc)
    }

    /// Whether packets that carry `mid` belong here, whatever their SSRC (M-PATH-5).
    pub fn has_mid(&self, mid: Mid) -> bool {
        self.config.audio_mid == Some(mid) || self.config.video_mid == Some(mid)
    }

    /// The section of one kind has another mid now (contract ASC-3).
    pub fn set_mid(&mut self, kind: MediaKind, mid: Mid) {
        match kind {
            MediaKind::Audio => self.config.audio_mid = Some(mid),
            MediaKind::Video => self.config.video_mid = Some(mid),
        }
    }

    /// SSRCs that are known to belong here.
    pub fn sources(&self) -> impl Iterator<Item = (Ssrc, MediaKind)> {
        self.tracks.iter().map(|track| (track.ssrc, track.kind))
    }

    /// Learns the source of a packet whose MID is ours (M-PATH-6, M-PATH-7); tells whether it is
    /// known now. Nothing is learnt from a payload type that carries no media of its own (RTX).
    pub fn learn(&mut self, packet: &IncomingPacket<'_>) -> bool {
        let ssrc = packet.header.ssrc;
        if self.owns(ssrc) {
            return true;
        }
        let agreed = self.config.payload_types.payload(packet.header.payload_type);
        let (Some(mid), Some(payload), false) = (packet.mid(), agreed, ssrc.0 == 0) else {
            return false;
        };
        if self.config.audio_mid == Some(mid) {
            self.set_source(ssrc, MediaKind::Audio, 0);
            return true;
        }
        if self.config.video_mid != Some(mid) || payload.codec == Codec::Other {
            return false;
        }
        let layer = match packet.rid() {
            Some(rid) => self.config.rids.iter().position(|known| *known == rid),
            // Without a RID there is one layer.
            None => self.config.rids.is_empty().then_some(0),
        };
        let Some(layer) = layer.filter(|layer| *layer < Self::MAX_LAYERS) else { return false };
        self.set_source(ssrc, MediaKind::Video, layer as u8);
        true
    }

    /// One packet of this publisher. What the peer is told about it goes through
    /// [`Publisher::poll_feedback`] and `receive_side`, which belongs to the connection.
    pub fn handle_rtp(
        &mut self,
        now: Instant,
        incoming: &IncomingPacket<'_>,
        receive_side: &mut ReceiveSide,
    ) -> Result<Arc<MediaPacket>, Refused> {
        let ssrc = incoming.header.ssrc;
        let track = self.tracks.iter_mut().find(|track| track.ssrc == ssrc);
        let track = track.ok_or(Refused::UnknownSource)?;
        let arrival = track.handle(now, incoming, &self.config.payload_types);
        // Audio counts towards the path only if the browser numbered it (M-BWE-1).
        let transport_sequence = incoming.transport_sequence();
        if track.kind == MediaKind::Video || transport_sequence.is_some() {
            receive_side.on_packet(&Arrival {
                now,
                len: incoming.data.len(),
                transport_sequence,
                send_time: incoming.send_time(),
                missed: arrival.missed,
            });
        }
        self.report_due |= arrival.ask || track.reception.is_due(now);
        let packet = arrival.packet.ok_or(Refused::Useless)?;
        let len = incoming.data.len().saturating_sub(usize::from(incoming.header.padding_len));
        self.stats.on_packet(now, track.stats, len, arrival.key_frame);
        if arrival.key_frame {
            self.pacer.handle_key_frame(now);
            if track.layer == 0 {
                self.periodic.handle_key_frame();
            }
        }
        Ok(packet)
    }

    /// One member of a compound of the peer. A sender report gives a clock for the subscribers.
    pub fn handle_rtcp(&mut self, now: Instant, member: &Rtcp) -> Option<MediaClock> {
        match member {
            Rtcp::SenderReport(report) => self.handle_sender_report(now, report),
            _ => None,
        }
    }

    /// Somebody cannot go on without a key frame.
    pub fn request_key_frame(&mut self, now: Instant) {
        if self.first_video_source().is_some() {
            self.pacer.request(now);
        }
    }

    /// Zero: off (M-PLI-20).
    pub fn set_periodic_key_frames(&mut self, now: Instant, period: Duration) {
        self.periodic.set(now, period);
    }

    pub fn has_periodic_key_frames(&self) -> bool {
        self.periodic.is_on()
    }

    /// bit/s; 0: none known.
    pub fn set_max_video_bitrate(&mut self, bits_per_second: u64) {
        self.config.max_video_bitrate = bits_per_second;
    }

    pub fn max_video_bitrate(&self) -> u64 {
        self.config.max_video_bitrate
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        if self.periodic.handle_timeout(now) {
            self.request_key_frame(now);
        }
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        let timeouts = [self.periodic.poll_timeout(), self.pacer.poll_timeout()];
        timeouts.into_iter().flatten().min()
    }

    /// Appends what the peer is to be told now: reports, NACKs, key frame requests. To be called
    /// when packets were handed in and when time has passed; tells whether anything was appended.
    pub fn poll_feedback(&mut self, now: Instant, out: &mut Vec<u8>) -> bool {
        let before = out.len();
        if self.report_due {
            self.report_due = false;
            self.write_reports(now, out);
        }
        if let Some(media) = self.first_video_source()
            && let Some(request) = self.pacer.poll(now)
        {
            self.write_key_frame_request(media, request, out);
        }
        out.len() > before
    }

    /// The lowest layer, which key frame requests and REMB name (M-PATH-31, M-BWE-5).
    pub fn first_video_source(&self) -> Option<Ssrc> {
        let video = self.tracks.iter().filter(|track| track.kind == MediaKind::Video);
        video.min_by_key(|track| track.layer).map(|track| track.ssrc)
    }

    /// Whom feedback about the path is addressed to: the lowest video layer, else the audio.
    pub fn feedback_source(&self) -> Option<Ssrc> {
        self.first_video_source().or_else(|| self.tracks.first().map(|track| track.ssrc))
    }

    pub fn stats(&self) -> &StreamStats {
        &self.stats
    }

    pub fn stats_mut(&mut self) -> &mut StreamStats {
        &mut self.stats
    }

    fn handle_sender_report(&mut self, now: Instant, report: &SenderReport) -> Option<MediaClock> {
        let track = self.tracks.iter_mut().find(|track| track.ssrc == report.ssrc)?;
        track.reception.on_sender_report(now, report.ntp);
        self.stats.on_sender_report(track.stats, report);
        Some(self.clock.handle_sender_report(
            now,
            report.ssrc,
            report.ntp.0,
            report.rtp_timestamp,
            track.clock_rate_hz,
        ))
    }

    /// One report per SSRC, in front of its NACK (M-RR-4, M-NACK-3). As in erizo both name the
    /// publisher's SSRC as their sender, too.
    fn write_reports(&mut self, now: Instant, out: &mut Vec<u8>) {
        for track in &mut self.tracks {
            self.lost.clear();
            if let Some(nacks) = &mut track.nacks {
                nacks.collect(now, &mut self.lost);
            }
            if self.lost.is_empty() && !track.reception.is_due(now) {
                continue;
            }
            let block = track.reception.report(now);
            rtcp::write_receiver_report(out, track.ssrc, &[block]);
            if !self.lost.is_empty() {
                rtcp::write_nack(out, track.ssrc, track.ssrc, &self.lost);
                self.stats.on_feedback(track.stats, FeedbackKind::Nack);
            }
        }
    }

    /// M-PLI-6.
    fn write_key_frame_request(
        &mut self,
        media: Ssrc,
        request: KeyFrameRequest,
        out: &mut Vec<u8>,
    ) {
        let sender = self.config.video_ssrc;
        let kind = match request {
            KeyFrameRequest::Pli => {
                rtcp::write_pli(out, sender, media);
                FeedbackKind::Pli
            }
            KeyFrameRequest::Fir { sequence } => {
                rtcp::write_fir(out, sender, media, &[(media, sequence)]);
                FeedbackKind::Fir
            }
        };
        if let Some(track) = self.tracks.iter().find(|track| track.ssrc == media) {
            self.stats.on_feedback(track.stats, kind);
        }
    }

    /// A source replaces the one that had its place, statistics included, so that a peer that
    /// changes its SSRC all the time costs no memory (security.md N20).
    fn set_source(&mut self, ssrc: Ssrc, kind: MediaKind, layer: u8) {
        if ssrc.0 == 0 || self.owns(ssrc) {
            return; // Zero stands for "not known yet" (M-PATH-9).
        }
        let place = |track: &SourceTrack| (track.kind, track.layer) == (kind, layer);
        let former = self.tracks.iter().position(place).map(|at| self.tracks.swap_remove(at));
        let stats = match former {
            Some(track) => {
                self.stats.replace_track(track.stats, ssrc, kind);
                track.stats
            }
            None => self.stats.add_track(ssrc, kind),
        };
        self.tracks.push(SourceTrack::new(self.config.key, ssrc, kind, layer, stats));
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "an arbitrary first moment")]
mod test {
    use super::super::builder::{Build, extensions, payload_types};
    use super::*;
    use crate::rtp::extension::ExtensionKind;
    use crate::rtp::id::ShortText;
    use crate::rtp::time::NtpTime;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn config() -> PublisherConfig {
        PublisherConfig {
            key: 1,
            audio_source: Some(Ssrc(200)),
            video_sources: vec![Ssrc(100)],
            rids: Vec::new(),
            audio_mid: ShortText::new(b"0"),
            video_mid: ShortText::new(b"1"),
            payload_types: payload_types(),
            audio_ssrc: Ssrc(44_444),
            video_ssrc: Ssrc(55_543),
            priority: "default".to_owned(),
            max_video_bitrate: 0,
        }
    }

    struct Setup {
        start: Instant,
        publisher: Publisher,
        side: ReceiveSide,
    }

    impl Setup {
        fn new() -> Self {
            Setup::with(config())
        }

        fn with(config: PublisherConfig) -> Self {
            let start = Instant::now();
            let publisher = Publisher::new(start, config);
            Setup { start, publisher, side: ReceiveSide::new() }
        }

        fn receive(&mut self, at: u64, build: &Build) -> Result<Arc<MediaPacket>, Refused> {
            let bytes = build.bytes();
            let incoming = IncomingPacket::parse(&bytes, &extensions()).unwrap();
            self.publisher.learn(&incoming);
            self.publisher.handle_rtp(self.start + ms(at), &incoming, &mut self.side)
        }

        fn feedback(&mut self, at: u64) -> Vec<Rtcp> {
            let mut out = Vec::new();
            self.publisher.handle_timeout(self.start + ms(at));
            let any = self.publisher.poll_feedback(self.start + ms(at), &mut out);
            assert_eq!(any, !out.is_empty());
            let mut members = Vec::new();
            rtcp::parse(&out, |member| members.push(member.unwrap()));
            members
        }
    }

    #[test]
    fn packets_get_internal_numbers_and_facts() {
        let mut setup = Setup::new();
        let packet = setup.receive(0, &Build::vp8(7, true)).unwrap();
        let info = packet.info();
        assert_eq!((info.payload_type.0, info.codec, info.layer), (100, Codec::Vp8, 0));
        assert!(info.frame.key_frame);
        let packet = setup.receive(0, &Build::opus(7)).unwrap();
        let info = packet.info();
        assert_eq!((info.kind, info.clock_rate_hz), (MediaKind::Audio, 48_000));
        assert_eq!(packet.payload(), [0xfc, 1, 2, 3]);
    }

    #[test]
    fn padding_leaves_no_hole_and_is_cut_off_m_padr_1() {
        let mut setup = Setup::new();
        let first = setup.receive(0, &Build::vp8(10, true)).unwrap();
        assert_eq!(setup.receive(1, &Build::padding(11)).err(), Some(Refused::Useless));
        let mut padded = Build::vp8(12, false);
        padded.padding = 5;
        let second = setup.receive(2, &padded).unwrap();
        assert_eq!(second.info().sequence, first.info().sequence + 1);
        assert_eq!(second.payload(), padded.payload);
    }

    #[test]
    fn an_empty_payload_is_dropped_n9() {
        let mut setup = Setup::new();
        let mut empty = Build::vp8(10, true);
        empty.payload.clear();
        assert_eq!(setup.receive(0, &empty).err(), Some(Refused::Useless));
    }

    #[test]
    fn a_duplicate_goes_no_further() {
        let mut setup = Setup::new();
        setup.receive(0, &Build::vp8(10, true)).unwrap();
        assert_eq!(setup.receive(0, &Build::vp8(10, true)).err(), Some(Refused::Useless));
    }

    #[test]
    fn an_unknown_source_is_refused_unless_its_mid_is_ours_m_path_5_7() {
        let mut setup = Setup::new();
        let stranger = Build::vp8(1, true).ssrc(300);
        assert_eq!(setup.receive(0, &stranger).err(), Some(Refused::UnknownSource));
        let other_mid = stranger.clone().extension(ExtensionKind::Mid, b"7");
        assert_eq!(setup.receive(0, &other_mid).err(), Some(Refused::UnknownSource));
        let ours = stranger.extension(ExtensionKind::Mid, b"1");
        assert!(setup.receive(0, &ours).is_ok());
        assert!(!setup.publisher.owns(Ssrc(100)), "its place was taken");
        let audio = Build::opus(1).ssrc(301).extension(ExtensionKind::Mid, b"0");
        assert_eq!(setup.receive(0, &audio).unwrap().info().kind, MediaKind::Audio);
    }

    #[test]
    fn retransmission_streams_do_not_replace_media_m_rtx_9() {
        let mut setup = Setup::new();
        let mut rtx = Build::vp8(1, true).ssrc(300).extension(ExtensionKind::Mid, b"1");
        rtx.header.payload_type.0 = 97;
        assert_eq!(setup.receive(0, &rtx).err(), Some(Refused::UnknownSource));
        assert!(setup.publisher.owns(Ssrc(100)));
    }

    #[test]
    // RID-3 asks that RIDs which are no numbers do no harm; they work as any other.
    fn simulcast_layers_are_placed_by_the_order_of_rids_m_path_9() {
        let rids = ["low", "high"].iter().filter_map(|rid| ShortText::new(rid.as_bytes()));
        let mut setup = Setup::with(PublisherConfig {
            video_sources: vec![],
            rids: rids.collect(),
            ..config()
        });
        for (ssrc, rid, layer) in [(302, "high", 1), (301, "low", 0)] {
            let packet = Build::vp8(1, true)
                .ssrc(ssrc)
                .extension(ExtensionKind::Mid, b"1")
                .extension(ExtensionKind::RtpStreamId, rid.as_bytes());
            assert_eq!(setup.receive(0, &packet).unwrap().info().layer, layer);
        }
        assert_eq!(setup.publisher.first_video_source(), Some(Ssrc(301)));
        let unknown = Build::vp8(1, true)
            .ssrc(303)
            .extension(ExtensionKind::Mid, b"1")
            .extension(ExtensionKind::RtpStreamId, b"other");
        assert_eq!(setup.receive(0, &unknown).err(), Some(Refused::UnknownSource));
    }

    #[test]
    fn a_gap_is_answered_with_report_and_nack_in_one_compound_m_nack_3() {
        let mut setup = Setup::new();
        setup.receive(0, &Build::vp8(10, true)).unwrap();
        assert!(setup.feedback(0).is_empty());
        setup.receive(5, &Build::vp8(13, false)).unwrap();
        let members = setup.feedback(5);
        assert!(
            matches!(&members[..], [
                Rtcp::ReceiverReport { sender: Ssrc(100), blocks },
                Rtcp::Nack { sender: Ssrc(100), media: Ssrc(100), lost },
            ] if blocks[0].ssrc == Ssrc(100) && lost[..] == [11, 12]),
            "{members:?}"
        );
        assert!(setup.feedback(5).is_empty(), "told once");
        setup.receive(40, &Build::vp8(14, false)).unwrap();
        assert_eq!(setup.feedback(40).len(), 2, "and once more after 20 ms");
    }

    #[test]
    fn audio_gaps_are_not_asked_for_m_rr_1() {
        let mut setup = Setup::new();
        setup.receive(0, &Build::opus(1)).unwrap();
        setup.receive(0, &Build::opus(9)).unwrap();
        assert!(setup.feedback(0).is_empty());
        setup.receive(5000, &Build::opus(10)).unwrap();
        assert!(matches!(&setup.feedback(5000)[..], [Rtcp::ReceiverReport { .. }]));
    }

    #[test]
    fn key_frames_are_asked_for_until_one_comes() {
        let mut setup = Setup::new();
        setup.publisher.request_key_frame(setup.start);
        setup.publisher.request_key_frame(setup.start);
        let pli = [Rtcp::Pli { sender: Ssrc(55_543), media: Ssrc(100) }];
        assert_eq!(setup.feedback(0), pli);
        assert_eq!(setup.feedback(499), []);
        assert_eq!(setup.feedback(500), pli);
        setup.receive(600, &Build::vp8(1, true)).unwrap();
        assert_eq!(setup.publisher.poll_timeout(), None);
        assert_eq!(setup.feedback(1000), []);
    }

    #[test]
    fn a_publisher_without_video_is_asked_for_nothing() {
        let mut setup = Setup::with(PublisherConfig { video_sources: vec![], ..config() });
        setup.publisher.request_key_frame(setup.start);
        assert_eq!(setup.publisher.poll_timeout(), None);
    }

    #[test]
    fn a_key_frame_of_several_marked_packets_counts_once() {
        let mut setup = Setup::new();
        setup.publisher.set_periodic_key_frames(setup.start, ms(2000));
        let parameters = Build { payload: vec![0x67, 1, 2], ..Build::h264(1, true) };
        setup.receive(0, &parameters.timestamp(90)).unwrap();
        setup.receive(0, &Build::h264(2, true).timestamp(90)).unwrap();
        let document = setup.publisher.stats().document(setup.start + ms(1));
        assert_eq!(document["100"]["keyFrames"], 1);
        assert_eq!(setup.feedback(2000).len(), 1, "M-PLI-20: one in the period is not enough");
    }

    #[test]
    fn a_sender_report_gives_a_clock_and_is_echoed() {
        let mut setup = Setup::new();
        setup.receive(0, &Build::vp8(1, true)).unwrap();
        let report = SenderReport {
            ssrc: Ssrc(100),
            ntp: NtpTime(0x1_2345_6789_abcd),
            rtp_timestamp: 77,
            packets: 5,
            octets: 6,
            blocks: Vec::new(),
        };
        let clock = setup
            .publisher
            .handle_rtcp(setup.start + ms(10), &Rtcp::SenderReport(report.clone()))
            .unwrap();
        assert_eq!((clock.ssrc, clock.timestamp), (Ssrc(100), 77));
        let foreign = Rtcp::SenderReport(SenderReport { ssrc: Ssrc(9), ..report });
        assert_eq!(setup.publisher.handle_rtcp(setup.start, &foreign), None);
        setup.receive(1000, &Build::vp8(2, false)).unwrap();
        let members = setup.feedback(1000);
        assert!(
            matches!(&members[..], [Rtcp::ReceiverReport { blocks, .. }]
                if blocks[0].last_sr == 0x2345_6789),
            "{members:?}"
        );
        let document = setup.publisher.stats().document(setup.start + ms(1000));
        assert_eq!(document["100"]["packetsSent"], 5);
    }

    #[test]
    fn an_ssrc_that_keeps_changing_costs_no_memory_n20() {
        let mut setup = Setup::new();
        for ssrc in 1000..2000 {
            let packet = Build::vp8(1, true).ssrc(ssrc).extension(ExtensionKind::Mid, b"1");
            setup.receive(0, &packet).unwrap();
        }
        assert_eq!(setup.publisher.tracks.len(), 2);
        let document = setup.publisher.stats().document(setup.start + ms(1));
        assert_eq!(document.as_object().map(|root| root.len()), Some(3), "{document}");
    }

    #[test]
    fn the_connection_hears_of_every_packet_padding_included() {
        let mut setup = Setup::new();
        let number = |n: u8| [0, n];
        for (at, build) in [(0, Build::vp8(1, true)), (1, Build::padding(2)), (2, Build::opus(3))] {
            let numbered = build.extension(ExtensionKind::TransportSequence, &number(at as u8));
            let _ = setup.receive(at, &numbered);
        }
        let mut out = Vec::new();
        let now = setup.start + ms(100);
        assert!(setup.side.poll_feedback(now, Ssrc(55_543), &[Ssrc(100)], &mut out));
        let mut arrivals = 0;
        rtcp::parse(&out, |member| {
            if let Ok(Rtcp::TransportFeedback(report)) = member {
                arrivals = report.arrivals.len();
            }
        });
        assert_eq!(arrivals, 3);
    }
}
