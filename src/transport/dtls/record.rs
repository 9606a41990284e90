//! DTLS records (RFC 6347 §4.1), read without copying and without trust.
//!
//! ```text
//! | type (1) | version (2) | epoch (2) | sequence number (6) | length (2) | body |
//! ```

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ContentType {
    ChangeCipherSpec = 20,
    Alert = 21,
    Handshake = 22,
    ApplicationData = 23,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Record<'a> {
    pub(super) content_type: ContentType,
    pub(super) epoch: u16,
    pub(super) body: &'a [u8],
    pub(super) whole: &'a [u8],
}

/// The well-formed records of a datagram, up to the first that is cut short. Records of unknown
/// type or version are passed over (RFC 6347 §4.1.2.7).
#[derive(Clone, Debug)]
pub(super) struct Records<'a> {
    rest: &'a [u8],
}

impl<'a> Records<'a> {
    pub(super) fn of(datagram: &'a [u8]) -> Records<'a> {
        Records { rest: datagram }
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        loop {
            let header: &[u8; HEADER_LEN] = self.rest.first_chunk()?;
            let len = usize::from(u16::from_be_bytes([header[11], header[12]]));
            let (whole, rest) = self.rest.split_at_checked(HEADER_LEN + len)?;
            self.rest = rest;
            let content_type = match header[0] {
                20 => ContentType::ChangeCipherSpec,
                21 => ContentType::Alert,
                22 => ContentType::Handshake,
                23 => ContentType::ApplicationData,
                _ => continue,
            };
            if !matches!([header[1], header[2]], DTLS_1_2 | DTLS_1_0) || len == 0 {
                continue;
            }
            return Some(Record {
                content_type,
                epoch: u16::from_be_bytes([header[3], header[4]]),
                body: whole.get(HEADER_LEN..)?,
                whole,
            });
        }
    }
}

/// Appends a record of epoch 0. `body` comes from [`super::message`], which bounds it.
pub(super) fn write_record(
    out: &mut Vec<u8>,
    content_type: ContentType,
    sequence: u64,
    body: &[u8],
) {
    out.push(content_type as u8);
    out.extend(DTLS_1_2);
    out.extend([0, 0]);
    out.extend(&sequence.to_be_bytes()[2..]);
    out.extend((body.len() as u16).to_be_bytes());
    out.extend(body);
}

const HEADER_LEN: usize = 13;
const DTLS_1_2: [u8; 2] = [0xfe, 0xfd];
/// A first ClientHello may still say 1.0 (RFC 6347 §4.2.1).
const DTLS_1_0: [u8; 2] = [0xfe, 0xff];

#[cfg(test)]
mod test {
    use super::*;

    #[test]
    fn records_are_read_until_the_first_truncated_one() {
        let mut datagram = Vec::new();
        write_record(&mut datagram, ContentType::Handshake, 1, b"one");
        write_record(&mut datagram, ContentType::Alert, 2, b"two");
        let bodies = |datagram: &[u8]| -> Vec<Vec<u8>> {
            Records::of(datagram).map(|record| record.body.to_vec()).collect()
        };
        assert_eq!(bodies(&datagram), [b"one".to_vec(), b"two".to_vec()]);
        for len in 0..datagram.len() {
            let expected = usize::from(len >= 16);
            assert_eq!(bodies(&datagram[..len]).len(), expected, "{len}");
        }
    }

    #[test]
    fn foreign_types_versions_and_empty_records_are_passed_over() {
        for (at, value) in [(0, 24), (0, 19), (1, 3), (2, 0xfc)] {
            let mut datagram = Vec::new();
            write_record(&mut datagram, ContentType::Handshake, 1, b"one");
            datagram[at] = value;
            write_record(&mut datagram, ContentType::Alert, 2, b"two");
            let found: Vec<_> = Records::of(&datagram).map(|r| r.content_type).collect();
            assert_eq!(found, [ContentType::Alert]);
        }
        let mut empty = Vec::new();
        write_record(&mut empty, ContentType::Handshake, 1, b"");
        assert_eq!(Records::of(&empty).count(), 0);
    }
}
