//! RTP header extensions (RFC 8285): which number means what, and where each known one lies.
//!
//! A map is negotiated per connection and media kind; spans are found once per packet on arrival
//! and read by everything behind. Both wire forms are accepted, in one-byte form ids 0 and 15 as
//! §4.2 demands (security H3). Erizo reads the one-byte form only.

use std::time::Duration;

use super::packet::RtpHeader;

/// Marks a one-byte block (RFC 8285 §4.2).
pub const ONE_BYTE_PROFILE: u16 = 0xbede;

/// The extensions this engine understands (contract §3.2).
#[derive(Copy, Clone, Eq, PartialEq, Debug, Hash)]
pub enum ExtensionKind {
    AudioLevel,
    AbsSendTime,
    TransmissionOffset,
    VideoOrientation,
    TransportSequence,
    PlayoutDelay,
    RtpStreamId,
    Mid,
}

impl ExtensionKind {
    pub const ALL: [ExtensionKind; 8] = [
        ExtensionKind::AudioLevel,
        ExtensionKind::AbsSendTime,
        ExtensionKind::TransmissionOffset,
        ExtensionKind::VideoOrientation,
        ExtensionKind::TransportSequence,
        ExtensionKind::PlayoutDelay,
        ExtensionKind::RtpStreamId,
        ExtensionKind::Mid,
    ];

    pub fn uri(self) -> &'static str {
        match self {
            ExtensionKind::AudioLevel => "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
            ExtensionKind::AbsSendTime => {
                "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
            }
            ExtensionKind::TransmissionOffset => "urn:ietf:params:rtp-hdrext:toffset",
            ExtensionKind::VideoOrientation => "urn:3gpp:video-orientation",
            ExtensionKind::TransportSequence => {
                "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
            }
            ExtensionKind::PlayoutDelay => {
                "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"
            }
            ExtensionKind::RtpStreamId => "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
            ExtensionKind::Mid => "urn:ietf:params:rtp-hdrext:sdes:mid",
        }
    }

    pub fn from_uri(uri: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.uri() == uri)
    }

    /// Position in [`ExtensionKind::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }
}

/// Which id stands for which extension, for one media kind of one connection.
#[derive(Clone, Default, Debug, PartialEq, Eq)]
pub struct ExtensionMap {
    kinds: [Option<ExtensionKind>; 16],
    ids: [Option<u8>; 8],
}

impl ExtensionMap {
    /// Only ids 1 to 14 exist in the one-byte form (M-EXT-1). The first id seen for a kind stays
    /// (EXM-3), and so does the first kind seen for an id. Tells whether the pair was taken.
    pub fn insert(&mut self, id: u8, kind: ExtensionKind) -> bool {
        if !(1..=14).contains(&id) {
            return false;
        }
        let by_id = &mut self.kinds[usize::from(id)];
        let by_kind = &mut self.ids[kind.index()];
        if by_id.is_some() || by_kind.is_some() {
            return false;
        }
        *by_id = Some(kind);
        *by_kind = Some(id);
        true
    }

    pub fn id(&self, kind: ExtensionKind) -> Option<u8> {
        self.ids[kind.index()]
    }

    pub fn kind(&self, id: u8) -> Option<ExtensionKind> {
        self.kinds.get(usize::from(id)).copied().flatten()
    }
}

/// Where the data of each known extension lies in one packet.
#[derive(Clone, Copy, Default, Debug)]
pub struct ExtensionSpans {
    /// Indexed by kind. An offset of 0 means absent: no data can start before byte 17.
    spans: [Span; 8],
}

#[derive(Clone, Copy, Default, Debug)]
struct Span {
    offset: u16,
    len: u8,
}

