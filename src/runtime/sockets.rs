//! The UDP sockets of one worker: one per local address and port range, shared by its connections
//! and released with the last of them (design.md section 3.2, contract LIF-14).

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket as StdSocket};
use std::ops::RangeInclusive;
use std::os::fd::{AsFd, AsRawFd};
use std::task::Context;

use tokio::io::Interest;
use tokio::net::UdpSocket;

use crate::connection::config::ConnectionId;
use crate::connection::output::{DatagramSink, GatherRequest};
use crate::runtime::datagram_batch::{ReceiveBatch, SendBatch};
use crate::runtime::interfaces;

/// Kernel buffers: a burst of key frames to some hundred subscribers in each direction.
const SOCKET_BUFFER: libc::c_int = 4 << 20;

pub(crate) struct Sockets {
    entries: Vec<Entry>,
    outgoing: SendBatch,
    /// The socket that `outgoing` is being collected for.
    current: usize,
}

struct Entry {
    socket: UdpSocket,
    local: SocketAddr,
    ports: Option<RangeInclusive<u16>>,
    users: Vec<ConnectionId>,
}

impl Sockets {
    pub(crate) fn new() -> Self {
        Sockets { entries: Vec::new(), outgoing: SendBatch::new(), current: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether any socket has something to read; registers for the others.
    pub(crate) fn poll_readable(&self, cx: &mut Context<'_>) -> bool {
        let mut ready = false;
        for entry in &self.entries {
            // Without short cut: each socket has to register its waker.
            ready |= entry.socket.poll_recv_ready(cx).is_ready();
        }
        ready
    }

    /// Takes what waits at the `index`th socket; returns its local address, `None` once it is dry.
    pub(crate) fn receive(&self, index: usize, into: &mut ReceiveBatch) -> Option<SocketAddr> {
        let entry = self.entries.get(index)?;
        let received =
            entry.socket.try_io(Interest::READABLE, || into.receive(entry.socket.as_fd()));
        match received {
            Ok(()) => Some(entry.local),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            // An ICMP error of an earlier send: nothing was received, more may wait.
            Err(_) => None,
        }
    }

    /// Sends what was collected.
    pub(crate) fn flush(&mut self) {
        if self.outgoing.is_empty() {
            return;
        }
        if let Some(entry) = self.entries.get(self.current) {
            let before = self.outgoing.dropped();
            self.outgoing.send(entry.socket.as_fd());
            let dropped = self.outgoing.dropped();
            if dropped != before {
                tracing::debug!(local = %entry.local, dropped, "the kernel refused datagrams");
            }
        }
    }

    /// Opens or shares the sockets on which `connection` may be reached.
    pub(crate) fn gather(
        &mut self,
        connection: ConnectionId,
        request: &GatherRequest,
    ) -> Vec<SocketAddr> {
        let found = interfaces::list().unwrap_or_else(|error| {
            tracing::error!(%error, "cannot list the network interfaces");
            Vec::new()
        });
        interfaces::choose(&found, request.network_interface.as_deref())
            .into_iter()
            .filter_map(|ip| self.open(ip, connection, request.ports.as_ref()))
            .collect()
    }

    /// The connection uses no socket any more; those without users are closed.
    pub(crate) fn release(&mut self, connection: ConnectionId) {
        self.flush();
        self.entries.retain_mut(|entry| {
            entry.users.retain(|user| *user != connection);
            !entry.users.is_empty()
        });
        self.current = 0;
    }

    fn open(
        &mut self,
        ip: Ipv4Addr,
        connection: ConnectionId,
        ports: Option<&RangeInclusive<u16>>,
    ) -> Option<SocketAddr> {
        let shared = self
            .entries
            .iter_mut()
            .find(|entry| entry.local.ip() == ip && entry.ports.as_ref() == ports);
        if let Some(entry) = shared {
            if !entry.users.contains(&connection) {
                entry.users.push(connection);
            }
            return Some(entry.local);
        }
        let opened = bind_in_range(ip, ports).and_then(|socket| {
            let local = socket.local_addr()?;
            Ok((UdpSocket::from_std(socket)?, local))
        });
        match opened {
            Ok((socket, local)) => {
                let (ports, users) = (ports.cloned(), vec![connection]);
                self.entries.push(Entry { socket, local, ports, users });
                Some(local)
            }
            Err(error) => {
                match ports {
                    Some(range) => tracing::warn!(
                        %ip, min_port = range.start(), max_port = range.end(), %error,
                        "no free UDP port in the configured range"
                    ),
                    None => tracing::warn!(%ip, %error, "cannot open a UDP socket"),
                }
                None
            }
        }
    }
}

impl DatagramSink for Sockets {
    fn slot(&mut self) -> &mut [u8] {
        if self.outgoing.is_full() {
            self.flush();
        }
        self.outgoing.slot()
    }

    fn send(&mut self, local: SocketAddr, remote: SocketAddr, len: usize) {
        let on_current = self.entries.get(self.current).is_some_and(|e| e.local == local);
        if on_current {
            return self.outgoing.push(remote, len);
        }
        let Some(index) = self.entries.iter().position(|e| e.local == local) else { return };
        if self.outgoing.is_empty() {
            self.current = index;
            return self.outgoing.push(remote, len);
        }
        // The slot that was just written goes to another socket than those before it.
        let mut datagram = [0; crate::runtime::datagram_batch::MAX_DATAGRAM];
        let len = len.min(datagram.len());
        datagram[..len].copy_from_slice(&self.outgoing.slot()[..len]);
        self.flush();
        self.current = index;
        self.outgoing.slot()[..len].copy_from_slice(&datagram[..len]);
        self.outgoing.push(remote, len);
    }
}

/// The first free port of the range, or any port without one.
fn bind_in_range(ip: Ipv4Addr, ports: Option<&RangeInclusive<u16>>) -> io::Result<StdSocket> {
    let bind = |port: u16| {
        let socket = StdSocket::bind((ip, port))?;
        socket.set_nonblocking(true)?;
        grow_buffers(&socket);
        Ok(socket)
    };
    let Some(ports) = ports else { return bind(0) };
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    for port in ports.clone() {
        match bind(port) {
            Ok(socket) => return Ok(socket),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Asks for large kernel buffers; the host's limit may grant less, which is not an error.
fn grow_buffers(socket: &StdSocket) {
    let size = SOCKET_BUFFER;
    for option in [libc::SO_RCVBUF, libc::SO_SNDBUF] {
        // SAFETY: the option value is one int, as SO_RCVBUF and SO_SNDBUF require, and the
        // descriptor is open.
        unsafe {
            libc::setsockopt(
                socket.as_raw_fd(),
                libc::SOL_SOCKET,
                option,
                (&raw const size).cast(),
                size_of::<libc::c_int>() as libc::socklen_t,
            );
        }
    }
}

#[cfg(test)]
mod test {
    use super::*;

    fn request(ports: RangeInclusive<u16>) -> GatherRequest {
        GatherRequest { ports: Some(ports), network_interface: Some("lo".into()) }
    }

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
    }

    /// A port that was free a moment ago.
    fn free_port() -> u16 {
        StdSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
    }

    #[test]
    fn lif_14_connections_share_a_port_that_is_released_with_the_last() {
        let runtime = runtime();
        let _guard = runtime.enter();
        let mut sockets = Sockets::new();
        let port = free_port();
        let first = sockets.gather(ConnectionId(1), &request(port..=port));
        let second = sockets.gather(ConnectionId(2), &request(port..=port));
        assert_eq!(first, [SocketAddr::from(([127, 0, 0, 1], port))]);
        assert_eq!(first, second);
        sockets.release(ConnectionId(1));
        assert!(StdSocket::bind(("127.0.0.1", port)).is_err());
        sockets.release(ConnectionId(2));
        assert!(StdSocket::bind(("127.0.0.1", port)).is_ok());
    }

    #[test]
    fn ice_7_a_busy_range_gives_no_address() {
        let runtime = runtime();
        let _guard = runtime.enter();
        let taken = StdSocket::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        assert!(Sockets::new().gather(ConnectionId(1), &request(port..=port)).is_empty());
    }

    #[test]
    fn datagrams_of_two_local_addresses_each_leave_by_their_own_socket() {
        let runtime = runtime();
        let _guard = runtime.enter();
        let mut sockets = Sockets::new();
        let a = sockets.gather(ConnectionId(1), &request(20_000..=65_000))[0];
        let b = sockets.gather(ConnectionId(1), &request(20_001..=65_000))[0];
        let receiver = StdSocket::bind("127.0.0.1:0").unwrap();
        let to = receiver.local_addr().unwrap();
        for (local, byte) in [(a, 1), (b, 2), (a, 3)] {
            sockets.slot()[0] = byte;
            sockets.send(local, to, 1);
        }
        sockets.flush();
        let mut buffer = [0; 8];
        for (local, byte) in [(a, 1), (b, 2), (a, 3)] {
            let (len, from) = receiver.recv_from(&mut buffer).unwrap();
            assert_eq!((from, &buffer[..len]), (local, &[byte][..]));
        }
    }
}
