//! The one place where mistakes of the caller and engine errors become JavaScript errors.
//!
//! Each carries a stable `code`; the message names the argument and what was expected.

use napi::bindgen_prelude::{Function, JsObjectValue, Unknown};
use napi::{Env, Error, JsError, JsValue, Result, Status};

use crate::connection::error::ConnectionError;
use crate::negotiation::error::NegotiationError;

/// An argument of the wrong type.
pub const INVALID_ARGUMENT: &str = "ERR_INVALID_ARG_TYPE";
/// Too few arguments, or more than the method takes.
pub const ARGUMENT_COUNT: &str = "ERR_MISSING_ARGS";
/// A text that is not what the argument asks for.
pub const INVALID_TEXT: &str = "ERR_INVALID_ARG_VALUE";
/// Part of ErizoAPI that this version does not have.
pub const NOT_BUILT: &str = "ERR_NOT_BUILT";

/// Throws a `TypeError`. Hand the result back to napi-rs at once: the exception is pending.
pub fn type_error(env: &Env, code: &str, message: &str) -> Error {
    match env.throw_type_error(message, Some(code)) {
        Ok(()) => pending(),
        Err(error) => error,
    }
}

/// Throws a `SyntaxError`, which Node-API can make only from version 9 on.
pub fn syntax_error(env: &Env, message: &str) -> Error {
    match make_syntax_error(env, message).and_then(|error| env.throw(error)) {
        Ok(()) => pending(),
        Err(error) => error,
    }
}

/// Throws an `Error` for a feature that is missing on purpose.
pub fn not_built(env: &Env, what: &str) -> Error {
    let message = format!("{what} is not built yet in erizo-rs {}", env!("CARGO_PKG_VERSION"));
    match env.throw_error(&message, Some(NOT_BUILT)) {
        Ok(()) => pending(),
        Err(error) => error,
    }
}

/// The reason with which a promise is rejected.
pub fn rejection<'env>(env: &'env Env, error: &ConnectionError) -> Unknown<'env> {
    JsError::from(Error::new(code(error), error)).into_unknown(*env)
}

fn code(error: &ConnectionError) -> &'static str {
    match error {
        ConnectionError::Closed => "ERR_CLOSED",
        ConnectionError::Negotiation(NegotiationError::MissingIceCredentials) => {
            "ERR_MISSING_ICE_CREDENTIALS"
        }
        ConnectionError::Negotiation(NegotiationError::MissingFingerprint) => {
            "ERR_MISSING_FINGERPRINT"
        }
        ConnectionError::Negotiation(NegotiationError::PlaintextRefused { .. }) => {
            "ERR_PLAINTEXT_REFUSED"
        }
        ConnectionError::ForeignStream { .. } => "ERR_FOREIGN_STREAM",
    }
}

/// Tells napi-rs that the exception has been thrown already.
fn pending() -> Error {
    Error::from_status(Status::PendingException)
}

fn make_syntax_error<'env>(env: &'env Env, message: &str) -> Result<Unknown<'env>> {
    let class: Function<'_, &str, Unknown<'_>> =
        env.get_global()?.get_named_property("SyntaxError")?;
    let error = class.new_instance(message)?;
    let mut object = error.coerce_to_object()?;
    object.set_named_property("code", INVALID_TEXT)?;
    Ok(error)
}
