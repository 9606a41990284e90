//! Reports to a publisher's browser of which packets arrived and when, so that it can estimate the
//! path itself (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1).

use std::time::{Duration, Instant};

use crate::rtp::id::Ssrc;
use crate::rtp::rtcp::write_transport_feedback;
use crate::rtp::sequence::Unwrapper16;

/// Arrivals of the packets of one connection; transport-wide numbers know no streams.
#[derive(Debug)]
pub struct ArrivalLog {
    epoch: Instant,
    unwrapper: Unwrapper16,
    /// By number modulo `CAPACITY`.
    arrivals: Box<[(u64, Duration)]>,
    /// The first number of the next report; unset until a packet came.
    unreported: Option<u64>,
    highest: u64,
    due: Option<Instant>,
    feedback_count: u8,
    scratch: Vec<Option<Duration>>,
}

impl ArrivalLog {
    /// What libwebrtc sends by default (`RemoteEstimatorProxy`): often enough for a sender to
    /// react within a fifth of a second.
    pub const INTERVAL: Duration = Duration::from_millis(100);
    /// Reordering this far back is still told to the sender.
    const CAPACITY: u64 = 1024;
    /// So many unreported packets do not wait for the interval, so that a report fits a datagram.
    const BATCH: u64 = 300;
    /// Consecutive losses reported in front of an arrival.
    const LONGEST_LOSS: usize = 256;

    pub fn new(now: Instant) -> Self {
        ArrivalLog {
            epoch: now,
            unwrapper: Unwrapper16::default(),
            arrivals: vec![(u64::MAX, Duration::ZERO); Self::CAPACITY as usize].into(),
            unreported: None,
            highest: 0,
            due: None,
            feedback_count: 0,
            scratch: Vec::with_capacity(Self::CAPACITY as usize),
        }
    }

    pub fn on_packet(&mut self, now: Instant, sequence: u16) {
        let sequence = self.unwrapper.unwrap(sequence);
        if self.unreported.is_none() && self.highest == 0 {
            self.highest = sequence;
        }
        if sequence + Self::CAPACITY <= self.highest {
            return;
        }
        self.highest = self.highest.max(sequence);
        if let Some(slot) = self.arrivals.get_mut((sequence % Self::CAPACITY) as usize) {
            if slot.0 == sequence {
                return; // A duplicate: its first arrival counts.
            }
            *slot = (sequence, now.saturating_duration_since(self.epoch));
        }
        // A late packet moves the next report's begin back, which corrects what was reported.
        let first = self.unreported.map_or(sequence, |first| first.min(sequence));
        let reach = (self.highest + 1).saturating_sub(Self::CAPACITY);
        self.unreported = Some(first.max(reach));
        let due = self.due.get_or_insert(now + Self::INTERVAL);
        if self.highest - first >= Self::BATCH {
            *due = now;
        }
    }

    /// Appends the report that is due; tells whether there was one.
    pub fn poll(&mut self, now: Instant, sender: Ssrc, media: Ssrc, out: &mut Vec<u8>) -> bool {
        let (Some(due), Some(first)) = (self.due, self.unreported) else { return false };
        if now < due {
            return false;
        }
        self.due = None;
        // What follows was not reported yet, even if none of it has come.
        self.unreported = Some(self.highest + 1);
        self.scratch.clear();
        for sequence in first..=self.highest {
            let (stored, arrival) = self.slot(sequence);
            self.scratch.push((stored == sequence).then_some(arrival));
        }
        let before = out.len();
        let mut base = first;
        let mut rest = self.scratch.as_slice();
        while !rest.is_empty() {
            // So many missing at once are a sender that jumped; loss is told from what is left.
            let missing = rest.iter().take_while(|arrival| arrival.is_none()).count();
            let jumped = missing.saturating_sub(Self::LONGEST_LOSS);
            base += jumped as u64;
            rest = rest.get(jumped..).unwrap_or_default();
            let covered = write_transport_feedback(
                out,
                sender,
                media,
                self.feedback_count,
                base as u16,
                rest,
            );
            if covered == 0 {
                break;
            }
            self.feedback_count = self.feedback_count.wrapping_add(1);
            base += covered as u64;
            rest = rest.get(covered..).unwrap_or_default();
        }
        out.len() > before
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }

    fn slot(&self, sequence: u64) -> (u64, Duration) {
        let index = (sequence % Self::CAPACITY) as usize;
        self.arrivals.get(index).copied().unwrap_or((u64::MAX, Duration::ZERO))
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

    /// Every (number, arrived) that the reports in `out` cover.
    fn covered(out: &[u8]) -> Vec<(u16, bool)> {
        let mut all = Vec::new();
        rtcp::parse(out, |member| {
            if let Ok(Rtcp::TransportFeedback(report)) = member {
                all.extend(report.statuses().map(|(n, arrival)| (n, arrival.is_some())));
            }
        });
        all
    }

    fn poll(log: &mut ArrivalLog, now: Instant) -> Vec<(u16, bool)> {
        let mut out = Vec::new();
        log.poll(now, Ssrc(1), Ssrc(2), &mut out);
        covered(&out)
    }

    #[test]
    fn reports_every_100_ms_each_number_once_with_the_missing_ones() {
        let start = Instant::now();
        let mut log = ArrivalLog::new(start);
        assert_eq!(log.poll_timeout(), None);
        log.on_packet(start, 65_534);
        log.on_packet(start + ms(5), 65_535);
        log.on_packet(start + ms(10), 1);
        assert_eq!(log.poll_timeout(), Some(start + ms(100)));
        assert_eq!(poll(&mut log, start + ms(99)), []);
        let report = poll(&mut log, start + ms(100));
        assert_eq!(report, [(65_534, true), (65_535, true), (0, false), (1, true)]);
        assert_eq!(log.poll_timeout(), None, "nothing to say until something arrives");
        log.on_packet(start + ms(150), 4);
        let report = poll(&mut log, start + ms(250));
        assert_eq!(report, [(2, false), (3, false), (4, true)], "losses between reports count");
    }

    #[test]
    fn a_late_packet_corrects_the_report_that_called_it_lost() {
        let start = Instant::now();
        let mut log = ArrivalLog::new(start);
        log.on_packet(start, 10);
        log.on_packet(start, 12);
        poll(&mut log, start + ms(100));
        log.on_packet(start + ms(120), 11);
        log.on_packet(start + ms(125), 13);
        let report = poll(&mut log, start + ms(220));
        assert_eq!(report, [(11, true), (12, true), (13, true)]);
    }

    #[test]
    fn a_burst_is_reported_before_it_outgrows_a_datagram() {
        let start = Instant::now();
        let mut log = ArrivalLog::new(start);
        for n in 0..=300 {
            log.on_packet(start + ms(1), n);
        }
        assert_eq!(log.poll_timeout(), Some(start + ms(1)));
        assert_eq!(poll(&mut log, start + ms(1)).len(), 301);
    }

    #[test]
    fn a_jump_costs_bounded_work() {
        let start = Instant::now();
        let mut log = ArrivalLog::new(start);
        log.on_packet(start, 0);
        log.on_packet(start, 30_000);
        let report = poll(&mut log, start + ms(100));
        assert!(report.len() <= ArrivalLog::CAPACITY as usize);
        assert_eq!(report.last(), Some(&(30_000, true)));
    }
}
