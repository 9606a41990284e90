//! SDP texts against those that ErizoJS makes of the C++ addon's descriptions, and what the
//! reader takes from a browser's text (negotiation.md sections 4.2, 4.8).
//!
//! Differences from the recording that are wanted: video has no channel count in `a=rtpmap`
//! (CDS-23), and simulcast is spelt as in RFC 8853.

use crate::negotiation_support::{
    Connection, Remote, TRANSPORT_CC, av, configuration, describe, pair, read, remote, sdp,
};
use erizo::negotiation::configuration::MediaConfiguration;
use erizo::negotiation::description::SessionDescription;
use erizo::negotiation::direction::MediaType;
use erizo::negotiation::error::SdpError;
use erizo::negotiation::ice::{CandidateType, IceCandidate, IceCredentials};
use erizo::negotiation::section::{Profile, RidDirection};
use erizo::negotiation::session::LocalTransport;
use erizo::rtp::extension::ExtensionKind;
use erizo::rtp::id::{PayloadType, Ssrc};

const CAPTURES: &str = include_str!("negotiation_captures.txt");

fn captured(name: &str) -> String {
    let mut parts = CAPTURES.split("===== ");
    let part = parts.find(|part| part.lines().next() == Some(name)).expect("a captured text");
    normal(part.split_once('\n').expect("a body").1)
}

/// Masks what is random, and spells as we do what the module's comment lists.
fn normal(text: &str) -> String {
    let line = |line: &str| {
        let word = |at: usize| line.split(' ').nth(at).unwrap_or_default();
        if line.starts_with("a=candidate:") {
            return line.replacen(word(3), "*", 1).replacen(
                &format!(" {} typ", word(5)),
                " * typ",
                1,
            );
        }
        for prefix in ["a=ssrc:", "a=fingerprint:", "a=ice-ufrag:", "a=ice-pwd:"] {
            if let Some(rest) = line.strip_prefix(prefix) {
                let masked = rest.split_once(' ').map_or("", |(_, rest)| rest);
                let masked = if prefix == "a=ssrc:" { masked } else { "" };
                return format!("{prefix}* {masked}");
            }
        }
        if line.starts_with("a=rtpmap:") && line.contains("/90000/") {
            return line[..line.rfind('/').expect("a slash")].to_owned();
        }
        line.replace("a=simulcast: ", "a=simulcast:")
    };
    text.lines()
        .map(|it| line(it.trim_end()))
        .filter(|it| !it.is_empty())
        .collect::<Vec<_>>()
        .join("\n")
}

/// `getLocalDescription` and the text of it, with the two candidates of the recording.
fn text(connection: &mut Connection) -> String {
    let candidate = |foundation: &str| IceCandidate {
        foundation: foundation.to_owned(),
        component: 1,
        priority: 7,
        address: "127.0.0.1".to_owned(),
        port: 5,
        candidate_type: CandidateType::Host,
        related_address: String::new(),
        related_port: 0,
        ufrag: None,
    };
    let description = connection.negotiation.local_description(Some(LocalTransport {
        credentials: IceCredentials { ufrag: "user".into(), pwd: "password".into() },
        fingerprint: Some("AA:BB".into()),
        candidates: vec![candidate("1"), candidate("3")],
    }));
    let text = description.to_sdp(connection.version);
    connection.version += 1;
    normal(&text)
}

fn assert_same(ours: &str, name: &str) {
    let theirs = captured(name);
    for (number, (ours, theirs)) in ours.lines().zip(theirs.lines()).enumerate() {
        assert_eq!(ours, theirs, "{name}, line {}", number + 1);
    }
    assert_eq!(ours.lines().count(), theirs.lines().count(), "{name}");
}

/// As ErizoJS edits it for a connection that receives publishers (contract MCF-4); descriptions
/// are built from the unedited one.
fn receiving(video: &str) -> MediaConfiguration {
    let mut configuration = configuration(video);
    configuration.extensions.retain(|uri| uri != TRANSPORT_CC);
    for codec in &mut configuration.codecs {
        codec.feedback.retain(|text| text != "transport-cc");
    }
    configuration
}

fn sending() -> MediaConfiguration {
    let mut configuration = configuration("VP8");
    configuration.extensions.retain(|uri| !uri.contains(":sdes:"));
    configuration
}

