//! The offer/answer scenarios of the contract (negotiation.md section 6.3) without a network.
//! Signalling states and `negotiationneeded` belong to JavaScript and are not repeated here.

use crate::negotiation_support::{Connection, av, describe, pair, remote};
use erizo::negotiation::session::Association;
use erizo::rtp::id::MediaKind;

#[test]
fn scn_4_publisher_leaves_and_comes_back_on_the_same_mids() {
    let mut connection = Connection::new();
    connection.publish("1", "stream1", "av");
    let both = ["0 audio recvonly active", "1 video recvonly active"];
    assert_eq!(connection.answer(&av("sendrecv")), both);
    connection.remove("1");
    assert_eq!(
        connection.answer(&av("recvonly")),
        ["0 audio inactive active", "1 video inactive actpass port 0"]
    );
    // TRX-6: a stopped section that is used again is not stopped any more.
    connection.publish("1", "stream1", "av");
    assert_eq!(connection.answer(&av("sendrecv")), both);
}

#[test]
fn scn_5_sender_and_receiver_share_a_section() {
    let mut connection = Connection::new();
    connection.publish("1", "stream1", "av");
    connection.subscribe("2", "stream2", "av");
    assert_eq!(connection.offer(), ["0 audio sendrecv actpass", "1 video sendrecv actpass"]);
    connection.set_remote(&pair([0, 1], "", "sendrecv"));
    assert_eq!(
        connection.answer(&av("sendrecv")),
        ["0 audio sendrecv passive", "1 video sendrecv passive"]
    );
    connection.remove("2");
    assert_eq!(connection.offer(), ["0 audio recvonly passive", "1 video recvonly passive"]);
}

#[test]
fn scn_7_stopped_section_is_recycled_for_another_kind_with_a_new_mid() {
    let mut connection = Connection::new();
    connection.subscribe("1", "stream10", "av");
    assert_eq!(connection.offer(), ["0 audio sendrecv actpass", "1 video sendrecv actpass"]);
    connection.set_remote(&pair([0, 1], "stream1", "recvonly"));
    connection.remove("1");
    assert_eq!(connection.offer(), ["0 audio inactive passive", "1 video inactive actpass port 0"]);
    connection.set_remote(&av("inactive"));
    connection.subscribe("1", "stream10", "av");
    assert_eq!(
        connection.offer(),
        ["0 audio inactive passive", "2 audio sendrecv actpass", "3 video sendrecv actpass"]
    );
    // Fewer sections than offered, and another mid (NEG-33).
    connection.set_remote(&pair([0, 1], "stream1", "recvonly"));
}

#[test]
fn scn_8_and_9_position_0_is_never_recycled() {
    for kind in ["audio", "video"] {
        let answer = |direction| vec![remote("0", kind, "stream1", direction)];
        let mut connection = Connection::new();
        connection.subscribe("1", "stream10", &kind[..1]);
        assert_eq!(connection.offer(), [format!("0 {kind} sendrecv actpass")]);
        connection.set_remote(&answer("recvonly"));
        connection.remove("1");
        assert_eq!(connection.offer(), [format!("0 {kind} inactive passive")]);
        connection.set_remote(&answer("inactive"));
        connection.subscribe("1", "stream10", "av");
        let first = format!("0 {kind} inactive passive");
        assert_eq!(
            connection.offer(),
            [first.as_str(), "1 audio sendrecv actpass", "2 video sendrecv actpass"]
        );
        connection.set_remote(&answer("recvonly"));
    }
}

#[test]
fn scn_10_second_publisher_adds_sections_and_the_role_stays() {
    let mut connection = Connection::new();
    connection.publish("stream1", "stream1", "v");
    let mut offer = vec![remote("0", "video", "stream1", "sendrecv")];
    assert_eq!(connection.answer(&offer), ["0 video recvonly active"]);
    connection.publish("stream2", "stream2", "av");
    offer[0].setup = "active";
    offer.extend(pair([1, 2], "stream2", "sendrecv"));
    let plan = connection.set_remote(&offer);
    assert!(!plan.first && plan.create_transport.is_none() && plan.credentials.is_none());
    let description = connection.local();
    assert_eq!(
        crate::negotiation_support::rows(&description),
        ["0 video recvonly active", "1 audio recvonly active", "2 video recvonly active"]
    );
    for section in description.sections() {
        assert!(!description.extensions(section.media_type()).is_empty());
    }
}

