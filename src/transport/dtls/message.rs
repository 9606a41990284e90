//! Handshake messages from their fragments (RFC 6347 §4.2.3), within fixed limits (N11).
//!
//! ```text
//! | type (1) | length (3) | message_seq (2) | fragment_offset (3) | fragment_length (3) | body |
//! ```

use std::ops::Range;

/// One well-formed fragment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fragment<'a> {
    pub(super) kind: u8,
    total: usize,
    sequence: u16,
    offset: usize,
    pub(super) body: &'a [u8],
}

impl<'a> Fragment<'a> {
    /// The first fragment of a record's body and what follows it. `None` where the rest makes no
    /// sense.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<(Fragment<'a>, &'a [u8])> {
        let (header, rest) = bytes.split_first_chunk::<HEADER_LEN>()?;
        let len = number(&header[9..12]);
        let (body, rest) = rest.split_at_checked(len)?;
        let fragment = Fragment {
            kind: header[0],
            total: number(&header[1..4]),
            sequence: u16::from_be_bytes([header[4], header[5]]),
            offset: number(&header[6..9]),
            body,
        };
        let consistent =
            fragment.offset + len <= fragment.total && (len > 0 || fragment.total == 0);
        consistent.then_some((fragment, rest))
    }

    fn range(&self) -> Range<usize> {
        self.offset..self.offset + self.body.len()
    }
}

/// Messages not yet taken, the next expected one first of all.
#[derive(Default, Debug)]
pub(super) struct Messages {
    next: u16,
    partial: Vec<Partial>,
}

#[derive(Debug)]
struct Partial {
    kind: u8,
    sequence: u16,
    body: Vec<u8>,
    /// Disjoint, not adjacent, in order.
    covered: Vec<Range<usize>>,
}

impl Messages {
    /// Is the fragment of a message that was taken before?
    pub(super) fn is_repeat(&self, fragment: &Fragment<'_>) -> bool {
        fragment.sequence < self.next
    }

    /// `false` if the fragment is of no use.
    pub(super) fn insert(&mut self, fragment: &Fragment<'_>) -> bool {
        let ahead = fragment.sequence.checked_sub(self.next);
        if ahead.is_none_or(|ahead| ahead > MAX_AHEAD) || fragment.total > MAX_MESSAGE {
            return false;
        }
        let found = self.partial.iter().position(|p| p.sequence == fragment.sequence);
        let same = found.filter(|index| {
            let partial = &self.partial[*index];
            partial.kind == fragment.kind && partial.body.len() == fragment.total
        });
        let index = match (same, found) {
            (Some(index), _) => index,
            // Contradicting totals: one of the two is forged. The honest one is repeated, so the
            // later wins sooner or later.
            (None, Some(index)) => {
                self.partial.swap_remove(index);
                match self.reserve(fragment) {
                    Some(index) => index,
                    None => return false,
                }
            }
            (None, None) => match self.reserve(fragment) {
                Some(index) => index,
                None => return false,
            },
        };
        self.partial[index].insert(fragment)
    }

    /// Room for a new message, at the cost of messages further ahead.
    fn reserve(&mut self, fragment: &Fragment<'_>) -> Option<usize> {
        while self.held() + fragment.total > MAX_HELD {
            let last = self.partial.iter().enumerate().max_by_key(|(_, p)| p.sequence);
            match last {
                Some((index, partial)) if partial.sequence > fragment.sequence => {
                    self.partial.swap_remove(index);
                }
                _ => return None,
            }
        }
        self.partial.push(Partial {
            kind: fragment.kind,
            sequence: fragment.sequence,
            body: vec![0; fragment.total],
            covered: Vec::new(),
        });
        Some(self.partial.len() - 1)
    }

    fn held(&self) -> usize {
        self.partial.iter().map(|partial| partial.body.len()).sum()
    }

    /// The type of the next message in order, once it is whole.
    pub(super) fn next_complete(&self) -> Option<u8> {
        let next = self.partial.iter().find(|partial| partial.sequence == self.next)?;
        next.is_complete().then_some(next.kind)
    }

    /// Forgets the next message, so that another one under its number can take its place.
    pub(super) fn discard_next(&mut self) {
        self.partial.retain(|partial| partial.sequence != self.next);
    }

    /// The next message with its header, as one fragment. Empty if it is not whole.
    pub(super) fn take_next(&mut self) -> Vec<u8> {
        let next = self.next;
        let found = self.partial.iter().position(|p| p.sequence == next && p.is_complete());
        let Some(index) = found else { return Vec::new() };
        let partial = self.partial.swap_remove(index);
        self.next = self.next.saturating_add(1);
        let len = (partial.body.len() as u32).to_be_bytes();
        let mut message = Vec::with_capacity(HEADER_LEN + partial.body.len());
        message.push(partial.kind);
        message.extend(&len[1..]);
        message.extend(partial.sequence.to_be_bytes());
        message.extend([0, 0, 0]);
        message.extend(&len[1..]);
        message.extend(partial.body);
        message
    }
}

