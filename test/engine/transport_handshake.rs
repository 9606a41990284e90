//! Connecting: both DTLS roles, both SRTP profiles, ICE-lite, loss, timeouts.

use std::time::Duration;

use erizo::negotiation::setup::DtlsSetup::{Active, Passive};
use erizo::transport::{DtlsState, FailReason, IceState, SrtpProfile, TransportEvent};

use crate::link::{Link, LinkConfig};
use crate::transport_peer::{Couple, rtp_packet};

const SOON: Duration = Duration::from_secs(2);

fn exchange_media(couple: &mut Couple, link: &mut Link) {
    for _ in 0..3 {
        assert!(couple.a.send_rtp(link) && couple.b.send_rtp(link));
    }
    couple.run_for(link, Duration::from_millis(200));
    let expected: Vec<_> = (0..3).map(rtp_packet).collect();
    assert_eq!(couple.a.rtp, expected);
    assert_eq!(couple.b.rtp, expected);
}

#[test]
fn connects_in_both_roles_with_both_profiles() {
    let gcm = SrtpProfile::AeadAes128Gcm;
    let cm = SrtpProfile::Aes128CmHmacSha1_80;
    let table: [(&[_], &[_], _); 5] = [
        (&[gcm, cm], &[gcm, cm], gcm),
        (&[cm], &[gcm, cm], cm),
        (&[gcm, cm], &[cm], cm),
        (&[gcm], &[cm, gcm], gcm),
        (&[cm], &[cm], cm),
    ];
    for setup in [Active, Passive] {
        for (of_a, of_b, expected) in table {
            let mut link = Link::new(1, LinkConfig::default());
            let mut couple = Couple::with(
                &link,
                setup,
                |config| config.profiles = of_a.to_vec(),
                |config| config.profiles = of_b.to_vec(),
            );
            couple.introduce(&link);
            assert!(couple.run_until_ready(&mut link, SOON), "{setup:?} {of_a:?} {of_b:?}");
            for peer in [&couple.a, &couple.b] {
                assert_eq!(peer.transport.profile(), Some(expected));
                assert_eq!(peer.transport.dtls_state(), DtlsState::Connected);
                assert_eq!(peer.transport.ice_state(link.now), IceState::Connected);
                assert_eq!(peer.transport.round_trip(), Some(Duration::from_millis(40)));
            }
            exchange_media(&mut couple, &mut link);
        }
    }
}

#[test]
fn the_server_prefers_the_cheaper_profile_whatever_the_order_offered() {
    let gcm = SrtpProfile::AeadAes128Gcm;
    let cm = SrtpProfile::Aes128CmHmacSha1_80;
    let mut link = Link::new(1, LinkConfig::default());
    let mut couple = Couple::with(
        &link,
        Passive,
        |config| config.profiles = vec![gcm, cm],
        |config| config.profiles = vec![cm, gcm],
    );
    couple.introduce(&link);
    assert!(couple.run_until_ready(&mut link, SOON));
    assert_eq!(couple.b.transport.profile(), Some(gcm));
}

#[test]
fn no_common_profile_fails_both_sides() {
    for setup in [Active, Passive] {
        let mut link = Link::new(1, LinkConfig::default());
        let mut couple = Couple::with(
            &link,
            setup,
            |config| config.profiles = vec![SrtpProfile::AeadAes128Gcm],
            |config| config.profiles = vec![SrtpProfile::Aes128CmHmacSha1_80],
        );
        couple.introduce(&link);
        couple.run_for(&mut link, Duration::from_secs(30));
        assert!(couple.a.failure().is_some() && couple.b.failure().is_some());
    }
}

