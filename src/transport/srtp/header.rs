//! The few header fields that protection needs; everything else is the `rtp` layer's business.

use super::SrtpError;

/// Fixed RTP header (RFC 3550 §5.1).
pub(super) const RTP_FIXED_LEN: usize = 12;
/// The clear part of an SRTCP packet: first header word and sender SSRC (RFC 3711 §3.4).
pub(super) const RTCP_CLEAR_LEN: usize = 8;

#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(super) struct RtpFields {
    pub(super) sequence: u16,
    pub(super) ssrc: u32,
}

impl RtpFields {
    /// ```text
    /// V=2 P X CC | M PT | sequence (2) | timestamp (4) | SSRC (4)
    /// ```
    pub(super) fn read(packet: &[u8]) -> Result<RtpFields, SrtpError> {
        let [first, _, q0, q1, _, _, _, _, s0, s1, s2, s3] =
            *packet.first_chunk::<RTP_FIXED_LEN>().ok_or(SrtpError::TooShort)?;
        check_version(first)?;
        Ok(RtpFields {
            sequence: u16::from_be_bytes([q0, q1]),
            ssrc: u32::from_be_bytes([s0, s1, s2, s3]),
        })
    }
}

/// Where the encrypted part begins: after the CSRC list and the header extension (RFC 3711 §3.1).
/// The result may lie past the end of the packet.
pub(super) fn rtp_header_len(packet: &[u8]) -> Result<usize, SrtpError> {
    let first = *packet.first().ok_or(SrtpError::TooShort)?;
    let with_csrc = RTP_FIXED_LEN + 4 * usize::from(first & 0x0f);
    let has_extension = first & 0x10 != 0;
    if !has_extension {
        return Ok(with_csrc);
    }
    // profile (2) | length in words (2) | data   (RFC 3550 §5.3.1)
    let [_, _, l0, l1] = *packet
        .get(with_csrc..)
        .and_then(|rest| rest.first_chunk::<4>())
        .ok_or(SrtpError::TooShort)?;
    Ok(with_csrc + 4 + 4 * usize::from(u16::from_be_bytes([l0, l1])))
}

/// The sender SSRC of a compound RTCP packet.
pub(super) fn rtcp_ssrc(packet: &[u8]) -> Result<u32, SrtpError> {
    let [first, _, _, _, s0, s1, s2, s3] =
        *packet.first_chunk::<RTCP_CLEAR_LEN>().ok_or(SrtpError::TooShort)?;
    check_version(first)?;
    Ok(u32::from_be_bytes([s0, s1, s2, s3]))
}

fn check_version(first: u8) -> Result<(), SrtpError> {
    if first >> 6 == 2 { Ok(()) } else { Err(SrtpError::Malformed) }
}

#[cfg(test)]
mod test {
    use super::*;

    #[test]
    fn header_ends_after_csrc_list_and_extension() {
        let mut packet = vec![0; 32];
        packet[0] = 0x80;
        assert_eq!(rtp_header_len(&packet), Ok(12));
        packet[0] = 0x82;
        assert_eq!(rtp_header_len(&packet), Ok(20));
        packet[0] = 0x92;
        packet[23] = 1;
        assert_eq!(rtp_header_len(&packet), Ok(28));
        assert_eq!(rtp_header_len(&packet[..23]), Err(SrtpError::TooShort));
        packet[22..24].copy_from_slice(&[0xff, 0xff]);
        assert_eq!(rtp_header_len(&packet), Ok(24 + 4 * 65_535));
    }

    #[test]
    fn other_versions_and_short_headers_are_refused() {
        for first in [0x00, 0x40, 0xc0] {
            assert_eq!(RtpFields::read(&[first; 12]), Err(SrtpError::Malformed));
            assert_eq!(rtcp_ssrc(&[first; 8]), Err(SrtpError::Malformed));
        }
        assert_eq!(RtpFields::read(&[0x80; 11]), Err(SrtpError::TooShort));
        assert_eq!(rtcp_ssrc(&[0x80; 7]), Err(SrtpError::TooShort));
    }
}
