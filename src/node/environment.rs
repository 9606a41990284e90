//! What the binding keeps per environment (the main thread, or one worker thread, and one load of
//! the addon): listeners, waiting promises, and the drain of the event queue.
//!
//! Only ever touched on the JavaScript thread. Nothing is borrowed while JavaScript runs, because a
//! callback may call anything here again.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use napi::bindgen_prelude::{JsObjectValue, Object, Unknown};
use napi::{Env, Error, JsValue, Result};

use crate::connection::command::{ConnectionListener, StreamListener};
use crate::connection::event::{ConnectionEvent, ConnectionState, StreamEvent};
use crate::negotiation::description::SessionDescription;
use crate::node::connection_description::ConnectionDescription;
use crate::node::event_queue::{EventQueue, Item, Outcome, SlotId, TicketId};
use crate::node::promise::{Pending, PromiseCounts};
use crate::node::raw::{self, Callback, Deferred};
use crate::node::{error, events};
use crate::runtime::handle::ConnectionHandle;

/// The text of an empty statistics document.
pub const EMPTY_DOCUMENT: &str = "{}";
/// What `close` callbacks are called with.
pub const CLOSED: &str = "OK";

pub struct Environment {
    queue: Arc<EventQueue>,
    next_id: Cell<u64>,
    tickets: RefCell<HashMap<TicketId, Ticket>>,
    connections: RefCell<HashMap<SlotId, ConnectionSlot>>,
    streams: RefCell<HashMap<SlotId, Option<Rc<Callback>>>>,
    announcements: Cell<usize>,
    kept_alive: Cell<bool>,
    /// The class as this load exports it (contract OBJ-4).
    description_class: RefCell<Option<Callback>>,
}

/// A promise or a callback that waits for its outcome.
enum Ticket {
    Promise { deferred: Deferred, called: Instant, counts: Option<Rc<PromiseCounts>> },
    Callback { function: Callback, owner: Option<SlotId> },
}

/// The listener of one connection; kept until its `close()` (contract LIF-1, LIF-3).
struct ConnectionSlot {
    handle: Option<ConnectionHandle>,
    /// The last state that came out of the queue, so that it fits in between the events.
    state: ConnectionState,
    callback: Option<Rc<Callback>>,
    /// Given to the first `init`; hears nothing that happened before (contract WRC-21).
    coming: Option<Rc<Callback>>,
}

/// Prepares a freshly loaded environment.
pub fn install(env: &Env, exports: &Object<'_>) -> Result<()> {
    let class: Unknown<'_> = exports.get_named_property("ConnectionDescription")?;
    let environment = Rc::new(Environment {
        queue: Arc::new(EventQueue::new(env)?),
        next_id: Cell::new(0),
        tickets: RefCell::default(),
        connections: RefCell::default(),
        streams: RefCell::default(),
        announcements: Cell::new(0),
        kept_alive: Cell::new(false),
        description_class: RefCell::new(raw::function(&class)),
    });
    env.set_instance_data(Rc::clone(&environment), (), |_| {})?;
    // Runs before the wakeup's own hook, because hooks run in reverse order of their making.
    env.add_env_cleanup_hook(environment, |environment| environment.tear_down())?;
    Ok(())
}

/// Delivers one item of the queue. Called by `raw::Wakeup` once for each item.
pub fn deliver(env: &Env) {
    let Ok(environment) = Environment::of(env) else { return };
    match environment.queue.pop() {
        Some(Item::Settle { ticket, outcome, completed }) => {
            environment.settle(env, ticket, outcome, completed);
        }
        Some(Item::Announce { slot }) => environment.announce(env, slot),
        Some(Item::Connection { slot, event }) => environment.connection_event(env, slot, event),
        Some(Item::Stream { slot, event }) => environment.stream_event(env, slot, event),
        None => {}
    }
}

impl Environment {
    pub fn of(env: &Env) -> Result<Rc<Environment>> {
        let environment = env.get_instance_data::<Rc<Environment>>()?;
        environment.cloned().ok_or_else(|| Error::from_reason("the addon is not initialised"))
    }