#[test]
fn scn_12_answer_with_another_kind_is_tolerated() {
    let wrong = |direction| vec![remote("0", "audio", "stream1", direction)];
    let mut connection = Connection::new();
    connection.subscribe("1", "stream10", "v");
    assert_eq!(connection.offer(), ["0 video sendrecv actpass"]);
    connection.set_remote(&wrong("recvonly"));
    connection.remove("1");
    assert_eq!(connection.offer(), ["0 video inactive passive"]);
    connection.set_remote(&wrong("inactive"));
    connection.subscribe("1", "stream10", "av");
    assert_eq!(
        connection.offer(),
        ["0 video inactive passive", "1 audio sendrecv actpass", "2 video sendrecv actpass"]
    );
}

#[test]
fn scn_13_subscriptions_come_and_go() {
    let publisher = describe(&pair([0, 1], "1", "recvonly"));
    let label = "stream10";
    let mut connection = Connection::new();
    connection.subscribe("1", label, "av");
    connection.negotiation.copy_description(&publisher);
    assert_eq!(connection.offer(), ["0 audio sendrecv actpass", "1 video sendrecv actpass"]);
    let description = connection.local();
    for section in description.sections() {
        assert!(!description.extensions(section.media_type()).is_empty(), "CPY-3");
    }
    connection.set_remote(&[remote("0", "video", "stream1", "recvonly")]);

    connection.remove("1");
    assert_eq!(connection.offer(), ["0 audio inactive passive", "1 video inactive actpass port 0"]);
    connection.set_remote(&[remote("0", "video", "stream1", "inactive")]);

    connection.subscribe("2", label, "av");
    connection.negotiation.copy_description(&publisher);
    assert_eq!(
        connection.offer(),
        ["0 audio inactive passive", "2 audio sendrecv actpass", "3 video sendrecv actpass"]
    );
    let mut answer = vec![remote("0", "video", "", "inactive")];
    answer.extend(pair([2, 3], label, "recvonly"));
    connection.set_remote(&answer);

    // NEG-48: what was freed since the last report is not recycled yet.
    connection.remove("2");
    connection.subscribe("3", label, "av");
    assert_eq!(
        connection.offer(),
        [
            "0 audio inactive passive",
            "2 audio inactive actpass port 0",
            "3 video inactive actpass port 0",
            "4 audio sendrecv actpass",
            "5 video sendrecv actpass"
        ]
    );
    let mut answer = vec![remote("0", "video", "", "inactive")];
    answer.extend(pair([2, 3], label, "inactive"));
    answer.extend(pair([4, 5], label, "recvonly"));
    connection.set_remote(&answer);

    connection.remove("3");
    assert_eq!(
        connection.offer(),
        [
            "0 audio inactive passive",
            "2 audio inactive actpass port 0",
            "3 video inactive actpass port 0",
            "4 audio inactive actpass port 0",
            "5 video inactive actpass port 0"
        ]
    );
}

#[test]
fn scn_14_publications_come_and_go() {
    let mut connection = Connection::new();
    connection.publish("stream1", "stream1", "av");
    assert_eq!(
        connection.answer(&pair([0, 1], "stream1", "sendrecv")),
        ["0 audio recvonly active", "1 video recvonly active"]
    );
    connection.remove("stream1");
    assert_eq!(
        connection.answer(&pair([0, 1], "", "inactive")),
        ["0 audio inactive active", "1 video inactive actpass port 0"]
    );
    connection.publish("stream2", "stream2", "av");
    let mut offer = vec![remote("0", "video", "", "inactive")];
    offer.extend(pair([2, 3], "stream2", "sendrecv"));
    assert_eq!(
        connection.answer(&offer),
        ["0 audio inactive active", "2 audio recvonly active", "3 video recvonly active"]
    );
    connection.remove("stream2");
    connection.publish("stream3", "stream3", "av");
    let mut offer = vec![remote("0", "video", "", "inactive")];
    offer.extend(pair([2, 3], "", "inactive"));
    offer.extend(pair([4, 5], "stream3", "sendrecv"));
    assert_eq!(
        connection.answer(&offer),
        [
            "0 audio inactive active",
            "2 audio inactive actpass port 0",
            "3 video inactive actpass port 0",
            "4 audio recvonly active",
            "5 video recvonly active"
        ]
    );
    connection.remove("stream3");
    let mut offer = vec![remote("0", "video", "", "inactive")];
    offer.extend(pair([2, 3], "", "inactive"));
    offer.extend(pair([4, 5], "", "inactive"));
    assert_eq!(
        connection.answer(&offer),
        [
            "0 audio inactive active",
            "2 audio inactive actpass port 0",
            "3 video inactive actpass port 0",
            "4 audio inactive actpass port 0",
            "5 video inactive actpass port 0"
        ]
    );
}

