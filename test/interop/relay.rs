//! A lossy path between a near and a far end that both take for each other.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock};

use tokio::net::UdpSocket;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::bounded::within;
use crate::sdp;

/// Passes datagrams on, except each twentieth video packet when it comes for the first time.
pub struct Relay {
    port: u16,
    near: Arc<OnceLock<u16>>,
    far: Arc<OnceLock<u16>>,
    lost: Arc<Mutex<HashSet<(u32, u16)>>>,
    goodbye: watch::Receiver<bool>,
    task: JoinHandle<()>,
}

impl Relay {
    /// `video` is the payload type that gets lost.
    pub async fn start(video: u8) -> Relay {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
        let port = socket.local_addr().expect("bound").port();
        let (near, far) = (Arc::new(OnceLock::new()), Arc::new(OnceLock::new()));
        let lost = Arc::new(Mutex::new(HashSet::new()));
        let (tell, goodbye) = watch::channel(false);
        let (near_port, far_port) = (Arc::clone(&near), Arc::clone(&far));
        let losses = Arc::clone(&lost);
        let task = tokio::spawn(async move {
            let mut buffer = [0; 2048];
            // An error is an ICMP message about an end that is gone.
            loop {
                let Ok((len, from)) = socket.recv_from(&mut buffer).await else { continue };
                let datagram = &buffer[..len];
                let from_near = near_port.get() == Some(&from.port());
                let to = if from_near { far_port.get() } else { near_port.get() };
                let Some(to) = to else { continue };
                // A DTLS record of type alert (RFC 5246 §7.2, RFC 7983 §7).
                if from_near && datagram.first() == Some(&21) {
                    tell.send_replace(true);
                }
                if !lose(datagram, video, &mut losses.lock().expect("no panic before")) {
                    let _ = socket.send_to(datagram, SocketAddr::from(([127, 0, 0, 1], *to))).await;
                }
            }
        });
        Relay { port, near, far, lost, goodbye, task }
    }

    /// The description of our side as the far end is to see it.
    pub fn of_near(&self, text: &str) -> String {
        self.instead_of(&self.near, text)
    }

    /// The description of the far end as we are to see it.
    pub fn of_far(&self, text: &str) -> String {
        self.instead_of(&self.far, text)
    }

    /// SSRC and sequence number of each packet that was lost once.
    pub fn lost(&self) -> HashSet<(u32, u16)> {
        self.lost.lock().expect("no panic before").clone()
    }

    /// The near end said in DTLS that it leaves.
    pub async fn sees_goodbye(&mut self) {
        within("an alert", self.goodbye.wait_for(|seen| *seen)).await.expect("a relay");
    }

    fn instead_of(&self, end: &OnceLock<u16>, text: &str) -> String {
        let port = *sdp::ports(text).first().expect("a candidate");
        assert_eq!(end.get_or_init(|| port), &port);
        text.replace(&format!(" 127.0.0.1 {port} "), &format!(" 127.0.0.1 {} ", self.port))
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lose(datagram: &[u8], video: u8, lost: &mut HashSet<(u32, u16)>) -> bool {
    let &[first, second, high, low, _, _, _, _, a, b, c, d, ..] = datagram else { return false };
    let sequence = u16::from_be_bytes([high, low]);
    let is_video = (128..192).contains(&first) && second & 0x7f == video;
    is_video && sequence % 20 == 0 && lost.insert((u32::from_be_bytes([a, b, c, d]), sequence))
}
