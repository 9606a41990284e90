//! What a viewer asks for and what its publisher hears of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use erizo::connection::config::StreamRole;
use erizo::connection::event::ConnectionState;
use erizo::runtime::pool::WorkerPool;
use rtc::rtcp::payload_feedbacks::full_intra_request::{FirEntry, FullIntraRequest};
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use webrtc::peer_connection::SettingEngine;

use crate::bounded::within;
use crate::call::{Publisher, Viewer};
use crate::media::Codec;
use crate::near_end::{config, pool};
use crate::relay::Relay;
use crate::sdp;

/// At most one request in this time reaches a publisher (security.md N16).
const REQUEST_INTERVAL: Duration = Duration::from_millis(500);

async fn key_frames_are_asked_for(pool: &Arc<WorkerPool>, codec: Codec) {
    let (mut publisher, published) = Publisher::connect(pool, config(codec), codec).await;
    let source = published.video.ssrc;

    let (mut viewer, subscribed) = Viewer::join(pool, codec, &published).await;
    publisher.far.key_frame_request(source).await;
    let first = Instant::now();
    published.video.key_frame();
    viewer.watch(&subscribed, 20).await;

    let media_ssrc = subscribed.video;
    publisher.far.forget_feedback();
    let pli = PictureLossIndication { sender_ssrc: 1, media_ssrc };
    viewer.far.send_feedback(media_ssrc, vec![Box::new(pli)]).await;
    publisher.far.key_frame_request(source).await;
    let second = Instant::now();
    // The far end's clock started a little after our request left.
    assert!(second - first > REQUEST_INTERVAL / 2, "asked again after {:?}", second - first);
    published.video.key_frame();
    viewer.watch(&subscribed, 20).await;

    publisher.far.forget_feedback();
    let fir = FullIntraRequest {
        sender_ssrc: 1,
        media_ssrc,
        fir: vec![FirEntry { ssrc: media_ssrc, sequence_number: 1 }],
    };
    viewer.far.send_feedback(media_ssrc, vec![Box::new(fir)]).await;
    publisher.far.key_frame_request(source).await;
    viewer.check(&subscribed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn key_frames_are_asked_for_on_one_worker() {
    key_frames_are_asked_for(&pool(1), Codec::H264).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn key_frames_are_asked_for_from_worker_to_worker() {
    key_frames_are_asked_for(&pool(2), Codec::Vp8).await;
}

/// A second viewer gets a picture at once, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_viewer_that_joins_has_a_key_frame_asked_for() {
    let (pool, codec) = (pool(1), Codec::Vp8);
    let (mut publisher, published) = Publisher::connect(&pool, config(codec), codec).await;
    let mut viewers = Vec::new();
    for _ in 0..2 {
        publisher.far.forget_feedback();
        let (mut viewer, subscribed) = Viewer::join(&pool, codec, &published).await;
        publisher.far.key_frame_request(published.video.ssrc).await;
        published.video.key_frame();
        viewer.watch(&subscribed, 20).await;
        let first = viewer.far.numbered(codec, subscribed.video)[0].packet.payload.clone();
        assert!(codec.read(&first).is_some_and(|numbered| numbered.key_frame));
        viewers.push((viewer, subscribed));
    }
}

/// The far end misses packets, asks for them by itself, and gets them bit by bit the same.
async fn lost_packets_come_again(pool: &Arc<WorkerPool>, codec: Codec) {
    let (_publisher, published) = Publisher::connect(pool, config(codec), codec).await;
    let relay = Relay::start(codec.our_payload_type()).await;
    let mut viewer = Viewer::open(pool, config(codec), SettingEngine::default(), codec).await;
    let stream = viewer.near.add("1", &published.label, StreamRole::Subscriber).await;
    published.fan_out.add_subscriber(&stream.handle, "1".to_owned());
    let offer = viewer.near.offer().await;
    let answer = viewer.far.answer(&relay.of_near(&offer)).await;
    viewer.near.set_remote(&relay.of_far(&answer)).await.expect("a good answer");
    viewer.near.reaches(ConnectionState::Ready).await;
    published.video.key_frame();
    let ssrc = sdp::ssrc(&offer, "video", &published.label);
    all_lost_packets_arrive(&mut viewer, codec, ssrc, || {
        relay
            .lost()
            .into_iter()
            .filter(|(lost, _)| *lost == ssrc)
            .map(|(_, number)| number)
            .collect()
    })
    .await;
}

/// We miss packets of a publisher and ask for them; its viewers get them all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn packets_lost_on_the_way_to_us_are_asked_for() {
    let (pool, codec) = (pool(1), Codec::H264);
    let relay = Relay::start(codec.payload_type()).await;
    let mut publisher = Publisher::open(&pool, config(codec), codec).await;
    let published = publisher.announce("camera", 1000).await;
    let offer = publisher.far.offer().await;
    let answer = publisher.near.answer(&relay.of_far(&offer)).await;
    publisher.far.accept(&relay.of_near(&answer)).await;
    publisher.near.reaches(ConnectionState::Ready).await;
    let (mut viewer, subscribed) = Viewer::join(&pool, codec, &published).await;
    viewer.far.receive(codec, subscribed.video, 120).await;
    // The viewer's numbers are those of the publisher as long as nothing was left out.
    let seen = viewer.far.numbered(codec, subscribed.video);
    let first = seen[0].packet.header.sequence_number;
    all_lost_packets_arrive(&mut viewer, codec, subscribed.video, || {
        let lost = relay.lost().into_iter().filter(|(ssrc, _)| *ssrc == published.video.ssrc);
        lost.map(|(_, number)| number).filter(|n| n.wrapping_sub(first) < 1 << 15).collect()
    })
    .await;
}

/// Three losses after the first packet are repaired and nothing in between is missing.
async fn all_lost_packets_arrive(
    viewer: &mut Viewer,
    codec: Codec,
    ssrc: u32,
    lost: impl Fn() -> Vec<u16>,
) {
    viewer.far.receive(codec, ssrc, 100).await;
    let first = viewer.far.numbered(codec, ssrc)[0].packet.header.sequence_number;
    let came = |viewer: &Viewer| -> Vec<u16> {
        let seen = viewer.far.numbered(codec, ssrc);
        seen.iter().map(|a| a.packet.header.sequence_number.wrapping_sub(first)).collect()
    };
    let to_repair: Vec<u16> = lost()
        .iter()
        .map(|number| number.wrapping_sub(first))
        .filter(|distance| *distance > 0 && *distance < 1 << 15)
        .collect();
    assert!(to_repair.len() >= 3, "only {} losses", to_repair.len());
    within("every lost packet", async {
        while to_repair.iter().any(|number| !came(viewer).contains(number)) {
            viewer.far.receive(codec, ssrc, 1).await;
        }
    })
    .await;
    let mut numbers = came(viewer);
    numbers.sort_unstable();
    let last = to_repair.iter().max().copied().unwrap_or(0);
    let whole: Vec<u16> = numbers.into_iter().filter(|n| *n <= last).collect();
    assert_eq!(whole, (0..=last).collect::<Vec<_>>(), "each packet once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_packets_come_again_on_one_worker() {
    lost_packets_come_again(&pool(1), Codec::H264).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_packets_come_again_from_worker_to_worker() {
    lost_packets_come_again(&pool(2), Codec::Vp8).await;
}
