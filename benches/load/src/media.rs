//! The publisher's packets, and the stamp by which a receiver knows them again.

use std::time::Duration;

use rtc::rtcp::sender_report::SenderReport;

/// An RTP track of a publisher.
pub struct Track {
    pub kind: &'static str,
    pub payload_type: u8,
    pub ssrc: u32,
    pub clock_rate_hz: u32,
    pub codec_lines: &'static [&'static str],
    mid: u8,
    extensions: &'static [u8],
}

impl Track {
    pub fn uses(&self, extension: u8) -> bool {
        self.extensions.contains(&extension)
    }
}

pub const AUDIO: Track = Track {
    kind: "audio",
    payload_type: 111,
    ssrc: 0x1111_1111,
    clock_rate_hz: 48_000,
    codec_lines: &[
        "rtpmap:111 opus/48000/2",
        "rtcp-fb:111 transport-cc",
        "fmtp:111 minptime=10;useinbandfec=1",
    ],
    mid: b'0',
    extensions: &[AUDIO_LEVEL, SEND_TIME, TRANSPORT_SEQUENCE, MID],
};

pub const VIDEO: Track = Track {
    kind: "video",
    payload_type: 100,
    ssrc: 0x2222_2222,
    clock_rate_hz: 90_000,
    codec_lines: &[
        "rtpmap:100 VP8/90000",
        "rtcp-fb:100 goog-remb",
        "rtcp-fb:100 transport-cc",
        "rtcp-fb:100 ccm fir",
        "rtcp-fb:100 nack",
        "rtcp-fb:100 nack pli",
    ],
    mid: b'1',
    extensions: &[SEND_TIME, TRANSPORT_SEQUENCE, MID],
};

const AUDIO_LEVEL: u8 = 1;
const SEND_TIME: u8 = 2;
const TRANSPORT_SEQUENCE: u8 = 3;
const MID: u8 = 4;

pub const EXTENSIONS: [(u8, &str); 4] = [
    (AUDIO_LEVEL, "urn:ietf:params:rtp-hdrext:ssrc-audio-level"),
    (SEND_TIME, "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"),
    (
        TRANSPORT_SEQUENCE,
        "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
    ),
    (MID, "urn:ietf:params:rtp-hdrext:sdes:mid"),
];

/// One packet of Opus, 32 kbit/s.
const AUDIO_PAYLOAD: usize = 80;
const AUDIO_INTERVAL: Duration = Duration::from_millis(20);
/// A whole RTP packet of video, before its SRTP tag.
const VIDEO_PACKET: usize = 1200;
const PACKETS_PER_FRAME: usize = 4;
/// 30 frames of 4 packets of 1200 bytes are 1.15 Mbit/s.
const FRAME_INTERVAL: Duration = Duration::from_nanos(33_333_333);

/// Produces the packets of one publisher as their time comes.
pub struct Publication {
    started: u64,
    audio: Counter,
    video: Counter,
    frames: u64,
    audio_packets: u64,
    transport_sequence: u16,
    key_frame_wanted: bool,
    pub key_frames: u64,
}

#[derive(Default)]
struct Counter {
    packets: u64,
    octets: u64,
    timestamp: u32,
}

/// A packet's number among all of its publisher, and when it left there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stamp {
    pub number: u64,
    pub sent_at: u64,
}

impl Stamp {
    const LEN: usize = 24;
    const MAGIC: [u8; 8] = *b"erizload";

    /// The stamp ends the payload: servers rewrite descriptors at the front only.
    pub fn read(packet: &[u8]) -> Option<Stamp> {
        let tail = packet.last_chunk::<{ Self::LEN }>()?;
        let (magic, rest) = tail.split_first_chunk::<8>()?;
        let (number, sent_at) = (rest.first_chunk::<8>()?, rest.last_chunk::<8>()?);
        (*magic == Self::MAGIC).then(|| Stamp {
            number: u64::from_be_bytes(*number),
            sent_at: u64::from_be_bytes(*sent_at),
        })
    }

    fn write(self, packet: &mut Vec<u8>) {
        packet.extend(Self::MAGIC);
        packet.extend(self.number.to_be_bytes());
        packet.extend(self.sent_at.to_be_bytes());
    }
}

impl Publication {
    /// `now`: nanoseconds since 1970, as everywhere here.
    pub fn new(now: u64) -> Publication {
        Publication {
            started: now,
            audio: Counter::default(),
            video: Counter::default(),
            frames: 0,
            audio_packets: 0,
            transport_sequence: 0,
            key_frame_wanted: true,
            key_frames: 0,
        }
    }

    /// Packets sent so far, which is also the number of the next one.
    pub fn sent(&self) -> u64 {
        self.audio.packets + self.video.packets
    }

    pub fn want_key_frame(&mut self) {
        self.key_frame_wanted = true;
    }

    /// When the next packet is due.
    pub fn due_at(&self) -> u64 {
        self.audio_due().min(self.video_due())
    }

    fn audio_due(&self) -> u64 {
        self.started + self.audio_packets * AUDIO_INTERVAL.as_nanos() as u64
    }

    fn video_due(&self) -> u64 {
        self.started + self.frames * FRAME_INTERVAL.as_nanos() as u64
    }

