//! The transport of one connection: ICE, DTLS and SRTP as one machine.

pub mod certificate;
pub mod error;
pub mod srtp;
