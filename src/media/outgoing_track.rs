//! One SSRC towards a subscriber: renumbers packets, remembers what it sent, writes the bytes.
//!
//! What is sent is a function of the publisher's packet and a small record. A resend applies the
//! same record again and so repeats the packet bit by bit: under SRTP it gets the same nonce, and
//! with AES-GCM two different packets under one nonce would give the authentication key away
//! (RFC 3711 §9.1, RFC 7714 §9). So a resend keeps its abs-send-time and transport-wide number,
//! against M-RTX-3.

use std::time::{Duration, Instant};

use super::clock::{MediaClock, Moment};
use super::packet::{MediaPacket, PacketInfo};
use super::payload_types::PayloadTypes;
use super::sequence_map::{Mapping, SequenceMap};
use crate::rtp::codec::vp8;
use crate::rtp::extension::{ExtensionKind, ExtensionMap, abs_send_time};
use crate::rtp::id::{Mid, Ssrc};
use crate::rtp::packet::{HeaderWriter, OutgoingHeader};
use crate::rtp::rtcp::SenderReport;
use crate::rtp::time::NtpTime;

/// A finished clear packet in the caller's buffer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outgoing {
    pub len: usize,
    pub header_len: usize,
    /// Cycles of the sequence number, for SRTP (RFC 3711 §3.3.1).
    pub roll_over: u32,
    pub ssrc: Ssrc,
    pub sequence: u16,
    /// The transport-wide number handed in was written and must not be used again.
    pub numbered: bool,
}

/// What was agreed about one SSRC towards a subscriber.
#[derive(Clone, Debug)]
pub struct OutgoingTrackConfig {
    pub ssrc: Ssrc,
    pub extensions: ExtensionMap,
    /// Written only if the extension was agreed as well; Licode's clients demultiplex by SSRC
    /// (M-EXT-8).
    pub mid: Option<Mid>,
}

/// See the module documentation.
#[derive(Debug)]
pub(super) struct OutgoingTrack {
    config: OutgoingTrackConfig,
    sequence: SequenceMap,
    /// VP8 picture ids.
    pictures: SequenceMap,
    /// By outgoing sequence number.
    records: Box<[Option<Record>]>,
    source: Option<Source>,
    last: Option<Sent>,
    packets: u32,
    octets: u32,
    packets_at_report: u32,
}

/// Whom the numbers come from, and how far ours are from them.
#[derive(Clone, Copy, Debug)]
struct Source {
    publisher: u64,
    ssrc: Ssrc,
    timestamp_offset: u32,
    tl0_offset: u8,
}

#[derive(Clone, Copy, Debug)]
struct Sent {
    at: Instant,
    timestamp: u32,
    tl0_pic_idx: u8,
}

/// All that distinguishes an outgoing packet from the publisher's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    output: u64,
    pub input: u64,
    timestamp: u32,
    picture_id: u16,
    transport_sequence: Option<u16>,
    send_time: [u8; 3],
    tl0_pic_idx: u8,
    pub layer: u8,
    black: bool,
}

impl OutgoingTrack {
    /// As many as the ring of the publisher's track keeps; a power of two.
    pub const VIDEO_RECORDS: usize = 512;
    pub const AUDIO_RECORDS: usize = 128;

    pub fn new(config: OutgoingTrackConfig, records: usize) -> Self {
        OutgoingTrack {
            config,
            sequence: SequenceMap::new(16),
            pictures: SequenceMap::new(15),
            records: vec![None; records].into_boxed_slice(),
            source: None,
            last: None,
            packets: 0,
            octets: 0,
            packets_at_report: 0,
        }
    }

    pub fn ssrc(&self) -> Ssrc {
        self.config.ssrc
    }

    /// Whether the packet comes from another source than the one before it.
    pub fn is_new_source(&self, packet: &PacketInfo) -> bool {
        !self.source.is_some_and(|source| source.is_of(packet))
    }

    pub fn has_sent(&self) -> bool {
        self.packets > 0
    }

