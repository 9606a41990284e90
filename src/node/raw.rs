//! The Node-API calls for which napi-rs has no safe form that fits. The only hand-written `unsafe`
//! of this layer.
//!
//! Everything here except `Wakeup` holds raw handles and is therefore neither `Send` nor `Sync`:
//! it stays on the JavaScript thread of the environment that made it.

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use napi::bindgen_prelude::{
    Array, ClassInstance, Function, FunctionRef, MaybeTypeTag, Object, ToNapiValue, Unknown,
};
use napi::{Env, Error, JsValue, Result, Status, ValueType, check_status, sys};

use crate::node::environment;

/// A JavaScript function kept until the object that it was handed to is closed.
pub type Callback = FunctionRef<(), Unknown<'static>>;

/// The settling end of one promise. napi-rs's own deferred is a threadsafe function per promise;
/// this one is settled by the drain, in the order of the queue (contract LIF-9).
#[derive(Debug)]
pub struct Deferred(sys::napi_deferred);

/// Lets other threads schedule one run of `environment::deliver` on the JavaScript thread.
#[derive(Debug)]
pub struct Wakeup(sys::napi_threadsafe_function);

// SAFETY: a napi_threadsafe_function is made for calls from any thread. `keep_alive`, which is not,
// asks for an `Env`, and that cannot leave its thread. The handle is valid until it is dropped,
// because its initial thread count of one is released nowhere else.
unsafe impl Send for Wakeup {}

impl Deferred {
    pub fn new(env: &Env) -> Result<(Deferred, Unknown<'_>)> {
        let (mut deferred, mut promise) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: `env` is live and both out-parameters are valid for the call.
        check_status!(unsafe { sys::napi_create_promise(env.raw(), &mut deferred, &mut promise) })?;
        // SAFETY: `promise` was just made in this environment and scope.
        Ok((Deferred(deferred), unsafe { Unknown::from_raw_unchecked(env.raw(), promise) }))
    }

    /// Failure means that the environment is going away: nobody is left to tell.
    pub fn resolve(self, env: &Env, value: Unknown<'_>) {
        // SAFETY: settling takes `self`, so the deferred is used once; `value` lives in `env`.
        unsafe { sys::napi_resolve_deferred(env.raw(), self.0, value.raw()) };
    }

    pub fn reject(self, env: &Env, reason: Unknown<'_>) {
        // SAFETY: as in `resolve`.
        unsafe { sys::napi_reject_deferred(env.raw(), self.0, reason.raw()) };
    }
}

impl Wakeup {
    /// Weak from the start: on its own it does not keep the event loop alive (contract LIF-12).
    pub fn new(env: &Env) -> Result<Wakeup> {
        let name = env.create_string("erizo events")?;
        let mut handle = ptr::null_mut();
        // SAFETY: no function is given, so `on_wake` is all that runs; it needs neither context nor
        // data. All pointers are valid for the call.
        check_status!(unsafe {
            sys::napi_create_threadsafe_function(
                env.raw(),
                ptr::null_mut(),
                ptr::null_mut(),
                name.raw(),
                0,
                1,
                ptr::null_mut(),
                None,
                ptr::null_mut(),
                Some(on_wake),
                &mut handle,
            )
        })?;
        let wakeup = Wakeup(handle);
        wakeup.keep_alive(env, false);
        Ok(wakeup)
    }

    pub fn wake(&self) {
        // SAFETY: the handle is valid until `self` is dropped; no data is passed. With an unlimited
        // queue the only failure is that the environment is closing, which needs no delivery.
        unsafe {
            sys::napi_call_threadsafe_function(
                self.0,
                ptr::null_mut(),
                sys::ThreadsafeFunctionCallMode::nonblocking,
            )
        };
    }

    /// Whether the event loop waits for events from here.
    pub fn keep_alive(&self, env: &Env, keep: bool) {
        // SAFETY: the handle is valid and `env` proves that this is the JavaScript thread.
        unsafe {
            if keep {
                sys::napi_ref_threadsafe_function(env.raw(), self.0);
            } else {
                sys::napi_unref_threadsafe_function(env.raw(), self.0);
            }
        }
    }
}

impl Drop for Wakeup {
    fn drop(&mut self) {
        // SAFETY: gives back the thread count that `new` took; allowed on any thread.
        unsafe {
            sys::napi_release_threadsafe_function(
                self.0,
                sys::ThreadsafeFunctionReleaseMode::release,
            )
        };
    }
}

