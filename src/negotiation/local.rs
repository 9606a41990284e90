//! Reporting the local description, with the side effects of contract NEG-50 (section 5.5).

use crate::negotiation::description::SessionDescription;
use crate::negotiation::direction::{Direction, MediaType};
use crate::negotiation::plan::LocalTransport;
use crate::negotiation::section::{DescribedCandidate, MediaSection};
use crate::negotiation::session::{Negotiation, Phase};

impl Negotiation {
    /// A snapshot; later changes of the connection do not reach it (contract WRC-25).
    pub fn local_description(&mut self, transport: Option<LocalTransport>) -> SessionDescription {
        self.record_local_ssrcs();
        self.reset_dead_receivers();
        self.report_sections();
        self.report_directions();
        if let Some(transport) = transport {
            self.report_transport(transport);
        }
        self.local.clone()
    }

    fn report_sections(&mut self) {
        let offered = match (self.phase, &self.remote) {
            (Phase::Answering, Some(remote)) => remote.sections.as_slice(),
            _ => &[],
        };
        let transceivers = self.transceivers.iter_mut().enumerate();
        self.local.sections = transceivers
            .map(|(position, transceiver)| {
                // NEG-43; position 0 carries the BUNDLE tag and stays (TRX-5).
                if transceiver.is_inactive() && position != 0 {
                    transceiver.stopped = true;
                }
                let mut section = MediaSection {
                    sender_stream_id: transceiver.sender_label.clone(),
                    receiver_stream_id: transceiver.receiver_label.clone(),
                    mid: transceiver.mid.clone(),
                    direction: transceiver.direction(),
                    kind: transceiver.kind.clone(),
                    ssrc: transceiver.ssrc.clone(),
                    just_added_in_offer: !transceiver.added,
                    stopped: transceiver.stopped,
                    exact_direction: false,
                };
                transceiver.added = true;
                if let Some(offered) = offered.get(position) {
                    section.answer(offered.direction);
                }
                section
            })
            .collect();
    }

    /// NEG-45.
    fn report_directions(&mut self) {
        let receives = |media_type| {
            self.remote.as_ref().is_some_and(|remote| match media_type {
                MediaType::Audio => !remote.audio_ssrcs.is_empty(),
                _ => remote.video_ssrcs.values().any(|ssrcs| !ssrcs.is_empty()),
            })
        };
        let audio = Direction::new(!self.local.audio_ssrcs.is_empty(), receives(MediaType::Audio));
        let video = Direction::new(!self.local.video_ssrcs.is_empty(), receives(MediaType::Video));
        self.local.set_audio_direction(audio);
        self.local.set_video_direction(video);
    }

    /// NEG-46, CDS-22. Replaces what an earlier report said (ICE-21).
    fn report_transport(&mut self, transport: LocalTransport) {
        let LocalTransport { credentials, fingerprint, candidates } = transport;
        self.local.fingerprint = fingerprint;
        self.local.candidates = candidates
            .into_iter()
            .map(|candidate| DescribedCandidate {
                candidate,
                protocol: "udp".to_owned(),
                media_type: MediaType::Video,
                bundle: self.local.bundle,
                user: credentials.ufrag.clone(),
                pass: credentials.pwd.clone(),
                local: true,
            })
            .collect();
        self.local.set_ice_credentials(credentials, MediaType::Other);
    }
}
