//! Batches of datagrams in one system call each way: `recvmmsg` and `sendmmsg`.
//!
//! All buffers are made once per worker; a batch allocates nothing. This is the one place with
//! raw system calls on the packet path.

use std::io;
use std::mem::{self, MaybeUninit};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, BorrowedFd};

/// Datagrams per system call: beyond 32 the cost per datagram hardly falls (dependencies.md §4).
pub(crate) const BATCH: usize = 32;
/// Longer datagrams are dropped: nothing that WebRTC sends exceeds an Ethernet frame.
pub(crate) const MAX_DATAGRAM: usize = 1600;

/// Receives up to [`BATCH`] datagrams at once.
pub(crate) struct ReceiveBatch {
    buffers: Box<[[u8; MAX_DATAGRAM]; BATCH]>,
    addresses: Box<[libc::sockaddr_storage; BATCH]>,
    lengths: [usize; BATCH],
    received: usize,
}

/// Collects up to [`BATCH`] datagrams of one socket and sends them at once.
pub(crate) struct SendBatch {
    buffers: Box<[[u8; MAX_DATAGRAM]; BATCH]>,
    lengths: [usize; BATCH],
    destinations: [SocketAddr; BATCH],
    queued: usize,
    /// Several datagrams may travel as one message that the kernel cuts up.
    segments: bool,
    /// Datagrams before this one were refused as one message.
    single_until: usize,
    /// Datagrams that the kernel refused, because its buffer was full or the way is closed.
    dropped: u64,
}

impl ReceiveBatch {
    pub(crate) fn new() -> Self {
        ReceiveBatch {
            buffers: Box::new([[0; MAX_DATAGRAM]; BATCH]),
            // SAFETY: sockaddr_storage is plain data for which all zeroes is a valid value.
            addresses: Box::new(unsafe { mem::zeroed() }),
            lengths: [0; BATCH],
            received: 0,
        }
    }

    /// Fills the batch with what waits at `socket`; `WouldBlock` if nothing does.
    pub(crate) fn receive(&mut self, socket: BorrowedFd<'_>) -> io::Result<()> {
        self.received = 0;
        // SAFETY: iovec and mmsghdr are plain data for which all zeroes is a valid value.
        let mut vectors: [libc::iovec; BATCH] = unsafe { mem::zeroed() };
        // SAFETY: as above.
        let mut headers: [libc::mmsghdr; BATCH] = unsafe { mem::zeroed() };
        for i in 0..BATCH {
            vectors[i] = libc::iovec {
                iov_base: self.buffers[i].as_mut_ptr().cast(),
                iov_len: MAX_DATAGRAM,
            };
            headers[i].msg_hdr.msg_iov = &raw mut vectors[i];
            headers[i].msg_hdr.msg_iovlen = 1;
            headers[i].msg_hdr.msg_name = (&raw mut self.addresses[i]).cast();
            headers[i].msg_hdr.msg_namelen = mem::size_of::<libc::sockaddr_storage>() as u32;
        }
        // SAFETY: every header points at one vector, one buffer of the length it states and one
        // address, all of which outlive the call; the descriptor is borrowed, hence open.
        let count = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr(),
                BATCH as u32,
                libc::MSG_DONTWAIT,
                std::ptr::null_mut(),
            )
        };
        let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
        for (length, header) in self.lengths.iter_mut().zip(&headers).take(count) {
            let cut = header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0;
            *length = if cut { 0 } else { header.msg_len as usize };
        }
        self.received = count;
        Ok(())
    }

    pub(crate) fn len(&self) -> usize {
        self.received
    }

    /// The `i`th datagram and its sender; `None` for what was too long or came from nowhere.
    pub(crate) fn datagram(&mut self, i: usize) -> Option<(SocketAddr, &mut [u8])> {
        if i >= self.received || self.lengths[i] == 0 {
            return None;
        }
        let remote = read_address(&self.addresses[i])?;
        Some((remote, &mut self.buffers[i][..self.lengths[i]]))
    }
}

