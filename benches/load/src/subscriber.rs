//! A viewer's books: what arrived, how late, and the reports that it owes the server.

use std::time::Instant;

use rtc::rtcp::Packet;
use rtc::rtcp::payload_feedbacks::receiver_estimated_maximum_bitrate::ReceiverEstimatedMaximumBitrate;
use rtc::rtcp::receiver_report::ReceiverReport;
use rtc::rtcp::reception_report::ReceptionReport;
use rtc::rtcp::sender_report::SenderReport;

use crate::media::Stamp;

#[derive(Default)]
pub struct Subscriber {
    /// When the server was asked for the subscription, when it was connected, when media came.
    pub requested_at: Option<Instant>,
    pub connected_at: Option<Instant>,
    pub first_packet_at: Option<Instant>,
    sources: Vec<Source>,
    /// One bit for each packet number of the measured window.
    seen: Vec<u64>,
}

/// RFC 3550 §A.1, as far as a report needs it.
struct Source {
    ssrc: u32,
    first: u32,
    highest: u32,
    received: u32,
    /// Middle bits of the last sender report's time, and when it came.
    last_report: Option<(u32, Instant)>,
}

impl Subscriber {
    /// Notes an opened RTP packet.
    pub fn count(&mut self, packet: &[u8]) {
        let (Some(sequence), Some(ssrc)) = (read_u16(packet, 2), read_u32(packet, 8)) else {
            return;
        };
        let source = match self.sources.iter_mut().find(|source| source.ssrc == ssrc) {
            Some(source) => source,
            None => {
                let first = u32::from(sequence);
                let source = Source { ssrc, first, highest: first, received: 0, last_report: None };
                self.sources.push(source);
                let Some(source) = self.sources.last_mut() else { return };
                source
            }
        };
        source.received += 1;
        let ahead = sequence.wrapping_sub(source.highest as u16);
        if ahead < 0x8000 {
            source.highest = source.highest.wrapping_add(u32::from(ahead));
        }
    }

    /// Whether `stamp` belongs to the window and comes for the first time.
    pub fn is_new(&mut self, stamp: Stamp, window_starts: u64) -> bool {
        let Some(index) = stamp.number.checked_sub(window_starts) else { return false };
        let (word, bit) = ((index / 64) as usize, 1 << (index % 64));
        if self.seen.len() <= word {
            self.seen.resize(word + 1, 0);
        }
        let is_new = self.seen[word] & bit == 0;
        self.seen[word] |= bit;
        is_new
    }

    pub fn start_window(&mut self) {
        self.seen.clear();
    }

    pub fn handle_rtcp(&mut self, now: Instant, compound: &[u8]) {
        for packet in rtc::rtcp::packet::unmarshal(&mut &*compound).unwrap_or_default() {
            if let Some(report) = packet.as_any().downcast_ref::<SenderReport>()
                && let Some(source) = self.sources.iter_mut().find(|s| s.ssrc == report.ssrc)
            {
                source.last_report = Some(((report.ntp_time >> 16) as u32, now));
            }
        }
    }

    /// Receiver report and bitrate estimate: plenty, so that the server never adapts.
    pub fn reports(&self, now: Instant) -> Vec<Box<dyn Packet>> {
        let blocks = self.sources.iter().map(|source| {
            let expected = source.highest.wrapping_sub(source.first).wrapping_add(1);
            let (last_sender_report, delay) = match source.last_report {
                Some((time, came)) => {
                    (time, (now.duration_since(came).as_secs_f64() * 65_536.0) as u32)
                }
                None => (0, 0),
            };
            ReceptionReport {
                ssrc: source.ssrc,
                fraction_lost: 0,
                total_lost: expected.saturating_sub(source.received),
                last_sequence_number: source.highest,
                jitter: 0,
                last_sender_report,
                delay,
            }
        });
        let report =
            ReceiverReport { ssrc: REPORTER, reports: blocks.collect(), ..Default::default() };
        let estimate = ReceiverEstimatedMaximumBitrate {
            sender_ssrc: REPORTER,
            bitrate: 5e6,
            ssrcs: self.sources.iter().map(|source| source.ssrc).collect(),
        };
        vec![Box::new(report), Box::new(estimate)]
    }
}

fn read_u16(packet: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*packet.get(at..)?.first_chunk()?))
}

fn read_u32(packet: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*packet.get(at..)?.first_chunk()?))
}

/// A receiver that sends nothing has no SSRC in the description; any will do.
const REPORTER: u32 = 1;

#[cfg(test)]
mod test {
    use super::*;

    #[test]
    fn a_packet_counts_once_and_only_inside_the_window() {
        let mut subscriber = Subscriber::default();
        let stamp = |number| Stamp { number, sent_at: 0 };
        assert!(!subscriber.is_new(stamp(9), 10));
        assert!(subscriber.is_new(stamp(10), 10));
        assert!(!subscriber.is_new(stamp(10), 10));
        assert!(subscriber.is_new(stamp(500), 10));
    }
}
