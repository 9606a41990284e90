//! `MediaStream`: the media of one publisher or one subscriber on a connection (contract section
//! 2.4). After `close()` every method is without effect (table 1.4).

use std::cell::Cell;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use napi::bindgen_prelude::{Either, Unknown};
use napi::{Env, JsValue, Result};
use napi_derive::napi;

use crate::connection::command::StreamCommand;
use crate::connection::config::StreamRole;
use crate::node::environment::{EMPTY_DOCUMENT, Environment};
use crate::node::event_queue::SlotId;
use crate::node::external_output::ExternalOutput;
use crate::node::one_to_many_processor::OneToManyProcessor;
use crate::node::promise::{PromiseCounts, Tail};
use crate::node::thread_pool::{ThreadPool, as_numbers};
use crate::node::web_rtc_connection::WebRtcConnection;
use crate::node::{arguments, error, events, raw};
use crate::rtp::id::MediaKind;
use crate::runtime::handle::{StreamHandle, StreamOptions};

/// A target bitrate of exactly 1 bit/s means "no video at all" (contract MST-22).
const AUDIO_ONLY: i32 = 1;
/// "No limit" of a constraint, "automatic" of a layer.
const UNSET: i32 = -1;

/// One stream on a connection: media from the peer (publisher) or to it (subscriber).
#[napi]
pub struct MediaStream {
    environment: Rc<Environment>,
    handle: StreamHandle,
    slot: SlotId,
    counts: Rc<PromiseCounts>,
    priority: RefCell<String>,
    periodic_key_frame_requests: Cell<bool>,
    /// Set by `close()`.
    tail: RefCell<Option<Arc<Tail>>>,
}

impl MediaStream {
    pub(crate) fn handle(&self) -> &StreamHandle {
        &self.handle
    }

    fn is_closed(&self) -> bool {
        self.tail.borrow().is_some()
    }

    fn set_receiver(&self, env: &Env, kind: MediaKind, sink: &Unknown<'_>) -> Result<()> {
        if self.is_closed() {
            return Ok(());
        }
        if let Some(processor) = raw::instance::<OneToManyProcessor>(sink) {
            self.handle.set_receiver(kind, Some(&processor.handle));
            return Ok(());
        }
        check_sink(env, sink)?;
        Err(error::not_built(
            env,
            "MediaStream.setAudioReceiver/setVideoReceiver with anything but a OneToManyProcessor",
        ))
    }
}

