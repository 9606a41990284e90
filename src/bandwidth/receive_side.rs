//! What a connection tells the browser behind it about the packets that arrive from it: arrival
//! times if the packets are numbered transport-wide, so that the browser estimates by itself; else
//! our own estimate as REMB (draft-alvestrand-rmcat-remb-03; contract section 4.21).
//!
//! One per connection: both kinds of feedback are about the path, not about one stream. Erizo
//! never sends transport-cc feedback (M-PATH-40, limit L-12).

use std::time::{Duration, Instant};

use super::remote_estimate::RemoteEstimate;
use super::transport_feedback::ArrivalLog;
use crate::rtp::id::Ssrc;
use crate::rtp::rtcp::write_remb;

/// One packet of any publisher of the connection, padding included.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    pub now: Instant,
    /// The whole RTP packet, in bytes.
    pub len: usize,
    pub transport_sequence: Option<u16>,
    /// The 24 bits of abs-send-time.
    pub send_time: Option<u32>,
    /// Packets found missing through this one; negative if it was missing itself.
    pub missed: i32,
}

/// See the module documentation.
#[derive(Debug, Default)]
pub struct ReceiveSide {
    mode: Mode,
    limit: u64,
    last_arrival: Option<Instant>,
}

#[derive(Debug, Default)]
enum Mode {
    #[default]
    Idle,
    TransportFeedback(Box<ArrivalLog>),
    Remb {
        estimate: Box<RemoteEstimate>,
        last_sent: Option<(Instant, u64)>,
    },
}

impl ReceiveSide {
    /// A lower estimate goes at once if it is below this part of the last one (M-BWE-4).
    const DROP: f64 = 0.97;
    /// Otherwise no two within this time (M-BWE-4).
    const SPACING: Duration = Duration::from_millis(200);
    /// After this without a packet nothing is sent (M-BWE-3: stream timeout).
    const SILENCE: Duration = Duration::from_secs(2);

    pub fn new() -> Self {
        ReceiveSide::default()
    }

    /// The most that the publishers of this connection may send in all, in bit/s; 0: no limit.
    pub fn set_limit(&mut self, bits_per_second: u64) {
        self.limit = bits_per_second;
        if let Mode::Remb { estimate, .. } = &mut self.mode {
            estimate.set_limit(bits_per_second);
        }
    }

    pub fn on_packet(&mut self, arrival: &Arrival) {
        let now = arrival.now;
        self.last_arrival = Some(now);
        match (&mut self.mode, arrival.transport_sequence) {
            (Mode::TransportFeedback(log), Some(sequence)) => log.on_packet(now, sequence),
            // A sender that numbers packets may leave some out, such as audio.
            (Mode::TransportFeedback(_), None) => {}
            (_, Some(sequence)) => {
                let mut log = Box::new(ArrivalLog::new(now));
                log.on_packet(now, sequence);
                self.mode = Mode::TransportFeedback(log);
            }
            (Mode::Remb { estimate, .. }, None) => {
                estimate.on_packet(now, arrival.len, arrival.missed, arrival.send_time);
            }
            (Mode::Idle, None) => {
                let mut estimate = Box::new(RemoteEstimate::new());
                estimate.set_limit(self.limit);
                estimate.on_packet(now, arrival.len, arrival.missed, arrival.send_time);
                self.mode = Mode::Remb { estimate, last_sent: None };
            }
        }
    }

    /// Whether [`ReceiveSide::poll_feedback`] may have something to say.
    pub fn is_due(&self, now: Instant) -> bool {
        match &self.mode {
            Mode::Idle => false,
            // The first estimate and one that fell sharply go at once.
            Mode::Remb { last_sent: None, .. } => true,
            Mode::Remb { .. } | Mode::TransportFeedback(_) => {
                self.poll_timeout().is_some_and(|due| due <= now)
            }
        }
    }

