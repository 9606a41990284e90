//! How the transport is agreed on: roles, ICE-lite, and what is refused.

use std::time::Duration;

use erizo::connection::config::StreamRole;
use erizo::connection::error::ConnectionError;
use erizo::connection::event::ConnectionState;
use rtc::peer_connection::transport::RTCDtlsRole;
use webrtc::peer_connection::{SettingEngine, SettingEngineBuilder};

use crate::bounded::within_time;
use crate::call::{Publisher, Viewer};
use crate::media::Codec;
use crate::near_end::{config, pool};
use crate::sdp::{sections, with_wrong_fingerprint};

const CODEC: Codec = Codec::H264;
/// From the first path on: the handshake and the judgement about it.
const HANDSHAKE: Duration = Duration::from_secs(1);

fn answering_as(role: RTCDtlsRole) -> SettingEngine {
    SettingEngineBuilder::new().with_answering_dtls_role(role).build()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn media_flows_whoever_starts_the_dtls_handshake() {
    let pool = pool(1);
    // As the answerer we start it.
    let (publisher, published) = Publisher::connect(&pool, config(CODEC), CODEC).await;
    assert!(sections(&publisher.answer).iter().all(|section| section.setup() == "active"));
    for (role, word) in [(RTCDtlsRole::Client, "active"), (RTCDtlsRole::Server, "passive")] {
        let (mut viewer, subscribed) =
            Viewer::connect(&pool, config(CODEC), answering_as(role), CODEC, &published).await;
        assert!(sections(&viewer.answer).iter().all(|section| section.setup() == word));
        viewer.watch(&subscribed, 30).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ice_lite_carries_media_both_ways() {
    let pool = pool(1);
    let mut lite = config(CODEC);
    lite.ice_lite = true;
    let (publisher, published) = Publisher::connect(&pool, lite.clone(), CODEC).await;
    assert!(publisher.answer.lines().any(|line| line == "a=ice-lite"), "{}", publisher.answer);
    let settings = SettingEngine::default();
    let (mut viewer, subscribed) = Viewer::connect(&pool, lite, settings, CODEC, &published).await;
    assert!(viewer.offer.lines().any(|line| line == "a=ice-lite"), "{}", viewer.offer);
    viewer.watch(&subscribed, 50).await;
}

/// Security rule H1. The same exchange with the right fingerprint is every other test.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publisher_with_another_certificate_than_it_said_fails_and_is_not_heard() {
    let pool = pool(1);
    let mut publisher = Publisher::open(&pool, config(CODEC), CODEC).await;
    let mut published = publisher.announce("camera", 1000).await;
    let offer = publisher.far.offer().await;
    let answer = publisher.near.answer(&with_wrong_fingerprint(&offer)).await;
    publisher.far.accept(&answer).await;
    publisher.far.has_a_path().await;
    let failed = publisher.near.reaches(ConnectionState::Failed);
    within_time(HANDSHAKE, "a wrong fingerprint noticed", failed).await;
    // The far end goes on sending, as far as it can.
    published.video.sends(20).await;
    let traffic = &publisher.near.statistics().await["traffic"];
    assert_eq!(traffic["packetsReceived"], 0);
    assert_eq!(traffic["packetsSent"], 0);
}

/// The same for a peer that would get media, in both DTLS roles.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_viewer_with_another_certificate_than_it_said_fails_and_sees_nothing() {
    let pool = pool(1);
    let (_publisher, mut published) = Publisher::connect(&pool, config(CODEC), CODEC).await;
    for role in [RTCDtlsRole::Client, RTCDtlsRole::Server] {
        let mut viewer = Viewer::open(&pool, config(CODEC), answering_as(role), CODEC).await;
        let _subscribed = viewer.announce(&published).await;
        let answer = with_wrong_fingerprint(&viewer.answer);
        viewer.near.set_remote(&answer).await.expect("only the handshake tells");
        viewer.far.has_a_path().await;
        let failed = viewer.near.reaches(ConnectionState::Failed);
        within_time(HANDSHAKE, "a wrong fingerprint noticed", failed).await;
        published.video.sends(20).await;
        viewer.far.drain();
        assert!(viewer.far.received.is_empty());
        assert_eq!(viewer.near.statistics().await["traffic"]["packetsSent"], 0);
    }
}

/// The peer notices that we are not who the description says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_media_flows_to_a_viewer_that_refuses_our_certificate() {
    let pool = pool(1);
    let (_publisher, mut published) = Publisher::connect(&pool, config(CODEC), CODEC).await;
    for role in [RTCDtlsRole::Client, RTCDtlsRole::Server] {
        let mut viewer = Viewer::open(&pool, config(CODEC), answering_as(role), CODEC).await;
        let stream = viewer.near.add("1", "camera", StreamRole::Subscriber).await;
        published.fan_out.add_subscriber(&stream.handle, "1".to_owned());
        let offer = viewer.near.offer().await;
        let answer = viewer.far.answer(&with_wrong_fingerprint(&offer)).await;
        viewer.near.set_remote(&answer).await.expect("a good answer");
        viewer.far.has_a_path().await;
        // Not at once: its alert may come in plaintext, where anybody could have sent it.
        viewer.near.reaches(ConnectionState::Failed).await;
        published.video.sends(20).await;
        viewer.far.drain();
        assert!(viewer.far.received.is_empty());
    }
}

