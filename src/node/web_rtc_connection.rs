//! `WebRtcConnection`: everything towards one remote party (contract section 2.3). After `close()`
//! its methods answer as table 1.4 says.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use napi::bindgen_prelude::{Either, Unknown};
use napi::{Env, JsValue, Result};
use napi_derive::napi;

use crate::connection::config::ConnectionConfig;
use crate::negotiation::configuration::MediaConfiguration;
use crate::negotiation::ice::{CandidateType, IceCandidate, IceCredentials};
use crate::node::connection_description::ConnectionDescription;
use crate::node::environment::{EMPTY_DOCUMENT, Environment};
use crate::node::event_queue::SlotId;
use crate::node::io_thread_pool::IOThreadPool;
use crate::node::media_stream::MediaStream;
use crate::node::promise::{Pending, PromiseCounts, Tail};
use crate::node::thread_pool::{ThreadPool, as_numbers};
use crate::node::{arguments, connection_options, events, raw};
use crate::runtime::handle::ConnectionHandle;

/// What `close()` resolves with for the call that closes.
const CONNECTION_CLOSED: &str = "webrtcconnection_closed";
/// `getConnectionQualityLevel` (contract WRC-58): without spatial layers nothing can be worse.
const QUALITY_GOOD: u32 = 2;

/// One peer: one ICE agent, one DTLS association, and any number of streams.
#[napi(js_name = "WebRtcConnection")]
pub struct WebRtcConnection {
    environment: Rc<Environment>,
    handle: ConnectionHandle,
    name: String,
    slot: SlotId,
    counts: Rc<PromiseCounts>,
    /// Set by `close()`.
    tail: RefCell<Option<Arc<Tail>>>,
}

impl WebRtcConnection {
    pub(crate) fn handle(&self) -> &ConnectionHandle {
        &self.handle
    }

    fn is_closed(&self) -> bool {
        self.tail.borrow().is_some()
    }

    fn promise<'env>(
        &self,
        env: &'env Env,
        start: impl FnOnce(&ConnectionHandle, Pending),
    ) -> Result<Unknown<'env>> {
        let (promise, pending) = self.environment.promise(env, Some(&self.counts))?;
        match &*self.tail.borrow() {
            Some(tail) => tail.append(pending),
            None => start(&self.handle, pending),
        }
        Ok(promise)
    }
}

