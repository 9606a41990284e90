//! Source description and goodbye (RFC 3550 §6.5, §6.6). Of a description only CNAME is written,
//! and nothing of it is read: the session description already says who a source is.

use super::super::reader::Reader;
use super::{GOODBYE, Rtcp, SOURCE_DESCRIPTION, Ssrc, put, write_member};

const CNAME: u8 = 1;

/// The reason is not read, so that one too long for the member does no harm: who leaves is known
/// before it.
pub(super) fn parse_goodbye(body: &[u8], count: u8) -> Option<Rtcp> {
    let mut reader = Reader::new(body);
    let mut sources = Vec::with_capacity(usize::from(count));
    for _ in 0..count {
        sources.push(Ssrc(reader.u32()?));
    }
    Some(Rtcp::Goodbye { sources })
}

/// One chunk with one item. A name of more than 255 bytes is cut.
pub fn write_sdes_cname(out: &mut Vec<u8>, ssrc: Ssrc, cname: &str) {
    let name = cname.as_bytes();
    let name = name.get(..255).unwrap_or(name);
    write_member(out, SOURCE_DESCRIPTION, 1, |out| {
        put(out, ssrc.0);
        out.extend_from_slice(&[CNAME, name.len() as u8]);
        out.extend_from_slice(name);
        // The list ends with at least one zero byte, then fills its word.
        let end = 4 - (2 + name.len()) % 4;
        out.extend_from_slice(&[0; 4][..end]);
    });
}

/// Names at most the 31 sources that the count field allows.
pub fn write_goodbye(out: &mut Vec<u8>, sources: &[Ssrc]) {
    let sources = sources.get(..31).unwrap_or(sources);
    write_member(out, GOODBYE, sources.len() as u8, |out| {
        for source in sources {
            put(out, source.0);
        }
    });
}

#[cfg(test)]
mod test {
    use super::super::super::error::RtcpError;
    use super::super::test::parse_all;
    use super::*;

    // N15
    #[test]
    fn a_goodbye_with_a_reason_too_long_still_says_who_leaves() {
        let goodbye = [0x81, 203, 0, 2, 0, 0, 0, 7, 255, b'a', b'b', b'c'];
        assert_eq!(parse_all(&goodbye), [Ok(Rtcp::Goodbye { sources: vec![Ssrc(7)] })]);
        let no_source = [0x82, 203, 0, 1, 0, 0, 0, 7];
        assert_eq!(parse_all(&no_source), [Err(RtcpError::WrongBody)]);
    }

    #[test]
    fn goodbye_round_trips() {
        let mut out = Vec::new();
        write_goodbye(&mut out, &[Ssrc(1), Ssrc(2)]);
        assert_eq!(out, [0x82, 203, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2]);
        let sources = vec![Ssrc(1), Ssrc(2)];
        assert_eq!(parse_all(&out), [Ok(Rtcp::Goodbye { sources })]);
    }

    #[test]
    fn cname_ends_with_a_zero_byte_on_a_word() {
        for len in [0, 1, 2, 3, 4, 5, 255, 300] {
            let name = "n".repeat(len);
            let mut out = Vec::new();
            write_sdes_cname(&mut out, Ssrc(1), &name);
            assert!(out.len().is_multiple_of(4));
            assert_eq!(out.last(), Some(&0));
            assert_eq!(usize::from(out[9]), len.min(255));
            assert_eq!(parse_all(&out), [Ok(Rtcp::Sdes)]);
            rtc::rtcp::packet::unmarshal(&mut &out[..]).unwrap();
        }
    }
}
