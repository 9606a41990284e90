//! How JavaScript arguments become Rust values: the lenient conversions of contract section 0.3.
//!
//! Primitives go through ECMAScript's own abstract operations, so numbers are accepted as texts,
//! numeric texts as numbers, and a Symbol throws. Objects must be genuine instances.

use napi::bindgen_prelude::{
    ClassInstance, Function, JsObjectValue, MaybeTypeTag, Object, Unknown,
};
use napi::{Env, JsValue, Result, ValueType};
use serde_json::Value;

use crate::node::error::{self, ARGUMENT_COUNT, INVALID_ARGUMENT, INVALID_TEXT};
use crate::node::raw::{self, Callback};

/// A sparse array may claim four billion elements: walking it would stop the process.
const MAX_ELEMENTS: u32 = 65_536;

/// ToString (contract COE-1): `undefined` becomes `"undefined"`.
pub fn text(value: &Unknown<'_>) -> Result<String> {
    value.coerce_to_string()?.into_utf8()?.into_owned()
}

/// `undefined`, `null` and `''` mean that there is none (contract WRC-2).
pub fn optional_text(value: &Unknown<'_>) -> Result<Option<String>> {
    if is_nullish(value)? {
        return Ok(None);
    }
    Ok(Some(text(value)?).filter(|text| !text.is_empty()))
}

/// ToBoolean (contract COE-2): any object is true.
pub fn boolean(value: &Unknown<'_>) -> Result<bool> {
    value.coerce_to_bool()
}

/// ToInt32 (contract COE-3).
pub fn int32(value: &Unknown<'_>) -> Result<i32> {
    Ok(uint32(value)?.cast_signed())
}

/// ToUint32 (contract COE-3, COE-4).
pub fn uint32(value: &Unknown<'_>) -> Result<u32> {
    Ok(to_uint32(value.coerce_to_number()?.get_double()?))
}

/// A port number: 0 for anything outside 1 to 65535.
pub fn port(value: &Unknown<'_>) -> Result<u16> {
    Ok(u16::try_from(int32(value)?).unwrap_or(0))
}

pub fn is_undefined(value: &Unknown<'_>) -> Result<bool> {
    Ok(value.get_type()? == ValueType::Undefined)
}

pub fn is_nullish(value: &Unknown<'_>) -> Result<bool> {
    Ok(matches!(value.get_type()?, ValueType::Undefined | ValueType::Null))
}

/// Throws unless the caller gave this argument. `call` is how the method is written in full.
pub fn demand(env: &Env, value: &Unknown<'_>, name: &str, call: &str) -> Result<()> {
    if is_undefined(value)? {
        let message = format!("the argument \"{name}\" is missing; expected {call}");
        return Err(error::type_error(env, ARGUMENT_COUNT, &message));
    }
    Ok(())
}

/// A genuine instance of the class `T`, which JavaScript calls `class` (contract COE-5).
pub fn instance<'env, T: MaybeTypeTag>(
    env: &Env,
    value: &Unknown<'env>,
    name: &str,
    class: &str,
) -> Result<ClassInstance<'env, T>> {
    match raw::instance(value) {
        Some(instance) => Ok(instance),
        None => Err(wrong_type(env, value, name, &format!("an instance of {class}"))),
    }
}

/// A function (contract DEF-7).
pub fn callback(env: &Env, value: &Unknown<'_>, name: &str) -> Result<Callback> {
    raw::function(value).ok_or_else(|| wrong_type(env, value, name, "a function"))
}

/// A function, or `undefined` or `null` for none.
pub fn optional_callback(env: &Env, value: &Unknown<'_>, name: &str) -> Result<Option<Callback>> {
    if is_nullish(value)? { Ok(None) } else { callback(env, value, name).map(Some) }
}

