//! RTCP (RFC 3550 §6, RFC 4585, RFC 5104): a compound is split into its members here, so that a
//! member that cannot be read costs only itself (security N15). Reduced-size compounds are taken
//! as they are (RFC 5506).
//!
//! Bodies are read and written by the files beside this one, not by `rtc::rtcp`, which serves as
//! the oracle in the tests: it leaves padding in the body, keeps REMB bitrates as `f32`, and in
//! 0.21 refuses every SLI.

pub mod feedback;
pub mod remb;
pub mod report;
pub mod source;
pub mod transport_feedback;

pub use feedback::{write_fir, write_nack, write_pli};
pub use remb::write_remb;
pub use report::{ReportBlock, SenderReport, write_receiver_report, write_sender_report};
pub use source::{write_goodbye, write_sdes_cname};
pub use transport_feedback::{TransportFeedback, write_transport_feedback};

use super::error::RtcpError;
use super::id::Ssrc;

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SOURCE_DESCRIPTION: u8 = 202;
const GOODBYE: u8 = 203;
/// Transport layer feedback (RFC 4585 §6.2).
const TRANSPORT_FEEDBACK: u8 = 205;
/// Payload-specific feedback (RFC 4585 §6.3).
const PAYLOAD_FEEDBACK: u8 = 206;

/// One member of a compound packet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Rtcp {
    SenderReport(SenderReport),
    ReceiverReport { sender: Ssrc, blocks: Vec<ReportBlock> },
    Nack { sender: Ssrc, media: Ssrc, lost: Vec<u16> },
    Pli { sender: Ssrc, media: Ssrc },
    Fir { sender: Ssrc, entries: Vec<(Ssrc, u8)> },
    Sli { media: Ssrc },
    Remb { sender: Ssrc, bitrate: u64, ssrcs: Vec<Ssrc> },
    TransportFeedback(TransportFeedback),
    Sdes,
    Goodbye { sources: Vec<Ssrc> },
    Other,
}

/// Calls `each` once for every member, in order. After a header that cannot be right nothing more
/// is read, because the place of the next member is unknown.
pub fn parse(compound: &[u8], mut each: impl FnMut(Result<Rtcp, RtcpError>)) {
    let mut rest = compound;
    while !rest.is_empty() {
        match split_member(rest) {
            Ok((member, after)) => {
                each(member.parse());
                rest = after;
            }
            Err(error) => return each(Err(error)),
        }
    }
}

/// ```text
/// |V=2|P|  count  |  packet type  |     length in words - 1       |
/// ```
struct Member<'a> {
    padded: bool,
    /// Report or source count, or the format of a feedback message.
    count: u8,
    packet_type: u8,
    body: &'a [u8],
}

fn split_member(bytes: &[u8]) -> Result<(Member<'_>, &[u8]), RtcpError> {
    let (head, rest) = bytes.split_first_chunk::<4>().ok_or(RtcpError::Truncated)?;
    if head[0] >> 6 != 2 {
        return Err(RtcpError::WrongVersion);
    }
    let len = usize::from(u16::from_be_bytes([head[2], head[3]])) * 4;
    let (body, after) = rest.split_at_checked(len).ok_or(RtcpError::Truncated)?;
    let member =
        Member { padded: head[0] & 0x20 != 0, count: head[0] & 0x1f, packet_type: head[1], body };
    Ok((member, after))
}

