//! RTP and RTCP on the wire: views over packets, header extensions, codec descriptors, reports.
//!
//! Raw 16 and 32 bit sequence numbers and timestamps stay inside this layer; above it they are
//! extended to 64 bits. Parsers take any bytes: they never panic, never read past the end, and on
//! the packet path (`packet`, `extension`, `codec`) never allocate.

pub mod codec;
pub mod error;
pub mod extension;
pub mod id;
pub mod packet;
pub mod sequence;

#[cfg(test)]
mod mutation;
