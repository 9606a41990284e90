//! Packet layouts of both profiles over their ciphers: what is encrypted, what is authenticated,
//! and where tag and index stand.

use super::aead::{self, AeadCipher};
use super::counter_mode::{self, CounterModeCipher};
use super::header::RTCP_CLEAR_LEN;
use super::key_derivation::{SessionKey, Stream};
use super::{MAX_PACKET_LEN, RTCP_ENCRYPTED, RTCP_INDEX_LEN, SrtpError, SrtpProfile};

/// One stream (RTP or RTCP) in one direction.
pub(super) enum Cipher {
    Aead(Box<AeadCipher>),
    CounterMode(Box<CounterModeCipher>),
}

impl Cipher {
    pub(super) fn new(
        profile: SrtpProfile,
        stream: Stream,
        master_key: &[u8],
        master_salt: &[u8],
    ) -> Result<Cipher, SrtpError> {
        let keys = SessionKey::derive(profile, stream, master_key, master_salt)?;
        Cipher::from_session_key(profile, &keys)
    }

    fn from_session_key(profile: SrtpProfile, keys: &SessionKey) -> Result<Cipher, SrtpError> {
        Ok(match profile {
            SrtpProfile::AeadAes128Gcm => Cipher::Aead(Box::new(AeadCipher::new(keys)?)),
            SrtpProfile::Aes128CmHmacSha1_80 => {
                Cipher::CounterMode(Box::new(CounterModeCipher::new(keys)?))
            }
        })
    }

    pub(super) fn profile(&self) -> SrtpProfile {
        match self {
            Cipher::Aead(_) => SrtpProfile::AeadAes128Gcm,
            Cipher::CounterMode(_) => SrtpProfile::Aes128CmHmacSha1_80,
        }
    }

    /// Both profiles (RFC 3711 §3.1, RFC 7714 §8):
    ///
    /// ```text
    /// header, CSRC, extension | encrypted payload and padding | tag
    /// ```
    ///
    /// `packet` is the clear packet followed by room for the tag.
    pub(super) fn seal_rtp(
        &self,
        ssrc: u32,
        index: u64,
        header_len: usize,
        packet: &mut [u8],
    ) -> Result<(), SrtpError> {
        let (header, payload, tag) = split(packet, header_len, self.profile().rtp_overhead())?;
        match self {
            Cipher::Aead(cipher) => {
                tag.copy_from_slice(cipher.seal(ssrc, index, header, payload)?.as_ref());
            }
            Cipher::CounterMode(cipher) => {
                cipher.apply_keystream(ssrc, index, payload);
                let (sealed, tag) =
                    packet.split_last_chunk_mut().ok_or(SrtpError::BufferTooSmall)?;
                *tag = cipher.tag(sealed, &roll_over(index));
            }
        }
        Ok(())
    }

    /// Returns the clear length. A refused AEAD packet is left as garbage.
    pub(super) fn open_rtp(
        &self,
        ssrc: u32,
        index: u64,
        header_len: usize,
        packet: &mut [u8],
    ) -> Result<usize, SrtpError> {
        let (header, payload, _) = split(packet, header_len, self.profile().rtp_overhead())?;
        let clear_len = header.len() + payload.len();
        match self {
            Cipher::Aead(cipher) => {
                let (header, sealed) =
                    packet.split_at_mut_checked(header_len).ok_or(SrtpError::TooShort)?;
                cipher.open(ssrc, index, header, sealed)?;
            }
            Cipher::CounterMode(cipher) => {
                let (sealed, tag) = packet.split_last_chunk_mut().ok_or(SrtpError::TooShort)?;
                cipher.verify(sealed, &roll_over(index), tag)?;
                let payload = sealed.get_mut(header_len..).ok_or(SrtpError::TooShort)?;
                cipher.apply_keystream(ssrc, index, payload);
            }
        }
        Ok(clear_len)
    }

