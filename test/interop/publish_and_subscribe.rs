//! One peer publishes, another watches.

use std::sync::Arc;

use erizo::connection::config::ConnectionConfig;
use erizo::runtime::pool::WorkerPool;
use erizo::transport::SrtpProfile;
use rtc::rtcp::payload_feedbacks::receiver_estimated_maximum_bitrate::ReceiverEstimatedMaximumBitrate;
use rtc::rtcp::sender_report::SenderReport;
use webrtc::peer_connection::{SettingEngine, SettingEngineBuilder, SrtpProtectionProfile};

use crate::call::{Publisher, Viewer};
use crate::media::Codec;
use crate::near_end::{config, pool};

async fn every_packet_crosses(pool: &Arc<WorkerPool>, codec: Codec) {
    let (_publisher, published) = Publisher::connect(pool, config(codec), codec).await;
    let (mut viewer, subscribed) = Viewer::join(pool, codec, &published).await;
    published.video.key_frame();
    viewer.watch(&subscribed, 100).await;
    let video = viewer.far.numbered(codec, subscribed.video);
    assert!(video.iter().any(|a| codec.read(&a.packet.payload).is_some_and(|n| n.key_frame)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h264_and_opus_cross_one_worker() {
    every_packet_crosses(&pool(1), Codec::H264).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn vp8_and_opus_cross_one_worker() {
    every_packet_crosses(&pool(1), Codec::Vp8).await;
}

/// The second connection goes to the worker with fewer of them (contract THP-5).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h264_and_opus_cross_from_worker_to_worker() {
    every_packet_crosses(&pool(2), Codec::H264).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn vp8_and_opus_cross_from_worker_to_worker() {
    every_packet_crosses(&pool(2), Codec::Vp8).await;
}

/// An SRTP profile is agreed on by DTLS: GCM if the peer has it, CM if that is all it has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_srtp_profiles_carry_media() {
    let (pool, codec) = (pool(1), Codec::H264);
    let (publisher, published) = Publisher::connect(&pool, config(codec), codec).await;
    let statistics = publisher.near.statistics().await;
    assert_eq!(statistics["transport"]["srtpProfile"], "SRTP_AEAD_AES_128_GCM");
    let settings = SettingEngineBuilder::new()
        .with_srtp_protection_profiles(vec![SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80])
        .build();
    let (mut viewer, subscribed) =
        Viewer::connect(&pool, config(codec), settings, codec, &published).await;
    viewer.watch(&subscribed, 50).await;
    let statistics = viewer.near.statistics().await;
    assert_eq!(statistics["transport"]["srtpProfile"], "SRTP_AES128_CM_HMAC_SHA1_80");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_srtp_profile_that_we_do_not_offer_is_not_used() {
    let (pool, codec) = (pool(1), Codec::H264);
    let only = |profile| ConnectionConfig { srtp_profiles: vec![profile], ..config(codec) };
    let cm = only(SrtpProfile::Aes128CmHmacSha1_80);
    let (publisher, published) = Publisher::connect(&pool, cm.clone(), codec).await;
    let settings = SettingEngine::default();
    let (mut viewer, subscribed) = Viewer::connect(&pool, cm, settings, codec, &published).await;
    viewer.watch(&subscribed, 50).await;
    for near in [&publisher.near, &viewer.near] {
        let transport = &near.statistics().await["transport"];
        assert_eq!(transport["srtpProfile"], "SRTP_AES128_CM_HMAC_SHA1_80");
    }
}

/// Without sender reports a receiver cannot play sound and picture in step.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_viewer_gets_sender_reports_of_both_kinds() {
    let (pool, codec) = (pool(2), Codec::H264);
    let (_publisher, published) = Publisher::connect(&pool, config(codec), codec).await;
    let (mut viewer, subscribed) = Viewer::join(&pool, codec, &published).await;
    for ssrc in [subscribed.audio, subscribed.video] {
        let count = viewer
            .far
            .feedback(&format!("a sender report of {ssrc}"), |packet| {
                let report = packet.as_any().downcast_ref::<SenderReport>()?;
                (report.ssrc == ssrc).then_some(report.packet_count)
            })
            .await;
        assert!(count > 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_publisher_gets_an_estimate_of_its_path() {
    let (pool, codec) = (pool(1), Codec::H264);
    let (mut publisher, published) = Publisher::connect(&pool, config(codec), codec).await;
    let bitrate = publisher
        .far
        .feedback("a REMB", |packet| {
            let remb = packet.as_any().downcast_ref::<ReceiverEstimatedMaximumBitrate>()?;
            remb.ssrcs.contains(&published.video.ssrc).then_some(remb.bitrate)
        })
        .await;
    assert!(bitrate > 100_000.0, "{bitrate} bit/s");
}