#[test]
fn a_lite_side_connects_and_sends_no_checks_ice_30() {
    for setup in [Active, Passive] {
        let mut link = Link::new(1, LinkConfig::default());
        link.capture();
        let mut couple = Couple::with(&link, setup, |_| {}, |config| config.ice_lite = true);
        couple.a.transport.set_remote_ice_lite();
        couple.introduce(&link);
        assert!(couple.run_until_ready(&mut link, SOON), "{setup:?}");
        exchange_media(&mut couple, &mut link);
        couple.run_for(&mut link, Duration::from_secs(60));
        assert!(couple.a.is_ready() && couple.b.is_ready());
        let from_b = |d: &&crate::link::Datagram| d.from == couple.b.addresses[0];
        let checks = link.captured().iter().filter(from_b).filter(|d| d.data[..2] == [0, 1]);
        assert_eq!(checks.count(), 0);
    }
}

#[test]
fn two_controlling_sides_settle_the_conflict_ice_3() {
    for seed in 0..4 {
        let mut link = Link::new(seed, LinkConfig::default());
        let mut couple =
            Couple::with(&link, Active, |_| {}, |config| config.ice_controlling = true);
        couple.introduce(&link);
        assert!(couple.run_until_ready(&mut link, Duration::from_secs(5)));
    }
}

#[test]
fn a_plain_transport_is_ready_with_ice_enc_1() {
    let mut link = Link::new(1, LinkConfig::default());
    let plain = |config: &mut erizo::transport::TransportConfig| config.encrypted = false;
    let mut couple = Couple::with(&link, Active, plain, plain);
    couple.introduce_with(&link, None, None);
    assert!(couple.run_until_ready(&mut link, SOON));
    assert_eq!(couple.a.transport.dtls_state(), DtlsState::New);
    exchange_media(&mut couple, &mut link);
}

#[test]
fn checks_before_the_remote_description_are_kept_ice_11() {
    for setup in [Active, Passive] {
        let mut link = Link::new(1, LinkConfig::default());
        let mut couple = Couple::new(&link, setup);
        let fingerprint = |i| crate::transport_peer::certificate(i).fingerprint();
        // B answers at once and starts; A learns the answer a second later, and no candidate.
        let (a, b) = (&mut couple.a.transport, &mut couple.b.transport);
        let role_of_b = if setup == Active { Passive } else { Active };
        b.set_remote(link.now, &a.local_credentials(), Some(&fingerprint(0)), role_of_b).unwrap();
        for candidate in a.local_candidates() {
            b.add_remote_candidate(link.now, &candidate);
        }
        couple.run_for(&mut link, Duration::from_secs(1));
        let credentials = couple.b.transport.local_credentials();
        let a = &mut couple.a.transport;
        a.set_remote(link.now, &credentials, Some(&fingerprint(1)), setup).unwrap();
        // ICE-10: peer-reflexive is enough.
        assert!(couple.run_until_ready(&mut link, SOON), "{setup:?}");
        exchange_media(&mut couple, &mut link);
    }
}

#[test]
fn a_fingerprint_that_comes_late_unlocks_media_only_then_dtl_8() {
    let mut link = Link::new(1, LinkConfig::default());
    let mut couple = Couple::new(&link, Passive);
    let certificate = crate::transport_peer::certificate;
    couple.introduce_with(&link, Some(&certificate(0).fingerprint()), None);
    couple.run_for(&mut link, SOON);
    assert!(couple.b.is_ready() && !couple.a.is_ready());
    assert!(couple.b.send_rtp(&mut link) && !couple.a.send_rtp(&mut link));
    couple.run_for(&mut link, SOON);
    assert!(couple.a.rtp.is_empty());
    let credentials = couple.b.transport.local_credentials();
    let fingerprint = certificate(1).fingerprint();
    couple.a.transport.set_remote(link.now, &credentials, Some(&fingerprint), Passive).unwrap();
    couple.run_for(&mut link, Duration::from_millis(1));
    assert!(couple.a.is_ready());
    assert!(couple.b.send_rtp(&mut link));
    couple.run_for(&mut link, SOON);
    assert_eq!(couple.a.rtp.len(), 1);
}