    /// The packet is left out on purpose and leaves no hole.
    pub fn skip(&mut self, packet: &PacketInfo) {
        if !self.is_new_source(packet) {
            self.sequence.get(packet.sequence, true);
        }
    }

    /// Numbers a packet for sending; `None` if it is a duplicate or too late.
    pub fn assign(
        &mut self,
        at: Moment,
        packet: &PacketInfo,
        black: bool,
        transport_sequence: Option<u16>,
    ) -> Option<Record> {
        let source = match self.source {
            Some(source) if source.is_of(packet) => source,
            _ => self.switch_source(at.now, packet),
        };
        let mut skip = false;
        let mut picture_id = 0;
        if let (Some(picture), false) = (packet.picture_id, black) {
            match self.pictures.get(picture, false) {
                Mapping::Valid(id) | Mapping::Repeated(id) => picture_id = id as u16 & 0x7fff,
                // M-QF-12: without a picture id the packet would be taken for another picture.
                Mapping::Skip | Mapping::Discard => skip = true,
            }
        }
        let Mapping::Valid(output) = self.sequence.get(packet.sequence, skip) else { return None };
        let timestamp = packet.header.timestamp.wrapping_add(source.timestamp_offset);
        let tl0 = tl0_pic_idx(packet).wrapping_add(source.tl0_offset);
        let numbered = self.config.extensions.id(ExtensionKind::TransportSequence).is_some();
        let record = Record {
            output,
            input: packet.sequence,
            timestamp,
            picture_id,
            transport_sequence: transport_sequence.filter(|_| numbered),
            send_time: abs_send_time(at.since_unix),
            tl0_pic_idx: tl0,
            layer: packet.layer,
            black,
        };
        // A late packet is not the last one of its stream.
        if self.sequence.last_output() == Some(output) {
            let tl0_pic_idx = match (black, self.last) {
                (true, Some(last)) => last.tl0_pic_idx,
                _ => tl0,
            };
            self.last = Some(Sent { at: at.now, timestamp, tl0_pic_idx });
        }
        let slot = (output % self.records.len().max(1) as u64) as usize;
        if let Some(slot) = self.records.get_mut(slot) {
            *slot = Some(record);
        }
        Some(record)
    }

    /// What was sent under `sequence`, if it is remembered.
    pub fn record(&self, sequence: u16) -> Option<Record> {
        let newest = self.sequence.last_output()?;
        let behind = (newest as u16).wrapping_sub(sequence);
        let output = newest.checked_sub(u64::from(behind))?;
        let slot = (output % self.records.len().max(1) as u64) as usize;
        self.records.get(slot).copied().flatten().filter(|record| record.output == output)
    }

    /// Writes the packet into `buf`; `None` if it does not fit. Changes nothing but the counters
    /// of [`OutgoingTrack::report`], in which resends count like any packet (M-SR-1).
    pub fn write(
        &mut self,
        record: &Record,
        packet: &MediaPacket,
        payload_types: &PayloadTypes,
        buf: &mut [u8],
    ) -> Option<Outgoing> {
        let info = packet.info();
        let header = OutgoingHeader {
            payload_type: payload_types.external(info.payload_type),
            marker: info.header.marker || record.black,
            sequence: record.output as u16,
            timestamp: record.timestamp,
            ssrc: self.config.ssrc,
        };
        let mut writer = HeaderWriter::new(buf, &header)?;
        for kind in PASSED_ON {
            if let (Some(id), Some(data)) =
                (self.config.extensions.id(kind), packet.extension(kind))
            {
                writer.extension(id, data);
            }
        }
        if let Some(id) = self.config.extensions.id(ExtensionKind::AbsSendTime) {
            writer.extension(id, &record.send_time);
        }
        if let (Some(id), Some(sequence)) =
            (self.config.extensions.id(ExtensionKind::TransportSequence), record.transport_sequence)
        {
            writer.extension(id, &sequence.to_be_bytes());
        }
        if let (Some(id), Some(mid)) =
            (self.config.extensions.id(ExtensionKind::Mid), self.config.mid)
        {
            writer.extension(id, mid.as_bytes());
        }
        let header_len = writer.finish();
        let payload: &[u8] = if record.black { &vp8::BLACK_KEY_FRAME } else { packet.payload() };
        let len = header_len.checked_add(payload.len())?;
        let body = buf.get_mut(header_len..len)?;
        body.copy_from_slice(payload);
        if let (Some(descriptor), false) = (&info.frame.vp8, record.black) {
            vp8::rewrite(body, descriptor, record.picture_id, record.tl0_pic_idx);
        }
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(u32::try_from(payload.len()).unwrap_or(u32::MAX));
        Some(Outgoing {
            len,
            header_len,
            roll_over: (record.output >> 16) as u32,
            ssrc: self.config.ssrc,
            sequence: record.output as u16,
            numbered: record.transport_sequence.is_some(),
        })
    }

