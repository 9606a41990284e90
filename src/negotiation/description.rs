//! The typed session description.

/// Contract section 4.
#[derive(Clone, Debug, Default)]
pub struct SessionDescription {}
