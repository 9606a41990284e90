//! Media types and directions as a session description names them.
//!
//! Contract section 4.2: "mediaType" texts other than `audio` and `video` are a third type.

use crate::rtp::id::MediaKind;

/// What a section or a description entry belongs to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum MediaType {
    Audio,
    Video,
    #[default]
    Other,
}

/// `a=sendrecv` and its kin (RFC 8866 §6.7).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Direction {
    #[default]
    SendRecv,
    SendOnly,
    RecvOnly,
    Inactive,
}

impl MediaType {
    pub fn from_word(word: &str) -> Self {
        match word {
            "audio" => MediaType::Audio,
            "video" => MediaType::Video,
            _ => MediaType::Other,
        }
    }

    pub fn kind(self) -> Option<MediaKind> {
        match self {
            MediaType::Audio => Some(MediaKind::Audio),
            MediaType::Video => Some(MediaKind::Video),
            MediaType::Other => None,
        }
    }
}

impl From<MediaKind> for MediaType {
    fn from(kind: MediaKind) -> Self {
        match kind {
            MediaKind::Audio => MediaType::Audio,
            MediaKind::Video => MediaType::Video,
        }
    }
}

impl Direction {
    pub fn from_word(word: &str) -> Option<Self> {
        Some(match word {
            "sendrecv" => Direction::SendRecv,
            "sendonly" => Direction::SendOnly,
            "recvonly" => Direction::RecvOnly,
            "inactive" => Direction::Inactive,
            _ => return None,
        })
    }

    pub fn word(self) -> &'static str {
        match self {
            Direction::SendRecv => "sendrecv",
            Direction::SendOnly => "sendonly",
            Direction::RecvOnly => "recvonly",
            Direction::Inactive => "inactive",
        }
    }

    pub fn new(sends: bool, receives: bool) -> Self {
        match (sends, receives) {
            (true, true) => Direction::SendRecv,
            (true, false) => Direction::SendOnly,
            (false, true) => Direction::RecvOnly,
            (false, false) => Direction::Inactive,
        }
    }

    pub fn sends(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::SendOnly)
    }

    pub fn receives(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::RecvOnly)
    }

    /// The same flow seen from the other end.
    pub fn mirrored(self) -> Self {
        Direction::new(self.receives(), self.sends())
    }

    /// What may be answered to `offered` by an end that wants `self` (RFC 3264 §6.1).
    pub fn answering(self, offered: Direction) -> Self {
        let allowed = offered.mirrored();
        Direction::new(self.sends() && allowed.sends(), self.receives() && allowed.receives())
    }
}

#[cfg(test)]
mod test {
    use super::*;

    #[test]
    fn answers_stay_within_the_offered_direction() {
        use Direction::*;
        for (wanted, offered, answer) in [
            (SendRecv, RecvOnly, SendOnly),
            (SendRecv, SendOnly, RecvOnly),
            (SendRecv, Inactive, Inactive),
            (SendRecv, SendRecv, SendRecv),
            (RecvOnly, RecvOnly, Inactive),
            (SendOnly, SendRecv, SendOnly),
        ] {
            assert_eq!(wanted.answering(offered), answer, "{wanted:?} to {offered:?}");
        }
    }
}
