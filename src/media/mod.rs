//! What happens to a stream between two connections: a publisher's packets become immutable and
//! shared, each subscriber writes its own copy, feedback goes back aggregated.

pub mod clock;
pub mod fan_out;
pub mod mute;
pub mod nack_generator;
pub mod packet;
pub mod payload_types;
pub mod periodic_key_frames;
pub mod pli_pacer;
pub mod ring;
pub mod sequence_map;
pub mod token_bucket;