    /// Hands over what is due. Each packet is stamped when it is made, so `send` at once.
    pub fn run(&mut self, clock: impl Fn() -> u64, mut send: impl FnMut(&[u8])) {
        let mut packet = Vec::with_capacity(VIDEO_PACKET);
        while self.audio_due() <= clock() {
            self.audio.timestamp = (self.audio_packets * 960) as u32;
            self.audio_packets += 1;
            self.write_header(&AUDIO, true, clock(), &mut packet);
            packet.resize(packet.len() + AUDIO_PAYLOAD - Stamp::LEN, 0x5a);
            self.finish(&AUDIO, clock(), &mut packet);
            send(&packet);
        }
        while self.video_due() <= clock() {
            let key_frame = std::mem::take(&mut self.key_frame_wanted);
            self.key_frames += u64::from(key_frame);
            self.video.timestamp = (self.frames * 3_000) as u32;
            for index in 0..PACKETS_PER_FRAME {
                let marker = index + 1 == PACKETS_PER_FRAME;
                self.write_header(&VIDEO, marker, clock(), &mut packet);
                write_vp8(self.frames, index == 0, key_frame, &mut packet);
                packet.resize(VIDEO_PACKET - Stamp::LEN, 0xa5);
                self.finish(&VIDEO, clock(), &mut packet);
                send(&packet);
            }
            self.frames += 1;
        }
    }

    fn counter(&mut self, track: &Track) -> &mut Counter {
        if track.kind == AUDIO.kind { &mut self.audio } else { &mut self.video }
    }

    fn write_header(&mut self, track: &Track, marker: bool, now: u64, packet: &mut Vec<u8>) {
        let transport_sequence = self.transport_sequence;
        self.transport_sequence = transport_sequence.wrapping_add(1);
        let counter = self.counter(track);
        packet.clear();
        packet.extend([0x90, u8::from(marker) << 7 | track.payload_type]);
        packet.extend((counter.packets as u16).to_be_bytes());
        packet.extend(counter.timestamp.to_be_bytes());
        packet.extend(track.ssrc.to_be_bytes());
        // One-byte header extensions (RFC 8285 §4.2): id and length - 1 in one byte, then data.
        packet.extend([0xbe, 0xde, 0, 3]);
        let data = packet.len();
        if track.uses(AUDIO_LEVEL) {
            packet.extend([AUDIO_LEVEL << 4, 0x80 | 30]);
        }
        // 6 bits of seconds, 18 of fraction.
        let seconds = now as f64 / 1e9;
        let send_time = ((seconds % 64.0) * f64::from(1 << 18)) as u32;
        packet.push(SEND_TIME << 4 | 2);
        packet.extend(&send_time.to_be_bytes()[1..]);
        packet.push(TRANSPORT_SEQUENCE << 4 | 1);
        packet.extend(transport_sequence.to_be_bytes());
        packet.extend([MID << 4, track.mid]);
        packet.resize(data + 12, 0);
    }

    fn finish(&mut self, track: &Track, now: u64, packet: &mut Vec<u8>) {
        Stamp { number: self.sent(), sent_at: now }.write(packet);
        let counter = self.counter(track);
        counter.packets += 1;
        counter.octets += packet.len() as u64;
    }

    /// RFC 3550 §6.4.1.
    pub fn sender_reports(&self, now: u64) -> [SenderReport; 2] {
        // Seconds from 1900 to 1970, then 32 bits of fraction.
        let (seconds, nanoseconds) = (now / 1_000_000_000 + 2_208_988_800, now % 1_000_000_000);
        let ntp_time = (seconds << 32) | ((nanoseconds << 32) / 1_000_000_000);
        [(&AUDIO, &self.audio), (&VIDEO, &self.video)].map(|(track, counter)| {
            let elapsed = u128::from(now.saturating_sub(self.started));
            SenderReport {
                ssrc: track.ssrc,
                ntp_time,
                rtp_time: (elapsed * u128::from(track.clock_rate_hz) / 1_000_000_000) as u32,
                packet_count: counter.packets as u32,
                octet_count: counter.octets as u32,
                ..SenderReport::default()
            }
        })
    }
}

/// Payload descriptor (RFC 7741 §4.2) with picture id, TL0PICIDX and temporal layer 0, then at the
/// start of a frame its header (RFC 6386 §9.1).
fn write_vp8(frame: u64, starts_frame: bool, key_frame: bool, packet: &mut Vec<u8>) {
    let picture_id = (frame & 0x7fff) as u16 | 0x8000;
    packet.extend([0x80 | u8::from(starts_frame) << 4, 0xe0]);
    packet.extend(picture_id.to_be_bytes());
    packet.extend([frame as u8, 0]);
    if !starts_frame {
        return;
    }
    // Not a key frame: bit 0; version 0; shown: bit 4; then the size of the first partition.
    packet.extend([0x10 | u8::from(!key_frame), 0x20, 0]);
    if key_frame {
        packet.extend([0x9d, 0x01, 0x2a]);
        packet.extend(640u16.to_le_bytes());
        packet.extend(480u16.to_le_bytes());
    }
}

#[cfg(test)]
mod test {
    use super::*;

    #[test]
    fn a_second_has_its_packets_and_each_its_stamp() {
        let mut publication = Publication::new(0);
        let mut stamps = Vec::new();
        publication.run(
            || 999_999_999,
            |packet| {
                assert!(packet.len() == VIDEO_PACKET || packet.len() == 28 + AUDIO_PAYLOAD);
                stamps.push(Stamp::read(packet).unwrap().number);
            },
        );
        assert_eq!(stamps, (0..stamps.len() as u64).collect::<Vec<_>>());
        // The 31st frame is due at 999.99999 ms.
        assert_eq!(stamps.len(), 50 + 31 * PACKETS_PER_FRAME);
        assert_eq!(publication.key_frames, 1);
    }
}
