//! `OneToManyProcessor`: one publisher, many subscribers (contract section 2.5).

use std::cell::Cell;
use std::rc::Rc;

use napi::bindgen_prelude::{Either, Unknown};
use napi::{Env, Result};
use napi_derive::napi;

use crate::node::environment::{CLOSED, Environment};
use crate::node::external_input::ExternalInput;
use crate::node::external_output::ExternalOutput;
use crate::node::media_stream::MediaStream;
use crate::node::{arguments, error, events};
use crate::runtime::fan_out::FanOutHandle;

/// Sends the media of one publisher to any number of subscribers.
#[napi]
pub struct OneToManyProcessor {
    environment: Rc<Environment>,
    pub(crate) handle: FanOutHandle,
    closed: Cell<bool>,
}

#[napi]
impl OneToManyProcessor {
    /// A processor without publisher and subscribers.
    #[napi(constructor, catch_unwind)]
    pub fn new(env: &Env) -> Result<OneToManyProcessor> {
        Ok(OneToManyProcessor {
            environment: Environment::of(env)?,
            handle: FanOutHandle::new(),
            closed: Cell::new(false),
        })
    }

    /// Makes `stream` the source, in place of any other. Subscribers stay.
    ///
    /// Throws `TypeError` for anything but a `MediaStream`.
    #[napi(catch_unwind, ts_args_type = "stream: MediaStream")]
    pub fn set_publisher(&self, env: &Env, stream: Unknown<'_>) -> Result<()> {
        if self.closed.get() {
            return Ok(());
        }
        let stream = arguments::instance::<MediaStream>(env, &stream, "stream", "MediaStream")?;
        self.handle.set_publisher(stream.handle());
        Ok(())
    }

    /// Throws `Error`: external inputs are not built yet.
    #[napi(catch_unwind, ts_args_type = "input: ExternalInput")]
    pub fn set_external_publisher(&self, env: &Env, input: Unknown<'_>) -> Result<()> {
        if self.closed.get() {
            return Ok(());
        }
        arguments::instance::<ExternalInput>(env, &input, "input", "ExternalInput")?;
        Err(error::not_built(env, "OneToManyProcessor.setExternalPublisher"))
    }

    /// Adds a receiver under a name; a known name is replaced.
    ///
    /// Throws `TypeError` for anything but a `MediaStream`.
    #[napi(catch_unwind, ts_args_type = "stream: MediaStream, peerId: string")]
    pub fn add_subscriber(
        &self,
        env: &Env,
        stream: Unknown<'_>,
        peer_id: Unknown<'_>,
    ) -> Result<()> {
        if self.closed.get() {
            return Ok(());
        }
        let stream = arguments::instance::<MediaStream>(env, &stream, "stream", "MediaStream")?;
        let peer_id = arguments::text(&peer_id)?;
        self.handle.add_subscriber(stream.handle(), peer_id);
        Ok(())
    }

    /// Throws `Error`: recording is not built yet.
    #[napi(catch_unwind, ts_args_type = "output: ExternalOutput, peerId: string")]
    pub fn add_external_output(
        &self,
        env: &Env,
        output: Unknown<'_>,
        peer_id: Unknown<'_>,
    ) -> Result<()> {
        if self.closed.get() {
            return Ok(());
        }
        arguments::instance::<ExternalOutput>(env, &output, "output", "ExternalOutput")?;
        arguments::text(&peer_id)?;
        Err(error::not_built(env, "OneToManyProcessor.addExternalOutput"))
    }

    /// Stops sending to the receiver of that name. The stream stays open. An unknown name has no
    /// effect.
    #[napi(catch_unwind, ts_args_type = "peerId: string")]
    pub fn remove_subscriber(&self, peer_id: Unknown<'_>) -> Result<()> {
        if !self.closed.get() {
            self.handle.remove_subscriber(&arguments::text(&peer_id)?);
        }
        Ok(())
    }

    /// Whether a publisher is set; `undefined` after `close()`.
    #[napi(catch_unwind, ts_return_type = "boolean | undefined")]
    pub fn has_publisher(&self) -> Either<bool, ()> {
        if self.closed.get() { Either::B(()) } else { Either::A(self.handle.has_publisher()) }
    }

    /// State code of the publisher's connection: 101, 103, 104 or 500. `undefined` without a
    /// publisher and after `close()`.
    #[napi(catch_unwind, ts_return_type = "101 | 103 | 104 | 500 | undefined")]
    pub fn get_publisher_state(&self) -> Either<u32, ()> {
        match self.handle.publisher_state() {
            Some(state) if !self.closed.get() => Either::A(events::state_code(state)),
            _ => Either::B(()),
        }
    }

    /// Detaches the publisher and all subscribers, none of which is closed by it, and then calls
    /// `callback('OK')`, also when it was closed before.
    ///
    /// Throws `TypeError` if `callback` is given and is not a function.
    #[napi(catch_unwind, ts_args_type = "callback?: (result: 'OK') => void")]
    pub fn close(&self, env: &Env, callback: Unknown<'_>) -> Result<()> {
        let callback = arguments::optional_callback(env, &callback, "callback")?;
        if !self.closed.replace(true) {
            self.handle.close();
        }
        if let Some(callback) = callback {
            self.environment.callback(env, callback, None, CLOSED).settle_with(CLOSED);
        }
        Ok(())
    }
}
