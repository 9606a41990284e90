//! The description as a value (negotiation.md sections 4.1 to 4.5), and the steps of the C++
//! addon's recording `desc.norm.json`.

use crate::negotiation_support::{Connection, configuration};
use erizo::negotiation::codec::Payload;
use erizo::negotiation::configuration::MediaConfiguration;
use erizo::negotiation::description::SessionDescription;
use erizo::negotiation::direction::{Direction, MediaType};
use erizo::negotiation::ice::{IceCandidate, IceCredentials};
use erizo::negotiation::section::{Profile, RidDirection};
use erizo::negotiation::setup::DtlsSetup;
use erizo::rtp::id::{PayloadType, Ssrc};
use serde_json::json;

fn credentials(ufrag: &str, pwd: &str) -> IceCredentials {
    IceCredentials { ufrag: ufrag.into(), pwd: pwd.into() }
}

/// The setters of the recording, in its order.
fn recorded() -> SessionDescription {
    let mut description = SessionDescription::new(&configuration("VP8"));
    description.set_profile(Profile::Savpf);
    description.set_bundle(true);
    description.add_bundle_tag("0".into(), MediaType::Audio);
    description.add_bundle_tag("1".into(), MediaType::Video);
    description.set_rtcp_mux(true);
    description.set_audio_ssrc("L".into(), Ssrc(5));
    description.set_video_ssrcs("L".into(), vec![Ssrc(6), Ssrc(7), Ssrc(8)]);
    let mut section = |mid: &str, direction: &str, kind: &str, stopped| {
        description.add_section(
            "snd".into(),
            "rcv".into(),
            mid.into(),
            direction,
            kind.into(),
            "5".into(),
            stopped,
        );
    };
    section("0", "sendonly", "audio", false);
    section("1", "recvonly", "video", true);
    section("2", "sendrecv", "video", false);
    section("3", "nonsense", "video", false);
    description.set_video_direction(Direction::SendOnly);
    description.set_audio_direction(Direction::Inactive);
    description.set_fingerprint("AA:BB".into());
    description.set_dtls_role(DtlsSetup::Passive);
    description.set_video_bandwidth(700);
    for (media_type, line) in [
        (MediaType::Audio, "f1 1 udp 100 127.0.0.1 5000 typ host raddr 1.1.1.1 rport 7"),
        (MediaType::Video, "f2 1 tcp 100 127.0.0.1 5000 typ host"),
        (MediaType::Video, "f3 2 UDP 4294967295 127.0.0.1 70000 typ srflx raddr 10.0.0.1 rport 9"),
        (MediaType::Video, "f4 2 Udp 1 ::1 1 typ prflx raddr 10.0.0.1 rport 9"),
        (MediaType::Video, "f5 1 udp 1 a.local 1 typ relay raddr 10.0.0.1 rport 9"),
    ] {
        let (protocol, candidate) = IceCandidate::parse_line(line).expect("a candidate");
        let stored = description.add_candidate(media_type, &protocol, candidate);
        assert_eq!(stored, ["udp", "UDP"].contains(&protocol.as_str()));
    }
    description.set_ice_credentials(credentials("ua", "pa"), MediaType::Audio);
    description.set_ice_credentials(credentials("uv", "pv"), MediaType::Video);
    for (id, direction) in [("hi", "send"), ("lo", "recv"), ("mid", "x")] {
        description.add_rid(id.into(), RidDirection::from_word(direction));
    }
    description.add_payload_type(96, "VP8".into(), 90_000, MediaType::Video);
    description.add_parameter(96, "a".into(), "b".into());
    description.add_feedback(96, "nack".into());
    description.add_feedback(96, "ccm fir".into());
    description.add_payload_type(97, "rtx".into(), 90_000, MediaType::Video);
    description.add_parameter(97, "apt".into(), "96".into());
    description.add_payload_type(111, "opus".into(), 48_000, MediaType::Audio);
    description.add_feedback(99, "orphan".into());
    description.add_parameter(98, "orphan".into(), "1".into());
    description.add_extension(3, "urn:ietf:params:rtp-hdrext:toffset".into(), MediaType::Video);
    description.set_ice_lite(true);
    description
}

