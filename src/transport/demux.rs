//! Which protocol a datagram belongs to (RFC 7983 §7), RTP or RTCP (RFC 5761 §4), and the little
//! STUN that the worker needs to route one before any connection has seen it.

/// First guess from the first bytes; nothing is authenticated yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Datagram {
    Stun,
    Dtls,
    Rtp,
    Rtcp,
    Unknown,
}

/// Contract DTL-5: 0 to 1 STUN, 20 to 64 DTLS, 128 to 191 RTP or RTCP.
pub fn classify(datagram: &[u8]) -> Datagram {
    match datagram.first() {
        // RFC 7983 leaves 2 and 3 to STUN too, but no STUN method in use reaches them.
        Some(0..=1) => Datagram::Stun,
        Some(20..=64) => Datagram::Dtls,
        Some(128..=191) if is_rtcp(datagram) => Datagram::Rtcp,
        Some(128..=191) => Datagram::Rtp,
        _ => Datagram::Unknown,
    }
}

/// RFC 5761 §4: with muxing, RTCP packet types 192 to 223 are the RTP payload types 64 to 95 with
/// the marker bit, which RTP may not use.
pub fn is_rtcp(datagram: &[u8]) -> bool {
    matches!(datagram.get(1), Some(192..=223))
}

/// Our half of USERNAME `ours:theirs` in a binding request (RFC 8445 §7.2.2), for routing by
/// credentials. `None` for everything else.
pub fn local_ufrag_of_binding_request(datagram: &[u8]) -> Option<&str> {
    if stun_kind(datagram)? != StunKind::Request {
        return None;
    }
    let username = attribute(datagram, USERNAME)?;
    let username = std::str::from_utf8(username).ok()?;
    let (local, _) = username.split_once(':')?;
    (!local.is_empty()).then_some(local)
}

/// Is this STUN an answer (success or error) to a binding request?
pub fn is_binding_response(datagram: &[u8]) -> bool {
    stun_kind(datagram) == Some(StunKind::Response)
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum StunKind {
    Request,
    Response,
    /// Indications and other methods.
    Other,
}

/// ```text
///  0                   1                   2                   3
/// |0 0|  message type (14 bits)     |         message length        |
/// |                    magic cookie 0x2112A442                      |
/// |                  transaction id (96 bits)                       |   RFC 8489 §5
/// ```
pub(super) fn stun_kind(datagram: &[u8]) -> Option<StunKind> {
    let header: &[u8; STUN_HEADER_LEN] = datagram.first_chunk()?;
    let body_len = usize::from(u16::from_be_bytes([header[2], header[3]]));
    if header[4..8] != MAGIC_COOKIE
        || body_len % 4 != 0
        || body_len != datagram.len() - STUN_HEADER_LEN
    {
        return None;
    }
    Some(match u16::from_be_bytes([header[0], header[1]]) {
        BINDING_REQUEST => StunKind::Request,
        BINDING_SUCCESS | BINDING_ERROR => StunKind::Response,
        _ => StunKind::Other,
    })
}

/// Of any STUN message.
pub fn transaction_id(datagram: &[u8]) -> Option<[u8; 12]> {
    datagram.get(8..STUN_HEADER_LEN)?.try_into().ok()
}

/// Whether FINGERPRINT (RFC 8489 §14.7), if there is one, is last and right.
pub(super) fn fingerprint_holds(datagram: &[u8]) -> bool {
    let Some(found) = attribute(datagram, FINGERPRINT) else { return true };
    let Some(covered) = datagram.len().checked_sub(8).and_then(|end| datagram.get(..end)) else {
        return false;
    };
    let last = datagram.get(covered.len()..).is_some_and(|tail| tail[..2] == FINGERPRINT_BYTES);
    last && found == (crc32(covered) ^ FINGERPRINT_XOR).to_be_bytes()
}

fn attribute(datagram: &[u8], wanted: u16) -> Option<&[u8]> {
    let mut rest = datagram.get(STUN_HEADER_LEN..)?;
    while let Some(([t0, t1, l0, l1], body)) = rest.split_first_chunk::<4>() {
        let len = usize::from(u16::from_be_bytes([*l0, *l1]));
        if u16::from_be_bytes([*t0, *t1]) == wanted {
            return body.get(..len);
        }
        rest = body.get(len.next_multiple_of(4)..)?;
    }
    None
}

/// CRC-32 of ISO 3309, bit by bit: STUN is a few packets a second.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    !crc
}

