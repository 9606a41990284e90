//! What a remote description may decide: refusal (WRC-24, security.md H2), DTLS roles (DTL-3,
//! DTL-4), transport creation (NEG-26, ENC rules) and candidates (NEG-27, WRC-45).

use crate::negotiation_support::{
    Connection, Remote, av, configuration, describe, pair, read, remote, sdp,
};
use erizo::negotiation::error::NegotiationError;
use erizo::negotiation::ice::IceCredentials;
use erizo::negotiation::section::Profile;
use erizo::negotiation::setup::DtlsSetup;

fn encrypted() -> Connection {
    Connection::with(configuration("VP8"), true)
}

fn with_protocol(protocol: &'static str, fingerprint: bool) -> Vec<Remote> {
    let mut sections = av("sendrecv");
    for section in &mut sections {
        section.protocol = protocol;
        section.fingerprint = fingerprint;
    }
    sections
}

#[test]
fn encrypted_connection_refuses_plaintext_and_stays_usable() {
    // security.md H2, N4.
    let refused = NegotiationError::PlaintextRefused { profile: Profile::Avpf };
    for (protocol, fingerprint, error) in [
        ("RTP/AVPF", false, &refused),
        ("RTP/AVPF", true, &refused),
        ("RTP/AVP", false, &refused),
        ("RTP/SAVPF", false, &refused),
        ("UDP/TLS/RTP/SAVPF", false, &NegotiationError::MissingFingerprint),
    ] {
        let mut connection = encrypted();
        connection.publish("1", "stream1", "av");
        let offer = describe(&with_protocol(protocol, fingerprint));
        assert_eq!(connection.try_set_remote(offer).as_ref(), Err(error), "{protocol}");
        assert!(connection.negotiation.remote().is_none());
        assert!(connection.report().is_empty(), "state is unchanged");
        let plan = connection.set_remote(&av("sendrecv"));
        assert!(plan.first && plan.create_transport.is_some_and(|it| it.encrypted));
        assert_eq!(connection.report()[0], "0 audio recvonly active");
    }
}

#[test]
fn encrypted_offer_refuses_a_plaintext_answer() {
    let mut connection = encrypted();
    connection.subscribe("1", "stream1", "av");
    connection.offer();
    let answer = describe(&with_protocol("RTP/AVPF", false));
    assert!(connection.try_set_remote(answer).is_err());
    assert_eq!(
        connection.offer(),
        ["0 audio sendrecv actpass", "1 video sendrecv actpass"],
        "NEG-9: still unanswered"
    );
    connection.set_remote(&pair([0, 1], "", "recvonly"));
    assert_eq!(connection.offer()[0], "0 audio sendrecv passive");
}

#[test]
fn data_section_does_not_excuse_a_missing_fingerprint() {
    // FIL-4.
    let mut offer = with_protocol("UDP/TLS/RTP/SAVPF", false);
    let mut data = remote("2", "application", "", "sendrecv");
    data.protocol = "UDP/DTLS/SCTP";
    data.fingerprint = false;
    offer.push(data);
    let result = encrypted().try_set_remote(describe(&offer));
    assert_eq!(result, Err(NegotiationError::MissingFingerprint));
}

#[test]
fn first_description_needs_ice_credentials_and_later_ones_nothing() {
    // WRC-24, JSA-27.
    let bare = sdp(&av("sendrecv")).replace("a=ice-", "a=x-ice-");
    let mut connection = encrypted();
    let error = connection.try_set_remote(read(&bare));
    assert_eq!(error, Err(NegotiationError::MissingIceCredentials));
    connection.set_remote(&av("sendrecv"));
    connection.try_set_remote(read(&bare)).expect("tolerated");
    let odd = describe(&with_protocol("RTP/AVPF", false));
    connection.try_set_remote(odd).expect("tolerated: the transport stays encrypted");
}

#[test]
fn plain_connections_follow_the_peer() {
    // ENC-1, ENC-2, NEG-26.
    for (protocol, fingerprint, encrypts) in
        [("UDP/TLS/RTP/SAVPF", true, true), ("RTP/AVPF", true, true), ("RTP/AVPF", false, false)]
    {
        let mut connection = Connection::new();
        let plan = connection.set_remote(&with_protocol(protocol, fingerprint));
        assert_eq!(plan.create_transport.map(|it| it.encrypted), Some(encrypts), "{protocol}");
    }
    let result =
        Connection::new().try_set_remote(describe(&with_protocol("UDP/TLS/RTP/SAVPF", false)));
    assert_eq!(result, Err(NegotiationError::MissingFingerprint));

    // A plain transport is not upgraded by its answer.
    let mut connection = Connection::new();
    assert!(connection.create_offer().create_transport);
    assert_eq!(connection.set_remote(&av("sendrecv")).create_transport, None);
}

