//! Hostile input to a transport: the rows of security.md that concern ICE, DTLS and SRTP.

use std::time::Duration;

use erizo::negotiation::setup::DtlsSetup::{self, Active, Passive};
use erizo::transport::{
    DropReason, DtlsState, FailReason, Received, TransportConfig, TransportEvent,
};

use crate::link::{Datagram, Link, LinkConfig, Random, address};
use crate::transport_peer::{Couple, HOST_A, HOST_B, certificate, rtp_packet};

const SOON: Duration = Duration::from_secs(2);

fn ready(link: &mut Link, setup: DtlsSetup) -> Couple {
    let mut couple = Couple::new(link, setup);
    couple.introduce(link);
    assert!(couple.run_until_ready(link, SOON));
    couple
}

fn assert_media_flows(couple: &mut Couple, link: &mut Link) {
    let before = (couple.a.rtp.len(), couple.b.rtp.len());
    assert!(couple.a.send_rtp(link) && couple.b.send_rtp(link));
    couple.run_for(link, Duration::from_millis(200));
    assert_eq!((couple.a.rtp.len(), couple.b.rtp.len()), (before.0 + 1, before.1 + 1));
}

fn is_dtls(datagram: &Datagram) -> bool {
    (20..=64).contains(&datagram.data[0])
}

/// Every datagram of a complete handshake, `a` in role `setup`.
fn captured_handshake(setup: DtlsSetup) -> Vec<Datagram> {
    let mut link = Link::new(7, LinkConfig::default());
    link.capture();
    let mut couple = Couple::with(&link, setup, |a| a.certificate = certificate(2), |_| {});
    let fingerprints = [certificate(2).fingerprint(), certificate(1).fingerprint()];
    couple.introduce_with(&link, Some(&fingerprints[0]), Some(&fingerprints[1]));
    assert!(couple.run_until_ready(&mut link, SOON));
    link.captured().to_vec()
}

#[test]
fn a_wrong_fingerprint_fails_and_no_media_passes_n2() {
    for setup in [Active, Passive] {
        let mut link = Link::new(1, LinkConfig::default());
        let mut couple = Couple::new(&link, setup);
        // A expects certificate 2 from B, which shows certificate 1.
        couple.introduce_with(
            &link,
            Some(&certificate(0).fingerprint()),
            Some(&certificate(2).fingerprint()),
        );
        let start = link.now;
        couple.run_until(&mut link, Duration::from_secs(5), |a, _| a.failure().is_some());
        assert_eq!(couple.a.failure(), Some(FailReason::FingerprintMismatch), "{setup:?}");
        assert!(link.now - start < Duration::from_secs(1));
        assert!(!couple.a.has(TransportEvent::Ready));
        assert_eq!(couple.a.transport.profile(), None);
        assert_eq!(couple.a.transport.dtls_state(), DtlsState::Failed);
        assert_eq!(couple.a.protected_rtp(), None);
        assert_eq!(couple.a.transport.protect_rtcp(&mut vec![0x80, 201, 0, 1, 0, 0, 0, 1]), None);
        // B saw nothing wrong and sends; A must not accept it.
        if couple.b.is_ready() {
            let (from, to) = (address(HOST_B), address(HOST_A));
            let data = couple.b.protected_rtp().unwrap();
            link.send(Datagram { from, to, data });
        }
        couple.run_for(&mut link, SOON);
        assert!(couple.a.rtp.is_empty() && couple.a.rtcp.is_empty() && couple.b.rtp.is_empty());
        assert!(couple.b.has(TransportEvent::PeerClosed) || couple.b.failure().is_some());
    }
}

#[test]
fn malformed_fingerprints_and_credentials_are_refused() {
    let link = Link::new(1, LinkConfig::default());
    let mut couple = Couple::new(&link, Active);
    let credentials = couple.b.transport.local_credentials();
    let a = &mut couple.a.transport;
    assert!(a.set_remote(link.now, &credentials, Some("AB:CD"), Active).is_err());
    let mut long = credentials.clone();
    long.ufrag = "u".repeat(100_000);
    let fingerprint = certificate(1).fingerprint();
    assert!(a.set_remote(link.now, &long, Some(&fingerprint), Active).is_err());
    assert!(a.set_remote(link.now, &credentials, Some(&fingerprint), Active).is_ok());
}