#[test]
fn answers_to_publishers_read_as_erizojs_writes_them() {
    let mut connection = Connection::with(receiving("VP8"), true);
    connection.publish("1", "stream1", "av");
    connection.set_remote(&av("sendrecv"));
    assert_same(&text(&mut connection), "answer to a Chrome publisher offer, default");
    connection.remove("1");
    connection.set_remote(&av("recvonly"));
    assert_same(
        &text(&mut connection),
        "answer after the publisher stream was removed (offer recvonly)",
    );
    connection.publish("2", "stream2", "av");
    let mut offer = pair([0, 1], "", "inactive");
    offer.extend(pair([2, 3], "stream2", "sendrecv"));
    connection.set_remote(&offer);
    assert_same(&text(&mut connection), "answer, second publisher stream on mids 2 and 3");
}

#[test]
fn answers_for_other_codecs_read_as_erizojs_writes_them() {
    let mut connection = Connection::with(receiving("H264"), true);
    connection.publish("1", "stream1", "av");
    let offer = SessionDescription::from_sdp(&sdp(&av("sendrecv")), &configuration("H264"));
    connection.try_set_remote(offer.expect("an offer")).expect("accepted");
    assert_same(&text(&mut connection), "answer to a Chrome publisher offer, H264_AND_OPUS");
}

#[test]
fn answer_to_a_rid_offer_mirrors_the_rids() {
    let mut connection = Connection::with(receiving("VP8"), true);
    connection.publish("1", "stream1", "av");
    let mut offer = pair([0, 1], "stream1", "sendrecv");
    offer[1].extra = "a=rid:hi send\na=rid:lo send\na=simulcast:send hi;lo";
    connection.set_remote(&offer);
    assert_same(&text(&mut connection), "answer to a rid simulcast offer");
}

