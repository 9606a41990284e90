//! Hostile datagrams and broken code at engine level (security.md section 2).

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use erizo::connection::command::{ConnectionCommand, StreamCommand};
use erizo::connection::event::ConnectionState;
use erizo::negotiation::ice::{CandidateType, IceCandidate};
use erizo::rtp::id::Ssrc;
use erizo::rtp::rtcp;

use crate::link::{Link, LinkConfig, address};
use crate::session_room::{Room, Stream};
use crate::transport_peer::Couple;

fn foreign(n: u64) -> SocketAddr {
    address(&format!("203.0.113.{}:{}", 1 + n % 200, 1024 + n % 60_000))
}

/// The media of `stream` has gone on without a pause since `start`.
fn assert_flows(room: &mut Room, stream: &Stream, start: Instant) {
    let end = room.now();
    let gap = room.client(stream.peer).track(stream.video).longest_gap(start, end);
    assert!(gap < Duration::from_millis(100), "a pause of {gap:?}");
}

/// An SRTP packet of the publisher as it stands on the wire.
fn captured(room: &mut Room, published: &Stream) -> Vec<u8> {
    let source = room.client(published.peer).source(published.video);
    source.history.values().next_back().unwrap().clone()
}

#[test]
fn n5_a_spray_of_handshakes_from_foreign_ports_changes_nothing() {
    // A genuine ClientHello of somebody else, and worse.
    let mut link = Link::new(1, LinkConfig::default());
    link.capture();
    let mut couple = Couple::new(&link, erizo::negotiation::setup::DtlsSetup::Passive);
    couple.introduce(&link);
    couple.run_until_ready(&mut link, Duration::from_secs(2));
    let mut spray: Vec<Vec<u8>> = link
        .captured()
        .iter()
        .map(|datagram| datagram.data.clone())
        .filter(|data| (20..64).contains(&data[0]))
        .collect();
    spray.extend([vec![21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 40], vec![22; 1200]]);

    let mut room = Room::new();
    room.link.capture();
    let peer = room.join(0);
    let published = room.publish(peer, "camera");
    let watcher = room.join(0);
    let stream = room.subscribe(watcher, &published, "watched");
    let mut sprayed = 0;
    for _ in 0..100 {
        for n in 0..10 {
            let data = &spray[(sprayed % spray.len() as u64) as usize];
            let now = room.now();
            room.servers[0].inject(now, foreign(sprayed + n), data);
            sprayed += 1;
        }
        room.run_ms(10);
    }
    assert!(room.peers.iter().all(|peer| peer.is_ready()));
    let start = room.now() - Duration::from_millis(200);
    assert_flows(&mut room, &stream, start);
    assert_eq!(room.servers[0].engine.stray_datagrams(), sprayed);
    let answered = room.link.captured().iter().filter(|d| d.to.ip().to_string().starts_with("203"));
    assert_eq!(answered.count(), 0);
}

#[test]
fn n6_forged_srtp_costs_bounded_work_and_disturbs_nothing() {
    let mut room = Room::new();
    let (published, streams) = room.call(1);
    let good = captured(&mut room, &published);
    let right = room.peers[published.peer].client.address;
    let wake_ups = room.servers[0].wake_ups;
    let start = room.now();
    for n in 0..100_000_u32 {
        let mut packet = good.clone();
        let now = room.now();
        match n % 4 {
            // A flipped tag, a changed number, another SSRC, a wrong address.
            0 => *packet.last_mut().unwrap() ^= 1,
            1 => packet[2] ^= (n >> 8) as u8 | 1,
            2 => packet[8..12].copy_from_slice(&(n | 1 << 31).to_be_bytes()),
            _ => {}
        }
        let from = if n % 4 == 3 { foreign(n.into()) } else { right };
        room.servers[0].inject(now, from, &packet);
        if n % 1000 == 0 {
            room.run_ms(20);
        }
    }
    assert_flows(&mut room, &streams[0], start);
    assert!(room.servers[0].wake_ups - wake_ups < 1000);
    // A number that has been is refused before its tag is looked at.
    let replayed = room.drops(published.peer, "replayed");
    assert_eq!(room.drops(published.peer, "unauthenticSrtp") + replayed, 75_000);
    assert_eq!(room.drops(published.peer, "tooManySources"), 0);
    assert_eq!(room.servers[0].engine.stray_datagrams(), 25_000);
    let states = [ConnectionState::Gathered, ConnectionState::Ready];
    assert!(room.peers.iter().all(|peer| peer.states() == states));
}

