//! One media section of a description, and the small lists that stand beside the sections.

use crate::negotiation::direction::{Direction, MediaType};
use crate::negotiation::ice::IceCandidate;

/// An entry of `getMediaInfos` (contract CDS-20); its position is its `order`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MediaSection {
    pub sender_stream_id: String,
    pub receiver_stream_id: String,
    pub mid: String,
    pub direction: Direction,
    /// The word of the m-line: `audio`, `video` or anything else (contract FIL-4).
    pub kind: String,
    /// Decimal text, empty if nothing is sent.
    pub ssrc: String,
    pub just_added_in_offer: bool,
    pub stopped: bool,
    /// The section answers an offer that forbids to receive, so its direction is spelt as it is.
    pub(crate) exact_direction: bool,
}

impl MediaSection {
    pub fn media_type(&self) -> MediaType {
        MediaType::from_word(&self.kind)
    }

    /// The direction word callers see. An offered `sendonly` section is spelt `sendrecv`, so that
    /// a browser may attach its own track to it (contract CDS-21); as answer to `recvonly` that
    /// would break RFC 3264 §6.1.
    pub fn direction_word(&self) -> &'static str {
        match self.direction {
            Direction::SendOnly if !self.exact_direction => Direction::SendRecv.word(),
            direction => direction.word(),
        }
    }

    /// Makes this section a legal answer to one offered with `offered` (RFC 3264 §6.1).
    pub(crate) fn answer(&mut self, offered: Direction) {
        self.direction = self.direction.answering(offered);
        self.exact_direction = !offered.sends();
    }
}

/// `addBundleTag`: a mid of the BUNDLE group and what it carries.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BundleTag {
    pub id: String,
    pub media_type: MediaType,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RidDirection {
    Send,
    Recv,
}

/// `a=rid` (RFC 8851), connection-wide (contract RID-1).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DescribedRid {
    pub id: String,
    pub direction: RidDirection,
}

/// An entry of `getCandidates` (contract CDS-22).
#[derive(Clone, PartialEq, Eq)]
pub struct DescribedCandidate {
    pub candidate: IceCandidate,
    /// `udp` or `UDP`, as it was given.
    pub protocol: String,
    pub media_type: MediaType,
    /// Bundle flag of the description, set by `agree` (contract PPI-2).
    pub bundle: bool,
    pub user: String,
    pub pass: String,
    /// One of ours: reported with transport name `video`; others have none.
    pub local: bool,
}

/// What `a=extmap` binds (RFC 8285 §5).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DescribedExtension {
    pub id: u32,
    pub uri: String,
    pub media_type: MediaType,
}

/// The profile of the m-lines, as far as ErizoAPI tells them apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Profile {
    #[default]
    Savpf,
    Avpf,
}

impl RidDirection {
    /// `recv`, or else `send` (contract section 4.2, `addRid`).
    pub fn from_word(word: &str) -> Self {
        if word == "recv" { RidDirection::Recv } else { RidDirection::Send }
    }

    pub fn word(self) -> &'static str {
        match self {
            RidDirection::Send => "send",
            RidDirection::Recv => "recv",
        }
    }

    pub fn mirrored(self) -> Self {
        match self {
            RidDirection::Send => RidDirection::Recv,
            RidDirection::Recv => RidDirection::Send,
        }
    }
}

impl DescribedCandidate {
    pub fn transport(&self) -> &'static str {
        if self.local { "video" } else { "" }
    }

    /// `audio`, or `video` for everything else (contract CDS-22).
    pub fn media_word(&self) -> &'static str {
        if self.media_type == MediaType::Audio { "audio" } else { "video" }
    }
}

impl std::fmt::Debug for DescribedCandidate {
    /// The password stays out of logs (security.md H5).
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DescribedCandidate")
            .field("candidate", &self.candidate)
            .field("media_type", &self.media_type)
            .field("local", &self.local)
            .finish_non_exhaustive()
    }
}

impl Profile {
    /// The short words of `setProfile`.
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "SAVPF" => Some(Profile::Savpf),
            "AVPF" => Some(Profile::Avpf),
            _ => None,
        }
    }

    /// The m-line text.
    pub fn text(self) -> &'static str {
        match self {
            Profile::Savpf => "UDP/TLS/RTP/SAVPF",
            Profile::Avpf => "RTP/AVPF",
        }
    }
}

#[cfg(test)]
mod test {
    use super::*;

    #[test]
    fn offered_sendonly_is_spelt_sendrecv_but_answered_sendonly_is_not() {
        // CDS-21; RFC 3264 §6.1.
        let mut section =
            MediaSection { direction: Direction::SendOnly, ..MediaSection::default() };
        assert_eq!(section.direction_word(), "sendrecv");
        section.answer(Direction::SendRecv);
        assert_eq!(section.direction_word(), "sendrecv");
        section.answer(Direction::RecvOnly);
        assert_eq!(section.direction_word(), "sendonly");
        section.answer(Direction::SendOnly);
        assert_eq!(section.direction_word(), "inactive");
    }
}
