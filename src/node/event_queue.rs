//! The one ordered way from the engine's threads to the JavaScript thread of one environment:
//! connection events, stream events, callbacks and promise settlements leave in the order in which
//! the engine produced them (contract LIF-4, LIF-9, EVT-20).
//!
//! The length is bounded by what can be under way: one item per call that JavaScript has made, a
//! handful of states and candidates per connection. None of them may be lost, so none is dropped.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use napi::Env;

use crate::connection::error::ConnectionError;
use crate::connection::event::{ConnectionEvent, StreamEvent};
use crate::negotiation::description::SessionDescription;
use crate::node::raw::Wakeup;

/// Names a promise or a callback that waits in the environment.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct TicketId(pub u64);

/// Names the listener of one connection or stream in the environment.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SlotId(pub u64);

#[derive(Debug)]
pub enum Item {
    Settle {
        ticket: TicketId,
        outcome: Outcome,
        completed: Instant,
    },
    /// Delivers the current state to a new callback (contract WRC-20).
    Announce {
        slot: SlotId,
    },
    Connection {
        slot: SlotId,
        event: ConnectionEvent,
    },
    Stream {
        slot: SlotId,
        event: StreamEvent,
    },
}

#[derive(Debug)]
pub enum Outcome {
    Text(Cow<'static, str>),
    Description(Box<SessionDescription>),
    Refused(ConnectionError),
}

/// Shared by everything that reports to one environment.
#[derive(Debug)]
pub struct EventQueue {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    items: VecDeque<Item>,
    /// `None` once the environment has gone: whatever comes then is dropped silently.
    wakeup: Option<Wakeup>,
}

impl EventQueue {
    pub fn new(env: &Env) -> napi::Result<EventQueue> {
        let wakeup = Some(Wakeup::new(env)?);
        Ok(EventQueue { inner: Mutex::new(Inner { items: VecDeque::new(), wakeup }) })
    }

    /// From any thread.
    pub fn push(&self, item: Item) {
        let mut inner = self.lock();
        // Waking under the lock keeps `close` from ending the wakeup in between.
        if inner.wakeup.is_some() {
            inner.items.push_back(item);
        }
        if let Some(wakeup) = &inner.wakeup {
            wakeup.wake();
        }
    }

    pub fn pop(&self) -> Option<Item> {
        self.lock().items.pop_front()
    }

    /// Whether the event loop waits for this queue.
    pub fn keep_alive(&self, env: &Env, keep: bool) {
        if let Some(wakeup) = &self.lock().wakeup {
            wakeup.keep_alive(env, keep);
        }
    }

    /// The environment goes away.
    pub fn close(&self) {
        let mut inner = self.lock();
        let ended = (inner.wakeup.take(), std::mem::take(&mut inner.items));
        drop(inner);
        drop(ended);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
