//! What of a received datagram reaches the DTLS engine (RFC 6347 §4.1, §4.2).
//!
//! rtc-dtls buffers what an unauthenticated peer sends almost without limit, takes a
//! ChangeCipherSpec of any epoch, and a repeated handshake record stops its retransmissions for
//! good (dependencies.md section 2). So messages are put together here, within fixed limits, and
//! handed on whole, once, in order, and only where this handshake expects them. Epoch 1 follows
//! the ChangeCipherSpec; after the handshake nothing in plaintext is handed on at all.

use super::message::{Fragment, Messages};
use super::record::{ContentType, Record, Records, write_record};

#[derive(Debug)]
pub(super) struct Inbox {
    stage: Stage,
    messages: Messages,
    /// ChangeCipherSpec came before the messages that precede it.
    change_pending: bool,
    /// Epoch 1 is open.
    changed: bool,
    /// Records of epoch 1 that came too early.
    early: Vec<Vec<u8>>,
    /// Record number under which the next plaintext record is handed on.
    sequence: u64,
}

/// What one datagram brought.
#[derive(Default, Debug)]
pub(super) struct Delivery {
    /// Datagrams for the engine, in order.
    pub(super) datagrams: Vec<Vec<u8>>,
    /// The first ClientHello again: our HelloVerifyRequest was lost.
    pub(super) repeated_hello: bool,
    /// A fatal alert in plaintext. Anyone can forge one.
    pub(super) plaintext_alert: bool,
    /// Something of the datagram was of use, or may be later.
    pub(super) useful: bool,
}

/// The last handshake message handed on, by the flights of RFC 6347 §4.2.4 with certificates on
/// both sides.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    ServerStart,
    FirstHello,
    SecondHello,
    ClientCertificate,
    ClientKey,
    ClientStart,
    HelloVerify,
    ServerHello,
    ServerCertificate,
    ServerKey,
    CertificateRequest,
    /// The peer's next is ChangeCipherSpec.
    Complete,
    /// The handshake is over.
    Established,
}

impl Stage {
    /// The stage that message type `kind` leads to, if it may come now.
    fn after(self, kind: u8) -> Option<Stage> {
        Some(match (self, kind) {
            (Stage::ServerStart, CLIENT_HELLO) => Stage::FirstHello,
            (Stage::FirstHello, CLIENT_HELLO) => Stage::SecondHello,
            (Stage::SecondHello, CERTIFICATE) => Stage::ClientCertificate,
            (Stage::ClientCertificate, CLIENT_KEY_EXCHANGE) => Stage::ClientKey,
            (Stage::ClientKey, CERTIFICATE_VERIFY) => Stage::Complete,
            (Stage::ClientStart, HELLO_VERIFY_REQUEST) => Stage::HelloVerify,
            (Stage::ClientStart | Stage::HelloVerify, SERVER_HELLO) => Stage::ServerHello,
            (Stage::ServerHello, CERTIFICATE) => Stage::ServerCertificate,
            (Stage::ServerCertificate, SERVER_KEY_EXCHANGE) => Stage::ServerKey,
            (Stage::ServerKey, CERTIFICATE_REQUEST) => Stage::CertificateRequest,
            (Stage::ServerKey | Stage::CertificateRequest, SERVER_HELLO_DONE) => Stage::Complete,
            _ => return None,
        })
    }
}

impl Inbox {
    pub(super) fn new(is_client: bool) -> Inbox {
        Inbox {
            stage: if is_client { Stage::ClientStart } else { Stage::ServerStart },
            messages: Messages::default(),
            change_pending: false,
            changed: false,
            early: Vec::new(),
            sequence: 0,
        }
    }

    /// Only encrypted alerts and repeated final flights matter from now on.
    pub(super) fn establish(&mut self) {
        self.stage = Stage::Established;
        self.messages = Messages::default();
        self.early = Vec::new();
    }

