//! Sessions over a network that loses one packet in ten.

use std::collections::BTreeMap;
use std::time::Duration;

use erizo::connection::event::ConnectionState;
use erizo::rtp::packet::RtpHeader;
use erizo::rtp::rtcp::Rtcp;
use erizo::transport::demux::{Datagram as Kind, classify};

use crate::link::LinkConfig;
use crate::session_room::Room;

fn lossy() -> LinkConfig {
    LinkConfig { loss_per_mille: 100, jitter: Duration::from_millis(5), ..LinkConfig::default() }
}

#[test]
fn handshakes_complete_in_50_of_50_runs() {
    for seed in 0..50 {
        let mut room = Room::with(seed, lossy(), 1);
        // The engine may miss the first packets; a roll-over among them would be nobody's fault
        // (RFC 3711 §3.3.1).
        room.first_sequence = 30_000;
        let publisher = room.join(0);
        let published = room.publish(publisher, "camera");
        let subscriber = room.join(0);
        let stream = room.subscribe(subscriber, &published, "watched");
        assert!(room.run_until_ready(Duration::from_secs(20)), "seed {seed}");
        let flows = |room: &Room| room.peers[subscriber].client.heard(stream.video) > 20;
        assert!(room.run_until(Duration::from_secs(10), flows), "no media with seed {seed}");
    }
}

#[test]
fn lost_packets_are_asked_for_and_resent_bit_by_bit_in_both_directions() {
    let mut room = Room::with(7, LinkConfig::default(), 1);
    let (published, streams) = room.call(2);
    room.link.config = lossy();
    room.link.capture();
    let start = room.now();
    room.run_ms(8000);
    let end = room.now();
    room.link.config.loss_per_mille = 0;
    room.run_ms(1000);

    let is_nack = |member: &Rtcp| matches!(member, Rtcp::Nack { .. });
    assert!(room.peers[published.peer].client.count_feedback(is_nack) > 20);
    for stream in &streams {
        let track = room.peers[stream.peer].client.track(stream.video);
        assert!(track.longest_gap(start, end) < Duration::from_millis(400));
        // 600 video packets, each lost by 10 % twice on the way and asked for again.
        let heard = track.since(start).filter(|heard| heard.at <= end).count();
        assert!(heard > 580, "{heard} packets");
    }
    // The same SSRC and number never carries two different packets, or AES-GCM is broken.
    let (mut seen, mut again) = (BTreeMap::new(), 0);
    for datagram in room.link.captured().iter().filter(|d| classify(&d.data) == Kind::Rtp) {
        let header = RtpHeader::parse(&datagram.data).unwrap();
        let key = (datagram.from, datagram.to, header.ssrc, header.sequence);
        if let Some(former) = seen.insert(key, &datagram.data) {
            assert_eq!(former, &datagram.data);
            again += u32::from(datagram.from == room.servers[0].address);
        }
    }
    assert!(again > 50, "{again} packets were resent by the engine");
}

#[test]
fn a_burst_of_silence_ends_with_the_path() {
    let mut room = Room::new();
    let (published, streams) = room.call(1);
    let address = room.peers[published.peer].client.address;
    room.link.block(address);
    room.run_ms(5000);
    room.link.unblock(address);
    let start = room.now();
    room.run_ms(1000);
    assert!(room.peers[1].client.track(streams[0].video).since(start).count() > 60);
    room.link.block(address);
    room.run_ms(31_000);
    assert_eq!(room.peers[0].states().last(), Some(&ConnectionState::Failed));
    assert!(room.peers[1].is_ready());
}
