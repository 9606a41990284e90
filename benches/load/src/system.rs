//! What the standard library cannot ask of Linux: affinity, readiness of many sockets, batches of
//! datagrams with the time at which the kernel got them.

use std::io;
use std::mem;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

/// Datagrams per system call.
const BATCH: usize = 32;
const MAX_DATAGRAM: usize = 2048;
/// Room for one control message that holds a `timespec`.
const CONTROL: usize = 64;

/// The processors that this process may run on.
pub fn processors() -> Vec<usize> {
    // SAFETY: cpu_set_t is plain data for which all zeroes is a valid value, and the kernel writes
    // at most the size it is told.
    unsafe {
        let mut set: libc::cpu_set_t = mem::zeroed();
        libc::sched_getaffinity(0, mem::size_of_val(&set), &raw mut set);
        (0..libc::CPU_SETSIZE as usize).filter(|cpu| libc::CPU_ISSET(*cpu, &set)).collect()
    }
}

pub fn pin_to(processor: usize) -> io::Result<()> {
    // SAFETY: as above; CPU_SET checks the index against the size of the set.
    let result = unsafe {
        let mut set: libc::cpu_set_t = mem::zeroed();
        libc::CPU_SET(processor, &mut set);
        libc::sched_setaffinity(0, mem::size_of_val(&set), &raw const set)
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The program will run on `processor` only, all its threads included, and ends with this one.
pub fn pin_child(command: &mut Command, processor: Option<usize>) {
    // SAFETY: between fork and exec only two system calls are made; nothing allocates.
    unsafe {
        command.pre_exec(move || {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM);
            processor.map_or(Ok(()), pin_to)
        });
    }
}

/// Nanoseconds since 1970, on the clock that the kernel stamps datagrams with.
pub fn unix_nanoseconds() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |elapsed| elapsed.as_nanos() as u64)
}

/// User and system time of this process.
pub fn own_processor_time() -> Duration {
    // SAFETY: rusage is plain data that the call fills.
    let usage = unsafe {
        let mut usage: libc::rusage = mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &raw mut usage);
        usage
    };
    let of = |time: libc::timeval| {
        Duration::from_secs(time.tv_sec as u64) + Duration::from_micros(time.tv_usec as u64)
    };
    of(usage.ru_utime) + of(usage.ru_stime)
}

pub fn clock_ticks_per_second() -> u64 {
    // SAFETY: a query without arguments in memory.
    let ticks = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    u64::try_from(ticks).unwrap_or(100)
}

/// Prepares a media socket: deep enough for a burst, and each datagram with its time of arrival.
pub fn prepare_socket(socket: BorrowedFd<'_>) {
    for (option, value) in
        [(libc::SO_RCVBUF, 1 << 20), (libc::SO_SNDBUF, 1 << 20), (libc::SO_TIMESTAMPNS, 1)]
    {
        let value: libc::c_int = value;
        // SAFETY: each of these options takes one int.
        unsafe {
            libc::setsockopt(
                socket.as_raw_fd(),
                libc::SOL_SOCKET,
                option,
                (&raw const value).cast(),
                mem::size_of::<libc::c_int>() as libc::socklen_t,
            );
        }
    }
}

pub fn set_nonblocking(fd: BorrowedFd<'_>) {
    // SAFETY: flags of an open descriptor are read and written.
    unsafe {
        let flags = libc::fcntl(fd.as_raw_fd(), libc::F_GETFL);
        libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, flags | libc::O_NONBLOCK);
    }
}

/// Waits for any of many descriptors to become readable; each has a number.
pub struct Readiness {
    epoll: OwnedFd,
    events: Vec<libc::epoll_event>,
}

impl Readiness {
    pub fn new() -> io::Result<Readiness> {
        // SAFETY: the descriptor is new and owned by nobody else.
        let epoll = unsafe {
            match libc::epoll_create1(libc::EPOLL_CLOEXEC) {
                -1 => return Err(io::Error::last_os_error()),
                fd => OwnedFd::from_raw_fd(fd),
            }
        };
        Ok(Readiness { epoll, events: vec![libc::epoll_event { events: 0, u64: 0 }; 256] })
    }

