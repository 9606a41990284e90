//! What each payload type number means to one stream (contract section 3.1).
//!
//! Tables indexed by number: one look-up per packet. Numbers that were not agreed pass unchanged
//! (M-PT-1) and are taken for a codec nobody understands.

use crate::rtp::codec::Codec;
use crate::rtp::id::PayloadType;

/// One agreed payload type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Payload {
    /// The number in the media configuration, common to all streams.
    pub internal: PayloadType,
    pub codec: Codec,
    pub clock_rate_hz: u32,
}

/// Numbers of a peer to internal ones and back.
#[derive(Clone, Debug)]
pub struct PayloadTypes {
    by_external: [Option<Payload>; 128],
    external: [u8; 128],
}

impl PayloadTypes {
    pub fn new() -> Self {
        PayloadTypes { by_external: [None; 128], external: std::array::from_fn(|n| n as u8) }
    }

    /// Records an agreed pair. All external numbers of one internal type are understood; the one
    /// recorded last is used for sending (M-PT-2).
    pub fn insert(&mut self, external: PayloadType, payload: Payload) {
        if let Some(slot) = self.by_external.get_mut(usize::from(external.0)) {
            *slot = Some(payload);
            if let Some(number) = self.external.get_mut(usize::from(payload.internal.0)) {
                *number = external.0;
            }
        }
    }

    /// What the peer means by `external`.
    pub fn payload(&self, external: PayloadType) -> Option<Payload> {
        self.by_external.get(usize::from(external.0)).copied().flatten()
    }

    /// What the peer calls `internal`.
    pub fn external(&self, internal: PayloadType) -> PayloadType {
        PayloadType(self.external.get(usize::from(internal.0)).copied().unwrap_or(internal.0))
    }
}

impl Default for PayloadTypes {
    fn default() -> Self {
        PayloadTypes::new()
    }
}

#[cfg(test)]
mod test {
    use super::*;

    fn h264() -> Payload {
        Payload { internal: PayloadType(101), codec: Codec::H264, clock_rate_hz: 90_000 }
    }

    #[test]
    fn the_last_of_several_external_numbers_is_used_for_sending_m_pt_2() {
        let mut types = PayloadTypes::new();
        types.insert(PayloadType(102), h264());
        types.insert(PayloadType(127), h264());
        assert_eq!(types.payload(PayloadType(102)), Some(h264()));
        assert_eq!(types.payload(PayloadType(127)), Some(h264()));
        assert_eq!(types.external(PayloadType(101)), PayloadType(127));
    }

    #[test]
    fn numbers_that_were_not_agreed_pass_unchanged_m_pt_1() {
        let mut types = PayloadTypes::new();
        types.insert(PayloadType(200), h264());
        assert_eq!(types.payload(PayloadType(200)), None);
        assert_eq!(types.external(PayloadType(33)), PayloadType(33));
        assert_eq!(types.external(PayloadType(233)), PayloadType(233));
    }
}
