//! Connections and streams as other threads see them: an id and the queue of their worker.
//!
//! Every operation is a message; nothing here blocks or touches a connection's state.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::connection::command::{
    Command, ConnectionCommand, ConnectionListener, Reply, StreamCommand, StreamListener,
};
use crate::connection::config::{
    ConnectionConfig, ConnectionId, StreamConfig, StreamKey, StreamRole,
};
use crate::connection::error::ConnectionError;
use crate::connection::event::{ConnectionEvent, ConnectionState};
use crate::negotiation::description::SessionDescription;
use crate::negotiation::ice::{IceCandidate, IceCredentials};
use crate::rtp::id::{MediaKind, Ssrc};
use crate::runtime::fan_out::FanOutHandle;
use crate::runtime::pool::{WorkerHandle, WorkerPool};
use crate::runtime::random;

/// SSRCs under which a publisher stream sends its reports (contract MST-5).
const PUBLISHER_VIDEO_SSRC: Ssrc = Ssrc(55543);
const PUBLISHER_AUDIO_SSRC: Ssrc = Ssrc(44444);

/// Range of a subscriber's SSRCs (contract MST-4).
const SUBSCRIBER_SSRC_START: u32 = 1_000_000_000;
const SUBSCRIBER_SSRC_COUNT: u32 = 1_000_000_000;

/// An open connection lives until `close`, whoever drops this handle (contract LIF-1).
#[derive(Clone, Debug)]
pub struct ConnectionHandle {
    shared: Arc<ConnectionShared>,
}

#[derive(Debug)]
struct ConnectionShared {
    id: ConnectionId,
    worker: WorkerHandle,
    state: Arc<AtomicU8>,
    closed: AtomicBool,
    /// SSRCs drawn for streams of this connection, so that none is drawn twice.
    ssrcs: Mutex<HashSet<u32>>,
}

/// What the caller chooses about a stream; SSRCs are drawn here.
#[derive(Clone, Debug)]
pub struct StreamOptions {
    pub id: String,
    pub label: String,
    pub role: StreamRole,
    pub has_audio: bool,
    pub has_video: bool,
    pub priority: String,
}

#[derive(Clone, Debug)]
pub struct StreamHandle {
    shared: Arc<StreamShared>,
}

#[derive(Debug)]
struct StreamShared {
    key: StreamKey,
    id: String,
    connection: ConnectionHandle,
    closed: AtomicBool,
}

impl ConnectionHandle {
    /// Binds a new connection to the least used worker of `pool`. Nothing is opened on the
    /// network yet (contract WRC-4). On a closed pool every operation ends as `Closed`.
    pub fn open(
        pool: &Arc<WorkerPool>,
        config: ConnectionConfig,
        listener: ConnectionListener,
    ) -> ConnectionHandle {
        static NEXT_ID: AtomicU64 = AtomicU64::new(1);
        let worker = pool.bind();
        let id = ConnectionId(NEXT_ID.fetch_add(1, Ordering::Relaxed));
        let state = Arc::new(AtomicU8::new(encode(ConnectionState::Initial)));
        let seen = Arc::clone(&state);
        let listener: ConnectionListener = Box::new(move |event| {
            if let ConnectionEvent::State(state) = &event {
                seen.store(encode(*state), Ordering::Release);
            }
            listener(event);
        });
        let closed = pool.is_closed();
        // Nobody would close it, and its worker would wait for that.
        if !closed {
            worker.send_command(Command::OpenConnection { id, config: Box::new(config), listener });
        }
        ConnectionHandle {
            shared: Arc::new(ConnectionShared {
                id,
                worker,
                state,
                closed: AtomicBool::new(closed),
                ssrcs: Mutex::new(HashSet::new()),
            }),
        }
    }

    pub fn id(&self) -> ConnectionId {
        self.shared.id
    }

    pub fn state(&self) -> ConnectionState {
        decode(self.shared.state.load(Ordering::Acquire))
    }

    /// True from the call of `close` on (contract LIF-16).
    pub fn is_closed(&self) -> bool {
        self.shared.closed.load(Ordering::Acquire)
    }