/// What a browser answers to our offers: our numbers, as far as it knows the extensions.
fn browser_answer(sections: &[(&str, &'static str)]) -> SessionDescription {
    let sections: Vec<Remote> = sections
        .iter()
        .map(|(mid, kind)| {
            let mut section = remote(mid, kind, "", "recvonly");
            section.setup = "active";
            section
        })
        .collect();
    let text = sdp(&sections).replace("a=rtpmap:96 VP8", "a=rtpmap:95 VP8");
    let text = text.replace("a=rtpmap:100 VP9", "a=rtpmap:100 VP8");
    let text = text.replace("a=rtpmap:95 VP8", "a=rtpmap:95 none");
    read(&text)
}

#[test]
fn offers_to_subscribers_read_as_erizojs_writes_them() {
    let mut connection = Connection::with(sending(), true);
    connection.subscribe("1", "stream1", "av");
    connection.subscribe("2", "stream2", "av");
    connection.create_offer();
    assert_same(&text(&mut connection), "offer, two subscribed streams");
    let answer = [("0", "audio"), ("1", "video"), ("2", "audio"), ("3", "video")];
    connection.try_set_remote(browser_answer(&answer)).expect("accepted");

    connection.remove("1");
    connection.create_offer();
    assert_same(&text(&mut connection), "offer, first stream removed");
    connection.try_set_remote(browser_answer(&answer)).expect("accepted");

    connection.subscribe("3", "stream3", "av");
    connection.create_offer();
    assert_same(&text(&mut connection), "offer, third stream added");
    let answer = [("0", "audio"), ("4", "audio"), ("2", "audio"), ("3", "video"), ("5", "video")];
    connection.try_set_remote(browser_answer(&answer)).expect("accepted");
}

#[test]
fn reader_fills_a_description_as_erizojs_does() {
    // FIL-1 to FIL-3.
    let mut offer = av("sendonly");
    offer[0].direction = "inactive";
    offer[1].setup = "active";
    offer[1].ssrcs = vec![1111, 1112];
    offer[1].extra = "b=AS:700\na=x-google-flag:conference\n\
        a=candidate:1 1 UDP 2130706431 192.0.2.1 5000 typ host ufrag nDB3\n\
        a=candidate:2 1 TCP 2105458943 192.0.2.1 9 typ host tcptype active\n\
        a=candidate:3 1 udp 1677729535 203.0.113.1 6000 typ srflx raddr 192.0.2.1 rport 5000";
    let description = describe(&offer);
    assert!(description.is_bundle() && description.is_rtcp_mux() && !description.is_ice_lite());
    assert_eq!(description.profile(), Profile::Savpf);
    assert_eq!(description.fingerprint(), "DA:76", "the last section's");
    assert_eq!(description.dtls_role().word(), "active");
    assert_eq!(description.direction(MediaType::Audio).word(), "inactive");
    assert_eq!(description.direction(MediaType::Video).word(), "sendonly");
    assert_eq!(description.media_id("video"), "1");
    assert_eq!(description.media_id("application"), "application");
    assert_eq!(description.video_bandwidth(), 700);
    assert_eq!(description.x_google_flag(), "conference");
    assert_eq!(description.audio_ssrc("stream1"), Some(Ssrc(0)));
    assert_eq!(description.video_ssrcs()["stream1"], [Ssrc(1111), Ssrc(1112)]);
    let [host, reflexive] = description.candidates() else { panic!("two UDP candidates") };
    assert_eq!((host.protocol.as_str(), host.user.as_str()), ("UDP", "nDB3"));
    assert_eq!(host.candidate.ufrag.as_deref(), Some("nDB3"));
    assert_eq!(reflexive.candidate.related_address, "192.0.2.1", "CDS-14");
    assert!(reflexive.bundle, "PPI-2");
    let section = &description.sections()[1];
    assert_eq!((section.mid.as_str(), section.sender_stream_id.as_str()), ("1", "stream1"));
    assert_eq!(section.direction_word(), "sendrecv", "CDS-21");
    // FIL-2: no rtx; PPI-8: opus loses its format parameters.
    let payload_types: Vec<u8> =
        description.codecs(MediaType::Video).map(|codec| codec.payload_type.0).collect();
    assert_eq!(payload_types, [96]);
    assert!(description.codecs(MediaType::Audio).all(|codec| codec.parameters.is_empty()));
    assert_eq!(description.payload_map().internal(PayloadType(96)), PayloadType(100));
    assert_eq!(description.payload_map().external(PayloadType(100)), PayloadType(96));
    assert_eq!(description.payload_map().external(PayloadType(97)), PayloadType(97), "PPI-12");
}

#[test]
fn scn_46_h264_variants_must_match_exactly() {
    let text = sdp(&[remote("0", "video", "l", "sendrecv")]);
    let text = text.replace("a=fmtp:108 ", "a=x-fmtp:108 "); // one variant without parameters
    let description = SessionDescription::from_sdp(&text, &configuration("H264")).expect("SDP");
    let codecs: Vec<_> = description
        .codecs(MediaType::Video)
        .map(|codec| (codec.payload_type.0, codec.parameters.len()))
        .collect();
    assert_eq!(codecs, [(108, 0), (125, 3)], "PPI-8");
}

#[test]
fn scn_47_vp9_profiles_share_one_internal_payload_type() {
    let text = sdp(&[remote("0", "video", "l", "sendrecv")]);
    let description = SessionDescription::from_sdp(&text, &configuration("VP9")).expect("SDP");
    let codecs: Vec<_> = description
        .codecs(MediaType::Video)
        .map(|codec| (codec.payload_type.0, codec.parameters.len()))
        .collect();
    assert_eq!(codecs, [(98, 0), (100, 0)]);
    assert_eq!(description.payload_map().external(PayloadType(100)), PayloadType(100));
}

#[test]
fn streams_follow_their_msid_and_a_sim_group_stands_for_the_list() {
    // FIL-1, FIL-5, NEG-31.
    let mut sections = vec![
        remote("0", "video", "cam", "sendrecv"),
        remote("1", "video", "cam", "sendrecv"),
        remote("2", "video", "sim", "sendrecv"),
        remote("3", "video", "bare", "sendrecv"),
    ];
    sections[0].ssrcs = vec![10, 11];
    sections[1].extra = "a=ssrc:20 cname:x"; // no msid of its own: the section's
    sections[2].extra = "a=ssrc-group:SIM 30 31 32\na=ssrc:30 msid:sim t\na=ssrc:33 msid:sim t";
    let description = describe(&sections);
    let list =
        |label: &str| description.video_ssrcs()[label].iter().map(|s| s.0).collect::<Vec<_>>();
    assert_eq!(list("cam"), [10, 11, 20]);
    assert_eq!(list("sim"), [30, 31, 32]);
    assert!(list("bare").is_empty() && description.has_label("bare"));
    assert_eq!(description.source_video_ssrcs("bare"), [Ssrc(55_543)], "RID-5");
    assert_eq!(description.source_audio_ssrc("bare"), Ssrc(44_444), "RID-5");
}

#[test]
fn session_level_attributes_apply_to_all_sections() {
    // RFC 8122 §5, RFC 8839 §5.4: browsers may write them once.
    let mut section = remote("0", "audio", "l", "sendrecv");
    section.fingerprint = false;
    let text = sdp(&[section]);
    let text = text.replace("a=ice-ufrag:nDB3\r\na=ice-pwd:tfQdK4j3DmPDkQ1FqrhmpfIc\r\n", "");
    let text = text.replace("a=setup:actpass\r\n", "").replace(
        "a=msid-semantic: WMS\r\n",
        "a=ice-lite\r\na=ice-ufrag:sess\r\na=ice-pwd:word\r\na=fingerprint:sha-256 CC:DD\r\n\
         a=setup:passive\r\n",
    );
    let description = read(&text);
    assert_eq!(description.fingerprint(), "CC:DD");
    assert_eq!(description.dtls_role().word(), "passive");
    assert_eq!(description.ice_credentials(MediaType::Video).ufrag, "sess");
    assert!(description.is_ice_lite());
}

#[test]
fn answers_without_a_common_codec_reject_the_section() {
    // RFC 3264 §6: port 0 and some format, or the browser cannot parse the answer.
    let mut connection = Connection::with(receiving("H264"), true);
    connection.publish("1", "stream1", "av");
    let offer = sdp(&av("sendrecv")).replace("H264/90000", "H265/90000");
    let offer = SessionDescription::from_sdp(&offer, &configuration("H264")).expect("an offer");
    connection.try_set_remote(offer).expect("accepted");
    let text = text(&mut connection);
    assert!(text.contains("m=video 0 UDP/TLS/RTP/SAVPF 0\n"), "{text}");
    assert!(text.contains("a=group:BUNDLE 0\n"), "{text}");
}

#[test]
fn plain_connections_say_so() {
    // CDS-25, ENC-1.
    let mut connection = Connection::new();
    connection.subscribe("1", "stream1", "av");
    connection.create_offer();
    let text = connection.local().to_sdp(3);
    assert!(text.starts_with("v=0\r\no=- 0 3 IN IP4 127.0.0.1\r\ns=LicodeMCU\r\nt=0 0\r\n"));
    assert!(text.contains("m=audio 9 RTP/AVPF 111\r\n") && !text.contains("a=fingerprint"));
}

#[test]
fn numeric_rids_come_in_ascending_order() {
    // RID-2.
    let mut description = SessionDescription::new(&configuration("VP8"));
    for id in ["x", "3", "1", "02", "2", "1"] {
        description.add_rid(id.to_owned(), RidDirection::Recv);
    }
    let mut section = remote("0", "video", "l", "sendrecv");
    section.extra = "";
    let mut local = describe(&[section]);
    for rid in description.rids() {
        local.add_rid(rid.id.clone(), rid.direction);
    }
    let text = local.to_sdp(0);
    assert!(text.contains("a=simulcast:recv 1;2;3;x;02\r\n"), "{text}");
}

#[test]
fn texts_cannot_start_lines_of_their_own() {
    let mut description = describe(&[remote("0", "video", "l", "sendrecv")]);
    description.set_x_google_flag("a\r\na=evil".to_owned());
    assert!(!description.to_sdp(0).contains("\na=evil"));
}

#[test]
fn extension_maps_follow_the_remote_description() {
    // EXM-1 to EXM-3.
    let mut connection = Connection::with(receiving("VP8"), true);
    connection.publish("1", "stream1", "av");
    connection.set_remote(&av("sendrecv"));
    let (audio, video) = connection.negotiation.extension_maps();
    assert_eq!(audio.id(ExtensionKind::AudioLevel), Some(1));
    assert_eq!(audio.id(ExtensionKind::Mid), Some(4));
    assert_eq!(video.id(ExtensionKind::RtpStreamId), Some(10));
    assert_eq!(video.id(ExtensionKind::TransportSequence), None, "not supported here");
    let other_ids = sdp(&av("sendrecv")).replace("a=extmap:9 ", "a=extmap:13 ");
    connection.try_set_remote(read(&other_ids)).expect("accepted");
    assert_eq!(connection.negotiation.extension_maps().1, video);
}

#[test]
fn text_that_is_no_sdp_is_an_error() {
    for text in ["", "\r\n", "hello", "v=0", "v=1\r\n", "{\"sdp\": 1}", "m=audio 9 x 0\r\n"] {
        let result = SessionDescription::from_sdp(text, &configuration("VP8"));
        assert!(matches!(result, Err(SdpError::Syntax { .. })), "{text:?}");
    }
}
