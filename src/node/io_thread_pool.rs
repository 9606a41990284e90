//! `IOThreadPool`: kept for callers of ErizoAPI (contract section 2.2). Sockets are served by the
//! workers of the `ThreadPool`, so that a packet changes no thread between socket and stream.

use napi::bindgen_prelude::Unknown;
use napi::{Env, Result};
use napi_derive::napi;

use crate::node::arguments;

/// Takes the place of ErizoAPI's network threads. It has none: the workers of the `ThreadPool`
/// serve the sockets of their connections.
#[napi(js_name = "IOThreadPool")]
pub struct IOThreadPool {
    _workers: u32,
}

#[napi]
impl IOThreadPool {
    /// Both arguments are accepted and have no effect.
    ///
    /// Throws `TypeError` without arguments.
    #[napi(
        constructor,
        catch_unwind,
        ts_args_type = "numWorkers: number, enableGlibLoop?: boolean"
    )]
    pub fn new(
        env: &Env,
        num_workers: Unknown<'_>,
        glib_loop: Unknown<'_>,
    ) -> Result<IOThreadPool> {
        arguments::demand(env, &num_workers, "numWorkers", "new IOThreadPool(numWorkers)")?;
        arguments::boolean(&glib_loop)?;
        Ok(IOThreadPool { _workers: arguments::uint32(&num_workers)? })
    }

    /// Has no effect.
    #[napi(catch_unwind)]
    pub fn start(&self) {}

    /// Has no effect.
    #[napi(catch_unwind)]
    pub fn close(&self) {}
}
