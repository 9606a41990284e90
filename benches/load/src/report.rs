//! The outcome of a run: a table for people, JSON for scripts.

use std::time::Duration;

use serde_json::{Value, json};

use crate::arguments::Arguments;
use crate::measurement::Summary;
use crate::process::{self, Usage};

pub struct Report {
    pub load_average: f64,
    pub elapsed: Duration,
    pub published: u64,
    pub expected: u64,
    pub received: u64,
    pub repeated: u64,
    pub key_frames: u64,
    pub latency: Summary,
    pub lag: Summary,
    pub connected: Summary,
    pub first_packet: Summary,
    pub server_time: Duration,
    pub precise_time: Duration,
    pub server_core_busy: Duration,
    pub generator_time: Duration,
    pub idle: Usage,
    pub loaded: Usage,
    pub dropped_by_generator: u64,
    pub dropped_by_server: u64,
}

impl Report {
    fn loss_percent(&self) -> f64 {
        100.0 * (1.0 - self.received as f64 / self.expected.max(1) as f64)
    }

    fn packets_per_second(&self) -> f64 {
        self.received as f64 / self.elapsed.as_secs_f64()
    }

    /// Microseconds of the server per packet that reached a viewer.
    fn per_packet(&self, time: Duration) -> f64 {
        time.as_secs_f64() * 1e6 / self.received.max(1) as f64
    }

    fn share(&self, time: Duration) -> f64 {
        100.0 * time.as_secs_f64() / self.elapsed.as_secs_f64()
    }

    /// Where this generator would be the one to give up, were its cost per packet to stay.
    fn ceiling(&self) -> f64 {
        self.packets_per_second() * 100.0 / self.share(self.generator_time).max(0.01)
    }

    /// What else ran on the server's core.
    fn strangers(&self) -> Duration {
        self.server_core_busy.saturating_sub(self.server_time)
    }

    pub fn json(&self, arguments: &Arguments) -> Value {
        let summary =
            |s: &Summary| json!({ "p50": s.p50, "p95": s.p95, "p99": s.p99, "max": s.max });
        json!({
            "workload": "one2many",
            "commit": arguments.commit,
            "machine": process::processor_model(),
            "loadAverage": self.load_average,
            "subscribers": arguments.subscribers,
            "workers": arguments.workers,
            "srtp": arguments.profile.name(),
            "seconds": self.elapsed.as_secs_f64(),
            "published": self.published,
            "expected": self.expected,
            "received": self.received,
            "repeated": self.repeated,
            "keyFrames": self.key_frames,
            "packetsPerSecond": self.packets_per_second(),
            "lossPercent": self.loss_percent(),
            "latencyMs": summary(&self.latency),
            "connectedMs": summary(&self.connected),
            "firstPacketMs": summary(&self.first_packet),
            "server": {
                "cpuPerPacketUs": self.per_packet(self.server_time),
                "cpuPerPacketPreciseUs": self.per_packet(self.precise_time),
                "cpuPercent": self.share(self.server_time),
                "core": arguments.server_core,
                "strangersOnCorePercent": self.share(self.strangers()),
                "idleBytes": self.idle.resident_bytes,
                "residentBytes": self.loaded.resident_bytes,
                "threads": self.loaded.threads,
                "descriptors": self.loaded.descriptors,
                "idleDescriptors": self.idle.descriptors,
            },
            "generator": {
                "cpuPercent": self.share(self.generator_time),
                "core": arguments.generator_core,
                "ceilingPacketsPerSecond": self.ceiling(),
                "lagMs": summary(&self.lag),
            },
            "dropped": {
                "generatorSockets": self.dropped_by_generator,
                "otherSockets": self.dropped_by_server,
            },
        })
    }

    pub fn table(&self, arguments: &Arguments) -> String {
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        let core = |core: Option<usize>| core.map_or("any core".into(), |c| format!("core {c}"));
        let Report { latency, lag, connected, first_packet, idle, loaded, .. } = self;
        let per_connection = loaded.resident_bytes.saturating_sub(idle.resident_bytes)
            / 1024
            / (arguments.subscribers as u64 + 1);
        let rows = [
            (
                "machine",
                format!(
                    "{}, load average {:.1}, commit {}",
                    process::processor_model(),
                    self.load_average,
                    arguments.commit,
                ),
            ),
            (
                "workload",
                format!(
                    "one2many, {} subscribers, {:.1} s, {}, {} worker(s)",
                    arguments.subscribers,
                    self.elapsed.as_secs_f64(),
                    arguments.profile.name(),
                    arguments.workers,
                ),
            ),
            (
                "packets",
                format!(
                    "{} published, {} of {} forwarded, {:.0}/s",
                    self.published,
                    self.received,
                    self.expected,
                    self.packets_per_second(),
                ),
            ),
            (
                "loss",
                format!(
                    "{:.3} % ({} dropped at the viewers' sockets, {} at others)",
                    self.loss_percent(),
                    self.dropped_by_generator,
                    self.dropped_by_server,
                ),
            ),
            (
                "CPU per forwarded packet",
                format!(
                    "{:.2} µs ({:.2} by the 10 ms clock)",
                    self.per_packet(self.precise_time),
                    self.per_packet(self.server_time),
                ),
            ),
            (
                "server",
                format!(
                    "{:.1} % of {}; {:.1} % of it went to other processes",
                    self.share(self.server_time),
                    core(arguments.server_core),
                    self.share(self.strangers()),
                ),
            ),
            (
                "added latency p50 / p99 / max",
                format!("{:.2} / {:.2} / {:.2} ms", latency.p50, latency.p99, latency.max,),
            ),
            (
                "connected after p50 / p95",
                format!("{:.1} / {:.1} ms", connected.p50, connected.p95,),
            ),
            (
                "first packet after p50 / p95",
                format!("{:.1} / {:.1} ms", first_packet.p50, first_packet.p95,),
            ),
            (
                "memory",
                format!(
                    "{:.1} MiB, {:.1} before the first connection: {per_connection} KiB each",
                    mib(loaded.resident_bytes),
                    mib(idle.resident_bytes),
                ),
            ),
            (
                "threads, descriptors",
                format!("{}, {} ({} before)", loaded.threads, loaded.descriptors, idle.descriptors,),
            ),
            (
                "generator",
                format!(
                    "{:.1} % of {}, so about {:.0} packets/s at most; behind by p99 {:.2} ms",
                    self.share(self.generator_time),
                    core(arguments.generator_core),
                    self.ceiling(),
                    lag.p99,
                ),
            ),
        ];
        let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        rows.iter().map(|(name, value)| format!("{name:width$}  {value}\n")).collect()
    }
}
