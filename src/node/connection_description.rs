//! `ConnectionDescription`: a session description as a plain value with setters and getters
//! (contract section 4). Codecs and extensions are in `description_codecs`; the rules behind them
//! live in `negotiation`.

use std::cell::RefCell;

use napi::bindgen_prelude::{JsObjectValue, Object, Unknown};
use napi::{Env, JsValue, Result, ValueType};
use napi_derive::napi;

use crate::negotiation::configuration::MediaConfiguration;
use crate::negotiation::description::SessionDescription;
use crate::negotiation::direction::{Direction, MediaType};
use crate::negotiation::ice::{CandidateType, IceCandidate, IceCredentials};
use crate::negotiation::section::Profile;
use crate::negotiation::setup::DtlsSetup;
use crate::node::description_shapes::{CandidateInfo, MediaInfo, record};
use crate::node::environment::Environment;
use crate::node::error::{self, ARGUMENT_COUNT, INVALID_ARGUMENT};
use crate::node::{arguments, raw};
use crate::rtp::id::Ssrc;

/// A session description: built from a peer's SDP with setters or `fromSdp`, or made by
/// `WebRtcConnection.getLocalDescription()`.
#[napi]
pub struct ConnectionDescription {
    pub(super) description: RefCell<SessionDescription>,
}

impl ConnectionDescription {
    pub(crate) fn replace(&self, description: SessionDescription) {
        self.description.replace(description);
    }

    pub(crate) fn snapshot(&self) -> SessionDescription {
        self.description.borrow().clone()
    }
}

#[napi]
impl ConnectionDescription {
    /// An empty description. `mediaConfiguration` is the JSON text of a media configuration; its
    /// `rtpMappings` are the codecs that `postProcessInfo()` agrees on.
    ///
    /// Throws `SyntaxError` or `TypeError` if it is not the JSON text of an object, and `TypeError`
    /// for a second argument.
    #[napi(constructor, catch_unwind, ts_args_type = "mediaConfiguration?: string")]
    pub fn new(
        env: &Env,
        media_configuration: Unknown<'_>,
        surplus: Unknown<'_>,
    ) -> Result<ConnectionDescription> {
        if !arguments::is_undefined(&surplus)? {
            let message =
                "too many arguments; expected new ConnectionDescription(mediaConfiguration)";
            return Err(error::type_error(env, ARGUMENT_COUNT, message));
        }
        let description = if arguments::is_undefined(&media_configuration)? {
            SessionDescription::default()
        } else {
            let text = arguments::text(&media_configuration)?;
            let json = arguments::json_object(env, &text, "mediaConfiguration")?;
            SessionDescription::new(&MediaConfiguration::from_json(&json))
        };
        Ok(ConnectionDescription { description: RefCell::new(description) })
    }

