//! What is counted about one stream, and the JSON document made of it (contract section 7.2).

use std::time::Instant;

use serde_json::{Map, Value, json};

use super::moving_rate::MovingRate;
use crate::rtp::id::{MediaKind, Ssrc};
use crate::rtp::rtcp::{ReportBlock, SenderReport};

/// Statistics of one publisher or subscriber stream.
#[derive(Debug)]
pub struct StreamStats {
    /// SSRCs under which we send; some keys live under them whatever the direction.
    audio_sink: Ssrc,
    video_sink: Ssrc,
    tracks: Vec<TrackStats>,
    total: MovingRate<2>,
    retransmitted: MovingRate<1>,
    padding: MovingRate<1>,
    pub estimate: Option<u64>,
    pub priority: String,
    pub slide_show: Option<bool>,
    pub audio_mute: Option<bool>,
    pub video_mute: Option<bool>,
    /// `host`, `serverReflexive`, `peerReflexive`, `relayed` or `unknown`, once connected.
    pub client_host_type: Option<&'static str>,
}

/// Statistics of one SSRC.
#[derive(Debug)]
pub struct TrackStats {
    ssrc: Ssrc,
    kind: MediaKind,
    /// Bytes and packets; then the same without padding.
    rates: MovingRate<4>,
    key_frames: u64,
    report: Option<ReportBlock>,
    sender_report: Option<SentByPeer>,
    bandwidth: Option<u64>,
    feedback: [u64; FEEDBACK_KEYS.len()],
}

#[derive(Clone, Copy, Debug)]
struct SentByPeer {
    packets: u32,
    octets: u32,
    timestamp: u32,
    ntp: u64,
}

/// RTCP messages that are only counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FeedbackKind {
    Fir,
    Nack,
    Pli,
    Sli,
}

/// In the order of [`FeedbackKind`].
const FEEDBACK_KEYS: [&str; 4] = ["FIR", "NACK", "PLI", "SLI"];

impl StreamStats {
    pub fn new(audio_sink: Ssrc, video_sink: Ssrc, priority: String) -> Self {
        StreamStats {
            audio_sink,
            video_sink,
            tracks: Vec::new(),
            total: MovingRate::for_stats(),
            retransmitted: MovingRate::for_stats(),
            padding: MovingRate::for_stats(),
            estimate: None,
            priority,
            slide_show: None,
            audio_mute: None,
            video_mute: None,
            client_host_type: None,
        }
    }

    /// Begins counting for an SSRC; the answer is its index below.
    pub fn add_track(&mut self, ssrc: Ssrc, kind: MediaKind) -> usize {
        self.tracks.push(TrackStats::new(ssrc, kind));
        self.tracks.len() - 1
    }

    /// Counts anew, for an SSRC that takes the place of another.
    pub fn replace_track(&mut self, track: usize, ssrc: Ssrc, kind: MediaKind) {
        if let Some(track) = self.tracks.get_mut(track) {
            *track = TrackStats::new(ssrc, kind);
        }
    }

    /// One RTP packet that carries media, of `len` bytes in all.
    pub fn on_packet(&mut self, now: Instant, track: usize, len: usize, key_frame: bool) {
        let len = u32::try_from(len).unwrap_or(u32::MAX);
        self.total.add(now, [len, 1]);
        if let Some(track) = self.tracks.get_mut(track) {
            track.rates.add(now, [len, 1, len, 1]);
            track.key_frames += u64::from(key_frame);
        }
    }

    /// Counts a packet that is sent again, in addition to [`StreamStats::on_packet`].
    pub fn on_retransmission(&mut self, now: Instant, len: usize) {
        self.retransmitted.add(now, [u32::try_from(len).unwrap_or(u32::MAX)]);
    }

    pub fn on_feedback(&mut self, track: usize, kind: FeedbackKind) {
        if let Some(count) = self.track(track).and_then(|t| t.feedback.get_mut(kind as usize)) {
            *count += 1;
        }
    }

    pub fn on_receiver_report(&mut self, track: usize, block: &ReportBlock) {
        if let Some(track) = self.track(track) {
            track.report = Some(*block);
        }
    }