    pub fn add(&self, fd: BorrowedFd<'_>, number: usize) -> io::Result<()> {
        let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: number as u64 };
        // SAFETY: both descriptors are open, the event outlives the call.
        let result = unsafe {
            libc::epoll_ctl(
                self.epoll.as_raw_fd(),
                libc::EPOLL_CTL_ADD,
                fd.as_raw_fd(),
                &raw mut event,
            )
        };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// Appends the numbers of what is readable; waits for at most `limit`, rounded up.
    pub fn wait(&mut self, limit: Duration, ready: &mut Vec<usize>) {
        let milliseconds = limit.as_micros().div_ceil(1000).min(1000) as libc::c_int;
        // SAFETY: the kernel writes at most as many events as the vector holds.
        let count = unsafe {
            libc::epoll_wait(
                self.epoll.as_raw_fd(),
                self.events.as_mut_ptr(),
                self.events.len() as libc::c_int,
                milliseconds,
            )
        };
        let count = usize::try_from(count).unwrap_or(0); // Interrupted: the caller comes again.
        ready.extend(self.events[..count].iter().map(|event| event.u64 as usize));
    }
}

/// Datagrams of one `recvmmsg`.
pub struct ReceiveBatch {
    buffers: Box<[[u8; MAX_DATAGRAM]; BATCH]>,
    controls: Box<[[u64; CONTROL / 8]; BATCH]>,
    datagrams: Vec<(SocketAddr, usize, Option<u64>)>,
}

impl ReceiveBatch {
    pub fn new() -> ReceiveBatch {
        ReceiveBatch {
            buffers: Box::new([[0; MAX_DATAGRAM]; BATCH]),
            controls: Box::new([[0; CONTROL / 8]; BATCH]),
            datagrams: Vec::with_capacity(BATCH),
        }
    }

    /// Returns whether more may wait.
    pub fn receive(&mut self, socket: BorrowedFd<'_>) -> bool {
        self.datagrams.clear();
        // SAFETY: all three are plain data for which all zeroes is a valid value.
        let (mut vectors, mut headers, mut addresses): (
            [libc::iovec; BATCH],
            [libc::mmsghdr; BATCH],
            [libc::sockaddr_in; BATCH],
        ) = unsafe { mem::zeroed() };
        for i in 0..BATCH {
            vectors[i] = libc::iovec {
                iov_base: self.buffers[i].as_mut_ptr().cast(),
                iov_len: MAX_DATAGRAM,
            };
            let header = &mut headers[i].msg_hdr;
            header.msg_iov = &raw mut vectors[i];
            header.msg_iovlen = 1;
            header.msg_name = (&raw mut addresses[i]).cast();
            header.msg_namelen = mem::size_of::<libc::sockaddr_in>() as libc::socklen_t;
            header.msg_control = self.controls[i].as_mut_ptr().cast();
            header.msg_controllen = CONTROL;
        }
        // SAFETY: every header points at one vector, buffer, address and control block of the
        // lengths it states; all outlive the call.
        let count = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr(),
                BATCH as u32,
                libc::MSG_DONTWAIT,
                std::ptr::null_mut(),
            )
        };
        let count = usize::try_from(count).unwrap_or(0);
        for i in 0..count {
            let ip = Ipv4Addr::from(u32::from_be(addresses[i].sin_addr.s_addr));
            let remote = SocketAddrV4::new(ip, u16::from_be(addresses[i].sin_port));
            let arrival = arrival(&headers[i].msg_hdr);
            self.datagrams.push((remote.into(), headers[i].msg_len as usize, arrival));
        }
        count == BATCH
    }

    /// Sender, content, and the time at which the kernel got it.
    pub fn iter(&self) -> impl Iterator<Item = (SocketAddr, &[u8], Option<u64>)> {
        let buffers = self.buffers.iter();
        self.datagrams
            .iter()
            .zip(buffers)
            .map(|((remote, len, arrival), buffer)| (*remote, &buffer[..*len], *arrival))
    }
}

fn arrival(header: &libc::msghdr) -> Option<u64> {
    // SAFETY: the kernel filled the control block that the header points at and stated its length;
    // CMSG_FIRSTHDR checks it, and a SCM_TIMESTAMPNS message holds one timespec.
    unsafe {
        let message = libc::CMSG_FIRSTHDR(header);
        if message.is_null()
            || (*message).cmsg_level != libc::SOL_SOCKET
            || (*message).cmsg_type != libc::SCM_TIMESTAMPNS
        {
            return None;
        }
        let time = libc::CMSG_DATA(message).cast::<libc::timespec>().read_unaligned();
        Some(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
    }
}
