//! Session keys from a master key and salt (RFC 3711 §4.3, RFC 7714 §11).
//!
//! The key derivation rate is zero, so this runs once per direction. The temporary copies are
//! wiped; the ciphers keep their expanded schedules for as long as the association lives.

use aes::Aes128Enc;
use aes::cipher::{InnerIvInit, KeyInit, StreamCipherCore};
use ctr::{CtrCore, flavors::Ctr128BE};

use super::{KEY_LEN, SrtpError, SrtpProfile, counter_mode};

/// Which of the two streams of an association a session key is for.
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub(super) enum Stream {
    Rtp,
    Rtcp,
}

/// Keys of one stream in one direction. `auth` is unused by AEAD; the AEAD salt is the first
/// 12 bytes of `salt`.
pub(super) struct SessionKey {
    pub(super) key: [u8; KEY_LEN],
    pub(super) auth: [u8; counter_mode::AUTH_KEY_LEN],
    pub(super) salt: [u8; counter_mode::SALT_LEN],
}

impl SessionKey {
    pub(super) fn derive(
        profile: SrtpProfile,
        stream: Stream,
        master_key: &[u8],
        master_salt: &[u8],
    ) -> Result<SessionKey, SrtpError> {
        if master_salt.len() != profile.salt_len() {
            return Err(SrtpError::KeyLength);
        }
        let master = Aes128Enc::new_from_slice(master_key).map_err(|_| SrtpError::KeyLength)?;
        // A 96 bit salt is padded on the right to 112 bits (RFC 7714 §11).
        let mut salt = [0; counter_mode::SALT_LEN];
        for (to, from) in salt.iter_mut().zip(master_salt) {
            *to = *from;
        }

        // Labels of RFC 3711 §4.3.1 and §4.3.2.
        let first_label = match stream {
            Stream::Rtp => 0,
            Stream::Rtcp => 3,
        };
        let mut keys = SessionKey {
            key: [0; KEY_LEN],
            auth: [0; counter_mode::AUTH_KEY_LEN],
            salt: [0; counter_mode::SALT_LEN],
        };
        expand(&master, &salt, first_label, &mut keys.key);
        expand(&master, &salt, first_label + 1, &mut keys.auth);
        expand(&master, &salt, first_label + 2, &mut keys.salt);
        wipe(&mut salt);
        Ok(keys)
    }
}

impl Drop for SessionKey {
    fn drop(&mut self) {
        wipe(&mut self.key);
        wipe(&mut self.auth);
        wipe(&mut self.salt);
    }
}

/// AES-CM PRF (RFC 3711 §4.3.3): the keystream that starts at `(label << 48) XOR salt`, shifted
/// left by the 16 bits of the block counter.
fn expand(master: &Aes128Enc, salt: &[u8; counter_mode::SALT_LEN], label: u8, out: &mut [u8]) {
    let mut block = [0u8; 16];
    for (to, from) in block.iter_mut().zip(salt) {
        *to = *from;
    }
    block[7] ^= label;
    out.fill(0);
    CtrCore::<&Aes128Enc, Ctr128BE>::inner_iv_init(master, &block.into())
        .apply_keystream_partial(out.into());
    wipe(&mut block);
}

/// Overwrites key bytes; `black_box` keeps the compiler from seeing that nobody reads them again.
fn wipe(bytes: &mut [u8]) {
    bytes.fill(0);
    std::hint::black_box(bytes);
}

#[cfg(test)]
mod test {
    use super::*;
    use crate::transport::srtp::cipher::test::hex;

    /// RFC 3711 appendix B.3.
    #[test]
    fn derives_the_session_keys_of_the_specification() {
        let key = hex("E1F97A0D3E018BE0D64FA32C06DE4139");
        let salt = hex("0EC675AD498AFEEBB6960B3AABE6");
        let keys =
            SessionKey::derive(SrtpProfile::Aes128CmHmacSha1_80, Stream::Rtp, &key, &salt).unwrap();
        assert_eq!(keys.key[..], hex("C61E7A93744F39EE10734AFE3FF7A087"));
        assert_eq!(keys.salt[..], hex("30CBBC08863D8C85D49DB34A9AE1"));
        assert_eq!(keys.auth[..], hex("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4"));
    }

    /// RFC 3711 appendix B.3: all 94 bytes of its authentication key, beyond one block counter.
    #[test]
    fn expands_over_several_blocks() {
        let master = Aes128Enc::new(
            &[
                0xE1, 0xF9, 0x7A, 0x0D, 0x3E, 0x01, 0x8B, 0xE0, 0xD6, 0x4F, 0xA3, 0x2C, 0x06, 0xDE,
                0x41, 0x39,
            ]
            .into(),
        );
        let salt = hex("0EC675AD498AFEEBB6960B3AABE6").try_into().unwrap();
        let mut auth = [0; 94];
        expand(&master, &salt, 1, &mut auth);
        let expected = "CEBE321F6FF7716B6FD4AB49AF256A156D38BAA48F0A0ACF3C34E2359E6CDBCE\
                        E049646C43D9327AD175578EF72270986371C10C9A369AC2F94A8C5FBCDDDC25\
                        6D6E919A48B610EF17C2041E474035766B68642C59BBFC2F34DB60DBDFB2";
        assert_eq!(auth[..], hex(expected));
    }

    #[test]
    fn streams_share_no_key() {
        let derive = |stream| {
            SessionKey::derive(SrtpProfile::AeadAes128Gcm, stream, &[1; 16], &[2; 12]).unwrap()
        };
        let (rtp, rtcp) = (derive(Stream::Rtp), derive(Stream::Rtcp));
        assert_ne!(rtp.key, rtcp.key);
        assert_ne!(rtp.auth, rtcp.auth);
        assert_ne!(rtp.salt, rtcp.salt);
    }

    #[test]
    fn wrong_lengths_are_refused() {
        for (profile, salt_len) in
            [(SrtpProfile::AeadAes128Gcm, 14), (SrtpProfile::Aes128CmHmacSha1_80, 12)]
        {
            let wrong_salt = SessionKey::derive(profile, Stream::Rtp, &[0; 16], &vec![0; salt_len]);
            assert_eq!(wrong_salt.err(), Some(SrtpError::KeyLength));
            let salt = vec![0; profile.salt_len()];
            let wrong_key = SessionKey::derive(profile, Stream::Rtp, &[0; 15], &salt);
            assert_eq!(wrong_key.err(), Some(SrtpError::KeyLength));
        }
    }
}
