//! Which header extensions a connection may use, and under which ids (RFC 8285).
//!
//! Contract section 4.6. The ids are the peer's, one space per media kind; how an extension is
//! read or written is the business of `rtp::extension`.

use crate::negotiation::direction::MediaType;
use crate::negotiation::section::DescribedExtension;
use crate::rtp::id::MediaKind;

/// Ids and URIs in force, per media kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AgreedExtensions {
    audio: Vec<(u8, String)>,
    video: Vec<(u8, String)>,
}

impl AgreedExtensions {
    /// The first id of a URI stays (contract EXM-3); ids that the one-byte form cannot carry are
    /// not used (EXM-2), and neither is what the connection does not support (EXM-1).
    pub(super) fn new(described: &[DescribedExtension], supported: &[String]) -> Self {
        let mut agreed = AgreedExtensions::default();
        for DescribedExtension { id, uri, media_type } in described {
            let list = match media_type {
                MediaType::Audio => &mut agreed.audio,
                MediaType::Video => &mut agreed.video,
                MediaType::Other => continue,
            };
            let Some(id) = one_byte_id(*id) else { continue };
            if supported.contains(uri) && list.iter().all(|(_, known)| known != uri) {
                list.push((id, uri.clone()));
            }
        }
        agreed
    }

    pub fn list(&self, kind: MediaKind) -> &[(u8, String)] {
        match kind {
            MediaKind::Audio => &self.audio,
            MediaKind::Video => &self.video,
        }
    }
}

/// 0 is padding and 15 is reserved (RFC 8285 §4.2).
pub(super) fn one_byte_id(id: u32) -> Option<u8> {
    u8::try_from(id).ok().filter(|id| (1..=14).contains(id))
}
