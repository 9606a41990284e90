//! Encryption of one transport: none, DTLS-SRTP on its way, or keys (RFC 5764, RFC 8827 §6.5).
//!
//! The keys come into being in one place only, [`Security::unlock`], and only for a peer whose
//! certificate matches its description (H1).

use std::time::{Duration, Instant};

use super::certificate::Fingerprint;
use super::config::TransportConfig;
use super::dtls::Dtls;
use super::error::TransportError;
use super::srtp::{SrtpError, SrtpInbound, SrtpOutbound, SrtpProfile};
use super::state::{DropReason, DtlsState, FailReason};

#[derive(Debug)]
pub(super) enum Security {
    /// ENC-1.
    Plain,
    /// DTLS can be built when the remote description says in which role.
    Waiting(Box<TransportConfig>),
    Dtls(Box<Association>),
    /// After failure or close: no key is kept.
    Gone(DtlsState),
}

#[derive(Debug)]
pub(super) struct Association {
    dtls: Dtls,
    /// Last announced fingerprint; the keys stay out of reach until it is there and matches.
    fingerprint: Option<Fingerprint>,
    /// DTL-9.
    deadline: Option<Instant>,
    keys: Option<Keys>,
}

#[derive(Debug)]
struct Keys {
    outbound: SrtpOutbound,
    inbound: SrtpInbound,
}

impl Security {
    pub(super) fn new(config: TransportConfig) -> Result<Security, TransportError> {
        Ok(match config.encrypted {
            true if config.profiles.is_empty() => return Err(TransportError::NoSrtpProfile),
            true => Security::Waiting(Box::new(config)),
            false => Security::Plain,
        })
    }

    /// The role counts once, the fingerprint until it has been checked (DTL-3, DTL-8).
    pub(super) fn set_remote(
        &mut self,
        is_client: bool,
        fingerprint: Option<&str>,
    ) -> Result<(), TransportError> {
        let fingerprint = fingerprint.map(Fingerprint::parse).transpose()?;
        if let Security::Waiting(config) = self {
            let dtls = Dtls::new(is_client, config.certificate.clone(), config.profiles.clone())?;
            *self = Security::Dtls(Box::new(Association {
                dtls,
                fingerprint: None,
                deadline: None,
                keys: None,
            }));
        }
        if let (Security::Dtls(association), Some(_)) = (self, &fingerprint) {
            association.fingerprint = fingerprint;
        }
        Ok(())
    }

    pub(super) fn dtls(&mut self) -> Option<&mut Dtls> {
        match self {
            Security::Dtls(association) => Some(&mut association.dtls),
            _ => None,
        }
    }

    /// DTL-3: the client speaks first once ICE is connected. DTL-9 counts from there.
    pub(super) fn ice_connected(&mut self, now: Instant) -> Result<(), FailReason> {
        match self {
            Security::Dtls(association) if association.keys.is_none() => {
                association.deadline.get_or_insert(now + HANDSHAKE_TIMEOUT);
                association.dtls.start(now)
            }
            _ => Ok(()),
        }
    }

    /// Installs the keys once the handshake is over and the certificate is the announced one.
    pub(super) fn unlock(&mut self) -> Result<(), FailReason> {
        let Security::Dtls(association) = self else { return Ok(()) };
        if association.keys.is_some() {
            return Ok(());
        }
        let Some(fingerprint) = &association.fingerprint else { return Ok(()) };
        match association.dtls.verify(fingerprint) {
            None => return Ok(()),
            Some(false) => return Err(FailReason::FingerprintMismatch),
            Some(true) => {}
        }
        let (outbound, inbound) = association.dtls.keys().ok_or(FailReason::SrtpKeys)?;
        association.keys = Some(Keys { outbound, inbound });
        association.deadline = None;
        Ok(())
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) -> Result<(), FailReason> {
        let Security::Dtls(association) = self else { return Ok(()) };
        if association.deadline.is_some_and(|deadline| now >= deadline) {
            return Err(FailReason::DtlsTimeout);
        }
        association.dtls.handle_timeout(now)
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let Security::Dtls(association) = self else { return None };
        association.dtls.poll_timeout().into_iter().chain(association.deadline).min()
    }

    /// Clear length of `data`. A plain transport takes everything.
    pub(super) fn unprotect(
        &mut self,
        data: &mut [u8],
        is_rtcp: bool,
    ) -> Result<usize, DropReason> {
        let association = match self {
            Security::Plain => return Ok(data.len()),
            Security::Waiting(_) => return Err(DropReason::BeforeKeys),
            Security::Gone(_) => return Err(DropReason::Closed),
            Security::Dtls(association) => association,
        };
        let keys = association.keys.as_mut().ok_or(DropReason::BeforeKeys)?;
        let clear = match is_rtcp {
            true => keys.inbound.unprotect_rtcp(data),
            false => keys.inbound.unprotect_rtp(data),
        };
        clear.map_err(drop_reason)
    }

    pub(super) fn protect_rtp(
        &mut self,
        buf: &mut [u8],
        len: usize,
        header_len: usize,
        roll_over: u32,
    ) -> Option<usize> {
        if self.is_plain() {
            return Some(len);
        }
        self.keys()?.outbound.protect_rtp(buf, len, header_len, roll_over).ok()
    }

    pub(super) fn protect_rtcp(&mut self, compound: &mut Vec<u8>) -> Option<()> {
        if self.is_plain() {
            return Some(());
        }
        self.keys()?.outbound.protect_rtcp(compound).ok()
    }

    fn keys(&mut self) -> Option<&mut Keys> {
        match self {
            Security::Dtls(association) => association.keys.as_mut(),
            _ => None,
        }
    }

    pub(super) fn is_plain(&self) -> bool {
        matches!(self, Security::Plain)
    }

    /// May media flow, as far as encryption is concerned?
    pub(super) fn is_unlocked(&self) -> bool {
        self.is_plain() || self.profile().is_some()
    }

    pub(super) fn profile(&self) -> Option<SrtpProfile> {
        let Security::Dtls(association) = self else { return None };
        association.keys.as_ref().map(|keys| keys.outbound.profile())
    }

    pub(super) fn state(&self) -> DtlsState {
        match self {
            Security::Plain | Security::Waiting(_) => DtlsState::New,
            Security::Gone(state) => *state,
            Security::Dtls(association) if association.dtls.is_closed() => DtlsState::Closed,
            Security::Dtls(association) if association.keys.is_some() => DtlsState::Connected,
            Security::Dtls(association) if association.dtls.is_idle() => DtlsState::New,
            Security::Dtls(_) => DtlsState::Connecting,
        }
    }

    /// Forgets the association and its keys.
    pub(super) fn end(&mut self, state: DtlsState) {
        if !self.is_plain() {
            *self = Security::Gone(state);
        }
    }
}

fn drop_reason(error: SrtpError) -> DropReason {
    match error {
        SrtpError::Replayed | SrtpError::Stale => DropReason::Replayed,
        SrtpError::TooManySources => DropReason::TooManySources,
        _ => DropReason::UnauthenticSrtp,
    }
}

/// DTL-9: 15 to 20 s after ICE connected.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(18);
