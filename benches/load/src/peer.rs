//! One far end of a connection: ICE, DTLS and SRTP of the `rtc` crates over a UDP socket.

use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ring::digest;
use rtc::crypto::RTCCryptoProvider;
use rtc::dtls::config::{ClientAuthType, ConfigBuilder, HandshakeConfig};
use rtc::dtls::crypto::Certificate;
use rtc::dtls::endpoint::{Endpoint, EndpointEvent};
use rtc::dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc::ice::agent::Agent;
use rtc::ice::agent::agent_config::AgentConfig;
use rtc::ice::candidate::unmarshal_candidate;
use rtc::sansio::Protocol;
use rtc::shared::{TransportContext, TransportMessage, TransportProtocol};
use rtc::srtp::config::{Config as SrtpConfig, LABEL_EXTRACTOR_DTLS_SRTP};
use rtc::srtp::context::Context;
use rtc::srtp::protection_profile::ProtectionProfile;

use crate::Fallible;
use crate::sdp::{LocalTransport, RemoteTransport};
use crate::system;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Profile {
    Gcm,
    Cm,
}

impl Profile {
    pub fn name(self) -> &'static str {
        match self {
            Profile::Gcm => "AEAD_AES_128_GCM",
            Profile::Cm => "AES_CM_128_HMAC_SHA1_80",
        }
    }

    fn offered(self) -> SrtpProtectionProfile {
        match self {
            Profile::Gcm => SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm,
            Profile::Cm => SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80,
        }
    }

    fn context(self) -> ProtectionProfile {
        match self {
            Profile::Gcm => ProtectionProfile::AeadAes128Gcm,
            Profile::Cm => ProtectionProfile::Aes128CmHmacSha1_80,
        }
    }
}

/// What all peers of a run share; a key pair of its own would only make each slower to start.
pub struct Identity {
    certificate: Certificate,
    provider: Arc<dyn RTCCryptoProvider>,
    pub profile: Profile,
}

impl Identity {
    pub fn new(profile: Profile) -> Fallible<Identity> {
        let provider = rtc::crypto::default_provider()?;
        let names = vec!["load".to_owned()];
        let certificate = Certificate::generate_self_signed(names, provider.crypto())?;
        Ok(Identity { certificate, provider, profile })
    }

    fn fingerprint(&self) -> String {
        let der = self.certificate.certificate.first().map_or(&[][..], |der| der.as_ref());
        let pairs: Vec<String> =
            sha256(der).as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
        pairs.join(":")
    }

    fn handshake(&self, is_client: bool) -> Fallible<Arc<HandshakeConfig>> {
        let config = ConfigBuilder::default()
            .with_crypto_provider(self.provider.clone())
            .with_certificates(vec![self.certificate.clone()])
            .with_srtp_protection_profiles(vec![self.profile.offered()])
            .with_client_auth(ClientAuthType::RequireAnyClientCert)
            // Self-signed: `Peer::finish_handshake` checks the fingerprint.
            .with_insecure_skip_verify(true)
            .with_flight_interval(FLIGHT_INTERVAL)
            .build(is_client, Some(SERVER))?;
        Ok(Arc::new(config))
    }
}

pub struct Peer {
    socket: UdpSocket,
    local: SocketAddr,
    identity: Arc<Identity>,
    agent: Agent,
    dtls: Endpoint,
    remote: Option<RemoteTransport>,
    /// Where the server is, once ICE has agreed on a path.
    path: Option<SocketAddr>,
    is_dtls_client: bool,
    handshake_started: bool,
    srtp: Option<Srtp>,
}

struct Srtp {
    outbound: Context,
    inbound: Context,
}

pub enum Arrival {
    Rtp,
    Rtcp,
    /// Handshakes, checks, and what could not be opened.
    Other,
}

