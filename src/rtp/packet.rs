//! The RTP fixed header (RFC 3550 §5.1): parsed once on arrival, written anew for each receiver.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! |V=2|P|X|  CC   |M|     PT      |       sequence number         |
//! |                           timestamp                           |
//! |                             SSRC                              |
//! |                     CSRC (0 to 15 words)                      |
//! |      extension profile        |   length in 32 bit words      |
//! ```

use super::error::RtpError;
use super::extension;
use super::id::{PayloadType, Ssrc};

/// Bytes of the header before contributing sources and extensions.
pub const FIXED_HEADER_LEN: usize = 12;

/// Where the data of a packet's extension block lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtensionBlock {
    /// "Defined by profile": tells the one-byte from the two-byte form (RFC 8285 §4.2, §4.3).
    pub profile: u16,
    /// Offset in the packet of the first byte after the 4 byte extension header.
    pub start: u16,
    pub len: u16,
}

/// A header whose lengths were all checked against the packet it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtpHeader {
    pub payload_type: PayloadType,
    pub marker: bool,
    pub sequence: u16,
    pub timestamp: u32,
    pub ssrc: Ssrc,
    pub csrc_count: u8,
    pub extension: Option<ExtensionBlock>,
    /// Offset of the payload: fixed header, contributing sources and extension block.
    pub header_len: u16,
    /// Bytes at the end that are not payload, the count byte included; 0 without the P bit.
    pub padding_len: u8,
}

impl RtpHeader {
    /// Refuses a packet whose own lengths contradict each other; a packet with an empty payload
    /// is valid here, because padding-only packets probe for bandwidth.
    pub fn parse(packet: &[u8]) -> Result<RtpHeader, RtpError> {
        if packet.len() > usize::from(u16::MAX) {
            return Err(RtpError::TooLong);
        }
        let (fixed, mut rest) =
            packet.split_first_chunk::<FIXED_HEADER_LEN>().ok_or(RtpError::Truncated)?;
        let [flags, marker_and_type, s0, s1, t0, t1, t2, t3, i0, i1, i2, i3] = *fixed;
        if flags >> 6 != 2 {
            return Err(RtpError::WrongVersion);
        }
        let csrc_count = flags & 0x0f;
        rest = rest.get(usize::from(csrc_count) * 4..).ok_or(RtpError::Truncated)?;
        let mut extension = None;
        if flags & 0x10 != 0 {
            let (head, data) = rest.split_first_chunk::<4>().ok_or(RtpError::Truncated)?;
            let len = usize::from(u16::from_be_bytes([head[2], head[3]])) * 4;
            extension = Some(ExtensionBlock {
                profile: u16::from_be_bytes([head[0], head[1]]),
                start: (packet.len() - data.len()) as u16,
                len: len as u16,
            });
            rest = data.get(len..).ok_or(RtpError::Truncated)?;
        }
        let mut padding_len = 0;
        if flags & 0x20 != 0 {
            padding_len = rest.last().copied().ok_or(RtpError::WrongPadding)?;
            if padding_len == 0 || usize::from(padding_len) > rest.len() {
                return Err(RtpError::WrongPadding);
            }
        }
        Ok(RtpHeader {
            payload_type: PayloadType(marker_and_type & 0x7f),
            marker: marker_and_type & 0x80 != 0,
            sequence: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: Ssrc(u32::from_be_bytes([i0, i1, i2, i3])),
            csrc_count,
            extension,
            header_len: (packet.len() - rest.len()) as u16,
            padding_len,
        })
    }

    /// The payload without padding; empty if `packet` is not the one this header came from.
    pub fn payload<'a>(&self, packet: &'a [u8]) -> &'a [u8] {
        let end = packet.len().saturating_sub(usize::from(self.padding_len));
        packet.get(usize::from(self.header_len)..end).unwrap_or_default()
    }
}

/// What the fixed header of an outgoing packet says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutgoingHeader {
    pub payload_type: PayloadType,
    pub marker: bool,
    pub sequence: u16,
    pub timestamp: u32,
    pub ssrc: Ssrc,
}

/// Writes a fixed header and a one-byte extension block (RFC 8285 §4.2) into a lent buffer.
/// A packet without extensions gets no block at all.
#[derive(Debug)]
pub struct HeaderWriter<'a> {
    buf: &'a mut [u8],
    len: usize,
}