    /// The SSRC that packets come from now.
    pub fn source_ssrc(&self) -> Option<Ssrc> {
        self.source.map(|source| source.ssrc)
    }

    /// A sender report if something was sent since the last one (RFC 3550 §6.4), on the clock of
    /// the source that is being forwarded (M-SR-3).
    pub fn report(&mut self, at: Moment, clock: &MediaClock) -> Option<SenderReport> {
        let source = self.source.filter(|source| source.ssrc == clock.ssrc)?;
        if self.packets == self.packets_at_report {
            return None;
        }
        self.packets_at_report = self.packets;
        Some(SenderReport {
            ssrc: self.config.ssrc,
            ntp: NtpTime::from_unix(at.since_unix),
            rtp_timestamp: clock.timestamp_at(at.now).wrapping_add(source.timestamp_offset),
            packets: self.packets,
            octets: self.octets,
            blocks: Vec::new(),
        })
    }

    /// Numbers go on after the last ones sent (M-QF-9, M-QF-10); the media time that passed since
    /// is the real one.
    fn switch_source(&mut self, now: Instant, packet: &PacketInfo) -> Source {
        self.sequence.reset();
        self.pictures.reset();
        let (mut timestamp_offset, mut tl0_offset) = (0, 0);
        if let Some(last) = self.last {
            let elapsed = now.saturating_duration_since(last.at).min(LONGEST_PAUSE);
            let ticks = elapsed.as_secs_f64() * f64::from(packet.clock_rate_hz);
            let next = last.timestamp.wrapping_add((ticks as u32).max(1));
            timestamp_offset = next.wrapping_sub(packet.header.timestamp);
            tl0_offset = last.tl0_pic_idx.wrapping_add(1).wrapping_sub(tl0_pic_idx(packet));
        }
        // What was sent before cannot be found in the ring of another source.
        self.records.fill(None);
        let source = Source {
            publisher: packet.publisher,
            ssrc: packet.header.ssrc,
            timestamp_offset,
            tl0_offset,
        };
        self.source = Some(source);
        source
    }
}

impl Source {
    fn is_of(&self, packet: &PacketInfo) -> bool {
        (self.publisher, self.ssrc) == (packet.publisher, packet.header.ssrc)
    }
}

fn tl0_pic_idx(packet: &PacketInfo) -> u8 {
    packet.frame.vp8.and_then(|vp8| vp8.tl0_pic_idx).map_or(0, |index| index.value)
}

/// Extensions whose data is the publisher's own; the others are ours to write (M-EXT-4, M-EXT-6)
/// or end here (RtpStreamId).
const PASSED_ON: [ExtensionKind; 4] = [
    ExtensionKind::AudioLevel,
    ExtensionKind::VideoOrientation,
    ExtensionKind::TransmissionOffset,
    ExtensionKind::PlayoutDelay,
];

/// A timestamp must not advance by half its range (RFC 1982 §3.2): 2^31 ticks of 90 kHz are 6.6 h.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);
