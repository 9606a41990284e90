//! What the subscribers of one publisher on one worker share: its last packets and its clocks.
//!
//! The list of subscribers itself belongs to the layer above, which calls each of them with every
//! packet stored here.

use std::sync::Arc;

use super::clock::MediaClock;
use super::packet::MediaPacket;
use super::ring::TrackRing;
use crate::rtp::id::{MediaKind, Ssrc};

/// See the module documentation.
#[derive(Debug, Default)]
pub struct FanOut {
    audio: Option<TrackRing>,
    /// By layer.
    video: Vec<TrackRing>,
    clocks: Vec<MediaClock>,
}

impl FanOut {
    /// Packets kept per video layer. Twice erizo's 256 (M-RTX-1), which is less than a second of
    /// HD video; a slot costs one packet of a publisher, whatever the number of subscribers.
    const VIDEO_PACKETS: usize = 512;
    /// 2.5 s of Opus.
    const AUDIO_PACKETS: usize = 128;
    /// Video layers and clocks of a publisher: RFC 8853 sets no limit, browsers send 3.
    const MAX_LAYERS: usize = 8;

    pub fn new() -> Self {
        FanOut::default()
    }

    pub fn store(&mut self, packet: &Arc<MediaPacket>) {
        let info = packet.info();
        match info.kind {
            MediaKind::Audio => self
                .audio
                .get_or_insert_with(|| TrackRing::new(Self::AUDIO_PACKETS))
                .store(packet),
            MediaKind::Video => {
                let layer = usize::from(info.layer);
                if layer >= Self::MAX_LAYERS {
                    return;
                }
                while self.video.len() <= layer {
                    self.video.push(TrackRing::new(Self::VIDEO_PACKETS));
                }
                if let Some(ring) = self.video.get_mut(layer) {
                    ring.store(packet);
                }
            }
        }
    }

    pub fn packet(&self, kind: MediaKind, layer: u8, sequence: u64) -> Option<&Arc<MediaPacket>> {
        let ring = match kind {
            MediaKind::Audio => self.audio.as_ref(),
            MediaKind::Video => self.video.get(usize::from(layer)),
        };
        ring?.packet(sequence)
    }

    /// A sender report of the publisher was understood.
    pub fn set_clock(&mut self, clock: MediaClock) {
        if let Some(known) = self.clocks.iter_mut().find(|known| known.ssrc == clock.ssrc) {
            *known = clock;
        } else {
            if self.clocks.len() > Self::MAX_LAYERS {
                self.clocks.remove(0);
            }
            self.clocks.push(clock);
        }
    }

    pub fn clock(&self, ssrc: Ssrc) -> Option<&MediaClock> {
        self.clocks.iter().find(|clock| clock.ssrc == ssrc)
    }

    /// Another publisher takes over, or none.
    pub fn clear(&mut self) {
        *self = FanOut::default();
    }
}

#[cfg(test)]
mod test {
    use std::time::Instant;

    use super::super::packet::test::media_packet;
    use super::*;
    use crate::rtp::codec::Codec;

    #[test]
    fn keeps_audio_and_video_apart() {
        let data = [0x80, 111, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 7];
        let mut fan_out = FanOut::new();
        fan_out.store(&media_packet(&data, Codec::Opus, 10));
        fan_out.store(&media_packet(&data, Codec::Vp8, 11));
        assert!(fan_out.packet(MediaKind::Audio, 0, 10).is_some());
        assert!(fan_out.packet(MediaKind::Audio, 0, 11).is_none());
        assert!(fan_out.packet(MediaKind::Video, 0, 11).is_some());
        assert!(fan_out.packet(MediaKind::Video, 1, 11).is_none());
    }

    #[test]
    fn clocks_are_kept_per_source_and_bounded() {
        let mut fan_out = FanOut::new();
        for n in 0..100 {
            for timestamp in [1, 2] {
                fan_out.set_clock(MediaClock {
                    ssrc: Ssrc(n),
                    timestamp,
                    at: Instant::now(),
                    clock_rate_hz: 90_000,
                });
            }
        }
        assert_eq!(fan_out.clock(Ssrc(99)).map(|clock| clock.timestamp), Some(2));
        assert!(fan_out.clock(Ssrc(0)).is_none());
    }
}
