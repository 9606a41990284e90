//! The binding layer: the only code that knows JavaScript.
//!
//! One class of ErizoAPI per file. They convert arguments (`arguments`), forward calls to the
//! runtime's handles and bring back what happens through one queue (`event_queue`, `environment`).
//! Rules numbered LIF, WRC, MST, CDS and so on are those of the contract.

#![allow(clippy::disallowed_methods, reason = "promise durations are measured here")]
#![allow(missing_debug_implementations, reason = "the classes are JavaScript's to print")]

mod arguments;
mod connection_description;
mod connection_options;
mod description_codecs;
mod description_shapes;
mod environment;
mod error;
mod event_queue;
mod events;
mod external_input;
mod external_output;
mod io_thread_pool;
mod log;
mod media_stream;
mod one_to_many_processor;
mod promise;
mod raw;
mod synthetic_input;
mod thread_pool;
mod web_rtc_connection;

use napi::bindgen_prelude::Object;
use napi::{Env, Result};
use napi_derive::napi;

/// Runs once per load of the addon, in each environment (contract EXP-6).
#[napi(module_exports)]
pub fn initialise(exports: Object<'_>, env: Env) -> Result<()> {
    log::start();
    environment::install(&env, &exports)
}
