//! Which stream of a connection a packet belongs to (contract M-PATH-5, section 5.7).
//!
//! The section of a packet is told by its MID extension if it carries one, else its SSRC must be
//! signalled or learnt. What was learnt is kept per SSRC so that the steady state is one look-up.

use crate::connection::config::StreamKey;
use crate::connection::identity_hash::IdMap;
use crate::negotiation::description::SessionDescription;
use crate::negotiation::direction::MediaType;
use crate::rtp::extension::{ExtensionKind, ExtensionMap, ExtensionSpans};
use crate::rtp::id::{MediaKind, Mid, Ssrc};
use crate::rtp::packet::RtpHeader;

/// SSRCs learnt from packets, per connection: three simulcast layers of a hundred streams, and
/// not more however many a peer makes up (security.md N20).
const MAX_LEARNT: usize = 1024;

#[derive(Debug)]
pub(crate) struct Routes {
    /// Kind of each payload type in the remote description.
    kinds: [Option<MediaKind>; 128],
    audio: ExtensionMap,
    video: ExtensionMap,
    by_ssrc: IdMap<Ssrc, Route>,
    by_mid: Vec<(Mid, MediaKind, StreamKey)>,
    /// Our own sending SSRCs, which feedback names.
    senders: IdMap<Ssrc, StreamKey>,
    learnt: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Route {
    pub(crate) stream: StreamKey,
    pub(crate) kind: MediaKind,
}

impl Routes {
    pub(crate) fn new() -> Self {
        Routes {
            kinds: [None; 128],
            audio: ExtensionMap::default(),
            video: ExtensionMap::default(),
            by_ssrc: IdMap::default(),
            by_mid: Vec::new(),
            senders: IdMap::default(),
            learnt: 0,
        }
    }

    /// Payload types of a new remote description; earlier ones stay (contract LIM-2).
    pub(crate) fn learn_payload_types(&mut self, remote: &SessionDescription) {
        for (media_type, kind) in
            [(MediaType::Audio, MediaKind::Audio), (MediaType::Video, MediaKind::Video)]
        {
            for payload in remote.codecs(media_type) {
                if let Some(slot) = self.kinds.get_mut(usize::from(payload.payload_type.0)) {
                    *slot = Some(kind);
                }
            }
        }
    }

    pub(crate) fn set_extensions(&mut self, audio: ExtensionMap, video: ExtensionMap) {
        self.audio = audio;
        self.video = video;
    }

    pub(crate) fn extensions(&self, kind: MediaKind) -> &ExtensionMap {
        match kind {
            MediaKind::Audio => &self.audio,
            MediaKind::Video => &self.video,
        }
    }

    /// The section with this mid now belongs to `stream` (contract ASC-3). SSRCs that were learnt
    /// for its former owner are learnt anew.
    pub(crate) fn associate(&mut self, mid: &str, kind: MediaKind, stream: StreamKey) {
        let Some(mid) = Mid::new(mid.as_bytes()) else { return };
        self.by_mid.retain(|(known, ..)| *known != mid);
        self.by_mid.push((mid, kind, stream));
    }

    pub(crate) fn add_source(&mut self, ssrc: Ssrc, kind: MediaKind, stream: StreamKey) {
        if ssrc.0 != 0 {
            self.by_ssrc.insert(ssrc, Route { stream, kind });
        }
    }

    pub(crate) fn add_sender(&mut self, ssrc: Ssrc, stream: StreamKey) {
        self.senders.insert(ssrc, stream);
    }

    pub(crate) fn remove_stream(&mut self, stream: StreamKey) {
        self.by_mid.retain(|(_, _, owner)| *owner != stream);
        self.by_ssrc.retain(|_, route| route.stream != stream);
        self.senders.retain(|_, owner| *owner != stream);
        self.learnt = self.learnt.min(self.by_ssrc.len());
    }

    /// The publisher stream of a packet, with where its extensions lie. A packet whose payload
    /// type was never negotiated and whose SSRC is unknown belongs to nobody.
    pub(crate) fn find(
        &mut self,
        header: &RtpHeader,
        packet: &[u8],
    ) -> Option<(Route, ExtensionSpans)> {
        let known = self.by_ssrc.get(&header.ssrc).copied();
        let kind = match known {
            Some(route) => route.kind,
            None => (*self.kinds.get(usize::from(header.payload_type.0))?)?,
        };
        let spans = ExtensionSpans::parse(header, packet, self.extensions(kind));
        let Some(mid) = spans.data(packet, ExtensionKind::Mid).and_then(Mid::new) else {
            return Some((known?, spans));
        };
        let &(_, mid_kind, stream) = self.by_mid.iter().find(|(known, ..)| *known == mid)?;
        let route = Route { stream, kind: mid_kind };
        if known != Some(route) {
            if self.learnt >= MAX_LEARNT {
                return None;
            }
            self.learnt += 1;
            self.by_ssrc.insert(header.ssrc, route);
        }
        (mid_kind == kind).then_some((route, spans))
    }

    /// The publisher stream whose media comes under this SSRC.
    pub(crate) fn source(&self, ssrc: Ssrc) -> Option<Route> {
        self.by_ssrc.get(&ssrc).copied()
    }

    /// The subscriber stream that sends under this SSRC.
    pub(crate) fn sender(&self, ssrc: Ssrc) -> Option<StreamKey> {
        self.senders.get(&ssrc).copied()
    }
}