    pub(super) fn accept(&mut self, datagram: &[u8]) -> Delivery {
        let mut delivery = Delivery::default();
        for record in Records::of(datagram) {
            match (record.epoch, record.content_type) {
                (0, _) if self.stage == Stage::Established => {}
                (0, ContentType::Handshake) => self.accept_fragments(&record, &mut delivery),
                (0, ContentType::ChangeCipherSpec) if record.body == [1] => {
                    delivery.useful |= !self.changed;
                    self.change_pending = !self.changed;
                }
                (0, ContentType::Alert) => {
                    delivery.plaintext_alert |= record.body.first() == Some(&ALERT_FATAL);
                }
                (1, ContentType::Handshake | ContentType::Alert) => {
                    self.accept_encrypted(&record, &mut delivery);
                }
                // Application data has no use here: there are no data channels (N13).
                _ => {}
            }
            self.hand_on_messages(&mut delivery);
            self.open_epoch(&mut delivery);
        }
        delivery.useful |= !delivery.datagrams.is_empty();
        delivery
    }

    fn accept_fragments(&mut self, record: &Record<'_>, delivery: &mut Delivery) {
        let mut rest = record.body;
        while let Some((fragment, after)) = Fragment::parse(rest) {
            rest = after;
            if self.messages.is_repeat(&fragment) {
                delivery.repeated_hello |=
                    self.stage == Stage::FirstHello && fragment.kind == CLIENT_HELLO;
            } else {
                delivery.useful |= self.messages.insert(&fragment);
            }
        }
    }

    fn accept_encrypted(&mut self, record: &Record<'_>, delivery: &mut Delivery) {
        if self.changed {
            delivery.datagrams.push(record.whole.to_vec());
        } else if self.early.len() < MAX_EARLY && record.whole.len() <= MAX_EARLY_LEN {
            delivery.useful = true;
            self.early.push(record.whole.to_vec());
        }
    }

    fn hand_on_messages(&mut self, delivery: &mut Delivery) {
        let mut batch = Vec::new();
        while let Some(kind) = self.messages.next_complete() {
            let Some(stage) = self.stage.after(kind) else {
                self.messages.discard_next();
                break;
            };
            self.stage = stage;
            let message = self.messages.take_next();
            write_record(&mut batch, ContentType::Handshake, self.next_sequence(), &message);
        }
        if !batch.is_empty() {
            delivery.datagrams.push(batch);
        }
    }

    fn open_epoch(&mut self, delivery: &mut Delivery) {
        if self.stage != Stage::Complete || !self.change_pending || self.changed {
            return;
        }
        self.changed = true;
        self.change_pending = false;
        let mut change = Vec::new();
        write_record(&mut change, ContentType::ChangeCipherSpec, self.next_sequence(), &[1]);
        delivery.datagrams.push(change);
        delivery.datagrams.append(&mut self.early);
    }

    fn next_sequence(&mut self) -> u64 {
        let sequence = self.sequence;
        self.sequence += 1;
        sequence
    }
}

/// Body of a message that [`Inbox`] handed on: ClientHello offers these SRTP profiles
/// (RFC 5764 §4.1.1), in the client's order.
pub(super) fn offered_srtp_profiles(datagram: &[u8]) -> Option<Vec<u16>> {
    let record = Records::of(datagram).next()?;
    let (fragment, _) = Fragment::parse(record.body)?;
    if fragment.kind != CLIENT_HELLO {
        return None;
    }
    // Version, random, then session id, cookie, cipher suites and compression methods.
    let rest = fragment.body.get(2 + 32..)?;
    let (_, rest) = vector8(rest)?;
    let (_, rest) = vector8(rest)?;
    let (_, rest) = vector16(rest)?;
    let (_, rest) = vector8(rest)?;
    let (mut extensions, _) = vector16(rest)?;
    while let Some((kind, after)) = extensions.split_first_chunk::<2>() {
        let (body, after) = vector16(after)?;
        if *kind == USE_SRTP {
            let (profiles, _) = vector16(body)?;
            let profiles = profiles.as_chunks::<2>().0;
            return Some(profiles.iter().map(|p| u16::from_be_bytes(*p)).collect());
        }
        extensions = after;
    }
    None
}

fn vector8(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first()?;
    rest.split_at_checked(usize::from(*len))
}

fn vector16(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*len)))
}

