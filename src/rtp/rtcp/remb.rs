//! Receiver estimated maximum bitrate (draft-alvestrand-rmcat-remb-03 §2.2).
//!
//! ```text
//! |  SSRC of sender  |  0  |  "REMB"  | count (8) | exponent (6) | mantissa (18) |  SSRCs ...
//! ```

use super::super::reader::Reader;
use super::{PAYLOAD_FEEDBACK, Rtcp, Ssrc, put, write_member};

/// Application layer feedback (RFC 4585 §6.4), told apart by the identifier.
pub(super) const FORMAT: u8 = 15;
const IDENTIFIER: [u8; 4] = *b"REMB";
const MANTISSA_BITS: u32 = 18;

/// A count larger than the body is refused; a bitrate beyond 64 bits is the largest there is.
pub(super) fn parse(body: &[u8]) -> Option<Rtcp> {
    let mut reader = Reader::new(body);
    let sender = Ssrc(reader.u32()?);
    reader.u32()?; // Media source: some senders fill it in.
    if reader.array()? != IDENTIFIER {
        return Some(Rtcp::Other);
    }
    let [count, high, middle, low] = reader.array()?;
    let mantissa = u32::from_be_bytes([0, high & 0x03, middle, low]);
    let bitrate = u128::from(mantissa) << (high >> 2);
    let mut ssrcs = Vec::new();
    if reader.rest().len() < usize::from(count) * 4 {
        return None;
    }
    for _ in 0..count {
        ssrcs.push(Ssrc(reader.u32()?));
    }
    Some(Rtcp::Remb { sender, bitrate: u64::try_from(bitrate).unwrap_or(u64::MAX), ssrcs })
}

/// `bitrate` in bit/s is rounded down to 18 significant bits. Of `ssrcs` the first 255 are named.
pub fn write_remb(out: &mut Vec<u8>, sender: Ssrc, bitrate: u64, ssrcs: &[Ssrc]) {
    let exponent = (u64::BITS - bitrate.leading_zeros()).saturating_sub(MANTISSA_BITS);
    let mantissa = (bitrate >> exponent) as u32;
    let ssrcs = ssrcs.get(..255).unwrap_or(ssrcs);
    write_member(out, PAYLOAD_FEEDBACK, FORMAT, |out| {
        put(out, sender.0);
        put(out, 0);
        out.extend_from_slice(&IDENTIFIER);
        put(out, (ssrcs.len() as u32) << 24 | exponent << MANTISSA_BITS | mantissa);
        for ssrc in ssrcs {
            put(out, ssrc.0);
        }
    });
}

#[cfg(test)]
mod test {
    use super::super::super::error::RtcpError;
    use super::super::test::parse_all;
    use super::*;

    fn round_trip(bitrate: u64) -> u64 {
        let mut out = Vec::new();
        write_remb(&mut out, Ssrc(1), bitrate, &[Ssrc(2)]);
        match &parse_all(&out)[..] {
            [Ok(Rtcp::Remb { sender: Ssrc(1), bitrate, ssrcs })] if ssrcs == &[Ssrc(2)] => *bitrate,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn bitrates_keep_18_significant_bits() {
        for exact in [0, 1, 300_000, 0x3_ffff, 0x4_0000, 0x3_ffff << 46] {
            assert_eq!(round_trip(exact), exact);
        }
        assert_eq!(round_trip(0x4_0001), 0x4_0000);
        assert_eq!(round_trip(30_000_001), 30_000_000);
        assert_eq!(round_trip(u64::MAX), 0x3_ffff << 46);
    }

    #[test]
    fn a_bitrate_beyond_64_bits_saturates() {
        let remb =
            [0x8f, 206, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0, b'R', b'E', b'M', b'B', 0, 0xff, 0xff, 0xff];
        let expected = Rtcp::Remb { sender: Ssrc(1), bitrate: u64::MAX, ssrcs: vec![] };
        assert_eq!(parse_all(&remb), [Ok(expected)]);
    }

    // N15
    #[test]
    fn a_count_of_255_needs_255_sources() {
        let mut out = Vec::new();
        let ssrcs: Vec<_> = (0..300).map(Ssrc).collect();
        write_remb(&mut out, Ssrc(1), 1000, &ssrcs);
        let Ok(Rtcp::Remb { ssrcs: read, .. }) = &parse_all(&out)[0] else { panic!() };
        assert_eq!(read, &ssrcs[..255]);
        out.truncate(24);
        out[2..4].copy_from_slice(&[0, 5]);
        assert_eq!(out[16], 255);
        assert_eq!(parse_all(&out), [Err(RtcpError::WrongBody)]);
    }

    #[test]
    fn other_application_feedback_is_not_remb() {
        let other = [0x8f, 206, 0, 3, 0, 0, 0, 1, 0, 0, 0, 0, b'G', b'O', b'O', b'G'];
        assert_eq!(parse_all(&other), [Ok(Rtcp::Other)]);
    }
}
