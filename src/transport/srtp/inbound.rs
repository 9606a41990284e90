//! The receiving half of an association: index guess, replay check, tag, and only then state.

use std::fmt;

use super::cipher::Cipher;
use super::header::{RtpFields, rtcp_ssrc, rtp_header_len};
use super::key_derivation::Stream;
use super::sources::Sources;
use super::{SrtpError, SrtpProfile};

pub struct SrtpInbound {
    rtp: Cipher,
    rtcp: Cipher,
    rtp_sources: Sources,
    rtcp_sources: Sources,
}

impl SrtpInbound {
    pub fn new(
        profile: SrtpProfile,
        master_key: &[u8],
        master_salt: &[u8],
    ) -> Result<SrtpInbound, SrtpError> {
        Ok(SrtpInbound {
            rtp: Cipher::new(profile, Stream::Rtp, master_key, master_salt)?,
            rtcp: Cipher::new(profile, Stream::Rtcp, master_key, master_salt)?,
            rtp_sources: Sources::default(),
            rtcp_sources: Sources::default(),
        })
    }

    pub fn profile(&self) -> SrtpProfile {
        self.rtp.profile()
    }

    /// Sources that sent something authentic: the larger count of RTP and RTCP, at most
    /// [`MAX_SOURCES`](super::MAX_SOURCES).
    pub fn sources(&self) -> usize {
        self.rtp_sources.len().max(self.rtcp_sources.len())
    }

    /// Decrypts an SRTP packet in place and returns the clear length (RFC 3711 §3.3). After an
    /// error the content of `packet` is unspecified.
    pub fn unprotect_rtp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        let RtpFields { sequence, ssrc } = RtpFields::read(packet)?;
        let header_len = rtp_header_len(packet)?;
        match self.rtp_sources.find(ssrc) {
            Some(window) => {
                let index = window.nearest(sequence)?;
                window.check(index)?;
                let len = self.rtp.open_rtp(ssrc, index, header_len, packet)?;
                window.record(index);
                Ok(len)
            }
            None => {
                self.rtp_sources.check_room()?;
                // A sender starts with roll-over counter zero (RFC 3711 §3.3.1).
                let index = u64::from(sequence);
                let len = self.rtp.open_rtp(ssrc, index, header_len, packet)?;
                self.rtp_sources.admit(ssrc, index);
                Ok(len)
            }
        }
    }

    /// Decrypts an SRTCP packet in place and returns the clear length (RFC 3711 §3.4). After an
    /// error the content of `packet` is unspecified.
    pub fn unprotect_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        let ssrc = rtcp_ssrc(packet)?;
        let index = self.rtcp.rtcp_index(packet)?;
        match self.rtcp_sources.find(ssrc) {
            Some(window) => {
                window.check(u64::from(index))?;
                let len = self.rtcp.open_rtcp(ssrc, index, packet)?;
                window.record(u64::from(index));
                Ok(len)
            }
            None => {
                self.rtcp_sources.check_room()?;
                let len = self.rtcp.open_rtcp(ssrc, index, packet)?;
                self.rtcp_sources.admit(ssrc, u64::from(index));
                Ok(len)
            }
        }
    }
}

impl fmt::Debug for SrtpInbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SrtpInbound")
            .field("profile", &self.profile())
            .field("sources", &self.sources())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod test {
    use super::*;
    use crate::transport::srtp::counter_mode::CounterModeCipher;
    use crate::transport::srtp::key_derivation::SessionKey;

    /// A packet with E=0 is refused even when its tag is right: DTLS-SRTP has no way to agree on
    /// unencrypted SRTCP (RFC 5764 §4.1.2), and its index must not move the window.
    #[test]
    fn authentic_but_unencrypted_rtcp_is_refused() {
        let profile = SrtpProfile::Aes128CmHmacSha1_80;
        let mut inbound = SrtpInbound::new(profile, &[1; 16], &[2; 14]).unwrap();
        let keys = SessionKey::derive(profile, Stream::Rtcp, &[1; 16], &[2; 14]).unwrap();
        let cipher = CounterModeCipher::new(&keys).unwrap();

        let mut packet = vec![0x80, 201, 0, 1, 0, 0, 0, 5];
        packet.extend(9_u32.to_be_bytes());
        let tag = cipher.tag(&packet, &[]);
        packet.extend(tag);
        assert_eq!(inbound.unprotect_rtcp(&mut packet), Err(SrtpError::NotEncrypted));
        assert_eq!(inbound.sources(), 0);
    }
}