// RFC 5246 §7.4, RFC 6347 §4.3.2.
pub(super) const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
const HELLO_VERIFY_REQUEST: u8 = 3;
const CERTIFICATE: u8 = 11;
const SERVER_KEY_EXCHANGE: u8 = 12;
const CERTIFICATE_REQUEST: u8 = 13;
const SERVER_HELLO_DONE: u8 = 14;
const CERTIFICATE_VERIFY: u8 = 15;
const CLIENT_KEY_EXCHANGE: u8 = 16;
/// RFC 5246 §7.2.
const ALERT_FATAL: u8 = 2;
/// RFC 5764 §4.1.1.
const USE_SRTP: [u8; 2] = 14_u16.to_be_bytes();
/// Finished, an alert, and a repetition of each.
const MAX_EARLY: usize = 4;
/// Finished is 16 bytes plus 16 or 24 of protection.
const MAX_EARLY_LEN: usize = 256;

#[cfg(test)]
mod test {
    use super::*;

    /// One handshake message as one record.
    fn message(kind: u8, sequence: u16, body: &[u8]) -> Vec<u8> {
        let mut fragment = vec![kind];
        fragment.extend(&(body.len() as u32).to_be_bytes()[1..]);
        fragment.extend(sequence.to_be_bytes());
        fragment.extend([0, 0, 0]);
        fragment.extend(&(body.len() as u32).to_be_bytes()[1..]);
        fragment.extend(body);
        let mut datagram = Vec::new();
        write_record(&mut datagram, ContentType::Handshake, 7, &fragment);
        datagram
    }

    fn record(content_type: u8, epoch: u8, body: &[u8]) -> Vec<u8> {
        let mut datagram = vec![content_type, 0xfe, 0xfd, 0, epoch, 0, 0, 0, 0, 0, 9, 0];
        datagram.push(body.len() as u8);
        datagram.extend(body);
        datagram
    }

    fn kinds(delivery: &Delivery) -> Vec<u8> {
        let records = delivery.datagrams.iter().flat_map(|datagram| Records::of(datagram));
        records.map(|r| if r.epoch == 0 { r.body[0] } else { 100 }).collect()
    }

    fn server_after_second_hello() -> Inbox {
        let mut inbox = Inbox::new(false);
        assert_eq!(kinds(&inbox.accept(&message(CLIENT_HELLO, 0, b"first"))), [CLIENT_HELLO]);
        assert_eq!(kinds(&inbox.accept(&message(CLIENT_HELLO, 1, b"second"))), [CLIENT_HELLO]);
        inbox
    }

    #[test]
    fn messages_are_handed_on_once_and_in_order() {
        let mut inbox = server_after_second_hello();
        let late = inbox.accept(&message(CLIENT_KEY_EXCHANGE, 3, b"key"));
        assert!(late.datagrams.is_empty() && late.useful);
        let both = inbox.accept(&message(CERTIFICATE, 2, b"certificate"));
        assert_eq!(kinds(&both), [CERTIFICATE, CLIENT_KEY_EXCHANGE]);
        let again = inbox.accept(&message(CERTIFICATE, 2, b"certificate"));
        assert!(again.datagrams.is_empty() && !again.useful, "a repeat stops rtc-dtls's timer");
    }

    #[test]
    fn a_repeated_first_hello_asks_for_the_answer_again() {
        let mut inbox = Inbox::new(false);
        assert!(!inbox.accept(&message(CLIENT_HELLO, 0, b"first")).repeated_hello);
        let again = inbox.accept(&message(CLIENT_HELLO, 0, b"first"));
        assert!(again.repeated_hello && again.datagrams.is_empty());
        inbox.accept(&message(CLIENT_HELLO, 1, b"second"));
        assert!(!inbox.accept(&message(CLIENT_HELLO, 0, b"first")).repeated_hello);
    }

    #[test]
    fn a_message_out_of_place_is_dropped_and_the_right_one_still_counts() {
        let mut inbox = server_after_second_hello();
        for kind in [CLIENT_KEY_EXCHANGE, CERTIFICATE_VERIFY, SERVER_HELLO, 20, 99] {
            assert!(inbox.accept(&message(kind, 2, b"x")).datagrams.is_empty(), "{kind}");
        }
        assert_eq!(kinds(&inbox.accept(&message(CERTIFICATE, 2, b"c"))), [CERTIFICATE]);
    }