impl<'a> HeaderWriter<'a> {
    /// `None` if the buffer is shorter than a fixed header.
    pub fn new(buf: &'a mut [u8], header: &OutgoingHeader) -> Option<Self> {
        let fixed = buf.first_chunk_mut::<FIXED_HEADER_LEN>()?;
        let marker = if header.marker { 0x80 } else { 0 };
        fixed[0] = 0x80;
        fixed[1] = marker | (header.payload_type.0 & 0x7f);
        fixed[2..4].copy_from_slice(&header.sequence.to_be_bytes());
        fixed[4..8].copy_from_slice(&header.timestamp.to_be_bytes());
        fixed[8..12].copy_from_slice(&header.ssrc.0.to_be_bytes());
        Some(HeaderWriter { buf, len: FIXED_HEADER_LEN })
    }

    /// Appends one element and returns the offset of its data, so that a value known only at the
    /// last moment can be filled in there. `None`, with nothing written, if `id` is not 1 to 14,
    /// `data` is not 1 to 16 bytes long, or the buffer is short.
    pub fn extension(&mut self, id: u8, data: &[u8]) -> Option<usize> {
        if !(1..=14).contains(&id) || !(1..=16).contains(&data.len()) {
            return None;
        }
        let element = match self.len {
            FIXED_HEADER_LEN => FIXED_HEADER_LEN + 4,
            len => len,
        };
        let start = element + 1;
        let end = start + data.len();
        // Padding to a whole word is counted now, so that `finish` cannot fail.
        if end.next_multiple_of(4) > self.buf.len() {
            return None;
        }
        self.buf[element] = id << 4 | (data.len() - 1) as u8;
        self.buf[start..end].copy_from_slice(data);
        self.len = end;
        Some(start)
    }

    /// Closes the extension block, if there is one, and returns the length of the whole header.
    pub fn finish(self) -> usize {
        if self.len == FIXED_HEADER_LEN {
            return self.len;
        }
        let end = self.len.next_multiple_of(4);
        self.buf[self.len..end].fill(0);
        self.buf[0] |= 0x10;
        let words = ((end - FIXED_HEADER_LEN - 4) / 4) as u16;
        self.buf[12..14].copy_from_slice(&extension::ONE_BYTE_PROFILE.to_be_bytes());
        self.buf[14..16].copy_from_slice(&words.to_be_bytes());
        end
    }
}

#[cfg(test)]
mod test {
    use super::super::mutation;
    use super::*;

    const OUTGOING: OutgoingHeader = OutgoingHeader {
        payload_type: PayloadType(100),
        marker: true,
        sequence: 0xfffe,
        timestamp: 0x8000_0001,
        ssrc: Ssrc(55543),
    };

    fn packet(flags: u8, rest: &[u8]) -> Vec<u8> {
        let mut packet = vec![flags, 0xe4, 0, 7, 0, 0, 0, 9, 0, 0, 0xd8, 0xf7];
        packet.extend_from_slice(rest);
        packet
    }

    #[test]
    fn reads_fixed_fields_sources_extension_and_padding() {
        let bytes = packet(
            0x80 | 0x20 | 0x10 | 2,
            &[0, 0, 0, 1, 0, 0, 0, 2, 0xbe, 0xde, 0, 1, 0x10, 5, 0, 0, 0xaa, 0xbb, 0, 2],
        );
        let header = RtpHeader::parse(&bytes).unwrap();
        assert_eq!(header.payload_type, PayloadType(100));
        assert!(header.marker);
        assert_eq!((header.sequence, header.timestamp), (7, 9));
        assert_eq!(header.ssrc, Ssrc(55543));
        assert_eq!(header.csrc_count, 2);
        let block = ExtensionBlock { profile: 0xbede, start: 24, len: 4 };
        assert_eq!(header.extension, Some(block));
        assert_eq!((header.header_len, header.padding_len), (28, 2));
        assert_eq!(header.payload(&bytes), [0xaa, 0xbb]);
    }

    #[test]
    fn refuses_other_versions() {
        for version in [0x00, 0x40, 0xc0] {
            assert_eq!(RtpHeader::parse(&packet(version, &[1])), Err(RtpError::WrongVersion));
        }
    }

    // N1
    #[test]
    fn refuses_sources_and_extensions_past_the_end() {
        let error = Err(RtpError::Truncated);
        assert_eq!(RtpHeader::parse(&packet(0x81, &[0, 0, 0])), error);
        assert_eq!(RtpHeader::parse(&packet(0x8f, &[0; 59])), error);
        assert_eq!(RtpHeader::parse(&packet(0x90, &[0xbe, 0xde, 0])), error);
        assert_eq!(RtpHeader::parse(&packet(0x90, &[0xbe, 0xde, 0, 1, 0x10, 0, 0])), error);
        assert_eq!(RtpHeader::parse(&packet(0x90, &[0xbe, 0xde, 0xff, 0xff, 0, 0, 0, 0])), error);
    }

