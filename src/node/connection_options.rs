//! What the constructor of a connection is given, as engine settings (contract section 2.3.1).

use std::ops::RangeInclusive;

use napi::bindgen_prelude::Unknown;
use napi::{Env, Result, ValueType};
use serde_json::Value;

use crate::connection::config::ServerAddress;
use crate::node::{arguments, error};
use crate::transport::SrtpProfile;

/// Contract WRC-3, WRC-9: absent means `{}`.
pub fn check_distribution(env: &Env, json: &Unknown<'_>) -> Result<()> {
    if let Some(json) = arguments::optional_text(json)? {
        arguments::json_object(env, &json, "bwDistribution")?;
    }
    Ok(())
}

/// security.md H2: only the embedding program's exact `false` makes plaintext.
pub fn is_exactly_false(value: &Unknown<'_>) -> Result<bool> {
    Ok(value.get_type()? == ValueType::Boolean && !arguments::boolean(value)?)
}

/// 0 on either side: any port.
pub fn port_range(min: &Unknown<'_>, max: &Unknown<'_>) -> Result<Option<RangeInclusive<u16>>> {
    let (min, max) = (arguments::port(min)?, arguments::port(max)?);
    if min == 0 || max == 0 {
        return Ok(None);
    }
    if min > max {
        tracing::warn!(min, max, "the port range is empty: any port is used");
        return Ok(None);
    }
    Ok(Some(min..=max))
}

/// Without host or port there is no server (contract ICE-4).
pub fn stun_server(host: &Unknown<'_>, port: &Unknown<'_>) -> Result<Option<ServerAddress>> {
    let (host, port) = (arguments::optional_text(host)?, arguments::port(port)?);
    Ok(host.filter(|_| port != 0).map(|host| ServerAddress { host, port }))
}

/// Without host or port there is no server (contract ICE-5). With one, candidates would be missing
/// that the program counts on.
pub fn refuse_turn(env: &Env, host: &Unknown<'_>, port: &Unknown<'_>) -> Result<()> {
    match stun_server(host, port)? {
        Some(_) => {
            Err(error::not_built(env, "gathering through turnServer (new WebRtcConnection)"))
        }
        None => Ok(()),
    }
}

/// The optional key `srtpProfiles` of the media configuration.
pub fn srtp_profiles(env: &Env, media: &Value) -> Result<Vec<SrtpProfile>> {
    let Some(listed) = media.get("srtpProfiles") else { return Ok(SrtpProfile::ALL.to_vec()) };
    let profiles = listed.as_array().and_then(|listed| {
        let names = listed.iter().map(|name| name.as_str().and_then(SrtpProfile::from_name));
        names.collect::<Option<Vec<SrtpProfile>>>().filter(|profiles| !profiles.is_empty())
    });
    profiles.ok_or_else(|| {
        let known = SrtpProfile::ALL.map(SrtpProfile::name).join(", ");
        let message = format!(
            "mediaConfiguration.srtpProfiles must be a list of at least one of {known}; got {listed}"
        );
        error::type_error(env, error::INVALID_TEXT, &message)
    })
}
