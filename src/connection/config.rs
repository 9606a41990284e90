//! What a connection or a stream is built from, checked once by the caller.

use std::ops::RangeInclusive;

use crate::negotiation::configuration::MediaConfiguration;
use crate::rtp::id::Ssrc;
use crate::transport::SrtpProfile;

/// Identifies a connection within the process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConnectionId(pub u64);

/// Identifies a stream within the process; the id that JavaScript chose is only a name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct StreamKey(pub u64);

/// Identifies a fan-out (`OneToManyProcessor`) within the process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FanOutId(pub u64);

/// Identifies a worker within the process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct WorkerId(pub u64);

/// Constructor parameters of a connection (contract section 2.3.1).
#[derive(Clone, Debug)]
pub struct ConnectionConfig {
    /// Name for logs.
    pub name: String,
    pub media: MediaConfiguration,
    /// Local candidates are reported one by one and descriptions do not wait for them.
    pub trickle: bool,
    /// `false` only where the embedding program said exactly `false` (security.md H2).
    pub encrypt: bool,
    pub ice_lite: bool,
    /// Local ports, both ends included; `None`: any.
    pub ports: Option<RangeInclusive<u16>>,
    /// Gather on this interface only; `None`: on every interface that is up.
    pub network_interface: Option<String>,
    /// Asked what our addresses look like from outside; `None`: nobody is (contract ICE-4).
    pub stun: Option<ServerAddress>,
    /// SRTP protection profiles in order of preference; not empty.
    pub srtp_profiles: Vec<SrtpProfile>,
}

/// A server by name or address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServerAddress {
    pub host: String,
    pub port: u16,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StreamRole {
    /// Media flows from the peer to us.
    Publisher,
    /// Media flows from us to the peer.
    Subscriber,
}

/// Constructor parameters of a stream (contract section 2.4.1).
#[derive(Clone, Debug)]
pub struct StreamConfig {
    pub key: StreamKey,
    /// Unique inside its connection.
    pub id: String,
    /// MediaStream id in `a=msid`; not unique.
    pub label: String,
    pub role: StreamRole,
    pub has_audio: bool,
    pub has_video: bool,
    /// SSRC under which we send audio: media of a subscriber, reports of a publisher (MST-4, MST-5).
    pub audio_ssrc: Ssrc,
    /// The same for video.
    pub video_ssrc: Ssrc,
    pub priority: String,
}
