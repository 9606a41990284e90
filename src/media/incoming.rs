//! One RTP packet as it came from a peer: parsed, but not yet known to belong to a stream.

use crate::rtp::error::RtpError;
use crate::rtp::extension::{ExtensionKind, ExtensionMap, ExtensionSpans};
use crate::rtp::id::{Mid, Rid, ShortText};
use crate::rtp::packet::RtpHeader;

/// A view over the packet, with what routing needs.
#[derive(Clone, Copy, Debug)]
pub struct IncomingPacket<'a> {
    pub data: &'a [u8],
    pub header: RtpHeader,
    pub extensions: ExtensionSpans,
}

impl<'a> IncomingPacket<'a> {
    /// `extensions` is the connection's map; within a bundle all sections agree on it
    /// (RFC 8843 §9.2, RFC 8285 §7).
    pub fn parse(data: &'a [u8], extensions: &ExtensionMap) -> Result<Self, RtpError> {
        let header = RtpHeader::parse(data)?;
        let extensions = ExtensionSpans::parse(&header, data, extensions);
        Ok(IncomingPacket { data, header, extensions })
    }

    pub fn mid(&self) -> Option<Mid> {
        ShortText::new(self.extensions.data(self.data, ExtensionKind::Mid)?)
    }

    pub fn rid(&self) -> Option<Rid> {
        ShortText::new(self.extensions.data(self.data, ExtensionKind::RtpStreamId)?)
    }

    pub fn transport_sequence(&self) -> Option<u16> {
        let data = self.extensions.data(self.data, ExtensionKind::TransportSequence)?;
        data.first_chunk::<2>().map(|bytes| u16::from_be_bytes(*bytes))
    }

    /// The 24 bits of abs-send-time.
    pub fn send_time(&self) -> Option<u32> {
        let data = self.extensions.data(self.data, ExtensionKind::AbsSendTime)?;
        let [high, middle, low] = *data.first_chunk::<3>()?;
        Some(u32::from_be_bytes([0, high, middle, low]))
    }

    pub fn payload(&self) -> &'a [u8] {
        self.header.payload(self.data)
    }
}

#[cfg(test)]
mod test {
    use super::*;

    #[test]
    fn reads_what_routing_and_estimation_need() {
        let mut map = ExtensionMap::default();
        map.insert(1, ExtensionKind::Mid);
        map.insert(2, ExtensionKind::RtpStreamId);
        map.insert(3, ExtensionKind::TransportSequence);
        map.insert(4, ExtensionKind::AbsSendTime);
        let data = [
            0x90, 96, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0xbe, 0xde, 0, 3, // header, 3 words
            0x10, b'0', 0x20, b'1', 0x31, 1, 2, 0x42, 0, 1, 0, 0, // elements, padding
            7,
        ];
        let packet = IncomingPacket::parse(&data, &map).unwrap();
        assert_eq!(packet.mid().unwrap().as_str(), "0");
        assert_eq!(packet.rid().unwrap().as_str(), "1");
        assert_eq!(packet.transport_sequence(), Some(0x0102));
        assert_eq!(packet.send_time(), Some(0x000100));
        assert_eq!(packet.payload(), [7]);
    }

    #[test]
    fn elements_of_the_wrong_length_count_as_absent() {
        let mut map = ExtensionMap::default();
        map.insert(3, ExtensionKind::TransportSequence);
        map.insert(4, ExtensionKind::AbsSendTime);
        let data = [0x90, 96, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0xbe, 0xde, 0, 1, 0x30, 1, 0x40, 9, 7];
        let packet = IncomingPacket::parse(&data, &map).unwrap();
        assert_eq!((packet.transport_sequence(), packet.send_time()), (None, None));
        assert_eq!((packet.mid(), packet.rid()), (None, None));
        assert!(IncomingPacket::parse(&[0x80; 11], &map).is_err());
    }
}
