//! RTP and RTCP on the wire: views over packets, header extensions, codec descriptors, reports.
//!
//! Raw 16 and 32 bit sequence numbers and timestamps stay inside this layer; above it they are
//! extended to 64 bits.

pub mod id;