impl Member<'_> {
    fn parse(&self) -> Result<Rtcp, RtcpError> {
        let body = self.without_padding()?;
        match (self.packet_type, self.count) {
            (SENDER_REPORT, count) => report::parse_sender_report(body, count),
            (RECEIVER_REPORT, count) => report::parse_receiver_report(body, count),
            (SOURCE_DESCRIPTION, _) => Some(Rtcp::Sdes),
            (GOODBYE, count) => source::parse_goodbye(body, count),
            (TRANSPORT_FEEDBACK, feedback::NACK) => feedback::parse_nack(body),
            (TRANSPORT_FEEDBACK, transport_feedback::FORMAT) => transport_feedback::parse(body),
            (PAYLOAD_FEEDBACK, feedback::PLI) => feedback::parse_pli(body),
            (PAYLOAD_FEEDBACK, feedback::SLI) => feedback::parse_sli(body),
            (PAYLOAD_FEEDBACK, feedback::FIR) => feedback::parse_fir(body),
            (PAYLOAD_FEEDBACK, remb::FORMAT) => remb::parse(body),
            _ => Some(Rtcp::Other),
        }
        .ok_or(RtcpError::WrongBody)
    }

    /// The last byte counts the padding, itself included (RFC 3550 §6.4.1). Only the last member
    /// should have any, but in others it does no harm.
    fn without_padding(&self) -> Result<&[u8], RtcpError> {
        if !self.padded {
            return Ok(self.body);
        }
        let count = self.body.last().copied().ok_or(RtcpError::WrongPadding)?;
        if count == 0 {
            return Err(RtcpError::WrongPadding);
        }
        let len = self.body.len().checked_sub(usize::from(count));
        len.and_then(|len| self.body.get(..len)).ok_or(RtcpError::WrongPadding)
    }
}

/// Appends one member: `body` writes what follows the header, in whole words, and the length is
/// filled in after it. A body too long for the length field is taken back.
fn write_member(out: &mut Vec<u8>, packet_type: u8, count: u8, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0x80 | (count & 0x1f), packet_type, 0, 0]);
    body(out);
    let words = (out.len() - start) / 4 - 1;
    debug_assert!((out.len() - start).is_multiple_of(4), "a member is made of whole words");
    match u16::try_from(words) {
        Ok(words) => out[start + 2..start + 4].copy_from_slice(&words.to_be_bytes()),
        Err(_) => out.truncate(start),
    }
}

fn put(out: &mut Vec<u8>, word: u32) {
    out.extend_from_slice(&word.to_be_bytes());
}

#[cfg(test)]
pub(super) mod test {
    use super::super::time::NtpTime;
    use super::super::{fuzz, mutation};
    use super::*;

    pub fn parse_all(compound: &[u8]) -> Vec<Result<Rtcp, RtcpError>> {
        let mut members = Vec::new();
        parse(compound, |member| members.push(member));
        members
    }

    /// One of everything that can be written.
    pub fn compound() -> Vec<u8> {
        let mut out = Vec::new();
        let block = ReportBlock { ssrc: Ssrc(9), cumulative_lost: -3, ..Default::default() };
        let report = SenderReport {
            ssrc: Ssrc(1),
            ntp: NtpTime(7),
            blocks: vec![block],
            ..Default::default()
        };
        write_sender_report(&mut out, &report);
        write_receiver_report(&mut out, Ssrc(1), &[block, block]);
        write_sdes_cname(&mut out, Ssrc(1), "erizo");
        write_nack(&mut out, Ssrc(1), Ssrc(2), &[65534, 65535, 0, 40]);
        write_pli(&mut out, Ssrc(1), Ssrc(2));
        write_fir(&mut out, Ssrc(1), Ssrc(0), &[(Ssrc(2), 7)]);
        write_remb(&mut out, Ssrc(1), 300_000, &[Ssrc(2), Ssrc(3)]);
        let arrivals = [0, 1, 5, 5_000].map(|ms| Some(std::time::Duration::from_millis(ms)));
        write_transport_feedback(&mut out, Ssrc(1), Ssrc(2), 0, 65534, &arrivals);
        write_goodbye(&mut out, &[Ssrc(1)]);
        out
    }

