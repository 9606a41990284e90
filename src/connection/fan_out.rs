//! One-to-many on one worker: who gets the media of a publisher, here and on other workers.

use std::sync::Arc;

use crate::connection::config::{StreamKey, WorkerId};
use crate::media::fan_out::FanOut as SharedMedia;
use crate::media::packet::MediaPacket;

/// The part of a one-to-many processor that lives on this worker. The publisher's worker has one,
/// and so has each worker with subscribers.
#[derive(Debug, Default)]
pub(crate) struct FanOut {
    pub(crate) publisher: Option<(WorkerId, StreamKey)>,
    /// Sorted by peer id: the order of delivery (contract M-OTM-12).
    subscribers: Vec<(String, StreamKey)>,
    /// Workers that get the media of our publisher.
    pub(crate) workers: Vec<WorkerId>,
    /// Last packets and clocks of the publisher, shared by the subscribers.
    pub(crate) shared: SharedMedia,
    /// Media of this loop turn that subscribers have not seen yet, in order.
    pub(crate) pending: Vec<Arc<MediaPacket>>,
    /// Subscribers that have seen `pending`.
    pub(crate) served: usize,
}

impl FanOut {
    /// Another publisher takes over, or none. Numbers of the former one mean nothing any more.
    pub(crate) fn set_publisher(&mut self, publisher: Option<(WorkerId, StreamKey)>) {
        if self.publisher != publisher {
            self.publisher = publisher;
            self.shared.clear();
            // Whoever takes over is told anew which workers want its media.
            self.workers.clear();
        }
    }

    /// Returns the stream that had this id.
    pub(crate) fn add_subscriber(
        &mut self,
        peer_id: String,
        stream: StreamKey,
    ) -> Option<StreamKey> {
        match self.subscribers.binary_search_by(|(known, _)| known.as_str().cmp(&peer_id)) {
            Ok(at) => Some(std::mem::replace(&mut self.subscribers[at].1, stream)),
            Err(at) => {
                self.subscribers.insert(at, (peer_id, stream));
                None
            }
        }
    }

    pub(crate) fn remove_subscriber(&mut self, peer_id: &str) -> Option<StreamKey> {
        let at = self.subscribers.iter().position(|(known, _)| known == peer_id)?;
        Some(self.subscribers.remove(at).1)
    }

    /// A closed stream takes part no more.
    pub(crate) fn remove_stream(&mut self, stream: StreamKey) {
        self.subscribers.retain(|(_, subscriber)| *subscriber != stream);
        if self.publisher.is_some_and(|(_, publisher)| publisher == stream) {
            self.set_publisher(None);
        }
    }

    pub(crate) fn attach(&mut self, worker: WorkerId) {
        if !self.workers.contains(&worker) {
            self.workers.push(worker);
        }
    }

    pub(crate) fn detach(&mut self, worker: WorkerId) {
        self.workers.retain(|known| *known != worker);
    }

    pub(crate) fn subscriber(&self, index: usize) -> Option<StreamKey> {
        self.subscribers.get(index).map(|(_, stream)| *stream)
    }

    /// Takes media of the publisher for the next flush; tells whether it is the first of the turn.
    pub(crate) fn take(&mut self, packet: Arc<MediaPacket>) -> bool {
        self.shared.store(&packet);
        self.pending.push(packet);
        self.pending.len() == 1
    }

    pub(crate) fn is_unused(&self) -> bool {
        self.publisher.is_none() && self.subscribers.is_empty() && self.workers.is_empty()
    }
}

#[cfg(test)]
mod test {
    use super::*;

    #[test]
    fn otm_1_a_known_peer_id_is_replaced_and_order_is_by_id() {
        let mut fan_out = FanOut::default();
        fan_out.add_subscriber("b".into(), StreamKey(1));
        fan_out.add_subscriber("a".into(), StreamKey(2));
        fan_out.add_subscriber("b".into(), StreamKey(3));
        assert_eq!(fan_out.subscriber(0), Some(StreamKey(2)));
        assert_eq!(fan_out.subscriber(1), Some(StreamKey(3)));
        assert_eq!(fan_out.subscriber(2), None);
        assert_eq!(fan_out.remove_subscriber("c"), None);
        assert_eq!(fan_out.remove_subscriber("a"), Some(StreamKey(2)));
    }

    #[test]
    fn a_closed_stream_leaves_an_unused_fan_out() {
        let mut fan_out = FanOut::default();
        fan_out.set_publisher(Some((WorkerId(1), StreamKey(1))));
        fan_out.add_subscriber("a".into(), StreamKey(2));
        fan_out.remove_stream(StreamKey(1));
        assert!(!fan_out.is_unused());
        fan_out.remove_stream(StreamKey(2));
        assert!(fan_out.is_unused());
    }
}
