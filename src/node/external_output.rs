//! `ExternalOutput`: recording to a file (contract section 2.6). Only the surface.

use std::cell::Cell;
use std::rc::Rc;

use napi::bindgen_prelude::{Either, Unknown};
use napi::{Env, Result};
use napi_derive::napi;

use crate::node::environment::{CLOSED, Environment};
use crate::node::thread_pool::ThreadPool;
use crate::node::{arguments, error};

/// A recording. Not built yet: `init()` throws.
#[napi]
pub struct ExternalOutput {
    environment: Rc<Environment>,
    closed: Cell<bool>,
}

#[napi]
impl ExternalOutput {
    /// Throws `TypeError` if an argument is missing or `threadPool` is not a `ThreadPool`, and
    /// `SyntaxError` if `mediaConfiguration` is not JSON.
    #[napi(
        constructor,
        catch_unwind,
        ts_args_type = "threadPool: ThreadPool, url: string, mediaConfiguration: string, hasAudio?: boolean, hasVideo?: boolean"
    )]
    pub fn new(
        env: &Env,
        thread_pool: Unknown<'_>,
        url: Unknown<'_>,
        media_configuration: Unknown<'_>,
        has_audio: Unknown<'_>,
        has_video: Unknown<'_>,
    ) -> Result<ExternalOutput> {
        const CALL: &str =
            "new ExternalOutput(threadPool, url, mediaConfiguration, hasAudio, hasVideo)";
        arguments::demand(env, &thread_pool, "threadPool", CALL)?;
        arguments::instance::<ThreadPool>(env, &thread_pool, "threadPool", "ThreadPool")?;
        arguments::demand(env, &url, "url", CALL)?;
        arguments::demand(env, &media_configuration, "mediaConfiguration", CALL)?;
        arguments::text(&url)?;
        let configuration = arguments::text(&media_configuration)?;
        arguments::json_object(env, &configuration, "mediaConfiguration")?;
        arguments::boolean(&has_audio)?;
        arguments::boolean(&has_video)?;
        Ok(ExternalOutput { environment: Environment::of(env)?, closed: Cell::new(false) })
    }

    /// Throws `Error`: not built yet. `undefined` after `close()`.
    #[napi(catch_unwind, ts_return_type = "boolean | undefined")]
    pub fn init(&self, env: &Env) -> Result<Either<bool, ()>> {
        if self.closed.get() {
            return Ok(Either::B(()));
        }
        Err(error::not_built(env, "ExternalOutput.init"))
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
