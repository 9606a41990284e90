//! What other threads ask of the engine, applied in the order of sending.

use std::time::Instant;

use crate::connection::command::{Command, ConnectionCommand, FanOutCommand, Reply, StreamCommand};
use crate::connection::config::{ConnectionId, FanOutId, StreamKey};
use crate::connection::effect::Effect;
use crate::connection::engine::{Engine, TimerKey};
use crate::connection::error::ConnectionError;
use crate::connection::output::EngineOutput;
use crate::connection::stream::Stream;
use crate::connection::web_rtc_connection::WebRtcConnection;

impl Engine {
    /// A command for something that is gone settles as `Closed` (contract LIF-8).
    pub fn handle_command(&mut self, now: Instant, command: Command) {
        match command {
            Command::OpenConnection { id, config, listener } => {
                let certificate = self.certificate.clone();
                let connection = WebRtcConnection::new(*config, certificate, listener);
                self.connections.insert(id, connection);
            }
            Command::Connection { id, command } => {
                self.driving = Some(id);
                self.handle_connection_command(now, id, command);
            }
            Command::OpenStream { connection, config, listener } => {
                // One that is born closed is only ever asked to close.
                if !self.connections.contains_key(&connection) {
                    return;
                }
                let stream = Stream::new(connection, *config, listener);
                self.streams.insert(stream.config.key, stream);
            }
            Command::Stream { key, command } => {
                self.driving = self.streams.get(&key).map(|stream| stream.connection);
                self.handle_stream_command(now, key, command);
            }
            Command::FanOut { id, command } => self.handle_fan_out_command(id, command),
        }
        self.driving = None;
    }

    fn handle_connection_command(
        &mut self,
        now: Instant,
        id: ConnectionId,
        command: ConnectionCommand,
    ) {
        self.touch(id);
        let closing = self.closing.iter().any(|(closing, _)| *closing == id);
        let Some(connection) = self.connections.get_mut(&id).filter(|_| !closing) else {
            return self.refuse(id, command);
        };

        match command {
            ConnectionCommand::CreateOffer { reply } => {
                connection.create_offer(now);
                self.reply(reply, Ok(()));
            }
            ConnectionCommand::SetRemoteDescription { description, reply } => {
                let outcome = connection.set_remote_description(now, *description);
                // Streams become ready before the reply is given (contract EVT-20).
                while let Some(effect) = self.connections.get_mut(&id).and_then(|c| c.poll_effect())
                {
                    self.apply(now, id, effect);
                }
                self.reply(reply, outcome);
            }
            ConnectionCommand::LocalDescription { reply } => {
                let description = connection.local_description();
                self.reply(reply, Ok(Box::new(description)));
            }
            ConnectionCommand::CopyDescription { description } => {
                connection.copy_description(&description);
            }
            ConnectionCommand::AddStream { key, id: _, reply } => {
                // A stream of another connection is refused by the handle (contract WRC-27).
                if let Some(stream) = self.streams.get_mut(&key)
                    && stream.connection == id
                {
                    stream.attached = true;
                    connection.add_stream(&stream.config);
                    self.stir(key);
                }
                self.reply(reply, Ok(()));
            }
            ConnectionCommand::RemoveStream { id: stream_id, reply } => {
                if let Some(key) = connection.remove_stream(&stream_id)
                    && let Some(stream) = self.streams.get_mut(&key)
                {
                    stream.attached = false;
                }
                self.reply(reply, Ok(()));
            }
            ConnectionCommand::AddRemoteCandidate { candidate } => {
                connection.add_remote_candidate(now, &candidate);
            }
            ConnectionCommand::RestartIce { remote } => connection.restart_ice(now, remote),
            ConnectionCommand::Stats { reply } => {
                let text = connection.statistics(now).to_string();
                self.reply(reply, Ok(text));
            }
            ConnectionCommand::Close { reply } => self.close_connection(now, id, reply),
        }
    }