impl Peer {
    pub fn new(now: Instant, identity: &Arc<Identity>, is_controlling: bool) -> Fallible<Peer> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.set_nonblocking(true)?;
        system::prepare_socket(socket.as_fd());
        let local = socket.local_addr()?;
        let config = AgentConfig {
            is_controlling,
            check_interval: Duration::from_millis(20),
            ..AgentConfig::default()
        };
        let mut agent = Agent::new(now, Arc::new(config), identity.provider.clone())?;
        agent.add_local_candidate(host_candidate(local)?)?;
        Ok(Peer {
            socket,
            local,
            identity: identity.clone(),
            agent,
            dtls: Endpoint::new(local, TransportProtocol::UDP, None),
            remote: None,
            path: None,
            is_dtls_client: false,
            handshake_started: false,
            srtp: None,
        })
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    pub fn port(&self) -> u16 {
        self.local.port()
    }

    pub fn is_ready(&self) -> bool {
        self.srtp.is_some()
    }

    pub fn description(&self) -> LocalTransport {
        let credentials = self.agent.get_local_credentials();
        LocalTransport {
            ufrag: credentials.ufrag.clone(),
            password: credentials.pwd.clone(),
            fingerprint: self.identity.fingerprint(),
            address: self.local,
        }
    }

    /// Starts connecting to the server that sent `sdp`.
    pub fn connect(&mut self, now: Instant, sdp: &str) -> Fallible<()> {
        let remote = RemoteTransport::parse(sdp)?;
        self.is_dtls_client = !remote.is_dtls_client;
        if !self.is_dtls_client {
            self.dtls.set_server_config(Some(self.identity.handshake(false)?));
        }
        for candidate in remote.candidates.iter().filter(|address| address.ip().is_loopback()) {
            self.agent.add_remote_candidate(host_candidate(*candidate)?)?;
        }
        let (ufrag, password) = (remote.ufrag.clone(), remote.password.clone());
        let is_controlling = self.agent.role();
        self.agent.start_connectivity_checks(now, is_controlling, ufrag, password)?;
        self.remote = Some(remote);
        self.handle_timeout(now)
    }

    /// One datagram; opened RTP or RTCP is left in `clear`.
    pub fn handle(
        &mut self,
        now: Instant,
        from: SocketAddr,
        datagram: &[u8],
        clear: &mut Vec<u8>,
    ) -> Fallible<Arrival> {
        // RFC 7983 §7 and RFC 5761 §4.
        match datagram {
            [128..=191, kind, ..] => {
                let Some(srtp) = &mut self.srtp else { return Ok(Arrival::Other) };
                let (opened, arrival) = match kind {
                    192..=223 => (srtp.inbound.decrypt_rtcp(datagram), Arrival::Rtcp),
                    _ => (srtp.inbound.decrypt_rtp(datagram), Arrival::Rtp),
                };
                let Ok(opened) = opened else { return Ok(Arrival::Other) };
                clear.clear();
                clear.extend_from_slice(&opened);
                return Ok(arrival);
            }
            [20..=63, ..] => self.handle_dtls(now, datagram)?,
            [0..=3, ..] => {
                let message = TransportMessage {
                    now,
                    transport: TransportContext {
                        local_addr: self.local,
                        peer_addr: from,
                        transport_protocol: TransportProtocol::UDP,
                        ecn: None,
                    },
                    message: datagram.into(),
                };
                // A check that does not fit is the agent's to refuse.
                let _ = self.agent.handle_read(message);
            }
            _ => {}
        }
        self.advance(now)?;
        Ok(Arrival::Other)
    }

    pub fn handle_timeout(&mut self, now: Instant) -> Fallible<()> {
        if self.agent.poll_timeout().is_some_and(|due| due <= now) {
            self.agent.handle_timeout(now)?;
        }
        if self.dtls.poll_timeout(&SERVER).is_some_and(|due| due <= now) {
            self.dtls.handle_timeout(SERVER, now)?;
        }
        self.advance(now)
    }

