//! One m-section of a connection: who sends and who receives there (contract section 5.1).

use crate::negotiation::direction::{Direction, MediaType};
use crate::negotiation::session::StreamEntry;
use crate::rtp::id::MediaKind;

/// Its position in the list is the index of its section in every description.
#[derive(Clone, Debug, Default)]
pub(crate) struct Transceiver {
    pub mid: String,
    /// Word of the m-line.
    pub kind: String,
    /// Key of the subscriber stream.
    pub sender: Option<u64>,
    /// Key of the publisher stream.
    pub receiver: Option<u64>,
    pub sender_label: String,
    pub receiver_label: String,
    /// Decimal text, empty without a sender (contract TRX-2).
    pub ssrc: String,
    /// A local description has reported it, or the peer made it (contract TRX-3).
    pub added: bool,
    pub stopped: bool,
}

impl Transceiver {
    pub fn local(mid: String, kind: MediaKind) -> Self {
        let kind = match kind {
            MediaKind::Audio => "audio",
            MediaKind::Video => "video",
        };
        Transceiver { mid, kind: kind.to_owned(), ..Transceiver::default() }
    }

    pub fn remote(mid: String, kind: String) -> Self {
        Transceiver { mid, kind, added: true, ..Transceiver::default() }
    }

    pub fn media_type(&self) -> MediaType {
        MediaType::from_word(&self.kind)
    }

    pub fn set_sender(&mut self, key: u64, label: &str, ssrc: String) {
        self.sender = Some(key);
        self.sender_label = label.to_owned();
        self.ssrc = ssrc;
        self.stopped = false; // TRX-6
    }

    pub fn set_receiver(&mut self, key: u64, label: &str) {
        self.receiver = Some(key);
        self.receiver_label = label.to_owned();
        self.stopped = false; // TRX-6
    }

    pub fn reset_sender(&mut self) {
        self.sender = None;
        self.sender_label.clear();
        self.ssrc.clear();
    }

    pub fn reset_receiver(&mut self) {
        self.receiver = None;
        self.receiver_label.clear();
    }

    pub fn is_inactive(&self) -> bool {
        self.sender.is_none() && self.receiver.is_none()
    }

    /// Whether somebody sends, or a publisher that is still there receives.
    pub fn is_active(&self, streams: &[StreamEntry]) -> bool {
        let live = |key| streams.iter().any(|entry| entry.stream.key == key);
        self.sender.is_some() || self.receiver.is_some_and(live)
    }

    pub fn direction(&self) -> Direction {
        Direction::new(self.sender.is_some(), self.receiver.is_some())
    }
}