    #[test]
    fn members_come_in_order() {
        let names: Vec<_> = parse_all(&compound())
            .into_iter()
            .map(|member| match member.unwrap() {
                Rtcp::SenderReport(_) => "sr",
                Rtcp::ReceiverReport { .. } => "rr",
                Rtcp::Sdes => "sdes",
                Rtcp::Nack { .. } => "nack",
                Rtcp::Pli { .. } => "pli",
                Rtcp::Fir { .. } => "fir",
                Rtcp::Remb { .. } => "remb",
                Rtcp::TransportFeedback(_) => "twcc",
                Rtcp::Goodbye { .. } => "bye",
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(names, ["sr", "rr", "sdes", "nack", "pli", "fir", "remb", "twcc", "bye"]);
    }

    // N15
    #[test]
    fn a_bad_member_costs_only_itself() {
        let mut compound = Vec::new();
        write_pli(&mut compound, Ssrc(1), Ssrc(2));
        compound.extend_from_slice(&[0x85, 200, 0, 1, 0, 0, 0, 1]); // five blocks, no body
        write_pli(&mut compound, Ssrc(3), Ssrc(4));
        assert_eq!(
            parse_all(&compound),
            [
                Ok(Rtcp::Pli { sender: Ssrc(1), media: Ssrc(2) }),
                Err(RtcpError::WrongBody),
                Ok(Rtcp::Pli { sender: Ssrc(3), media: Ssrc(4) }),
            ]
        );
    }

    // N15
    #[test]
    fn members_before_a_wrong_header_count() {
        for (tail, error) in [
            (&[0x80, 201, 0, 2, 0, 0, 0, 1][..], RtcpError::Truncated),
            (&[0x80, 201, 0xff, 0xff, 0, 0, 0, 1][..], RtcpError::Truncated),
            (&[0x80, 201, 0][..], RtcpError::Truncated),
            (&[0x40, 201, 0, 1, 0, 0, 0, 1][..], RtcpError::WrongVersion),
        ] {
            let mut compound = Vec::new();
            write_pli(&mut compound, Ssrc(1), Ssrc(2));
            compound.extend_from_slice(tail);
            let members = parse_all(&compound);
            assert!(members[0].is_ok());
            assert_eq!(members[1..], [Err(error)]);
        }
    }

    #[test]
    fn padding_is_no_part_of_the_body() {
        let nack = [0xa1, 205, 0, 4, 0, 0, 0, 1, 0, 0, 0, 2, 0, 9, 0, 0, 0, 0, 0, 4];
        let expected = Rtcp::Nack { sender: Ssrc(1), media: Ssrc(2), lost: vec![9] };
        assert_eq!(parse_all(&nack), [Ok(expected)]);
        for count in [0, 17, 255] {
            let mut nack = nack;
            nack[19] = count;
            assert_eq!(parse_all(&nack), [Err(RtcpError::WrongPadding)], "{count}");
        }
        assert_eq!(parse_all(&[0xa1, 205, 0, 0]), [Err(RtcpError::WrongPadding)]);
    }

    #[test]
    fn unknown_types_and_formats_are_told_apart_from_errors() {
        let members = [0x80, 207, 0, 1, 0, 0, 0, 1, 0x9f, 206, 0, 0, 0x80, 204, 0, 0];
        assert_eq!(parse_all(&members), [Ok(Rtcp::Other), Ok(Rtcp::Other), Ok(Rtcp::Other)]);
        assert_eq!(parse_all(&[]), []);
    }

    // N15: the oracle reads what we write.
    #[test]
    fn rtc_reads_what_is_written() {
        let members = rtc::rtcp::packet::unmarshal(&mut &compound()[..]).unwrap();
        assert_eq!(members.len(), 9);
    }

    #[test]
    fn survives_damage() {
        mutation::damage(&compound(), 20_000, fuzz::rtcp);
    }

    #[test]
    fn every_single_member_survives_damage() {
        let compound = compound();
        let mut rest = &compound[..];
        while let Ok((_, after)) = split_member(rest) {
            mutation::damage(&rest[..rest.len() - after.len()], 5_000, fuzz::rtcp);
            rest = after;
        }
        assert!(rest.is_empty());
    }

    #[test]
    fn a_body_too_long_for_its_length_field_is_not_written() {
        let mut out = vec![1];
        write_member(&mut out, 206, 1, |out| out.resize(out.len() + 4 * 65_536, 0));
        assert_eq!(out, [1]);
    }
}