#[test]
fn getters_answer_as_recorded() {
    let mut description = recorded();
    assert_eq!(description.profile().text(), "UDP/TLS/RTP/SAVPF");
    let words: Vec<_> = description.sections().iter().map(|it| it.direction_word()).collect();
    assert_eq!(words, ["sendrecv", "recvonly", "sendrecv", "inactive"], "CDS-21");
    assert_eq!(description.media_id("audio"), "0");
    assert_eq!(description.media_id("other"), "other");
    assert_eq!(description.direction(MediaType::Other), Direction::SendOnly);
    assert_eq!(description.ice_credentials(MediaType::Other).ufrag, "ua");
    assert_eq!(description.ice_credentials(MediaType::Video).ufrag, "uv");
    assert!(description.extensions(MediaType::Video).is_empty(), "CDS-24");
    assert_eq!(description.codecs(MediaType::Video).count(), 0, "before agree");
    let rids: Vec<_> = description.rids().iter().map(|rid| rid.direction.word()).collect();
    assert_eq!(rids, ["send", "recv", "send"]);
    let related: Vec<_> = description
        .candidates()
        .iter()
        .map(|it| (it.candidate.related_address.as_str(), it.candidate.related_port))
        .collect();
    assert_eq!(related, [("", 0), ("10.0.0.1", 9), ("10.0.0.1", 9)], "CDS-14");
    assert_eq!(description.candidates()[1].candidate.priority, u32::MAX, "COE-4");

    assert!(description.agree());
    let vp8: Vec<&Payload> = description.codecs(MediaType::Video).collect();
    let [vp8] = vp8[..] else { panic!("VP8 alone") };
    assert_eq!(vp8.payload_type, PayloadType(96));
    assert_eq!(vp8.channels, 0, "CDS-23");
    assert_eq!(vp8.feedback, ["ccm fir", "nack"], "PPI-6: our order");
    assert!(vp8.parameters.is_empty(), "PPI-8 a");
    let opus: Vec<&Payload> = description.codecs(MediaType::Audio).collect();
    assert_eq!((opus[0].payload_type, opus[0].channels), (PayloadType(111), 2));
    let users: Vec<_> = description.candidates().iter().map(|it| it.user.as_str()).collect();
    assert_eq!(users, ["ua", "uv", "uv"], "PPI-2");

    let mut copy = SessionDescription::default();
    copy.copy_from(&description);
    assert_eq!(copy.codecs(MediaType::Video).count(), 1);
    assert_eq!(copy.payload_map().internal(PayloadType(96)), PayloadType(96), "CPY-1: no maps");
    assert_eq!(copy.fingerprint(), "");
}

#[test]
fn agreeing_twice_is_agreeing_once() {
    // PPI-11.
    let mut once = recorded();
    assert!(once.agree());
    let mut twice = once.clone();
    assert!(twice.agree());
    assert_eq!(once, twice);
}

#[test]
fn agreement_without_credentials_changes_nothing() {
    // PPI-1.
    let mut description = recorded();
    description.set_ice_credentials(credentials("", ""), MediaType::Other);
    let before = description.clone();
    assert!(!description.agree());
    assert_eq!(description, before);
    description.set_ice_credentials(credentials("ua", "pa"), MediaType::Audio);
    assert!(description.agree());
    assert_eq!(description.ice_credentials(MediaType::Video).pwd, "pa");
}

#[test]
fn added_payload_types_replace_what_was_there() {
    let mut description = recorded();
    description.add_payload_type(96, "VP8".into(), 90_000, MediaType::Video);
    assert!(description.agree());
    let vp8 = description.codecs(MediaType::Video).next().expect("VP8");
    assert!(vp8.feedback.is_empty(), "earlier feedback of the payload type is lost");
}

#[test]
fn retransmission_is_agreed_only_with_a_matching_apt() {
    // PPI-4, PPI-9, DEF-54.
    let rtx = MediaConfiguration::from_json(&json!({ "rtpMappings": [
        { "payloadType": 100, "encodingName": "VP8", "clockRate": 90000, "mediaType": "video" },
        { "payloadType": 120, "encodingName": "rtx", "clockRate": 90000, "mediaType": "video",
          "formatParameters": { "apt": 100 } },
    ] }));
    for (apt, agreed) in [
        (Some("96"), true),
        (Some("97"), false),
        (Some("x"), false),
        (Some("-1"), false),
        (Some("300"), false),
        (None, false),
    ] {
        let mut description = SessionDescription::new(&rtx);
        description.set_ice_credentials(credentials("u", "p"), MediaType::Other);
        description.add_payload_type(96, "VP8".into(), 90_000, MediaType::Video);
        description.add_payload_type(97, "rtx".into(), 90_000, MediaType::Video);
        if let Some(apt) = apt {
            description.add_parameter(97, "apt".into(), apt.into());
        }
        assert!(description.agree());
        let listed = description.codecs(MediaType::Video).any(|codec| codec.name == "rtx");
        assert_eq!(listed, agreed, "{apt:?}");
        let mapped = description.payload_map().internal(PayloadType(97)) == PayloadType(120);
        assert_eq!(mapped, agreed, "{apt:?}");
    }
}