impl ExtensionSpans {
    /// Reads `packet`'s block as far as it is well formed; what cannot be read is absent. Of an
    /// element that occurs twice the first counts.
    pub fn parse(header: &RtpHeader, packet: &[u8], map: &ExtensionMap) -> ExtensionSpans {
        let mut found = ExtensionSpans::default();
        let Some(block) = header.extension else { return found };
        let start = usize::from(block.start);
        let Some(data) = packet.get(start..start + usize::from(block.len)) else { return found };
        let two_byte = match block.profile {
            ONE_BYTE_PROFILE => false,
            // The low 4 bits are "appbits" (RFC 8285 §4.3).
            profile if profile & 0xfff0 == 0x1000 => true,
            _ => return found,
        };
        let mut rest = data;
        while let Some((&first, after)) = rest.split_first() {
            rest = after;
            if first == 0 {
                continue; // One byte of padding, in both forms.
            }
            let (id, len) = if two_byte {
                let Some((&len, after)) = rest.split_first() else { break };
                rest = after;
                (first, usize::from(len))
            } else {
                let id = first >> 4;
                // RFC 8285 §4.2: id 15, and id 0 with a length, end the whole block.
                if id == 0 || id == 15 {
                    break;
                }
                (id, usize::from(first & 0x0f) + 1)
            };
            let Some((_, after)) = rest.split_at_checked(len) else { break };
            if let Some(kind) = map.kind(id) {
                let span = &mut found.spans[kind.index()];
                if span.offset == 0 {
                    let offset = start + data.len() - rest.len();
                    *span = Span { offset: offset as u16, len: len as u8 };
                }
            }
            rest = after;
        }
        found
    }

    /// The data of one extension. It may be of any length, even empty in the two-byte form.
    pub fn data<'a>(&self, packet: &'a [u8], kind: ExtensionKind) -> Option<&'a [u8]> {
        let Span { offset, len } = self.spans[kind.index()];
        if offset == 0 {
            return None;
        }
        packet.get(usize::from(offset)..usize::from(offset) + usize::from(len))
    }
}

/// The sender's clock as the abs-send-time extension carries it: seconds in 6.18 fixed point,
/// which wraps every 64 s, so that any epoch will do.
pub fn abs_send_time(now: Duration) -> [u8; 3] {
    let fraction = (u64::from(now.subsec_nanos()) << 18) / 1_000_000_000;
    let value = (now.as_secs() << 18 | fraction) as u32;
    let [_, high, middle, low] = value.to_be_bytes();
    [high, middle, low]
}

#[cfg(test)]
mod test {
    use super::super::mutation;
    use super::*;
    use ExtensionKind::{AbsSendTime, AudioLevel, Mid, RtpStreamId, VideoOrientation};

    fn map() -> ExtensionMap {
        let mut map = ExtensionMap::default();
        for (id, kind) in (1..).zip(ExtensionKind::ALL) {
            assert!(map.insert(id, kind));
        }
        map
    }