    /// Reads SDP text (an addition to ErizoAPI). `postProcessInfo()` has run on the result.
    ///
    /// Throws `SyntaxError` if the text is no session description or `mediaConfiguration` no JSON.
    #[napi(
        catch_unwind,
        ts_args_type = "text: string, mediaConfiguration?: string | object",
        ts_return_type = "ConnectionDescription"
    )]
    pub fn from_sdp<'env>(
        env: &'env Env,
        text: Unknown<'env>,
        media_configuration: Unknown<'env>,
    ) -> Result<Unknown<'env>> {
        const CALL: &str = "ConnectionDescription.fromSdp(text, mediaConfiguration)";
        arguments::demand(env, &text, "text", CALL)?;
        let text = arguments::text(&text)?;
        let configuration = configuration_argument(env, &media_configuration)?;
        match SessionDescription::from_sdp(&text, &configuration) {
            Ok(description) => Environment::of(env)?.description(env, description),
            Err(reason) => {
                Err(error::syntax_error(env, &format!("the argument \"text\" is wrong: {reason}")))
            }
        }
    }

    /// The description as SDP text (an addition to ErizoAPI). `sessionVersion`, default 1, becomes
    /// the version in the `o=` line; count it up with each description sent.
    #[napi(catch_unwind, ts_args_type = "options?: { sessionVersion?: number }")]
    pub fn to_sdp(&self, env: &Env, options: Unknown<'_>) -> Result<String> {
        let mut version = 1;
        if !arguments::is_nullish(&options)? {
            if options.get_type()? != ValueType::Object {
                return Err(arguments::wrong_type(env, &options, "options", "an object"));
            }
            let given: Unknown<'_> =
                options.coerce_to_object()?.get_named_property("sessionVersion")?;
            if !arguments::is_undefined(&given)? {
                version = arguments::uint32(&given)?;
            }
        }
        Ok(self.description.borrow().to_sdp(u64::from(version)))
    }

    /// Empties the description.
    #[napi(catch_unwind)]
    pub fn close(&self) {
        self.description.borrow_mut().clear();
    }

    /// Any other text is ignored.
    #[napi(catch_unwind, ts_args_type = "profile: 'SAVPF' | 'AVPF'")]
    pub fn set_profile(&self, profile: Unknown<'_>) -> Result<()> {
        if let Some(profile) = Profile::from_word(&arguments::text(&profile)?) {
            self.description.borrow_mut().set_profile(profile);
        }
        Ok(())
    }

    #[napi(catch_unwind, ts_return_type = "'UDP/TLS/RTP/SAVPF' | 'RTP/AVPF'")]
    pub fn get_profile(&self) -> &'static str {
        self.description.borrow().profile().text()
    }

    #[napi(catch_unwind, ts_args_type = "bundle: boolean")]
    pub fn set_bundle(&self, bundle: Unknown<'_>) -> Result<()> {
        let bundle = arguments::boolean(&bundle)?;
        self.description.borrow_mut().set_bundle(bundle);
        Ok(())
    }

    #[napi(catch_unwind)]
    pub fn is_bundle(&self) -> bool {
        self.description.borrow().is_bundle()
    }

    #[napi(catch_unwind, ts_args_type = "rtcpMux: boolean")]
    pub fn set_rtcp_mux(&self, rtcp_mux: Unknown<'_>) -> Result<()> {
        let rtcp_mux = arguments::boolean(&rtcp_mux)?;
        self.description.borrow_mut().set_rtcp_mux(rtcp_mux);
        Ok(())
    }

    #[napi(catch_unwind)]
    pub fn is_rtcp_mux(&self) -> bool {
        self.description.borrow().is_rtcp_mux()
    }

    #[napi(catch_unwind, ts_args_type = "iceLite: boolean")]
    pub fn set_ice_lite(&self, ice_lite: Unknown<'_>) -> Result<()> {
        let ice_lite = arguments::boolean(&ice_lite)?;
        self.description.borrow_mut().set_ice_lite(ice_lite);
        Ok(())
    }

    #[napi(catch_unwind)]
    pub fn is_ice_lite(&self) -> bool {
        self.description.borrow().is_ice_lite()
    }

    /// Puts a mid into the BUNDLE group.
    #[napi(catch_unwind, ts_args_type = "id: string | number, mediaType: string")]
    pub fn add_bundle_tag(&self, id: Unknown<'_>, media_type: Unknown<'_>) -> Result<()> {
        let (id, media_type) = (arguments::text(&id)?, media_type_of(&media_type)?);
        self.description.borrow_mut().add_bundle_tag(id, media_type);
        Ok(())
    }

    /// The mid of the first bundle tag of that type; without one the argument itself.
    #[napi(catch_unwind, ts_args_type = "mediaType: string")]
    pub fn get_media_id(&self, media_type: Unknown<'_>) -> Result<String> {
        let word = arguments::text(&media_type)?;
        Ok(self.description.borrow().media_id(&word))
    }

    #[napi(catch_unwind, ts_args_type = "label: string, ssrc: number | string")]
    pub fn set_audio_ssrc(&self, label: Unknown<'_>, ssrc: Unknown<'_>) -> Result<()> {
        let (label, ssrc) = (arguments::text(&label)?, Ssrc(arguments::uint32(&ssrc)?));
        self.description.borrow_mut().set_audio_ssrc(label, ssrc);
        Ok(())
    }

    /// Audio SSRCs by label.
    #[napi(catch_unwind, ts_return_type = "Record<string, number>")]
    pub fn get_audio_ssrc_map<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        let description = self.description.borrow();
        record(env, description.audio_ssrcs().iter().map(|(label, ssrc)| (label, ssrc.0)))
    }

    /// Throws `TypeError` if `ssrcs` is not an array.
    #[napi(catch_unwind, ts_args_type = "label: string, ssrcs: (number | string)[]")]
    pub fn set_video_ssrc_list(
        &self,
        env: &Env,
        label: Unknown<'_>,
        ssrcs: Unknown<'_>,
    ) -> Result<()> {
        let label = arguments::text(&label)?;
        let ssrcs = arguments::elements(env, &ssrcs, "ssrcs")?;
        let ssrcs: Result<Vec<Ssrc>> =
            ssrcs.iter().map(|ssrc| arguments::uint32(ssrc).map(Ssrc)).collect();
        self.description.borrow_mut().set_video_ssrcs(label, ssrcs?);
        Ok(())
    }

    /// Video SSRCs by label.
    #[napi(catch_unwind, ts_return_type = "Record<string, number[]>")]
    pub fn get_video_ssrc_map<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        let description = self.description.borrow();
        record(
            env,
            description.video_ssrcs().iter().map(|(label, ssrcs)| {
                (label, ssrcs.iter().map(|ssrc| ssrc.0).collect::<Vec<u32>>())
            }),
        )
    }

    /// Appends a media section; an unknown direction is stored as inactive.
    #[napi(
        catch_unwind,
        ts_args_type = "senderStreamId: string, receiverStreamId: string, mid: string | number, direction: string, kind: string, ssrc: string | number, stopped: boolean"
    )]
    #[allow(clippy::too_many_arguments, reason = "ErizoAPI's method")]
    pub fn add_media_info(
        &self,
        sender_stream_id: Unknown<'_>,
        receiver_stream_id: Unknown<'_>,
        mid: Unknown<'_>,
        direction: Unknown<'_>,
        kind: Unknown<'_>,
        ssrc: Unknown<'_>,
        stopped: Unknown<'_>,
    ) -> Result<()> {
        let sender_stream_id = arguments::text(&sender_stream_id)?;
        let receiver_stream_id = arguments::text(&receiver_stream_id)?;
        let (mid, direction) = (arguments::text(&mid)?, arguments::text(&direction)?);
        let (kind, ssrc) = (arguments::text(&kind)?, arguments::text(&ssrc)?);
        let stopped = arguments::boolean(&stopped)?;
        self.description.borrow_mut().add_section(
            sender_stream_id,
            receiver_stream_id,
            mid,
            &direction,
            kind,
            ssrc,
            stopped,
        );
        Ok(())
    }

    /// The media sections, in order.
    #[napi(catch_unwind)]
    pub fn get_media_infos(&self) -> Vec<MediaInfo> {
        let description = self.description.borrow();
        let sections = description.sections().iter().enumerate();
        sections.map(|(order, section)| MediaInfo::new(order, section)).collect()
    }

    /// Any other text is ignored.
    #[napi(
        catch_unwind,
        ts_args_type = "direction: 'sendonly' | 'sendrecv' | 'recvonly' | 'inactive'"
    )]
    pub fn set_audio_direction(&self, direction: Unknown<'_>) -> Result<()> {
        if let Some(direction) = Direction::from_word(&arguments::text(&direction)?) {
            self.description.borrow_mut().set_audio_direction(direction);
        }
        Ok(())
    }

    /// Any other text is ignored.
    #[napi(
        catch_unwind,
        ts_args_type = "direction: 'sendonly' | 'sendrecv' | 'recvonly' | 'inactive'"
    )]
    pub fn set_video_direction(&self, direction: Unknown<'_>) -> Result<()> {
        if let Some(direction) = Direction::from_word(&arguments::text(&direction)?) {
            self.description.borrow_mut().set_video_direction(direction);
        }
        Ok(())
    }

    /// Audio's direction for `audio`, video's for everything else.
    #[napi(
        catch_unwind,
        ts_args_type = "mediaType: string",
        ts_return_type = "'sendonly' | 'sendrecv' | 'recvonly' | 'inactive'"
    )]
    pub fn get_direction(&self, media_type: Unknown<'_>) -> Result<&'static str> {
        let media_type = media_type_of(&media_type)?;
        Ok(self.description.borrow().direction(media_type).word())
    }

    /// SHA-256 as colon separated hexadecimal, without the name of the hash.
    #[napi(catch_unwind, ts_args_type = "fingerprint: string")]
    pub fn set_fingerprint(&self, fingerprint: Unknown<'_>) -> Result<()> {
        let fingerprint = arguments::text(&fingerprint)?;
        self.description.borrow_mut().set_fingerprint(fingerprint);
        Ok(())
    }

    /// Empty if there is none.
    #[napi(catch_unwind, ts_args_type = "mediaType?: string")]
    pub fn get_fingerprint(&self) -> String {
        self.description.borrow().fingerprint().to_owned()
    }

    /// Any other text is ignored.
    #[napi(catch_unwind, ts_args_type = "role: 'actpass' | 'active' | 'passive' | null")]
    pub fn set_dtls_role(&self, role: Unknown<'_>) -> Result<()> {
        if let Some(role) = DtlsSetup::from_word(&arguments::text(&role)?) {
            self.description.borrow_mut().set_dtls_role(role);
        }
        Ok(())
    }

    #[napi(
        catch_unwind,
        ts_args_type = "mediaType?: string",
        ts_return_type = "'actpass' | 'active' | 'passive'"
    )]
    pub fn get_dtls_role(&self) -> &'static str {
        self.description.borrow().dtls_role().word()
    }

    /// In kbit/s; 0: no limit given.
    #[napi(catch_unwind, ts_args_type = "kbps: number | string")]
    pub fn set_video_bandwidth(&self, kbps: Unknown<'_>) -> Result<()> {
        let kbps = arguments::uint32(&kbps)?;
        self.description.borrow_mut().set_video_bandwidth(kbps);
        Ok(())
    }

    /// In kbit/s; 0: no limit given.
    #[napi(catch_unwind)]
    pub fn get_video_bandwidth(&self) -> u32 {
        self.description.borrow().video_bandwidth()
    }

    #[napi(catch_unwind, ts_args_type = "flag: string")]
    pub fn set_x_google_flag(&self, flag: Unknown<'_>) -> Result<()> {
        let flag = arguments::text(&flag)?;
        self.description.borrow_mut().set_x_google_flag(flag);
        Ok(())
    }

    #[napi(catch_unwind)]
    pub fn get_x_google_flag(&self) -> String {
        self.description.borrow().x_google_flag().to_owned()
    }

    /// Stores a candidate and returns `true`; `false` without storing it if `protocol` is not UDP.
    #[napi(
        catch_unwind,
        ts_args_type = "mediaType: string, foundation: string | number, componentId: number, protocol: string, priority: number, address: string, port: number, type: string, relAddr?: string, relPort?: number, sdpLine?: string"
    )]
    #[allow(clippy::too_many_arguments, reason = "ErizoAPI's method")]
    pub fn add_candidate(
        &self,
        media_type: Unknown<'_>,
        foundation: Unknown<'_>,
        component_id: Unknown<'_>,
        protocol: Unknown<'_>,
        priority: Unknown<'_>,
        address: Unknown<'_>,
        port: Unknown<'_>,
        candidate_type: Unknown<'_>,
        related_address: Unknown<'_>,
        related_port: Unknown<'_>,
        sdp_line: Unknown<'_>,
    ) -> Result<bool> {
        let media_type = media_type_of(&media_type)?;
        let protocol = arguments::text(&protocol)?;
        let candidate = IceCandidate {
            foundation: arguments::text(&foundation)?,
            component: arguments::uint32(&component_id)?,
            priority: arguments::uint32(&priority)?,
            address: arguments::text(&address)?,
            port: arguments::uint32(&port)?,
            candidate_type: CandidateType::from_word(&arguments::text(&candidate_type)?)
                .unwrap_or(CandidateType::Host),
            related_address: arguments::optional_text(&related_address)?.unwrap_or_default(),
            related_port: arguments::uint32(&related_port)?,
            ufrag: None,
        };
        arguments::text(&sdp_line)?;
        Ok(self.description.borrow_mut().add_candidate(media_type, &protocol, candidate))
    }

    /// Accepted and not used: keys are agreed on by DTLS only.
    #[napi(
        catch_unwind,
        ts_args_type = "cipherSuite: string, keyParams: string, mediaType: string"
    )]
    pub fn add_crypto_info(
        &self,
        cipher_suite: Unknown<'_>,
        key_params: Unknown<'_>,
        media_type: Unknown<'_>,
    ) -> Result<()> {
        arguments::text(&cipher_suite)?;
        arguments::text(&key_params)?;
        arguments::text(&media_type)?;
        Ok(())
    }

    /// For `audio` or `video`; for both with any other or no type.
    #[napi(
        catch_unwind,
        js_name = "setICECredentials",
        ts_args_type = "ufrag: string | number, pwd: string | number, mediaType?: string"
    )]
    pub fn set_ice_credentials(
        &self,
        ufrag: Unknown<'_>,
        pwd: Unknown<'_>,
        media_type: Unknown<'_>,
    ) -> Result<()> {
        let credentials =
            IceCredentials { ufrag: arguments::text(&ufrag)?, pwd: arguments::text(&pwd)? };
        let media_type = media_type_of(&media_type)?;
        self.description.borrow_mut().set_ice_credentials(credentials, media_type);
        Ok(())
    }

    /// Username fragment and password: video's for `video`, audio's for everything else.
    #[napi(
        catch_unwind,
        js_name = "getICECredentials",
        ts_args_type = "mediaType?: string",
        ts_return_type = "[ufrag: string, pwd: string]"
    )]
    pub fn get_ice_credentials(&self, media_type: Unknown<'_>) -> Result<Vec<String>> {
        let media_type = media_type_of(&media_type)?;
        let description = self.description.borrow();
        let credentials = description.ice_credentials(media_type);
        Ok(vec![credentials.ufrag.clone(), credentials.pwd.clone()])
    }

    #[napi(catch_unwind)]
    pub fn get_candidates(&self) -> Vec<CandidateInfo> {
        self.description.borrow().candidates().iter().map(CandidateInfo::new).collect()
    }

    /// Completes credentials and candidates and agrees on codecs, once everything has been set.
    /// `false`, with nothing changed, if there are no ICE credentials.
    #[napi(catch_unwind)]
    pub fn post_process_info(&self) -> bool {
        self.description.borrow_mut().agree()
    }

    /// Takes over codecs and header extensions of `description` that are missing here.
    ///
    /// Throws `TypeError` for anything but a `ConnectionDescription`.
    #[napi(catch_unwind, ts_args_type = "description: ConnectionDescription")]
    pub fn copy_info_from_sdp(&self, env: &Env, description: Unknown<'_>) -> Result<()> {
        match raw::instance::<ConnectionDescription>(&description) {
            Some(source) => {
                let source = source.snapshot(); // It may be this very description.
                self.description.borrow_mut().copy_from(&source);
                Ok(())
            }
            None => Err(arguments::wrong_type(
                env,
                &description,
                "description",
                "an instance of ConnectionDescription",
            )),
        }
    }
}

pub(super) fn media_type_of(value: &Unknown<'_>) -> Result<MediaType> {
    Ok(MediaType::from_word(&arguments::text(value)?))
}

/// A media configuration as JSON text or as an object; without one nothing is supported.
fn configuration_argument(env: &Env, value: &Unknown<'_>) -> Result<MediaConfiguration> {
    const NAME: &str = "mediaConfiguration";
    let text = match value.get_type()? {
        ValueType::Undefined | ValueType::Null => return Ok(MediaConfiguration::default()),
        ValueType::Object => arguments::stringify(env, value)?,
        ValueType::String => arguments::text(value)?,
        _ => {
            return Err(error::type_error(
                env,
                INVALID_ARGUMENT,
                "the argument \"mediaConfiguration\" must be JSON text or an object",
            ));
        }
    };
    Ok(MediaConfiguration::from_json(&arguments::json_object(env, &text, NAME)?))
}
