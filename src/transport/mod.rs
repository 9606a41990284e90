//! stub
pub mod certificate;
pub mod error;
