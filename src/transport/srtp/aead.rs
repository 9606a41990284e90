//! AEAD_AES_128_GCM (RFC 7714): one keyed cipher for one stream in one direction.

use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use super::SrtpError;
use super::key_derivation::SessionKey;

pub(super) const SALT_LEN: usize = 12;
pub(super) const TAG_LEN: usize = 16;

pub(super) struct AeadCipher {
    key: LessSafeKey,
    salt: [u8; SALT_LEN],
}

impl AeadCipher {
    pub(super) fn new(keys: &SessionKey) -> Result<AeadCipher, SrtpError> {
        let key = UnboundKey::new(&AES_128_GCM, &keys.key).map_err(|_| SrtpError::KeyLength)?;
        let salt = *keys.salt.first_chunk().ok_or(SrtpError::KeyLength)?;
        Ok(AeadCipher { key: LessSafeKey::new(key), salt })
    }

    /// Encrypts `text` in place and returns the tag over it and `associated`.
    pub(super) fn seal(
        &self,
        ssrc: u32,
        index: u64,
        associated: &[u8],
        text: &mut [u8],
    ) -> Result<impl AsRef<[u8]> + use<>, SrtpError> {
        let nonce = Nonce::assume_unique_for_key(nonce(&self.salt, ssrc, index));
        self.key
            .seal_in_place_separate_tag(nonce, Aad::from(associated), text)
            .map_err(|_| SrtpError::TooLong)
    }

    /// Decrypts `sealed`, cipher text and tag, in place. A wrong tag leaves garbage in it.
    pub(super) fn open(
        &self,
        ssrc: u32,
        index: u64,
        associated: &[u8],
        sealed: &mut [u8],
    ) -> Result<(), SrtpError> {
        let nonce = Nonce::assume_unique_for_key(nonce(&self.salt, ssrc, index));
        self.key
            .open_in_place(nonce, Aad::from(associated), sealed)
            .map(|_| ())
            .map_err(|_| SrtpError::Unauthentic)
    }
}

/// The nonce of one packet. SRTP puts the 48 bit packet index in the last six bytes (RFC 7714
/// §8.1), SRTCP two zero bytes and the 31 bit SRTCP index (§9.1), which is the same number:
///
/// ```text
///  0  0 | SSRC (4) | index (6)    XOR    salt (12)
/// ```
fn nonce(salt: &[u8; SALT_LEN], ssrc: u32, index: u64) -> [u8; SALT_LEN] {
    let [s0, s1, s2, s3] = ssrc.to_be_bytes();
    let [_, _, i0, i1, i2, i3, i4, i5] = index.to_be_bytes();
    let mut nonce = [0, 0, s0, s1, s2, s3, i0, i1, i2, i3, i4, i5];
    for (byte, salt) in nonce.iter_mut().zip(salt) {
        *byte ^= salt;
    }
    nonce
}

#[cfg(test)]
mod test {
    use super::*;

    /// RFC 7714 §16.1.1 and §17.1.
    #[test]
    fn builds_the_nonces_of_the_specification() {
        let salt = b"Quid pro quo";
        let rtp = nonce(salt, 0x5501_a0b2, 0xf17b);
        assert_eq!(rtp, *b"\x51\x75\x3c\x65\x80\xc2\x72\x6f\x20\x71\x84\x14");
        let rtcp = nonce(salt, 0x4d61_7273, 0x5d4);
        assert_eq!(rtcp, *b"\x51\x75\x24\x05\x52\x03\x72\x6f\x20\x71\x70\xbb");
    }

    /// Security N12: sixteen sources over a roll-over, and every index of one RTCP sender.
    #[test]
    fn nonces_are_unique_over_two_to_the_twenty_records() {
        let all_differ = |record: fn(u64) -> (u32, u64)| {
            // Sorting packed nonces is ten times as fast as a hash set of them.
            let mut seen: Vec<u128> = (0..1 << 20)
                .map(|n| {
                    let (ssrc, index) = record(n);
                    let mut wide = [0; 16];
                    wide[4..].copy_from_slice(&nonce(&[0xa5; SALT_LEN], ssrc, index));
                    u128::from_be_bytes(wide)
                })
                .collect();
            seen.sort_unstable();
            seen.windows(2).all(|pair| pair[0] != pair[1])
        };
        assert!(all_differ(|n| (0xffff_fff0 + (n % 16) as u32, 0xff00 + n / 16)));
        assert!(all_differ(|n| (7, n)));
    }

    #[test]
    fn bits_above_the_index_never_reach_the_source() {
        let salt = [0; SALT_LEN];
        assert_ne!(nonce(&salt, 0, 1 << 47), nonce(&salt, 1, 0));
        assert_eq!(nonce(&salt, 1, (1 << 48) - 1)[2..6], [0, 0, 0, 1]);
    }
}
