//! What a worker does while there is nothing to do: it answers, and it sleeps.

use std::time::Duration;

use erizo::connection::config::StreamRole;
use erizo::connection::event::ConnectionState;
use erizo::rtp::id::MediaKind;
use erizo::runtime::fan_out::FanOutHandle;
use tokio::sync::oneshot;

use crate::bounded::within;
use crate::call::{Publisher, Viewer};
use crate::media::Codec;
use crate::near_end::{NearEnd, config, pool};

/// How much of this may be worked by a worker without media; a spinning one works all of it.
const WINDOW: Duration = Duration::from_millis(500);
const IDLE: Duration = Duration::from_millis(50);

/// Processor time that the worker of a connection has used so far.
async fn worked(near: &NearEnd) -> Duration {
    let (tell, answer) = oneshot::channel();
    // Replies are given on the worker's thread.
    near.handle.stats(Box::new(move |_| {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
        let ns = text.split(' ').next().and_then(|ns| ns.parse().ok()).expect("a number");
        let _ = tell.send(Duration::from_nanos(ns));
    }));
    within("a worker that answers", answer).await.expect("a reply")
}

async fn assert_idle(near: &NearEnd) {
    let before = worked(near).await;
    // Not to wait for anything: the time that is looked at.
    tokio::time::sleep(WINDOW).await;
    let spent = worked(near).await - before;
    assert!(spent < IDLE, "{spent:?} of {WINDOW:?} spent on nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_sleeps_after_its_only_publisher_was_removed() {
    let (pool, codec) = (pool(1), Codec::H264);
    let (mut publisher, mut published) = Publisher::connect(&pool, config(codec), codec).await;
    published.video.sends(50).await;
    publisher.unpublish(published).await;
    assert_idle(&publisher.near).await;
}

/// A viewer may ask for a key frame of a stream that is not part of its connection any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_sleeps_while_a_removed_publisher_is_asked_for_a_key_frame() {
    let (pool, codec) = (pool(1), Codec::H264);
    let (mut publisher, published) = Publisher::connect(&pool, config(codec), codec).await;
    let fan_out = published.fan_out.clone();
    publisher.unpublish(published).await;
    let mut viewer = Viewer::open(&pool, config(codec), Default::default(), codec).await;
    let mut stream = viewer.near.add("of camera", "camera", StreamRole::Subscriber).await;
    fan_out.add_subscriber(&stream.handle, "viewer".to_owned());
    let offer = viewer.near.offer().await;
    let answer = viewer.far.answer(&offer).await;
    viewer.near.set_remote(&answer).await.expect("a good answer");
    stream.ready().await;
    viewer.near.reaches(ConnectionState::Ready).await;
    assert_idle(&viewer.near).await;
}

/// Nothing says that the publisher connects before its viewers do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_sleeps_while_a_key_frame_is_wanted_of_a_publisher_without_a_path() {
    let (pool, codec) = (pool(1), Codec::H264);
    let mut publisher = Publisher::open(&pool, config(codec), codec).await;
    let published = publisher.announce("camera", 1000).await;
    let offer = publisher.far.offer().await;
    let answer = publisher.near.answer(&offer).await;
    let (mut viewer, subscribed) = Viewer::join(&pool, codec, &published).await;
    assert_idle(&viewer.near).await;
    // The request was kept, not lost: it leaves as soon as there is a path.
    publisher.far.accept(&answer).await;
    publisher.far.key_frame_request(published.video.ssrc).await;
    viewer.watch(&subscribed, 20).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_sleeps_after_a_fan_out_was_closed_in_traffic() {
    let (pool, codec) = (pool(1), Codec::H264);
    let (_publisher, published) = Publisher::connect(&pool, config(codec), codec).await;
    let (mut viewer, subscribed) = Viewer::join(&pool, codec, &published).await;
    // Enough for a first sender report, so that the next one has a deadline.
    viewer.watch(&subscribed, 100).await;
    published.fan_out.close();
    // The deadline of that report passes.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_idle(&viewer.near).await;
    // The streams live on, for another fan-out (contract M-OTM-6).
    viewer.far.drain();
    viewer.far.received.clear();
    let next = FanOutHandle::new();
    next.set_publisher(&published.stream.handle);
    for kind in [MediaKind::Audio, MediaKind::Video] {
        published.stream.handle.set_receiver(kind, Some(&next));
    }
    next.add_subscriber(&subscribed.stream.handle, "viewer".to_owned());
    viewer.watch(&subscribed, 20).await;
}
