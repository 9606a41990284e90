//! One remote party: its transport, its negotiation and the streams that share them.
//!
//! It decides what a command or a datagram means for the connection and reports what has to
//! happen outside as [`Effect`]s; streams live beside it in the engine, because a fan-out crosses
//! connections.

mod gathering;
mod sending;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use self::gathering::Gathering;
use crate::bandwidth::receive_side::ReceiveSide;
use crate::connection::command::ConnectionListener;
use crate::connection::config::{ConnectionConfig, StreamConfig, StreamKey, StreamRole};
use crate::connection::counters::ConnectionCounters;
use crate::connection::effect::Effect;
use crate::connection::error::ConnectionError;
use crate::connection::event::{ConnectionEvent, ConnectionState};
use crate::connection::output::{DatagramSink, GatherRequest};
use crate::connection::routes::Routes;
use crate::negotiation::description::SessionDescription;
use crate::negotiation::ice::{CandidateType, IceCandidate, IceCredentials};
use crate::negotiation::plan::{Association, LocalTransport, NegotiatedStream};
use crate::negotiation::session::Negotiation;
use crate::transport::{
    Certificate, Received, Transport, TransportConfig, TransportEvent, TransportOutput,
};

#[derive(Debug)]
pub(crate) struct WebRtcConnection {
    config: ConnectionConfig,
    certificate: Arc<Certificate>,
    listener: Listener,
    state: ConnectionState,
    negotiation: Negotiation,
    transport: Option<Transport>,
    pub(crate) routes: Routes,
    /// In the order of `addMediaStream`.
    pub(crate) streams: Vec<StreamKey>,
    effects: VecDeque<Effect>,
    gathering: Gathering,
    pub(crate) counters: ConnectionCounters,
    /// Next number of the transport-wide sequence: one space per connection (M-SBWE-2).
    transport_sequence: u16,
    pub(crate) receive_side: ReceiveSide,
    /// bit/s, as the peer last said in a REMB.
    pub(crate) remote_estimate: Option<u64>,
    /// Whether the transport runs DTLS and SRTP.
    encrypted: bool,
    /// Remote addresses with their types, as the peer signalled them.
    signalled: Vec<(SocketAddr, CandidateType)>,
    /// Queued for a look at its transport.
    pub(crate) touched: bool,
    /// Its addresses were given back.
    released: bool,
}

struct Listener(ConnectionListener);

impl WebRtcConnection {
    pub(crate) fn new(
        config: ConnectionConfig,
        certificate: Arc<Certificate>,
        listener: ConnectionListener,
    ) -> Self {
        let negotiation = Negotiation::new(&config.media, config.ice_lite, config.encrypt);
        WebRtcConnection {
            config,
            certificate,
            listener: Listener(listener),
            state: ConnectionState::Initial,
            negotiation,
            transport: None,
            routes: Routes::new(),
            streams: Vec::new(),
            effects: VecDeque::new(),
            gathering: Gathering::Idle,
            counters: ConnectionCounters::default(),
            transport_sequence: 1,
            receive_side: ReceiveSide::new(),
            remote_estimate: None,
            encrypted: true,
            signalled: Vec::new(),
            touched: false,
            released: false,
        }
    }

    /// Contract section 5.3.
    pub(crate) fn create_offer(&mut self, now: Instant) {
        if self.state == ConnectionState::Failed {
            return;
        }
        let plan = self.negotiation.create_offer(true);
        if plan.create_transport {
            let encrypted = self.config.encrypt;
            self.open_transport(now, encrypted, !self.config.ice_lite);
        }
        self.associate(plan.associations);
    }

    /// Contract section 5.4.
    pub(crate) fn set_remote_description(
        &mut self,
        now: Instant,
        description: SessionDescription,
    ) -> Result<(), ConnectionError> {
        if self.state == ConnectionState::Failed {
            return Ok(());
        }
        let plan = self.negotiation.set_remote_description(description)?;
        if let Some(new) = plan.create_transport {
            // RFC 8445 §6.1.1: a full agent controls a lite one, whoever offered.
            let controlling = plan.ice_lite_remote && !self.config.ice_lite;
            self.open_transport(now, new.encrypted, controlling);
        }
        if let Some(remote) = self.negotiation.remote() {
            self.routes.learn_payload_types(remote);
        }
        let (audio, video) = self.negotiation.extension_maps();
        self.routes.set_extensions(audio, video);
        self.associate(plan.associations);
        if let Some(transport) = &mut self.transport {
            if plan.ice_lite_remote {
                transport.set_remote_ice_lite();
            }
            if let Some(credentials) = &plan.credentials {
                let fingerprint = plan.fingerprint.as_deref();
                let taken = transport.set_remote(now, credentials, fingerprint, plan.dtls_role);
                if let Err(error) = taken {
                    self.fail(now, &error.to_string());
                    return Ok(());
                }
            }
        }
        for candidate in &plan.candidates {
            self.add_remote_candidate(now, candidate);
        }
        let ready = plan.streams_ready.into_iter().map(StreamKey).collect();
        self.effects.push_back(Effect::ConfigureStreams(ready));
        Ok(())
    }

