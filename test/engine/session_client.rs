//! A simulated browser in virtual time: a transport, sources that it publishes, what it received,
//! and the little RTCP that makes loss and clocks visible (NACK, SR, RR).

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use erizo::negotiation::description::SessionDescription;
use erizo::negotiation::direction::MediaType;
use erizo::negotiation::ice::IceCredentials;
use erizo::negotiation::setup::DtlsSetup;
use erizo::rtp::id::{PayloadType, Ssrc};
use erizo::rtp::packet::{HeaderWriter, OutgoingHeader, RtpHeader};
use erizo::rtp::rtcp::{self, ReportBlock, Rtcp, SenderReport};
use erizo::rtp::time::NtpTime;
use erizo::transport::{
    DropReason, Received, Transport, TransportConfig, TransportEvent, TransportOutput,
};

use crate::link::{Datagram, Link, Node};
use crate::negotiation_support::{Remote, TRANSPORT_CC, configuration, sdp};
use crate::transport_peer::certificate;

/// Audio packets leave every tick, video frames every other one, reports once a second.
const TICK: Duration = Duration::from_millis(20);
const TICKS_PER_REPORT: u64 = 50;
pub const PACKETS_PER_FRAME: u16 = 3;
/// The wall clock of every client when virtual time starts: not that of the engine.
pub const CLIENT_EPOCH: Duration = Duration::from_secs(1_500_000_000);

/// Near the end, so that runs cross a roll-over.
pub const FIRST_SEQUENCE: u16 = 65_500;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    Vp8,
    H264,
    Opus,
}

/// Media that a client sends under one SSRC.
#[derive(Debug)]
pub struct Source {
    pub format: Format,
    pub ssrc: u32,
    pub payload_type: u8,
    pub mid: String,
    pub sequence: u16,
    pub roll_over: u32,
    pub timestamp: u32,
    pub frame: u16,
    pub key_frame_next: bool,
    /// Frames that were key frames.
    pub key_frames: Vec<u16>,
    /// Sent protected packets, for answering NACKs with the same bytes.
    pub history: BTreeMap<u16, Vec<u8>>,
    /// Clear payloads by sequence number.
    pub payloads: BTreeMap<u16, Vec<u8>>,
    packets: u32,
}

/// One received packet, decrypted.
#[derive(Clone, Debug)]
pub struct Heard {
    pub at: Instant,
    pub header: RtpHeader,
    pub packet: Vec<u8>,
}

impl Heard {
    pub fn payload(&self) -> &[u8] {
        self.header.payload(&self.packet)
    }
}

/// Everything received under one SSRC.
#[derive(Debug, Default)]
pub struct Track {
    pub packets: Vec<Heard>,
    highest: Option<u64>,
    missing: BTreeMap<u64, u8>,
    /// Last sender report: NTP middle bits and arrival.
    last_report: Option<(u32, Instant)>,
    pub reports: Vec<(Instant, SenderReport)>,
}

impl Track {
    fn note(&mut self, sequence: u16) {
        let Some(highest) = self.highest else {
            self.highest = Some(u64::from(sequence) + (1 << 16));
            return;
        };
        let ahead = i64::from(sequence.wrapping_sub(highest as u16) as i16);
        let extended = highest.wrapping_add_signed(ahead);
        self.missing.remove(&extended);
        if extended > highest {
            self.missing.extend((highest + 1..extended).map(|lost| (lost, 0)));
            self.highest = Some(extended);
        }
    }

    pub fn still_missing(&self) -> usize {
        self.missing.len()
    }

    /// The longest time between two packets that arrived in this span.
    pub fn longest_gap(&self, from: Instant, to: Instant) -> Duration {
        let inside = self.packets.iter().map(|heard| heard.at).filter(|at| *at > from && *at < to);
        let mut times: Vec<Instant> = [from, to].into_iter().chain(inside).collect();
        times.sort();
        times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default()
    }

