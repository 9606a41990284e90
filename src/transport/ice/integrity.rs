//! MESSAGE-INTEGRITY (RFC 8489 §14.5) for the agent.

use hmac::{Hmac, Mac};
use is::Sha1HmacProvider;
use sha1::Sha1;

#[derive(Debug)]
pub(super) struct Integrity;

impl Sha1HmacProvider for Integrity {
    fn sha1_hmac(&self, key: &[u8], payloads: &[&[u8]]) -> [u8; 20] {
        let mut mac = <Hmac<Sha1> as Mac>::new_from_slice(key).expect("HMAC takes any key length");
        for payload in payloads {
            mac.update(payload);
        }
        mac.finalize().into_bytes().into()
    }
}

#[cfg(test)]
mod test {
    use super::*;

    #[test]
    fn agrees_with_rfc_2202_however_the_text_is_cut() {
        let expected = [
            0xef, 0xfc, 0xdf, 0x6a, 0xe5, 0xeb, 0x2f, 0xa2, 0xd2, 0x74, 0x16, 0xd5, 0xf1, 0x84,
            0xdf, 0x9c, 0x25, 0x9a, 0x7c, 0x79,
        ];
        let text = b"what do ya want for nothing?";
        assert_eq!(Integrity.sha1_hmac(b"Jefe", &[text]), expected);
        assert_eq!(Integrity.sha1_hmac(b"Jefe", &[&text[..5], &text[5..]]), expected);
    }
}