    /// Contract section 5.5; without sections once the connection has failed (EVT-10).
    pub(crate) fn local_description(&mut self) -> SessionDescription {
        if self.state == ConnectionState::Failed {
            return SessionDescription::new(&self.config.media);
        }
        let transport = self.transport.as_ref().map(|transport| LocalTransport {
            credentials: transport.local_credentials(),
            fingerprint: self.encrypted.then(|| self.certificate.fingerprint().to_owned()),
            candidates: transport.local_candidates(),
        });
        self.negotiation.local_description(transport)
    }

    pub(crate) fn copy_description(&mut self, description: &SessionDescription) {
        self.negotiation.copy_description(description);
    }

    pub(crate) fn add_stream(&mut self, stream: &StreamConfig) {
        if self.streams.contains(&stream.key) {
            return;
        }
        self.streams.push(stream.key);
        if stream.role == StreamRole::Subscriber {
            self.routes.add_sender(stream.audio_ssrc, stream.key);
            self.routes.add_sender(stream.video_ssrc, stream.key);
        }
        self.negotiation.add_stream(NegotiatedStream {
            key: stream.key.0,
            id: stream.id.clone(),
            label: stream.label.clone(),
            publisher: stream.role == StreamRole::Publisher,
            has_audio: stream.has_audio,
            has_video: stream.has_video,
            audio_ssrc: stream.audio_ssrc,
            video_ssrc: stream.video_ssrc,
        });
    }

    /// Contract section 5.6: the stream itself lives on until it is closed.
    pub(crate) fn remove_stream(&mut self, id: &str) -> Option<StreamKey> {
        let key = StreamKey(self.negotiation.remove_stream(id)?);
        self.streams.retain(|stream| *stream != key);
        self.routes.remove_stream(key);
        Some(key)
    }

    pub(crate) fn add_remote_candidate(&mut self, now: Instant, candidate: &IceCandidate) {
        let Some(transport) = &mut self.transport else { return };
        transport.add_remote_candidate(now, candidate);
        let (Some(ip), Ok(port)) = (candidate.ip(), u16::try_from(candidate.port)) else { return };
        if self.signalled.len() < MAX_SIGNALLED {
            self.signalled.push((SocketAddr::new(ip, port), candidate.candidate_type));
        }
    }