    pub fn since(&self, from: Instant) -> impl Iterator<Item = &Heard> {
        self.packets.iter().filter(move |heard| heard.at > from)
    }
}

pub struct Client {
    pub address: SocketAddr,
    pub transport: Transport,
    pub events: Vec<TransportEvent>,
    pub sections: Vec<Remote>,
    /// Lines of its SDP that contain one of these are left out.
    pub without: Vec<&'static str>,
    pub sources: Vec<Source>,
    pub tracks: BTreeMap<u32, Track>,
    pub feedback: Vec<(Instant, Rtcp)>,
    pub dropped: Vec<DropReason>,
    /// Ask for what is missing, and answer who asks.
    pub nacks: bool,
    pub answers_key_frame_requests: bool,
    pub video_configuration: &'static str,
    pub silent: bool,
    pub first_sequence: u16,
    outgoing: VecDeque<Datagram>,
    start: Instant,
    ticks: u64,
    next_tick: Option<Instant>,
    transport_sequence: u16,
    introduced: bool,
}

impl Client {
    pub fn new(link: &Link, address: SocketAddr, config: TransportConfig) -> Client {
        let mut transport = Transport::new(link.now, config).unwrap();
        transport.add_host(link.now, address).unwrap();
        Client {
            address,
            transport,
            events: Vec::new(),
            sections: Vec::new(),
            without: Vec::new(),
            sources: Vec::new(),
            tracks: BTreeMap::new(),
            feedback: Vec::new(),
            dropped: Vec::new(),
            nacks: true,
            answers_key_frame_requests: true,
            video_configuration: "VP8",
            silent: false,
            first_sequence: FIRST_SEQUENCE,
            outgoing: VecDeque::new(),
            start: link.now,
            ticks: 0,
            next_tick: None,
            transport_sequence: 0,
            introduced: false,
        }
    }

    pub fn is_ready(&self) -> bool {
        self.transport.is_ready()
    }

    /// The client's description with its own credentials, fingerprint and candidate.
    pub fn description(&self) -> SessionDescription {
        let IceCredentials { ufrag, pwd } = self.transport.local_credentials();
        let fingerprint = certificate(1).fingerprint().to_owned();
        let SocketAddr::V4(address) = self.address else { panic!("IPv4 only") };
        let candidate =
            format!("a=candidate:1 1 udp 2130706431 {} {} typ host", address.ip(), address.port());
        let mut text = String::new();
        for line in sdp(&self.sections).lines() {
            if self.without.iter().any(|unwanted| line.contains(unwanted)) {
                continue;
            }
            let line = line
                .replace("nDB3", &ufrag)
                .replace("tfQdK4j3DmPDkQ1FqrhmpfIc", &pwd)
                .replace("5D:CA", &fingerprint)
                .replace("DA:76", &fingerprint);
            text.push_str(&line);
            text.push_str("\r\n");
            if line.starts_with("a=mid:") {
                text.push_str(&candidate);
                text.push_str("\r\n");
            }
        }
        SessionDescription::from_sdp(&text, &configuration(self.video_configuration)).unwrap()
    }

    /// Takes the engine's description; only the first one concerns the transport.
    pub fn learn(&mut self, now: Instant, remote: &SessionDescription, ours: DtlsSetup) {
        if std::mem::replace(&mut self.introduced, true) {
            return;
        }
        let credentials = [MediaType::Audio, MediaType::Video, MediaType::Other]
            .map(|kind| remote.ice_credentials(kind).clone())
            .into_iter()
            .find(|credentials| !credentials.ufrag.is_empty())
            .unwrap();
        let fingerprint = Some(remote.fingerprint()).filter(|text| !text.is_empty());
        self.transport.set_remote(now, &credentials, fingerprint, ours).unwrap();
        for described in remote.candidates() {
            self.transport.add_remote_candidate(now, &described.candidate);
        }
    }

