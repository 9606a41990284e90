//! A stream crosses the engine: what the subscriber gets is what the publisher sent, under the
//! subscriber's own identifiers.

use std::time::Duration;

use erizo::connection::event::ConnectionState;
use erizo::rtp::extension::{ExtensionKind, ExtensionMap, ExtensionSpans};
use erizo::rtp::packet::RtpHeader;
use erizo::transport::SrtpProfile;

use crate::session_client::{Client, FIRST_SEQUENCE, Format, Heard, VP8_DESCRIPTOR_LEN};
use crate::session_room::{Room, Stream};

/// Payloads of one source in the order of sending, without the part that is rewritten.
fn sent(client: &Client, ssrc: u32, skip: usize) -> Vec<Vec<u8>> {
    let source = client.sources.iter().find(|source| source.ssrc == ssrc).unwrap();
    let first = FIRST_SEQUENCE;
    (0..source.payloads.len() as u16)
        .map(|n| source.payloads[&first.wrapping_add(n)][skip..].to_vec())
        .collect()
}

/// The received payloads have to be a run of the sent ones, in order; returns its length.
fn assert_run(sent: &[Vec<u8>], heard: &[Heard], skip: usize) -> usize {
    let heard: Vec<&[u8]> = heard.iter().map(|heard| &heard.payload()[skip..]).collect();
    let start = sent.iter().position(|payload| payload == heard[0]).expect("the first packet");
    for (n, payload) in heard.iter().enumerate() {
        assert_eq!(*payload, sent[start + n], "packet {n}");
    }
    heard.len()
}

fn check_media(room: &mut Room, published: &Stream, stream: &Stream, video_skip: usize) {
    let (publisher, subscriber) = (published.peer, stream.peer);
    for (from, to, payload_type, skip) in [
        (published.audio, stream.audio, 111, 0),
        (published.video, stream.video, if video_skip > 0 { 96 } else { 125 }, video_skip),
    ] {
        let sent = sent(&room.peers[publisher].client, from, skip);
        let packets = &room.peers[subscriber].client.track(to).packets;
        // Up to the first key frame a subscriber of VP8 sees black frames.
        let black = packets.iter().take_while(|heard| heard.payload().len() < skip + 90).count();
        let black = if payload_type == 111 { 0 } else { black };
        assert!(assert_run(&sent, &packets[black..], skip) > 40);
        assert!(packets.iter().all(|heard| heard.header.payload_type.0 == payload_type));
        for (former, next) in packets.iter().zip(&packets[1..]) {
            assert_eq!(next.header.sequence, former.header.sequence.wrapping_add(1));
        }
    }
    let ssrcs: Vec<u32> = room.peers[subscriber].client.tracks.keys().copied().collect();
    assert_eq!(ssrcs, [stream.audio, stream.video], "nothing under another SSRC");
}

#[test]
fn vp8_and_opus_reach_the_subscriber_unchanged_under_its_own_identifiers() {
    let mut room = Room::new();
    let (published, streams) = room.call(2);
    room.run_ms(3000);
    for stream in &streams {
        check_media(&mut room, &published, stream, VP8_DESCRIPTOR_LEN);
    }
    let states = [ConnectionState::Gathered, ConnectionState::Ready];
    assert!(room.peers.iter().all(|peer| peer.states() == states));
    let profile = Some(SrtpProfile::AeadAes128Gcm);
    assert!(room.peers.iter().all(|peer| peer.client.transport.profile() == profile));
}

#[test]
fn h264_reaches_the_subscriber() {
    let mut room = Room::new();
    room.format = Format::H264;
    let (published, streams) = room.call(1);
    room.run_ms(3000);
    check_media(&mut room, &published, &streams[0], 0);
}

#[test]
fn media_crosses_with_counter_mode_keys() {
    let mut room = Room::new();
    room.configure_transport = |config| config.profiles = vec![SrtpProfile::Aes128CmHmacSha1_80];
    let (published, streams) = room.call(1);
    room.run_ms(2000);
    check_media(&mut room, &published, &streams[0], VP8_DESCRIPTOR_LEN);
    let profile = Some(SrtpProfile::Aes128CmHmacSha1_80);
    assert!(room.peers.iter().all(|peer| peer.client.transport.profile() == profile));
}

#[test]
fn media_crosses_with_ice_lite() {
    let mut room = Room::new();
    room.configure = |config| config.ice_lite = true;
    // A full agent controls a lite one.
    room.configure_transport = |config| config.ice_controlling = true;
    let (published, streams) = room.call(1);
    room.run_ms(2000);
    check_media(&mut room, &published, &streams[0], VP8_DESCRIPTOR_LEN);
}

#[test]
fn media_crosses_between_workers() {
    let mut room = Room::with(1, Default::default(), 2);
    let publisher = room.join(0);
    let published = room.publish(publisher, "camera");
    let here = room.join(0);
    let there = room.join(1);
    let also_there = room.join(1);
    let streams = [here, there, also_there].map(|peer| room.subscribe(peer, &published, "watched"));
    assert!(room.run_until_ready(Duration::from_secs(5)));
    room.run_ms(3000);
    for stream in &streams {
        check_media(&mut room, &published, stream, VP8_DESCRIPTOR_LEN);
        // The publisher's clock came along.
        assert!(!room.client(stream.peer).track(stream.video).reports.is_empty());
    }
    // And so do wishes for key frames, the other way.
    let before = room.client(publisher).source(published.video).key_frames.len();
    room.client(there).ask_for_key_frame(streams[1].video);
    room.run_ms(500);
    assert_eq!(room.client(publisher).source(published.video).key_frames.len(), before + 1);
}

#[test]
fn extensions_are_the_subscribers_own() {
    let mut room = Room::new();
    let (_, streams) = room.call(1);
    room.run_ms(1000);
    let mut map = ExtensionMap::default();
    map.insert(2, ExtensionKind::AbsSendTime);
    map.insert(4, ExtensionKind::TransportSequence);
    let mut expected: Option<u16> = None;
    let client = &room.peers[streams[0].peer].client;
    let mut numbered = 0;
    for heard in &client.track(streams[0].video).packets {
        let header = RtpHeader::parse(&heard.packet).unwrap();
        let spans = ExtensionSpans::parse(&header, &heard.packet, &map);
        assert!(spans.data(&heard.packet, ExtensionKind::AbsSendTime).is_some());
        let number = spans.data(&heard.packet, ExtensionKind::TransportSequence).unwrap();
        let number = u16::from_be_bytes([number[0], number[1]]);
        // One space for audio and video: numbers rise.
        if let Some(former) = expected {
            assert!(number.wrapping_sub(former) < 10 && number != former);
        }
        expected = Some(number);
        numbered += 1;
    }
    assert!(numbered > 50);
}