    /// Appends what is due to `out`; tells whether there was anything. `sources` are the video
    /// SSRCs of the connection's publishers, which REMB has to name.
    pub fn poll_feedback(
        &mut self,
        now: Instant,
        sender: Ssrc,
        sources: &[Ssrc],
        out: &mut Vec<u8>,
    ) -> bool {
        match &mut self.mode {
            Mode::Idle => false,
            Mode::TransportFeedback(log) => {
                // The report is about the path; whose SSRC it names is of no consequence.
                let media = sources.first().copied().unwrap_or(sender);
                log.poll(now, sender, media, out)
            }
            Mode::Remb { estimate, last_sent } => {
                let evaluated = estimate.evaluate(now);
                let bitrate = estimate.bitrate();
                let due = match *last_sent {
                    None => true,
                    Some((_, sent)) if (bitrate as f64) < Self::DROP * sent as f64 => true,
                    Some((at, _)) => {
                        evaluated && now.saturating_duration_since(at) >= Self::SPACING
                    }
                };
                if due && !sources.is_empty() {
                    *last_sent = Some((now, bitrate));
                    write_remb(out, sender, bitrate, sources);
                    return true;
                }
                false
            }
        }
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.mode {
            Mode::Idle => None,
            Mode::TransportFeedback(log) => log.poll_timeout(),
            Mode::Remb { estimate, .. } => {
                let next = estimate.poll_timeout()?;
                let last = self.last_arrival?;
                (next.saturating_duration_since(last) < Self::SILENCE).then_some(next)
            }
        }
    }

    /// The last value told to the browser (connection statistic `erizoBandwidth`, M-BWE-6).
    pub fn last_sent(&self) -> Option<u64> {
        match &self.mode {
            Mode::Remb { last_sent, .. } => last_sent.map(|(_, bitrate)| bitrate),
            Mode::Idle | Mode::TransportFeedback(_) => None,
        }
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "an arbitrary first moment")]
mod test {
    use super::*;
    use crate::rtp::rtcp::{self, Rtcp};

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn arrival(now: Instant, transport_sequence: Option<u16>, missed: i32) -> Arrival {
        Arrival { now, len: 1200, transport_sequence, send_time: None, missed }
    }

    fn poll(side: &mut ReceiveSide, now: Instant) -> Vec<Rtcp> {
        let mut out = Vec::new();
        let mut members = Vec::new();
        side.poll_feedback(now, Ssrc(55_543), &[Ssrc(1), Ssrc(2)], &mut out);
        rtcp::parse(&out, |member| members.extend(member));
        members
    }

    #[test]
    fn numbered_packets_are_answered_with_arrival_times_and_never_with_remb() {
        let start = Instant::now();
        let mut side = ReceiveSide::new();
        side.on_packet(&arrival(start, None, 0));
        side.on_packet(&arrival(start, Some(7), 0));
        side.on_packet(&arrival(start + ms(1), None, 0));
        assert_eq!(side.poll_timeout(), Some(start + ms(100)));
        let members = poll(&mut side, start + ms(100));
        assert!(
            matches!(&members[..], [Rtcp::TransportFeedback(report)]
                if report.base_sequence == 7 && report.media == Ssrc(1)),
            "{members:?}"
        );
        assert_eq!(side.last_sent(), None);
    }

    #[test]
    fn others_get_remb_naming_every_source_m_bwe_5() {
        let start = Instant::now();
        let mut side = ReceiveSide::new();
        side.set_limit(500_000);
        side.on_packet(&arrival(start, None, 0));
        let members = poll(&mut side, start);
        let [Rtcp::Remb { sender, bitrate, ssrcs }] = &members[..] else {
            panic!("{members:?}");
        };
        assert_eq!((*sender, ssrcs.as_slice()), (Ssrc(55_543), &[Ssrc(1), Ssrc(2)][..]));
        assert!((499_000..=500_000).contains(bitrate), "{bitrate}");
        assert_eq!(side.last_sent(), Some(500_000));
        assert!(poll(&mut side, start + ms(1)).is_empty());
        assert_eq!(poll(&mut side, start + ms(500)).len(), 1, "refreshed");
    }

    #[test]
    fn a_drop_is_told_at_once_m_bwe_4() {
        let start = Instant::now();
        let mut side = ReceiveSide::new();
        side.on_packet(&arrival(start, None, 0));
        poll(&mut side, start);
        poll(&mut side, start + ms(500));
        side.set_limit(100_000);
        assert_eq!(poll(&mut side, start + ms(501)).len(), 1);
    }

    #[test]
    fn nothing_wakes_up_for_a_silent_publisher() {
        let start = Instant::now();
        let mut side = ReceiveSide::new();
        assert_eq!(side.poll_timeout(), None);
        side.on_packet(&arrival(start, None, 0));
        for n in 1..20 {
            poll(&mut side, start + ms(500 * n));
        }
        assert_eq!(side.poll_timeout(), None);
    }
}