#[test]
fn replayed_and_altered_packets_are_dropped_n8() {
    let mut link = Link::new(1, LinkConfig::default());
    let mut couple = ready(&mut link, Active);
    let packet = couple.b.protected_rtp().unwrap();
    let (local, remote) = (address(HOST_A), address(HOST_B));
    let receive = |couple: &mut Couple, data: &[u8]| -> Result<Vec<u8>, DropReason> {
        let mut data = data.to_vec();
        match couple.a.transport.handle_datagram(link.now, local, remote, &mut data) {
            Received::Rtp(clear) => Ok(clear.to_vec()),
            Received::Dropped(reason) => Err(reason),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(receive(&mut couple, &packet), Ok(rtp_packet(0)));
    assert_eq!(receive(&mut couple, &packet), Err(DropReason::Replayed));
    assert_eq!(couple.a.transport.counters().dropped(DropReason::Replayed), 1);
    let fresh = couple.b.protected_rtp().unwrap();
    for byte in 2..fresh.len() {
        let mut altered = fresh.clone();
        altered[byte] ^= 1;
        assert!(receive(&mut couple, &altered).is_err(), "{byte}");
    }
    for len in 0..fresh.len() {
        assert!(receive(&mut couple, &fresh[..len]).is_err(), "{len}");
    }
    assert_eq!(receive(&mut couple, &fresh), Ok(rtp_packet(1)));
}

#[test]
fn rtcp_is_protected_and_recognised() {
    let mut link = Link::new(1, LinkConfig::default());
    let mut couple = ready(&mut link, Active);
    let clear = vec![0x80, 201, 0, 1, 0, 0, 0, 42];
    let mut compound = clear.clone();
    couple.a.transport.protect_rtcp(&mut compound).unwrap();
    link.send(Datagram { from: address(HOST_A), to: address(HOST_B), data: compound });
    link.send(Datagram { from: address(HOST_A), to: address(HOST_B), data: clear.clone() });
    couple.run_for(&mut link, SOON);
    assert_eq!(couple.b.rtcp, [clear]);
    assert_eq!(couple.b.dropped, [DropReason::UnauthenticSrtp]);
}

#[test]
fn media_before_the_keys_is_dropped_and_counted() {
    let mut link = Link::new(1, LinkConfig::default());
    let mut couple = Couple::new(&link, Active);
    for _ in 0..3 {
        link.send(Datagram { from: address(HOST_B), to: address(HOST_A), data: rtp_packet(1) });
    }
    couple.run_for(&mut link, SOON);
    assert_eq!(couple.a.transport.counters().dropped(DropReason::BeforeKeys), 3);
    assert_eq!(couple.a.protected_rtp(), None);
}

#[test]
fn a_second_handshake_in_mid_call_is_ignored_n3() {
    for setup in [Active, Passive] {
        let foreign = captured_handshake(setup);
        let mut link = Link::new(1, LinkConfig::default());
        let mut couple = ready(&mut link, setup);
        link.capture();
        let dtls = foreign.iter().filter(|d| is_dtls(d));
        for datagram in dtls {
            // Both directions, each to both sides: every message type reaches both roles.
            for (from, to) in [(HOST_A, HOST_B), (HOST_B, HOST_A)] {
                let (from, to) = (address(from), address(to));
                link.send(Datagram { from, to, data: datagram.data.clone() });
            }
        }
        let injected = link.captured().len();
        couple.run_for(&mut link, Duration::from_secs(10));
        let answers = link.captured()[injected..].iter().filter(|d| is_dtls(d)).count();
        assert_eq!(answers, 0, "{setup:?}");
        assert_eq!(couple.a.transport.dtls_state(), DtlsState::Connected);
        assert_eq!(couple.b.transport.dtls_state(), DtlsState::Connected);
        assert_media_flows(&mut couple, &mut link);
    }
}

#[test]
fn dtls_from_foreign_addresses_is_ignored_at_any_time_n5() {
    for setup in [Active, Passive] {
        let mut spray: Vec<Vec<u8>> = captured_handshake(Passive)
            .into_iter()
            .filter(is_dtls)
            .map(|datagram| datagram.data)
            .collect();
        spray.push(vec![21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 40]);
        spray.push(vec![22; 1400]);
        spray.push(vec![20]);
        let mut link = Link::new(1, LinkConfig::default());
        link.capture();
        let mut couple = Couple::new(&link, setup);
        let flood = |link: &mut Link| {
            for port in 1..=1000_u16 {
                let from = address(&format!("203.0.113.9:{}", 1000 + port));
                let data = spray[usize::from(port) % spray.len()].clone();
                link.send(Datagram { from, to: address(HOST_A), data: data.clone() });
                link.send(Datagram { from, to: address(HOST_B), data });
            }
        };
        flood(&mut link);
        couple.run_for(&mut link, Duration::from_millis(50));
        couple.introduce(&link);
        for _ in 0..20 {
            flood(&mut link);
            couple.run_for(&mut link, Duration::from_millis(10));
        }
        assert!(couple.run_until_ready(&mut link, SOON), "{setup:?}");
        flood(&mut link);
        couple.run_for(&mut link, SOON);
        assert_media_flows(&mut couple, &mut link);
        let answered = link.captured().iter().any(|d| d.to.ip() == address("203.0.113.9:1").ip());
        assert!(!answered, "nothing goes to the attacker");
        assert!(couple.a.transport.counters().dropped(DropReason::UnvalidatedAddress) >= 22_000);
    }
}

#[test]
fn unauthenticated_datagrams_move_nothing_n7_n17() {
    for encrypted in [true, false] {
        let mut link = Link::new(1, LinkConfig::default());
        let configure = |config: &mut TransportConfig| config.encrypted = encrypted;
        let mut couple = Couple::with(&link, Active, configure, configure);
        couple.introduce(&link);
        assert!(couple.run_until_ready(&mut link, SOON));
        let path = couple.a.transport.path();
        link.capture();
        let foreign = address("203.0.113.9:999");
        let to = address(HOST_A);
        let ufrag = couple.a.transport.local_credentials().ufrag;
        let mut check = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
        check.extend([5; 12]);
        check.extend([0, 0x25, 0, 0, 0, 0x24, 0, 4, 0xff, 0xff, 0xff, 0xff]);
        let username = format!("{ufrag}:peer");
        check.extend([0, 6, 0, username.len() as u8]);
        check.extend(username.as_bytes());
        check.resize(check.len().next_multiple_of(4), 0);
        let mut with_integrity = check.clone();
        with_integrity.extend([0, 8, 0, 20]);
        with_integrity.extend([0; 20]);
        for mut data in
            [check, with_integrity, rtp_packet(9), vec![0x80, 200, 0, 0], vec![0; 65000]]
        {
            if data[0] == 0 && data.len() < 1000 {
                let len = (data.len() - 20) as u16;
                data[2..4].copy_from_slice(&len.to_be_bytes());
            }
            link.send(Datagram { from: foreign, to, data });
        }
        couple.run_for(&mut link, SOON);
        assert_eq!(couple.a.transport.path(), path);
        assert!(couple.a.rtp.is_empty() && couple.a.rtcp.is_empty());
        assert!(link.captured().iter().all(|d| d.to != foreign), "silence");
        assert_media_flows(&mut couple, &mut link);
    }
}

#[test]
fn captured_checks_replayed_from_elsewhere_move_nothing() {
    for lite in [false, true] {
        let mut link = Link::new(1, LinkConfig::default());
        link.capture();
        let mut couple = Couple::with(&link, Active, |_| {}, |config| config.ice_lite = lite);
        couple.a.transport.set_remote_ice_lite();
        couple.introduce(&link);
        assert!(couple.run_until_ready(&mut link, SOON));
        couple.run_for(&mut link, SOON);
        let (a, b) = (address(HOST_A), address(HOST_B));
        let checks: Vec<Datagram> = link
            .captured()
            .iter()
            .filter(|d| d.from == a && d.data[..2] == [0, 1])
            .cloned()
            .collect();
        assert!(!checks.is_empty());
        let before = link.captured().len();
        for port in 1..=2000_u16 {
            let from = address(&format!("203.0.113.9:{port}"));
            let data = checks[usize::from(port) % checks.len()].data.clone();
            link.send(Datagram { from, to: b, data });
        }
        couple.run_for(&mut link, Duration::from_secs(10));
        assert_eq!(couple.b.transport.path(), Some((b, a)), "lite {lite}");
        let sent = link.captured()[before..].iter().filter(|d| d.from == b && d.to != a).count();
        assert_eq!(sent, 0, "no answer, no check, no media");
        assert_media_flows(&mut couple, &mut link);
    }
}

#[test]
fn a_forged_plaintext_alert_does_not_end_a_handshake_that_goes_on() {
    for setup in [Active, Passive] {
        let mut link = Link::new(1, LinkConfig::default());
        let mut couple = Couple::new(&link, setup);
        couple.introduce(&link);
        for _ in 0..60 {
            for (from, to) in [(HOST_A, HOST_B), (HOST_B, HOST_A)] {
                let data = vec![21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 40];
                link.send(Datagram { from: address(from), to: address(to), data });
            }
            couple.run_for(&mut link, Duration::from_millis(5));
        }
        assert!(couple.run_until_ready(&mut link, SOON), "{setup:?}");
        assert_media_flows(&mut couple, &mut link);
    }
}

fn mutate(random: &mut Random, datagram: &mut Datagram) {
    if !is_dtls(datagram) || !random.chance(400) {
        return;
    }
    mutate_bytes(random, &mut datagram.data);
}

fn mutate_bytes(random: &mut Random, data: &mut Vec<u8>) {
    let at = |random: &mut Random, data: &[u8]| random.below(data.len() as u64) as usize;
    for _ in 0..=random.below(3) {
        if data.is_empty() {
            return;
        }
        let index = at(random, data);
        match random.below(7) {
            0 => data[index] = random.next() as u8,
            1 => data[index] ^= 1 << random.below(8),
            2 => data.truncate(index),
            3 => data[index] = [0, 1, 0x7f, 0x80, 0xff][random.below(5) as usize],
            4 => {
                let end = index + at(random, &data[index..]);
                let piece = data[index..end].to_vec();
                data.extend(piece);
            }
            5 => {
                let end = index + at(random, &data[index..]);
                data.drain(index..end);
            }
            // Lengths and numbers of the first record and message are the most worth.
            _ => {
                let index = random.below(25.min(data.len() as u64)) as usize;
                data[index] = random.next() as u8;
            }
        }
    }
}

#[test]
fn mutated_handshakes_never_panic_and_never_let_wrong_media_through() {
    let mut completed = 0;
    for seed in 0..400 {
        let mut link = Link::new(seed, LinkConfig::default());
        link.tamper(mutate);
        let setup = if seed % 2 == 0 { Active } else { Passive };
        let mut couple = Couple::new(&link, setup);
        couple.introduce(&link);
        if couple.run_until_ready(&mut link, Duration::from_secs(20)) {
            completed += 1;
            assert!(couple.a.send_rtp(&mut link));
            couple.run_for(&mut link, SOON);
            assert_eq!(couple.b.rtp, [rtp_packet(0)], "seed {seed}");
        }
    }
    // Mutated often enough to break many, seldom enough to reach the last flights.
    assert!(completed > 20, "{completed}");
    assert!(completed < 400, "{completed}");
}

#[test]
fn junk_in_every_state_never_panics() {
    let mut corpus: Vec<Vec<u8>> = Vec::new();
    for setup in [Active, Passive] {
        corpus.extend(captured_handshake(setup).into_iter().map(|datagram| datagram.data));
    }
    corpus.push(rtp_packet(3));
    corpus.push(vec![0x80, 200, 0, 6, 1, 2, 3, 4]);
    let mut random = Random::new(99);
    for seed in 0..40 {
        let mut link = Link::new(seed, LinkConfig::default());
        let setup = if seed % 2 == 0 { Active } else { Passive };
        let mut couple = Couple::new(&link, setup);
        if seed % 4 > 0 {
            couple.introduce(&link);
        }
        couple.run_for(&mut link, Duration::from_millis(seed * 10));
        for _ in 0..500 {
            let mut data = corpus[random.below(corpus.len() as u64) as usize].clone();
            mutate_bytes(&mut random, &mut data);
            let (a, b) = (address(HOST_A), address(HOST_B));
            let from = if random.chance(100) { address("203.0.113.9:9") } else { b };
            couple.a.transport.handle_datagram(link.now, a, from, &mut data.clone());
            couple.b.transport.handle_datagram(link.now, b, a, &mut data);
        }
        couple.run_for(&mut link, Duration::from_secs(1));
    }
}