#[test]
fn scn_15_streams_added_while_answering_wait_for_the_next_offer() {
    let mut connection = Connection::new();
    connection.publish("stream0", "stream0", "av");
    connection.set_remote(&pair([0, 1], "stream0", "sendrecv"));
    for number in 1..10 {
        connection.publish(&number.to_string(), &format!("stream{number}"), "av");
    }
    assert_eq!(connection.report(), ["0 audio recvonly active", "1 video recvonly active"]);
    let offer: Vec<_> =
        (0..10).flat_map(|n| pair([2 * n, 2 * n + 1], &format!("stream{n}"), "sendrecv")).collect();
    let expected: Vec<String> = (0..20)
        .map(|mid| format!("{mid} {} recvonly active", ["audio", "video"][mid % 2]))
        .collect();
    assert_eq!(connection.answer(&offer), expected);
}

#[test]
fn scn_16_streams_added_while_offering_wait_for_the_next_offer() {
    let publisher = describe(&pair([0, 1], "1", "recvonly"));
    let mut connection = Connection::new();
    connection.subscribe("1", "stream10", "av");
    connection.negotiation.copy_description(&publisher);
    connection.create_offer();
    for number in 2..11 {
        connection.subscribe(&number.to_string(), &format!("stream{number}"), "av");
        connection.negotiation.copy_description(&publisher);
    }
    assert_eq!(connection.report(), ["0 audio sendrecv actpass", "1 video sendrecv actpass"]);
    connection.set_remote(&pair([0, 1], "stream10", "recvonly"));
    let expected: Vec<String> = (0..20)
        .map(|mid| {
            let setup = if mid < 2 { "passive" } else { "actpass" };
            format!("{mid} {} sendrecv {setup}", ["audio", "video"][mid % 2])
        })
        .collect();
    assert_eq!(connection.offer(), expected);
}

#[test]
fn scn_19_and_20_offers_may_repeat_without_streams() {
    let mut connection = Connection::new();
    assert!(connection.create_offer().create_transport);
    assert!(!connection.create_offer().create_transport);
    assert!(connection.report().is_empty(), "NEG-8");

    let mut connection = Connection::new();
    connection.set_remote(&av("sendrecv"));
    let rejected = ["0 audio inactive active", "1 video inactive actpass port 0"];
    assert_eq!(connection.answer(&av("sendrecv")), rejected, "NEG-49");
}

#[test]
fn scn_25_answer_to_sendonly_holds_no_streams_of_ours() {
    let mut connection = Connection::new();
    connection.publish("1", "stream1", "av");
    connection.set_remote(&av("sendonly"));
    connection.subscribe("2", "other", "av");
    let description = connection.local();
    assert_eq!(
        crate::negotiation_support::rows(&description),
        ["0 audio recvonly active", "1 video recvonly active"]
    );
    let text = description.to_sdp(0);
    assert!(!text.contains("a=msid:") && !text.contains("a=ssrc:"), "{text}");
}

#[test]
fn scn_33_local_mids_never_repeat_remote_ones() {
    // TRX-9: one remote section with mid 0 moves the counter to 1.
    let mut connection = Connection::new();
    connection.publish("1", "stream1", "a");
    let offer = [remote("0", "audio", "stream1", "sendrecv")];
    assert_eq!(connection.answer(&offer), ["0 audio recvonly active"]);
    connection.subscribe("2", "stream2", "av");
    assert_eq!(
        connection.offer(),
        ["0 audio recvonly active", "1 audio sendrecv actpass", "2 video sendrecv actpass"]
    );
}

#[test]
fn scn_34_text_mids_are_echoed_and_do_not_count() {
    let mut connection = Connection::new();
    connection.publish("1", "stream1", "av");
    let offer = [
        remote("audio", "audio", "stream1", "sendrecv"),
        remote("video", "video", "stream1", "sendrecv"),
    ];
    assert_eq!(
        connection.answer(&offer),
        ["audio audio recvonly active", "video video recvonly active"]
    );
    connection.subscribe("2", "stream2", "av");
    let offered = connection.offer();
    assert_eq!(offered[2..], ["0 audio sendrecv actpass", "1 video sendrecv actpass"]);
}

#[test]
fn scn_42_live_section_with_port_0_is_not_stopped() {
    let mut connection = Connection::new();
    connection.publish("1", "stream1", "av");
    let mut offer = av("sendrecv");
    offer[1].port = 0;
    assert_eq!(
        connection.answer(&offer),
        ["0 audio recvonly active", "1 video recvonly active"],
        "TRX-4"
    );
    // Position 0 stops only if the peer says so while nobody uses it (TRX-5).
    connection.remove("1");
    let mut offer = pair([0, 1], "", "inactive");
    offer[0].port = 0;
    connection.answer(&offer);
    assert_eq!(
        connection.answer(&offer),
        ["0 audio inactive actpass port 0", "1 video inactive actpass port 0"]
    );
}