    /// The ports are free before the reply is given (contract LIF-14).
    fn close_connection(&mut self, now: Instant, id: ConnectionId, reply: Reply<()>) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.release(now);
        }
        self.closing.push((id, reply));
    }

    /// Connections that said their last word are forgotten, streams included.
    pub(super) fn forget_connection(&mut self, id: ConnectionId, reply: Reply<()>) {
        let Some(mut connection) = self.connections.remove(&id) else {
            return self.reply(reply, Err(ConnectionError::Closed));
        };
        // Nothing is left to do, unless a panic came in between.
        while let Some(effect) = connection.poll_effect() {
            if let Effect::Release = effect {
                self.outputs.push_back(EngineOutput::Release { connection: id });
            }
        }
        self.router.remove(id);
        self.timers.forget(TimerKey::Connection(id));
        let orphans: Vec<StreamKey> = self
            .streams
            .iter()
            .filter(|(_, stream)| stream.connection == id)
            .map(|(key, _)| *key)
            .collect();
        for key in orphans {
            self.forget_stream(key);
        }
        self.reply(reply, Ok(()));
    }

    fn handle_stream_command(&mut self, now: Instant, key: StreamKey, command: StreamCommand) {
        self.stir(key);
        let Some(stream) = self.streams.get_mut(&key) else {
            return match command {
                StreamCommand::Stats { reply } => self.reply(reply, Err(ConnectionError::Closed)),
                StreamCommand::Close { reply } => self.reply(reply, Err(ConnectionError::Closed)),
                _ => {}
            };
        };
        match command {
            StreamCommand::SetReceiver { kind, receiver } => stream.set_receiver(kind, receiver),
            StreamCommand::RequestKeyFrame => stream.request_key_frame(now),
            StreamCommand::Mute { video, audio } => stream.mute(video, audio),
            StreamCommand::SetMaxVideoBitrate { bits_per_second } => {
                stream.set_max_video_bitrate(bits_per_second);
            }
            StreamCommand::SetFeedback { enabled } => stream.set_feedback(enabled),
            StreamCommand::DisableVideo => stream.disable_video(),
            StreamCommand::SetPriority { priority } => stream.set_priority(priority),
            StreamCommand::SetPeriodicKeyFrameRequests { interval_ms } => {
                stream.set_periodic_key_frames(now, interval_ms);
            }
            StreamCommand::Stats { reply } => {
                let text = stream.statistics(now);
                self.reply(reply, Ok(text));
            }
            StreamCommand::Close { reply } => {
                let connection = stream.connection;
                self.forget_stream(key);
                if let Some(connection) = self.connections.get_mut(&connection) {
                    connection.routes.remove_stream(key);
                }
                self.reply(reply, Ok(()));
            }
        }
    }

    fn forget_stream(&mut self, key: StreamKey) {
        self.streams.remove(&key);
        self.timers.forget(TimerKey::Stream(key));
        self.fan_outs.retain(|_, fan_out| {
            fan_out.remove_stream(key);
            !fan_out.is_unused()
        });
    }

    fn handle_fan_out_command(&mut self, id: FanOutId, command: FanOutCommand) {
        let fan_out = self.fan_outs.entry(id).or_default();
        match command {
            FanOutCommand::SetPublisher { publisher } => {
                fan_out.set_publisher(publisher);
                if let Some((worker, key)) = publisher
                    && worker == self.worker
                    && let Some(stream) = self.streams.get_mut(&key)
                {
                    stream.fan_out = Some(id);
                }
            }
            FanOutCommand::AddSubscriber { peer_id, stream: key } => {
                let replaced = fan_out.add_subscriber(peer_id, key);
                self.leave_fan_out(id, replaced.filter(|replaced| *replaced != key));
                if let Some(stream) = self.streams.get_mut(&key) {
                    stream.fan_out = Some(id);
                }
                self.stir(key);
            }
            FanOutCommand::RemoveSubscriber { peer_id } => {
                let removed = fan_out.remove_subscriber(&peer_id);
                self.leave_fan_out(id, removed);
            }
            FanOutCommand::AttachWorker { worker } => fan_out.attach(worker),
            FanOutCommand::DetachWorker { worker } => fan_out.detach(worker),
            FanOutCommand::Close => {
                self.fan_outs.remove(&id);
                return;
            }
        }
        if self.fan_outs.get(&id).is_some_and(|fan_out| fan_out.is_unused()) {
            self.fan_outs.remove(&id);
        }
    }

    /// What a subscriber still has to say is nothing to the publisher any more.
    fn leave_fan_out(&mut self, id: FanOutId, stream: Option<StreamKey>) {
        let stream = stream.and_then(|key| self.streams.get_mut(&key));
        if let Some(stream) = stream.filter(|stream| stream.fan_out == Some(id)) {
            stream.fan_out = None;
        }
    }

    fn reply<T: Send + 'static>(&mut self, reply: Reply<T>, outcome: Result<T, ConnectionError>) {
        self.outputs.push_back(EngineOutput::Reply(Box::new(move || reply(outcome))));
    }

    /// In order with the replies before it.
    fn refuse(&mut self, id: ConnectionId, command: ConnectionCommand) {
        match command {
            ConnectionCommand::CreateOffer { reply }
            | ConnectionCommand::SetRemoteDescription { reply, .. }
            | ConnectionCommand::AddStream { reply, .. }
            | ConnectionCommand::RemoveStream { reply, .. } => {
                self.reply(reply, Err(ConnectionError::Closed));
            }
            ConnectionCommand::LocalDescription { reply } => {
                self.reply(reply, Err(ConnectionError::Closed));
            }
            ConnectionCommand::Stats { reply } => self.reply(reply, Err(ConnectionError::Closed)),
            // Behind the one that is under way, if there is one.
            // Behind the first one, if that is under way; it finds nothing to close then.
            ConnectionCommand::Close { reply } => self.closing.push((id, reply)),
            ConnectionCommand::CopyDescription { .. }
            | ConnectionCommand::AddRemoteCandidate { .. }
            | ConnectionCommand::RestartIce { .. } => {}
        }
    }
}