    fn packet(profile: u16, block: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x90, 100, 0, 7, 0, 0, 0, 9, 0, 0, 0, 1];
        packet.extend_from_slice(&profile.to_be_bytes());
        packet.extend_from_slice(&(block.len().div_ceil(4) as u16).to_be_bytes());
        packet.extend_from_slice(block);
        packet.resize(16 + block.len().next_multiple_of(4), 0);
        packet.extend_from_slice(b"payload");
        packet
    }

    fn spans(packet: &[u8]) -> ExtensionSpans {
        ExtensionSpans::parse(&RtpHeader::parse(packet).unwrap(), packet, &map())
    }

    #[test]
    fn uris_round_trip() {
        for kind in ExtensionKind::ALL {
            assert_eq!(ExtensionKind::from_uri(kind.uri()), Some(kind));
            assert_eq!(ExtensionKind::ALL[kind.index()], kind);
        }
        assert_eq!(ExtensionKind::from_uri("urn:x"), None);
    }

    // EXM-3, M-EXT-1
    #[test]
    fn first_id_of_a_kind_stays_and_only_1_to_14_are_taken() {
        let mut map = ExtensionMap::default();
        for id in [0, 15, 16, 255] {
            assert!(!map.insert(id, Mid));
        }
        assert!(map.insert(14, Mid));
        assert!(!map.insert(3, Mid));
        assert!(!map.insert(14, AudioLevel));
        assert_eq!(map.id(Mid), Some(14));
        assert_eq!(map.kind(14), Some(Mid));
        assert_eq!((map.kind(3), map.kind(255), map.id(AudioLevel)), (None, None, None));
    }

    #[test]
    fn reads_one_byte_elements_across_padding() {
        // M-EXT-7: an odd number of pad bytes must not desynchronise.
        let packet = packet(0xbede, &[0x10, 0x85, 0, 0x22, 1, 2, 3, 0, 0, 0x40, 7, 0x81, b'0', 9]);
        let spans = spans(&packet);
        assert_eq!(spans.data(&packet, AudioLevel), Some(&[0x85][..]));
        assert_eq!(spans.data(&packet, AbsSendTime), Some(&[1, 2, 3][..]));
        assert_eq!(spans.data(&packet, VideoOrientation), Some(&[7][..]));
        assert_eq!(spans.data(&packet, Mid), Some(&[b'0', 9][..]));
        assert_eq!(spans.data(&packet, RtpStreamId), None);
    }

    #[test]
    fn reads_two_byte_elements_with_any_appbits() {
        let mut block = vec![0, 200, 1, 0xff, 7, 0, 8, 3];
        block.extend_from_slice(b"mid\x01\x01\x55");
        for profile in [0x1000, 0x1007, 0x100f] {
            let packet = packet(profile, &block);
            let spans = spans(&packet);
            assert_eq!(spans.data(&packet, RtpStreamId), Some(&[][..]));
            assert_eq!(spans.data(&packet, Mid), Some(&b"mid"[..]));
            assert_eq!(spans.data(&packet, AudioLevel), Some(&[0x55][..]));
        }
    }

    #[test]
    fn ignores_other_profiles() {
        let packet = packet(0x1234, &[0x10, 0x85, 0, 0]);
        assert_eq!(spans(&packet).data(&packet, AudioLevel), None);
    }

    // N1, H3
    #[test]
    fn id_15_and_id_0_with_a_length_end_the_block() {
        for bad in [0xf0, 0xff, 0x01, 0x0f] {
            let packet = packet(0xbede, &[0x10, 0x85, bad, 0x40, 7, 0x40, 7, 0]);
            let spans = spans(&packet);
            assert_eq!(spans.data(&packet, AudioLevel), Some(&[0x85][..]));
            assert_eq!(spans.data(&packet, VideoOrientation), None);
        }
    }

    // N1
    #[test]
    fn an_element_past_the_end_of_the_block_is_absent() {
        let one_byte = packet(0xbede, &[0x10, 0x85, 0x4f, 7]);
        assert_eq!(spans(&one_byte).data(&one_byte, VideoOrientation), None);
        assert_eq!(spans(&one_byte).data(&one_byte, AudioLevel), Some(&[0x85][..]));
        let two_byte = packet(0x1000, &[1, 255, 0, 0]);
        assert_eq!(spans(&two_byte).data(&two_byte, AudioLevel), None);
        let no_length = packet(0x1000, &[0, 0, 0, 1]);
        assert_eq!(spans(&no_length).data(&no_length, AudioLevel), None);
    }

    #[test]
    fn the_first_of_two_equal_elements_counts() {
        let packet = packet(0xbede, &[0x10, 1, 0x10, 2]);
        assert_eq!(spans(&packet).data(&packet, AudioLevel), Some(&[1][..]));
    }

    #[test]
    fn survives_damage() {
        let map = map();
        let one_byte = packet(0xbede, &[0x10, 0x85, 0, 0x22, 1, 2, 3, 0, 0x81, b'0', 9]);
        let two_byte = packet(0x1000, &[1, 1, 9, 8, 3, b'm', b'i', b'd', 0, 7, 0, 4]);
        for valid in [one_byte, two_byte] {
            mutation::damage(&valid, 20_000, |bytes| {
                let Ok(header) = RtpHeader::parse(bytes) else { return };
                let spans = ExtensionSpans::parse(&header, bytes, &map);
                for kind in ExtensionKind::ALL {
                    let data = spans.data(bytes, kind).map(<[u8]>::as_ptr_range);
                    let block = &bytes[..usize::from(header.header_len)].as_ptr_range();
                    assert!(data.is_none_or(|d| d.start >= block.start && d.end <= block.end));
                }
            });
        }
    }

    #[test]
    fn abs_send_time_is_6_18_fixed_point_and_wraps_after_64_seconds() {
        assert_eq!(abs_send_time(Duration::ZERO), [0, 0, 0]);
        assert_eq!(abs_send_time(Duration::from_millis(1500)), [0x06, 0, 0]);
        assert_eq!(abs_send_time(Duration::from_millis(63_500)), [0xfe, 0, 0]);
        assert_eq!(abs_send_time(Duration::from_secs(64)), [0, 0, 0]);
        assert_eq!(abs_send_time(Duration::new(63, 999_999_999)), [0xff, 0xff, 0xff]);
    }
}