/// An array's elements.
pub fn elements<'env>(env: &Env, value: &Unknown<'env>, name: &str) -> Result<Vec<Unknown<'env>>> {
    let Some(array) = raw::array(value) else {
        return Err(wrong_type(env, value, name, "an array"));
    };
    if array.len() > MAX_ELEMENTS {
        return Err(wrong_type(env, value, name, "an array of at most 65536 elements"));
    }
    let mut elements = Vec::new();
    for index in 0..array.len() {
        if let Some(element) = array.get(index)? {
            elements.push(element);
        }
    }
    Ok(elements)
}

/// JSON text whose top level is an object (contract COE-9).
pub fn json_object(env: &Env, text: &str, name: &str) -> Result<Value> {
    match serde_json::from_str(text) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => {
            let message = format!("the argument \"{name}\" must be the JSON text of an object");
            Err(error::type_error(env, INVALID_TEXT, &message))
        }
        Err(reason) => {
            let message = format!("the argument \"{name}\" is not JSON: {reason}");
            Err(error::syntax_error(env, &message))
        }
    }
}

/// An object as JSON text. JavaScript's own `JSON.stringify` knows about `toJSON` and cycles.
pub fn stringify(env: &Env, value: &Unknown<'_>) -> Result<String> {
    let json: Object<'_> = env.get_global()?.get_named_property("JSON")?;
    let stringify: Function<'_, Unknown<'_>, Unknown<'_>> = json.get_named_property("stringify")?;
    text(&stringify.call(*value)?)
}

/// The members of a JSON object for the log (contract WRC-50): texts stay, objects become
/// `[object]`, everything else its JSON text.
pub fn metadata(env: &Env, json: &Unknown<'_>) -> Result<String> {
    let Value::Object(members) = json_object(env, &text(json)?, "metadata")? else {
        return Ok(String::new());
    };
    let words = members.into_iter().map(|(key, value)| match value {
        Value::String(text) => format!("{key}: {text}"),
        Value::Object(_) => format!("{key}: [object]"),
        other => format!("{key}: {other}"),
    });
    Ok(words.collect::<Vec<_>>().join(", "))
}

/// Throws a `TypeError` that says what was expected and what came.
pub fn wrong_type(env: &Env, value: &Unknown<'_>, name: &str, expected: &str) -> napi::Error {
    let got = match value.get_type() {
        Ok(ValueType::Undefined) => "undefined",
        Ok(ValueType::Null) => "null",
        Ok(ValueType::Boolean) => "a boolean",
        Ok(ValueType::Number) => "a number",
        Ok(ValueType::String) => "a string",
        Ok(ValueType::Symbol) => "a symbol",
        Ok(ValueType::Object) => "another object",
        Ok(ValueType::Function) => "a function",
        _ => "another value",
    };
    let message = format!("the argument \"{name}\" must be {expected}, got {got}");
    error::type_error(env, INVALID_ARGUMENT, &message)
}

/// ECMA-262 §7.1.7: truncate, then modulo 2^32.
fn to_uint32(number: f64) -> u32 {
    const MODULUS: f64 = 4_294_967_296.0;
    if !number.is_finite() {
        return 0;
    }
    number.trunc().rem_euclid(MODULUS) as u32
}

#[cfg(test)]
mod test {
    use super::*;

    #[test]
    fn numbers_wrap_as_ecmascript_says() {
        for (number, expected) in [
            (0.0, 0),
            (-0.0, 0),
            (1.9, 1),
            (-1.5, u32::MAX),
            (-1.0, u32::MAX),
            (2_147_483_648.0, 2_147_483_648),
            (4_294_967_295.0, u32::MAX),
            (4_294_967_296.0, 0),
            (-4_294_967_297.0, u32::MAX),
            (1e300, 0),
            (f64::NAN, 0),
            (f64::INFINITY, 0),
            (f64::NEG_INFINITY, 0),
        ] {
            assert_eq!(to_uint32(number), expected, "{number}");
        }
    }

    #[test]
    fn candidate_priorities_above_int_max_keep_their_bits() {
        // COE-4
        assert_eq!(to_uint32(-2_130_706_432.0).cast_signed(), -2_130_706_432);
    }
}