/// One call per queued item: Node runs microtasks between calls, so that the continuation of a
/// promise settled by one item runs before the next item is delivered.
unsafe extern "C" fn on_wake(
    env: sys::napi_env,
    _function: sys::napi_value,
    _context: *mut c_void,
    _data: *mut c_void,
) {
    if env.is_null() {
        return; // Node empties the queue of an environment that is gone.
    }
    let env = Env::from_raw(env);
    if catch_unwind(AssertUnwindSafe(|| environment::deliver(&env))).is_err() {
        tracing::error!("delivering an event to JavaScript panicked");
    }
}

/// The native object behind `value` if it is a genuine `T`, made by this or an earlier load of the
/// addon (contract COE-5, EXP-6).
pub fn instance<'env, T: MaybeTypeTag>(value: &Unknown<'env>) -> Option<ClassInstance<'env, T>> {
    if value.get_type().ok()? != ValueType::Object {
        return None;
    }
    // SAFETY: the conversion unwraps the object and compares its type tag with that of `T` before
    // it makes a reference of the pointer.
    unsafe { value.cast::<ClassInstance<'env, T>>() }.ok()
}

pub fn function(value: &Unknown<'_>) -> Option<Callback> {
    if value.get_type().ok()? != ValueType::Function {
        return None;
    }
    // SAFETY: `value` is a function.
    unsafe { value.cast::<Function<'_, (), Unknown<'static>>>() }.ok()?.create_ref().ok()
}

pub fn array<'env>(value: &Unknown<'env>) -> Option<Array<'env>> {
    if !value.is_array().ok()? {
        return None;
    }
    // SAFETY: `value` is an array.
    unsafe { value.cast::<Array<'env>>() }.ok()
}

/// Calls `callback` from the event loop. What it throws becomes an uncaught exception of the
/// process, in the normal Node way (contract LIF-5).
pub fn call_from_loop(env: &Env, callback: &Callback, arguments: &[Unknown<'_>]) {
    if invoke(env, callback, arguments) != sys::Status::napi_pending_exception {
        return;
    }
    let mut exception = ptr::null_mut();
    // SAFETY: the out-parameter is valid; `exception` is used only if it was filled in.
    unsafe {
        let status = sys::napi_get_and_clear_last_exception(env.raw(), &mut exception);
        if status == sys::Status::napi_ok && !exception.is_null() {
            sys::napi_fatal_exception(env.raw(), exception);
        }
    }
}

/// Calls `callback` within a call from JavaScript: what it throws reaches the caller.
pub fn call_directly(env: &Env, callback: &Callback, arguments: &[Unknown<'_>]) -> Result<()> {
    match invoke(env, callback, arguments) {
        sys::Status::napi_ok => Ok(()),
        status => Err(Error::from_status(Status::from(status))),
    }
}

fn invoke(env: &Env, callback: &Callback, arguments: &[Unknown<'_>]) -> sys::napi_status {
    let Ok(function) = callback.borrow_back(env) else { return sys::Status::napi_closing };
    let arguments: Vec<sys::napi_value> = arguments.iter().map(JsValue::raw).collect();
    let (mut receiver, mut result) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: the function and the arguments are live values of this environment, the slice
    // outlives the call and the out-parameters are valid.
    unsafe {
        sys::napi_get_undefined(env.raw(), &mut receiver);
        sys::napi_call_function(
            env.raw(),
            receiver,
            function.raw(),
            arguments.len(),
            arguments.as_ptr(),
            &mut result,
        )
    }
}

/// Defines an own, enumerable, writable property. Unlike an assignment it neither runs setters nor
/// changes the prototype when the peer names its stream `__proto__` (contract CDS-10).
pub fn define<V: ToNapiValue>(env: &Env, object: &Object<'_>, key: &str, value: V) -> Result<()> {
    let key = env.create_string(key)?;
    // SAFETY: `env` is live; the value made here stays in the current scope.
    let value = unsafe { V::to_napi_value(env.raw(), value) }?;
    let property = sys::napi_property_descriptor {
        utf8name: ptr::null(),
        name: key.raw(),
        method: None,
        getter: None,
        setter: None,
        value,
        attributes: sys::PropertyAttributes::writable
            | sys::PropertyAttributes::enumerable
            | sys::PropertyAttributes::configurable,
        data: ptr::null_mut(),
    };
    // SAFETY: object, key and value are live values of this environment; one descriptor is given.
    check_status!(unsafe { sys::napi_define_properties(env.raw(), object.raw(), 1, &property) })
}
