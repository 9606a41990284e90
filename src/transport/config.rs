//! What a transport is built from, checked once on construction.

use std::sync::Arc;

use super::certificate::Certificate;
use super::srtp::SrtpProfile;

#[derive(Clone, Debug)]
pub struct TransportConfig {
    /// `true` if the transport was created by a local offer (contract ICE-3). Ignored with
    /// `ice_lite`, which is always controlled.
    pub ice_controlling: bool,
    /// Answer checks, send none (RFC 8445 §2.5).
    pub ice_lite: bool,
    /// `false`: no DTLS, no SRTP, media in clear (contract ENC-1).
    pub encrypted: bool,
    /// In order of preference. AES-GCM first: it costs a quarter of AES-CM per packet.
    pub profiles: Vec<SrtpProfile>,
    /// Shared by every transport of the process (contract DTL-1).
    pub certificate: Arc<Certificate>,
}

impl TransportConfig {
    /// An encrypted, full ICE transport.
    pub fn new(certificate: Arc<Certificate>, ice_controlling: bool) -> Self {
        TransportConfig {
            ice_controlling,
            ice_lite: false,
            encrypted: true,
            profiles: vec![SrtpProfile::AeadAes128Gcm, SrtpProfile::Aes128CmHmacSha1_80],
            certificate,
        }
    }
}