    // N9
    #[test]
    fn refuses_padding_that_is_zero_or_larger_than_the_payload() {
        let error = Err(RtpError::WrongPadding);
        assert_eq!(RtpHeader::parse(&packet(0xa0, &[])), error);
        assert_eq!(RtpHeader::parse(&packet(0xa0, &[1, 2, 0])), error);
        assert_eq!(RtpHeader::parse(&packet(0xa0, &[1, 2, 4])), error);
        assert_eq!(RtpHeader::parse(&packet(0xa0, &[1, 2, 255])), error);
        // The count must not reach into the extension block either.
        assert_eq!(RtpHeader::parse(&packet(0xb0, &[0xbe, 0xde, 0, 1, 0, 0, 0, 4])), error);
    }

    #[test]
    fn accepts_a_payload_that_is_all_padding_or_empty() {
        let mut rest = [0; 255];
        rest[254] = 255;
        let bytes = packet(0xa0, &rest);
        let header = RtpHeader::parse(&bytes).unwrap();
        assert_eq!(header.padding_len, 255);
        assert!(header.payload(&bytes).is_empty());
        let bytes = packet(0x80, &[]);
        assert!(RtpHeader::parse(&bytes).unwrap().payload(&bytes).is_empty());
    }

    #[test]
    fn refuses_what_no_datagram_can_hold() {
        assert_eq!(RtpHeader::parse(&packet(0x80, &[0; 65_535])), Err(RtpError::TooLong));
    }

    #[test]
    fn payload_of_a_foreign_packet_is_empty() {
        let header = RtpHeader::parse(&packet(0xa0, &[1, 2, 2])).unwrap();
        assert!(header.payload(&[0; 11]).is_empty());
    }

    #[test]
    fn survives_damage() {
        let valid = packet(0xb1, &[0, 0, 0, 1, 0xbe, 0xde, 0, 1, 0x10, 5, 0, 0, 9, 9, 2]);
        mutation::damage(&valid, 20_000, |bytes| {
            if let Ok(header) = RtpHeader::parse(bytes) {
                let payload = header.payload(bytes).len();
                let parts = usize::from(header.header_len) + usize::from(header.padding_len);
                assert_eq!(parts + payload, bytes.len());
            }
        });
    }

    #[test]
    fn writes_no_block_without_extensions() {
        let mut buf = [0xff; 12];
        let writer = HeaderWriter::new(&mut buf, &OUTGOING).unwrap();
        assert_eq!(writer.finish(), 12);
        let header = RtpHeader::parse(&buf).unwrap();
        assert_eq!(header.extension, None);
        assert_eq!((header.sequence, header.timestamp), (0xfffe, 0x8000_0001));
        assert!(header.marker);
    }

    #[test]
    fn pads_the_extension_block_to_a_whole_word() {
        let mut buf = [0xff; 64];
        let mut writer = HeaderWriter::new(&mut buf, &OUTGOING).unwrap();
        assert_eq!(writer.extension(5, &[1, 2]), Some(17));
        assert_eq!(writer.extension(3, &[7, 8, 9]), Some(20));
        assert_eq!(writer.finish(), 24);
        assert_eq!(buf[12..24], [0xbe, 0xde, 0, 2, 0x51, 1, 2, 0x32, 7, 8, 9, 0]);
        assert_eq!(RtpHeader::parse(&buf).unwrap().header_len, 24);
    }

    #[test]
    fn refuses_elements_that_do_not_fit() {
        assert!(HeaderWriter::new(&mut [0; 11], &OUTGOING).is_none());
        let mut buf = [0; 20];
        let mut writer = HeaderWriter::new(&mut buf, &OUTGOING).unwrap();
        assert_eq!(writer.extension(0, &[1]), None);
        assert_eq!(writer.extension(15, &[1]), None);
        assert_eq!(writer.extension(1, &[]), None);
        assert_eq!(writer.extension(1, &[0; 17]), None);
        assert_eq!(writer.extension(1, &[0; 4]), None);
        assert_eq!(writer.extension(1, &[9; 3]), Some(17));
        assert_eq!(writer.extension(2, &[1]), None);
        assert_eq!(writer.finish(), 20);
    }
}
