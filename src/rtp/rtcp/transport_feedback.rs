//! Transport-wide congestion control feedback
//! (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1): which packets arrived, and when.
//!
//! ```text
//! |  SSRC of sender  |  SSRC of media  |
//! |  base sequence number (16)  |  status count (16)  |
//! |  reference time in 64 ms (24)  |  feedback count (8)  |
//! |  chunks of 16 bits ...  |  deltas of 8 or 16 bits, in 250 us  ...
//! ```
//!
//! Chunks are `0 SS LLLLLLLLLLLLL` (13 bits of run length of symbol S), `10` and 14 symbols of one
//! bit, or `11` and 7 symbols of two bits.

use std::time::Duration;

use super::super::reader::Reader;
use super::{Rtcp, Ssrc, TRANSPORT_FEEDBACK, put, write_member};

pub(super) const FORMAT: u8 = 15;
/// Unit of arrival times.
pub const TICK: Duration = Duration::from_micros(250);
/// The reference time counts 64 ms.
const TICKS_PER_REFERENCE: i64 = 256;
/// Arrivals reported by one packet, so that it stays well within a datagram: each takes at most
/// 2 bytes of delta and a seventh of 2 bytes of chunk.
const MAX_STATUSES: usize = 400;

const NOT_RECEIVED: u8 = 0;
const SMALL_DELTA: u8 = 1;
const LARGE_DELTA: u8 = 2;

/// One report. Only arrivals are listed, so its size follows the packet that carried it and not
/// the status count that packet claims (security N15).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TransportFeedback {
    pub sender: Ssrc,
    pub media: Ssrc,
    pub base_sequence: u16,
    /// How many sequence numbers from the base on this report covers.
    pub status_count: u16,
    /// Wraps; a gap tells of lost reports.
    pub feedback_count: u8,
    /// In order of sequence number from the base on.
    pub arrivals: Vec<Arrival>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Arrival {
    pub sequence: u16,
    /// In 250 us since the receiver's epoch. The reference wraps every 2^32 ticks (12.4 days):
    /// take differences with [`Arrival::ticks_since`].
    pub ticks: i64,
}

impl Arrival {
    /// Signed, by the shorter way round the wrap.
    pub fn ticks_since(self, earlier: Arrival) -> i64 {
        i64::from(self.ticks.wrapping_sub(earlier.ticks) as i32)
    }
}

impl TransportFeedback {
    /// Every sequence number this report covers, with its arrival if there was one.
    pub fn statuses(&self) -> impl Iterator<Item = (u16, Option<Arrival>)> + '_ {
        let mut arrivals = self.arrivals.iter().copied().peekable();
        (0..self.status_count).map(move |offset| {
            let sequence = self.base_sequence.wrapping_add(offset);
            (sequence, arrivals.next_if(|arrival| arrival.sequence == sequence))
        })
    }
}

pub(super) fn parse(body: &[u8]) -> Option<Rtcp> {
    let mut reader = Reader::new(body);
    let sender = Ssrc(reader.u32()?);
    let media = Ssrc(reader.u32()?);
    let base_sequence = reader.u16()?;
    let status_count = reader.u16()?;
    let reference_and_count = reader.u32()?;
    // A first pass over the chunks finds where the deltas begin.
    let mut deltas = reader;
    for_each_symbol(&mut deltas, status_count, |_, _, _| Some(()))?;
    let mut arrivals = Vec::new();
    let mut ticks = i64::from(reference_and_count >> 8) * TICKS_PER_REFERENCE;
    for_each_symbol(&mut reader, status_count, |symbol, offset, run| {
        if symbol == NOT_RECEIVED {
            return Some(());
        }
        for offset in offset..offset + run {
            // Each arrival takes a byte at least, so that the body bounds the work.
            let delta = match symbol {
                SMALL_DELTA => i64::from(deltas.u8()?),
                LARGE_DELTA => i64::from(deltas.u16()? as i16),
                _ => return None,
            };
            ticks += delta;
            let sequence = base_sequence.wrapping_add(offset as u16);
            arrivals.push(Arrival { sequence, ticks });
        }
        Some(())
    })?;
    Some(Rtcp::TransportFeedback(TransportFeedback {
        sender,
        media,
        base_sequence,
        status_count,
        feedback_count: reference_and_count as u8,
        arrivals,
    }))
}