    pub fn publish(&mut self, format: Format, ssrc: u32, payload_type: u8, mid: &str) {
        self.sources.push(Source {
            format,
            ssrc,
            payload_type,
            mid: mid.to_owned(),
            sequence: self.first_sequence,
            roll_over: 0,
            timestamp: 0xffff_f000,
            frame: 0x7ff0,
            key_frame_next: true,
            key_frames: Vec::new(),
            history: BTreeMap::new(),
            payloads: BTreeMap::new(),
            packets: 0,
        });
    }

    /// Starts sending and reporting.
    pub fn play(&mut self, now: Instant) {
        self.next_tick.get_or_insert(now);
    }

    pub fn source(&mut self, ssrc: u32) -> &mut Source {
        self.sources.iter_mut().find(|source| source.ssrc == ssrc).unwrap()
    }

    pub fn track(&self, ssrc: u32) -> &Track {
        self.tracks.get(&ssrc).unwrap_or_else(|| panic!("nothing came under {ssrc}"))
    }

    pub fn heard(&self, ssrc: u32) -> usize {
        self.tracks.get(&ssrc).map_or(0, |track| track.packets.len())
    }

    /// Members of the compounds received that `pick` picks.
    pub fn count_feedback(&self, pick: impl Fn(&Rtcp) -> bool) -> usize {
        self.feedback.iter().filter(|(_, member)| pick(member)).count()
    }

    /// Protects a clear packet and sends it.
    pub fn send_clear(
        &mut self,
        clear: &[u8],
        header_len: usize,
        roll_over: u32,
    ) -> Option<Vec<u8>> {
        let (from, to) = self.transport.path()?;
        let mut data = clear.to_vec();
        data.resize(clear.len() + 32, 0);
        let len = self.transport.protect_rtp(&mut data, clear.len(), header_len, roll_over)?;
        data.truncate(len);
        self.outgoing.push_back(Datagram { from, to, data: data.clone() });
        Some(data)
    }

    pub fn send_rtcp(&mut self, mut compound: Vec<u8>) {
        let Some((from, to)) = self.transport.path() else { return };
        if self.transport.protect_rtcp(&mut compound).is_some() {
            self.outgoing.push_back(Datagram { from, to, data: compound });
        }
    }

    pub fn send_raw(&mut self, data: Vec<u8>) {
        let Some((from, to)) = self.transport.path() else { return };
        self.outgoing.push_back(Datagram { from, to, data });
    }

    pub fn ask_for_key_frame(&mut self, media: u32) {
        let mut compound = Vec::new();
        rtcp::write_receiver_report(&mut compound, Ssrc(1), &[]);
        rtcp::write_pli(&mut compound, Ssrc(1), Ssrc(media));
        self.send_rtcp(compound);
    }

    fn tick(&mut self, now: Instant) {
        let ticks = self.ticks;
        self.ticks += 1;
        if !self.silent {
            for index in 0..self.sources.len() {
                match self.sources[index].format {
                    Format::Opus => self.send_packet(now, index, 0),
                    Format::Vp8 | Format::H264 if ticks.is_multiple_of(2) => {
                        (0..PACKETS_PER_FRAME).for_each(|part| self.send_packet(now, index, part));
                    }
                    _ => {}
                }
            }
        }
        if self.nacks {
            self.ask_for_missing();
        }
        if ticks % TICKS_PER_REPORT == TICKS_PER_REPORT - 1 {
            self.report(now);
        }
    }

