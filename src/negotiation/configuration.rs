//! The media configuration: codecs and header extensions that a connection supports.
//!
//! Contract section 4.3. The text comes from the embedding program; whatever is malformed in it
//! is left out rather than refused (MCF-1).

use std::collections::BTreeMap;

use serde_json::Value;

use crate::negotiation::codec::{self, CodecMapping};
use crate::rtp::id::MediaKind;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MediaConfiguration {
    /// Supported codecs with their internal payload types.
    pub codecs: Vec<CodecMapping>,
    /// Supported header extension URIs, in configured order (contract WRC-6).
    pub extensions: Vec<String>,
}

impl MediaConfiguration {
    pub fn from_json(configuration: &Value) -> Self {
        MediaConfiguration {
            codecs: mappings(configuration.get("rtpMappings")).filter_map(mapping).collect(),
            extensions: strings(configuration.get("extMappings")),
        }
    }
}

/// An object is walked in ascending byte order of its keys (contract WRC-7).
fn mappings(value: Option<&Value>) -> Box<dyn Iterator<Item = &Value> + '_> {
    match value {
        Some(Value::Object(object)) => {
            let sorted: BTreeMap<&str, &Value> =
                object.iter().map(|(key, value)| (key.as_str(), value)).collect();
            Box::new(sorted.into_values())
        }
        Some(Value::Array(array)) => Box::new(array.iter()),
        _ => Box::new(std::iter::empty()),
    }
}

fn mapping(value: &Value) -> Option<CodecMapping> {
    let payload_type = codec::payload_type(integer(value.get("payloadType")?)?)?;
    let kind = match value.get("mediaType")?.as_str()? {
        "audio" => MediaKind::Audio,
        "video" => MediaKind::Video,
        _ => return None,
    };
    let number = |key| value.get(key).and_then(integer).unwrap_or(0);
    Some(CodecMapping {
        payload_type,
        name: value.get("encodingName")?.as_str()?.to_owned(),
        kind,
        clock_rate_hz: number("clockRate"),
        channels: if kind == MediaKind::Audio { number("channels") } else { 0 },
        parameters: match value.get("formatParameters") {
            Some(Value::Object(object)) => {
                object.iter().map(|(key, value)| (key.clone(), text(value))).collect()
            }
            _ => BTreeMap::new(),
        },
        feedback: strings(value.get("feedbackTypes")),
    })
}

/// JavaScript writes whole numbers without a fraction, but `100.0` is the same number.
fn integer(value: &Value) -> Option<u32> {
    let number = value.as_f64()?;
    (number >= 0.0 && number <= f64::from(u32::MAX) && number.fract() == 0.0)
        .then_some(number as u32)
}

fn strings(value: Option<&Value>) -> Vec<String> {
    let Some(Value::Array(array)) = value else { return Vec::new() };
    array.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
