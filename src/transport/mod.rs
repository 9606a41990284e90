//! The `transport` layer.
pub mod srtp;
