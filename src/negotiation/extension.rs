//! Which header extensions a connection may use, and under which ids (RFC 8285).
//!
//! Contract section 4.6. The ids are the peer's, one space per media kind; how an extension is
//! read or written is the business of `rtp::extension`.

use crate::negotiation::direction::MediaType;
use crate::negotiation::section::DescribedExtension;
use crate::rtp::extension::{ExtensionKind, ExtensionMap};

/// The ids in force, per media kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct AgreedExtensions {
    pub audio: ExtensionMap,
    pub video: ExtensionMap,
}

impl AgreedExtensions {
    /// Adds what is new in the accumulated list. The first id of an extension stays (contract
    /// EXM-3); unsupported (EXM-1) and uninterpreted ones have no place in a packet map.
    pub fn extend(&mut self, described: &[DescribedExtension], supported: &[String]) {
        for DescribedExtension { id, uri, media_type } in described {
            let map = match media_type {
                MediaType::Audio => &mut self.audio,
                MediaType::Video => &mut self.video,
                MediaType::Other => continue,
            };
            let Some(id) = one_byte_id(*id) else { continue };
            let Some(kind) = ExtensionKind::from_uri(uri) else { continue };
            if supported.contains(uri) {
                map.insert(id, kind);
            }
        }
    }
}

/// Ids outside 1 to 14 are not negotiated (contract EXM-2): 0 is padding and 15 is reserved
/// (RFC 8285 §4.2).
pub(super) fn one_byte_id(id: u32) -> Option<u8> {
    u8::try_from(id).ok().filter(|id| (1..=14).contains(id))
}

#[cfg(test)]
mod test {
    use super::*;

    fn described(id: u32, kind: ExtensionKind, media_type: MediaType) -> DescribedExtension {
        DescribedExtension { id, uri: kind.uri().to_owned(), media_type }
    }

    #[test]
    fn first_id_stays_and_ids_outside_1_to_14_are_left_out() {
        // EXM-2, EXM-3.
        let supported: Vec<String> =
            ExtensionKind::ALL.iter().map(|kind| kind.uri().to_owned()).collect();
        let mut agreed = AgreedExtensions::default();
        let list = [
            described(0, ExtensionKind::AudioLevel, MediaType::Audio),
            described(15, ExtensionKind::AudioLevel, MediaType::Audio),
            described(4_000_000_000, ExtensionKind::AudioLevel, MediaType::Audio),
            described(14, ExtensionKind::AudioLevel, MediaType::Audio),
            described(3, ExtensionKind::AudioLevel, MediaType::Audio),
            described(3, ExtensionKind::Mid, MediaType::Video),
            described(5, ExtensionKind::Mid, MediaType::Other),
        ];
        agreed.extend(&list, &supported);
        agreed.extend(&list, &supported);
        assert_eq!(agreed.audio.id(ExtensionKind::AudioLevel), Some(14));
        assert_eq!(agreed.video.id(ExtensionKind::Mid), Some(3));
        assert_eq!(agreed.audio.id(ExtensionKind::Mid), None);
    }

    #[test]
    fn unsupported_extensions_are_not_mapped() {
        // EXM-1.
        let mut agreed = AgreedExtensions::default();
        agreed.extend(&[described(1, ExtensionKind::Mid, MediaType::Audio)], &[]);
        assert_eq!(agreed.audio, ExtensionMap::default());
    }
}
