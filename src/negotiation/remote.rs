//! Taking a remote description, offer or answer alike (contract section 5.4).

use std::collections::HashMap;

use crate::negotiation::description::SessionDescription;
use crate::negotiation::direction::MediaType;
use crate::negotiation::error::NegotiationError;
use crate::negotiation::ice::{IceCandidate, IceCredentials};
use crate::negotiation::plan::{Association, NewTransport, RemotePlan};
use crate::negotiation::section::{DescribedRid, MediaSection, Profile};
use crate::negotiation::session::{Negotiation, Phase, StreamState, Transport};
use crate::negotiation::setup::DtlsSetup;
use crate::negotiation::transceiver::Transceiver;
use crate::rtp::id::MediaKind;

/// Remote candidates remembered between two ICE restarts; a peer that sends more gets the
/// rest ignored.
const MAX_KNOWN_CANDIDATES: usize = 256;

impl Negotiation {
    /// Refuses only what contract WRC-24 and security.md H2 list; nothing has changed then.
    pub fn set_remote_description(
        &mut self,
        description: SessionDescription,
    ) -> Result<RemotePlan, NegotiationError> {
        let first = self.remote.is_none();
        let credentials = credentials(&description);
        if first {
            self.check_first(&description, credentials)?;
            self.decide_role(description.dtls_role());
        }
        // The check above leaves a role in every case.
        let role = self.role.unwrap_or(DtlsSetup::Active);
        self.local.set_dtls_role(role);
        self.phase = match self.phase {
            Phase::Offering => Phase::Stable,
            Phase::Stable | Phase::Answering => Phase::Answering,
        };

        let mut plan = RemotePlan {
            first,
            dtls_role: role,
            ice_lite_remote: description.is_ice_lite(),
            ..RemotePlan::default()
        };
        self.follow_sections(&description.sections, &mut plan.associations);
        self.merge(&description);
        if first {
            self.plan_transport(&description, credentials, &mut plan);
        }
        plan.candidates = self.new_candidates(&description);
        plan.streams_ready = self.ready_streams(&description);
        self.remote = Some(description);
        Ok(plan)
    }

    fn check_first(
        &self,
        description: &SessionDescription,
        credentials: Option<&IceCredentials>,
    ) -> Result<(), NegotiationError> {
        if credentials.is_none() {
            return Err(NegotiationError::MissingIceCredentials);
        }
        let profile = description.profile();
        if self.encrypted && profile != Profile::Savpf && !ends_with_data_section(description) {
            return Err(NegotiationError::PlaintextRefused { profile });
        }
        let must_encrypt =
            self.encrypted || profile == Profile::Savpf || self.transport == Transport::Encrypted;
        if must_encrypt && description.fingerprint().is_empty() {
            return Err(NegotiationError::MissingFingerprint);
        }
        Ok(())
    }

    /// NEG-21 and DTL-4: the first description settles the role for good. Having offered we are
    /// passive unless the peer is; asked first we are active unless the peer is.
    fn decide_role(&mut self, peer: DtlsSetup) {
        self.role = Some(match (self.role, peer) {
            (Some(_), DtlsSetup::Passive) => DtlsSetup::Active,
            (Some(offered), _) => offered,
            (None, DtlsSetup::Active) => DtlsSetup::Passive,
            (None, _) => DtlsSetup::Active,
        });
    }

    /// NEG-22 to NEG-24.
    fn follow_sections(&mut self, sections: &[MediaSection], out: &mut Vec<Association>) {
        let mut receiving = Receiving::of(&self.transceivers);
        sections.iter().for_each(|section| self.note_remote_mid(&section.mid));
        for (position, section) in sections.iter().enumerate() {
            self.follow_mid(position, section, &mut receiving);
            if !section.sender_stream_id.is_empty() {
                out.extend(self.associate(position, &section.sender_stream_id, &mut receiving));
            }
            let Some(transceiver) = self.transceivers.get_mut(position) else { continue };
            if section.stopped && !transceiver.is_active(&self.streams) {
                transceiver.stopped = true; // TRX-4, TRX-5
            }
        }
    }

    /// Makes the transceiver at `position` the one of the remote section. A section without mid
    /// keeps ours, because a local mid is never empty (CDS-26). ErizoJS hands a missing one over
    /// as the text `undefined`, which must not come back (JSA-34).
    fn follow_mid(&mut self, position: usize, section: &MediaSection, receiving: &mut Receiving) {
        let named = !matches!(section.mid.as_str(), "" | "undefined");
        let known = self.transceivers.get(position).map(|transceiver| transceiver.mid.as_str());
        if known.is_some_and(|mid| !named || mid == section.mid) {
            return;
        }
        let mid = if named { section.mid.clone() } else { self.allot_mid() };
        let new = Transceiver::remote(mid, section.kind.clone());
        match self.transceivers.get_mut(position) {
            Some(replaced) => {
                receiving.remove(replaced);
                *replaced = new;
            }
            None => self.transceivers.push(new),
        }
    }

