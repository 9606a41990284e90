//! `SyntheticInput`: generated media for load tests (contract section 2.6). Only the surface.

use std::cell::Cell;
use std::rc::Rc;

use napi::bindgen_prelude::{Either, Unknown};
use napi::{Env, Result};
use napi_derive::napi;

use crate::node::environment::{CLOSED, Environment};
use crate::node::media_stream::{self, MediaStream};
use crate::node::thread_pool::ThreadPool;
use crate::node::{arguments, error};

/// A generator of media packets. Not built yet: `init()` throws.
#[napi]
pub struct SyntheticInput {
    environment: Rc<Environment>,
    closed: Cell<bool>,
}

#[napi]
impl SyntheticInput {
    /// Bitrates are in bit/s.
    ///
    /// Throws `TypeError` if an argument is missing or `threadPool` is not a `ThreadPool`.
    #[napi(
        constructor,
        catch_unwind,
        ts_args_type = "threadPool: ThreadPool, audioBitrate: number, minVideoBitrate: number, maxVideoBitrate: number"
    )]
    pub fn new(
        env: &Env,
        thread_pool: Unknown<'_>,
        audio_bitrate: Unknown<'_>,
        min_video_bitrate: Unknown<'_>,
        max_video_bitrate: Unknown<'_>,
    ) -> Result<SyntheticInput> {
        const CALL: &str =
            "new SyntheticInput(threadPool, audioBitrate, minVideoBitrate, maxVideoBitrate)";
        arguments::demand(env, &thread_pool, "threadPool", CALL)?;
        arguments::instance::<ThreadPool>(env, &thread_pool, "threadPool", "ThreadPool")?;
        for (value, name) in [
            (audio_bitrate, "audioBitrate"),
            (min_video_bitrate, "minVideoBitrate"),
            (max_video_bitrate, "maxVideoBitrate"),
        ] {
            arguments::demand(env, &value, name, CALL)?;
            arguments::int32(&value)?;
        }
        Ok(SyntheticInput { environment: Environment::of(env)?, closed: Cell::new(false) })
    }

    /// Throws `Error`: not built yet. `undefined` after `close()`.
    #[napi(catch_unwind, ts_return_type = "1 | undefined")]
    pub fn init(&self, env: &Env) -> Result<Either<i32, ()>> {
        if self.closed.get() {
            return Ok(Either::B(()));
        }
        Err(error::not_built(env, "SyntheticInput.init"))
    }

    /// Checks its argument; there is no audio before `init()`.
    #[napi(catch_unwind, ts_args_type = "sink: OneToManyProcessor | ExternalOutput | MediaStream")]
    pub fn set_audio_receiver(&self, env: &Env, sink: Unknown<'_>) -> Result<()> {
        if self.closed.get() { Ok(()) } else { media_stream::check_sink(env, &sink) }
    }

    /// Checks its argument; there is no video before `init()`.
    #[napi(catch_unwind, ts_args_type = "sink: OneToManyProcessor | ExternalOutput | MediaStream")]
    pub fn set_video_receiver(&self, env: &Env, sink: Unknown<'_>) -> Result<()> {
        if self.closed.get() { Ok(()) } else { media_stream::check_sink(env, &sink) }
    }

    /// Checks its argument; there is nothing to steer before `init()`.
    #[napi(catch_unwind, ts_args_type = "stream: MediaStream")]
    pub fn set_feedback_source(&self, env: &Env, stream: Unknown<'_>) -> Result<()> {
        if !self.closed.get() {
            arguments::instance::<MediaStream>(env, &stream, "stream", "MediaStream")?;
        }
        Ok(())
    }

    /// Calls `callback('OK')`, also when it was closed before.
    ///
    /// Throws `TypeError` if `callback` is given and is not a function.
    #[napi(catch_unwind, ts_args_type = "callback?: (result: 'OK') => void")]
    pub fn close(&self, env: &Env, callback: Unknown<'_>) -> Result<()> {
        let callback = arguments::optional_callback(env, &callback, "callback")?;
        self.closed.set(true);
        if let Some(callback) = callback {
            self.environment.callback(env, callback, None, CLOSED).settle_with(CLOSED);
        }
        Ok(())
    }
}
