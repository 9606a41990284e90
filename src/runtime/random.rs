//! Randomness for identifiers that a peer must not guess or that must not collide.

use ring::rand::{SecureRandom, SystemRandom};

/// A uniform number below `bound` (which is not 0). The operating system's generator does not
/// fail once seeded; should it, the value 0 is a legal, if predictable, identifier.
pub(crate) fn below(bound: u32) -> u32 {
    let mut bytes = [0u8; 8];
    if SystemRandom::new().fill(&mut bytes).is_err() {
        return 0;
    }
    // 64 bits modulo a 32 bit bound: the bias is below 2^-32.
    (u64::from_le_bytes(bytes) % u64::from(bound.max(1))) as u32
}
