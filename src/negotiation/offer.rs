//! Making an offer: sections for the subscriber streams that have none (contract section 5.3).

use crate::negotiation::direction::Direction;
use crate::negotiation::plan::{Association, OfferPlan};
use crate::negotiation::session::{Negotiation, Phase, StreamState, Transport};
use crate::negotiation::setup::DtlsSetup;
use crate::negotiation::transceiver::Transceiver;
use crate::rtp::id::MediaKind;

impl Negotiation {
    pub fn create_offer(&mut self, bundle: bool) -> OfferPlan {
        if self.local.payloads.is_empty() {
            self.local.take_internal_codecs(None);
        }
        self.local.set_rtcp_mux(true);
        self.local.set_bundle(bundle);
        self.local.set_audio_direction(Direction::SendRecv);
        self.local.set_video_direction(Direction::SendRecv);
        self.decide_offered_role();
        self.phase = Phase::Offering;

        let mut plan = OfferPlan::default();
        for index in 0..self.streams.len() {
            self.offer_stream(index, &mut plan);
        }
        self.reset_dead_receivers();
        self.record_local_ssrcs();
        if self.transport == Transport::None {
            plan.create_transport = true;
            self.transport = if self.encrypted { Transport::Encrypted } else { Transport::Plain };
        }
        plan
    }

    /// NEG-2. The peer has not chosen until its first description is here, so the role stays
    /// open in every offer before that (NEG-9).
    fn decide_offered_role(&mut self) {
        let role = *self.role.get_or_insert(DtlsSetup::Passive);
        let answered = self.remote.is_some();
        self.local.set_dtls_role(if answered { role } else { DtlsSetup::ActPass });
    }

    fn offer_stream(&mut self, index: usize, plan: &mut OfferPlan) {
        let Some(entry) = self.streams.get_mut(index) else { return };
        if !entry.is_waiting_subscriber() {
            return;
        }
        entry.state = StreamState::Offered;
        let stream = entry.stream.clone();
        plan.newly_ready.push(stream.key);

        // NEG-4: freed positions in order, whatever they carried before.
        let wanted = [MediaKind::Audio, MediaKind::Video].into_iter().filter(|k| stream.has(*k));
        let mut free = self.freed_positions().into_iter();
        for kind in wanted {
            let mid = self.allot_mid();
            let mut transceiver = Transceiver::local(mid.clone(), kind);
            transceiver.set_sender(stream.key, &stream.label, stream.ssrc(kind).to_string());
            match free.next().and_then(|position| self.transceivers.get_mut(position)) {
                Some(freed) => *freed = transceiver,
                None => self.transceivers.push(transceiver),
            }
            plan.associations.push(Association { key: stream.key, kind, mid });
            // A peer that brought no codec of this kind yet (an audio publisher that subscribes
            // to video) would otherwise get a section without formats (JSA-33).
            if self.local.codecs(kind.into()).next().is_none() {
                self.local.take_internal_codecs(Some(kind));
            }
        }
    }

    /// The first two stopped positions; a stream needs no more.
    fn freed_positions(&self) -> Vec<usize> {
        let stopped = self.transceivers.iter().enumerate().filter(|(_, it)| it.stopped);
        stopped.map(|(position, _)| position).take(2).collect()
    }
}