#[test]
fn n7_foreign_datagrams_never_move_media() {
    let mut room = Room::new();
    let (published, streams) = room.call(1);
    let good = captured(&mut room, &published);
    let start = room.now();
    room.link.capture();
    let mut rtcp = Vec::new();
    rtcp::write_receiver_report(&mut rtcp, Ssrc(1), &[]);
    rtcp::write_pli(&mut rtcp, Ssrc(1), Ssrc(streams[0].video));
    // A binding request without integrity for a fragment that exists.
    let described = room.peers[streams[0].peer].described.as_ref().unwrap();
    let ours = &described.ice_credentials(erizo::negotiation::direction::MediaType::Video).ufrag;
    let username = format!("{ours}:nobody");
    let mut stun = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
    stun.extend([7; 12]);
    stun.extend([0, 6, 0, username.len() as u8]);
    stun.extend(username.as_bytes());
    stun.resize(stun.len().next_multiple_of(4), 0);
    stun[3] = (stun.len() - 20) as u8;
    for n in 0..300 {
        let now = room.now();
        for data in [&good, &rtcp, &stun] {
            room.servers[0].inject(now, foreign(n), data);
        }
        room.run_ms(5);
    }
    assert_flows(&mut room, &streams[0], start);
    let moved = room.link.captured().iter().filter(|d| d.to.ip().to_string().starts_with("203"));
    assert_eq!(moved.count(), 0);
    assert!(room.drops(streams[0].peer, "malformedStun") >= 300);
}

#[test]
fn n7_a_peer_that_names_anothers_address_gets_nothing_of_its_media() {
    let mut room = Room::new();
    let (published, streams) = room.call(1);
    let victim = room.peers[published.peer].client.address;
    let start = room.now();
    let thief = room.join(0);
    room.publish(thief, "thief");
    let candidate = IceCandidate {
        foundation: "9".into(),
        component: 1,
        priority: u32::MAX / 2,
        address: victim.ip().to_string(),
        port: victim.port().into(),
        candidate_type: CandidateType::Host,
        related_address: String::new(),
        related_port: 0,
        ufrag: None,
    };
    let id = room.peers[thief].id;
    let command = ConnectionCommand::AddRemoteCandidate { candidate };
    room.command(0, erizo::connection::command::Command::Connection { id, command });
    room.run_ms(3000);
    assert_flows(&mut room, &streams[0], start);
    assert!(room.peers[thief].is_ready());
    assert_eq!(room.drops(thief, "beforeKeys") + room.drops(thief, "unauthenticSrtp"), 0);
}

/// The port of a peer that vanished may be the next one's before its connection times out.
#[test]
fn an_address_goes_to_the_next_peer_that_proves_it() {
    let mut room = Room::new();
    room.call(0);
    let address = room.peers[0].client.address;
    // It is gone without a word, and the next one gets its port.
    room.peers[0].client.address = "192.168.77.7:7".parse().unwrap();
    room.next_host = Some(address);
    let next = room.join(0);
    let published = room.publish(next, "next");
    let watcher = room.join(0);
    let stream = room.subscribe(watcher, &published, "watched");
    let done = |room: &Room| room.peers[1..].iter().all(|peer| peer.is_ready());
    assert!(room.run_until(Duration::from_secs(3), done));
    room.run_ms(1000);
    let start = room.now();
    room.run_ms(1000);
    assert_flows(&mut room, &stream, start);
}

#[test]
fn n8_a_replayed_packet_is_forwarded_once() {
    let mut room = Room::new();
    let (published, streams) = room.call(1);
    let good = captured(&mut room, &published);
    room.client(published.peer).silent = true;
    room.run_ms(200);
    let heard = room.client(streams[0].peer).heard(streams[0].video);
    let from = room.peers[published.peer].client.address;
    for _ in 0..100 {
        let now = room.now();
        room.servers[0].inject(now, from, &good);
    }
    room.run_ms(200);
    assert_eq!(room.client(streams[0].peer).heard(streams[0].video), heard);
    assert_eq!(room.drops(published.peer, "replayed"), 100);
}

