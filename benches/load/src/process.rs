//! What the operating system says about the server's process.

use std::fs;
use std::time::Duration;

use crate::system::clock_ticks_per_second;

#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// User and system time of all threads, from `/proc/<pid>/stat`: in steps of 10 ms.
    pub processor_time: Duration,
    /// The same from the scheduler's books, to the nanosecond; 0 where the kernel keeps none.
    pub precise_time: Duration,
    pub resident_bytes: u64,
    pub threads: u64,
    pub descriptors: u64,
}

pub fn usage(pid: u32) -> Usage {
    Usage {
        processor_time: processor_time(pid).unwrap_or_default(),
        precise_time: precise_time(pid).unwrap_or_default(),
        resident_bytes: status(pid, "VmRSS:").unwrap_or(0) * 1024,
        threads: status(pid, "Threads:").unwrap_or(0),
        descriptors: fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, |d| d.count() as u64),
    }
}

fn processor_time(pid: u32) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name, which may hold anything; utime and stime are the
    // 14th and 15th.
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ').skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(Duration::from_secs_f64((user + system) as f64 / clock_ticks_per_second() as f64))
}

fn precise_time(pid: u32) -> Option<Duration> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    let nanoseconds = threads.flatten().filter_map(|thread| {
        let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    });
    Some(Duration::from_nanos(nanoseconds.sum()))
}

fn status(pid: u32, name: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Datagrams that UDP sockets of this host dropped because nobody read them in time: on the given
/// local ports, and on all others.
pub fn dropped_datagrams(ports: &[u16]) -> (u64, u64) {
    let (mut ours, mut others) = (0, 0);
    for line in fs::read_to_string("/proc/net/udp").unwrap_or_default().lines().skip(1) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let port = fields.get(1).and_then(|local| local.rsplit_once(':'));
        let port = port.and_then(|(_, port)| u16::from_str_radix(port, 16).ok());
        let drops: u64 = fields.last().and_then(|drops| drops.parse().ok()).unwrap_or(0);
        match port.is_some_and(|port| ports.contains(&port)) {
            true => ours += drops,
            false => others += drops,
        }
    }
    (ours, others)
}

pub fn processor_model() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find(|line| line.starts_with("model name"));
    let model = model.and_then(|line| line.split_once(':'));
    model.map_or("unknown", |(_, name)| name.trim()).to_owned()
}

/// Runnable processes averaged over a minute: tells a quiet machine from a busy one.
pub fn load_average() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|load| load.parse().ok()).unwrap_or(0.0)
}

/// Time that one processor spent on anything, in ticks since boot.
pub fn busy_ticks(processor: usize) -> u64 {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let name = format!("cpu{processor}");
    let Some(line) = stat.lines().find(|line| line.split(' ').next() == Some(&name)) else {
        return 0;
    };
    let ticks: Vec<u64> =
        line.split_whitespace().skip(1).filter_map(|field| field.parse().ok()).collect();
    // user nice system idle iowait irq softirq; the rest is time of the host or counted in user.
    ticks.iter().enumerate().filter(|(i, _)| matches!(i, 0..=2 | 5..=6)).map(|(_, t)| t).sum()
}
