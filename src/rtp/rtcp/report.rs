//! Sender and receiver reports (RFC 3550 §6.4).
//!
//! ```text
//! SR:    |  SSRC of sender  |  NTP (64)  |  RTP timestamp  |  packets  |  octets  | blocks
//! RR:    |  SSRC of sender  | blocks
//! block: |  SSRC  | fraction lost (8) | cumulative lost (24) | extended highest sequence |
//!        |  jitter  |  last SR (LSR)  |  delay since last SR (DLSR)  |
//! ```

use super::super::reader::Reader;
use super::super::time::NtpTime;
use super::{RECEIVER_REPORT, Rtcp, SENDER_REPORT, Ssrc, put, write_member};

/// The count field has 5 bits.
const MAX_BLOCKS: usize = 31;

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ReportBlock {
    pub ssrc: Ssrc,
    /// In 1/256.
    pub fraction_lost: u8,
    /// Signed: duplicates count as received. 24 bits on the wire.
    pub cumulative_lost: i32,
    pub extended_highest: u32,
    /// In units of the RTP timestamp.
    pub jitter: u32,
    /// Middle 32 bits of the last sender report's NTP time, 0 if there was none.
    pub last_sr: u32,
    /// In 1/65536 s.
    pub delay_since_last_sr: u32,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SenderReport {
    pub ssrc: Ssrc,
    pub ntp: NtpTime,
    pub rtp_timestamp: u32,
    pub packets: u32,
    /// Payload bytes, without headers and padding.
    pub octets: u32,
    pub blocks: Vec<ReportBlock>,
}

pub(super) fn parse_sender_report(body: &[u8], count: u8) -> Option<Rtcp> {
    let mut reader = Reader::new(body);
    Some(Rtcp::SenderReport(SenderReport {
        ssrc: Ssrc(reader.u32()?),
        ntp: NtpTime(reader.u64()?),
        rtp_timestamp: reader.u32()?,
        packets: reader.u32()?,
        octets: reader.u32()?,
        blocks: parse_blocks(&mut reader, count)?,
    }))
}

pub(super) fn parse_receiver_report(body: &[u8], count: u8) -> Option<Rtcp> {
    let mut reader = Reader::new(body);
    let sender = Ssrc(reader.u32()?);
    Some(Rtcp::ReceiverReport { sender, blocks: parse_blocks(&mut reader, count)? })
}

/// What follows the blocks is a profile-specific extension and ignored.
fn parse_blocks(reader: &mut Reader<'_>, count: u8) -> Option<Vec<ReportBlock>> {
    let mut blocks = Vec::with_capacity(usize::from(count));
    for _ in 0..count {
        let ssrc = Ssrc(reader.u32()?);
        let lost = reader.u32()?;
        blocks.push(ReportBlock {
            ssrc,
            fraction_lost: (lost >> 24) as u8,
            // Shifted up and back down to extend the sign.
            cumulative_lost: (lost << 8) as i32 >> 8,
            extended_highest: reader.u32()?,
            jitter: reader.u32()?,
            last_sr: reader.u32()?,
            delay_since_last_sr: reader.u32()?,
        });
    }
    Some(blocks)
}

/// Blocks beyond the 31 that fit go into receiver reports behind it.
pub fn write_sender_report(out: &mut Vec<u8>, report: &SenderReport) {
    let (blocks, more) = report.blocks.split_at(report.blocks.len().min(MAX_BLOCKS));
    write_member(out, SENDER_REPORT, blocks.len() as u8, |out| {
        put(out, report.ssrc.0);
        out.extend_from_slice(&report.ntp.0.to_be_bytes());
        put(out, report.rtp_timestamp);
        put(out, report.packets);
        put(out, report.octets);
        write_blocks(out, blocks);
    });
    if !more.is_empty() {
        write_receiver_report(out, report.ssrc, more);
    }
}

/// Writes as many members as the blocks need, one without blocks if there are none: a compound
/// has to begin with a report (RFC 3550 §6.1).
pub fn write_receiver_report(out: &mut Vec<u8>, sender: Ssrc, blocks: &[ReportBlock]) {
    let mut rest = blocks;
    loop {
        let (now, later) = rest.split_at(rest.len().min(MAX_BLOCKS));
        write_member(out, RECEIVER_REPORT, now.len() as u8, |out| {
            put(out, sender.0);
            write_blocks(out, now);
        });
        rest = later;
        if rest.is_empty() {
            return;
        }
    }
}

fn write_blocks(out: &mut Vec<u8>, blocks: &[ReportBlock]) {
    for block in blocks {
        let lost = block.cumulative_lost.clamp(-0x80_0000, 0x7f_ffff) as u32 & 0xff_ffff;
        put(out, block.ssrc.0);
        put(out, u32::from(block.fraction_lost) << 24 | lost);
        put(out, block.extended_highest);
        put(out, block.jitter);
        put(out, block.last_sr);
        put(out, block.delay_since_last_sr);
    }
}

#[cfg(test)]
mod test {
    use super::super::test::parse_all;
    use super::*;

    fn block(ssrc: u32) -> ReportBlock {
        ReportBlock {
            ssrc: Ssrc(ssrc),
            fraction_lost: 0x7f,
            cumulative_lost: -2,
            extended_highest: 0x1_0005,
            jitter: 99,
            last_sr: 0xaabb_ccdd,
            delay_since_last_sr: 0x8000,
        }
    }

    #[test]
    fn sender_report_round_trips() {
        let report = SenderReport {
            ssrc: Ssrc(55543),
            ntp: NtpTime(0x1122_3344_5566_7788),
            rtp_timestamp: 0xffff_fff0,
            packets: 3,
            octets: 4,
            blocks: vec![block(1), block(2)],
        };
        let mut out = Vec::new();
        write_sender_report(&mut out, &report);
        assert_eq!(out.len(), 28 + 48);
        assert_eq!(out[..4], [0x82, 200, 0, 18]);
        assert_eq!(parse_all(&out), [Ok(Rtcp::SenderReport(report))]);
    }

    // M-RR-4: one block, 32 bytes.
    #[test]
    fn receiver_report_with_one_block_has_32_bytes() {
        let mut out = Vec::new();
        write_receiver_report(&mut out, Ssrc(7), &[block(1)]);
        assert_eq!(out.len(), 32);
        let expected = Rtcp::ReceiverReport { sender: Ssrc(7), blocks: vec![block(1)] };
        assert_eq!(parse_all(&out), [Ok(expected)]);
    }

    #[test]
    fn more_blocks_than_fit_go_into_further_reports() {
        let blocks: Vec<_> = (0..70).map(block).collect();
        let mut out = Vec::new();
        write_sender_report(
            &mut out,
            &SenderReport { blocks: blocks.clone(), ..Default::default() },
        );
        let mut read = Vec::new();
        for member in parse_all(&out) {
            match member.unwrap() {
                Rtcp::SenderReport(report) => read.extend(report.blocks),
                Rtcp::ReceiverReport { blocks, .. } => read.extend(blocks),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(read, blocks);
    }

    #[test]
    fn cumulative_loss_is_clamped_to_24_bits() {
        for (lost, expected) in [(i32::MAX, 0x7f_ffff), (i32::MIN, -0x80_0000), (-1, -1)] {
            let mut out = Vec::new();
            let block = ReportBlock { cumulative_lost: lost, ..block(1) };
            write_receiver_report(&mut out, Ssrc(7), &[block]);
            let Ok(Rtcp::ReceiverReport { blocks, .. }) = &parse_all(&out)[0] else { panic!() };
            assert_eq!(blocks[0].cumulative_lost, expected);
            assert_eq!(blocks[0].fraction_lost, 0x7f);
        }
    }

    #[test]
    fn a_profile_extension_is_ignored() {
        let mut out = Vec::new();
        write_receiver_report(&mut out, Ssrc(7), &[]);
        out[3] = 2;
        out.extend_from_slice(&[1, 2, 3, 4]);
        let expected = Rtcp::ReceiverReport { sender: Ssrc(7), blocks: vec![] };
        assert_eq!(parse_all(&out), [Ok(expected)]);
    }

    #[test]
    fn agrees_with_rtc() {
        use rtc::rtcp::{receiver_report::ReceiverReport, reception_report::ReceptionReport};
        use rtc::shared::marshal::Marshal;
        let report = ReceiverReport {
            ssrc: 7,
            reports: vec![ReceptionReport {
                ssrc: 1,
                fraction_lost: 0x7f,
                total_lost: 0xff_fffe,
                last_sequence_number: 0x1_0005,
                jitter: 99,
                last_sender_report: 0xaabb_ccdd,
                delay: 0x8000,
            }],
            ..Default::default()
        };
        let mut out = Vec::new();
        write_receiver_report(&mut out, Ssrc(7), &[block(1)]);
        assert_eq!(report.marshal().unwrap(), out[..]);
    }
}
