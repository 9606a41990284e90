//! Identifiers of RTP streams, as newtypes.

use std::fmt;

/// Synchronisation source (RFC 3550 §3).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Ssrc(pub u32);

/// RTP payload type, 0 to 127 (RFC 3550 §5.1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PayloadType(pub u8);

/// What a section, a track or a packet carries.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum MediaKind {
    Audio,
    Video,
}

/// A short text from a header extension or a description, held in place so that comparing it on
/// the packet path allocates nothing. One-byte header extensions carry at most 16 bytes
/// (RFC 8285 §4.2).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ShortText {
    bytes: [u8; 16],
    len: u8,
}

/// Media identification of a section (RFC 8843 §15).
pub type Mid = ShortText;
/// Restriction identifier of a simulcast layer (RFC 8851).
pub type Rid = ShortText;

impl ShortText {
    /// `None` if `bytes` is empty, longer than 16 bytes or not UTF-8.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        if bytes.is_empty() || bytes.len() > 16 || std::str::from_utf8(bytes).is_err() {
            return None;
        }
        let mut text = ShortText { bytes: [0; 16], len: bytes.len() as u8 };
        text.bytes[..bytes.len()].copy_from_slice(bytes);
        Some(text)
    }

    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }
}

impl fmt::Debug for ShortText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Debug for Ssrc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ssrc({})", self.0)
    }
}

impl fmt::Display for Ssrc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod test {
    use super::*;

    #[test]
    fn short_text_refuses_what_does_not_fit() {
        assert_eq!(ShortText::new(b""), None);
        assert_eq!(ShortText::new(&[b'a'; 17]), None);
        assert_eq!(ShortText::new(&[0xff]), None);
        assert_eq!(ShortText::new(b"0").map(|t| t.as_str().to_owned()), Some("0".to_owned()));
    }
}
