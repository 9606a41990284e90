//! What ends tell each other through the engine: key frame requests, reports, clocks, estimates,
//! and what mute shows.

use std::time::Duration;

use erizo::connection::command::StreamCommand;
use erizo::rtp::id::Ssrc;
use erizo::rtp::rtcp::{self, Rtcp};
use serde_json::Value;
use std::sync::{Arc, Mutex};

use crate::negotiation_support::TRANSPORT_CC;
use crate::session_client::CLIENT_EPOCH;
use crate::session_room::{ENGINE_EPOCH, Room, Stream};

fn is_request(member: &Rtcp) -> bool {
    matches!(member, Rtcp::Pli { .. } | Rtcp::Fir { .. })
}

fn key_frames(room: &mut Room, published: &Stream) -> usize {
    room.client(published.peer).source(published.video).key_frames.len()
}

fn stream_statistics(room: &mut Room, stream: &Stream) -> Value {
    let text = Arc::new(Mutex::new(String::new()));
    let slot = Arc::clone(&text);
    let reply = Box::new(move |outcome: Result<String, _>| {
        *slot.lock().unwrap() = outcome.unwrap();
    });
    room.stream_command(stream, StreamCommand::Stats { reply });
    let text = text.lock().unwrap().clone();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn a_subscriber_that_becomes_ready_gets_a_key_frame_at_once() {
    let mut room = Room::new();
    let (published, _) = room.call(1);
    room.run_ms(1000);
    let before = key_frames(&mut room, &published);
    let peer = room.join(0);
    room.subscribe(peer, &published, "late");
    let ready = |room: &Room| room.peers[peer].is_ready();
    assert!(room.run_until(Duration::from_secs(5), ready));
    // One way to the publisher, its next frame, one way back here.
    room.run_ms(20 + 40 + 5);
    assert_eq!(key_frames(&mut room, &published), before + 1);
}

/// Nothing else happens in the engine at that moment that could carry the request along.
#[test]
fn the_request_for_a_ready_subscriber_does_not_wait_for_the_next_event() {
    let mut room = Room::new();
    let (published, _) = room.call(0);
    room.run_ms(1000);
    room.client(0).silent = true;
    room.run_ms(3000);
    let peer = room.join(0);
    room.subscribe(peer, &published, "late");
    let before = room.peers[0].client.count_feedback(is_request);
    assert!(room.run_until(Duration::from_secs(5), |room| room.peers[peer].is_ready()));
    room.run_ms(25);
    assert_eq!(room.peers[0].client.count_feedback(is_request), before + 1);
}

#[test]
fn n16_a_flood_of_requests_reaches_the_publisher_every_500_ms() {
    let mut room = Room::new();
    let (published, streams) = room.call(3);
    room.client(0).answers_key_frame_requests = false;
    let before = room.peers[0].client.count_feedback(is_request);
    for _ in 0..300 {
        for stream in &streams {
            room.client(stream.peer).ask_for_key_frame(stream.video);
            let mut fir = Vec::new();
            let entries: Vec<(Ssrc, u8)> = (0..100).map(|n| (Ssrc(stream.video), n)).collect();
            rtcp::write_fir(&mut fir, Ssrc(1), Ssrc(stream.video), &entries);
            room.client(stream.peer).send_rtcp(fir);
        }
        room.run_ms(10);
    }
    let asked = room.peers[0].client.count_feedback(is_request) - before;
    assert!((5..=7).contains(&asked), "{asked} requests in 3 s");
    // And once they are answered, silence.
    room.client(0).source(published.video).key_frame_next = true;
    room.run_ms(600);
    let before = room.peers[0].client.count_feedback(is_request);
    room.run_ms(2000);
    assert_eq!(room.peers[0].client.count_feedback(is_request), before);
}

#[test]
fn n16_a_nack_storm_costs_a_bounded_number_of_resends() {
    let mut room = Room::new();
    let (_, streams) = room.call(1);
    room.run_ms(1000);
    let stream = streams[0];
    let last = room.client(1).track(stream.video).packets.last().unwrap().header.sequence;
    let lost: Vec<u16> = (0..50).map(|n| last.wrapping_sub(n)).collect();
    room.client(0).silent = true;
    room.run_ms(100);
    let before = room.servers[0].out.sent;
    for _ in 0..200 {
        let mut nack = Vec::new();
        rtcp::write_nack(&mut nack, Ssrc(1), Ssrc(stream.video), &lost);
        room.client(1).send_rtcp(nack);
        room.run_ms(1);
    }
    let resent = room.servers[0].out.sent - before;
    assert!(resent < 2000, "{resent} of 10,000");
    assert!(resent > 10, "{resent}");
}

#[test]
fn muted_video_is_black_and_muted_audio_is_nothing() {
    let mut room = Room::new();
    let (published, streams) = room.call(2);
    let (muted, other) = (streams[0], streams[1]);
    room.stream_command(&muted, StreamCommand::Mute { video: true, audio: true });
    room.run_ms(100);
    let start = room.now();
    room.run_ms(2000);
    assert_eq!(room.client(muted.peer).track(muted.audio).since(start).count(), 0);
    assert!(room.client(muted.peer).track(muted.video).since(start).count() <= 1);
    assert!(room.client(other.peer).track(other.video).since(start).count() > 100);

    let before = key_frames(&mut room, &published);
    room.stream_command(&muted, StreamCommand::Mute { video: false, audio: false });
    let start = room.now();
    room.run_ms(1000);
    assert_eq!(key_frames(&mut room, &published), before + 1);
    assert!(room.client(muted.peer).track(muted.audio).since(start).count() > 40);
    assert!(room.client(muted.peer).track(muted.video).since(start).count() > 60);
    // What was left out leaves no holes.
    assert_eq!(room.client(muted.peer).track(muted.video).still_missing(), 0);
    assert_eq!(room.client(muted.peer).track(muted.audio).still_missing(), 0);
}

#[test]
fn reports_reach_both_ends_with_clocks_that_agree() {
    let mut room = Room::new();
    let (published, streams) = room.call(1);
    room.run_ms(6000);
    let stream = streams[0];

    // The publisher hears about both kinds what it sent, and when its last report came.
    for ssrc in [published.audio, published.video] {
        let client = &room.peers[0].client;
        let mut about = client.feedback.iter().filter_map(|(at, member)| match member {
            Rtcp::ReceiverReport { blocks, .. } => {
                blocks.iter().find(|block| block.ssrc == Ssrc(ssrc)).map(|block| (at, block))
            }
            _ => None,
        });
        let (_, block) = about.next_back().expect("a report");
        assert_eq!((block.fraction_lost, block.cumulative_lost), (0, 0));
        assert_ne!(block.last_sr, 0);
        assert!(block.delay_since_last_sr < 2 * 65_536);
        // 65,500 and more were sent: the roll-over shows.
        assert_eq!(block.extended_highest >> 16 & 1, 1, "{}", block.extended_highest);
    }

    // The subscriber hears sender reports in the engine's clock, whose media time is that of the
    // packets that it got.
    for (ssrc, rate) in [(stream.audio, 48_000.0), (stream.video, 90_000.0)] {
        let track = room.peers[1].client.track(ssrc);
        let (at, report) = track.reports.last().expect("a sender report");
        let since_1970 = (report.ntp.0 >> 32) - 2_208_988_800;
        assert!(since_1970.abs_diff(ENGINE_EPOCH.as_secs()) < 60, "not the client's clock");
        assert!(since_1970.abs_diff(CLIENT_EPOCH.as_secs()) > 60);
        let packet = track.packets.iter().rev().find(|heard| heard.at <= *at).unwrap();
        let ahead = report.rtp_timestamp.wrapping_sub(packet.header.timestamp) as i32;
        assert!((f64::from(ahead) / rate).abs() < 0.1, "{ahead} ticks under {ssrc}");
        let packets = track.packets.iter().filter(|heard| heard.at <= *at).count() as u32;
        assert!(report.packets.abs_diff(packets) <= 5, "{} {packets}", report.packets);
    }
    // What the subscriber reports ends in the statistics of its stream.
    let statistics = stream_statistics(&mut room, &stream);
    let video = &statistics[stream.video.to_string()];
    assert_eq!(video["fractionLost"], 3, "{statistics}");
    assert_eq!(video["packetsLost"], 7);
}

#[test]
fn transport_feedback_reaches_a_publisher_that_numbers_its_packets() {
    let mut room = Room::new();
    room.call(1);
    room.run_ms(2000);
    let client = &room.peers[0].client;
    let mut numbers = Vec::new();
    for (_, member) in &client.feedback {
        if let Rtcp::TransportFeedback(feedback) = member {
            numbers.extend(feedback.arrivals.iter().map(|arrival| arrival.sequence));
        }
    }
    let expected: Vec<u16> = (0..numbers.len() as u16).collect();
    assert_eq!(numbers, expected, "each number once, none missing");
    assert!(numbers.len() > 200);
    assert_eq!(client.count_feedback(|member| matches!(member, Rtcp::Remb { .. })), 0);
}

#[test]
fn transport_feedback_reaches_a_publisher_without_video() {
    let mut room = Room::new();
    let peer = room.join(0);
    room.publish_voice(peer, "voice");
    assert!(room.run_until_ready(Duration::from_secs(5)));
    let before = room.servers[0].wake_ups;
    room.run_ms(2000);
    let told = |member: &Rtcp| matches!(member, Rtcp::TransportFeedback(_));
    assert!(room.peers[0].client.count_feedback(told) > 10);
    // 50 packets a second and the feedback about them; an unserved deadline would cost thousands.
    let wake_ups = room.servers[0].wake_ups - before;
    assert!(wake_ups < 500, "{wake_ups} wake-ups in 2 s");
}

#[test]
fn an_estimate_reaches_a_publisher_that_does_not() {
    let mut room = Room::new();
    room.without = vec![TRANSPORT_CC];
    let (published, _) = room.call(1);
    room.run_ms(5000);
    let estimates: Vec<u64> = room.peers[0]
        .client
        .feedback
        .iter()
        .filter_map(|(_, member)| match member {
            Rtcp::Remb { bitrate, ssrcs, .. } => {
                assert_eq!(ssrcs, &[Ssrc(published.video)]);
                Some(*bitrate)
            }
            _ => None,
        })
        .collect();
    assert!(estimates.len() > 3, "{estimates:?}");
    // 75 packets of 700 bytes a second over a clean path: room to raise.
    assert!(*estimates.last().unwrap() > 400_000, "{estimates:?}");
}
