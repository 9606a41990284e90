//! Loss and key frame feedback: generic NACK (RFC 4585 §6.2.1), PLI (§6.3.1), SLI (§6.3.2, read
//! only) and FIR (RFC 5104 §4.3.1). All begin with the SSRC of sender and media source.
//!
//! ```text
//! NACK item:  |  first lost (PID, 16)  |  bit i: PID + i + 1 is lost too (BLP, 16)  |
//! FIR entry:  |  SSRC  | sequence number (8) |  reserved (24)  |
//! ```

use super::super::reader::Reader;
use super::{PAYLOAD_FEEDBACK, Rtcp, Ssrc, TRANSPORT_FEEDBACK, put, write_member};

/// Formats (FMT), of transport layer and payload-specific feedback.
pub(super) const NACK: u8 = 1;
pub(super) const PLI: u8 = 1;
pub(super) const SLI: u8 = 2;
pub(super) const FIR: u8 = 4;

/// At most 17 numbers for each 4 bytes of the body.
pub(super) fn parse_nack(body: &[u8]) -> Option<Rtcp> {
    let mut reader = Reader::new(body);
    let (sender, media) = (Ssrc(reader.u32()?), Ssrc(reader.u32()?));
    let mut lost = Vec::with_capacity(reader.rest().len() / 4);
    while let (Some(first), Some(following)) = (reader.u16(), reader.u16()) {
        lost.push(first);
        let bits = (0..16u16).filter(|bit| following >> bit & 1 != 0);
        lost.extend(bits.map(|bit| first.wrapping_add(bit + 1)));
    }
    // RFC 4585 §6.2.1: at least one item.
    if lost.is_empty() { None } else { Some(Rtcp::Nack { sender, media, lost }) }
}

pub(super) fn parse_pli(body: &[u8]) -> Option<Rtcp> {
    let mut reader = Reader::new(body);
    Some(Rtcp::Pli { sender: Ssrc(reader.u32()?), media: Ssrc(reader.u32()?) })
}

pub(super) fn parse_sli(body: &[u8]) -> Option<Rtcp> {
    let mut reader = Reader::new(body);
    reader.u32()?;
    Some(Rtcp::Sli { media: Ssrc(reader.u32()?) })
}

pub(super) fn parse_fir(body: &[u8]) -> Option<Rtcp> {
    let mut reader = Reader::new(body);
    let sender = Ssrc(reader.u32()?);
    reader.u32()?; // Media source: unused (RFC 5104 §4.3.1.2).
    let mut entries = Vec::with_capacity(reader.rest().len() / 8);
    while let (Some(ssrc), Some(sequence)) = (reader.u32(), reader.u32()) {
        entries.push((Ssrc(ssrc), (sequence >> 24) as u8));
    }
    if entries.is_empty() { None } else { Some(Rtcp::Fir { sender, entries }) }
}

/// Groups numbers that ascend (with wrap-around) by at most 16 into one item (M-NACK-2). Writes
/// nothing for an empty list.
pub fn write_nack(out: &mut Vec<u8>, sender: Ssrc, media: Ssrc, lost: &[u16]) {
    let Some((&first, rest)) = lost.split_first() else { return };
    write_member(out, TRANSPORT_FEEDBACK, NACK, |out| {
        put(out, sender.0);
        put(out, media.0);
        let (mut first, mut following) = (first, 0u16);
        for &number in rest {
            match number.wrapping_sub(first) {
                0 => {}
                ahead @ 1..=16 => following |= 1 << (ahead - 1),
                _ => {
                    put(out, u32::from(first) << 16 | u32::from(following));
                    (first, following) = (number, 0);
                }
            }
        }
        put(out, u32::from(first) << 16 | u32::from(following));
    });
}

pub fn write_pli(out: &mut Vec<u8>, sender: Ssrc, media: Ssrc) {
    write_member(out, PAYLOAD_FEEDBACK, PLI, |out| {
        put(out, sender.0);
        put(out, media.0);
    });
}

/// RFC 5104 wants `media` to be 0, Licode names the source there (M-PLI-6).
pub fn write_fir(out: &mut Vec<u8>, sender: Ssrc, media: Ssrc, entries: &[(Ssrc, u8)]) {
    if entries.is_empty() {
        return;
    }
    write_member(out, PAYLOAD_FEEDBACK, FIR, |out| {
        put(out, sender.0);
        put(out, media.0);
        for &(ssrc, sequence) in entries {
            put(out, ssrc.0);
            put(out, u32::from(sequence) << 24);
        }
    });
}

#[cfg(test)]
mod test {
    use super::super::super::error::RtcpError;
    use super::super::test::parse_all;
    use super::*;

    // M-NACK-2, M-NACK-3
    #[test]
    fn nack_groups_numbers_across_the_wrap() {
        let lost = [65530, 65535, 0, 10, 11, 12];
        let mut out = Vec::new();
        write_nack(&mut out, Ssrc(1), Ssrc(2), &lost);
        // 65530 reaches up to 10; 11 and 12 need a second item.
        assert_eq!(out[..4], [0x81, 205, 0, 4]);
        let expected = Rtcp::Nack { sender: Ssrc(1), media: Ssrc(2), lost: lost.to_vec() };
        assert_eq!(parse_all(&out), [Ok(expected)]);
    }

    #[test]
    fn nack_of_nothing_is_not_written_and_not_read() {
        let mut out = Vec::new();
        write_nack(&mut out, Ssrc(1), Ssrc(2), &[]);
        assert!(out.is_empty());
        let empty = [0x81, 205, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2];
        assert_eq!(parse_all(&empty), [Err(RtcpError::WrongBody)]);
    }

    #[test]
    fn nack_survives_descending_and_repeated_numbers() {
        let mut out = Vec::new();
        write_nack(&mut out, Ssrc(1), Ssrc(2), &[9, 9, 5, 21, 22]);
        let Ok(Rtcp::Nack { lost, .. }) = &parse_all(&out)[0] else { panic!() };
        assert_eq!(lost, &[9, 5, 21, 22]);
    }

    // M-PLI-6
    #[test]
    fn pli_has_length_word_2_and_fir_4() {
        let mut out = Vec::new();
        write_pli(&mut out, Ssrc(55543), Ssrc(2));
        assert_eq!(out, [0x81, 206, 0, 2, 0, 0, 0xd8, 0xf7, 0, 0, 0, 2]);
        out.clear();
        write_fir(&mut out, Ssrc(55543), Ssrc(2), &[(Ssrc(2), 255)]);
        assert_eq!(out[..4], [0x84, 206, 0, 4]);
        assert_eq!(out[12..], [0, 0, 0, 2, 255, 0, 0, 0]);
        let expected = Rtcp::Fir { sender: Ssrc(55543), entries: vec![(Ssrc(2), 255)] };
        assert_eq!(parse_all(&out), [Ok(expected)]);
    }

    #[test]
    fn sli_names_its_media_source() {
        let sli = [0x82, 206, 0, 3, 0, 0, 0, 1, 0, 0, 0, 2, 9, 9, 9, 9];
        assert_eq!(parse_all(&sli), [Ok(Rtcp::Sli { media: Ssrc(2) })]);
    }

    #[test]
    fn bodies_shorter_than_two_sources_are_refused() {
        for (packet_type, format) in [(205, NACK), (206, PLI), (206, SLI), (206, FIR)] {
            let short = [0x80 | format, packet_type, 0, 1, 0, 0, 0, 1];
            assert_eq!(parse_all(&short), [Err(RtcpError::WrongBody)]);
        }
    }
}
