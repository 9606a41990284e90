//! Only authentic, new packets pass (security N8), and nothing else changes any state (N6, N20).

use erizo::transport::srtp::{MAX_SOURCES, SrtpError, SrtpProfile};

use crate::srtp_packets::{Chance, PROFILES, Rtp, direction, protect_report, report};

#[test]
fn a_flipped_bit_anywhere_is_refused_and_the_genuine_packet_still_passes() {
    for profile in PROFILES {
        let (mut outbound, mut inbound) = direction(profile);
        let extension = vec![(1, vec![1, 2, 3])];
        let genuine = Rtp { csrc: vec![7], extension, ..Rtp::default() }.protect(&outbound, 100);
        let report = protect_report(&mut outbound, 5);
        for bit in 0..8 * genuine.len() {
            let mut forged = genuine.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            assert!(inbound.unprotect_rtp(&mut forged).is_err(), "{profile:?} RTP bit {bit}");
        }
        for bit in 0..8 * report.len() {
            let mut forged = report.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            assert!(inbound.unprotect_rtcp(&mut forged).is_err(), "{profile:?} RTCP bit {bit}");
        }
        assert_eq!(inbound.sources(), 0);
        assert!(inbound.unprotect_rtp(&mut genuine.clone()).is_ok());
        assert!(inbound.unprotect_rtcp(&mut report.clone()).is_ok());
    }
}

#[test]
fn truncation_at_every_length_is_refused() {
    for profile in PROFILES {
        let (mut outbound, mut inbound) = direction(profile);
        let extension = vec![(1, vec![1, 2, 3])];
        let genuine = Rtp { csrc: vec![7], extension, ..Rtp::default() }.protect(&outbound, 100);
        let report = protect_report(&mut outbound, 5);
        for len in 0..genuine.len() {
            let mut cut = genuine[..len].to_vec();
            assert!(inbound.unprotect_rtp(&mut cut).is_err(), "{profile:?} RTP {len}");
        }
        for len in 0..report.len() {
            let mut cut = report[..len].to_vec();
            assert!(inbound.unprotect_rtcp(&mut cut).is_err(), "{profile:?} RTCP {len}");
        }
        assert_eq!(inbound.sources(), 0);
        assert!(inbound.unprotect_rtp(&mut genuine.clone()).is_ok());
        assert!(inbound.unprotect_rtcp(&mut report.clone()).is_ok());
    }
}

/// No MKI is negotiated, so one on the wire is part of a packet that does not authenticate,
/// wherever the profile would put it (RFC 3711 §3.1, RFC 7714 §8, §9).
#[test]
fn an_mki_is_refused_at_every_place() {
    for profile in PROFILES {
        let (mut outbound, mut inbound) = direction(profile);
        let genuine = Rtp::default().protect(&outbound, 100);
        let report = protect_report(&mut outbound, 5);
        for mki_len in [1, 2, 4, 16] {
            for behind in [0, 4, profile.rtp_overhead(), profile.rtcp_overhead()] {
                let with_mki = |packet: &[u8]| {
                    let at = packet.len() - behind;
                    [&packet[..at], &vec![1; mki_len], &packet[at..]].concat()
                };
                assert!(inbound.unprotect_rtp(&mut with_mki(&genuine)).is_err());
                assert!(inbound.unprotect_rtcp(&mut with_mki(&report)).is_err());
            }
        }
    }
}

#[test]
fn a_replay_is_refused_at_every_distance() {
    for profile in PROFILES {
        let (mut outbound, mut inbound) = direction(profile);
        let sent: Vec<_> =
            (0..1100).map(|n| Rtp::default().protect(&outbound, 65_000 + n)).collect();
        let reports: Vec<_> = (0..1100).map(|_| protect_report(&mut outbound, 5)).collect();
        for (packet, report) in sent.iter().zip(&reports) {
            assert!(inbound.unprotect_rtp(&mut packet.clone()).is_ok());
            assert!(inbound.unprotect_rtcp(&mut report.clone()).is_ok());
        }
        for back in [0, 1, 63, 64, 65, 1023, 1024, 1025] {
            let refused = if back < 1024 { SrtpError::Replayed } else { SrtpError::Stale };
            let at = 1099 - back;
            assert_eq!(inbound.unprotect_rtp(&mut sent[at].clone()), Err(refused), "{back} back");
            let report = inbound.unprotect_rtcp(&mut reports[at].clone());
            assert_eq!(report, Err(refused), "{back} back");
        }
    }
}

#[test]
fn reordered_packets_pass_once_each_up_to_1023_back() {
    for profile in PROFILES {
        let (outbound, mut inbound) = direction(profile);
        let mut open = |index: u64| {
            let mut packet = Rtp::default().protect(&outbound, index);
            inbound.unprotect_rtp(&mut packet).map(drop)
        };
        assert_eq!(open(30_000), Ok(()));
        assert_eq!(open(60_000), Ok(()));
        assert_eq!(open(66_000), Ok(()), "over the roll-over");
        for back in [1, 63, 64, 464, 465, 1023] {
            assert_eq!(open(66_000 - back), Ok(()), "{back} back, late");
            assert_eq!(open(66_000 - back), Err(SrtpError::Replayed), "{back} back, again");
        }
        assert_eq!(open(66_000 - 1024), Err(SrtpError::Stale));
        assert_eq!(open(66_001), Ok(()));
    }
}

