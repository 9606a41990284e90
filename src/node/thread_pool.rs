//! `ThreadPool`: a scheduling domain (contract section 2.1).

use std::sync::Arc;

use napi::bindgen_prelude::Unknown;
use napi::{Env, Result};
use napi_derive::napi;

use crate::node::arguments;
use crate::runtime::pool::WorkerPool;

/// Worker threads shared by the connections that are built on them.
#[napi]
pub struct ThreadPool {
    pub(crate) pool: Arc<WorkerPool>,
}

#[napi]
impl ThreadPool {
    /// A pool of at most `numWorkers` threads, never more than there are cores and at least one.
    /// No thread runs before `start()`.
    ///
    /// Throws `TypeError` without arguments.
    #[napi(constructor, catch_unwind, ts_args_type = "numWorkers: number")]
    pub fn new(env: &Env, num_workers: Unknown<'_>) -> Result<ThreadPool> {
        arguments::demand(env, &num_workers, "numWorkers", "new ThreadPool(numWorkers)")?;
        let pool = WorkerPool::new(arguments::uint32(&num_workers)?.max(1));
        Ok(ThreadPool { pool })
    }

    /// Starts the threads. They do not keep the process alive. A second call has no effect.
    #[napi(catch_unwind)]
    pub fn start(&self) {
        self.pool.start();
    }

    /// Takes no new connections; open ones go on until they are closed. A second call has no
    /// effect.
    #[napi(catch_unwind)]
    pub fn close(&self) {
        self.pool.close();
    }

    /// Tasks since the last reset by execution time: at most 10, 50, 100 and 1000 ms, and above.
    #[napi(catch_unwind, ts_return_type = "[number, number, number, number, number]")]
    pub fn get_duration_distribution(&self) -> Vec<f64> {
        as_numbers(self.pool.durations())
    }

    /// Tasks since the last reset by the time they waited in the queue, in the same classes.
    #[napi(catch_unwind, ts_return_type = "[number, number, number, number, number]")]
    pub fn get_delay_distribution(&self) -> Vec<f64> {
        as_numbers(self.pool.delays())
    }

    /// Zeroes both distributions.
    #[napi(catch_unwind)]
    pub fn reset_stats(&self) {
        self.pool.reset_stats();
    }
}

/// Counts as JavaScript numbers.
pub(crate) fn as_numbers(counts: [u64; 5]) -> Vec<f64> {
    counts.iter().map(|count| *count as f64).collect()
}