#[napi]
impl MediaStream {
    /// A stream that belongs to `connection` but is not part of it before `addMediaStream`.
    ///
    /// `id` is unique within the connection; `label` is the MediaStream id in `a=msid`. `handlers`
    /// are accepted and have no effect yet. `priority` defaults to `'default'`.
    ///
    /// Throws `TypeError` with fewer than three arguments, for wrong instances and if `handlers` is
    /// no array; `SyntaxError` if a handler is not JSON.
    #[napi(
        constructor,
        catch_unwind,
        ts_args_type = "threadPool: ThreadPool, connection: WebRtcConnection, id: string | number, label?: string, isPublisher?: boolean, audio?: boolean | object, video?: boolean | object, handlers?: string[], priority?: string"
    )]
    #[allow(clippy::too_many_arguments, reason = "ErizoAPI's constructor")]
    pub fn new(
        env: &Env,
        thread_pool: Unknown<'_>,
        connection: Unknown<'_>,
        id: Unknown<'_>,
        label: Unknown<'_>,
        is_publisher: Unknown<'_>,
        audio: Unknown<'_>,
        video: Unknown<'_>,
        handlers: Unknown<'_>,
        priority: Unknown<'_>,
    ) -> Result<MediaStream> {
        const CALL: &str = "new MediaStream(threadPool, connection, id, label, isPublisher, audio, \
                            video, handlers, priority)";
        for (value, name) in
            [(&thread_pool, "threadPool"), (&connection, "connection"), (&id, "id")]
        {
            arguments::demand(env, value, name, CALL)?;
        }
        arguments::instance::<ThreadPool>(env, &thread_pool, "threadPool", "ThreadPool")?;
        let connection = arguments::instance::<WebRtcConnection>(
            env,
            &connection,
            "connection",
            "WebRtcConnection",
        )?;
        let options = StreamOptions {
            id: arguments::text(&id)?,
            label: arguments::text(&label)?,
            role: match arguments::boolean(&is_publisher)? {
                true => StreamRole::Publisher,
                false => StreamRole::Subscriber,
            },
            has_audio: arguments::boolean(&audio)?,
            has_video: arguments::boolean(&video)?,
            priority: priority_or_default(&priority)?,
        };
        check_handlers(env, &handlers)?;
        let environment = Environment::of(env)?;
        let (slot, listener) = environment.add_stream();
        let priority = RefCell::new(options.priority.clone());
        let handle = StreamHandle::open(connection.handle(), options, listener);
        Ok(MediaStream {
            environment,
            handle,
            slot,
            counts: Rc::default(),
            priority,
            periodic_key_frame_requests: Cell::new(false),
            tail: RefCell::default(),
        })
    }

    /// Stops media in both directions. Resolves with `''` once that is done. The stream stays in
    /// its connection until `removeMediaStream`.
    #[napi(catch_unwind, ts_return_type = "Promise<''>")]
    pub fn close<'env>(&self, env: &'env Env) -> Result<Unknown<'env>> {
        let (promise, pending) = self.environment.promise(env, Some(&self.counts))?;
        let closed = self.tail.borrow().clone();
        match closed {
            Some(tail) => tail.append(pending),
            None => {
                let (tail, reply) = Tail::begin(pending, "");
                self.tail.replace(Some(tail));
                self.environment.remove_stream(env, self.slot);
                self.handle.close(reply);
            }
        }
        Ok(promise)
    }

    /// Kept for callers of ErizoAPI: the connection itself decides when a stream is ready.
    /// Returns `true`.
    #[napi(catch_unwind, ts_args_type = "force?: boolean", ts_return_type = "true | undefined")]
    pub fn configure(&self, force: Unknown<'_>) -> Result<Either<bool, ()>> {
        if self.is_closed() {
            return Ok(Either::B(()));
        }
        arguments::boolean(&force)?;
        Ok(Either::A(true))
    }

    /// Where audio from the peer goes.
    ///
    /// Throws `TypeError` for anything that is no sink, and `Error` for sinks that are not built
    /// yet: everything but a `OneToManyProcessor`.
    #[napi(catch_unwind, ts_args_type = "sink: OneToManyProcessor | ExternalOutput | MediaStream")]
    pub fn set_audio_receiver(&self, env: &Env, sink: Unknown<'_>) -> Result<()> {
        self.set_receiver(env, MediaKind::Audio, &sink)
    }

    /// Where video from the peer goes; throws as `setAudioReceiver` does.
    #[napi(catch_unwind, ts_args_type = "sink: OneToManyProcessor | ExternalOutput | MediaStream")]
    pub fn set_video_receiver(&self, env: &Env, sink: Unknown<'_>) -> Result<()> {
        self.set_receiver(env, MediaKind::Video, &sink)
    }

    /// State code of the connection: 101, 103, 104 or 500; `undefined` after `close()`.
    #[napi(catch_unwind, ts_return_type = "101 | 103 | 104 | 500 | undefined")]
    pub fn get_current_state(&self) -> Either<u32, ()> {
        match self.is_closed() {
            true => Either::B(()),
            false => Either::A(events::state_code(self.handle.connection().state())),
        }
    }

    /// Asks the publisher for a key frame.
    #[napi(catch_unwind, js_name = "generatePLIPacket")]
    pub fn generate_pli_packet(&self) {
        self.handle.send(StreamCommand::RequestKeyFrame);
    }

    /// Calls `callback` once with the statistics as JSON text, from the event loop; not at all if
    /// the stream is closed before that. On a closed stream it is called at once, with `'{}'`.
    ///
    /// Throws `TypeError` if `callback` is not a function.
    #[napi(catch_unwind, ts_args_type = "callback: (json: string) => void")]
    pub fn get_stats(&self, env: &Env, callback: Unknown<'_>) -> Result<()> {
        let callback = arguments::callback(env, &callback, "callback")?;
        if self.is_closed() {
            let document = env.create_string(EMPTY_DOCUMENT)?.to_unknown();
            return raw::call_directly(env, &callback, &[document]);
        }
        let pending = self.environment.callback(env, callback, Some(self.slot), EMPTY_DOCUMENT);
        self.handle.stats(pending.reply_document());
        Ok(())
    }

    /// Throws `Error`: not built yet.
    #[napi(catch_unwind, ts_args_type = "callback: (json: string) => void")]
    pub fn get_periodic_stats(&self, env: &Env, callback: Unknown<'_>) -> Result<()> {
        if self.is_closed() {
            return Ok(());
        }
        arguments::callback(env, &callback, "callback")?;
        Err(error::not_built(env, "MediaStream.getPeriodicStats"))
    }

    /// Whether feedback of this subscriber may reach its publisher. A `bitrate` of exactly 1 bit/s
    /// switches video to this subscriber off for good; other values have no effect.
    #[napi(catch_unwind, ts_args_type = "enabled: boolean, bitrate: number")]
    pub fn set_feedback_reports(&self, enabled: Unknown<'_>, bitrate: Unknown<'_>) -> Result<()> {
        if self.is_closed() {
            return Ok(());
        }
        let enabled = arguments::boolean(&enabled)?;
        let bitrate = arguments::int32(&bitrate)?;
        self.handle.send(StreamCommand::SetFeedback { enabled });
        if bitrate == AUDIO_ONLY {
            self.handle.send(StreamCommand::DisableVideo);
        }
        Ok(())
    }

    /// Returns its argument as a boolean.
    ///
    /// Throws `Error` for `true`: not built yet.
    #[napi(catch_unwind, ts_args_type = "on: boolean", ts_return_type = "boolean | undefined")]
    pub fn set_slide_show_mode(&self, env: &Env, on: Unknown<'_>) -> Result<Either<bool, ()>> {
        if self.is_closed() {
            return Ok(Either::B(()));
        }
        match arguments::boolean(&on)? {
            true => Err(error::not_built(env, "MediaStream.setSlideShowMode(true)")),
            false => Ok(Either::A(false)),
        }
    }

    /// Names the class of this stream for the distribution of bandwidth.
    #[napi(catch_unwind, ts_args_type = "priority: string")]
    pub fn set_priority(&self, priority: Unknown<'_>) -> Result<()> {
        if self.is_closed() {
            return Ok(());
        }
        let priority = arguments::text(&priority)?;
        if self.priority.replace(priority.clone()) != priority {
            self.handle.send(StreamCommand::SetPriority { priority });
        }
        Ok(())
    }

    /// Mind the order: video first.
    #[napi(catch_unwind, ts_args_type = "muteVideo: boolean, muteAudio: boolean")]
    pub fn mute_stream(&self, mute_video: Unknown<'_>, mute_audio: Unknown<'_>) -> Result<()> {
        if self.is_closed() {
            return Ok(());
        }
        let video = arguments::boolean(&mute_video)?;
        let audio = arguments::boolean(&mute_audio)?;
        self.handle.send(StreamCommand::Mute { video, audio });
        Ok(())
    }

    /// Limits video, in kbit/s; 0, `false` and `undefined` mean that no limit is known.
    #[napi(
        catch_unwind,
        ts_args_type = "kbps: number | boolean | undefined",
        js_name = "setMaxVideoBW"
    )]
    pub fn set_max_video_bw(&self, kbps: Unknown<'_>) -> Result<()> {
        if self.is_closed() {
            return Ok(());
        }
        let kbps = u64::try_from(arguments::int32(&kbps)?).unwrap_or(0);
        self.handle.send(StreamCommand::SetMaxVideoBitrate { bits_per_second: kbps * 1000 });
        Ok(())
    }

    /// Forces a layer; -1 in either means automatic.
    ///
    /// Throws `Error` for a layer: not built yet.
    #[napi(catch_unwind, ts_args_type = "spatialLayer: number, temporalLayer: number")]
    pub fn set_quality_layer(
        &self,
        env: &Env,
        spatial: Unknown<'_>,
        temporal: Unknown<'_>,
    ) -> Result<()> {
        if self.is_closed() {
            return Ok(());
        }
        let layers = [arguments::int32(&spatial)?, arguments::int32(&temporal)?];
        match layers.contains(&UNSET) {
            true => Ok(()),
            false => Err(error::not_built(env, "MediaStream.setQualityLayer")),
        }
    }

    /// Throws `Error` for `true`: not built yet.
    #[napi(catch_unwind, ts_args_type = "enabled: boolean, spatialLayer?: number")]
    pub fn enable_slide_show_below_spatial_layer(
        &self,
        env: &Env,
        enabled: Unknown<'_>,
        spatial_layer: Unknown<'_>,
    ) -> Result<()> {
        if self.is_closed() {
            return Ok(());
        }
        arguments::int32(&spatial_layer)?;
        match arguments::boolean(&enabled)? {
            true => {
                Err(error::not_built(env, "MediaStream.enableSlideShowBelowSpatialLayer(true)"))
            }
            false => Ok(()),
        }
    }

    /// Calls `callback` with the events of this stream: `'ready'` once, when the stream has its
    /// remote description and media can flow. A second call replaces the callback.
    ///
    /// Throws `TypeError` if `callback` is not a function.
    #[napi(
        catch_unwind,
        ts_args_type = "callback: (type: 'ready' | 'slideshow_fallback_update', message: string) => void"
    )]
    pub fn on_media_stream_event(&self, env: &Env, callback: Unknown<'_>) -> Result<()> {
        if self.is_closed() {
            return Ok(());
        }
        let callback = arguments::callback(env, &callback, "callback")?;
        self.environment.listen_to_stream(self.slot, callback);
        Ok(())
    }

    /// Upper limits of the layer that is sent, in pixels and frames per second; -1: no limit.
    ///
    /// Throws `Error` for any limit: not built yet.
    #[napi(catch_unwind, ts_args_type = "width: number, height: number, frameRate: number")]
    pub fn set_video_constraints(
        &self,
        env: &Env,
        width: Unknown<'_>,
        height: Unknown<'_>,
        frame_rate: Unknown<'_>,
    ) -> Result<()> {
        if self.is_closed() {
            return Ok(());
        }
        let mut limited = false;
        for limit in [width, height, frame_rate] {
            // `false` and `undefined` limit nothing either; a picture of 0 pixels is no request.
            limited |= arguments::int32(&limit)? > 0;
        }
        match limited {
            true => Err(error::not_built(env, "MediaStream.setVideoConstraints")),
            false => Ok(()),
        }
    }

    /// Adds the members of a JSON object to the log lines of this stream. Returns `true`.
    ///
    /// Throws `SyntaxError` or `TypeError` if it is not the JSON text of an object.
    #[napi(catch_unwind, ts_args_type = "json: string", ts_return_type = "true | undefined")]
    pub fn set_metadata(&self, env: &Env, json: Unknown<'_>) -> Result<Either<bool, ()>> {
        if self.is_closed() {
            return Ok(Either::B(()));
        }
        let metadata = arguments::metadata(env, &json)?;
        tracing::info!(stream = self.handle.id(), metadata, "stream metadata");
        Ok(Either::A(true))
    }

    /// Asks the publisher for a key frame every `intervalMs` milliseconds.
    #[napi(catch_unwind, ts_args_type = "on: boolean, intervalMs?: number")]
    pub fn set_periodic_keyframe_requests(
        &self,
        on: Unknown<'_>,
        interval_ms: Unknown<'_>,
    ) -> Result<()> {
        if self.is_closed() {
            return Ok(());
        }
        let on = arguments::boolean(&on)?;
        let interval_ms = u32::try_from(arguments::int32(&interval_ms)?).unwrap_or(0);
        self.periodic_key_frame_requests.set(on);
        let interval_ms = if on { interval_ms } else { 0 };
        self.handle.send(StreamCommand::SetPeriodicKeyFrameRequests { interval_ms });
        Ok(())
    }

    /// What `setPeriodicKeyframeRequests` was last called with; `undefined` after `close()`.
    #[napi(catch_unwind, ts_return_type = "boolean | undefined")]
    pub fn has_periodic_keyframe_requests(&self) -> Either<bool, ()> {
        match self.is_closed() {
            true => Either::B(()),
            false => Either::A(self.periodic_key_frame_requests.get()),
        }
    }

    /// Names no handler of this version; the call is logged.
    #[napi(catch_unwind, ts_args_type = "name: string")]
    pub fn enable_handler(&self, name: Unknown<'_>) -> Result<()> {
        self.note_handler(&name)
    }

    /// Names no handler of this version; the call is logged.
    #[napi(catch_unwind, ts_args_type = "name: string")]
    pub fn disable_handler(&self, name: Unknown<'_>) -> Result<()> {
        self.note_handler(&name)
    }

    /// Calls of `close()` since the last reset by the time until they were carried out: at most 10,
    /// 50, 100 and 1000 ms, and above.
    #[napi(catch_unwind, ts_return_type = "[number, number, number, number, number]")]
    pub fn get_duration_distribution(&self) -> Vec<f64> {
        as_numbers(self.counts.durations.counts())
    }

    /// The same by the time between completion and settlement.
    #[napi(catch_unwind, ts_return_type = "[number, number, number, number, number]")]
    pub fn get_delay_distribution(&self) -> Vec<f64> {
        as_numbers(self.counts.delays.counts())
    }

    /// Zeroes both distributions.
    #[napi(catch_unwind)]
    pub fn reset_stats(&self) {
        self.counts.reset();
    }
}