    fn send_packet(&mut self, now: Instant, index: usize, part: u16) {
        if !self.is_ready() {
            return;
        }
        let number = self.transport_sequence;
        let with_numbers = !self.without.contains(&TRANSPORT_CC);
        let source = &mut self.sources[index];
        let video = source.format != Format::Opus;
        let last = part + 1 == PACKETS_PER_FRAME || !video;
        let key = source.key_frame_next;
        let payload = source.payload(part, key);
        let header = OutgoingHeader {
            payload_type: PayloadType(source.payload_type),
            marker: last && video,
            sequence: source.sequence,
            timestamp: source.timestamp,
            ssrc: Ssrc(source.ssrc),
        };
        let mut buf = vec![0; 1500];
        let mut writer = HeaderWriter::new(&mut buf, &header).unwrap();
        // Numbered as in `negotiation_support`.
        let [send_time, numbers, mid] = if video { [2, 4, 9] } else { [2, 3, 4] };
        let wall = CLIENT_EPOCH + (now - self.start);
        writer.extension(send_time, &erizo::rtp::extension::abs_send_time(wall)).unwrap();
        writer.extension(mid, source.mid.as_bytes()).unwrap();
        if with_numbers {
            writer.extension(numbers, &number.to_be_bytes()).unwrap();
            self.transport_sequence = number.wrapping_add(1);
        }
        let header_len = writer.finish();
        buf.truncate(header_len);
        buf.extend_from_slice(&payload);
        let (sequence, roll_over) = (source.sequence, source.roll_over);
        source.payloads.insert(sequence, payload);
        source.packets += 1;
        source.sequence = sequence.wrapping_add(1);
        source.roll_over += u32::from(source.sequence == 0);
        if last {
            if key && video {
                source.key_frames.push(source.frame);
                source.key_frame_next = false;
            }
            source.frame = source.frame.wrapping_add(1) & 0x7fff;
            source.timestamp = source.timestamp.wrapping_add(if video { 3600 } else { 960 });
        }
        let sent = self.send_clear(&buf, header_len, roll_over).unwrap();
        self.sources[index].history.insert(sequence, sent);
    }

    fn ask_for_missing(&mut self) {
        let mut compound = Vec::new();
        for (ssrc, track) in &mut self.tracks {
            track.missing.retain(|_, asked| *asked < 20);
            // As a browser does: not at once, and not in each turn.
            let due = |asked: &mut u8| {
                *asked += 1;
                *asked % 3 == 2
            };
            let lost: Vec<u16> = track
                .missing
                .iter_mut()
                .filter_map(|(sequence, asked)| due(asked).then_some(*sequence as u16))
                .take(100)
                .collect();
            if !lost.is_empty() {
                rtcp::write_receiver_report(&mut compound, Ssrc(1), &[]);
                rtcp::write_nack(&mut compound, Ssrc(1), Ssrc(*ssrc), &lost);
            }
        }
        if !compound.is_empty() {
            self.send_rtcp(compound);
        }
    }

    fn report(&mut self, now: Instant) {
        let mut compound = Vec::new();
        let ntp = NtpTime::from_unix(CLIENT_EPOCH + (now - self.start));
        for source in self.sources.iter().filter(|source| source.packets > 0) {
            let report = SenderReport {
                ssrc: Ssrc(source.ssrc),
                ntp,
                rtp_timestamp: source.timestamp,
                packets: source.packets,
                octets: 0,
                blocks: Vec::new(),
            };
            rtcp::write_sender_report(&mut compound, &report);
        }
        let blocks: Vec<ReportBlock> = self
            .tracks
            .iter()
            .map(|(ssrc, track)| ReportBlock {
                ssrc: Ssrc(*ssrc),
                fraction_lost: 3,
                cumulative_lost: 7,
                extended_highest: track.highest.unwrap_or(0) as u32,
                jitter: 5,
                last_sr: track.last_report.map_or(0, |(ntp, _)| ntp),
                delay_since_last_sr: track
                    .last_report
                    .map_or(0, |(_, at)| ((now - at).as_secs_f64() * 65_536.0) as u32),
            })
            .collect();
        if !blocks.is_empty() {
            rtcp::write_receiver_report(&mut compound, Ssrc(1), &blocks);
        }
        if !compound.is_empty() {
            self.send_rtcp(compound);
        }
    }