/// Calls `each` with symbol, offset from the base and run length until `count` statuses are known.
fn for_each_symbol(
    reader: &mut Reader<'_>,
    count: u16,
    mut each: impl FnMut(u8, u32, u32) -> Option<()>,
) -> Option<()> {
    let count = u32::from(count);
    let mut offset = 0;
    while offset < count {
        let chunk = reader.u16()?;
        if chunk & 0x8000 == 0 {
            // An empty run makes no progress, but takes two bytes of the body.
            let run = u32::from(chunk & 0x1fff).min(count - offset);
            each((chunk >> 13 & 0x03) as u8, offset, run)?;
            offset += run;
            continue;
        }
        let (symbols, bits) = if chunk & 0x4000 == 0 { (14, 1) } else { (7, 2) };
        for index in 0..symbols {
            if offset == count {
                break;
            }
            let symbol = chunk >> ((symbols - 1 - index) * bits) & ((1 << bits) - 1);
            each(symbol as u8, offset, 1)?;
            offset += 1;
        }
    }
    Some(())
}

/// Appends a report about `arrivals`, which belong to consecutive sequence numbers from
/// `base_sequence` on and count from any fixed epoch. Returns how many of them it covers: the
/// rest, if any, needs another report with the next `feedback_count`. If nothing arrived there is
/// nothing to say: everything is covered and nothing is written.
pub fn write_transport_feedback(
    out: &mut Vec<u8>,
    sender: Ssrc,
    media: Ssrc,
    feedback_count: u8,
    base_sequence: u16,
    arrivals: &[Option<Duration>],
) -> usize {
    let mut last: Option<i64> = None;
    let mut reference = 0;
    let mut symbols = [NOT_RECEIVED; MAX_STATUSES];
    let mut deltas = [0; MAX_STATUSES];
    let mut covered = 0;
    for ((arrival, symbol), delta) in arrivals.iter().zip(&mut symbols).zip(&mut deltas) {
        if let Some(arrival) = arrival {
            let ticks = i64::try_from(arrival.as_micros() / TICK.as_micros()).unwrap_or(i64::MAX);
            let before = *last.get_or_insert_with(|| {
                reference = ticks / TICKS_PER_REFERENCE;
                reference * TICKS_PER_REFERENCE
            });
            // More than 8 s from its predecessor: begin a new report there.
            let Ok(difference) = i16::try_from(ticks.saturating_sub(before)) else { break };
            *delta = difference;
            *symbol = if (0..=255).contains(&difference) { SMALL_DELTA } else { LARGE_DELTA };
            last = Some(ticks);
        }
        covered += 1;
    }
    if last.is_none() {
        return arrivals.len();
    }
    let symbols = &symbols[..covered];
    let start = out.len();
    write_member(out, TRANSPORT_FEEDBACK, FORMAT, |out| {
        put(out, sender.0);
        put(out, media.0);
        put(out, u32::from(base_sequence) << 16 | covered as u32);
        put(out, (reference as u32) << 8 | u32::from(feedback_count));
        write_chunks(out, symbols);
        for (symbol, delta) in symbols.iter().zip(deltas) {
            match *symbol {
                SMALL_DELTA => out.push(delta as u8),
                LARGE_DELTA => out.extend_from_slice(&delta.to_be_bytes()),
                _ => {}
            }
        }
        let padding = (out.len() - start).next_multiple_of(4) - (out.len() - start);
        if padding > 0 {
            out[start] |= 0x20;
            out.resize(out.len() + padding - 1, 0);
            out.push(padding as u8);
        }
    });
    covered
}