    pub fn on_sender_report(&mut self, track: usize, report: &SenderReport) {
        if let Some(track) = self.track(track) {
            track.sender_report = Some(SentByPeer {
                packets: report.packets,
                octets: report.octets,
                timestamp: report.rtp_timestamp,
                ntp: report.ntp.0,
            });
        }
    }

    pub fn on_bandwidth(&mut self, track: usize, bits_per_second: u64) {
        if let Some(track) = self.track(track) {
            track.bandwidth = Some(bits_per_second);
        }
    }

    /// `total.bitrateCalculated`, which is also what the resend budget is measured by (M-RTX-4).
    pub fn bitrate(&self, now: Instant) -> u64 {
        self.total.rate(now, 0, 8.0)
    }

    pub fn document(&self, now: Instant) -> Value {
        let mut root = Map::new();
        for track in self.tracks.iter().filter(|track| track.is_active()) {
            merge(&mut root, track.ssrc, track.document(now, self.client_host_type));
        }
        let mut video = Map::new();
        video.insert("streamPriority".to_owned(), json!(self.priority));
        insert(&mut video, "erizoSlideShow", self.slide_show.map(u64::from));
        merge(&mut root, self.video_sink, video);
        let mut audio = Map::new();
        insert(&mut audio, "erizoAudioMute", self.audio_mute.map(u64::from));
        insert(&mut audio, "erizoVideoMute", self.video_mute.map(u64::from));
        if !audio.is_empty() {
            merge(&mut root, self.audio_sink, audio);
        }
        root.insert("total".to_owned(), Value::Object(self.total(now)));
        Value::Object(root)
    }

    pub fn to_json(&self, now: Instant) -> String {
        self.document(now).to_string()
    }

    fn total(&self, now: Instant) -> Map<String, Value> {
        let mut total = Map::new();
        if self.total.is_started() {
            insert(&mut total, "bitrateCalculated", Some(self.bitrate(now)));
            insert(&mut total, "packetsCalculated", Some(self.total.rate(now, 1, 1.0)));
        }
        insert(&mut total, "paddingBitrate", Some(self.padding.rate(now, 0, 8.0)));
        let retransmitted = self.retransmitted.is_started();
        insert(
            &mut total,
            "rtxBitrate",
            retransmitted.then(|| self.retransmitted.rate(now, 0, 8.0)),
        );
        insert(&mut total, "senderBitrateEstimation", self.estimate);
        total
    }

    fn track(&mut self, track: usize) -> Option<&mut TrackStats> {
        self.tracks.get_mut(track)
    }
}

impl TrackStats {
    fn new(ssrc: Ssrc, kind: MediaKind) -> Self {
        TrackStats {
            ssrc,
            kind,
            rates: MovingRate::for_stats(),
            key_frames: 0,
            report: None,
            sender_report: None,
            bandwidth: None,
            feedback: [0; FEEDBACK_KEYS.len()],
        }
    }

    fn is_active(&self) -> bool {
        self.rates.is_started() || self.report.is_some() || self.sender_report.is_some()
    }

    fn document(&self, now: Instant, client_host_type: Option<&str>) -> Map<String, Value> {
        let mut map = Map::new();
        if self.rates.is_started() {
            let kind = match self.kind {
                MediaKind::Audio => "audio",
                MediaKind::Video => "video",
            };
            map.insert("type".to_owned(), json!(kind));
            let keys = [
                ("bitrateCalculated", 8.0),
                ("packetsCalculated", 1.0),
                ("mediaBitrateCalculated", 8.0),
                ("mediaPacketsCalculated", 1.0),
            ];
            for (which, (key, factor)) in keys.into_iter().enumerate() {
                insert(&mut map, key, Some(self.rates.rate(now, which, factor)));
            }
        }
        insert(&mut map, "keyFrames", (self.key_frames > 0).then_some(self.key_frames));
        if let Some(report) = &self.report {
            insert(&mut map, "fractionLost", Some(u64::from(report.fraction_lost)));
            let lost = u64::try_from(report.cumulative_lost).unwrap_or(0);
            insert(&mut map, "packetsLost", Some(lost));
            insert(&mut map, "jitter", Some(u64::from(report.jitter)));
            insert(&mut map, "sourceSsrc", Some(u64::from(report.ssrc.0)));
        }
        if let Some(sent) = &self.sender_report {
            insert(&mut map, "packetsSent", Some(u64::from(sent.packets)));
            insert(&mut map, "bytesSent", Some(u64::from(sent.octets)));
            insert(&mut map, "srTimestamp", Some(u64::from(sent.timestamp)));
            insert(&mut map, "srNtp", Some(sent.ntp));
        }
        for (key, count) in FEEDBACK_KEYS.into_iter().zip(self.feedback) {
            insert(&mut map, key, (count > 0).then_some(count));
        }
        insert(&mut map, "bandwidth", self.bandwidth);
        if let Some(host_type) = client_host_type {
            map.insert("clientHostType".to_owned(), json!(host_type));
        }
        map
    }
}

