//! Counters and rates: written by every layer above, read by callers only.

pub mod distribution;
