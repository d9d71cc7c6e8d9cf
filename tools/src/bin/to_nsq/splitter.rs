//! From a stream of bytes to messages.

use bytes::{Bytes, BytesMut};
use memchr::{memchr, memrchr};

/// Gathers what was read until whole messages are there.
///
/// What is gathered is given out in blocks of whole messages, which [`messages`] takes apart without copying them. Only the
/// part of a message at the end of a block is copied, into the next one.
#[derive(Debug)]
pub(crate) struct Splitter {
    delimiter: u8,
    message_bytes_max: usize,
    gathered: BytesMut,
}

/// A message that does not end.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a message is longer than {0} bytes; is --delimiter right?")]
pub(crate) struct TooLong(usize);

impl Splitter {
    pub(crate) fn new(delimiter: u8, message_bytes_max: usize) -> Self {
        Self { delimiter, message_bytes_max, gathered: BytesMut::new() }
    }

    /// Takes what was read: the block of the messages that are whole now, delimiters included, if there are any.
    ///
    /// # Errors
    /// If the last message is too long already.
    pub(crate) fn push(&mut self, read: &[u8]) -> Result<Option<Bytes>, TooLong> {
        // Only what is new can have a delimiter.
        let end = memrchr(self.delimiter, read).map(|index| self.gathered.len() + index + 1);
        let whole = end.unwrap_or(0);
        if self.message_bytes_max < self.gathered.len() + read.len() - whole {
            return Err(TooLong(self.message_bytes_max));
        }
        self.gathered.extend_from_slice(read);
        Ok(end.map(|end| self.gathered.split_to(end).freeze()))
    }

    /// The end of the input: what is left is a message, although no delimiter follows.
    pub(crate) fn finish(self) -> Bytes {
        self.gathered.freeze()
    }
}

/// The messages of a block without their delimiters. Empty ones are left out.
pub(crate) fn messages(mut block: Bytes, delimiter: u8) -> impl Iterator<Item = Bytes> {
    std::iter::from_fn(move || {
        while !block.is_empty() {
            let message = match memchr(delimiter, &block) {
                Some(end) => {
                    let mut message = block.split_to(end + 1);
                    message.truncate(end);
                    message
                }
                None => std::mem::take(&mut block),
            };
            if !message.is_empty() {
                return Some(message);
            }
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LONG: usize = 1 << 20;

    /// All messages of an input that comes in these pieces.
    fn split<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, delimiter: u8) -> Vec<Bytes> {
        let mut splitter = Splitter::new(delimiter, LONG);
        let mut found = Vec::new();
        for piece in pieces {
            if let Some(block) = splitter.push(piece).unwrap() {
                assert_eq!(block.last(), Some(&delimiter), "a block ends with a message");
                found.extend(messages(block, delimiter));
            }
        }
        found.extend(messages(splitter.finish(), delimiter));
        found
    }

    #[track_caller]
    fn check(input: &str, expected: &[&str]) {
        let found = split([input.as_bytes()], b'\n');
        assert_eq!(found, expected.iter().map(|text| text.as_bytes()).collect::<Vec<_>>(), "{input:?}");
    }

    /// The reference took the last byte for the delimiter without looking.
    #[test]
    fn the_last_message_needs_no_delimiter() {
        check("last-no-newline", &["last-no-newline"]);
        check("x", &["x"]);
        check("a\nb", &["a", "b"]);
    }

    #[test]
    fn empty_messages_are_left_out_and_carriage_returns_stay() {
        check("", &[]);
        check("\n\n", &[]);
        check("\na\n\nb\r\n", &["a", "b\r"]);
    }

    #[test]
    fn a_message_has_a_bound() {
        let mut splitter = Splitter::new(b'\n', 4);
        assert_eq!(splitter.push(b"1234").unwrap(), None);
        assert_eq!(splitter.push(b"5"), Err(TooLong(4)));
        let mut splitter = Splitter::new(b'\n', 4);
        splitter.push(b"1234").unwrap();
        assert_eq!(splitter.push(b"\nabcd").unwrap().unwrap(), "1234\n");
        assert_eq!(splitter.push(b"e"), Err(TooLong(4)));
    }

    proptest! {
        /// However the bytes come, the messages are those between the delimiters.
        #[test]
        fn pieces_do_not_matter(input in proptest::collection::vec(0_u8..4, 0..200), piece in 1_usize..50) {
            let expected: Vec<&[u8]> = input.split(|byte| *byte == 0).filter(|text| !text.is_empty()).collect();
            prop_assert_eq!(split(input.chunks(piece), 0), expected);
        }
    }
}