fn insert(map: &mut Map<String, Value>, key: &str, value: Option<u64>) {
    if let Some(value) = value {
        map.insert(key.to_owned(), json!(value));
    }
}

fn merge(root: &mut Map<String, Value>, ssrc: Ssrc, mut values: Map<String, Value>) {
    let entry = root.entry(ssrc.to_string()).or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(map) = entry {
        map.append(&mut values);
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "an arbitrary first moment")]
mod test {
    use std::time::Duration;

    use super::*;

    fn stats() -> StreamStats {
        StreamStats::new(Ssrc(44_444), Ssrc(55_543), "default".to_owned())
    }

    #[test]
    fn a_new_stream_shows_only_what_exists_m_stat_1() {
        let json = stats().to_json(Instant::now());
        assert_eq!(json, r#"{"55543":{"streamPriority":"default"},"total":{"paddingBitrate":0}}"#);
    }

    #[test]
    fn media_is_filed_under_its_ssrc_and_in_the_total() {
        let start = Instant::now();
        let mut stats = stats();
        let audio = stats.add_track(Ssrc(10), MediaKind::Audio);
        let video = stats.add_track(Ssrc(2), MediaKind::Video);
        for n in 0..10 {
            let now = start + Duration::from_millis(100 * n);
            stats.on_packet(now, audio, 125, false);
            stats.on_packet(now, video, 1250, n == 0);
        }
        stats.on_feedback(video, FeedbackKind::Pli);
        stats.on_feedback(video, FeedbackKind::Pli);
        stats.on_receiver_report(
            video,
            &ReportBlock {
                ssrc: Ssrc(2),
                fraction_lost: 5,
                cumulative_lost: -3,
                jitter: 7,
                ..ReportBlock::default()
            },
        );
        let document = stats.document(start + Duration::from_secs(1));
        assert_eq!(document["10"]["type"], "audio");
        assert_eq!(document["10"]["bitrateCalculated"], 10_000);
        assert_eq!(document["10"].get("keyFrames"), None);
        assert_eq!(document["2"]["mediaBitrateCalculated"], 100_000);
        assert_eq!(document["2"]["keyFrames"], 1);
        assert_eq!(document["2"]["PLI"], 2);
        assert_eq!(document["2"]["fractionLost"], 5);
        assert_eq!(document["2"]["packetsLost"], 0, "leaves are unsigned (M-STAT-1)");
        assert_eq!(document["total"]["bitrateCalculated"], 110_000);
        assert_eq!(document["total"]["packetsCalculated"], 20);
        assert_eq!(document["total"].get("rtxBitrate"), None, "none before the first resend");
    }

    #[test]
    fn keys_come_out_in_byte_order_m_stat_1() {
        let start = Instant::now();
        let mut stats = stats();
        let track = stats.add_track(Ssrc(9), MediaKind::Video);
        stats.add_track(Ssrc(1), MediaKind::Audio);
        stats.on_packet(start, track, 100, true);
        stats.on_feedback(track, FeedbackKind::Nack);
        stats.audio_mute = Some(true);
        stats.video_mute = Some(false);
        let json = stats.to_json(start);
        let at = |key: &str| json.find(key).unwrap();
        assert!(at("\"44444\"") < at("\"55543\"") && at("\"55543\"") < at("\"9\":"));
        assert!(at("\"NACK\"") < at("\"bitrateCalculated\""), "upper case first: {json}");
        assert!(json.contains(r#""44444":{"erizoAudioMute":1,"erizoVideoMute":0}"#));
        assert!(!json.contains("\"1\""), "a track without traffic is not shown");
        assert!(!json.contains(' '));
    }
}
