//! Engine tests.

mod negotiation_scenarios;
mod negotiation_support;
