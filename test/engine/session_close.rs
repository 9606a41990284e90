//! Connections that end at every moment: every reply is given, once and in order, addresses are
//! given back once, and who stays does not notice.

use std::time::Duration;

use erizo::connection::command::{Command, ConnectionCommand, StreamCommand};
use erizo::connection::config::StreamRole;
use erizo::connection::event::ConnectionState;
use erizo::negotiation::ice::IceCredentials;

use crate::session_room::Room;

#[test]
fn close_while_gathering() {
    let mut room = Room::new();
    room.servers[0].hold_gather = true;
    let peer = room.join(0);
    room.add_stream(peer, "camera", "av", StreamRole::Subscriber);
    room.ask(peer, |reply| ConnectionCommand::CreateOffer { reply }).unwrap();
    assert_eq!(room.servers[0].held.len(), 1);
    room.close(peer, "first");
    room.close(peer, "second");
    let (now, id) = (room.now(), room.peers[peer].id);
    room.servers[0].gather(now, id);
    room.run_ms(100);
    assert_eq!(room.replies(), ["first ok", "second refused"]);
    assert_eq!(room.servers[0].released, [id]);
    assert!(room.servers[0].engine.is_idle());
    assert_eq!(room.peers[peer].states(), []);
}

#[test]
fn close_at_every_moment_of_the_handshake() {
    let mut never_ready = 0;
    for ms in (0..1000).step_by(19) {
        let mut room = Room::new();
        let peer = room.join(0);
        room.publish(peer, "camera");
        room.run_ms(ms);
        never_ready += u32::from(!room.peers[peer].is_ready());
        room.close(peer, "close");
        assert_eq!(room.replies(), ["close ok"], "after {ms} ms");
        room.run_ms(1000);
        assert!(room.servers[0].engine.is_idle());
        assert_eq!(room.servers[0].released.len(), 1);
        let sent = room.servers[0].out.sent;
        room.run_ms(1000);
        assert_eq!(room.servers[0].out.sent, sent, "a closed connection sends nothing");
        // The peer learns nothing that a program has to be told.
        assert!(!room.peers[peer].states().contains(&ConnectionState::Failed));
    }
    assert!((5..50).contains(&never_ready), "{never_ready}");
}

#[test]
fn close_before_anything_was_negotiated() {
    let mut room = Room::new();
    let peer = room.join(0);
    room.close(peer, "close");
    assert_eq!(room.replies(), ["close ok"]);
    assert!(room.servers[0].released.is_empty());
}

#[test]
fn a_publisher_leaves_its_subscribers_in_the_middle_of_the_media() {
    let mut room = Room::new();
    let (published, streams) = room.call(5);
    let other = room.join(0);
    let second = room.publish(other, "second");
    let on_second = room.subscribe(streams[0].peer, &second, "watched too");
    room.run_ms(1000);
    let start = room.now();
    room.close(published.peer, "close");
    room.run_ms(200);
    let heard = room.client(streams[4].peer).heard(streams[4].video);
    room.run_ms(5000);
    assert_eq!(room.client(streams[4].peer).heard(streams[4].video), heard);
    let end = room.now();
    let track = room.peers[streams[0].peer].client.track(on_second.video);
    assert!(track.longest_gap(start, end) < Duration::from_millis(100));
    assert!(streams.iter().all(|stream| room.peers[stream.peer].is_ready()));
    // And one after the other.
    for stream in &streams {
        room.close(stream.peer, "close");
        room.run_ms(50);
    }
    room.close(other, "close");
    assert_eq!(room.replies(), ["close ok"; 7]);
    assert_eq!(room.servers[0].released.len(), 7);
    assert!(room.servers[0].engine.is_idle());
    room.run_ms(2000);
    let wake_ups = room.servers[0].wake_ups;
    room.run_ms(60_000);
    assert_eq!(room.servers[0].wake_ups, wake_ups, "nothing is left that could wake up");
}

#[test]
fn a_failed_connection_gives_its_addresses_back_once() {
    let mut room = Room::new();
    let (published, _) = room.call(1);
    let address = room.peers[published.peer].client.address;
    room.link.block(address);
    room.run_ms(35_000);
    let id = room.peers[published.peer].id;
    assert_eq!(room.peers[published.peer].states().last(), Some(&ConnectionState::Failed));
    assert_eq!(room.servers[0].released, [id]);
    room.close(published.peer, "close");
    assert_eq!(room.servers[0].released, [id]);
    assert_eq!(room.replies(), ["close ok"]);
}

/// Without the flush that the worker does after each command.
#[test]
fn commands_in_one_turn_are_answered_in_their_order() {
    let mut room = Room::new();
    let (published, streams) = room.call(1);
    let now = room.now();
    let [first, second] = [published, streams[0]].map(|stream| room.peers[stream.peer].id);
    let description = Box::new(room.client(published.peer).description());
    let stats = room.logged("stats");
    let offer = room.logged("offer");
    let remote = room.logged("remote");
    let stream_close = room.logged("stream");
    let closes = ["a", "b", "a again"].map(|name| room.logged(name));
    let [a, b, again] = closes;
    let engine = &mut room.servers[0].engine;
    let mut command = |id, command| {
        engine.handle_command(now, Command::Connection { id, command });
    };
    command(first, ConnectionCommand::Stats { reply: stats });
    command(first, ConnectionCommand::Close { reply: a });
    command(second, ConnectionCommand::Close { reply: b });
    command(first, ConnectionCommand::Close { reply: again });
    command(first, ConnectionCommand::CreateOffer { reply: offer });
    command(first, ConnectionCommand::SetRemoteDescription { description, reply: remote });
    let remote = IceCredentials { ufrag: "abcd".into(), pwd: "p".repeat(24) };
    command(first, ConnectionCommand::RestartIce { remote });
    engine.handle_command(
        now,
        Command::Stream {
            key: published.key,
            command: StreamCommand::Close { reply: stream_close },
        },
    );
    let id = first;
    let reply: erizo::connection::command::Reply<()> = Box::new(|_| {});
    room.command(0, Command::Connection { id, command: ConnectionCommand::Close { reply } });
    assert_eq!(
        room.replies(),
        [
            "stats ok",
            "offer refused",
            "remote refused",
            "stream ok",
            "a ok",
            "b ok",
            "a again refused"
        ]
    );
    assert!(room.servers[0].engine.is_idle());
}