impl SendBatch {
    pub(crate) fn new() -> Self {
        SendBatch {
            buffers: Box::new([[0; MAX_DATAGRAM]; BATCH]),
            lengths: [0; BATCH],
            destinations: [SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0)); BATCH],
            queued: 0,
            segments: true,
            single_until: 0,
            dropped: 0,
        }
    }

    /// The buffer of the next datagram. The batch must not be full.
    pub(crate) fn slot(&mut self) -> &mut [u8] {
        let next = self.queued.min(BATCH - 1);
        &mut self.buffers[next]
    }

    /// Queues what was written to the slot.
    pub(crate) fn push(&mut self, destination: SocketAddr, len: usize) {
        let next = self.queued.min(BATCH - 1);
        self.lengths[next] = len.min(MAX_DATAGRAM);
        self.destinations[next] = destination;
        self.queued = next + 1;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queued == 0
    }

    pub(crate) fn is_full(&self) -> bool {
        self.queued == BATCH
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Sends everything that is queued. Media that the kernel has no room for is dropped: waiting
    /// would hold up every other connection of the worker.
    pub(crate) fn send(&mut self, socket: BorrowedFd<'_>) {
        let queued = mem::take(&mut self.queued);
        let mut sent = 0;
        self.single_until = 0;
        while sent < queued {
            sent = self.send_some(socket, sent, queued);
        }
    }

    /// Makes one system call for the datagrams from `start` on; returns the first that is still to
    /// be sent.
    fn send_some(&mut self, socket: BorrowedFd<'_>, start: usize, queued: usize) -> usize {
        // SAFETY: iovec and mmsghdr are plain data for which all zeroes is a valid value.
        let mut vectors: [libc::iovec; BATCH] = unsafe { mem::zeroed() };
        // SAFETY: as above.
        let mut headers: [libc::mmsghdr; BATCH] = unsafe { mem::zeroed() };
        let mut addresses: [MaybeUninit<libc::sockaddr_storage>; BATCH] =
            [const { MaybeUninit::uninit() }; BATCH];
        let mut controls = [[0u64; SEGMENT_CONTROL / 8]; BATCH];
        let datagrams = self.buffers.iter_mut().zip(self.lengths);
        for (vector, (buffer, len)) in vectors.iter_mut().zip(datagrams) {
            *vector = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: len };
        }
        // The datagram after each message's last.
        let mut ends = [0; BATCH];
        let (mut messages, mut next) = (0, start);
        while next < queued {
            let run = self.run(next, queued);
            let header = &mut headers[messages].msg_hdr;
            header.msg_iov = &raw mut vectors[next];
            header.msg_iovlen = run;
            header.msg_namelen = write_address(&mut addresses[next], self.destinations[next]);
            header.msg_name = addresses[next].as_mut_ptr().cast();
            if run > 1 {
                write_segment_size(header, &mut controls[messages], self.lengths[next] as u16);
            }
            next += run;
            ends[messages] = next;
            messages += 1;
        }
        // SAFETY: the first `messages` headers were filled above: each points at vectors, buffers,
        // an address and perhaps a control block that outlive the call.
        let result = unsafe {
            libc::sendmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr(),
                messages as u32,
                libc::MSG_DONTWAIT,
            )
        };
        match usize::try_from(result) {
            Ok(count) if count > 0 => return ends[count - 1],
            _ => {}
        }
        // The first message was refused.
        let error = io::Error::last_os_error();
        if error.kind() == io::ErrorKind::Interrupted {
            return start;
        }
        let refused = ends[0] - start;
        match error.raw_os_error() {
            // The device leaves checksums to us, and then the kernel does not cut.
            Some(libc::EIO) if refused > 1 => {
                tracing::debug!("datagrams are sent one by one from now on");
                self.segments = false;
                return start;
            }
            // Longer than this way carries, or a destination that no datagram can have; the other
            // peers of the worker are none the worse for it.
            Some(libc::EINVAL | libc::EMSGSIZE) if refused > 1 => {
                self.single_until = ends[0];
                return start;
            }
            _ => {}
        }
        self.dropped += refused as u64;
        ends[0]
    }

    /// How many datagrams from `first` on the kernel can cut out of one message: the same
    /// destination and length, only the last may be shorter (udp(7), UDP_SEGMENT). Cutting late
    /// saves each of them the way through the kernel's stack.
    fn run(&self, first: usize, queued: usize) -> usize {
        if !self.segments || first < self.single_until || self.lengths[first] == 0 {
            return 1;
        }
        let mut end = first + 1;
        while end < queued
            && self.destinations[end] == self.destinations[first]
            && (1..=self.lengths[first]).contains(&self.lengths[end])
        {
            end += 1;
            if self.lengths[end - 1] < self.lengths[first] {
                break;
            }
        }
        end - first
    }
}