#[test]
fn h2_media_in_clear_is_dropped_on_an_encrypted_connection() {
    let mut room = Room::new();
    let (published, streams) = room.call(1);
    room.client(published.peer).silent = true;
    room.run_ms(200);
    let heard = room.client(streams[0].peer).heard(streams[0].video);
    let source = room.client(published.peer).source(published.video);
    let mut clear = vec![0x80, 96];
    clear.extend(source.sequence.to_be_bytes());
    clear.extend([0, 0, 0, 1]);
    clear.extend(published.video.to_be_bytes());
    clear.extend([0x10; 200]);
    let mut report = Vec::new();
    rtcp::write_receiver_report(&mut report, Ssrc(1), &[]);
    room.client(published.peer).send_raw(clear);
    room.client(published.peer).send_raw(report);
    room.run_ms(100);
    assert_eq!(room.client(streams[0].peer).heard(streams[0].video), heard);
    assert_eq!(room.drops(published.peer, "unauthenticSrtp"), 2);
}

#[test]
fn malformed_media_inside_valid_srtp_is_counted() {
    let mut room = Room::new();
    let (published, streams) = room.call(1);
    let start = room.now();
    let video = published.video.to_be_bytes();
    let head = |first: u8, payload_type: u8, n: u8| {
        let mut packet = vec![first, payload_type, 0, n, 0, 0, 0, 1];
        packet.extend(video);
        packet
    };
    // Padding longer than the packet; and of an SSRC that nobody announced.
    let mut padded = head(0xa0, 96, 1);
    padded.extend([1, 2, 3, 255]);
    let mut unknown = head(0x80, 96, 2);
    unknown[8..12].copy_from_slice(&0xdead_beef_u32.to_be_bytes());
    unknown.extend([0x10; 100]);
    room.client(published.peer).send_clear(&padded, 12, 3).unwrap();
    room.client(published.peer).send_clear(&unknown, 12, 0).unwrap();
    // One bad member between two good ones (N15).
    let mut compound = Vec::new();
    rtcp::write_receiver_report(&mut compound, Ssrc(1), &[]);
    let bad = compound.len();
    rtcp::write_nack(&mut compound, Ssrc(1), Ssrc(streams[0].video), &[1]);
    compound[bad + 3] = 1;
    compound.truncate(bad + 8);
    rtcp::write_pli(&mut compound, Ssrc(1), Ssrc(streams[0].video));
    let requests = room.client(published.peer).source(published.video).key_frames.len();
    room.client(streams[0].peer).send_rtcp(compound);
    room.run_ms(300);
    assert_eq!(room.drops(published.peer, "unroutable"), 1);
    assert_eq!(room.drops(streams[0].peer, "malformedRtcp"), 1);
    let after = room.client(published.peer).source(published.video).key_frames.len();
    assert_eq!(after, requests + 1, "the good members count");
    assert_flows(&mut room, &streams[0], start);
}

#[test]
fn n20_a_peer_that_makes_up_ssrcs_gets_a_bounded_number() {
    let mut room = Room::new();
    let (published, streams) = room.call(1);
    let start = room.now();
    let mid = room.client(0).source(published.video).mid.clone();
    for n in 0..3000_u32 {
        let mut packet = vec![0x90, 96, 0, 1, 0, 0, 0, 1];
        packet.extend((0x4000_0000 + n).to_be_bytes());
        // One element: MID under id 9.
        packet.extend([0xbe, 0xde, 0, 1, 9 << 4, mid.as_bytes()[0], 0, 0]);
        packet.extend([0x11; 50]);
        room.client(0).send_clear(&packet, 20, 0).unwrap();
        if n % 100 == 0 {
            room.run_ms(20);
        }
    }
    room.run_ms(500);
    assert!(room.drops(0, "tooManySources") + room.drops(0, "unroutable") > 1900);
    let text = room.statistics(0).to_string();
    assert!(text.len() < 10_000);
    let states = [ConnectionState::Gathered, ConnectionState::Ready];
    assert!(room.peers.iter().all(|peer| peer.states() == states));
    // The spray took the place of the peer's own video; its audio goes on.
    let gap =
        room.client(1).track(streams[0].audio).longest_gap(start, start + Duration::from_secs(1));
    assert!(gap < Duration::from_millis(100));
}

