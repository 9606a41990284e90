//! Engine tests.

mod layering;
mod negotiation_scenarios;
mod negotiation_support;
mod srtp_hostile;
mod srtp_oracle;
mod srtp_packets;