/// Room for one control message that holds a `u16`.
const SEGMENT_CONTROL: usize = 24;

fn write_segment_size(
    header: &mut libc::msghdr,
    control: &mut [u64; SEGMENT_CONTROL / 8],
    size: u16,
) {
    header.msg_control = control.as_mut_ptr().cast();
    header.msg_controllen = SEGMENT_CONTROL;
    // SAFETY: the header names a control block that is aligned and large enough for one message
    // with a u16: CMSG_SPACE(2) is 24.
    unsafe {
        let message = libc::CMSG_FIRSTHDR(header);
        (*message).cmsg_level = libc::SOL_UDP;
        (*message).cmsg_type = libc::UDP_SEGMENT;
        (*message).cmsg_len = libc::CMSG_LEN(size_of::<u16>() as u32) as usize;
        libc::CMSG_DATA(message).cast::<u16>().write_unaligned(size);
    }
}

fn read_address(storage: &libc::sockaddr_storage) -> Option<SocketAddr> {
    match i32::from(storage.ss_family) {
        libc::AF_INET => {
            // SAFETY: the kernel wrote a sockaddr_in, as the family says, into storage that is
            // large enough and aligned for it.
            let v4 = unsafe { &*(&raw const *storage).cast::<libc::sockaddr_in>() };
            let ip = Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr));
            Some(SocketAddr::V4(SocketAddrV4::new(ip, u16::from_be(v4.sin_port))))
        }
        libc::AF_INET6 => {
            // SAFETY: as above, for sockaddr_in6.
            let v6 = unsafe { &*(&raw const *storage).cast::<libc::sockaddr_in6>() };
            let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
            let port = u16::from_be(v6.sin6_port);
            Some(SocketAddr::V6(SocketAddrV6::new(ip, port, 0, v6.sin6_scope_id)))
        }
        _ => None,
    }
}

/// Returns the length of what was written.
fn write_address(storage: &mut MaybeUninit<libc::sockaddr_storage>, address: SocketAddr) -> u32 {
    match address {
        SocketAddr::V4(v4) => {
            let raw = libc::sockaddr_in {
                sin_family: libc::AF_INET as libc::sa_family_t,
                sin_port: v4.port().to_be(),
                sin_addr: libc::in_addr { s_addr: u32::from(*v4.ip()).to_be() },
                sin_zero: [0; 8],
            };
            // SAFETY: sockaddr_storage is large enough and aligned for every socket address.
            unsafe { storage.as_mut_ptr().cast::<libc::sockaddr_in>().write(raw) };
            mem::size_of::<libc::sockaddr_in>() as u32
        }
        SocketAddr::V6(v6) => {
            let raw = libc::sockaddr_in6 {
                sin6_family: libc::AF_INET6 as libc::sa_family_t,
                sin6_port: v6.port().to_be(),
                sin6_flowinfo: v6.flowinfo(),
                sin6_addr: libc::in6_addr { s6_addr: v6.ip().octets() },
                sin6_scope_id: v6.scope_id(),
            };
            // SAFETY: as above.
            unsafe { storage.as_mut_ptr().cast::<libc::sockaddr_in6>().write(raw) };
            mem::size_of::<libc::sockaddr_in6>() as u32
        }
    }
}

#[cfg(test)]
mod test {
    use std::net::UdpSocket;
    use std::os::fd::AsFd;

    use super::*;

    fn pair() -> (UdpSocket, UdpSocket) {
        let bind = || UdpSocket::bind("127.0.0.1:0").expect("loopback has free ports");
        (bind(), bind())
    }

