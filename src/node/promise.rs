//! What an engine thread holds while a promise or a callback waits: a ticket that is settled
//! exactly once, whatever becomes of the operation (contract LIF-8, WRC-64, OTM-6).

use std::borrow::Cow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::connection::command::Reply;
use crate::connection::error::ConnectionError;
use crate::negotiation::description::SessionDescription;
use crate::node::event_queue::{EventQueue, Item, Outcome, TicketId};
use crate::stats::distribution::Distribution;

/// Dropping it unsettled settles it with its fallback text: a deferred that is never settled would
/// keep the process alive for good.
#[derive(Debug)]
pub struct Pending {
    queue: Arc<EventQueue>,
    ticket: TicketId,
    fallback: &'static str,
    settled: bool,
}

/// Promises made after `close()` was called; they settle behind its own (contract LIF-9, LIF-16).
#[derive(Debug)]
pub struct Tail {
    /// `None` once the close has completed.
    waiting: Mutex<Option<Vec<Pending>>>,
}

/// Settles the promise of `close()` and then the tail, also when the worker drops it.
#[derive(Debug)]
struct Closing {
    pending: Option<Pending>,
    tail: Arc<Tail>,
}

/// Promises of one object by how long they took (contract WRC-66).
#[derive(Debug, Default)]
pub struct PromiseCounts {
    /// From the call to native completion.
    pub durations: Distribution,
    /// From native completion to the settlement on the JavaScript thread.
    pub delays: Distribution,
}

impl PromiseCounts {
    pub fn reset(&self) {
        self.durations.reset();
        self.delays.reset();
    }
}

impl Pending {
    pub fn new(queue: Arc<EventQueue>, ticket: TicketId, fallback: &'static str) -> Pending {
        Pending { queue, ticket, fallback, settled: false }
    }

    pub fn settle(mut self, outcome: Outcome) {
        self.push(outcome);
    }

    pub fn settle_with(self, text: &'static str) {
        self.settle(Outcome::Text(Cow::Borrowed(text)));
    }

    /// Success resolves with `text`; an object closed meanwhile resolves with `''`.
    pub fn reply(self, text: &'static str) -> Reply<()> {
        Box::new(move |result| match result {
            Ok(()) => self.settle_with(text),
            Err(error) => self.refuse(error),
        })
    }

    pub fn reply_description(self) -> Reply<Box<SessionDescription>> {
        Box::new(move |result| match result {
            Ok(description) => self.settle(Outcome::Description(description)),
            Err(error) => self.refuse(error),
        })
    }

    /// Failure calls back with the fallback, which is an empty document.
    pub fn reply_document(self) -> Reply<String> {
        Box::new(move |result| {
            if let Ok(document) = result {
                self.settle(Outcome::Text(Cow::Owned(document)));
            }
        })
    }

    fn refuse(self, error: ConnectionError) {
        if error != ConnectionError::Closed {
            self.settle(Outcome::Refused(error));
        }
    }

    fn push(&mut self, outcome: Outcome) {
        self.settled = true;
        let completed = Instant::now();
        self.queue.push(Item::Settle { ticket: self.ticket, outcome, completed });
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if !self.settled {
            self.push(Outcome::Text(Cow::Borrowed(self.fallback)));
        }
    }
}

impl Tail {
    /// The tail of a close that begins now, and the reply that ends it.
    pub fn begin(pending: Pending, text: &'static str) -> (Arc<Tail>, Reply<()>) {
        let tail = Arc::new(Tail { waiting: Mutex::new(Some(Vec::new())) });
        let mut closing = Closing { pending: Some(pending), tail: Arc::clone(&tail) };
        let reply: Reply<()> = Box::new(move |result| {
            if let (Some(pending), Ok(())) = (closing.pending.take(), result) {
                pending.settle_with(text);
            }
        });
        (tail, reply)
    }

    /// Resolves `pending` with its fallback, behind the close.
    pub fn append(&self, pending: Pending) {
        if let Some(waiting) = self.lock().as_mut() {
            waiting.push(pending);
        } // Otherwise dropped: it settles at once.
    }

    fn lock(&self) -> MutexGuard<'_, Option<Vec<Pending>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Closing {
    fn drop(&mut self) {
        drop(self.pending.take());
        let waiting = self.tail.lock().take();
        drop(waiting); // In order, each with its fallback.
    }
}