#[test]
fn configuration_follows_key_order_and_skips_what_is_incomplete() {
    // MCF-1, WRC-6, WRC-7.
    let configuration = MediaConfiguration::from_json(&json!({
        "rtpMappings": {
            "vp8": { "payloadType": 100, "encodingName": "VP8", "mediaType": "video", "channels": 1 },
            "opus": { "payloadType": 111, "encodingName": "opus", "mediaType": "audio",
                "clockRate": 48000, "channels": 2, "formatParameters": { "a": 1, "b": true } },
            "none": { "encodingName": "none", "mediaType": "audio" },
        },
        "extMappings": ["urn:b", "urn:a"],
    }));
    let codecs: Vec<_> = configuration
        .codecs
        .iter()
        .map(|codec| (codec.name.as_str(), codec.clock_rate_hz, codec.channels))
        .collect();
    assert_eq!(codecs, [("opus", 48_000, 2), ("VP8", 0, 0)]);
    assert_eq!(configuration.codecs[0].parameters["a"], "1");
    assert_eq!(configuration.codecs[0].parameters["b"], "true");
    assert_eq!(configuration.extensions, ["urn:b", "urn:a"]);
}

/// `<mid> <sender label> <direction>`, `+` if just added, `x` if stopped.
fn infos(connection: &mut Connection) -> Vec<String> {
    let description = connection.local();
    let info = |section: &erizo::negotiation::section::MediaSection| {
        let added = if section.just_added_in_offer { "+" } else { "" };
        let stopped = if section.stopped { "x" } else { "" };
        let direction = section.direction_word();
        let sent = !section.ssrc.is_empty();
        assert_eq!(sent, !section.sender_stream_id.is_empty(), "TRX-2");
        format!("{} {} {direction}{added}{stopped}", section.mid, section.sender_stream_id)
    };
    description.sections().iter().map(info).collect()
}

#[test]
fn subscriber_connection_reports_the_recorded_steps() {
    let mut connection = Connection::with(configuration("VP8"), true);
    connection.subscribe("s1", "L1", "av");
    assert!(infos(&mut connection).is_empty());
    connection.create_offer();
    assert_eq!(infos(&mut connection), ["0 L1 sendrecv+", "1 L1 sendrecv+"]);
    connection.create_offer();
    assert_eq!(infos(&mut connection), ["0 L1 sendrecv", "1 L1 sendrecv"]);
    connection.subscribe("s2", "L2", "av");
    assert_eq!(infos(&mut connection).len(), 2, "added, not offered");
    connection.create_offer();
    assert_eq!(infos(&mut connection)[2..], ["2 L2 sendrecv+", "3 L2 sendrecv+"]);
    connection.remove("s1");
    let freed = ["0  inactive", "1  inactivex", "2 L2 sendrecv", "3 L2 sendrecv"];
    assert_eq!(infos(&mut connection), freed);
    connection.create_offer();
    assert_eq!(infos(&mut connection), freed);
    assert_eq!(connection.local().audio_ssrcs().len(), 1);
    connection.subscribe("s3", "L3", "av");
    connection.create_offer();
    assert_eq!(
        infos(&mut connection),
        ["0  inactive", "4 L3 sendrecv+", "2 L2 sendrecv", "3 L2 sendrecv", "5 L3 sendrecv+"]
    );
    connection.subscribe("s4", "L4", "a");
    connection.create_offer();
    assert_eq!(infos(&mut connection)[5..], ["6 L4 sendrecv+"]);
    connection.subscribe("s5", "L5", "v");
    connection.create_offer();
    assert_eq!(infos(&mut connection)[6..], ["7 L5 sendrecv+"]);
    connection.remove("s2");
    connection.remove("s4");
    connection.subscribe("s6", "L6", "v");
    connection.create_offer();
    assert_eq!(
        infos(&mut connection),
        [
            "0  inactive",
            "4 L3 sendrecv",
            "2  inactivex",
            "3  inactivex",
            "5 L3 sendrecv",
            "6  inactivex",
            "7 L5 sendrecv",
            "8 L6 sendrecv+"
        ]
    );
    for id in ["s3", "s5", "s6"] {
        connection.remove(id);
    }
    connection.create_offer();
    let rows = infos(&mut connection);
    assert_eq!(rows[0], "0  inactive", "TRX-5");
    assert!(rows[1..].iter().all(|row| row.ends_with("  inactivex")), "{rows:?}");
}

#[test]
fn fresh_local_description_is_empty() {
    let mut connection = Connection::with(configuration("VP8"), true);
    let description = connection.negotiation.local_description(None);
    assert_eq!(description.profile(), Profile::Savpf);
    assert_eq!(description.direction(MediaType::Audio), Direction::Inactive, "NEG-45");
    assert_eq!(description.dtls_role(), DtlsSetup::ActPass);
    assert!(description.sections().is_empty() && description.candidates().is_empty());
    assert_eq!(description.codecs(MediaType::Video).count(), 0);
    let mut plain = Connection::new();
    assert_eq!(plain.negotiation.local_description(None).profile(), Profile::Avpf, "OTH-5");
}