    #[test]
    fn a_full_batch_arrives_whole_and_in_order() {
        let (a, b) = pair();
        let to = b.local_addr().unwrap();
        let mut out = SendBatch::new();
        for i in 0..BATCH {
            out.slot()[..2].copy_from_slice(&[i as u8, 7]);
            out.push(to, 2);
        }
        assert!(out.is_full());
        out.send(a.as_fd());
        assert!(out.is_empty());

        let mut batch = ReceiveBatch::new();
        batch.receive(b.as_fd()).unwrap();
        assert_eq!(batch.len(), BATCH);
        for i in 0..BATCH {
            let (from, data) = batch.datagram(i).unwrap();
            assert_eq!((from, &data[..]), (a.local_addr().unwrap(), &[i as u8, 7][..]));
        }
        assert_eq!(batch.receive(b.as_fd()).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn def_74_a_datagram_longer_than_the_buffer_is_dropped() {
        let (a, b) = pair();
        a.send_to(&[0; MAX_DATAGRAM + 1], b.local_addr().unwrap()).unwrap();
        let mut batch = ReceiveBatch::new();
        batch.receive(b.as_fd()).unwrap();
        assert_eq!(batch.len(), 1);
        assert!(batch.datagram(0).is_none());
    }

    #[test]
    fn a_refused_datagram_is_counted_and_the_rest_still_leaves() {
        let (a, b) = pair();
        let mut out = SendBatch::new();
        // An IPv6 destination on an IPv4 socket is refused by the kernel.
        out.push("[::1]:9".parse().unwrap(), 1);
        out.slot()[0] = 42;
        out.push(b.local_addr().unwrap(), 1);
        out.send(a.as_fd());
        assert_eq!(out.dropped(), 1);
        let mut batch = ReceiveBatch::new();
        batch.receive(b.as_fd()).unwrap();
        assert_eq!(batch.datagram(0).unwrap().1, &[42]);
    }

    #[test]
    fn datagrams_to_one_peer_arrive_apart_whatever_their_lengths() {
        let (a, b) = pair();
        let c = UdpSocket::bind("127.0.0.1:0").unwrap();
        let (to_b, to_c) = (b.local_addr().unwrap(), c.local_addr().unwrap());
        let mut out = SendBatch::new();
        let sent =
            [(to_b, 90), (to_b, 90), (to_b, 40), (to_b, 90), (to_c, 90), (to_b, 0), (to_b, 91)];
        for (i, (to, len)) in sent.into_iter().enumerate() {
            out.slot()[..len].fill(i as u8);
            out.push(to, len);
        }
        assert_eq!(out.run(0, sent.len()), 3);
        out.send(a.as_fd());
        assert_eq!(out.dropped(), 0);
        let mut buffer = [0; 128];
        for (i, (to, len)) in sent.into_iter().enumerate() {
            let socket = if to == to_b { &b } else { &c };
            assert_eq!(socket.recv(&mut buffer).unwrap(), len);
            assert_eq!(buffer[..len], vec![i as u8; len]);
        }
        assert!(out.segments);
    }

    #[test]
    fn a_peer_that_cannot_be_reached_costs_the_others_nothing() {
        let (a, b) = pair();
        let mut out = SendBatch::new();
        let (nobody, to) = (SocketAddr::from(([127, 0, 0, 1], 0)), b.local_addr().unwrap());
        for (i, to) in [nobody, nobody, to, to].into_iter().enumerate() {
            out.slot()[0] = i as u8;
            out.push(to, 1);
        }
        out.send(a.as_fd());
        assert_eq!((out.segments, out.dropped()), (true, 2));
        let mut batch = ReceiveBatch::new();
        batch.receive(b.as_fd()).unwrap();
        assert_eq!(batch.len(), 2);
    }

    #[test]
    fn a_message_that_cannot_be_cut_goes_out_one_by_one() {
        let (a, b) = pair();
        // Checksums off: the kernel refuses to cut.
        let off: libc::c_int = 1;
        // SAFETY: SO_NO_CHECK takes one int.
        unsafe {
            libc::setsockopt(
                a.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_NO_CHECK,
                (&raw const off).cast(),
                size_of::<libc::c_int>() as libc::socklen_t,
            );
        }
        let mut out = SendBatch::new();
        for i in 0..3 {
            out.slot()[0] = i;
            out.push(b.local_addr().unwrap(), 1);
        }
        out.send(a.as_fd());
        assert_eq!(out.dropped(), 0);
        let mut batch = ReceiveBatch::new();
        batch.receive(b.as_fd()).unwrap();
        assert_eq!(batch.len(), 3);
    }
}
