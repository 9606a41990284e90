//! Ends: of streams, of connections, of ports.

use std::net::UdpSocket;
use std::ops::RangeInclusive;

use erizo::connection::config::{ConnectionConfig, StreamRole};
use erizo::connection::error::ConnectionError;
use erizo::connection::event::ConnectionState;
use erizo::rtp::id::MediaKind;
use webrtc::peer_connection::SettingEngine;

use crate::call::{Publisher, Viewer};
use crate::far_end::FarEnd;
use crate::media::Codec;
use crate::near_end::{NearEnd, config, pool};
use crate::relay::Relay;
use crate::sdp::ports;

const CODEC: Codec = Codec::H264;

fn in_range(ports: RangeInclusive<u16>) -> ConnectionConfig {
    ConnectionConfig { ports: Some(ports), ..config(CODEC) }
}

fn free(port: u16) -> bool {
    UdpSocket::bind(("127.0.0.1", port)).is_ok()
}

/// Contract LIF-14, LIF-16.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_in_traffic_frees_the_port_with_the_last_connection() {
    let pool = pool(1);
    let (publisher, published) = Publisher::connect(&pool, config(CODEC), CODEC).await;
    let (mut viewer, subscribed) = Viewer::join(&pool, CODEC, &published).await;
    viewer.watch(&subscribed, 20).await;
    let port = *ports(&viewer.offer).first().expect("a candidate");
    assert_eq!(ports(&publisher.answer), [port].into(), "connections of a worker share a port");

    let (first, second) = tokio::join!(viewer.near.close(), viewer.near.close());
    assert_eq!(first, Ok(()));
    assert_eq!(second, Err(ConnectionError::Closed));
    assert_eq!(viewer.near.close().await, Err(ConnectionError::Closed));
    assert!(!free(port), "the publisher still needs it");

    // The publisher did not notice.
    let (mut next, subscribed) = Viewer::join(&pool, CODEC, &published).await;
    next.watch(&subscribed, 20).await;
    assert_eq!(next.near.close().await, Ok(()));
    assert_eq!(publisher.near.close().await, Ok(()));
    assert!(free(port), "port {port} after the last close");
    assert_eq!(published.fan_out.publisher_state(), Some(ConnectionState::Ready));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_viewer_survives_its_publisher_and_follows_the_next_one() {
    let pool = pool(2);
    let (publisher, published) = Publisher::connect(&pool, config(CODEC), CODEC).await;
    let (mut viewer, subscribed) = Viewer::join(&pool, CODEC, &published).await;
    viewer.watch(&subscribed, 20).await;
    assert_eq!(published.stream.close().await, Ok(()));
    assert_eq!(published.stream.close().await, Err(ConnectionError::Closed));
    assert_eq!(publisher.near.close().await, Ok(()));
    let (_publisher, other) = Publisher::connect(&pool, config(CODEC), CODEC).await;

    viewer.far.drain();
    let last = viewer.far.numbered(CODEC, subscribed.video).last().expect("video").clone();
    viewer.far.received.clear();
    // The fan-out of the former publisher gets the new one.
    published.fan_out.set_publisher(&other.stream.handle);
    for kind in [MediaKind::Audio, MediaKind::Video] {
        other.stream.handle.set_receiver(kind, Some(&published.fan_out));
    }
    viewer.watch(&subscribed, 50).await;
    let first = viewer.far.numbered(CODEC, subscribed.video)[0].clone();
    let step = first.packet.header.sequence_number.wrapping_sub(last.packet.header.sequence_number);
    assert_eq!(step, 1, "one sequence for the viewer, whoever publishes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_closes_at_any_stage() {
    let pool = pool(1);
    let fresh = NearEnd::open(&pool, config(CODEC));
    assert_eq!(fresh.close().await, Ok(()));

    let mut offered = NearEnd::open(&pool, config(CODEC));
    let _stream = offered.add("1", "camera", StreamRole::Subscriber).await;
    let offer = offered.offer().await;
    let port = *ports(&offer).first().expect("a candidate");
    assert!(!free(port));
    assert_eq!(offered.close().await, Ok(()));
    assert!(free(port));

    // The peer's checks are under way.
    let mut handshaking = NearEnd::open(&pool, config(CODEC));
    let _stream = handshaking.add("1", "camera", StreamRole::Subscriber).await;
    let mut far = FarEnd::open(CODEC).await;
    let offer = handshaking.offer().await;
    let answer = far.answer(&offer).await;
    handshaking.set_remote(&answer).await.expect("a good answer");
    far.has_a_path().await;
    assert_eq!(handshaking.close().await, Ok(()));
    assert!(free(*ports(&offer).first().expect("a candidate")));
    assert_eq!(handshaking.set_remote(&answer).await, Err(ConnectionError::Closed));
}

/// The far end going away without a word costs nobody else anything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_viewer_whose_peer_left_can_be_closed_while_others_watch_on() {
    let pool = pool(1);
    let (_publisher, published) = Publisher::connect(&pool, config(CODEC), CODEC).await;
    let (mut stays, seen) = Viewer::join(&pool, CODEC, &published).await;
    let (mut leaves, left) = Viewer::join(&pool, CODEC, &published).await;
    leaves.watch(&left, 10).await;
    leaves.far.close().await;
    stays.watch(&seen, 50).await;
    assert_eq!(leaves.near.close().await, Ok(()));
    stays.watch(&seen, 20).await;
}

