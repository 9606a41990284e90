//! The sending half of an association.

use std::fmt;

use super::cipher::Cipher;
use super::header::{RtpFields, rtcp_ssrc};
use super::key_derivation::Stream;
use super::{RTCP_ENCRYPTED, SrtpError, SrtpProfile};

pub struct SrtpOutbound {
    rtp: Cipher,
    rtcp: Cipher,
    /// One counter for every sender SSRC of the association: each source then sees a strictly
    /// growing index with gaps, which its receiver cannot tell from loss, and no table is needed.
    next_rtcp_index: u32,
}

impl SrtpOutbound {
    pub fn new(
        profile: SrtpProfile,
        master_key: &[u8],
        master_salt: &[u8],
    ) -> Result<SrtpOutbound, SrtpError> {
        Ok(SrtpOutbound {
            rtp: Cipher::new(profile, Stream::Rtp, master_key, master_salt)?,
            rtcp: Cipher::new(profile, Stream::Rtcp, master_key, master_salt)?,
            next_rtcp_index: 0,
        })
    }

    pub fn profile(&self) -> SrtpProfile {
        self.rtp.profile()
    }

    /// Encrypts in place: `buf[..len]` is the clear packet, whose first `header_len` bytes (fixed
    /// header, CSRC list, extension) stay clear; the tag is appended. Returns the protected length.
    ///
    /// The caller knows the roll-over counter, because its sequence numbers have 64 bits, so there
    /// is no state per SSRC here. A sequence number may be protected twice only for the very same
    /// bytes, header extensions included: two different packets under one index give away the
    /// authentication key of GCM (RFC 7714 §13.1).
    pub fn protect_rtp(
        &self,
        buf: &mut [u8],
        len: usize,
        header_len: usize,
        roll_over: u32,
    ) -> Result<usize, SrtpError> {
        let protected_len =
            len.checked_add(self.profile().rtp_overhead()).ok_or(SrtpError::TooLong)?;
        let RtpFields { sequence, ssrc } =
            RtpFields::read(buf.get(..len).ok_or(SrtpError::BufferTooSmall)?)?;
        let packet = buf.get_mut(..protected_len).ok_or(SrtpError::BufferTooSmall)?;
        let index = u64::from(roll_over) << 16 | u64::from(sequence);
        self.rtp.seal_rtp(ssrc, index, header_len, packet)?;
        Ok(protected_len)
    }

    /// Encrypts a compound packet in place and appends tag and index. After an error the compound
    /// is not fit to send. A compound with spare capacity for
    /// [`rtcp_overhead`](SrtpProfile::rtcp_overhead) does not reallocate.
    pub fn protect_rtcp(&mut self, compound: &mut Vec<u8>) -> Result<(), SrtpError> {
        let index = self.next_rtcp_index;
        // 31 bits, then the keys are spent (RFC 3711 §9.2). At 1000 a second: 24 days.
        if index & RTCP_ENCRYPTED != 0 {
            return Err(SrtpError::IndexExhausted);
        }
        let ssrc = rtcp_ssrc(compound)?;
        let protected_len = compound.len() + self.profile().rtcp_overhead();
        // Taken before sealing, so that no failure can lead to a second use.
        self.next_rtcp_index = index + 1;
        compound.resize(protected_len, 0);
        self.rtcp.seal_rtcp(ssrc, index, compound)
    }
}

impl fmt::Debug for SrtpOutbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SrtpOutbound").field("profile", &self.profile()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod test {
    use super::*;

    fn outbound(profile: SrtpProfile) -> SrtpOutbound {
        SrtpOutbound::new(profile, &[7; 16], &vec![9; profile.salt_len()]).unwrap()
    }

    const PROFILES: [SrtpProfile; 2] =
        [SrtpProfile::AeadAes128Gcm, SrtpProfile::Aes128CmHmacSha1_80];

    #[test]
    fn rtp_needs_room_for_the_tag_and_a_header_inside_the_packet() {
        for profile in PROFILES {
            let out = outbound(profile);
            let mut buf = [0x80; 100];
            let room = 100 - profile.rtp_overhead();
            assert_eq!(out.protect_rtp(&mut buf, room + 1, 12, 0), Err(SrtpError::BufferTooSmall));
            assert_eq!(out.protect_rtp(&mut buf, 101, 12, 0), Err(SrtpError::BufferTooSmall));
            assert_eq!(out.protect_rtp(&mut buf, usize::MAX, 12, 0), Err(SrtpError::TooLong));
            assert_eq!(out.protect_rtp(&mut buf, 11, 11, 0), Err(SrtpError::TooShort));
            assert_eq!(out.protect_rtp(&mut buf, 40, 41, 0), Err(SrtpError::TooShort));
            assert_eq!(out.protect_rtp(&mut buf, room, 12, 0), Ok(100));
        }
    }

    #[test]
    fn a_repeated_packet_gives_the_same_bytes() {
        for profile in PROFILES {
            let out = outbound(profile);
            let protect = || {
                let mut buf = [0x80; 100];
                let len = out.protect_rtp(&mut buf, 60, 12, 5).unwrap();
                buf[..len].to_vec()
            };
            assert_eq!(protect(), protect());
        }
    }

    #[test]
    fn rtcp_indices_never_repeat_and_end_after_31_bits() {
        for profile in PROFILES {
            let mut out = outbound(profile);
            let mut first = vec![0x80; 8];
            let mut second = first.clone();
            out.protect_rtcp(&mut first).unwrap();
            out.protect_rtcp(&mut second).unwrap();
            assert_eq!(out.rtcp.rtcp_index(&first), Ok(0));
            assert_eq!(out.rtcp.rtcp_index(&second), Ok(1));

            out.next_rtcp_index = (1 << 31) - 1;
            let mut last = vec![0x80; 8];
            out.protect_rtcp(&mut last).unwrap();
            assert_eq!(out.rtcp.rtcp_index(&last), Ok((1 << 31) - 1));
            let mut refused = vec![0x80; 8];
            assert_eq!(out.protect_rtcp(&mut refused), Err(SrtpError::IndexExhausted));
            assert_eq!(refused, [0x80; 8]);
        }
    }
}