    #[test]
    fn the_second_epoch_waits_for_the_messages_before_it() {
        let mut inbox = server_after_second_hello();
        assert!(inbox.accept(&record(22, 1, b"finished")).datagrams.is_empty());
        assert!(inbox.accept(&record(20, 0, &[1])).datagrams.is_empty());
        inbox.accept(&message(CERTIFICATE, 2, b"c"));
        inbox.accept(&message(CLIENT_KEY_EXCHANGE, 3, b"k"));
        let last = inbox.accept(&message(CERTIFICATE_VERIFY, 4, b"v"));
        assert_eq!(kinds(&last), [CERTIFICATE_VERIFY, 1, 100]);
        assert_eq!(last.datagrams.len(), 3, "the engine needs to read them one after the other");
    }

    #[test]
    fn early_records_are_few() {
        let mut inbox = Inbox::new(true);
        for _ in 0..1000 {
            inbox.accept(&record(22, 1, b"junk"));
        }
        assert_eq!(inbox.early.len(), MAX_EARLY);
        let mut large = Inbox::new(true);
        let mut long = vec![22, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 9, 4, 0];
        long.resize(13 + 1024, 0);
        large.accept(&long);
        assert!(large.early.is_empty());
    }

    #[test]
    fn after_the_handshake_only_encrypted_alerts_and_handshakes_pass_n3_n13() {
        let mut inbox = server_after_second_hello();
        inbox.accept(&message(CERTIFICATE, 2, b"c"));
        inbox.accept(&message(CLIENT_KEY_EXCHANGE, 3, b"k"));
        inbox.accept(&message(CERTIFICATE_VERIFY, 4, b"v"));
        inbox.accept(&record(20, 0, &[1]));
        inbox.establish();
        for datagram in [
            message(CLIENT_HELLO, 0, b"another handshake"),
            message(CLIENT_HELLO, 5, b"renegotiation"),
            record(20, 0, &[1]),
            record(20, 1, &[1]),
            record(20, 2, &[1]),
            record(21, 0, &[2, 40]),
            record(23, 0, b"data"),
            record(23, 1, b"data"),
            record(22, 2, b"future"),
            record(24, 1, b"heartbeat"),
        ] {
            let delivery = inbox.accept(&datagram);
            assert!(delivery.datagrams.is_empty() && !delivery.useful, "{datagram:?}");
        }
        assert_eq!(inbox.accept(&record(22, 1, b"finished")).datagrams.len(), 1);
        assert_eq!(inbox.accept(&record(21, 1, b"alert")).datagrams.len(), 1);
    }

    #[test]
    fn a_plaintext_alert_is_noted_but_not_handed_on() {
        let mut inbox = Inbox::new(true);
        let delivery = inbox.accept(&record(21, 0, &[2, 40]));
        assert!(delivery.plaintext_alert && delivery.datagrams.is_empty());
        assert!(!inbox.accept(&record(21, 0, &[1, 0])).plaintext_alert);
    }

    #[test]
    fn srtp_profiles_are_read_from_the_client_hello() {
        let mut body = vec![0xfe, 0xfd];
        body.extend([0; 32]);
        body.extend([0, 0, 0, 2, 0xc0, 0x2b, 1, 0]);
        body.extend([0, 15]);
        body.extend([0, 23, 0, 0]);
        body.extend([0, 14, 0, 7, 0, 4, 0, 1, 0, 7, 0]);
        let hello = message(CLIENT_HELLO, 0, &body);
        assert_eq!(offered_srtp_profiles(&hello), Some(vec![1, 7]));
        for len in 0..hello.len() {
            assert_eq!(offered_srtp_profiles(&hello[..len]), None);
        }
        for len in 0..body.len() - 1 {
            let cut = offered_srtp_profiles(&message(CLIENT_HELLO, 0, &body[..len]));
            assert_eq!(cut, None, "{len}");
        }
    }
}