#[test]
fn streams_learn_their_mids_and_become_ready_in_list_order() {
    // ASC-1, ASC-3, NEG-28.
    let mut connection = Connection::new();
    let publisher = connection.publish("1", "stream1", "av");
    let absent = connection.publish("2", "elsewhere", "av");
    let subscriber = connection.subscribe("3", "stream3", "v");
    let plan = connection.create_offer();
    assert_eq!(plan.newly_ready, [subscriber]);
    let video = |key, mid: &str| Association { key, kind: MediaKind::Video, mid: mid.to_owned() };
    assert_eq!(plan.associations, [video(subscriber, "0")]);
    let answer = [remote("0", "video", "stream1", "sendrecv")];
    let plan = connection.set_remote(&answer);
    assert_eq!(plan.streams_ready, [publisher, subscriber]);
    assert_eq!(plan.associations, [video(publisher, "0")]);
    let plan = connection.set_remote(&answer);
    assert!(plan.streams_ready.is_empty(), "a stream has one remote description");
    assert!(plan.associations.is_empty());
    let plan = connection.set_remote(&[remote("0", "video", "elsewhere", "sendrecv")]);
    assert_eq!(plan.streams_ready, [absent]);
    assert_eq!(plan.associations, [video(absent, "0")]);
}

#[test]
fn equal_labels_are_told_apart_by_identity() {
    // ASC-5, DEF-44.
    let mut connection = Connection::new();
    let first = connection.publish("1", "same", "av");
    let second = connection.publish("2", "same", "v");
    let offer = [
        remote("0", "video", "same", "sendrecv"),
        remote("1", "video", "same", "sendrecv"),
        remote("2", "audio", "same", "sendrecv"),
        remote("3", "video", "same", "sendrecv"),
    ];
    let keys = |plan: erizo::negotiation::session::RemotePlan| {
        plan.associations.iter().map(|it| it.key).collect::<Vec<_>>()
    };
    assert_eq!(keys(connection.set_remote(&offer)), [first, second, first, first]);
    // Again: every receiver stays where it is.
    assert!(keys(connection.set_remote(&offer)).is_empty());
    connection.remove("1");
    let third = connection.publish("1", "same", "av");
    assert_eq!(keys(connection.set_remote(&offer)), [third, third, second]);
}

#[test]
fn labels_of_subscribers_associate_nothing() {
    // ASC-4.
    let mut connection = Connection::new();
    connection.subscribe("1", "mine", "av");
    connection.offer();
    let plan = connection.set_remote(&pair([0, 1], "mine", "sendrecv"));
    assert!(plan.associations.is_empty());
    assert_eq!(connection.offer(), ["0 audio sendrecv passive", "1 video sendrecv passive"]);
}

#[test]
fn one_of_two_subscribers_with_one_label_keeps_its_ssrcs() {
    // NEG-60, DEF-60.
    let mut connection = Connection::new();
    connection.subscribe("1", "same", "av");
    connection.subscribe("2", "same", "av");
    connection.offer();
    connection.remove("2");
    let description = connection.local();
    assert_eq!(description.audio_ssrc("same").map(|ssrc| ssrc.0), Some(1000));
    connection.remove("1");
    assert!(connection.local().audio_ssrcs().is_empty());
}

#[test]
fn answers_never_exceed_the_offered_direction() {
    // RFC 3264 §6.1: with a sender and a receiver on each section.
    for (offered, answered) in
        [("recvonly", "sendonly"), ("sendonly", "recvonly"), ("inactive", "inactive")]
    {
        let mut connection = Connection::new();
        connection.publish("1", "stream1", "av");
        connection.subscribe("2", "stream2", "av");
        connection.offer();
        connection.set_remote(&pair([0, 1], "stream1", "sendrecv"));
        let rows = connection.answer(&pair([0, 1], "stream1", offered));
        let [audio, video] = [("0", "audio"), ("1", "video")]
            .map(|(mid, kind)| format!("{mid} {kind} {answered} passive"));
        assert_eq!(rows, [audio, video], "offered {offered}");
        // The next offer of ours is free again.
        let rows = connection.offer();
        assert!(rows[0].contains(" sendrecv "), "{rows:?}");
    }
}

#[test]
fn data_section_is_answered_as_stopped() {
    // FIL-4.
    let mut connection = Connection::with(crate::negotiation_support::configuration("VP8"), true);
    connection.publish("1", "stream1", "av");
    let mut offer = av("sendrecv");
    let mut data = remote("2", "application", "", "sendrecv");
    data.protocol = "UDP/DTLS/SCTP";
    offer.push(data);
    let plan = connection.set_remote(&offer);
    assert!(plan.create_transport.is_some_and(|transport| transport.encrypted));
    assert_eq!(connection.report()[2], "2 application inactive actpass port 0");
}
