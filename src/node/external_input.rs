//! `ExternalInput`: media from a file or an RTSP server (contract section 2.6). Only the surface.

use std::cell::Cell;
use std::rc::Rc;

use napi::bindgen_prelude::{Either, Unknown};
use napi::{Env, Result};
use napi_derive::napi;

use crate::node::environment::{CLOSED, Environment};
use crate::node::{arguments, error, media_stream};

/// Media read from a URL. Not built yet: `init()` throws.
#[napi]
pub struct ExternalInput {
    environment: Rc<Environment>,
    closed: Cell<bool>,
}

#[napi]
impl ExternalInput {
    /// Throws `TypeError` without arguments.
    #[napi(constructor, catch_unwind, ts_args_type = "url: string")]
    pub fn new(env: &Env, url: Unknown<'_>) -> Result<ExternalInput> {
        arguments::demand(env, &url, "url", "new ExternalInput(url)")?;
        arguments::text(&url)?;
        Ok(ExternalInput { environment: Environment::of(env)?, closed: Cell::new(false) })
    }

    /// Throws `Error`: not built yet. `undefined` after `close()`.
    #[napi(catch_unwind, ts_return_type = "number | undefined")]
    pub fn init(&self, env: &Env) -> Result<Either<i32, ()>> {
        if self.closed.get() {
            return Ok(Either::B(()));
        }
        Err(error::not_built(env, "ExternalInput.init"))
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

    /// Has no effect before `init()`.
    #[napi(catch_unwind, js_name = "generatePLIPacket")]
    pub fn generate_pli_packet(&self) {}

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