    /// ASC-2 to ASC-6: publisher streams only, found by label.
    fn associate(
        &mut self,
        position: usize,
        label: &str,
        receiving: &mut Receiving,
    ) -> Option<Association> {
        let transceiver = self.transceivers.get_mut(position)?;
        let kind = transceiver.media_type().kind()?;
        let publishers = || {
            let all = self.streams.iter().map(|entry| &entry.stream);
            all.filter(|stream| stream.publisher && stream.label == label)
        };
        let keeps =
            transceiver.receiver.is_some_and(|key| publishers().any(|stream| stream.key == key));
        if keeps {
            return None;
        }
        let free = |key| !receiving.contains(key, kind);
        let stream = publishers()
            .find(|stream| stream.has(kind) && free(stream.key))
            .or_else(|| publishers().next())
            .filter(|stream| stream.has(kind))?;
        receiving.remove(transceiver);
        transceiver.set_receiver(stream.key, label);
        receiving.add(transceiver);
        Some(Association { key: stream.key, kind, mid: transceiver.mid.clone() })
    }

    /// NEG-25.
    fn merge(&mut self, description: &SessionDescription) {
        let local = &mut self.local;
        local.x_google_flag.clone_from(&description.x_google_flag); // OTH-2
        local.bundle_tags.clone_from(&description.bundle_tags); // OTH-3
        local.bundle = description.bundle;
        local.rtcp_mux = description.rtcp_mux;
        local.profile = description.profile;
        local.payload_map = description.payload_map.clone();
        local.audio_direction = description.audio_direction.mirrored(); // OTH-4
        local.video_direction = description.video_direction.mirrored();
        let rids = description.rids.iter();
        local.rids = rids
            .map(|rid| DescribedRid { id: rid.id.clone(), direction: rid.direction.mirrored() })
            .collect(); // RID-1
        self.copy_description(description);
        self.agreed_extensions.extend(&self.local.extensions, &self.local.supported_extensions);
    }

    /// NEG-26.
    fn plan_transport(
        &mut self,
        description: &SessionDescription,
        credentials: Option<&IceCredentials>,
        plan: &mut RemotePlan,
    ) {
        plan.credentials = credentials.cloned();
        plan.fingerprint = description.fingerprint.clone().filter(|it| !it.is_empty());
        if let Some(credentials) = credentials {
            self.remote_ufrag.clone_from(&credentials.ufrag);
        }
        if self.transport == Transport::None {
            let encrypted = self.encrypted
                || description.profile() == Profile::Savpf
                || plan.fingerprint.is_some();
            self.transport = if encrypted { Transport::Encrypted } else { Transport::Plain };
            plan.create_transport = Some(NewTransport { encrypted });
        }
    }

    /// Candidates that no plan contained yet, if they belong to the ufrag in force (NEG-27,
    /// WRC-45). Bundled sections repeat the same ones.
    fn new_candidates(&mut self, description: &SessionDescription) -> Vec<IceCandidate> {
        if credentials(description).is_none_or(|it| it.ufrag != self.remote_ufrag) {
            return Vec::new();
        }
        let mut new = Vec::new();
        for described in &description.candidates {
            let candidate = &described.candidate;
            if candidate.ufrag.as_ref().is_some_and(|ufrag| *ufrag != self.remote_ufrag) {
                continue;
            }
            if self.known_candidates.len() >= MAX_KNOWN_CANDIDATES {
                break;
            }
            if self.known_candidates.insert((candidate.address.clone(), candidate.port)) {
                new.push(candidate.clone());
            }
        }
        new
    }

    /// NEG-28.
    fn ready_streams(&mut self, description: &SessionDescription) -> Vec<u64> {
        let mut ready = Vec::new();
        for entry in &mut self.streams {
            let takes = match entry.state {
                StreamState::New => {
                    entry.stream.publisher && description.has_label(&entry.stream.label)
                }
                StreamState::Offered => true,
                StreamState::Described => false,
            };
            if takes {
                entry.state = StreamState::Described;
                ready.push(entry.stream.key);
            }
        }
        ready
    }
}

/// The video pair (contract NEG-26), or the audio pair where only that is there.
fn credentials(description: &SessionDescription) -> Option<&IceCredentials> {
    [MediaType::Video, MediaType::Audio]
        .map(|media_type| description.ice_credentials(media_type))
        .into_iter()
        .find(|credentials| !credentials.ufrag.is_empty() && !credentials.pwd.is_empty())
}

/// Each section sets the profile and the last one wins, so a trailing data section turns an
/// encrypted offer into `AVPF` (contract FIL-4). Its fingerprint is still required.
fn ends_with_data_section(description: &SessionDescription) -> bool {
    let last = description.sections.last();
    last.is_some_and(|section| section.media_type() == MediaType::Other)
}

/// How many transceivers each publisher receives on, per kind (contract ASC-5).
struct Receiving(HashMap<(u64, MediaKind), u32>);

impl Receiving {
    fn of(transceivers: &[Transceiver]) -> Self {
        let mut receiving = Receiving(HashMap::new());
        for transceiver in transceivers {
            receiving.add(transceiver);
        }
        receiving
    }

    fn key(transceiver: &Transceiver) -> Option<(u64, MediaKind)> {
        Some((transceiver.receiver?, transceiver.media_type().kind()?))
    }

    fn add(&mut self, transceiver: &Transceiver) {
        if let Some(key) = Receiving::key(transceiver) {
            *self.0.entry(key).or_default() += 1;
        }
    }

    fn remove(&mut self, transceiver: &Transceiver) {
        let count = Receiving::key(transceiver).and_then(|key| self.0.get_mut(&key));
        if let Some(count) = count {
            *count = count.saturating_sub(1);
        }
    }

    fn contains(&self, key: u64, kind: MediaKind) -> bool {
        self.0.get(&(key, kind)).is_some_and(|count| *count > 0)
    }
}
