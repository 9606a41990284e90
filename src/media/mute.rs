//! What a subscriber's peer sees instead of the publisher's picture: nothing or black while muted
//! (contract section 4.12), black until the first key frame (section 4.13).
//!
//! Decides only; the caller drops, forwards or writes a black key frame.

use std::time::{Duration, Instant};

/// What to do with one packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Show {
    Packet,
    /// A black key frame in its place.
    Black,
    Nothing,
}

/// Facts about a video packet that the decision rests on.
#[derive(Clone, Copy, Debug)]
pub struct Picture {
    /// First packet of a key frame (M-PKT-2).
    pub key_frame: bool,
    /// A black key frame exists for the codec (VP8).
    pub can_be_black: bool,
    /// Key frames of the codec are recognised at all; otherwise none is waited for.
    pub recognised: bool,
}

/// Whether video of one subscriber is shown.
#[derive(Debug)]
pub struct VideoMute {
    state: State,
    /// A key frame has passed, so the peer can decode (M-FKF-1).
    started: bool,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Open,
    Muted {
        last_black: Option<Instant>,
    },
    /// Unmuted, and muted still until a key frame comes (M-MUTE-3).
    Opening {
        last_black: Option<Instant>,
    },
}

impl VideoMute {
    /// A muted peer gets a black frame again after this (M-MUTE-2).
    const BLACK_INTERVAL: Duration = Duration::from_secs(5);

    pub fn new() -> Self {
        VideoMute { state: State::Open, started: false }
    }

    /// Tells whether a key frame is needed now.
    pub fn set(&mut self, muted: bool) -> bool {
        match (self.state, muted) {
            (State::Open, true) => {
                self.state = State::Muted { last_black: None };
                false
            }
            // The peer shows black already.
            (State::Opening { last_black }, true) => {
                self.state = State::Muted { last_black };
                false
            }
            (State::Muted { last_black }, false) => {
                self.state = State::Opening { last_black };
                true
            }
            (State::Open | State::Opening { .. }, false) | (State::Muted { .. }, true) => false,
        }
    }

    /// Whether the peer cannot show anything before a key frame comes.
    pub fn waits_for_key_frame(&self) -> bool {
        match self.state {
            State::Open => !self.started,
            State::Opening { .. } => true,
            State::Muted { .. } => false,
        }
    }

    /// The source of the packets changed: what comes next cannot be decoded without a key frame.
    pub fn restart(&mut self) {
        self.started = false;
    }

    pub fn decide(&mut self, now: Instant, picture: Picture) -> Show {
        self.started |= picture.key_frame || !picture.recognised;
        match &mut self.state {
            State::Open if self.started || !picture.can_be_black => Show::Packet,
            State::Open => Show::Black,
            State::Opening { .. } if picture.key_frame || !picture.recognised => {
                self.state = State::Open;
                Show::Packet
            }
            State::Muted { last_black } | State::Opening { last_black } => {
                let due = last_black.is_none_or(|last| {
                    now.saturating_duration_since(last) > Self::BLACK_INTERVAL
                });
                if picture.can_be_black && (picture.key_frame || due) {
                    *last_black = Some(now);
                    Show::Black
                } else {
                    Show::Nothing
                }
            }
        }
    }
}

impl Default for VideoMute {
    fn default() -> Self {
        VideoMute::new()
    }
}

#[cfg(test)]
mod test {
    use super::*;

    const KEY: Picture = Picture { key_frame: true, can_be_black: true, recognised: true };
    const DELTA: Picture = Picture { key_frame: false, ..KEY };
    const H264_KEY: Picture = Picture { can_be_black: false, ..KEY };
    const H264_DELTA: Picture = Picture { can_be_black: false, ..DELTA };
    const UNKNOWN: Picture = Picture { recognised: false, ..H264_DELTA };

    fn opened() -> VideoMute {
        let mut mute = VideoMute::new();
        assert_eq!(mute.decide(Instant::now(), KEY), Show::Packet);
        mute
    }

    #[test]
    fn vp8_is_black_until_the_first_key_frame_m_fkf_1() {
        let now = Instant::now();
        let mut mute = VideoMute::new();
        assert_eq!(mute.decide(now, DELTA), Show::Black);
        assert_eq!(mute.decide(now, DELTA), Show::Black);
        assert!(mute.waits_for_key_frame());
        assert_eq!(mute.decide(now, KEY), Show::Packet);
        assert_eq!(mute.decide(now, DELTA), Show::Packet);
        assert!(!mute.waits_for_key_frame());
    }

    #[test]
    fn other_codecs_pass_unchanged_m_fkf_2() {
        let now = Instant::now();
        let mut mute = VideoMute::new();
        assert_eq!(mute.decide(now, H264_DELTA), Show::Packet);
        assert!(mute.waits_for_key_frame());
        assert_eq!(mute.decide(now, H264_KEY), Show::Packet);
        assert!(!mute.waits_for_key_frame());
        let mut mute = VideoMute::new();
        assert_eq!(mute.decide(now, UNKNOWN), Show::Packet);
        assert!(!mute.waits_for_key_frame(), "its key frame would never be seen");
    }

    #[test]
    fn muted_vp8_is_black_at_once_at_key_frames_and_after_5_s_m_mute_2() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut mute = opened();
        assert!(!mute.set(true));
        assert_eq!(mute.decide(start, DELTA), Show::Black);
        assert_eq!(mute.decide(at(1), DELTA), Show::Nothing);
        assert_eq!(mute.decide(at(1000), KEY), Show::Black);
        assert_eq!(mute.decide(at(6000), DELTA), Show::Nothing);
        assert_eq!(mute.decide(at(6001), DELTA), Show::Black);
    }

    #[test]
    fn other_codecs_are_dropped_while_muted_m_mute_2() {
        let now = Instant::now();
        let mut mute = opened();
        mute.set(true);
        assert_eq!(mute.decide(now, H264_DELTA), Show::Nothing);
        assert_eq!(mute.decide(now, H264_KEY), Show::Nothing);
    }

    #[test]
    fn unmuting_waits_for_a_key_frame_m_mute_3() {
        let now = Instant::now();
        let mut mute = opened();
        mute.set(true);
        mute.decide(now, DELTA);
        assert!(mute.set(false), "asks for a key frame");
        assert!(!mute.set(false), "once");
        assert_eq!(mute.decide(now, DELTA), Show::Nothing);
        assert_eq!(mute.decide(now, KEY), Show::Packet);
        assert_eq!(mute.decide(now, DELTA), Show::Packet);
    }

    #[test]
    fn muting_again_before_the_key_frame_holds_m_mute_6() {
        let now = Instant::now();
        let mut mute = opened();
        mute.set(true);
        mute.decide(now, DELTA);
        mute.set(false);
        mute.set(true);
        assert_eq!(mute.decide(now, KEY), Show::Black);
        assert_eq!(mute.decide(now, DELTA), Show::Nothing);
    }

    #[test]
    fn unmuting_a_codec_without_known_key_frames_is_immediate() {
        let mut mute = opened();
        mute.set(true);
        mute.set(false);
        assert_eq!(mute.decide(Instant::now(), UNKNOWN), Show::Packet);
    }
}