    pub fn create_offer(&self, reply: Reply<()>) {
        self.request(reply, |reply| ConnectionCommand::CreateOffer { reply });
    }

    /// Takes the description as it is now; what happens to the caller's copy later has no effect.
    pub fn set_remote_description(&self, description: SessionDescription, reply: Reply<()>) {
        let description = Box::new(description);
        self.request(reply, |reply| ConnectionCommand::SetRemoteDescription { description, reply });
    }

    pub fn local_description(&self, reply: Reply<Box<SessionDescription>>) {
        self.request(reply, |reply| ConnectionCommand::LocalDescription { reply });
    }

    pub fn copy_description(&self, description: SessionDescription) {
        self.tell(ConnectionCommand::CopyDescription { description: Box::new(description) });
    }

    /// Refused for a stream of another connection, in its turn like any other operation (contract
    /// LIF-9).
    pub fn add_stream(&self, stream: &StreamHandle, reply: Reply<()>) {
        let (key, id) = (stream.shared.key, stream.shared.id.clone());
        let reply: Reply<()> = if Arc::ptr_eq(&self.shared, &stream.shared.connection.shared) {
            reply
        } else {
            let foreign = ConnectionError::ForeignStream { id: id.clone() };
            Box::new(move |outcome| reply(outcome.and(Err(foreign))))
        };
        self.request(reply, |reply| ConnectionCommand::AddStream { key, id, reply });
    }

    pub fn remove_stream(&self, id: String, reply: Reply<()>) {
        self.request(reply, |reply| ConnectionCommand::RemoveStream { id, reply });
    }

    pub fn add_remote_candidate(&self, candidate: IceCandidate) {
        self.tell(ConnectionCommand::AddRemoteCandidate { candidate });
    }

    pub fn restart_ice(&self, remote: IceCredentials) {
        self.tell(ConnectionCommand::RestartIce { remote });
    }

    pub fn stats(&self, reply: Reply<String>) {
        self.request(reply, |reply| ConnectionCommand::Stats { reply });
    }

    /// The reply comes once the transport is gone; `Closed` to every call but the first.
    pub fn close(&self, reply: Reply<()>) {
        if self.shared.closed.swap(true, Ordering::AcqRel) {
            return reply(Err(ConnectionError::Closed));
        }
        let command = ConnectionCommand::Close { reply };
        self.shared.worker.send_command(Command::Connection { id: self.shared.id, command });
        self.shared.worker.unbind();
    }

    pub(crate) fn worker(&self) -> &WorkerHandle {
        &self.shared.worker
    }

    fn request<T>(&self, reply: Reply<T>, command: impl FnOnce(Reply<T>) -> ConnectionCommand) {
        if self.is_closed() {
            return reply(Err(ConnectionError::Closed));
        }
        let command = command(reply);
        self.shared.worker.send_command(Command::Connection { id: self.shared.id, command });
    }

    fn tell(&self, command: ConnectionCommand) {
        if !self.is_closed() {
            self.shared.worker.send_command(Command::Connection { id: self.shared.id, command });
        }
    }

    fn draw_ssrcs(&self, role: StreamRole) -> (Ssrc, Ssrc) {
        match role {
            StreamRole::Publisher => (PUBLISHER_AUDIO_SSRC, PUBLISHER_VIDEO_SSRC),
            StreamRole::Subscriber => {
                let mut taken = self.shared.ssrcs.lock().unwrap_or_else(PoisonError::into_inner);
                let mut draw = || loop {
                    let ssrc = SUBSCRIBER_SSRC_START + random::below(SUBSCRIBER_SSRC_COUNT);
                    if taken.insert(ssrc) {
                        break Ssrc(ssrc);
                    }
                };
                (draw(), draw())
            }
        }
    }
}