    /// What follows from the last step: the path, the handshake on it, datagrams to send.
    fn advance(&mut self, now: Instant) -> Fallible<()> {
        if self.path.is_none()
            && let Some((_, remote)) = self.agent.get_selected_candidate_pair()
        {
            self.path = Some(remote.addr());
        }
        if self.path.is_some() && self.is_dtls_client && !self.handshake_started {
            self.handshake_started = true;
            self.dtls.connect(now, SERVER, self.identity.handshake(true)?, None)?;
        }
        while let Some(message) = self.agent.poll_write() {
            self.transmit(message.transport.peer_addr, &message.message);
        }
        while let Some(path) = self.path
            && let Some(message) = self.dtls.poll_transmit()
        {
            self.transmit(path, &message.message);
        }
        Ok(())
    }

    fn handle_dtls(&mut self, now: Instant, datagram: &[u8]) -> Fallible<()> {
        for event in self.dtls.read(now, SERVER, None, datagram.into())? {
            match event {
                EndpointEvent::HandshakeComplete => self.finish_handshake()?,
                EndpointEvent::PeerClosed => self.srtp = None,
                _ => {}
            }
        }
        Ok(())
    }

    fn finish_handshake(&mut self) -> Fallible<()> {
        let state = self.dtls.get_connection_state(SERVER).ok_or("no DTLS connection")?;
        let announced = self.remote.as_ref().map_or("", |remote| &remote.fingerprint);
        let certificate = state.peer_certificates.first().ok_or("no DTLS certificate")?;
        let found: String =
            sha256(certificate).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        if found != announced {
            return Err("the server's certificate is not the announced one".into());
        }
        let profile = self.identity.profile;
        if state.srtp_protection_profile() != profile.offered() {
            return Err("the server chose an SRTP profile that was not offered".into());
        }
        let mut config = SrtpConfig { profile: profile.context(), ..SrtpConfig::default() };
        let len = config.keying_material_len();
        let material = state.export_keying_material(LABEL_EXTRACTOR_DTLS_SRTP, &[], len)?;
        config.set_session_keys_from_keying_material(material.as_ref(), self.is_dtls_client)?;
        let context = |key: &[u8], salt: &[u8]| {
            Context::new(key, salt, config.profile, None, None, self.identity.provider.crypto())
        };
        let keys = &config.keys;
        self.srtp = Some(Srtp {
            outbound: context(&keys.local_master_key, &keys.local_master_salt)?,
            inbound: context(&keys.remote_master_key, &keys.remote_master_salt)?,
        });
        Ok(())
    }

    pub fn send_rtp(&mut self, packet: &[u8]) -> Fallible<()> {
        let (Some(path), Some(srtp)) = (self.path, &mut self.srtp) else { return Ok(()) };
        let sealed = srtp.outbound.encrypt_rtp(packet)?;
        self.transmit(path, &sealed);
        Ok(())
    }

    pub fn send_rtcp(&mut self, compound: &[u8]) -> Fallible<()> {
        let (Some(path), Some(srtp)) = (self.path, &mut self.srtp) else { return Ok(()) };
        let sealed = srtp.outbound.encrypt_rtcp(compound)?;
        self.transmit(path, &sealed);
        Ok(())
    }

    /// What the kernel refuses is lost, as on any network; every protocol here expects that.
    fn transmit(&self, to: SocketAddr, datagram: &[u8]) {
        let _ = self.socket.send_to(datagram, to);
    }
}

fn host_candidate(address: SocketAddr) -> Fallible<rtc::ice::candidate::Candidate> {
    let (ip, port) = (address.ip(), address.port());
    Ok(unmarshal_candidate(&format!("1 1 udp 2130706431 {ip} {port} typ host"))?)
}

fn sha256(bytes: &[u8]) -> digest::Digest {
    digest::digest(&digest::SHA256, bytes)
}

/// The DTLS endpoint knows its peers by address, and this one has only one.
const SERVER: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)), 5000);
/// Repeats lost handshake messages sooner than the 1 s of RFC 6347 §4.2.4.1, as browsers do.
const FLIGHT_INTERVAL: Duration = Duration::from_millis(250);