    /// A promise that settles with what becomes of the ticket.
    pub fn promise<'env>(
        &self,
        env: &'env Env,
        counts: Option<&Rc<PromiseCounts>>,
    ) -> Result<(Unknown<'env>, Pending)> {
        let (deferred, promise) = Deferred::new(env)?;
        let ticket = Ticket::Promise { deferred, called: Instant::now(), counts: counts.cloned() };
        Ok((promise, self.add_ticket(env, ticket, "")))
    }

    /// Calls `function` once, with a text. `owner`: the stream whose `close()` calls it off
    /// (contract LIF-7).
    pub fn callback(
        &self,
        env: &Env,
        function: Callback,
        owner: Option<SlotId>,
        fallback: &'static str,
    ) -> Pending {
        self.add_ticket(env, Ticket::Callback { function, owner }, fallback)
    }

    pub fn add_connection(&self) -> (SlotId, ConnectionListener) {
        let slot = SlotId(self.next_id());
        self.connections.borrow_mut().insert(
            slot,
            ConnectionSlot {
                handle: None,
                state: ConnectionState::Initial,
                callback: None,
                coming: None,
            },
        );
        let queue = Arc::clone(&self.queue);
        (slot, Box::new(move |event| queue.push(Item::Connection { slot, event })))
    }

    /// Lets the environment close the connection when it goes away itself.
    pub fn opened(&self, slot: SlotId, handle: &ConnectionHandle) {
        if let Some(slot) = self.connections.borrow_mut().get_mut(&slot) {
            slot.handle = Some(handle.clone());
        }
    }

    /// Replaces the event callback and announces the current state to it (contract WRC-20).
    pub fn listen(&self, env: &Env, id: SlotId, callback: Callback) {
        let callback = Rc::new(callback);
        if let Some(slot) = self.connections.borrow_mut().get_mut(&id) {
            match slot.callback {
                Some(_) => slot.callback = Some(callback),
                None => slot.coming = Some(callback),
            }
            self.announcements.set(self.announcements.get() + 1);
            self.queue.push(Item::Announce { slot: id });
        }
        self.update_keep_alive(env);
    }

    /// From now on events of the connection find nobody (contract LIF-6).
    pub fn remove_connection(&self, slot: SlotId) {
        let removed = self.connections.borrow_mut().remove(&slot);
        drop(removed);
    }

    pub fn add_stream(&self) -> (SlotId, StreamListener) {
        let slot = SlotId(self.next_id());
        self.streams.borrow_mut().insert(slot, None);
        let queue = Arc::clone(&self.queue);
        (slot, Box::new(move |event| queue.push(Item::Stream { slot, event })))
    }

    pub fn listen_to_stream(&self, slot: SlotId, callback: Callback) {
        if let Some(listener) = self.streams.borrow_mut().get_mut(&slot) {
            *listener = Some(Rc::new(callback));
        }
    }

    /// From now on neither events nor statistics of the stream find anybody (contract LIF-7).
    pub fn remove_stream(&self, env: &Env, slot: SlotId) {
        let removed = self.streams.borrow_mut().remove(&slot);
        self.tickets.borrow_mut().retain(
            |_, ticket| !matches!(ticket, Ticket::Callback { owner: Some(owner), .. } if *owner == slot),
        );
        drop(removed);
        self.update_keep_alive(env);
    }

    /// A new instance of the class that this load exports (contract OBJ-4).
    pub fn description<'env>(
        &self,
        env: &'env Env,
        description: SessionDescription,
    ) -> Result<Unknown<'env>> {
        let object = match &*self.description_class.borrow() {
            Some(class) => class.borrow_back(env)?.new_instance(())?,
            None => return Err(Error::from_reason("the environment is closing")),
        };
        match raw::instance::<ConnectionDescription>(&object) {
            Some(instance) => instance.replace(description),
            None => return Err(Error::from_reason("ConnectionDescription made a foreign object")),
        }
        Ok(object)
    }

    fn settle(&self, env: &Env, id: TicketId, outcome: Outcome, completed: Instant) {
        let ticket = self.tickets.borrow_mut().remove(&id);
        self.update_keep_alive(env);
        match ticket {
            Some(Ticket::Promise { deferred, called, counts }) => {
                if let Some(counts) = counts {
                    counts.durations.record(completed.saturating_duration_since(called));
                    counts.delays.record(completed.elapsed());
                }
                match self.value(env, outcome) {
                    Ok(Ok(value)) => deferred.resolve(env, value),
                    Ok(Err(reason)) => deferred.reject(env, reason),
                    Err(error) => {
                        deferred.reject(env, napi::JsError::from(error).into_unknown(*env))
                    }
                }
            }
            Some(Ticket::Callback { function, .. }) => {
                if let Ok(Ok(text)) = self.value(env, outcome) {
                    raw::call_from_loop(env, &function, &[text]);
                }
            }
            None => {}
        }
    }

    /// What a promise resolves with, or is rejected with.
    fn value<'env>(
        &self,
        env: &'env Env,
        outcome: Outcome,
    ) -> Result<std::result::Result<Unknown<'env>, Unknown<'env>>> {
        Ok(match outcome {
            Outcome::Text(text) => Ok(env.create_string(&text)?.to_unknown()),
            Outcome::Description(description) => Ok(self.description(env, *description)?),
            Outcome::Refused(reason) => Err(error::rejection(env, &reason)),
        })
    }

    fn announce(&self, env: &Env, id: SlotId) {
        self.announcements.set(self.announcements.get().saturating_sub(1));
        self.update_keep_alive(env);
        let (callback, state) = match self.connections.borrow_mut().get_mut(&id) {
            Some(slot) => {
                if let Some(callback) = slot.coming.take() {
                    slot.callback = Some(callback);
                }
                (slot.callback.clone(), slot.state)
            }
            None => return,
        };
        if let Some(callback) = callback {
            call_listener(env, &callback, events::state_code(state), "");
        }
    }

    fn connection_event(&self, env: &Env, id: SlotId, event: ConnectionEvent) {
        let callback = match self.connections.borrow_mut().get_mut(&id) {
            Some(slot) => {
                if let ConnectionEvent::State(state) = &event {
                    slot.state = *state;
                }
                slot.callback.clone()
            }
            None => return,
        };
        let Some(callback) = callback else { return };
        match event {
            ConnectionEvent::State(state) => {
                call_listener(env, &callback, events::state_code(state), "");
            }
            ConnectionEvent::Candidate { candidate, mid } => {
                let message = events::candidate_message(&candidate, &mid);
                call_listener(env, &callback, events::CANDIDATE, &message);
            }
        }
    }

    fn stream_event(&self, env: &Env, id: SlotId, event: StreamEvent) {
        let callback = match self.streams.borrow().get(&id) {
            Some(Some(callback)) => Rc::clone(callback),
            _ => return,
        };
        let (name, message) = events::stream_event(event);
        if let (Ok(name), Ok(message)) = (env.create_string(name), env.create_string(message)) {
            raw::call_from_loop(env, &callback, &[name.to_unknown(), message.to_unknown()]);
        }
    }

    fn add_ticket(&self, env: &Env, ticket: Ticket, fallback: &'static str) -> Pending {
        let id = TicketId(self.next_id());
        self.tickets.borrow_mut().insert(id, ticket);
        self.update_keep_alive(env);
        Pending::new(Arc::clone(&self.queue), id, fallback)
    }

    /// The event loop waits for promises and callbacks, not for open connections.
    fn update_keep_alive(&self, env: &Env) {
        let keep = self.announcements.get() > 0 || !self.tickets.borrow().is_empty();
        if self.kept_alive.replace(keep) != keep {
            self.queue.keep_alive(env, keep);
        }
    }

    fn next_id(&self) -> u64 {
        self.next_id.set(self.next_id.get() + 1);
        self.next_id.get()
    }

    /// Nobody is left to listen: ports and media of this environment go with it.
    fn tear_down(&self) {
        self.queue.close();
        let connections = std::mem::take(&mut *self.connections.borrow_mut());
        for handle in connections.values().filter_map(|slot| slot.handle.as_ref()) {
            handle.close(Box::new(|_| {}));
        }
        self.streams.borrow_mut().clear();
        self.tickets.borrow_mut().clear();
        self.description_class.borrow_mut().take();
    }
}

fn call_listener(env: &Env, callback: &Callback, code: u32, message: &str) {
    if let (Ok(code), Ok(message)) = (env.create_uint32(code), env.create_string(message)) {
        raw::call_from_loop(env, callback, &[code.to_unknown(), message.to_unknown()]);
    }
}