#[test]
fn ten_per_cent_loss_delays_but_never_defeats_fifty_handshakes() {
    let config = LinkConfig {
        loss_per_mille: 100,
        duplicate_per_mille: 20,
        delay: Duration::from_millis(30),
        jitter: Duration::from_millis(20),
    };
    let mut done = 0;
    for seed in 0..50 {
        let mut link = Link::new(seed, config);
        let setup = if seed % 2 == 0 { Active } else { Passive };
        let mut couple = Couple::new(&link, setup);
        couple.introduce(&link);
        let ready = couple.run_until_ready(&mut link, Duration::from_secs(15));
        assert!(ready, "seed {seed}: {:?} {:?}", couple.a.events, couple.b.events);
        done += usize::from(ready);
    }
    assert_eq!(done, 50);
}

#[test]
fn dtls_gives_up_15_to_20_seconds_after_ice_in_both_roles_dtl_9() {
    for setup in [Active, Passive] {
        let mut link = Link::new(1, LinkConfig::default());
        // B is plain: it answers checks, never DTLS.
        let mut couple = Couple::with(&link, setup, |_| {}, |config| config.encrypted = false);
        couple.introduce(&link);
        let connected = |peer: &crate::transport_peer::Peer| peer.has(TransportEvent::PathChanged);
        assert!(couple.run_until(&mut link, SOON, |a, _| connected(a)));
        let start = link.now;
        couple.run_until(&mut link, Duration::from_secs(30), |a, _| a.failure().is_some());
        assert_eq!(couple.a.failure(), Some(FailReason::DtlsTimeout));
        let took = link.now - start;
        assert!((15..=20).contains(&took.as_secs()), "{setup:?} {took:?}");
        assert_eq!(couple.a.transport.poll_timeout(), None);
        assert_eq!(couple.a.transport.dtls_state(), DtlsState::Failed);
    }
}

#[test]
fn ice_gives_up_after_30_seconds_without_a_successful_check_ice_26() {
    let mut link = Link::new(1, LinkConfig::default());
    let mut couple = Couple::new(&link, Active);
    link.block(couple.b.addresses[0]);
    couple.introduce(&link);
    let start = link.now;
    couple.run_until(&mut link, Duration::from_secs(60), |a, _| a.failure().is_some());
    assert_eq!(couple.a.failure(), Some(FailReason::IceChecks));
    let took = link.now - start;
    assert!((29..=31).contains(&took.as_secs()), "{took:?}");
}

#[test]
fn without_candidate_or_check_the_clock_does_not_start_ice_26() {
    let mut link = Link::new(1, LinkConfig::default());
    let mut couple = Couple::new(&link, Active);
    let credentials = couple.b.transport.local_credentials();
    let fingerprint = crate::transport_peer::certificate(1).fingerprint();
    couple.a.transport.set_remote(link.now, &credentials, Some(&fingerprint), Active).unwrap();
    couple.run_for(&mut link, Duration::from_secs(120));
    assert_eq!(couple.a.failure(), None);
}

#[test]
fn lost_consent_ends_the_connection_between_15_and_30_seconds_ice_25() {
    for lite in [false, true] {
        let mut link = Link::new(1, LinkConfig::default());
        let mut couple = Couple::with(&link, Active, |_| {}, |config| config.ice_lite = lite);
        couple.a.transport.set_remote_ice_lite();
        couple.introduce(&link);
        assert!(couple.run_until_ready(&mut link, SOON));
        couple.run_for(&mut link, Duration::from_secs(100));
        assert!(couple.a.is_ready() && couple.b.is_ready(), "idle connections stay up");
        link.block(couple.a.addresses[0]);
        let start = link.now;
        couple.run_for(&mut link, Duration::from_secs(15));
        assert!(couple.a.is_ready() && couple.b.is_ready());
        assert_eq!(couple.b.transport.ice_state(link.now), IceState::Disconnected);
        let both = couple.run_until(&mut link, Duration::from_secs(15), |a, b| {
            a.failure() == Some(FailReason::Consent) && b.failure() == Some(FailReason::Consent)
        });
        assert!(both, "lite {lite}: after {:?}", link.now - start);
    }
}

