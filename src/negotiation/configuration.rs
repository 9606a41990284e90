//! The media configuration: codecs and header extensions that a connection supports.

/// Contract section 4.3.
#[derive(Clone, Debug, Default)]
pub struct MediaConfiguration {}