#[test]
fn n20_a_peer_that_names_thousands_of_addresses_keeps_its_path() {
    let mut room = Room::new();
    let (published, streams) = room.call(1);
    let start = room.now();
    let id = room.peers[published.peer].id;
    for n in 0..5000_u64 {
        let candidate = IceCandidate {
            foundation: n.to_string(),
            component: 1,
            priority: 1,
            address: foreign(n).ip().to_string(),
            port: foreign(n).port().into(),
            candidate_type: CandidateType::Host,
            related_address: String::new(),
            related_port: 0,
            ufrag: None,
        };
        let command = ConnectionCommand::AddRemoteCandidate { candidate };
        room.command(0, erizo::connection::command::Command::Connection { id, command });
    }
    room.link.capture();
    room.run_ms(5000);
    assert_flows(&mut room, &streams[0], start);
    let sprayed = room.link.captured().iter().filter(|d| d.to.ip().to_string().starts_with("203"));
    assert!(sprayed.count() < 2000, "the engine is no amplifier");
}

fn silence_panics() {
    // The message of an expected panic is only noise; others print as always.
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !info.to_string().contains("the panic of this test") {
                usual(info);
            }
        }));
    });
}

#[test]
fn n21_a_panic_while_serving_one_subscriber_fails_only_that_one() {
    silence_panics();
    let mut room = Room::new();
    let (_, streams) = room.call(5);
    let start = room.now();
    let broken = streams[2].peer;
    room.servers[0].out.poison = Some(room.peers[broken].client.address);
    room.run_ms(3000);
    assert!(room.servers[0].panics >= 1);
    assert_eq!(room.peers[broken].states().last(), Some(&ConnectionState::Failed));
    assert_eq!(room.servers[0].released, [room.peers[broken].id]);
    for stream in streams.iter().filter(|stream| stream.peer != broken) {
        assert!(room.peers[stream.peer].is_ready());
        assert_flows(&mut room, stream, start);
        assert_eq!(room.client(stream.peer).track(stream.video).still_missing(), 0);
    }
    // Reports and requests of the others still work.
    let before = room.client(0).feedback.len();
    room.client(streams[0].peer).ask_for_key_frame(streams[0].video);
    room.run_ms(2000);
    assert!(room.client(0).feedback.len() > before + 15);
    room.servers[0].out.poison = None;
    room.close(broken, "close");
    assert_eq!(room.replies(), ["close ok"]);
}

#[test]
fn n21_a_panic_while_talking_to_a_publisher_fails_only_that_one() {
    silence_panics();
    let mut room = Room::new();
    let (published, streams) = room.call(2);
    let other = room.join(0);
    let second = room.publish(other, "second");
    let on_second = room.subscribe(streams[0].peer, &second, "watched too");
    room.run_ms(1000);
    let start = room.now();
    room.servers[0].out.poison = Some(room.peers[published.peer].client.address);
    room.run_ms(3000);
    assert_eq!(room.peers[published.peer].states().last(), Some(&ConnectionState::Failed));
    assert!(room.peers[1..].iter().all(|peer| peer.is_ready()));
    assert_flows(&mut room, &on_second, start);
    room.stream_command(&streams[0], StreamCommand::RequestKeyFrame);
    room.run_ms(200);
}

#[test]
fn n21_a_panic_while_closing_still_gives_the_reply() {
    silence_panics();
    let mut room = Room::new();
    let (published, _) = room.call(1);
    room.servers[0].out.poison = Some(room.peers[published.peer].client.address);
    room.close(published.peer, "close");
    assert!(room.servers[0].panics >= 1);
    assert_eq!(room.replies(), ["close ok"]);
    assert_eq!(room.servers[0].released, [room.peers[published.peer].id]);
}