    /// What the remote end of the selected path was signalled as (M-STAT `clientHostType`).
    pub(crate) fn client_host_type(&self) -> &'static str {
        let Some((_, remote)) = self.transport.as_ref().and_then(Transport::path) else {
            return "unknown";
        };
        match self.signalled.iter().find(|(address, _)| *address == remote) {
            Some((_, CandidateType::Host)) => "host",
            Some((_, CandidateType::ServerReflexive)) => "serverReflexive",
            Some((_, CandidateType::Relayed)) => "relayed",
            // A source that nobody signalled was found by its checks (RFC 8445 §7.3.1.3).
            Some((_, CandidateType::PeerReflexive)) | None => "peerReflexive",
        }
    }

    /// Contract ICE-20, ICE-22.
    pub(crate) fn restart_ice(&mut self, now: Instant, remote: IceCredentials) {
        let Some(transport) = &mut self.transport else { return };
        if self.state == ConnectionState::Failed {
            return;
        }
        match transport.restart_ice(now, &remote) {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => return self.fail(now, &error.to_string()),
        }
        self.negotiation.restart_ice(&remote);
        self.announce_fragments();
        // The sockets stay, so the new candidates are known at once.
        if !self.config.trickle {
            self.enter(ConnectionState::Gathered);
        }
    }

    pub(crate) fn handle_datagram<'a>(
        &mut self,
        now: Instant,
        local: SocketAddr,
        remote: SocketAddr,
        data: &'a mut [u8],
    ) -> Option<Received<'a>> {
        let transport = self.transport.as_mut()?;
        Some(transport.handle_datagram(now, local, remote, data))
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if let Some(transport) = &mut self.transport {
            transport.handle_timeout(now);
        }
        if let Some(discovery) = self.gathering.discovery() {
            discovery.handle_timeout(now);
        }
        if self.gathering.take_finished(now) {
            self.finish_gathering();
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let transport = self.transport.as_ref()?.poll_timeout();
        let feedback = self.receive_side.poll_timeout().filter(|_| self.can_send());
        [transport, feedback, self.gathering.poll_timeout()].into_iter().flatten().min()
    }

    /// Sends what the transport has to say and takes note of its events.
    pub(crate) fn drain_transport(&mut self, now: Instant, out: &mut dyn DatagramSink) {
        while let Some((local, remote, data)) =
            self.gathering.discovery().and_then(|discovery| discovery.poll_transmit(now))
        {
            sending::send(out, local, remote, &data);
        }
        while let Some(output) = self.transport.as_mut().and_then(Transport::poll_output) {
            match output {
                TransportOutput::Transmit { local, remote, data } => {
                    sending::send(out, local, remote, &data);
                }
                TransportOutput::Event(event) => self.handle_transport_event(now, event),
            }
        }
    }

    pub(crate) fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// Final: closes the transport and tells the program (contract EVT-10).
    pub(crate) fn fail(&mut self, now: Instant, reason: &str) {
        if self.state == ConnectionState::Failed {
            return;
        }
        tracing::info!(connection = %self.config.name, reason, "connection failed");
        self.release(now);
        self.enter(ConnectionState::Failed);
    }

    /// Stops the transport; what it still has to say leaves with the next drain.
    pub(crate) fn release(&mut self, now: Instant) {
        if std::mem::replace(&mut self.released, true) {
            return;
        }
        if let Some(transport) = &mut self.transport {
            self.effects.push_back(Effect::Release);
            transport.close(now);
        }
    }

    /// Failed, and not even in order: nobody knows what state the transport is in.
    pub(crate) fn abandon(&mut self) {
        self.state = ConnectionState::Failed;
        if self.transport.take().is_some() && !std::mem::replace(&mut self.released, true) {
            self.effects.push_back(Effect::Release);
        }
    }

    pub(crate) fn transport(&self) -> Option<&Transport> {
        self.transport.as_ref()
    }

    pub(crate) fn negotiation(&self) -> &Negotiation {
        &self.negotiation
    }

    fn open_transport(&mut self, now: Instant, encrypted: bool, controlling: bool) {
        let config = TransportConfig {
            ice_controlling: controlling,
            ice_lite: self.config.ice_lite,
            encrypted,
            profiles: self.config.srtp_profiles.clone(),
            certificate: Arc::clone(&self.certificate),
        };
        match Transport::new(now, config) {
            Ok(transport) => {
                self.transport = Some(transport);
                self.encrypted = encrypted;
                self.announce_fragments();
                self.effects.push_back(Effect::Gather(GatherRequest {
                    ports: self.config.ports.clone(),
                    network_interface: self.config.network_interface.clone(),
                }));
            }
            Err(error) => {
                tracing::error!(connection = %self.config.name, %error, "cannot make a transport");
                self.enter(ConnectionState::Failed);
            }
        }
    }

    fn announce_fragments(&mut self) {
        let Some(transport) = &self.transport else { return };
        for ufrag in transport.local_ufrags() {
            self.effects.push_back(Effect::AddUfrag(ufrag.to_owned()));
        }
    }

    fn associate(&mut self, associations: Vec<Association>) {
        for Association { key, kind, mid } in associations {
            let stream = StreamKey(key);
            self.routes.associate(&mid, kind, stream);
            self.effects.push_back(Effect::Associate { stream, kind, mid });
        }
    }

    fn handle_transport_event(&mut self, now: Instant, event: TransportEvent) {
        match event {
            TransportEvent::Ready | TransportEvent::ReadyAgain => {
                self.enter(ConnectionState::Ready);
                self.effects.push_back(Effect::Ready);
            }
            TransportEvent::Failed(reason) => self.fail(now, &format!("{reason:?}")),
            TransportEvent::ProbedAddress(remote) => {
                self.effects.push_back(Effect::ClaimRemote(remote));
            }
            TransportEvent::ValidatedAddress(remote) => {
                self.effects.push_back(Effect::OwnRemote(remote));
            }
            // Media follows the path by itself; consent tells whether the peer is still there.
            TransportEvent::PathChanged | TransportEvent::PeerClosed => {}
        }
    }

    /// A state event is sent only on change, and none after 500 (contract EVT-1, EVT-9).
    fn enter(&mut self, state: ConnectionState) {
        if self.state == state || self.state == ConnectionState::Failed {
            return;
        }
        self.state = state;
        self.listener.tell(ConnectionEvent::State(state));
    }
}

/// More candidates than any honest peer has; the rest only lack a name in the statistics.
const MAX_SIGNALLED: usize = 128;

impl Listener {
    fn tell(&self, event: ConnectionEvent) {
        (self.0)(event);
    }
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Listener")
    }
}