#[test]
fn an_interruption_of_12_seconds_is_survived_ice_25() {
    let mut link = Link::new(1, LinkConfig::default());
    let mut couple = Couple::new(&link, Active);
    couple.introduce(&link);
    assert!(couple.run_until_ready(&mut link, SOON));
    link.block(couple.a.addresses[0]);
    couple.run_for(&mut link, Duration::from_secs(12));
    link.unblock(couple.a.addresses[0]);
    couple.run_for(&mut link, Duration::from_secs(120));
    assert!(couple.a.is_ready() && couple.b.is_ready());
    exchange_media(&mut couple, &mut link);
}

#[test]
fn close_says_goodbye_once_and_later_calls_are_quiet() {
    let mut link = Link::new(1, LinkConfig::default());
    let mut couple = Couple::new(&link, Active);
    couple.introduce(&link);
    assert!(couple.run_until_ready(&mut link, SOON));
    couple.a.transport.close(link.now);
    couple.a.transport.close(link.now);
    couple.run_for(&mut link, Duration::from_secs(1));
    assert!(couple.b.has(TransportEvent::PeerClosed));
    assert!(couple.b.is_ready(), "only consent or the owner ends it");
    assert_eq!(couple.b.transport.dtls_state(), DtlsState::Closed);
    let a = &mut couple.a.transport;
    assert_eq!((a.path(), a.poll_timeout()), (None, None));
    assert_eq!(a.ice_state(link.now), IceState::Closed);
    a.handle_timeout(link.now + Duration::from_secs(100));
    let remote = couple.b.transport.local_credentials();
    assert_eq!(a.restart_ice(link.now, &remote), Ok(false));
    assert_eq!(a.poll_output(), None);
}

#[test]
fn candidates_of_another_session_or_unusable_ones_are_ignored_wrc_43_wrc_45() {
    let mut link = Link::new(1, LinkConfig::default());
    link.capture();
    let mut couple = Couple::new(&link, Active);
    let credentials = couple.b.transport.local_credentials();
    let fingerprint = crate::transport_peer::certificate(1).fingerprint();
    let a = &mut couple.a.transport;
    a.set_remote(link.now, &credentials, Some(&fingerprint), Active).unwrap();
    let good = couple.b.transport.local_candidates().remove(0);
    let with = |change: fn(&mut erizo::negotiation::ice::IceCandidate)| {
        let mut candidate = good.clone();
        change(&mut candidate);
        candidate
    };
    for candidate in [
        with(|c| c.ufrag = Some("another".into())),
        with(|c| c.component = 2),
        with(|c| c.port = 0),
        with(|c| c.address = "4a2f.local".into()),
    ] {
        a.add_remote_candidate(link.now, &candidate);
    }
    couple.run_for(&mut link, SOON);
    assert!(link.captured().is_empty(), "no check was sent");
    couple.a.transport.add_remote_candidate(link.now, &with(|c| c.ufrag = None));
    couple.run_for(&mut link, SOON);
    assert!(!link.captured().is_empty());
}

#[test]
fn secrets_stay_out_of_debug_output_h5() {
    let mut link = Link::new(1, LinkConfig::default());
    let mut couple = Couple::new(&link, Active);
    couple.introduce(&link);
    assert!(couple.run_until_ready(&mut link, SOON));
    let shown = format!("{:?} {:#?}", couple.a.transport, couple.a.transport);
    for peer in [&couple.a, &couple.b] {
        assert!(!shown.contains(&peer.transport.local_credentials().pwd));
    }
}

#[test]
fn connecting_takes_few_round_trips() {
    // 40 ms a round trip: one of ICE, three of DTLS with its cookie. Nothing waits for a timer,
    // not even where the server has no selected pair yet when the ClientHello comes.
    for setup in [Active, Passive] {
        let mut link = Link::new(1, LinkConfig::default());
        let mut couple = Couple::new(&link, setup);
        couple.introduce(&link);
        let start = link.now;
        assert!(couple.run_until_ready(&mut link, SOON));
        let took = link.now - start;
        assert!(took <= Duration::from_millis(200), "{setup:?} {took:?}");
    }
}