/// Security rule H2; the connection takes a better offer afterwards.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offers_without_encryption_are_refused_and_do_no_harm() {
    let pool = pool(1);
    let mut publisher = Publisher::open(&pool, config(CODEC), CODEC).await;
    let mut published = publisher.announce("camera", 1000).await;
    let offer = publisher.far.offer().await;
    let plain = offer.replace("UDP/TLS/RTP/SAVPF", "RTP/AVPF");
    let without_fingerprint: String =
        offer.split_inclusive('\n').filter(|line| !line.starts_with("a=fingerprint:")).collect();
    for bad in [plain, without_fingerprint] {
        let refused = publisher.near.set_remote(&bad).await;
        assert!(matches!(refused, Err(ConnectionError::Negotiation(_))), "{refused:?}");
        assert_eq!(publisher.near.handle.state(), ConnectionState::Initial);
    }
    let answer = publisher.near.answer(&offer).await;
    publisher.far.accept(&answer).await;
    publisher.near.reaches(ConnectionState::Ready).await;
    published.stream.ready().await;
    let (mut viewer, subscribed) = Viewer::join(&pool, CODEC, &published).await;
    viewer.watch(&subscribed, 20).await;
}

/// Only the first description decides (contract JSA-27): the far end, which takes nothing but
/// SRTP, receives on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_later_offer_without_encryption_does_not_take_it_away() {
    let pool = pool(1);
    let (mut publisher, published) = Publisher::connect(&pool, config(CODEC), CODEC).await;
    let (mut viewer, subscribed) = Viewer::join(&pool, CODEC, &published).await;
    viewer.watch(&subscribed, 20).await;
    let plain = publisher.far.offer().await.replace("UDP/TLS/RTP/SAVPF", "RTP/AVPF");
    assert_eq!(publisher.near.set_remote(&plain).await, Ok(()));
    let plain = viewer.far.answer(&viewer.near.offer().await).await;
    let plain = plain.replace("UDP/TLS/RTP/SAVPF", "RTP/AVPF");
    assert_eq!(viewer.near.set_remote(&plain).await, Ok(()));
    viewer.watch(&subscribed, 20).await;
    for near in [&publisher.near, &viewer.near] {
        let transport = &near.statistics().await["transport"];
        assert_eq!(transport["srtpProfile"], "SRTP_AEAD_AES_128_GCM");
    }
}