    /// `packet` is the clear compound followed by room for tag and index word, whose order the
    /// profiles disagree on (RFC 3711 §3.4, RFC 7714 §9):
    ///
    /// ```text
    /// AES_CM_128_HMAC_SHA1_80:  header, SSRC | encrypted | E, index | tag
    /// AEAD_AES_128_GCM:         header, SSRC | encrypted | tag | E, index
    /// ```
    pub(super) fn seal_rtcp(
        &self,
        ssrc: u32,
        index: u32,
        packet: &mut [u8],
    ) -> Result<(), SrtpError> {
        let word = (RTCP_ENCRYPTED | index).to_be_bytes();
        let (clear, body, trailer) = split(packet, RTCP_CLEAR_LEN, self.profile().rtcp_overhead())?;
        match self {
            Cipher::Aead(cipher) => {
                let associated = rtcp_associated(clear, word);
                let sealed = cipher.seal(ssrc, u64::from(index), &associated, body)?;
                let (tag, end) = trailer.split_at_mut(aead::TAG_LEN);
                tag.copy_from_slice(sealed.as_ref());
                end.copy_from_slice(&word);
            }
            Cipher::CounterMode(cipher) => {
                cipher.apply_keystream(ssrc, u64::from(index), body);
                trailer.split_at_mut(RTCP_INDEX_LEN).0.copy_from_slice(&word);
                let (sealed, tag) =
                    packet.split_last_chunk_mut().ok_or(SrtpError::BufferTooSmall)?;
                *tag = cipher.tag(sealed, &[]);
            }
        }
        Ok(())
    }

    /// The index of a packet not yet authenticated. A packet that is not encrypted is refused:
    /// both profiles make SRTCP encryption the default and DTLS-SRTP cannot turn it off, so E=0
    /// can only be a forgery or a fault.
    pub(super) fn rtcp_index(&self, packet: &[u8]) -> Result<u32, SrtpError> {
        let behind = match self {
            Cipher::Aead(_) => 0,
            Cipher::CounterMode(_) => counter_mode::TAG_LEN,
        };
        let word = packet
            .len()
            .checked_sub(behind)
            .and_then(|end| packet.get(..end))
            .and_then(|rest| rest.last_chunk::<RTCP_INDEX_LEN>())
            .ok_or(SrtpError::TooShort)?;
        let word = u32::from_be_bytes(*word);
        if word & RTCP_ENCRYPTED == 0 {
            return Err(SrtpError::NotEncrypted);
        }
        Ok(word & !RTCP_ENCRYPTED)
    }

    /// Returns the clear length; `index` is what [`rtcp_index`](Self::rtcp_index) read.
    pub(super) fn open_rtcp(
        &self,
        ssrc: u32,
        index: u32,
        packet: &mut [u8],
    ) -> Result<usize, SrtpError> {
        let (clear, body, _) = split(packet, RTCP_CLEAR_LEN, self.profile().rtcp_overhead())?;
        let clear_len = clear.len() + body.len();
        match self {
            Cipher::Aead(cipher) => {
                let (rest, word) =
                    packet.split_last_chunk_mut::<RTCP_INDEX_LEN>().ok_or(SrtpError::TooShort)?;
                let (clear, sealed) =
                    rest.split_at_mut_checked(RTCP_CLEAR_LEN).ok_or(SrtpError::TooShort)?;
                let associated = rtcp_associated(clear, *word);
                cipher.open(ssrc, u64::from(index), &associated, sealed)?;
            }
            Cipher::CounterMode(cipher) => {
                let (sealed, tag) = packet.split_last_chunk_mut().ok_or(SrtpError::TooShort)?;
                cipher.verify(sealed, &[], tag)?;
                let body = sealed.get_mut(RTCP_CLEAR_LEN..clear_len).ok_or(SrtpError::TooShort)?;
                cipher.apply_keystream(ssrc, u64::from(index), body);
            }
        }
        Ok(clear_len)
    }
}

/// Clear head, encrypted middle, trailer.
type Parts<'a> = (&'a mut [u8], &'a mut [u8], &'a mut [u8]);

fn split(packet: &mut [u8], head_len: usize, trailer_len: usize) -> Result<Parts<'_>, SrtpError> {
    if packet.len() > MAX_PACKET_LEN {
        return Err(SrtpError::TooLong);
    }
    let middle_end = packet.len().checked_sub(trailer_len).ok_or(SrtpError::TooShort)?;
    let (rest, trailer) = packet.split_at_mut(middle_end);
    let (head, middle) = rest.split_at_mut_checked(head_len).ok_or(SrtpError::TooShort)?;
    Ok((head, middle, trailer))
}

/// The upper 32 of the 48 bits of a packet index.
fn roll_over(index: u64) -> [u8; 4] {
    let [_, _, r0, r1, r2, r3, _, _] = index.to_be_bytes();
    [r0, r1, r2, r3]
}

/// RFC 7714 §9.2: the clear head, then the index word.
fn rtcp_associated(
    clear: &[u8],
    word: [u8; RTCP_INDEX_LEN],
) -> [u8; RTCP_CLEAR_LEN + RTCP_INDEX_LEN] {
    let mut associated = [0; RTCP_CLEAR_LEN + RTCP_INDEX_LEN];
    for (to, from) in associated.iter_mut().zip(clear.iter().chain(&word)) {
        *to = *from;
    }
    associated
}