#[napi]
impl WebRtcConnection {
    /// A connection in state 101. Nothing is opened on the network before it has to negotiate.
    ///
    /// `mediaConfiguration` and `bwDistribution` are JSON texts. Ports of 0 and empty texts mean
    /// "none". `encryptTransport` is off only for exactly `false`. `networkInterface` narrows
    /// gathering to one interface. `connectionQualityCheck` and `useNicer` have no effect.
    ///
    /// `mediaConfiguration` may have a key `srtpProfiles`, a list of `"SRTP_AEAD_AES_128_GCM"` and
    /// `"SRTP_AES128_CM_HMAC_SHA1_80"` in order of preference.
    /// @default both, GCM first
    ///
    /// Throws `TypeError` with fewer than nine arguments and for wrong instances, `SyntaxError` if a
    /// JSON text is not JSON, `Error` if a TURN server is named: it is not built yet.
    #[napi(
        constructor,
        catch_unwind,
        ts_args_type = "threadPool: ThreadPool, ioThreadPool: IOThreadPool, id: string | number, stunServer: string | null | undefined, stunPort: number | string | undefined, minPort: number | string | undefined, maxPort: number | string | undefined, trickle: boolean | undefined, mediaConfiguration: string, bwDistribution?: string, connectionQualityCheck?: boolean, encryptTransport?: boolean, iceLite?: boolean, useNicer?: boolean, turnServer?: string | null, turnPort?: number | string, turnUsername?: string | null, turnPass?: string | null, networkInterface?: string | null"
    )]
    #[allow(clippy::too_many_arguments, reason = "ErizoAPI's constructor")]
    pub fn new(
        env: &Env,
        thread_pool: Unknown<'_>,
        io_thread_pool: Unknown<'_>,
        id: Unknown<'_>,
        stun_server: Unknown<'_>,
        stun_port: Unknown<'_>,
        min_port: Unknown<'_>,
        max_port: Unknown<'_>,
        trickle: Unknown<'_>,
        media_configuration: Unknown<'_>,
        bw_distribution: Unknown<'_>,
        connection_quality_check: Unknown<'_>,
        encrypt_transport: Unknown<'_>,
        ice_lite: Unknown<'_>,
        use_nicer: Unknown<'_>,
        turn_server: Unknown<'_>,
        turn_port: Unknown<'_>,
        turn_username: Unknown<'_>,
        turn_pass: Unknown<'_>,
        network_interface: Unknown<'_>,
    ) -> Result<WebRtcConnection> {
        const CALL: &str = "new WebRtcConnection(threadPool, ioThreadPool, id, stunServer, stunPort, \
                            minPort, maxPort, trickle, mediaConfiguration, ...)";
        for (value, name) in [
            (&thread_pool, "threadPool"),
            (&io_thread_pool, "ioThreadPool"),
            (&id, "id"),
            (&media_configuration, "mediaConfiguration"),
        ] {
            arguments::demand(env, value, name, CALL)?;
        }
        let pool =
            arguments::instance::<ThreadPool>(env, &thread_pool, "threadPool", "ThreadPool")?;
        arguments::instance::<IOThreadPool>(env, &io_thread_pool, "ioThreadPool", "IOThreadPool")?;
        let name = arguments::text(&id)?;
        let media = arguments::text(&media_configuration)?;
        let media = arguments::json_object(env, &media, "mediaConfiguration")?;
        connection_options::check_distribution(env, &bw_distribution)?;
        connection_options::refuse_turn(env, &turn_server, &turn_port)?;
        arguments::optional_text(&turn_username)?;
        arguments::optional_text(&turn_pass)?;
        arguments::boolean(&connection_quality_check)?;
        arguments::boolean(&use_nicer)?;
        let config = ConnectionConfig {
            name: name.clone(),
            media: MediaConfiguration::from_json(&media),
            trickle: arguments::boolean(&trickle)?,
            encrypt: !connection_options::is_exactly_false(&encrypt_transport)?,
            ice_lite: arguments::boolean(&ice_lite)?,
            ports: connection_options::port_range(&min_port, &max_port)?,
            network_interface: arguments::optional_text(&network_interface)?,
            stun: connection_options::stun_server(&stun_server, &stun_port)?,
            srtp_profiles: connection_options::srtp_profiles(env, &media)?,
        };
        let environment = Environment::of(env)?;
        let (slot, listener) = environment.add_connection();
        let handle = ConnectionHandle::open(&pool.pool, config, listener);
        environment.opened(slot, &handle);
        let counts = Rc::default();
        Ok(WebRtcConnection { environment, handle, name, slot, counts, tail: RefCell::default() })
    }

    /// Calls `callback(code, message)` with the events of this connection: 101 at first, 103 when
    /// gathering has finished, 104 when media can flow, 500 when the transport failed, and with
    /// trickle 201 for each local candidate (`message` is JSON then). A second call replaces the
    /// callback and delivers the current state again. Returns `true`; `undefined` after `close()`.
    ///
    /// An open connection does not by itself keep the process alive.
    ///
    /// Throws `TypeError` if `callback` is not a function.
    #[napi(
        catch_unwind,
        ts_args_type = "callback: (code: 101 | 103 | 104 | 201 | 500, message: string) => void",
        ts_return_type = "true | undefined"
    )]
    pub fn init(&self, env: &Env, callback: Unknown<'_>) -> Result<Either<bool, ()>> {
        if self.is_closed() {
            return Ok(Either::B(()));
        }
        let callback = arguments::callback(env, &callback, "callback")?;
        self.environment.listen(env, self.slot, callback);
        Ok(Either::A(true))
    }

    /// Ends transport and streams. Resolves with `'webrtcconnection_closed'` when the network is
    /// released, and with `''` for every further call. No event is delivered after this call.
    #[napi(catch_unwind, ts_return_type = "Promise<'webrtcconnection_closed' | ''>")]
    pub fn close<'env>(&self, env: &'env Env) -> Result<Unknown<'env>> {
        let (promise, pending) = self.environment.promise(env, Some(&self.counts))?;
        let closed = self.tail.borrow().clone();
        match closed {
            Some(tail) => tail.append(pending),
            None => {
                let (tail, reply) = Tail::begin(pending, CONNECTION_CLOSED);
                self.tail.replace(Some(tail));
                self.environment.remove_connection(self.slot);
                self.handle.close(reply);
            }
        }
        Ok(promise)
    }

    /// Prepares an offer: sections for the streams that have none yet. Resolves with `''`; the
    /// offer itself comes from `getLocalDescription()`.
    ///
    /// Throws `TypeError` without arguments.
    #[napi(
        catch_unwind,
        ts_args_type = "bundle: boolean, ...ignored: unknown[]",
        ts_return_type = "Promise<''>"
    )]
    pub fn create_offer<'env>(
        &self,
        env: &'env Env,
        bundle: Unknown<'env>,
    ) -> Result<Unknown<'env>> {
        if !self.is_closed() {
            arguments::demand(env, &bundle, "bundle", "createOffer(bundle)")?;
            arguments::boolean(&bundle)?;
        }
        self.promise(env, |handle, pending| handle.create_offer(pending.reply("")))
    }

    /// Applies an offer or an answer as it is at this moment. Resolves with `''` after every stream
    /// has seen it.
    ///
    /// Rejects only for the first description of a connection, which stays usable then: without ICE
    /// credentials (`ERR_MISSING_ICE_CREDENTIALS`), without a fingerprint
    /// (`ERR_MISSING_FINGERPRINT`), or asking an encrypted connection for plaintext
    /// (`ERR_PLAINTEXT_REFUSED`). Throws `TypeError` for anything but a `ConnectionDescription`.
    #[napi(
        catch_unwind,
        ts_args_type = "description: ConnectionDescription",
        ts_return_type = "Promise<''>"
    )]
    pub fn set_remote_description<'env>(
        &self,
        env: &'env Env,
        description: Unknown<'env>,
    ) -> Result<Unknown<'env>> {
        if self.is_closed() {
            return self.promise(env, |_, _| {});
        }
        let description = description_argument(env, &description)?;
        self.promise(env, |handle, pending| {
            handle.set_remote_description(description, pending.reply(""));
        })
    }

    /// Resolves with a snapshot of the local description; `''` after `close()`.
    #[napi(catch_unwind, ts_return_type = "Promise<ConnectionDescription | ''>")]
    pub fn get_local_description<'env>(&self, env: &'env Env) -> Result<Unknown<'env>> {
        self.promise(env, |handle, pending| handle.local_description(pending.reply_description()))
    }

    /// Hands over a candidate of the peer. Those that cannot be used (other than UDP, component 1
    /// and a literal address) are ignored. `sdpMid` and `sdpMLineIndex` have no effect, since all
    /// media is bundled. Returns `true`; a promise of `''` after `close()`.
    #[napi(
        catch_unwind,
        ts_args_type = "sdpMid: string | number, sdpMLineIndex: number, foundation: string | number, component: number, priority: number, protocol: string, address: string, port: number, type: string, relatedAddress?: string, relatedPort?: number, candidateLine?: string",
        ts_return_type = "true | Promise<''>"
    )]
    #[allow(clippy::too_many_arguments, reason = "ErizoAPI's method")]
    pub fn add_remote_candidate<'env>(
        &self,
        env: &'env Env,
        sdp_mid: Unknown<'env>,
        sdp_m_line_index: Unknown<'env>,
        foundation: Unknown<'env>,
        component: Unknown<'env>,
        priority: Unknown<'env>,
        protocol: Unknown<'env>,
        address: Unknown<'env>,
        port: Unknown<'env>,
        candidate_type: Unknown<'env>,
        related_address: Unknown<'env>,
        related_port: Unknown<'env>,
        candidate_line: Unknown<'env>,
    ) -> Result<Either<bool, Unknown<'env>>> {
        if self.is_closed() {
            return Ok(Either::B(self.promise(env, |_, _| {})?));
        }
        arguments::text(&sdp_mid)?;
        arguments::int32(&sdp_m_line_index)?;
        let protocol = arguments::text(&protocol)?;
        let candidate = IceCandidate {
            foundation: arguments::text(&foundation)?,
            component: arguments::uint32(&component)?,
            priority: arguments::uint32(&priority)?,
            address: arguments::text(&address)?,
            port: arguments::uint32(&port)?,
            candidate_type: CandidateType::from_word(&arguments::text(&candidate_type)?)
                .unwrap_or(CandidateType::Host),
            related_address: arguments::optional_text(&related_address)?.unwrap_or_default(),
            related_port: arguments::uint32(&related_port)?,
            ufrag: ufrag(&arguments::text(&candidate_line)?),
        };
        if protocol.eq_ignore_ascii_case("udp") {
            self.handle.add_remote_candidate(candidate);
        }
        Ok(Either::A(true))
    }

    /// Makes `stream` part of this connection, from the next negotiation on. Resolves with `''`.
    ///
    /// Rejects with `ERR_FOREIGN_STREAM` if the stream was built for another connection. Throws
    /// `TypeError` for anything but a `MediaStream`.
    #[napi(catch_unwind, ts_args_type = "stream: MediaStream", ts_return_type = "Promise<''>")]
    pub fn add_media_stream<'env>(
        &self,
        env: &'env Env,
        stream: Unknown<'env>,
    ) -> Result<Unknown<'env>> {
        if self.is_closed() {
            return self.promise(env, |_, _| {});
        }
        let stream = arguments::instance::<MediaStream>(env, &stream, "stream", "MediaStream")?;
        self.promise(env, |handle, pending| {
            handle.add_stream(stream.handle(), pending.reply(""));
        })
    }

    /// Takes the stream of that id out of this connection. Resolves with `''`, also for an unknown
    /// id.
    #[napi(catch_unwind, ts_args_type = "id: string | number", ts_return_type = "Promise<''>")]
    pub fn remove_media_stream<'env>(
        &self,
        env: &'env Env,
        id: Unknown<'env>,
    ) -> Result<Unknown<'env>> {
        if self.is_closed() {
            return self.promise(env, |_, _| {});
        }
        let id = arguments::text(&id)?;
        self.promise(env, |handle, pending| handle.remove_stream(id, pending.reply("")))
    }

    /// Before a first offer: takes over codecs and extensions of another description, so that the
    /// offer uses its numbers.
    ///
    /// Throws `TypeError` for anything but a `ConnectionDescription`.
    #[napi(catch_unwind, ts_args_type = "description: ConnectionDescription")]
    pub fn copy_sdp_to_local_description(&self, env: &Env, description: Unknown<'_>) -> Result<()> {
        if !self.is_closed() {
            self.handle.copy_description(description_argument(env, &description)?);
        }
        Ok(())
    }

    /// Restarts ICE if these are not the peer's present credentials.
    #[napi(catch_unwind, ts_args_type = "ufrag: string, pwd: string")]
    pub fn maybe_restart_ice(&self, ufrag: Unknown<'_>, pwd: Unknown<'_>) -> Result<()> {
        if !self.is_closed() {
            let (ufrag, pwd) = (arguments::text(&ufrag)?, arguments::text(&pwd)?);
            self.handle.restart_ice(IceCredentials { ufrag, pwd });
        }
        Ok(())
    }

    /// The last state: 101, 103, 104 or 500; `undefined` after `close()`.
    #[napi(catch_unwind, ts_return_type = "101 | 103 | 104 | 500 | undefined")]
    pub fn get_current_state(&self) -> Either<u32, ()> {
        match self.is_closed() {
            true => Either::B(()),
            false => Either::A(events::state_code(self.handle.state())),
        }
    }

    /// 2: good; `undefined` after `close()`.
    #[napi(catch_unwind, ts_return_type = "0 | 2 | undefined")]
    pub fn get_connection_quality_level(&self) -> Either<u32, ()> {
        if self.is_closed() { Either::B(()) } else { Either::A(QUALITY_GOOD) }
    }

    /// Adds the members of a JSON object to the log lines of this connection. Returns `true`.
    ///
    /// Throws `SyntaxError` or `TypeError` if it is not the JSON text of an object.
    #[napi(catch_unwind, ts_args_type = "json: string", ts_return_type = "true | undefined")]
    pub fn set_metadata(&self, env: &Env, json: Unknown<'_>) -> Result<Either<bool, ()>> {
        if self.is_closed() {
            return Ok(Either::B(()));
        }
        let metadata = arguments::metadata(env, &json)?;
        tracing::info!(connection = self.name, metadata, "connection metadata");
        Ok(Either::A(true))
    }

    /// How video bandwidth is shared between the streams; checked, and without effect yet.
    ///
    /// Throws `SyntaxError` or `TypeError` if it is not the JSON text of an object.
    #[napi(catch_unwind, ts_args_type = "json: string")]
    pub fn set_bw_distribution_config(&self, env: &Env, json: Unknown<'_>) -> Result<()> {
        if self.is_closed() { Ok(()) } else { connection_options::check_distribution(env, &json) }
    }

    /// A target for all video of this connection, in bit/s; without effect yet.
    #[napi(catch_unwind, ts_args_type = "bps?: number")]
    pub fn set_connection_target_bw(&self, bps: Unknown<'_>) -> Result<()> {
        if !self.is_closed() {
            arguments::int32(&bps)?;
        }
        Ok(())
    }

    /// Calls `callback` once with the statistics as JSON text, from the event loop. After `close()`
    /// it is called at once, with `'{}'`.
    ///
    /// Throws `TypeError` if `callback` is not a function.
    #[napi(catch_unwind, ts_args_type = "callback: (json: string) => void")]
    pub fn get_stats(&self, env: &Env, callback: Unknown<'_>) -> Result<()> {
        let callback = arguments::callback(env, &callback, "callback")?;
        if self.is_closed() {
            let document = env.create_string(EMPTY_DOCUMENT)?.to_unknown();
            return raw::call_directly(env, &callback, &[document]);
        }
        let pending = self.environment.callback(env, callback, None, EMPTY_DOCUMENT);
        self.handle.stats(pending.reply_document());
        Ok(())
    }

    /// Promises of this connection since the last reset by the time until they were carried out: at
    /// most 10, 50, 100 and 1000 ms, and above.
    #[napi(catch_unwind, ts_return_type = "[number, number, number, number, number]")]
    pub fn get_duration_distribution(&self) -> Vec<f64> {
        as_numbers(self.counts.durations.counts())
    }

    /// The same by the time between completion and settlement.
    #[napi(catch_unwind, ts_return_type = "[number, number, number, number, number]")]
    pub fn get_delay_distribution(&self) -> Vec<f64> {
        as_numbers(self.counts.delays.counts())
    }

    /// Zeroes both distributions.
    #[napi(catch_unwind)]
    pub fn reset_stats(&self) {
        self.counts.reset();
    }
}