impl Partial {
    fn insert(&mut self, fragment: &Fragment<'_>) -> bool {
        let mut range = fragment.range();
        if self.covered.iter().any(|c| c.start <= range.start && range.end <= c.end) {
            return self.body.is_empty();
        }
        let touching = |c: &Range<usize>| c.start <= range.end && range.start <= c.end;
        let merged = self.covered.iter().filter(|c| touching(c)).count();
        if self.covered.len() - merged >= MAX_GAPS {
            return false;
        }
        let Some(target) = self.body.get_mut(range.clone()) else { return false };
        target.copy_from_slice(fragment.body);
        let touched: Vec<Range<usize>> = self.covered.extract_if(.., |c| touching(c)).collect();
        for other in touched {
            range = range.start.min(other.start)..range.end.max(other.end);
        }
        let at = self.covered.partition_point(|c| c.start < range.start);
        self.covered.insert(at, range);
        true
    }

    fn is_complete(&self) -> bool {
        let whole = 0..self.body.len();
        whole.is_empty() || self.covered.first() == Some(&whole)
    }
}

fn number(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |number, byte| number << 8 | usize::from(*byte))
}

const HEADER_LEN: usize = 12;
/// A certificate chain; a self-signed certificate is 300 to 1200 bytes.
const MAX_MESSAGE: usize = 16 * 1024;
/// All messages under way. With the engine's own copy this stays below the 64 KiB of N11.
const MAX_HELD: usize = 32 * 1024;
/// Messages of one flight after the expected one: five at most.
const MAX_AHEAD: u16 = 5;
const MAX_GAPS: usize = 64;

#[cfg(test)]
mod test {
    use super::*;

    fn fragment(sequence: u16, total: usize, offset: usize, body: &[u8]) -> Vec<u8> {
        let mut bytes = vec![11];
        bytes.extend(&(total as u32).to_be_bytes()[1..]);
        bytes.extend(sequence.to_be_bytes());
        bytes.extend(&(offset as u32).to_be_bytes()[1..]);
        bytes.extend(&(body.len() as u32).to_be_bytes()[1..]);
        bytes.extend(body);
        bytes
    }

    fn insert(messages: &mut Messages, bytes: &[u8]) -> bool {
        Fragment::parse(bytes).is_some_and(|(fragment, _)| messages.insert(&fragment))
    }

    #[test]
    fn fragments_in_any_order_and_overlapping_make_the_message() {
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let mut messages = Messages::default();
            for piece in order {
                assert_eq!(messages.next_complete(), None);
                let (offset, body) = [(0, b"abcd"), (3, b"defg"), (6, b"ghij")][piece];
                assert!(insert(&mut messages, &fragment(0, 10, offset, body)));
            }
            assert_eq!(messages.next_complete(), Some(11));
            assert_eq!(messages.take_next()[HEADER_LEN..], *b"abcdefghij");
        }
    }

    #[test]
    fn an_empty_message_is_complete_at_once() {
        let mut messages = Messages::default();
        assert!(insert(&mut messages, &fragment(0, 0, 0, b"")));
        assert_eq!(messages.next_complete(), Some(11));
        assert_eq!(messages.take_next().len(), HEADER_LEN);
    }

    #[test]
    fn senseless_fragments_are_refused_n11() {
        for bytes in [
            fragment(0, 4, 2, b"abcd"),
            fragment(0, 4, 5, b""),
            fragment(0, 4, 0, b""),
            fragment(0, 0xff_ffff, 0, b"abcd"),
            fragment(0, MAX_MESSAGE + 1, 0, b"abcd"),
            fragment(MAX_AHEAD + 1, 4, 0, b"abcd"),
            fragment(u16::MAX, 4, 0, b"abcd"),
        ] {
            assert!(!insert(&mut Messages::default(), &bytes), "{bytes:?}");
        }
        let whole = fragment(0, 4, 0, b"abcd");
        for len in 0..whole.len() {
            assert!(Fragment::parse(&whole[..len]).is_none());
        }
    }

    #[test]
    fn contradicting_totals_do_not_block_the_handshake() {
        let mut messages = Messages::default();
        assert!(insert(&mut messages, &fragment(0, 9000, 0, b"forged")));
        assert!(insert(&mut messages, &fragment(0, 4, 0, b"true")));
        assert_eq!(messages.take_next()[HEADER_LEN..], *b"true");
    }

    #[test]
    fn memory_is_bounded_and_the_expected_message_has_precedence_n11() {
        let mut messages = Messages::default();
        for sequence in 1..=MAX_AHEAD {
            insert(&mut messages, &fragment(sequence, MAX_MESSAGE, 0, b"x"));
            assert!(messages.held() <= MAX_HELD);
        }
        assert!(insert(&mut messages, &fragment(0, MAX_MESSAGE, 0, b"x")));
        assert!(messages.held() <= MAX_HELD);
        for offset in (0..MAX_MESSAGE - 1).step_by(2) {
            insert(&mut messages, &fragment(0, MAX_MESSAGE, offset, b"x"));
        }
        assert!(messages.partial.iter().all(|p| p.covered.len() <= MAX_GAPS));
    }
}