#[test]
fn everything_delivered_in_a_shuffled_lossy_stream_passes_exactly_once() {
    for profile in PROFILES {
        let (outbound, mut inbound) = direction(profile);
        let mut chance = Chance(0x2545_f491_4f6c_dd1d);
        let mut stream: Vec<u64> = (65_100..66_100).filter(|_| chance.below(10) < 7).collect();
        for block in stream.chunks_mut(200) {
            for n in (1..block.len()).rev() {
                block.swap(n, chance.below(n + 1));
            }
        }
        let payload = vec![0x5a; 20];
        let packet = Rtp { payload, ..Rtp::default() };
        for index in &stream {
            let mut wire = packet.protect(&outbound, *index);
            assert_eq!(inbound.unprotect_rtp(&mut wire), Ok(32), "{profile:?} {index}");
            assert_eq!(wire[12..32], [0x5a; 20]);
        }
        for index in &stream {
            let mut wire = packet.protect(&outbound, *index);
            assert_eq!(inbound.unprotect_rtp(&mut wire), Err(SrtpError::Replayed), "{index}");
        }
    }
}

/// RFC 3711 §3.3.1: the counter is guessed right as long as fewer than 2^15 packets are lost.
#[test]
fn roll_over_survives_long_losses() {
    for profile in PROFILES {
        let (outbound, mut inbound) = direction(profile);
        let mut index = 20_000_u64;
        for _ in 0..40 {
            let mut wire = Rtp::default().protect(&outbound, index);
            assert!(inbound.unprotect_rtp(&mut wire).is_ok(), "{profile:?} {index}");
            index += 32_767;
        }
    }
}

#[test]
fn a_loss_of_more_than_half_a_cycle_is_survived_in_the_first_cycle() {
    for profile in PROFILES {
        let (outbound, mut inbound) = direction(profile);
        for index in [10, 60_000, 65_540] {
            let mut wire = Rtp::default().protect(&outbound, index);
            assert!(inbound.unprotect_rtp(&mut wire).is_ok(), "{profile:?} {index}");
        }
    }
}

#[test]
fn forged_sequence_numbers_move_neither_window_nor_roll_over_counter() {
    for profile in PROFILES {
        let (mut outbound, mut inbound) = direction(profile);
        let genuine = |index| Rtp::default().protect(&outbound, index);
        assert!(inbound.unprotect_rtp(&mut genuine(65_000)).is_ok());
        for ahead in [1, 500, 536, 2000, 30_000] {
            let mut forged = genuine(65_000 + ahead);
            *forged.last_mut().unwrap() ^= 1;
            assert_eq!(inbound.unprotect_rtp(&mut forged), Err(SrtpError::Unauthentic));
        }
        assert!(inbound.unprotect_rtp(&mut genuine(64_900)).is_ok());
        assert!(inbound.unprotect_rtp(&mut genuine(65_001)).is_ok());

        let first = protect_report(&mut outbound, 5);
        let second = protect_report(&mut outbound, 5);
        assert!(inbound.unprotect_rtcp(&mut second.clone()).is_ok());
        let mut forged = second.clone();
        let word = index_word(profile, forged.len());
        forged[word..word + 4].copy_from_slice(&0xffff_ffff_u32.to_be_bytes());
        assert_eq!(inbound.unprotect_rtcp(&mut forged), Err(SrtpError::Unauthentic));
        assert!(inbound.unprotect_rtcp(&mut first.clone()).is_ok());
    }
}

/// `rtc::srtp` lets such a packet past its tag and advances its window (dependencies.md section 2).
#[test]
fn unencrypted_rtcp_is_refused_and_silences_nobody() {
    for profile in PROFILES {
        let (mut outbound, mut inbound) = direction(profile);
        let genuine = protect_report(&mut outbound, 5);
        let mut forged = report(5, 20);
        forged.resize(forged.len() + profile.rtcp_overhead(), 0);
        let word = index_word(profile, forged.len());
        forged[word..word + 4].copy_from_slice(&0x7fff_ffff_u32.to_be_bytes());
        assert_eq!(inbound.unprotect_rtcp(&mut forged), Err(SrtpError::NotEncrypted));
        assert_eq!(inbound.sources(), 0);
        assert!(inbound.unprotect_rtcp(&mut genuine.clone()).is_ok());
        assert_eq!(inbound.unprotect_rtcp(&mut forged), Err(SrtpError::NotEncrypted));
        assert!(inbound.unprotect_rtcp(&mut protect_report(&mut outbound, 5)).is_ok());
    }
}

