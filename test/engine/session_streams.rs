//! Streams come and go on connections that stay: ICE and DTLS are never touched, media of the
//! others goes on.

use std::time::Duration;

use erizo::connection::command::StreamCommand;
use erizo::connection::event::ConnectionState;
use erizo::negotiation::direction::MediaType;
use erizo::negotiation::ice::IceCredentials;
use erizo::negotiation::section::MediaSection;

use crate::session_room::Room;

/// What must be the same in every description of a connection.
fn identity(room: &Room, peer: usize) -> (IceCredentials, String) {
    let described = room.peers[peer].described.as_ref().unwrap();
    let credentials = described.ice_credentials(MediaType::Video).clone();
    (credentials, described.fingerprint().to_owned())
}

fn mids(room: &Room, peer: usize) -> Vec<(String, bool)> {
    let mid = |section: &MediaSection| (section.mid.clone(), section.stopped);
    room.peers[peer].described.as_ref().unwrap().sections().iter().map(mid).collect()
}

#[test]
fn streams_come_and_go_without_a_gap_in_those_that_stay() {
    let mut room = Room::new();
    let (first, streams) = room.call(1);
    let (publisher, subscriber) = (first.peer, streams[0].peer);
    let watched = streams[0];
    let before = [identity(&room, publisher), identity(&room, subscriber)];
    let start = room.now();

    let second = room.publish(publisher, "screen");
    let third = room.publish(publisher, "board");
    let on_second = room.subscribe(subscriber, &second, "watched screen");
    let on_third = room.subscribe(subscriber, &third, "watched board");
    room.run_ms(2000);
    for stream in [&watched, &on_second, &on_third] {
        assert!(room.client(subscriber).track(stream.video).packets.len() > 100);
        assert!(room.client(subscriber).track(stream.audio).packets.len() > 80);
    }

    room.unsubscribe(&on_second, "watched screen");
    room.unpublish(&second, "screen");
    room.run_ms(100);
    let gone = room.client(subscriber).heard(on_second.video);
    room.run_ms(1000);
    assert_eq!(room.client(subscriber).heard(on_second.video), gone);

    // The freed sections are taken again.
    let sections = mids(&room, subscriber).len();
    let fourth = room.publish(publisher, "slides");
    let on_fourth = room.subscribe(subscriber, &fourth, "watched slides");
    assert!(mids(&room, subscriber).len() <= sections, "{:?}", mids(&room, subscriber));
    room.run_ms(2000);
    assert!(room.client(subscriber).track(on_fourth.video).packets.len() > 100);

    let end = room.now();
    for stream in [&watched, &on_third] {
        let from = if stream.key == watched.key { start } else { start + Duration::from_secs(1) };
        for ssrc in [stream.audio, stream.video] {
            let gap = room.client(subscriber).track(ssrc).longest_gap(from, end);
            assert!(gap < Duration::from_millis(100), "{gap:?} under {ssrc}");
        }
    }
    assert_eq!(before, [identity(&room, publisher), identity(&room, subscriber)]);
    let states = [ConnectionState::Gathered, ConnectionState::Ready];
    assert!(room.peers.iter().all(|peer| peer.states() == states));
}

#[test]
fn an_engine_whose_streams_have_left_sleeps() {
    let mut room = Room::new();
    let (published, streams) = room.call(1);
    // Media in flight, feedback and a key frame request pending.
    room.client(published.peer).answers_key_frame_requests = false;
    room.client(streams[0].peer).ask_for_key_frame(streams[0].video);
    room.run_ms(25);
    room.unpublish(&published, "camera");
    room.unsubscribe(&streams[0], "watched");
    room.run_ms(5000);
    let wake_ups = room.servers[0].wake_ups;
    room.run_ms(10_000);
    let wake_ups = room.servers[0].wake_ups - wake_ups;
    // Consent checks and reports, no more.
    assert!(wake_ups < 100, "{wake_ups} times in 10 s");
}

#[test]
fn a_closed_fan_out_ends_the_media_and_nothing_else() {
    use erizo::connection::command::FanOutCommand;
    let mut room = Room::new();
    let (published, streams) = room.call(1);
    room.fan_out_command(0, published.fan_out, FanOutCommand::Close);
    room.run_ms(200);
    let heard = room.client(streams[0].peer).heard(streams[0].video);
    let wake_ups = room.servers[0].wake_ups;
    room.run_ms(5000);
    assert_eq!(room.client(streams[0].peer).heard(streams[0].video), heard);
    // The publisher goes on: reports once a second, transport feedback ten times.
    assert!(room.servers[0].wake_ups - wake_ups < 200);
    assert!(room.peers.iter().all(|peer| peer.is_ready()));
}

#[test]
fn a_stream_that_was_unsubscribed_asks_the_publisher_for_nothing() {
    use erizo::connection::command::FanOutCommand;
    let mut room = Room::new();
    let (published, streams) = room.call(2);
    let command = FanOutCommand::RemoveSubscriber { peer_id: "1 watched".into() };
    room.fan_out_command(0, published.fan_out, command);
    let before = room.client(0).source(published.video).key_frames.len();
    for _ in 0..10 {
        room.client(1).ask_for_key_frame(streams[0].video);
        room.run_ms(200);
    }
    assert_eq!(room.client(0).source(published.video).key_frames.len(), before);
    assert!(room.peers[2].is_ready());
}

#[test]
fn a_stream_of_a_closed_connection_is_not_kept() {
    let mut room = Room::new();
    let peer = room.join(0);
    let stream =
        room.add_stream(peer, "camera", "av", erizo::connection::config::StreamRole::Publisher);
    room.close(peer, "close");
    let reply = room.logged("stats");
    room.stream_command(&stream, StreamCommand::Stats { reply });
    assert_eq!(room.replies(), ["close ok", "stats refused"]);
}
