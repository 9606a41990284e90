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
        let key_frame = packet.info().frame.key_frame && track.kind == MediaKind::Video;
        let len = incoming.data.len().saturating_sub(usize::from(incoming.header.padding_len));
        self.stats.on_packet(now, track.stats, len, key_frame);
        if key_frame {
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
