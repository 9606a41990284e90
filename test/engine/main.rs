//! Engine tests.

mod srtp_hostile;
mod srtp_oracle;
mod srtp_packets;
