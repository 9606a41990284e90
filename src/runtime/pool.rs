//! A scheduling domain: worker threads to which connections are bound (contract THP-1 to THP-7).

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::mpsc;

use crate::connection::command::Command;
use crate::connection::config::WorkerId;
use crate::connection::output::Relay;
use crate::runtime::message::Message;
use crate::runtime::worker;
use crate::stats::distribution::Distribution;

/// Batches of media that may wait for a worker before they are dropped with a count. At one batch
/// per publisher and loop turn this is some tens of milliseconds of work.
const RELAY_QUEUE: usize = 1024;

/// Worker threads, shared by the connections bound to them.
#[derive(Debug)]
pub struct WorkerPool {
    workers: Vec<WorkerHandle>,
    /// What the threads will own, until `start` hands it to them.
    inboxes: Mutex<Vec<Inbox>>,
    closed: AtomicBool,
}

/// The sending side of one worker.
#[derive(Clone, Debug)]
pub(crate) struct WorkerHandle {
    shared: Arc<WorkerShared>,
    commands: mpsc::UnboundedSender<Message>,
    relays: mpsc::Sender<Relay>,
}

/// The receiving side of one worker.
#[derive(Debug)]
pub(crate) struct Inbox {
    pub(crate) shared: Arc<WorkerShared>,
    pub(crate) commands: mpsc::UnboundedReceiver<Message>,
    /// For what the worker's own tasks have to say.
    pub(crate) own: mpsc::UnboundedSender<Message>,
    pub(crate) relays: mpsc::Receiver<Relay>,
}

#[derive(Debug)]
pub(crate) struct WorkerShared {
    pub(crate) id: WorkerId,
    /// Connections bound to this worker, for choosing the least used one.
    load: AtomicUsize,
    pub(crate) durations: Distribution,
    pub(crate) delays: Distribution,
    pub(crate) relays_dropped: AtomicU64,
}

impl WorkerPool {
    /// A pool of `min(workers, cores)` threads, at least one. No thread runs before `start`.
    pub fn new(workers: u32) -> Arc<WorkerPool> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let count = usize::try_from(workers).unwrap_or(cores).clamp(1, cores);
        let (workers, inboxes) = (0..count).map(|_| new_worker()).unzip();
        Arc::new(WorkerPool {
            workers,
            inboxes: Mutex::new(inboxes),
            closed: AtomicBool::new(false),
        })
    }

    /// Starts the threads; a second call has no effect. Work that was sent before is done now.
    pub fn start(&self) {
        let inboxes = std::mem::take(&mut *self.lock_inboxes());
        for inbox in inboxes {
            worker::spawn(inbox);
        }
    }

    /// Takes no new connections. Open ones run on until they are closed; the threads end with the
    /// last of them, and nobody waits for that (contract THP-3, LIF-2).
    pub fn close(&self) {
        if !self.closed.swap(true, Ordering::AcqRel) {
            // Never started: dropping the inboxes drops the queued commands, whose replies then
            // settle by themselves (contract THP-4).
            self.lock_inboxes().clear();
            for worker in &self.workers {
                worker.send(Message::Shutdown);
            }
        }
    }

    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Tasks by execution time, summed over the workers.
    pub fn durations(&self) -> [u64; 5] {
        self.sum(|shared| shared.durations.counts())
    }

    /// Tasks by the time they waited in the queue.
    pub fn delays(&self) -> [u64; 5] {
        self.sum(|shared| shared.delays.counts())
    }

    pub fn reset_stats(&self) {
        for worker in &self.workers {
            worker.shared.durations.reset();
            worker.shared.delays.reset();
        }
    }

    /// Binds one more connection to the worker with the fewest (contract THP-5).
    pub(crate) fn bind(&self) -> WorkerHandle {
        let load = |worker: &&WorkerHandle| worker.shared.load.load(Ordering::Relaxed);
        // `new` makes at least one worker.
        let worker = self.workers.iter().min_by_key(load).expect("a pool has a worker");
        worker.shared.load.fetch_add(1, Ordering::Relaxed);
        worker.clone()
    }

    fn sum(&self, counts: impl Fn(&WorkerShared) -> [u64; 5]) -> [u64; 5] {
        self.workers.iter().fold([0; 5], |mut total, worker| {
            for (sum, count) in total.iter_mut().zip(counts(&worker.shared)) {
                *sum += count;
            }
            total
        })
    }

    fn lock_inboxes(&self) -> std::sync::MutexGuard<'_, Vec<Inbox>> {
        self.inboxes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for WorkerPool {
    fn drop(&mut self) {
        self.close();
    }
}

impl WorkerHandle {
    pub(crate) fn id(&self) -> WorkerId {
        self.shared.id
    }

    pub(crate) fn send_command(&self, command: Command) {
        self.send(Message::Command { command, sent_at: Instant::now() });
    }

    /// A worker that has ended drops the message, and with it any reply inside.
    pub(crate) fn send(&self, message: Message) {
        let _ = self.commands.send(message);
    }

    /// Hands a batch to another worker without waiting; a full queue drops it with a count.
    pub(crate) fn relay(&self, relay: Relay) {
        if self.relays.try_send(relay).is_err() {
            self.shared.relays_dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// One connection less is bound to this worker.
    pub(crate) fn unbind(&self) {
        self.shared.load.fetch_sub(1, Ordering::Relaxed);
    }
}

fn new_worker() -> (WorkerHandle, Inbox) {
    static NEXT_ID: AtomicU64 = AtomicU64::new(1);
    let shared = Arc::new(WorkerShared {
        id: WorkerId(NEXT_ID.fetch_add(1, Ordering::Relaxed)),
        load: AtomicUsize::new(0),
        durations: Distribution::default(),
        delays: Distribution::default(),
        relays_dropped: AtomicU64::new(0),
    });
    let (commands, command_inbox) = mpsc::unbounded_channel();
    let (relays, relay_inbox) = mpsc::channel(RELAY_QUEUE);
    let own = commands.clone();
    let handle = WorkerHandle { shared: Arc::clone(&shared), commands, relays };
    (handle, Inbox { shared, commands: command_inbox, own, relays: relay_inbox })
}
