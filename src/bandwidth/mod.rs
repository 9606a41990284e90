//! The `bandwidth` layer.
