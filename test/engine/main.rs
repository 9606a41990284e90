//! Engine tests.

mod negotiation_description;
mod negotiation_hostile;
mod negotiation_roles;
mod negotiation_scenarios;
mod negotiation_sdp;
mod negotiation_support;
