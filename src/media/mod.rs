//! The `media` layer.