#[test]
fn first_description_settles_the_dtls_role() {
    // DTL-3, DTL-4, NEG-21.
    for (we_offer, peer, ours) in [
        (false, "actpass", DtlsSetup::Active),
        (false, "passive", DtlsSetup::Active),
        (false, "active", DtlsSetup::Passive),
        (true, "active", DtlsSetup::Passive),
        (true, "actpass", DtlsSetup::Passive),
        (true, "passive", DtlsSetup::Active),
    ] {
        let mut connection = encrypted();
        connection.subscribe("1", "stream1", "av");
        if we_offer {
            connection.create_offer();
            assert_eq!(connection.local().dtls_role(), DtlsSetup::ActPass);
        }
        let mut sections = av("sendrecv");
        sections.iter_mut().for_each(|section| section.setup = peer);
        let plan = connection.set_remote(&sections);
        assert_eq!(plan.dtls_role, ours, "{we_offer} {peer}");
        assert_eq!(connection.local().dtls_role(), ours);
        // It never changes again, whoever offers and whatever is asked for.
        for setup in ["active", "passive", "actpass"] {
            sections.iter_mut().for_each(|section| section.setup = setup);
            assert_eq!(connection.set_remote(&sections).dtls_role, ours);
            connection.create_offer();
            assert_eq!(connection.local().dtls_role(), ours);
        }
    }
}

#[test]
fn transport_facts_come_with_the_first_description_only() {
    // NEG-26, NEG-27.
    let mut connection = encrypted();
    let plan = connection.set_remote(&av("sendrecv"));
    assert_eq!(plan.credentials.expect("credentials").ufrag, "nDB3");
    assert_eq!(plan.fingerprint.as_deref(), Some("DA:76"));
    let other = sdp(&av("sendrecv")).replace("nDB3", "else").replace("DA:76", "00:00");
    let plan = connection.try_set_remote(read(&other)).expect("accepted");
    assert!(!plan.first && plan.credentials.is_none() && plan.fingerprint.is_none());
}

#[test]
fn candidates_are_handed_on_once_and_only_with_the_ufrag_in_force() {
    // NEG-27, WRC-45, ICE-21.
    const A: &str = "a=candidate:1 1 udp 2130706431 192.0.2.1 5000 typ host";
    const B: &str = "a=candidate:2 1 udp 2130706431 192.0.2.1 5001 typ host ufrag nDB3";
    const STALE: &str = "a=candidate:3 1 udp 2130706431 192.0.2.1 5002 typ host ufrag old";
    let text = |ufrag: &str, lines: &str| {
        let mut sections = av("sendrecv");
        let lines: &'static str = Box::leak(lines.to_owned().into_boxed_str());
        sections.iter_mut().for_each(|section| section.extra = lines);
        read(&sdp(&sections).replace("nDB3", ufrag))
    };
    let ports = |connection: &mut Connection, description| {
        let plan = connection.try_set_remote(description).expect("accepted");
        plan.candidates.iter().map(|candidate| candidate.port).collect::<Vec<_>>()
    };
    let mut connection = encrypted();
    assert_eq!(ports(&mut connection, text("nDB3", &format!("{A}\n{STALE}"))), [5000]);
    assert_eq!(ports(&mut connection, text("nDB3", &format!("{A}\n{B}"))), [5001]);
    assert!(ports(&mut connection, text("new1", A)).is_empty(), "no restart happened");
    let restarted = IceCredentials { ufrag: "new1".into(), pwd: "p".repeat(22) };
    connection.negotiation.restart_ice(&restarted);
    assert_eq!(ports(&mut connection, text("new1", A)), [5000]);
}

#[test]
fn copied_description_offers_the_publishers_numbers() {
    // CPY-1 to CPY-3.
    let mut connection = encrypted();
    connection.negotiation.copy_description(&describe(&pair([0, 1], "p", "sendrecv")));
    let other = sdp(&pair([0, 1], "p", "sendrecv")).replace(":96 ", ":120 ");
    connection.negotiation.copy_description(&read(&other.replace("a=extmap:9 ", "a=extmap:14 ")));
    connection.subscribe("1", "p", "v");
    connection.create_offer();
    let description = connection.local();
    let video = erizo::negotiation::direction::MediaType::Video;
    let payload_types: Vec<u8> =
        description.codecs(video).map(|codec| codec.payload_type.0).collect();
    assert_eq!(payload_types, [96], "the first one wins");
    let extensions = description.extensions(video);
    assert_eq!(extensions.get(&9).copied(), Some("urn:ietf:params:rtp-hdrext:sdes:mid"));
    assert_eq!(extensions.get(&14), None);
    assert_eq!(extensions.get(&6), None, "unsupported");
}

#[test]
fn passwords_stay_out_of_debug_output() {
    // security.md H5.
    let mut offer = av("sendrecv");
    offer[1].extra = "a=candidate:1 1 udp 2130706431 192.0.2.1 5000 typ host";
    let description = describe(&offer);
    let mut connection = encrypted();
    let plan = connection.try_set_remote(description.clone()).expect("accepted");
    let text = format!("{description:?} {plan:?} {:?}", connection.negotiation);
    assert!(!text.contains("tfQdK4j3DmPDkQ1FqrhmpfIc"));
}

#[test]
fn missing_mids_are_replaced_by_ours() {
    // CDS-26, JSA-34.
    for absent in ["", "undefined"] {
        let mut offer = pair([0, 1], "stream1", "sendrecv");
        offer[0].mid = absent.to_owned();
        offer[1].mid = "0".to_owned();
        let mut connection = encrypted();
        connection.publish("1", "stream1", "av");
        assert_eq!(
            connection.answer(&offer),
            ["1 audio recvonly active", "0 video recvonly active"]
        );
    }
}