/// A run where it covers at least as much as the vector in its place would.
fn write_chunks(out: &mut Vec<u8>, symbols: &[u8]) {
    let mut rest = symbols;
    while let Some(&first) = rest.first() {
        let run = rest.iter().take_while(|&&symbol| symbol == first).count();
        let narrow = rest.iter().take(14).take_while(|&&symbol| symbol <= SMALL_DELTA).count();
        // A one bit vector can stand only if everything it covers fits into one bit.
        let narrow = if narrow == rest.len().min(14) { narrow } else { 0 };
        let wide = rest.len().min(7);
        let (chunk, taken) = if run >= narrow.max(wide) {
            let run = run.min(0x1fff);
            (u16::from(first) << 13 | run as u16, run)
        } else if narrow > 0 {
            (0x8000 | vector(&rest[..narrow], 14, 1), narrow)
        } else {
            (0xc000 | vector(&rest[..wide], 7, 2), wide)
        };
        out.extend_from_slice(&chunk.to_be_bytes());
        rest = &rest[taken..];
    }
}

/// Symbols from the highest bit down, unused places zero.
fn vector(symbols: &[u8], places: usize, bits: usize) -> u16 {
    symbols.iter().enumerate().fold(0, |chunk, (index, &symbol)| {
        chunk | u16::from(symbol) << ((places - 1 - index) * bits)
    })
}

#[cfg(test)]
mod test {
    use super::super::super::error::RtcpError;
    use super::super::super::mutation::Generator;
    use super::super::test::parse_all;
    use super::*;

    fn read(bytes: &[u8]) -> TransportFeedback {
        match parse_all(bytes).pop() {
            Some(Ok(Rtcp::TransportFeedback(feedback))) => feedback,
            other => panic!("{other:?}"),
        }
    }

    fn ms(ms: u64) -> Option<Duration> {
        Some(Duration::from_millis(ms))
    }

    #[test]
    fn arrivals_round_trip_across_the_wrap() {
        let arrivals = [ms(1000), None, ms(1001), ms(1100), ms(1090), None, ms(5000)];
        let mut out = Vec::new();
        let covered = write_transport_feedback(&mut out, Ssrc(1), Ssrc(2), 9, 65534, &arrivals);
        assert_eq!(covered, 7);
        let feedback = read(&out);
        assert_eq!((feedback.sender, feedback.media), (Ssrc(1), Ssrc(2)));
        assert_eq!((feedback.base_sequence, feedback.status_count), (65534, 7));
        assert_eq!(feedback.feedback_count, 9);
        let statuses: Vec<_> =
            feedback.statuses().map(|(s, arrival)| (s, arrival.map(|a| a.ticks / 4))).collect();
        assert_eq!(
            statuses,
            [
                (65534, Some(1000)),
                (65535, None),
                (0, Some(1001)),
                (1, Some(1100)),
                (2, Some(1090)),
                (3, None),
                (4, Some(5000)),
            ]
        );
    }

    #[test]
    fn random_arrivals_round_trip_and_rtc_agrees() {
        let mut random = Generator::new(15);
        for round in 0..500 {
            let mut now = random.next() % 10_000_000_000;
            let loss = random.below(4);
            let arrivals: Vec<_> = (0..1 + random.below(900))
                .map(|_| {
                    now += if random.below(10) == 0 { 500_000 } else { random.next() % 4000 };
                    (random.below(8) >= loss).then(|| Duration::from_micros(now))
                })
                .collect();
            let (mut rest, mut base) = (&arrivals[..], round as u16 * 131);
            while !rest.is_empty() {
                let mut out = Vec::new();
                let covered = write_transport_feedback(&mut out, Ssrc(1), Ssrc(2), 0, base, rest);
                assert!(covered > 0);
                let (now, later) = rest.split_at(covered);
                if !out.is_empty() {
                    assert!(out.len() < 1100);
                    rtc::rtcp::packet::unmarshal(&mut &out[..]).unwrap();
                    let feedback = read(&out);
                    let statuses: Vec<_> = feedback.statuses().collect();
                    assert_eq!(statuses.len(), covered);
                    for ((offset, expected), (sequence, arrival)) in (0..).zip(now).zip(statuses) {
                        assert_eq!(sequence, base.wrapping_add(offset));
                        let ticks = expected.map(|time| (time.as_micros() / 250) as i64);
                        assert_eq!(arrival.map(|arrival| arrival.ticks), ticks);
                    }
                }
                base = base.wrapping_add(covered as u16);
                rest = later;
            }
        }
    }

