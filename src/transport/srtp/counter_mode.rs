//! AES_CM_128_HMAC_SHA1_80 (RFC 3711 §4.1.1, §4.2.1): one keyed cipher and its authenticator for
//! one stream in one direction. AES is expanded and HMAC keyed once; a packet copies the small
//! keyed state.

use aes::Aes128Enc;
use aes::cipher::{InnerIvInit, KeyInit, StreamCipherCore};
use ctr::{CtrCore, flavors::Ctr128BE};
use hmac::{Hmac, Mac};
use sha1::Sha1;

use super::SrtpError;
use super::key_derivation::SessionKey;

pub(super) const SALT_LEN: usize = 14;
pub(super) const AUTH_KEY_LEN: usize = 20;
/// HMAC-SHA1 cut to its leftmost 80 bits.
pub(super) const TAG_LEN: usize = 10;

pub(super) struct CounterModeCipher {
    aes: Aes128Enc,
    mac: Hmac<Sha1>,
    salt: [u8; SALT_LEN],
}

impl CounterModeCipher {
    pub(super) fn new(keys: &SessionKey) -> Result<CounterModeCipher, SrtpError> {
        let mac = <Hmac<Sha1> as Mac>::new_from_slice(&keys.auth);
        Ok(CounterModeCipher {
            aes: Aes128Enc::new(&keys.key.into()),
            mac: mac.map_err(|_| SrtpError::KeyLength)?,
            salt: keys.salt,
        })
    }

    /// Encrypts or decrypts `text` in place; SRTCP uses its own index here (RFC 3711 §3.4).
    pub(super) fn apply_keystream(&self, ssrc: u32, index: u64, text: &mut [u8]) {
        let block = first_block(&self.salt, ssrc, index);
        CtrCore::<&Aes128Enc, Ctr128BE>::inner_iv_init(&self.aes, &block.into())
            .apply_keystream_partial(text.into());
    }

    /// The tag over `packet` and `suffix`; for SRTP the suffix is the roll-over counter, which is
    /// not on the wire (RFC 3711 §4.2).
    pub(super) fn tag(&self, packet: &[u8], suffix: &[u8]) -> [u8; TAG_LEN] {
        let full = self.keyed(packet, suffix).finalize().into_bytes();
        let mut tag = [0; TAG_LEN];
        for (to, from) in tag.iter_mut().zip(full) {
            *to = from;
        }
        tag
    }

    /// Compares in constant time.
    pub(super) fn verify(
        &self,
        packet: &[u8],
        suffix: &[u8],
        tag: &[u8; TAG_LEN],
    ) -> Result<(), SrtpError> {
        self.keyed(packet, suffix).verify_truncated_left(tag).map_err(|_| SrtpError::Unauthentic)
    }

    fn keyed(&self, packet: &[u8], suffix: &[u8]) -> Hmac<Sha1> {
        let mut mac = self.mac.clone();
        mac.update(packet);
        mac.update(suffix);
        mac
    }
}

/// `(salt << 16) XOR (SSRC << 64) XOR (index << 16)`; the low 16 bits count blocks (RFC 3711
/// §4.1.1):
///
/// ```text
///  0..4 salt | 4..8 salt XOR SSRC | 8..14 salt XOR index | 14..16 block counter
/// ```
fn first_block(salt: &[u8; SALT_LEN], ssrc: u32, index: u64) -> [u8; 16] {
    let [s0, s1, s2, s3] = ssrc.to_be_bytes();
    let [_, _, i0, i1, i2, i3, i4, i5] = index.to_be_bytes();
    let mut block = [0, 0, 0, 0, s0, s1, s2, s3, i0, i1, i2, i3, i4, i5, 0, 0];
    for (byte, salt) in block.iter_mut().zip(salt) {
        *byte ^= salt;
    }
    block
}

#[cfg(test)]
mod test {
    use super::*;
    use crate::transport::srtp::cipher::test::hex;

    fn cipher(key: &str, salt: &str) -> CounterModeCipher {
        CounterModeCipher::new(&SessionKey {
            key: hex(key).try_into().unwrap(),
            auth: [0; AUTH_KEY_LEN],
            salt: hex(salt).try_into().unwrap(),
        })
        .unwrap()
    }

    /// RFC 3711 appendix B.2, all its blocks: counters 0, 1, 2 and FEFF, FF00, FF01.
    #[test]
    fn produces_the_keystream_of_the_specification() {
        let cipher = cipher("2B7E151628AED2A6ABF7158809CF4F3C", "F0F1F2F3F4F5F6F7F8F9FAFBFCFD");
        let mut stream = vec![0; 0xFF02 * 16];
        cipher.apply_keystream(0, 0, &mut stream);
        for (counter, expected) in [
            (0x0000, "E03EAD0935C95E80E166B16DD92B4EB4"),
            (0x0001, "D23513162B02D0F72A43A2FE4A5F97AB"),
            (0x0002, "41E95B3BB0A2E8DD477901E4FCA894C0"),
            (0xFEFF, "EC8CDF7398607CB0F2D21675EA9EA1E4"),
            (0xFF00, "362B7C3C6773516318A077D7FC5073AE"),
            (0xFF01, "6A2CC3787889374FBEB4C81B17BA6C44"),
        ] {
            assert_eq!(stream[counter * 16..][..16], hex(expected), "block {counter:#x}");
        }
    }

    /// RFC 3711 §4.1.1: SSRC and index enter the block at their own places.
    #[test]
    fn first_blocks_differ_by_source_and_index() {
        let block = first_block(&[0; SALT_LEN], 0x0102_0304, 0x0506_0708_090a);
        assert_eq!(block, [0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0, 0]);
    }

    /// RFC 2202 §3, test case 1, cut to 80 bits; the suffix is part of the message.
    #[test]
    fn authenticates_packet_and_suffix() {
        let cipher = CounterModeCipher::new(&SessionKey {
            key: [0; 16],
            auth: [0x0b; AUTH_KEY_LEN],
            salt: [0; SALT_LEN],
        })
        .unwrap();
        let tag = cipher.tag(b"Hi T", b"here");
        assert_eq!(tag[..], hex("b617318655057264e28b"));
        assert_eq!(cipher.verify(b"Hi There", b"", &tag), Ok(()));
        assert_eq!(cipher.verify(b"Hi There", b"!", &tag), Err(SrtpError::Unauthentic));
    }
}
