//! Deadlines of everything a worker owns, in one heap: what is idle costs nothing.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hash::Hash;
use std::time::{Duration, Instant};

use crate::connection::identity_hash::IdMap;

/// Each key has at most one armed deadline. A deadline that moved later leaves its old entry in
/// the heap: the early wake-up is harmless and arms the right one.
#[derive(Debug)]
pub(crate) struct Timers<K> {
    heap: BinaryHeap<Reverse<(Instant, K)>>,
    armed: IdMap<K, Instant>,
}

impl<K: Copy + Ord + Hash> Timers<K> {
    pub(crate) fn new() -> Self {
        Timers { heap: BinaryHeap::new(), armed: IdMap::default() }
    }

    /// Makes sure that `key` wakes up no later than `deadline`, but not at once again: whoever is
    /// late twice must not keep the worker from everything else.
    pub(crate) fn arm(&mut self, now: Instant, key: K, deadline: Option<Instant>) {
        let Some(deadline) = deadline else { return };
        let deadline = deadline.max(now + SHORTEST_SLEEP);
        if self.armed.get(&key).is_some_and(|armed| *armed <= deadline) {
            return;
        }
        self.armed.insert(key, deadline);
        self.heap.push(Reverse((deadline, key)));
    }

    /// The next key whose deadline has passed; it is no longer armed then.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<K> {
        while let Some(Reverse((deadline, key))) = self.heap.peek().copied() {
            if deadline > now {
                return None;
            }
            self.heap.pop();
            if self.armed.get(&key) == Some(&deadline) {
                self.armed.remove(&key);
                return Some(key);
            }
        }
        None
    }

    /// The earliest armed deadline.
    pub(crate) fn next(&mut self) -> Option<Instant> {
        while let Some(Reverse((deadline, key))) = self.heap.peek() {
            if self.armed.get(key) == Some(deadline) {
                return Some(*deadline);
            }
            self.heap.pop();
        }
        None
    }

    pub(crate) fn forget(&mut self, key: K) {
        self.armed.remove(&key);
    }
}

/// What a packet waits for at most because of it.
const SHORTEST_SLEEP: Duration = Duration::from_millis(1);

#[cfg(test)]
mod test {
    use super::*;

    fn start() -> Instant {
        #[allow(clippy::disallowed_methods, reason = "any instant will do")]
        Instant::now()
    }

    #[test]
    fn keys_come_due_in_order_and_once() {
        let t = start();
        let at = |ms| t + Duration::from_millis(ms);
        let mut timers = Timers::new();
        timers.arm(t, 1u64, Some(at(20)));
        timers.arm(t, 2, Some(at(10)));
        timers.arm(t, 3, None);
        assert_eq!(timers.next(), Some(at(10)));
        assert_eq!(timers.pop_due(at(5)), None);
        assert_eq!(timers.pop_due(at(30)), Some(2));
        assert_eq!(timers.pop_due(at(30)), Some(1));
        assert_eq!(timers.pop_due(at(30)), None);
        assert_eq!(timers.next(), None);
    }

    #[test]
    fn an_earlier_deadline_replaces_a_later_one() {
        let t = start();
        let at = |ms| t + Duration::from_millis(ms);
        let mut timers = Timers::new();
        timers.arm(t, 1u64, Some(at(20)));
        timers.arm(t, 1, Some(at(10)));
        timers.arm(t, 1, Some(at(15)));
        assert_eq!(timers.pop_due(at(10)), Some(1));
        assert_eq!(timers.pop_due(at(40)), None);
    }

    #[test]
    fn a_forgotten_key_never_comes_due() {
        let t = start();
        let mut timers = Timers::new();
        timers.arm(t, 1u64, Some(t));
        timers.forget(1);
        assert_eq!(timers.next(), None);
        assert_eq!(timers.pop_due(t), None);
    }

    #[test]
    fn a_deadline_that_has_passed_does_not_come_due_at_once() {
        let t = start();
        let mut timers = Timers::new();
        timers.arm(t, 1u64, Some(t));
        assert_eq!(timers.pop_due(t), None);
        assert_eq!(timers.pop_due(t + SHORTEST_SLEEP), Some(1));
    }
}
