//! The plain objects that the getters of a `ConnectionDescription` return (contract CDS-20 to
//! CDS-24). Every call makes fresh ones.

use napi::bindgen_prelude::{Object, ToNapiValue};
use napi::{Env, Result};
use napi_derive::napi;

use crate::negotiation::codec::Payload;
use crate::negotiation::section::{DescribedCandidate, MediaSection};
use crate::node::raw;

/// One media section.
#[napi(object, object_from_js = false)]
pub struct MediaInfo {
    pub mid: String,
    /// Position in the description, from 0.
    pub order: u32,
    pub sender_stream_id: String,
    pub receiver_stream_id: String,
    /// An offered `sendonly` section is reported as `sendrecv`.
    #[napi(ts_type = "'sendrecv' | 'sendonly' | 'recvonly' | 'inactive'")]
    pub direction: String,
    /// `audio`, `video`, or the word of another kind of section.
    pub kind: String,
    /// Decimal text; empty if nothing is sent.
    pub ssrc: String,
    pub just_added_in_offer: bool,
    pub stopped: bool,
}

/// One ICE candidate.
#[napi(object, object_from_js = false)]
pub struct CandidateInfo {
    pub bundle: bool,
    pub tag: u32,
    pub priority: u32,
    pub component_id: u32,
    pub foundation: String,
    pub host_ip: String,
    /// Empty if there is none.
    pub relay_ip: String,
    pub host_port: u32,
    /// 0 if there is none.
    pub relay_port: u32,
    pub protocol: String,
    #[napi(ts_type = "'host' | 'srflx' | 'prflx' | 'relay'")]
    pub host_type: String,
    pub transport: String,
    pub user: String,
    pub pass: String,
    #[napi(ts_type = "'audio' | 'video'")]
    pub media_type: String,
}

/// One negotiated codec.
#[napi(object, object_from_js = false)]
pub struct CodecInfo<'env> {
    /// Payload type as the peer knows it.
    #[napi(js_name = "type")]
    pub payload_type: u32,
    pub name: String,
    /// Clock rate in Hz.
    pub rate: u32,
    /// The argument of `getCodecs`.
    pub media_type: String,
    /// 0 for video.
    pub channels: u32,
    pub feedbacks: Vec<String>,
    /// Format parameters, in ascending order of their names.
    #[napi(ts_type = "Record<string, string>")]
    pub params: Object<'env>,
}

impl MediaInfo {
    pub fn new(order: usize, section: &MediaSection) -> Self {
        MediaInfo {
            mid: section.mid.clone(),
            order: u32::try_from(order).unwrap_or(u32::MAX),
            sender_stream_id: section.sender_stream_id.clone(),
            receiver_stream_id: section.receiver_stream_id.clone(),
            direction: section.direction_word().to_owned(),
            kind: section.kind.clone(),
            ssrc: section.ssrc.clone(),
            just_added_in_offer: section.just_added_in_offer,
            stopped: section.stopped,
        }
    }
}

impl CandidateInfo {
    pub fn new(described: &DescribedCandidate) -> Self {
        let candidate = &described.candidate;
        CandidateInfo {
            bundle: described.bundle,
            tag: 0,
            priority: candidate.priority,
            component_id: candidate.component,
            foundation: candidate.foundation.clone(),
            host_ip: candidate.address.clone(),
            relay_ip: candidate.related_address.clone(),
            host_port: candidate.port,
            relay_port: candidate.related_port,
            protocol: described.protocol.clone(),
            host_type: candidate.candidate_type.word().to_owned(),
            transport: described.transport().to_owned(),
            user: described.user.clone(),
            pass: described.pass.clone(),
            media_type: described.media_word().to_owned(),
        }
    }
}

impl<'env> CodecInfo<'env> {
    pub fn new(env: &'env Env, media_type: &str, payload: &Payload) -> Result<Self> {
        let parameters = payload.parameters.iter();
        Ok(CodecInfo {
            payload_type: u32::from(payload.payload_type.0),
            name: payload.name.clone(),
            rate: payload.clock_rate_hz,
            media_type: media_type.to_owned(),
            channels: payload.channels,
            feedbacks: payload.feedback.clone(),
            params: record(env, parameters.map(|(name, value)| (name, value.as_str())))?,
        })
    }
}

/// An object with these members. The keys come from the peer, so they are defined, not assigned.
pub fn record<'env, K: AsRef<str>, V: ToNapiValue>(
    env: &'env Env,
    members: impl IntoIterator<Item = (K, V)>,
) -> Result<Object<'env>> {
    let object = Object::new(env)?;
    for (key, value) in members {
        raw::define(env, &object, key.as_ref(), value)?;
    }
    Ok(object)
}
