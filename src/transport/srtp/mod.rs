//! SRTP and SRTCP in place: AEAD_AES_128_GCM (RFC 7714) and AES_CM_128_HMAC_SHA1_80 (RFC 3711).
//!
//! One outbound and one inbound half per association, keyed from the DTLS exporter (RFC 5764).
//! No packet allocates. Only authentic packets change state, so forged ones cost one cheap look-up
//! and one tag. Which SSRC may carry what is decided above; there is no MKI and no key derivation
//! rate, because DTLS-SRTP signals neither.

mod aead;
mod cipher;
mod counter_mode;
mod error;
mod header;
mod inbound;
mod key_derivation;
mod outbound;
mod replay;
mod sources;

pub use error::SrtpError;
pub use inbound::SrtpInbound;
pub use outbound::SrtpOutbound;
pub use sources::MAX_SOURCES;

/// The protection profiles this engine offers (RFC 5764 §4.1.2, RFC 7714 §14.2).
#[derive(Copy, Clone, Eq, PartialEq, Hash, Debug)]
pub enum SrtpProfile {
    AeadAes128Gcm,
    Aes128CmHmacSha1_80,
}

impl SrtpProfile {
    /// In order of preference: AES-GCM costs a quarter of AES-CM per packet (performance.md §2).
    pub const ALL: [SrtpProfile; 2] =
        [SrtpProfile::AeadAes128Gcm, SrtpProfile::Aes128CmHmacSha1_80];

    /// The name in IANA's registry of DTLS-SRTP protection profiles.
    pub fn name(self) -> &'static str {
        match self {
            SrtpProfile::AeadAes128Gcm => "SRTP_AEAD_AES_128_GCM",
            SrtpProfile::Aes128CmHmacSha1_80 => "SRTP_AES128_CM_HMAC_SHA1_80",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|profile| profile.name() == name)
    }

    /// Master key length in bytes.
    pub fn key_len(self) -> usize {
        KEY_LEN
    }

    /// Master salt length in bytes.
    pub fn salt_len(self) -> usize {
        match self {
            SrtpProfile::AeadAes128Gcm => aead::SALT_LEN,
            SrtpProfile::Aes128CmHmacSha1_80 => counter_mode::SALT_LEN,
        }
    }

    /// Bytes that protecting adds to an RTP packet.
    pub fn rtp_overhead(self) -> usize {
        match self {
            SrtpProfile::AeadAes128Gcm => aead::TAG_LEN,
            SrtpProfile::Aes128CmHmacSha1_80 => counter_mode::TAG_LEN,
        }
    }

    /// Bytes that protecting adds to a compound RTCP packet: the tag and the index word.
    pub fn rtcp_overhead(self) -> usize {
        self.rtp_overhead() + RTCP_INDEX_LEN
    }
}

/// Bytes to ask the DTLS exporter for, label `EXTRACTOR-dtls_srtp` (RFC 5764 §4.2).
pub fn keying_material_len(profile: SrtpProfile) -> usize {
    2 * (profile.key_len() + profile.salt_len())
}

/// Both halves of an association, from the key block of one DTLS handshake.
#[derive(Copy, Clone, Debug)]
pub struct SessionKeys;

impl SessionKeys {
    /// `material` is what the exporter gave for [`keying_material_len`]:
    ///
    /// ```text
    /// client key | server key | client salt | server salt      (RFC 5764 §4.2)
    /// ```
    pub fn from_exporter(
        profile: SrtpProfile,
        material: &[u8],
        is_dtls_client: bool,
    ) -> Result<(SrtpOutbound, SrtpInbound), SrtpError> {
        if material.len() != keying_material_len(profile) {
            return Err(SrtpError::KeyLength);
        }
        let (keys, salts) = material.split_at(2 * profile.key_len());
        let (client_key, server_key) = keys.split_at(profile.key_len());
        let (client_salt, server_salt) = salts.split_at(profile.salt_len());
        let client = (client_key, client_salt);
        let server = (server_key, server_salt);
        let (local, remote) = if is_dtls_client { (client, server) } else { (server, client) };
        Ok((
            SrtpOutbound::new(profile, local.0, local.1)?,
            SrtpInbound::new(profile, remote.0, remote.1)?,
        ))
    }
}

/// AES-128 in both profiles.
const KEY_LEN: usize = 16;
/// The word `E | SRTCP index` that ends or nearly ends every SRTCP packet (RFC 3711 §3.4).
const RTCP_INDEX_LEN: usize = 4;
/// E flag of that word: the packet is encrypted (RFC 3711 §3.4).
const RTCP_ENCRYPTED: u32 = 1 << 31;
/// Largest UDP payload. Far below the 2^16 blocks after which counter mode would repeat its
/// keystream (RFC 3711 §4.1.1).
const MAX_PACKET_LEN: usize = 65_535;

#[cfg(test)]
mod test {
    use super::*;

    #[test]
    fn lengths_follow_the_profile() {
        let gcm = SrtpProfile::AeadAes128Gcm;
        let cm = SrtpProfile::Aes128CmHmacSha1_80;
        assert_eq!((gcm.key_len(), gcm.salt_len()), (16, 12));
        assert_eq!((cm.key_len(), cm.salt_len()), (16, 14));
        assert_eq!((gcm.rtp_overhead(), gcm.rtcp_overhead()), (16, 20));
        assert_eq!((cm.rtp_overhead(), cm.rtcp_overhead()), (10, 14));
        assert_eq!((keying_material_len(gcm), keying_material_len(cm)), (56, 60));
    }

    #[test]
    fn client_and_server_halves_of_one_key_block_meet() {
        for profile in [SrtpProfile::AeadAes128Gcm, SrtpProfile::Aes128CmHmacSha1_80] {
            let material: Vec<u8> = (0..keying_material_len(profile) as u8).collect();
            let (client_out, mut client_in) =
                SessionKeys::from_exporter(profile, &material, true).unwrap();
            let (server_out, mut server_in) =
                SessionKeys::from_exporter(profile, &material, false).unwrap();

            let mut packet = [0u8; 64];
            packet[0] = 0x80;
            for (out, inbound) in [(client_out, &mut server_in), (server_out, &mut client_in)] {
                let mut wire = packet;
                let len = out.protect_rtp(&mut wire, 40, 12, 0).unwrap();
                assert_eq!(inbound.unprotect_rtp(&mut wire[..len]), Ok(40));
                assert_eq!(wire[..40], packet[..40]);
            }
        }
    }

    #[test]
    fn a_key_block_of_another_length_is_refused() {
        for profile in [SrtpProfile::AeadAes128Gcm, SrtpProfile::Aes128CmHmacSha1_80] {
            for len in [0, keying_material_len(profile) - 1, keying_material_len(profile) + 1] {
                let refused = SessionKeys::from_exporter(profile, &vec![1; len], true);
                assert_eq!(refused.err(), Some(SrtpError::KeyLength));
            }
        }
    }

    #[test]
    fn debug_output_shows_no_key_material() {
        let (out, inbound) =
            SessionKeys::from_exporter(SrtpProfile::AeadAes128Gcm, &[0xa5; 56], true).unwrap();
        let shown = format!("{out:?} {inbound:?}");
        assert!(!shown.contains("165") && !shown.to_lowercase().contains("a5"), "{shown}");
    }
}