impl StreamHandle {
    /// Makes the stream known to its connection's worker without adding it to the connection
    /// (contract MST-6): settings made from now on are kept (MST-7).
    pub fn open(
        connection: &ConnectionHandle,
        options: StreamOptions,
        listener: StreamListener,
    ) -> StreamHandle {
        static NEXT_KEY: AtomicU64 = AtomicU64::new(1);
        let key = StreamKey(NEXT_KEY.fetch_add(1, Ordering::Relaxed));
        let (audio_ssrc, video_ssrc) = connection.draw_ssrcs(options.role);
        let config = Box::new(StreamConfig {
            key,
            id: options.id.clone(),
            label: options.label,
            role: options.role,
            has_audio: options.has_audio,
            has_video: options.has_video,
            audio_ssrc,
            video_ssrc,
            priority: options.priority,
        });
        // On a closed connection it is inert (contract MST-3): nobody would forget it there.
        if !connection.is_closed() {
            connection.worker().send_command(Command::OpenStream {
                connection: connection.id(),
                config,
                listener,
            });
        }
        StreamHandle {
            shared: Arc::new(StreamShared {
                key,
                id: options.id,
                connection: connection.clone(),
                closed: AtomicBool::new(false),
            }),
        }
    }

    pub fn id(&self) -> &str {
        &self.shared.id
    }

    pub fn connection(&self) -> &ConnectionHandle {
        &self.shared.connection
    }

    /// True from the call of `close` on (contract LIF-16).
    pub fn is_closed(&self) -> bool {
        self.shared.closed.load(Ordering::Acquire)
    }

    /// A closed stream ignores it (contract M-API-0).
    pub fn send(&self, command: StreamCommand) {
        if !self.is_closed() {
            self.send_always(command);
        }
    }

    pub fn set_receiver(&self, kind: MediaKind, receiver: Option<&FanOutHandle>) {
        self.send(StreamCommand::SetReceiver { kind, receiver: receiver.map(FanOutHandle::id) });
    }

    pub fn stats(&self, reply: Reply<String>) {
        if self.is_closed() {
            return reply(Err(ConnectionError::Closed));
        }
        self.send_always(StreamCommand::Stats { reply });
    }

    /// The reply comes once media has stopped; `Closed` to every call but the first.
    pub fn close(&self, reply: Reply<()>) {
        if self.shared.closed.swap(true, Ordering::AcqRel) {
            return reply(Err(ConnectionError::Closed));
        }
        self.send_always(StreamCommand::Close { reply });
    }

    pub(crate) fn key(&self) -> StreamKey {
        self.shared.key
    }

    fn send_always(&self, command: StreamCommand) {
        let command = Command::Stream { key: self.shared.key, command };
        self.shared.connection.worker().send_command(command);
    }
}

fn encode(state: ConnectionState) -> u8 {
    match state {
        ConnectionState::Initial => 0,
        ConnectionState::Gathered => 1,
        ConnectionState::Ready => 2,
        ConnectionState::Failed => 3,
    }
}

fn decode(state: u8) -> ConnectionState {
    match state {
        0 => ConnectionState::Initial,
        1 => ConnectionState::Gathered,
        2 => ConnectionState::Ready,
        _ => ConnectionState::Failed,
    }
}

#[cfg(test)]
mod test {
    use super::*;
    use crate::negotiation::configuration::MediaConfiguration;
    use crate::transport::SrtpProfile;

    /// On a pool that was never started: only the handle works.
    fn connection() -> ConnectionHandle {
        let config = ConnectionConfig {
            name: "test".into(),
            media: MediaConfiguration::default(),
            trickle: false,
            encrypt: true,
            ice_lite: false,
            ports: None,
            network_interface: None,
            stun: None,
            srtp_profiles: SrtpProfile::ALL.to_vec(),
        };
        ConnectionHandle::open(&WorkerPool::new(1), config, Box::new(|_| {}))
    }

    #[test]
    fn mst_4_a_subscribers_ssrcs_are_its_own() {
        let connection = connection();
        let mut seen = HashSet::new();
        for _ in 0..1000 {
            let (audio, video) = connection.draw_ssrcs(StreamRole::Subscriber);
            for ssrc in [audio.0, video.0] {
                assert!((1_000_000_000..2_000_000_000).contains(&ssrc));
                assert!(seen.insert(ssrc), "{ssrc} drawn twice");
            }
        }
    }

    #[test]
    fn mst_5_a_publisher_reports_under_fixed_ssrcs() {
        let drawn = connection().draw_ssrcs(StreamRole::Publisher);
        assert_eq!(drawn, (Ssrc(44_444), Ssrc(55_543)));
    }
}