#[test]
fn a_spray_of_forged_sources_leaves_no_state() {
    for profile in PROFILES {
        let (mut outbound, mut inbound) = direction(profile);
        let mut chance = Chance(0x1234_5678_9abc_def1);
        let template = Rtp::default().protect(&outbound, 100);
        let report = protect_report(&mut outbound, 5);
        for _ in 0..20_000 {
            let ssrc = (chance.next() as u32).to_be_bytes();
            let mut forged = template.clone();
            forged[8..12].copy_from_slice(&ssrc);
            assert_eq!(inbound.unprotect_rtp(&mut forged), Err(SrtpError::Unauthentic));
            let mut forged = report.clone();
            forged[4..8].copy_from_slice(&ssrc);
            assert_eq!(inbound.unprotect_rtcp(&mut forged), Err(SrtpError::Unauthentic));
        }
        assert_eq!(inbound.sources(), 0);
        assert!(inbound.unprotect_rtp(&mut template.clone()).is_ok());
        assert!(inbound.unprotect_rtcp(&mut report.clone()).is_ok());
        assert_eq!(inbound.sources(), 1);
    }
}

#[test]
fn a_peer_that_uses_too_many_sources_keeps_the_ones_it_has() {
    for profile in PROFILES {
        let (mut outbound, mut inbound) = direction(profile);
        let from = |ssrc| Rtp { ssrc, ..Rtp::default() };
        for ssrc in 0..MAX_SOURCES as u32 {
            assert!(inbound.unprotect_rtp(&mut from(ssrc).protect(&outbound, 1)).is_ok());
            assert!(inbound.unprotect_rtcp(&mut protect_report(&mut outbound, ssrc)).is_ok());
        }
        let refused = Err(SrtpError::TooManySources);
        assert_eq!(inbound.unprotect_rtp(&mut from(u32::MAX).protect(&outbound, 1)), refused);
        let report = protect_report(&mut outbound, u32::MAX);
        assert_eq!(inbound.unprotect_rtcp(&mut report.clone()), refused);
        assert_eq!(inbound.sources(), MAX_SOURCES);
        for ssrc in [0, MAX_SOURCES as u32 - 1] {
            let again = inbound.unprotect_rtp(&mut from(ssrc).protect(&outbound, 1));
            assert_eq!(again, Err(SrtpError::Replayed));
            assert!(inbound.unprotect_rtp(&mut from(ssrc).protect(&outbound, 2)).is_ok());
        }
    }
}

#[test]
fn packets_of_the_other_stream_or_direction_are_refused() {
    for profile in PROFILES {
        let (mut outbound, mut inbound) = direction(profile);
        assert!(inbound.unprotect_rtcp(&mut Rtp::default().protect(&outbound, 1)).is_err());
        assert!(inbound.unprotect_rtp(&mut protect_report(&mut outbound, 5)).is_err());

        let material = crate::srtp_packets::material(profile);
        let keys = erizo::transport::srtp::SessionKeys::from_exporter(profile, &material, true);
        let (mut outbound, mut reflected) = keys.unwrap();
        let mut packet = Rtp::default().protect(&outbound, 1);
        assert_eq!(reflected.unprotect_rtp(&mut packet), Err(SrtpError::Unauthentic));
        let mut report = protect_report(&mut outbound, 5);
        assert_eq!(reflected.unprotect_rtcp(&mut report), Err(SrtpError::Unauthentic));
    }
}

#[test]
fn an_empty_payload_and_an_empty_report_pass() {
    for profile in PROFILES {
        let (mut outbound, mut inbound) = direction(profile);
        let mut packet = Rtp { payload: vec![], ..Rtp::default() }.protect(&outbound, 1);
        assert_eq!(inbound.unprotect_rtp(&mut packet), Ok(12));
        let mut empty = report(5, 0);
        outbound.protect_rtcp(&mut empty).unwrap();
        assert_eq!(inbound.unprotect_rtcp(&mut empty), Ok(8));
    }
}

#[test]
fn noise_of_every_length_is_refused() {
    for profile in PROFILES {
        let (_, mut inbound) = direction(profile);
        let mut chance = Chance(0xda94_2042_e4dd_58b5);
        for len in 0..300 {
            for _ in 0..20 {
                let mut noise = chance.bytes(len);
                if let Some(first) = noise.first_mut().filter(|_| chance.below(2) == 0) {
                    *first = 0x80 | *first & 0x3f;
                }
                assert!(inbound.unprotect_rtp(&mut noise.clone()).is_err());
                assert!(inbound.unprotect_rtcp(&mut noise).is_err());
            }
        }
        let mut huge = vec![0x80; 70_000];
        assert_eq!(inbound.unprotect_rtp(&mut huge), Err(SrtpError::TooLong));
        assert_eq!(inbound.unprotect_rtcp(&mut huge), Err(SrtpError::TooLong));
    }
}

/// Where the word with E flag and index stands in a protected compound of `len` bytes.
fn index_word(profile: SrtpProfile, len: usize) -> usize {
    match profile {
        SrtpProfile::AeadAes128Gcm => len - 4,
        SrtpProfile::Aes128CmHmacSha1_80 => len - 14,
    }
}
