//! The body of MPUB.
//!
//! ```text
//! | count i32 | size i32 | message | size i32 | message | ...
//! ```

use super::{Limits, Verb};
use crate::ProtocolError;

/// Bytes of a count or a size.
const FIELD_BYTES: usize = 4;

/// Checks the body of an MPUB while it arrives.
///
/// Hand it the bytes behind the body's length, from their start, as often as more have come: it goes on where it
/// stopped, so that the cost is linear in the number of messages.
///
/// The messages must fill the declared length exactly. The reference ignores that length: it reads count and sizes as
/// they come. So that every malformed body gets the reference's own error, each field is read where the reference would
/// read it, even in the 4 bytes behind the declared end, and its value is judged first; only then does a message that
/// does not fit, or a rest that no message fills, become [`ProtocolError::MpubSizeMismatch`]. Hence what is refused
/// here and accepted there is just what breaks its own framing, and a reader never needs more than the declared length
/// and one field.
#[derive(Debug, Clone)]
pub struct MpubScan {
    /// Declared length of the body.
    size: usize,
    max_msg_bytes: u32,
    /// Highest count that can fit a body.
    max_count: u32,
    /// 0 until it is read.
    count: u32,
    /// Messages checked.
    index: u32,
    /// Where the next field begins, or began if its message is incomplete. Invariant: `offset <= size.max(4)`.
    offset: usize,
}

impl MpubScan {
    /// For a body whose length [`body_size`](crate::body_size) read and checked.
    pub fn new(size: u32, limits: &Limits) -> Self {
        Self {
            size: size as usize,
            max_msg_bytes: limits.max_msg_bytes,
            max_count: limits.max_body_bytes.saturating_sub(4) / 5,
            count: 0,
            index: 0,
            offset: 0,
        }
    }

    /// The declared length.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Looks at what has arrived since the last call. `None` until the body is complete.
    ///
    /// `body` starts at the count, holds at least what it held before, and may extend beyond the body.
    ///
    /// # Errors
    /// As soon as the bytes show it: the count or a size is out of range, or the messages do not fill the body. Then
    /// nothing of it may be published.
    pub fn advance<'a>(&mut self, body: &'a [u8]) -> Result<Option<MpubBody<'a>>, ProtocolError> {
        if self.count == 0 {
            let Some(count) = field_at(body, 0) else { return Ok(None) };
            self.count = self.checked_count(count)?;
            self.offset = FIELD_BYTES;
        }
        while self.index < self.count {
            let Some(size) = field_at(body, self.offset) else { return Ok(None) };
            let end = self.offset + FIELD_BYTES + self.checked_size(size)?;
            if end > self.size {
                return Err(self.mismatch());
            }
            if end > body.len() {
                return Ok(None);
            }
            self.offset = end;
            self.index += 1;
        }
        if self.offset != self.size {
            return Err(self.mismatch());
        }
        let messages = body.get(FIELD_BYTES..self.size).unwrap_or_default();
        Ok(Some(MpubBody { messages, count: self.count }))
    }

    /// The error if the stream ends, or the deadline passes, with only `available` bytes of the body there.
    #[cold]
    pub fn cut(&self, available: usize) -> ProtocolError {
        if self.count == 0 {
            ProtocolError::MpubCountCut
        } else if available < self.offset + FIELD_BYTES {
            ProtocolError::MpubMessageSizeCut { index: self.index }
        } else {
            ProtocolError::MessageCut { verb: Verb::Mpub }
        }
    }

    fn checked_count(&self, count: i32) -> Result<u32, ProtocolError> {
        match u32::try_from(count) {
            Ok(valid) if 0 < valid && valid <= self.max_count => Ok(valid),
            _ => Err(ProtocolError::InvalidMpubCount { count }),
        }
    }

    #[inline]
    fn checked_size(&self, size: i32) -> Result<usize, ProtocolError> {
        match u32::try_from(size) {
            Ok(valid) if 0 < valid && valid <= self.max_msg_bytes => Ok(valid as usize),
            _ => Err(self.bad_size(size)),
        }
    }

    #[cold]
    fn bad_size(&self, size: i32) -> ProtocolError {
        match u32::try_from(size) {
            Ok(size @ 1..) => {
                ProtocolError::MessageTooBig { verb: Verb::Mpub, size, limit: self.max_msg_bytes }
            }
            _ => ProtocolError::InvalidMpubMessageSize { index: self.index, size },
        }
    }

    #[cold]
    fn mismatch(&self) -> ProtocolError {
        ProtocolError::MpubSizeMismatch { size: u32::try_from(self.size).unwrap_or(u32::MAX) }
    }
}

/// The checked messages of an MPUB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MpubBody<'a> {
    /// Sizes and messages, end to end, `count` of them.
    messages: &'a [u8],
    count: u32,
}

impl<'a> MpubBody<'a> {
    /// Number of messages, at least 1.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Bytes of all messages together, without their sizes.
    pub fn message_bytes(&self) -> usize {
        self.messages.len() - FIELD_BYTES * self.count as usize
    }

    /// The messages, in order.
    #[inline]
    pub fn messages(&self) -> MpubMessages<'a> {
        MpubMessages { rest: self.messages, count: self.count as usize }
    }
}

/// Iterates over the messages of an MPUB.
#[derive(Debug, Clone)]
pub struct MpubMessages<'a> {
    rest: &'a [u8],
    count: usize,
}

impl<'a> Iterator for MpubMessages<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        let (size, rest) = self.rest.split_first_chunk()?;
        let (message, rest) = rest.split_at_checked(u32::from_be_bytes(*size) as usize)?;
        self.rest = rest;
        self.count -= 1;
        Some(message)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.count, Some(self.count))
    }
}