    #[test]
    fn a_gap_of_more_than_8_seconds_needs_another_report() {
        let arrivals = [ms(0), ms(10), ms(9000), ms(9001)];
        let mut out = Vec::new();
        assert_eq!(write_transport_feedback(&mut out, Ssrc(1), Ssrc(2), 0, 7, &arrivals), 2);
        assert_eq!(read(&out).arrivals.len(), 2);
        out.clear();
        assert_eq!(write_transport_feedback(&mut out, Ssrc(1), Ssrc(2), 1, 9, &arrivals[2..]), 2);
        assert_eq!(read(&out).arrivals[0].ticks, 36_000);
    }

    #[test]
    fn nothing_arrived_is_not_reported() {
        let mut out = Vec::new();
        assert_eq!(write_transport_feedback(&mut out, Ssrc(1), Ssrc(2), 0, 7, &[None; 5]), 5);
        assert_eq!(write_transport_feedback(&mut out, Ssrc(1), Ssrc(2), 0, 7, &[]), 0);
        assert!(out.is_empty());
    }

    #[test]
    fn differences_survive_the_wrap_of_the_reference() {
        let earlier = Arrival { sequence: 0, ticks: (1 << 32) - 4 };
        let later = Arrival { sequence: 1, ticks: 4 };
        assert_eq!(later.ticks_since(earlier), 8);
        assert_eq!(earlier.ticks_since(later), -8);
    }

    fn packet(status_count: u16, chunks_and_deltas: &[u8]) -> Vec<u8> {
        let words = (4 + chunks_and_deltas.len() / 4) as u8;
        let mut bytes = vec![0x8f, 205, 0, words, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0];
        bytes.extend_from_slice(&status_count.to_be_bytes());
        bytes.extend_from_slice(&[0, 0, 1, 0]);
        bytes.extend_from_slice(chunks_and_deltas);
        bytes
    }

    // N15
    #[test]
    fn a_status_count_of_65535_in_a_tiny_body_costs_nothing() {
        let refused = |bytes: &[u8]| parse_all(bytes) == [Err(RtcpError::WrongBody)];
        assert!(refused(&packet(65_535, &[])));
        assert!(refused(&packet(65_535, &[0, 0, 0, 0])), "empty runs");
        // Full runs of received packets without the deltas they need.
        assert!(refused(&packet(65_535, &[0x3f; 20])));
        // Runs of lost packets are legal, and hold no memory.
        let feedback = read(&packet(65_535, &[0x1f, 0xff].repeat(10)));
        assert!(feedback.arrivals.is_empty());
        assert_eq!(feedback.statuses().count(), 65_535);
    }

    #[test]
    fn the_reserved_symbol_is_refused() {
        assert_eq!(parse_all(&packet(1, &[0x60, 1, 0, 0])), [Err(RtcpError::WrongBody)]);
        assert_eq!(parse_all(&packet(1, &[0xf0, 0, 0, 0])), [Err(RtcpError::WrongBody)]);
    }

    #[test]
    fn symbols_beyond_the_status_count_are_ignored() {
        let feedback = read(&packet(2, &[0xbf, 0xff, 4, 8]));
        let ticks: Vec<_> = feedback.arrivals.iter().map(|arrival| arrival.ticks).collect();
        assert_eq!(ticks, [256 + 4, 256 + 12]);
    }
}
