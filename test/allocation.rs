//! Media in steady state allocates nothing: one publisher, 20 subscribers, SRTP on both sides,
//! from `Engine::handle_datagram` to the datagrams in the sink.

#[path = "engine/link.rs"]
#[allow(dead_code, reason = "shared with the engine suite")]
mod link;
#[path = "engine/negotiation_support.rs"]
#[allow(dead_code, reason = "shared with the engine suite")]
mod negotiation_support;
#[path = "engine/session_client.rs"]
#[allow(dead_code, reason = "shared with the engine suite")]
mod session_client;
#[path = "engine/session_room.rs"]
#[allow(dead_code, reason = "shared with the engine suite")]
mod session_room;
#[path = "engine/transport_peer.rs"]
#[allow(dead_code, reason = "shared with the engine suite")]
mod transport_peer;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::SocketAddr;
use std::time::Duration;

use erizo::connection::output::DatagramSink;
use erizo::transport::demux::{Datagram, classify};

use link::Node;
use session_room::Room;

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    // Not counted while the thread ends.
    let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
}

// SAFETY: every call is passed on unchanged to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's obligations are those of `System`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Counts and forgets.
struct Drain {
    slot: Box<[u8]>,
    media: u64,
    reports: u64,
}

impl DatagramSink for Drain {
    fn slot(&mut self) -> &mut [u8] {
        &mut self.slot
    }

    fn send(&mut self, _: SocketAddr, _: SocketAddr, len: usize) {
        match classify(&self.slot[..len]) {
            Datagram::Rtp => self.media += 1,
            Datagram::Rtcp => self.reports += 1,
            _ => {}
        }
    }
}

const SUBSCRIBERS: usize = 20;
/// Two seconds until each ring has been filled once, and as long again for the buffers to settle.
const WARM_UP: u64 = 450;
const TICKS: u64 = 900;

#[test]
fn forwarding_to_20_subscribers_allocates_nothing() {
    let mut room = Room::new();
    let (published, _) = room.call(SUBSCRIBERS);
    let (local, mut now) = (room.servers[0].address, room.now());
    let engine = &mut room.servers[0].engine;
    let client = &mut room.peers[published.peer].client;
    let mut out = Drain { slot: vec![0; 2048].into(), media: 0, reports: 0 };
    let (mut received, mut allocations) = (0, 0);
    for tick in 0..TICKS {
        now += Duration::from_millis(20);
        client.handle_timeout(now);
        while let Some(mut datagram) = client.poll_transmit(now) {
            let media = classify(&datagram.data) == Datagram::Rtp;
            let before = ALLOCATIONS.get();
            engine.handle_datagram(now, local, datagram.from, &mut datagram.data, &mut out);
            engine.flush(now, &mut out);
            if media && tick >= WARM_UP {
                received += 1;
                allocations += ALLOCATIONS.get() - before;
            }
        }
        if tick == WARM_UP {
            (out.media, out.reports) = (0, 0);
        }
        engine.handle_timeout(now, &mut out);
        engine.flush(now, &mut out);
    }
    assert!(received > 1000, "{received} packets came");
    assert!(out.media > received * SUBSCRIBERS as u64 * 9 / 10, "{} packets left", out.media);
    // Among them sender reports, receiver reports and transport feedback.
    assert!(out.reports > 200, "{} reports", out.reports);
    assert_eq!(allocations, 0, "for {} forwarded packets", out.media);
}
