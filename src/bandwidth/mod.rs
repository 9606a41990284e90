//! How much each side may send: what we tell publishers about what reaches us.

pub mod receive_side;
pub mod remote_estimate;
pub mod transport_feedback;
