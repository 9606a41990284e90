//! Engine tests.

mod srtp_hostile;
mod srtp_oracle;
mod srtp_packets;
mod negotiation_scenarios;
mod negotiation_support;
mod layering;