/// A snapshot of a description (contract WRC-23).
fn description_argument(
    env: &Env,
    value: &Unknown<'_>,
) -> Result<crate::negotiation::description::SessionDescription> {
    let description = arguments::instance::<ConnectionDescription>(
        env,
        value,
        "description",
        "ConnectionDescription",
    )?;
    Ok(description.snapshot())
}

/// The `ufrag` extension of a candidate line (RFC 8838 §5.1): extensions are pairs of words that
/// follow the eight fixed ones.
fn ufrag(line: &str) -> Option<String> {
    let mut words = line.split_ascii_whitespace().skip(6);
    while let Some(name) = words.next() {
        let value = words.next()?;
        if name == "ufrag" {
            return Some(value.to_owned());
        }
    }
    None
}

#[cfg(test)]
mod test {
    use super::*;

    #[test]
    fn finds_the_ufrag_of_a_candidate_line() {
        let line = "a=candidate:1 1 udp 2113937151 192.0.2.1 5000 typ srflx raddr ufrag rport 9 \
                    generation 0 ufrag nDB3 network-cost 999";
        assert_eq!(ufrag(line).as_deref(), Some("nDB3"));
        assert_eq!(ufrag("a=candidate:1 1 udp 1 192.0.2.1 5000 typ host"), None);
        assert_eq!(ufrag("undefined"), None);
    }
}
