//! Counters, moving rates and the documents made of them. Written by every layer above, read by
//! callers only: no decision of the engine reads a statistic back.

pub mod distribution;
pub mod moving_rate;