    fn take_member(&mut self, now: Instant, member: Rtcp) {
        match &member {
            Rtcp::SenderReport(report) => {
                let track = self.tracks.entry(report.ssrc.0).or_default();
                track.last_report = Some((report.ntp.middle(), now));
                track.reports.push((now, report.clone()));
            }
            Rtcp::Nack { media, lost, .. } if self.nacks => {
                let Some(source) = self.sources.iter().find(|source| source.ssrc == media.0) else {
                    return self.feedback.push((now, member));
                };
                let again: Vec<_> =
                    lost.iter().filter_map(|sequence| source.history.get(sequence)).collect();
                if let Some((from, to)) = self.transport.path() {
                    let again = again.into_iter().cloned();
                    self.outgoing.extend(again.map(|data| Datagram { from, to, data }));
                }
            }
            Rtcp::Pli { media, .. } if self.answers_key_frame_requests => {
                if let Some(source) = self.sources.iter_mut().find(|s| s.ssrc == media.0) {
                    source.key_frame_next = true;
                }
            }
            _ => {}
        }
        self.feedback.push((now, member));
    }
}

/// Bytes of a VP8 descriptor with 15 bit picture id and TL0PICIDX.
pub const VP8_DESCRIPTOR_LEN: usize = 6;

impl Source {
    fn payload(&self, part: u16, key: bool) -> Vec<u8> {
        let mut payload = match self.format {
            Format::Opus => vec![0xfc],
            Format::H264 if part == 0 => vec![if key { 0x65 } else { 0x61 }, 0x80],
            Format::H264 => vec![0x61, 0x00],
            Format::Vp8 => {
                let [high, low] = (0x8000 | self.frame).to_be_bytes();
                let start = if part == 0 { 0x90 } else { 0x80 };
                let frame = if key { 0x10 } else { 0x11 };
                let mut payload = vec![start, 0xe0, high, low, self.frame as u8, 0x20];
                if part == 0 {
                    payload.extend([frame, 2, 0, 0x9d, 1, 0x2a, 64, 1, 180, 0]);
                }
                payload
            }
        };
        let len = if self.format == Format::Opus { 80 } else { 700 + usize::from(part) };
        let fill = (self.sequence as u8).wrapping_mul(31);
        payload.extend(self.sequence.to_be_bytes());
        payload.resize(len, fill);
        payload
    }
}

impl Node for Client {
    fn owns(&self, address: SocketAddr) -> bool {
        self.address == address
    }

    fn receive(&mut self, now: Instant, local: SocketAddr, remote: SocketAddr, data: &mut [u8]) {
        match self.transport.handle_datagram(now, local, remote, data) {
            Received::Rtp(packet) => {
                let header = RtpHeader::parse(packet).expect("the engine sends well-formed RTP");
                let track = self.tracks.entry(header.ssrc.0).or_default();
                track.note(header.sequence);
                track.packets.push(Heard { at: now, header, packet: packet.to_vec() });
            }
            Received::Rtcp(compound) => {
                let mut members = Vec::new();
                rtcp::parse(compound, |member| members.push(member.expect("well-formed RTCP")));
                members.into_iter().for_each(|member| self.take_member(now, member));
            }
            Received::Handled => {}
            Received::Dropped(reason) => self.dropped.push(reason),
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.transport.handle_timeout(now);
        while let Some(tick) = self.next_tick.filter(|tick| *tick <= now) {
            self.tick(now);
            self.next_tick = Some(tick + TICK);
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        [self.transport.poll_timeout(), self.next_tick].into_iter().flatten().min()
    }

    fn poll_transmit(&mut self, _: Instant) -> Option<Datagram> {
        while let Some(output) = self.transport.poll_output() {
            match output {
                TransportOutput::Transmit { local, remote, data } => {
                    return Some(Datagram { from: local, to: remote, data });
                }
                TransportOutput::Event(event) => self.events.push(event),
            }
        }
        self.outgoing.pop_front()
    }
}
