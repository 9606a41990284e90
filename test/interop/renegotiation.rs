//! Streams come and go on one connection; its transport and the other streams do not notice.

use erizo::connection::event::ConnectionState;

use crate::call::{Publisher, Viewer};
use crate::media::Codec;
use crate::near_end::{config, pool};
use crate::sdp::{identity, sections};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_viewer_gets_more_streams_and_loses_one() {
    let (pool, codec) = (pool(2), Codec::H264);
    let mut publishers = Vec::new();
    let mut streams = Vec::new();
    for (label, ssrc) in [("first", 1000), ("second", 2000), ("third", 3000)] {
        let mut publisher = Publisher::open(&pool, config(codec), codec).await;
        streams.push(publisher.publish(label, ssrc).await);
        publisher.near.reaches(ConnectionState::Ready).await;
        publishers.push(publisher);
    }

    let (mut viewer, first) = Viewer::join(&pool, codec, &streams[0]).await;
    let offer = viewer.offer.clone();
    let original = identity(&offer);
    viewer.watch(&first, 20).await;

    let second = viewer.subscribe(&streams[1]).await;
    assert_eq!(identity(&viewer.offer), original);
    viewer.watch(&second, 20).await;

    let third = viewer.subscribe(&streams[2]).await;
    assert_eq!(identity(&viewer.offer), original);
    assert_eq!(sections(&viewer.offer).len(), 6);
    viewer.watch(&third, 20).await;

    viewer.unsubscribe(&second).await;
    assert_eq!(identity(&viewer.offer), original);
    let freed = sections(&viewer.offer);
    assert!(freed.iter().filter(|s| s.has("a=inactive") || s.port == "0").count() == 2);
    let before = viewer.far.numbered(codec, second.video).len();
    viewer.watch(&first, 50).await;
    viewer.watch(&third, 20).await;
    let after = viewer.far.numbered(codec, second.video).len();
    // What was on its way when the stream was taken out.
    assert!(after - before < 20, "{} packets of a stream that left", after - before);

    // Its sections serve again.
    let again = viewer.subscribe(&streams[1]).await;
    assert_eq!(identity(&viewer.offer), original);
    assert_eq!(sections(&viewer.offer).len(), 6);
    viewer.watch(&again, 20).await;
    viewer.watch(&first, 20).await;
    viewer.watch(&third, 20).await;
    assert_eq!(viewer.near.handle.state(), ConnectionState::Ready);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publisher_offers_more_streams_and_takes_one_back() {
    let (pool, codec) = (pool(1), Codec::H264);
    let (mut publisher, first) = Publisher::connect(&pool, config(codec), codec).await;
    let answer = publisher.answer.clone();
    let original = identity(&answer);
    let (mut of_first, first_seen) = Viewer::join(&pool, codec, &first).await;
    of_first.watch(&first_seen, 20).await;

    let second = publisher.publish("screen", 2000).await;
    assert_eq!(identity(&publisher.answer), original);
    let (mut of_second, second_seen) = Viewer::join(&pool, codec, &second).await;
    of_second.watch(&second_seen, 20).await;

    let third = publisher.publish("window", 3000).await;
    assert_eq!(identity(&publisher.answer), original);
    let (mut of_third, third_seen) = Viewer::join(&pool, codec, &third).await;
    of_third.watch(&third_seen, 20).await;

    publisher.unpublish(second).await;
    assert_eq!(identity(&publisher.answer), original);
    of_first.watch(&first_seen, 50).await;
    of_third.watch(&third_seen, 50).await;

    let again = publisher.publish("screen2", 4000).await;
    assert_eq!(identity(&publisher.answer), original);
    let (mut of_again, again_seen) = Viewer::join(&pool, codec, &again).await;
    of_again.watch(&again_seen, 20).await;
    of_first.watch(&first_seen, 20).await;
    of_third.watch(&third_seen, 20).await;
}
