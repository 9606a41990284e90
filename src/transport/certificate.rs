//! Our DTLS certificate and the check of the peer's against its description (RFC 8122 §5).
//!
//! The key is ECDSA P-256, the signature SHA-256 (contract DTL-1). Self-signed: trust comes from
//! the fingerprint in the description, never from a chain.

use std::sync::Arc;

use ring::digest;
use rtc::crypto::RTCCryptoProvider;
use rtc::dtls::crypto::Certificate as DtlsCertificate;

use super::error::TransportError;

/// Made once per process and shared by its transports.
pub struct Certificate {
    inner: DtlsCertificate,
    provider: Arc<dyn RTCCryptoProvider>,
}

impl Certificate {
    pub fn generate() -> Result<Certificate, TransportError> {
        let provider = rtc::crypto::default_provider().map_err(|_| TransportError::Certificate)?;
        let names = vec!["erizo".to_owned()];
        let inner = DtlsCertificate::generate_self_signed(names, provider.crypto())
            .map_err(|_| TransportError::Certificate)?;
        Ok(Certificate { inner, provider })
    }

    /// SHA-256 as uppercase hex pairs joined by colons, without the algorithm's name (DTL-2).
    pub fn fingerprint(&self) -> String {
        let der = self.inner.certificate.first().map_or(&[][..], |der| der.as_ref());
        let digest = digest::digest(&digest::SHA256, der);
        let pairs: Vec<String> = digest.as_ref().iter().map(|b| format!("{b:02X}")).collect();
        pairs.join(":")
    }

    pub(super) fn dtls(&self) -> &DtlsCertificate {
        &self.inner
    }

    pub(super) fn provider(&self) -> &Arc<dyn RTCCryptoProvider> {
        &self.provider
    }
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certificate").field("fingerprint", &self.fingerprint()).finish()
    }
}

/// The remote certificate's digest, as its description announced it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Fingerprint(Vec<u8>);

impl Fingerprint {
    /// Hex pairs with or without colons, in either case; a leading algorithm name is skipped,
    /// because the length says which algorithm it is (contract DTL-8).
    pub(super) fn parse(text: &str) -> Result<Fingerprint, TransportError> {
        let malformed = TransportError::MalformedFingerprint;
        let hex = text.split_ascii_whitespace().next_back().ok_or(malformed)?;
        let mut nibbles = hex.bytes().filter(|b| *b != b':').map(|b| (b as char).to_digit(16));
        let mut bytes = Vec::with_capacity(64);
        while let Some(high) = nibbles.next() {
            let (Some(high), Some(Some(low))) = (high, nibbles.next()) else {
                return Err(malformed);
            };
            if bytes.len() == 64 {
                return Err(malformed);
            }
            bytes.push((high * 16 + low) as u8);
        }
        algorithm(bytes.len()).map(|_| Fingerprint(bytes)).ok_or(malformed)
    }

    pub(super) fn matches(&self, certificate_der: &[u8]) -> bool {
        algorithm(self.0.len())
            .is_some_and(|algorithm| digest::digest(algorithm, certificate_der).as_ref() == self.0)
    }
}

fn algorithm(digest_len: usize) -> Option<&'static digest::Algorithm> {
    Some(match digest_len {
        20 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
        32 => &digest::SHA256,
        48 => &digest::SHA384,
        64 => &digest::SHA512,
        _ => return None,
    })
}

#[cfg(test)]
mod test {
    use super::*;

    #[test]
    fn the_fingerprint_has_the_form_erizojs_expects() {
        let fingerprint = Certificate::generate().unwrap().fingerprint();
        assert_eq!(fingerprint.len(), 32 * 3 - 1);
        assert!(fingerprint.split(':').all(|pair| {
            pair.len() == 2 && pair.bytes().all(|b| matches!(b, b'0'..=b'9' | b'A'..=b'F'))
        }));
    }

    #[test]
    fn certificates_differ() {
        let (a, b) = (Certificate::generate().unwrap(), Certificate::generate().unwrap());
        assert_ne!(a.fingerprint(), b.fingerprint());
    }

    #[test]
    fn a_fingerprint_matches_its_certificate_in_any_case_and_with_any_algorithm() {
        let der = b"certificate";
        for algorithm in
            [&digest::SHA1_FOR_LEGACY_USE_ONLY, &digest::SHA256, &digest::SHA384, &digest::SHA512]
        {
            let digest = digest::digest(algorithm, der);
            let hex: Vec<String> = digest.as_ref().iter().map(|b| format!("{b:02x}")).collect();
            for text in [hex.join(":"), hex.join(":").to_uppercase(), hex.concat()] {
                let fingerprint = Fingerprint::parse(&text).unwrap();
                assert!(fingerprint.matches(der));
                assert!(!fingerprint.matches(b"another"));
            }
        }
        let digest = Certificate::generate().unwrap();
        let named = format!("sha-256 {}", digest.fingerprint());
        assert!(Fingerprint::parse(&named).unwrap().matches(digest.dtls().certificate[0].as_ref()));
    }

    #[test]
    fn malformed_fingerprints_are_refused() {
        for text in ["", " ", "AB", "zz:zz", "A", &"AB:".repeat(31), &"AB".repeat(100_000)] {
            assert_eq!(Fingerprint::parse(text), Err(TransportError::MalformedFingerprint));
        }
        let odd = format!("{}A", "AB".repeat(32));
        assert_eq!(Fingerprint::parse(&odd), Err(TransportError::MalformedFingerprint));
    }
}