/// Contract ICE-7, EVT-10.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_port_range_gives_gathered_and_then_failed() {
    let pool = pool(1);
    let taken = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("bound").port();
    let mut near = NearEnd::open(&pool, in_range(port..=port));
    let _stream = near.add("1", "camera", StreamRole::Subscriber).await;
    near.create_offer().await;
    near.reaches(ConnectionState::Gathered).await;
    near.reaches(ConnectionState::Failed).await;
    assert_eq!(near.close().await, Ok(()));

    // Once it is free, the same range serves.
    drop(taken);
    let mut viewer =
        Viewer::open(&pool, in_range(port..=port), SettingEngine::default(), CODEC).await;
    let (_publisher, published) = Publisher::connect(&pool, config(CODEC), CODEC).await;
    let subscribed = viewer.subscribe(&published).await;
    assert_eq!(ports(&viewer.offer), [port].into());
    viewer.watch(&subscribed, 10).await;
}

/// The peer learns of it at once, not from silence (RFC 5246 §7.2.1).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_says_goodbye() {
    let pool = pool(1);
    let mut relay = Relay::start(CODEC.our_payload_type()).await;
    let mut viewer = Viewer::open(&pool, config(CODEC), SettingEngine::default(), CODEC).await;
    let _stream = viewer.near.add("1", "camera", StreamRole::Subscriber).await;
    let offer = viewer.near.offer().await;
    let answer = viewer.far.answer(&relay.of_near(&offer)).await;
    viewer.near.set_remote(&relay.of_far(&answer)).await.expect("a good answer");
    viewer.near.reaches(ConnectionState::Ready).await;
    assert_eq!(viewer.near.close().await, Ok(()));
    relay.sees_goodbye().await;
}

/// Open connections outlive their pool (contract LIF-2); new ones are refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn media_flows_on_after_the_pool_was_closed() {
    let pool = pool(1);
    let (publisher, published) = Publisher::connect(&pool, config(CODEC), CODEC).await;
    let (mut viewer, subscribed) = Viewer::join(&pool, CODEC, &published).await;
    pool.close();
    viewer.watch(&subscribed, 30).await;
    let late = NearEnd::open(&pool, config(CODEC));
    assert_eq!(late.close().await, Err(ConnectionError::Closed));
    assert_eq!(viewer.near.close().await, Ok(()));
    assert_eq!(publisher.near.close().await, Ok(()));
}
