//! Engine tests.

mod negotiation_scenarios;
mod negotiation_sdp;
mod negotiation_support;