impl ExactSizeIterator for MpubMessages<'_> {}

#[inline]
fn field_at(body: &[u8], offset: usize) -> Option<i32> {
    let field = body.get(offset..)?.first_chunk()?;
    Some(i32::from_be_bytes(*field))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Numbers become 4 bytes, texts stay.
    macro_rules! body {
        ($($part:expr),* $(,)?) => { [$(Part::from($part).0),*].concat() };
    }

    struct Part(Vec<u8>);

    impl From<i32> for Part {
        fn from(number: i32) -> Self {
            Self(number.to_be_bytes().to_vec())
        }
    }

    impl From<&str> for Part {
        fn from(text: &str) -> Self {
            Self(text.as_bytes().to_vec())
        }
    }

    fn scan(size: u32) -> MpubScan {
        MpubScan::new(size, &Limits::default())
    }

    /// The error of a body of declared length `size`, whether it comes at once or byte by byte.
    fn check_refused(size: u32, body: &[u8], text: &str) {
        let error = scan(size).advance(body).expect_err(text);
        assert_eq!(error.to_string(), text);
        let mut dripped = scan(size);
        let errors = (0..=body.len()).find_map(|end| dripped.advance(&body[..end]).err());
        assert_eq!(errors, Some(error));
    }

    fn check_cut(size: u32, body: &[u8], text: &str) {
        let mut scan = scan(size);
        assert_eq!(scan.advance(body), Ok(None));
        assert_eq!(scan.cut(body.len()).to_string(), text);
    }

    #[test]
    fn recorded_malformed_bodies() {
        for count in [0, -1, 1_048_576] {
            check_refused(4, &body![count], &format!("E_BAD_BODY MPUB invalid message count {count}"));
        }
        check_refused(4, &body![1, 0], "E_BAD_MESSAGE MPUB invalid message(0) body size 0");
        check_refused(32, &body![2, 1, "A", 0], "E_BAD_MESSAGE MPUB invalid message(1) body size 0");
        check_refused(4, &body![1, 1_048_577], "E_BAD_MESSAGE MPUB message too big 1048577 > 1048576");
        check_refused(32, &body![1, -1], "E_BAD_MESSAGE MPUB invalid message(0) body size -1");
    }

    #[test]
    fn recorded_cuts() {
        check_cut(16, b"\0\0", "E_BAD_BODY MPUB failed to read message count");
        check_cut(16, &body![1, "\0\0"], "E_BAD_MESSAGE MPUB failed to read message(0) body size");
        check_cut(16, &body![1, 5, "a"], "E_BAD_MESSAGE MPUB failed to read message body");
        check_cut(32, &body![2, 1, "A", "\0"], "E_BAD_MESSAGE MPUB failed to read message(1) body size");
    }

    /// The reference takes these for good and reads on behind the declared end, or parses the rest as commands.
    #[test]
    fn messages_that_do_not_fill_the_body_are_refused() {
        check_refused(1, &body![1, 1, "A"], "E_BAD_BODY MPUB messages do not fill body size 1");
        check_refused(4, &body![1, 1], "E_BAD_BODY MPUB messages do not fill body size 4");
        check_refused(8, &body![1, 1], "E_BAD_BODY MPUB messages do not fill body size 8");
        check_refused(13, &body![2, 1, "A", 1], "E_BAD_BODY MPUB messages do not fill body size 13");
        check_refused(32, &body![2, 1, "A", 1, "B"], "E_BAD_BODY MPUB messages do not fill body size 32");
    }

    #[test]
    fn a_body_that_is_filled_gives_its_messages() {
        let body = body![2, 1, "A", 2, "BC", "NOP\n"];
        let mut scan = scan(15);
        let checked = scan.advance(&body).unwrap().unwrap();
        assert_eq!((checked.count(), checked.message_bytes(), checked.messages().len()), (2, 3, 2));
        assert_eq!(checked.messages().collect::<Vec<_>>(), [b"A".as_slice(), b"BC"]);
    }

    #[test]
    fn small_limits_hold() {
        let limits = Limits { max_msg_bytes: 2, max_body_bytes: 14, ..Limits::default() };
        let error = |body: &[u8]| MpubScan::new(14, &limits).advance(body).unwrap_err().to_string();
        assert_eq!(error(&body![3]), "E_BAD_BODY MPUB invalid message count 3");
        assert_eq!(error(&body![2, 3]), "E_BAD_MESSAGE MPUB message too big 3 > 2");
        assert!(MpubScan::new(14, &limits).advance(&body![2, 1, "a", 1, "b"]).unwrap().is_some());
    }

    proptest! {
        #[test]
        fn pieces_give_what_the_whole_gives(
            size in 1..60_u32,
            body in prop::collection::vec(prop_oneof![4 => Just(0_u8), 2 => 0..4_u8, 1 => any::<u8>()], 0..80),
            cuts in prop::collection::vec(0..80_usize, 0..6),
        ) {
            let whole = scan(size).advance(&body);
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(body.len())).collect();
            cuts.sort_unstable();
            let mut pieces = scan(size);
            for cut in cuts {
                match pieces.advance(&body[..cut]) {
                    Ok(None) => {}
                    early => {
                        prop_assert_eq!(early, whole);
                        return Ok(());
                    }
                }
            }
            prop_assert_eq!(pieces.advance(&body), whole.clone());
            if let Ok(Some(checked)) = whole {
                prop_assert_eq!(checked.messages().count(), checked.count() as usize);
                prop_assert_eq!(checked.messages().map(<[u8]>::len).sum::<usize>(), checked.message_bytes());
            }
        }
    }
}
