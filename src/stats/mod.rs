//! The `stats` layer.
