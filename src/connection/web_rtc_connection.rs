//! One remote party: its transport, its negotiation and the streams that share them.
//!
//! It decides what a command or a datagram means for the connection and reports what has to
//! happen outside as [`Effect`]s; streams live beside it in the engine, because a fan-out crosses
//! connections.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use crate::connection::command::ConnectionListener;
use crate::connection::config::{ConnectionConfig, ConnectionId, StreamConfig, StreamKey, StreamRole};
use crate::connection::counters::ConnectionCounters;
use crate::connection::error::ConnectionError;
use crate::connection::event::{ConnectionEvent, ConnectionState};
use crate::connection::output::{DatagramSink, GatherRequest};
use crate::connection::routes::Routes;
use crate::negotiation::description::SessionDescription;
use crate::negotiation::ice::{IceCandidate, IceCredentials};
use crate::negotiation::session::{Association, LocalTransport, NegotiatedStream, Negotiation};
use crate::negotiation::setup::DtlsSetup;
use crate::transport::certificate::Certificate;
use crate::transport::config::TransportConfig;
use crate::transport::{Received, Transport, TransportEvent, TransportOutput};

#[derive(Debug)]
pub(crate) struct WebRtcConnection {
    pub(crate) id: ConnectionId,
    pub(crate) config: ConnectionConfig,
    certificate: Arc<Certificate>,
    listener: Listener,
    state: ConnectionState,
    negotiation: Negotiation,
    transport: Option<Transport>,
    pub(crate) routes: Routes,
    /// In the order of `addMediaStream`.
    pub(crate) streams: Vec<StreamKey>,
    effects: VecDeque<Effect>,
    pub(crate) counters: ConnectionCounters,
    next_transport_sequence: u16,
    /// Remote credentials of a restart that is under way or done (contract ICE-22).
    remote_ufrag: String,
}

/// What has to happen outside the connection.
#[derive(Debug)]
pub(crate) enum Effect {
    Gather(GatherRequest),
    /// Connectivity checks for this fragment are for this connection.
    AddUfrag(String),
    /// Datagrams from this address are for this connection.
    AddRemote(SocketAddr),
    /// These streams take the current remote description as theirs (contract NEG-28).
    ConfigureStreams(Vec<StreamKey>),
    /// The transport carries media now (contract EVT-12).
    Ready,
    /// Nothing will be sent or received any more.
    Release,
}

struct Listener(ConnectionListener);

impl WebRtcConnection {
    pub(crate) fn new(
        id: ConnectionId,
        config: ConnectionConfig,
        certificate: Arc<Certificate>,
        listener: ConnectionListener,
    ) -> Self {
        let negotiation = Negotiation::new(&config.media, config.ice_lite, config.encrypt);
        WebRtcConnection {
            id,
            config,
            certificate,
            listener: Listener(listener),
            state: ConnectionState::Initial,
            negotiation,
            transport: None,
            routes: Routes::new(),
            streams: Vec::new(),
            effects: VecDeque::new(),
            counters: ConnectionCounters::default(),
            next_transport_sequence: 1,
            remote_ufrag: String::new(),
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
        self.associate(&plan.associations);
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
        self.associate(&plan.associations);
        if let Some(transport) = &mut self.transport {
            if let Some(credentials) = plan.credentials {
                self.remote_ufrag.clone_from(&credentials.ufrag);
                transport.set_remote(now, credentials, plan.fingerprint, plan.dtls_role);
            }
            for candidate in &plan.candidates {
                transport.add_remote_candidate(now, candidate);
            }
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
            fingerprint: transport.is_encrypted().then(|| self.certificate.fingerprint()),
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
        if let Some(transport) = &mut self.transport {
            transport.add_remote_candidate(now, candidate);
        }
    }

    /// Contract ICE-20, ICE-22.
    pub(crate) fn restart_ice(&mut self, now: Instant, remote: IceCredentials) {
        let Some(transport) = &mut self.transport else { return };
        if self.state == ConnectionState::Failed || remote.ufrag == self.remote_ufrag {
            return;
        }
        self.remote_ufrag.clone_from(&remote.ufrag);
        self.negotiation.restart_ice(&remote);
        transport.restart_ice(now, remote);
        self.announce_fragments();
        // The sockets stay, so the new candidates are known at once.
        if !self.config.trickle {
            self.enter(ConnectionState::Gathered);
        }
    }

    /// The addresses that were asked for by [`Effect::Gather`]; none at all means that the port
    /// range is used up (contract ICE-7).
    pub(crate) fn handle_addresses(&mut self, now: Instant, addresses: &[SocketAddr]) {
        let Some(transport) = &mut self.transport else { return };
        for address in addresses {
            transport.add_host(*address);
        }
        if self.config.trickle {
            let mid = self.negotiation.first_mid().unwrap_or("0").to_owned();
            for candidate in transport.local_candidates() {
                self.listener.tell(ConnectionEvent::Candidate { candidate, mid: mid.clone() });
            }
        } else {
            self.enter(ConnectionState::Gathered);
        }
        if addresses.is_empty() {
            self.fail(now, "no local address could be opened");
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
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.transport.as_ref()?.poll_timeout()
    }

    /// Sends what the transport has to say and takes note of its events.
    pub(crate) fn drain_transport(&mut self, now: Instant, out: &mut dyn DatagramSink) {
        while let Some(output) = self.transport.as_mut().and_then(Transport::poll_output) {
            match output {
                TransportOutput::Transmit { local, remote, data } => {
                    let slot = out.slot();
                    if let Some(slot) = slot.get_mut(..data.len()) {
                        slot.copy_from_slice(&data);
                        out.send(local, remote, data.len());
                    }
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
        if let Some(transport) = &mut self.transport {
            transport.close(now);
            self.effects.push_back(Effect::Release);
        }
    }

    pub(crate) fn state(&self) -> ConnectionState {
        self.state
    }

    pub(crate) fn transport(&self) -> Option<&Transport> {
        self.transport.as_ref()
    }

    pub(crate) fn transport_mut(&mut self) -> Option<&mut Transport> {
        self.transport.as_mut()
    }

    pub(crate) fn negotiation(&self) -> &Negotiation {
        &self.negotiation
    }

    /// The next number of the transport-wide sequence (one space per connection, M-SBWE-2).
    pub(crate) fn next_transport_sequence(&mut self) -> u16 {
        let sequence = self.next_transport_sequence;
        self.next_transport_sequence = sequence.wrapping_add(1);
        sequence
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
            self.effects.push_back(Effect::AddUfrag(ufrag));
        }
    }

    fn associate(&mut self, associations: &[Association]) {
        for Association { key, kind, mid } in associations {
            self.routes.associate(mid, *kind, StreamKey(*key));
        }
    }

    fn handle_transport_event(&mut self, now: Instant, event: TransportEvent) {
        match event {
            TransportEvent::Ready | TransportEvent::ReadyAgain => {
                self.enter(ConnectionState::Ready);
                self.effects.push_back(Effect::Ready);
            }
            TransportEvent::Failed(reason) => self.fail(now, &reason.to_string()),
            TransportEvent::RemoteAddress(remote) => {
                self.effects.push_back(Effect::AddRemote(remote));
            }
            TransportEvent::PathChanged => {}
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