const STUN_HEADER_LEN: usize = 20;
const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const BINDING_REQUEST: u16 = 0x0001;
const BINDING_SUCCESS: u16 = 0x0101;
const BINDING_ERROR: u16 = 0x0111;
const USERNAME: u16 = 0x0006;
const FINGERPRINT: u16 = 0x8028;
const FINGERPRINT_BYTES: [u8; 2] = FINGERPRINT.to_be_bytes();
const FINGERPRINT_XOR: u32 = 0x5354_554e;

#[cfg(test)]
mod test {
    use super::*;

    fn binding_request(username: &[u8]) -> Vec<u8> {
        let padded = username.len().next_multiple_of(4);
        let mut datagram = vec![0, 1];
        datagram.extend(((4 + padded) as u16).to_be_bytes());
        datagram.extend(MAGIC_COOKIE);
        datagram.extend([7; 12]);
        datagram.extend(USERNAME.to_be_bytes());
        datagram.extend((username.len() as u16).to_be_bytes());
        datagram.extend(username);
        datagram.resize(STUN_HEADER_LEN + 4 + padded, 0);
        datagram
    }

    fn with_fingerprint(mut datagram: Vec<u8>) -> Vec<u8> {
        let len = u16::from_be_bytes([datagram[2], datagram[3]]) + 8;
        datagram[2..4].copy_from_slice(&len.to_be_bytes());
        let crc = crc32(&datagram) ^ FINGERPRINT_XOR;
        datagram.extend(FINGERPRINT_BYTES);
        datagram.extend([0, 4]);
        datagram.extend(crc.to_be_bytes());
        datagram
    }

    #[test]
    fn the_first_byte_decides_the_protocol_dtl_5() {
        for first in 0..=255u8 {
            let expected = match first {
                0 | 1 => Datagram::Stun,
                20..=64 => Datagram::Dtls,
                128..=191 => Datagram::Rtp,
                _ => Datagram::Unknown,
            };
            assert_eq!(classify(&[first, 96]), expected, "{first}");
        }
        assert_eq!(classify(&[]), Datagram::Unknown);
        assert_eq!(classify(&[128]), Datagram::Rtp);
    }

    #[test]
    fn the_second_byte_tells_rtcp_from_rtp() {
        for second in 0..=255u8 {
            let expected =
                if (192..=223).contains(&second) { Datagram::Rtcp } else { Datagram::Rtp };
            assert_eq!(classify(&[0x80, second]), expected, "{second}");
        }
    }

    #[test]
    fn a_binding_request_is_routed_by_our_half_of_the_username() {
        let request = binding_request(b"ours:theirs");
        assert_eq!(local_ufrag_of_binding_request(&request), Some("ours"));
        assert!(!is_binding_response(&request));
        let mut response = request.clone();
        response[0] = 1;
        assert!(is_binding_response(&response));
        assert_eq!(local_ufrag_of_binding_request(&response), None);
    }

    #[test]
    fn malformed_requests_are_routed_nowhere() {
        for username in [&b"no-colon"[..], b":theirs", b"", b"\xff\xfe:x"] {
            assert_eq!(local_ufrag_of_binding_request(&binding_request(username)), None);
        }
        let request = binding_request(b"ours:theirs");
        for len in 0..request.len() {
            assert_eq!(local_ufrag_of_binding_request(&request[..len]), None);
        }
        let mut long_attribute = request.clone();
        long_attribute[22..24].copy_from_slice(&[0xff, 0xff]);
        assert_eq!(local_ufrag_of_binding_request(&long_attribute), None);
        let mut odd_length = request;
        odd_length.push(0);
        odd_length[3] += 1;
        assert_eq!(stun_kind(&odd_length), None);
    }

    #[test]
    fn a_wrong_or_misplaced_fingerprint_is_found() {
        let good = with_fingerprint(binding_request(b"ours:theirs"));
        assert!(fingerprint_holds(&good));
        assert!(fingerprint_holds(&binding_request(b"ours:theirs")), "it is optional");
        for byte in 0..good.len() {
            // A length or attribute type that no longer leads to the attribute hides it instead.
            if (2..4).contains(&byte) || (20..24).contains(&byte) || (36..40).contains(&byte) {
                continue;
            }
            let mut bad = good.clone();
            bad[byte] ^= 1;
            assert!(!fingerprint_holds(&bad), "{byte}");
        }
    }

    #[test]
    fn crc_of_the_reference_string() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }
}