#[cfg(test)]
pub(super) mod test {
    use super::*;

    /// Bytes from hexadecimal text, white space ignored.
    pub(in super::super) fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<char> = text.chars().filter(|c| !c.is_whitespace()).collect();
        digits
            .chunks(2)
            .map(|pair| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap())
            .collect()
    }

    /// The key and salt of RFC 7714 §16 and §17, which are session keys.
    fn specification_cipher() -> Cipher {
        let mut salt = *b"Quid pro quo\0\0";
        salt[12..].fill(0);
        let key = std::array::from_fn(|n| n as u8);
        let keys = SessionKey { key, auth: [0; 20], salt };
        Cipher::from_session_key(SrtpProfile::AeadAes128Gcm, &keys).unwrap()
    }

    /// RFC 7714 §16.1.1 and §16.1.2.
    #[test]
    fn gcm_seals_and_opens_the_rtp_packet_of_the_specification() {
        let clear = hex("8040f17b 8041f8d3 5501a0b2 47616c6c 69612065 7374206f 6d6e6973 20646976 \
                         69736120 696e2070 61727465 73207472 6573");
        let sealed =
            hex("8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5 \
                          0d294e6f 42a5f47a 51c7d19b 36de3adf 8833899d 7f27beb1 6a9152cf 765ee439 \
                          0cce");
        let cipher = specification_cipher();
        let mut packet = clear.clone();
        packet.resize(clear.len() + 16, 0);
        cipher.seal_rtp(0x5501_a0b2, 0xf17b, 12, &mut packet).unwrap();
        assert_eq!(packet, sealed);
        assert_eq!(cipher.open_rtp(0x5501_a0b2, 0xf17b, 12, &mut packet), Ok(clear.len()));
        assert_eq!(packet[..clear.len()], clear);
    }

    /// RFC 7714 §17.1 and §17.2.
    #[test]
    fn gcm_seals_and_opens_the_rtcp_packet_of_the_specification() {
        let clear = hex("81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61 \
                         deadbeef deadbeef deadbeef deadbeef deadbeef");
        let sealed =
            hex("81c8000d 4d617273 63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d \
                          c676a5f1 730d6fda 4ce09b46 86303ded 0bb9275b c84aa458 96cf4d2f c5abf872 \
                          45d9eade 800005d4");
        let cipher = specification_cipher();
        let mut packet = clear.clone();
        packet.resize(clear.len() + 20, 0);
        cipher.seal_rtcp(0x4d61_7273, 0x5d4, &mut packet).unwrap();
        assert_eq!(packet, sealed);
        assert_eq!(cipher.rtcp_index(&packet), Ok(0x5d4));
        assert_eq!(cipher.open_rtcp(0x4d61_7273, 0x5d4, &mut packet), Ok(clear.len()));
        assert_eq!(packet[..clear.len()], clear);
    }

    /// The key of RFC 3711 appendix B.3 and the packets every libsrtp build checks itself with.
    #[test]
    fn counter_mode_agrees_with_the_reference_packets_of_libsrtp() {
        let key = hex("E1F97A0D3E018BE0D64FA32C06DE4139");
        let salt = hex("0EC675AD498AFEEBB6960B3AABE6");
        let cipher =
            |stream| Cipher::new(SrtpProfile::Aes128CmHmacSha1_80, stream, &key, &salt).unwrap();

        let mut rtp = hex("800f1234 decafbad cafebabe abababab abababab abababab abababab");
        rtp.resize(rtp.len() + 10, 0);
        cipher(Stream::Rtp).seal_rtp(0xcafe_babe, 0x1234, 12, &mut rtp).unwrap();
        let sealed = "800f1234 decafbad cafebabe 4e55dc4c e79978d8 8ca4d215 949d2402 \
                      b78d6acc 99ea179b 8dbb";
        assert_eq!(rtp, hex(sealed));

        let mut rtcp = hex("81c8000b cafebabe abababab abababab abababab abababab");
        rtcp.resize(rtcp.len() + 14, 0);
        cipher(Stream::Rtcp).seal_rtcp(0xcafe_babe, 1, &mut rtcp).unwrap();
        let sealed = "81c8000b cafebabe 7128035b e487b9bd bef89041 f977a5a8 80000001 \
                      993e08cd 54d6c123 0798";
        assert_eq!(rtcp, hex(sealed));
    }
}
