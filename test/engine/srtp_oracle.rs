//! Our SRTP against `rtc::srtp`, an independent implementation, in both directions.

use erizo::transport::srtp::{SrtpInbound, SrtpOutbound, SrtpProfile};
use rtc::srtp::context::Context;
use rtc::srtp::protection_profile::ProtectionProfile;

use crate::srtp_packets::{Chance, PROFILES, Rtp, report};

const MASTER_KEY: [u8; 16] = *b"sixteen byte key";

fn salt(profile: SrtpProfile) -> &'static [u8] {
    &b"fourteen bytes"[..profile.salt_len()]
}

fn oracle(profile: SrtpProfile) -> Context {
    let name = match profile {
        SrtpProfile::AeadAes128Gcm => ProtectionProfile::AeadAes128Gcm,
        SrtpProfile::Aes128CmHmacSha1_80 => ProtectionProfile::Aes128CmHmacSha1_80,
    };
    let provider = rtc::crypto::default_provider().unwrap();
    Context::new(&MASTER_KEY, salt(profile), name, None, None, provider.crypto()).unwrap()
}

/// 400 indices over the first roll-over of the sequence number, then some of the next cycle.
fn indices() -> impl Iterator<Item = u64> {
    (65_336..65_736).chain((65_736..131_400).step_by(997))
}

#[test]
fn oracle_opens_our_rtp() {
    for profile in PROFILES {
        let outbound = SrtpOutbound::new(profile, &MASTER_KEY, salt(profile)).unwrap();
        let mut oracle = oracle(profile);
        let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
        for index in indices() {
            let packet = Rtp::random(&mut chance);
            let opened = oracle.decrypt_rtp(&packet.protect(&outbound, index)).unwrap();
            assert_eq!(opened[..], packet.build(index as u16).0, "{profile:?} {index}");
        }
    }
}

#[test]
fn we_open_the_rtp_of_the_oracle_and_produce_the_same_bytes() {
    for profile in PROFILES {
        let outbound = SrtpOutbound::new(profile, &MASTER_KEY, salt(profile)).unwrap();
        let mut inbound = SrtpInbound::new(profile, &MASTER_KEY, salt(profile)).unwrap();
        let mut oracle = oracle(profile);
        let mut chance = Chance(0xd1b5_4a32_d192_ed03);
        for index in indices() {
            let packet = Rtp::random(&mut chance);
            let clear = packet.build(index as u16).0;
            let mut sealed = oracle.encrypt_rtp(&clear).unwrap();
            assert_eq!(sealed[..], packet.protect(&outbound, index), "{profile:?} {index}");
            assert_eq!(inbound.unprotect_rtp(&mut sealed), Ok(clear.len()), "{profile:?} {index}");
            assert_eq!(sealed[..clear.len()], clear, "{profile:?} {index}");
        }
    }
}

#[test]
fn oracle_opens_our_rtcp() {
    for profile in PROFILES {
        let mut outbound = SrtpOutbound::new(profile, &MASTER_KEY, salt(profile)).unwrap();
        let mut oracle = oracle(profile);
        let mut chance = Chance(0xbf58_476d_1ce4_e5b9);
        for _ in 0..200 {
            let clear = report(chance.below(3) as u32, chance.below(300) as u16);
            let mut sealed = clear.clone();
            outbound.protect_rtcp(&mut sealed).unwrap();
            assert_eq!(sealed.len(), clear.len() + profile.rtcp_overhead());
            assert_eq!(oracle.decrypt_rtcp(&sealed).unwrap()[..], clear, "{profile:?}");
        }
    }
}

#[test]
fn we_open_the_rtcp_of_the_oracle() {
    for profile in PROFILES {
        let mut inbound = SrtpInbound::new(profile, &MASTER_KEY, salt(profile)).unwrap();
        let mut oracle = oracle(profile);
        let mut chance = Chance(0x94d0_49bb_1331_11eb);
        for _ in 0..200 {
            let clear = report(chance.below(3) as u32, chance.below(300) as u16);
            let mut sealed = oracle.encrypt_rtcp(&clear).unwrap();
            assert_eq!(inbound.unprotect_rtcp(&mut sealed), Ok(clear.len()), "{profile:?}");
            assert_eq!(sealed[..clear.len()], clear, "{profile:?}");
        }
    }
}
