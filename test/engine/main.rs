//! Engine tests.

mod layering;
