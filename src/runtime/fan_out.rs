//! A one-to-many processor as other threads see it: it tells the worker of the publisher and the
//! workers of the subscribers about each other.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::connection::command::{Command, FanOutCommand};
use crate::connection::config::{FanOutId, WorkerId};
use crate::connection::event::ConnectionState;
use crate::runtime::handle::StreamHandle;
use crate::runtime::message::Message;
use crate::runtime::pool::WorkerHandle;

#[derive(Clone, Debug)]
pub struct FanOutHandle {
    shared: Arc<FanOutShared>,
}

#[derive(Debug)]
struct FanOutShared {
    id: FanOutId,
    members: Mutex<Members>,
}

#[derive(Debug, Default)]
struct Members {
    closed: bool,
    publisher: Option<StreamHandle>,
    subscribers: HashMap<String, StreamHandle>,
}

impl FanOutHandle {
    #[allow(clippy::new_without_default, reason = "each one gets an identity of its own")]
    pub fn new() -> Self {
        static NEXT_ID: AtomicU64 = AtomicU64::new(1);
        let id = FanOutId(NEXT_ID.fetch_add(1, Ordering::Relaxed));
        FanOutHandle { shared: Arc::new(FanOutShared { id, members: Mutex::default() }) }
    }

    /// Replaces the publisher; the subscribers stay (contract M-OTM-1).
    pub fn set_publisher(&self, stream: &StreamHandle) {
        let mut members = self.members();
        if members.closed {
            return;
        }
        if let Some(previous) = members.publisher.replace(stream.clone()) {
            self.tell(
                previous.connection().worker(),
                FanOutCommand::SetPublisher { publisher: None },
            );
        }
        let home = stream.connection().worker();
        let publisher = Some((home.id(), stream.key()));
        self.tell(home, FanOutCommand::SetPublisher { publisher });
        for worker in members.subscriber_workers() {
            introduce(home, worker);
            self.tell(worker, FanOutCommand::SetPublisher { publisher });
            self.attach(home, worker.id());
        }
    }

    pub fn has_publisher(&self) -> bool {
        self.members().publisher.is_some()
    }

    /// State of the publisher's connection; `None` without a publisher.
    pub fn publisher_state(&self) -> Option<ConnectionState> {
        self.members().publisher.as_ref().map(|stream| stream.connection().state())
    }

    /// A known `peer_id` is replaced (contract OTM-1).
    pub fn add_subscriber(&self, stream: &StreamHandle, peer_id: String) {
        let mut members = self.members();
        if members.closed {
            return;
        }
        if let Some(previous) = members.subscribers.insert(peer_id.clone(), stream.clone()) {
            let peer_id = peer_id.clone();
            self.tell(previous.connection().worker(), FanOutCommand::RemoveSubscriber { peer_id });
        }
        let worker = stream.connection().worker();
        if let Some(publisher) = &members.publisher {
            let home = publisher.connection().worker();
            introduce(home, worker);
            let publisher = Some((home.id(), publisher.key()));
            self.tell(worker, FanOutCommand::SetPublisher { publisher });
            self.attach(home, worker.id());
        }
        self.tell(worker, FanOutCommand::AddSubscriber { peer_id, stream: stream.key() });
    }

    /// An unknown `peer_id` has no effect (contract OTM-1).
    pub fn remove_subscriber(&self, peer_id: &str) {
        let mut members = self.members();
        let Some(stream) = members.subscribers.remove(peer_id) else { return };
        let worker = stream.connection().worker();
        let peer_id = peer_id.to_owned();
        self.tell(worker, FanOutCommand::RemoveSubscriber { peer_id });
        let still_used = members.subscriber_workers().iter().any(|other| other.id() == worker.id());
        if let (Some(publisher), false) = (&members.publisher, still_used) {
            let command = FanOutCommand::DetachWorker { worker: worker.id() };
            self.tell(publisher.connection().worker(), command);
        }
    }

    /// Detaches everybody; streams are not closed (contract M-OTM-6).
    pub fn close(&self) {
        let mut members = self.members();
        members.closed = true;
        let publisher = members.publisher.take();
        let mut workers: Vec<WorkerHandle> =
            members.subscriber_workers().into_iter().cloned().collect();
        workers.extend(publisher.map(|stream| stream.connection().worker().clone()));
        members.subscribers.clear();
        for worker in workers {
            self.tell(&worker, FanOutCommand::Close);
        }
    }

    pub(crate) fn id(&self) -> FanOutId {
        self.shared.id
    }

    fn attach(&self, home: &WorkerHandle, worker: WorkerId) {
        if home.id() != worker {
            self.tell(home, FanOutCommand::AttachWorker { worker });
        }
    }

    fn tell(&self, worker: &WorkerHandle, command: FanOutCommand) {
        worker.send_command(Command::FanOut { id: self.shared.id, command });
    }

    fn members(&self) -> MutexGuard<'_, Members> {
        self.shared.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Members {
    /// Each worker that has subscribers, once.
    fn subscriber_workers(&self) -> Vec<&WorkerHandle> {
        let mut workers: Vec<&WorkerHandle> = Vec::new();
        for stream in self.subscribers.values() {
            let worker = stream.connection().worker();
            if workers.iter().all(|known| known.id() != worker.id()) {
                workers.push(worker);
            }
        }
        workers
    }
}

fn introduce(a: &WorkerHandle, b: &WorkerHandle) {
    if a.id() != b.id() {
        a.send(Message::Introduce(b.clone()));
        b.send(Message::Introduce(a.clone()));
    }
}
