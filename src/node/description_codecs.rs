//! The methods of `ConnectionDescription` about codecs, header extensions and RIDs (contract
//! section 4.2).

use napi::bindgen_prelude::{Object, Unknown};
use napi::{Env, Result};
use napi_derive::napi;

use crate::negotiation::direction::MediaType;
use crate::negotiation::section::RidDirection;
use crate::node::arguments;
use crate::node::connection_description::{ConnectionDescription, media_type_of};
use crate::node::description_shapes::{CodecInfo, record};

#[napi]
impl ConnectionDescription {
    /// The negotiated codecs of that type.
    #[napi(catch_unwind, ts_args_type = "mediaType: string")]
    pub fn get_codecs<'env>(
        &self,
        env: &'env Env,
        media_type: Unknown<'env>,
    ) -> Result<Vec<CodecInfo<'env>>> {
        let word = arguments::text(&media_type)?;
        let description = self.description.borrow();
        let codecs = description.codecs(MediaType::from_word(&word));
        codecs.map(|payload| CodecInfo::new(env, &word, payload)).collect()
    }

    /// Header extension URIs by id; only of a connection's own description.
    #[napi(
        catch_unwind,
        ts_args_type = "mediaType: string",
        ts_return_type = "Record<number, string>"
    )]
    pub fn get_extensions<'env>(
        &self,
        env: &'env Env,
        media_type: Unknown<'env>,
    ) -> Result<Object<'env>> {
        let media_type = media_type_of(&media_type)?;
        let description = self.description.borrow();
        record(
            env,
            description.extensions(media_type).iter().map(|(id, uri)| (id.to_string(), *uri)),
        )
    }

    /// `recv`, or else `send`.
    #[napi(catch_unwind, ts_args_type = "id: string | number, direction: string")]
    pub fn add_rid(&self, id: Unknown<'_>, direction: Unknown<'_>) -> Result<()> {
        let (id, direction) = (arguments::text(&id)?, arguments::text(&direction)?);
        self.description.borrow_mut().add_rid(id, RidDirection::from_word(&direction));
        Ok(())
    }

    /// Directions by RID.
    #[napi(catch_unwind, ts_return_type = "Record<string, 'send' | 'recv'>")]
    pub fn get_rids<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        let description = self.description.borrow();
        record(env, description.rids().iter().map(|rid| (&rid.id, rid.direction.word())))
    }

    /// Creates or replaces the peer's mapping of a payload type; the clock rate is in Hz.
    #[napi(
        catch_unwind,
        ts_args_type = "pt: number, name: string, clockRate: number, mediaType: string"
    )]
    pub fn add_pt(
        &self,
        payload_type: Unknown<'_>,
        name: Unknown<'_>,
        clock_rate: Unknown<'_>,
        media_type: Unknown<'_>,
    ) -> Result<()> {
        let (number, name) = (arguments::uint32(&payload_type)?, arguments::text(&name)?);
        let clock_rate_hz = arguments::uint32(&clock_rate)?;
        let media_type = media_type_of(&media_type)?;
        self.description.borrow_mut().add_payload_type(number, name, clock_rate_hz, media_type);
        Ok(())
    }

    /// Sets a format parameter of the peer's payload type.
    #[napi(catch_unwind, ts_args_type = "pt: number, name: string, value: string | number")]
    pub fn add_parameter(
        &self,
        payload_type: Unknown<'_>,
        name: Unknown<'_>,
        value: Unknown<'_>,
    ) -> Result<()> {
        let number = arguments::uint32(&payload_type)?;
        let (name, value) = (arguments::text(&name)?, arguments::text(&value)?);
        self.description.borrow_mut().add_parameter(number, name, value);
        Ok(())
    }

    /// Adds a feedback type, such as `nack pli`, to the peer's payload type.
    #[napi(catch_unwind, ts_args_type = "pt: number, feedback: string")]
    pub fn add_feedback(&self, payload_type: Unknown<'_>, feedback: Unknown<'_>) -> Result<()> {
        let (number, text) = (arguments::uint32(&payload_type)?, arguments::text(&feedback)?);
        self.description.borrow_mut().add_feedback(number, text);
        Ok(())
    }

    /// Adds a header extension of the peer.
    #[napi(catch_unwind, ts_args_type = "id: number | string, uri: string, mediaType: string")]
    pub fn add_extension(
        &self,
        id: Unknown<'_>,
        uri: Unknown<'_>,
        media_type: Unknown<'_>,
    ) -> Result<()> {
        let (id, uri) = (arguments::uint32(&id)?, arguments::text(&uri)?);
        let media_type = media_type_of(&media_type)?;
        self.description.borrow_mut().add_extension(id, uri, media_type);
        Ok(())
    }
}