impl MediaStream {
    fn note_handler(&self, name: &Unknown<'_>) -> Result<()> {
        if !self.is_closed() {
            let name = arguments::text(name)?;
            tracing::info!(stream = self.handle.id(), name, "there is no such handler");
        }
        Ok(())
    }
}

/// Throws unless `sink` is one of the objects that take media (contract MST-23).
pub(crate) fn check_sink(env: &Env, sink: &Unknown<'_>) -> Result<()> {
    let genuine = raw::instance::<OneToManyProcessor>(sink).is_some()
        || raw::instance::<ExternalOutput>(sink).is_some()
        || raw::instance::<MediaStream>(sink).is_some();
    if genuine {
        return Ok(());
    }
    const EXPECTED: &str = "an instance of OneToManyProcessor, ExternalOutput or MediaStream";
    Err(arguments::wrong_type(env, sink, "sink", EXPECTED))
}

/// Contract MST-2.
fn check_handlers(env: &Env, handlers: &Unknown<'_>) -> Result<()> {
    if arguments::is_undefined(handlers)? {
        return Ok(());
    }
    for handler in arguments::elements(env, handlers, "handlers")? {
        let handler = arguments::text(&handler)?;
        let handler = arguments::json_object(env, &handler, "handlers")?;
        tracing::warn!(%handler, "custom handlers are not built yet: ignored");
    }
    Ok(())
}

/// Contract MST-1.
fn priority_or_default(priority: &Unknown<'_>) -> Result<String> {
    let given = arguments::optional_text(priority)?.filter(|priority| priority != "undefined");
    Ok(given.unwrap_or_else(|| "default".to_owned()))
}
