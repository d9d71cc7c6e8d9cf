//! What readers get of a segment.

use std::sync::Arc;

use protocol::{ATTEMPTS_OFFSET, FRAME_PREFIX_BYTES, MESSAGE_FRAME_HEADER_BYTES, MessageId};

use super::segment::Segment;

/// How much one delivery may take.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    /// At most so many messages; at least 1.
    pub messages: u32,
    /// At most so many bytes, except that one message is always allowed.
    pub bytes: u32,
}

/// What follows at a place of the log.
#[derive(Debug)]
pub enum Next {
    /// Messages without a deadline, end to end.
    Run(Run),
    /// One message that has a deadline, and which may have passed.
    Deferred {
        /// Unix time in ns.
        deadline_unix_ns: u64,
        /// The message by itself.
        run: Run,
    },
    /// So many messages were damaged, and are not to be had.
    Damaged(u32),
    /// So many seqs have no message here: they were consumed when the segment was compacted.
    Gone(u64),
    /// Nothing more is published in this segment.
    End,
    /// The segment is not in memory: see [`Segment::load`].
    NotLoaded,
}

/// Frames that lie end to end, as they go to a consumer. Holds its segment.
#[derive(Debug, Clone)]
pub struct Run {
    pub(super) segment: Arc<Segment>,
    pub(super) first: u64,
    pub(super) count: u32,
    pub(super) start: u32,
    pub(super) end: u32,
}

impl Run {
    /// Seq of the first message.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// Messages.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// The frames.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        self.segment.run_bytes(self)
    }

    /// The frames one by one.
    pub fn frames(&self) -> impl Iterator<Item = Frame<'_>> {
        let mut rest = self.bytes();
        std::iter::from_fn(move || {
            let (frame, behind) = Frame::split(rest)?;
            rest = behind;
            Some(frame)
        })
    }
}

/// One message of the log: exactly what goes to a consumer at its first delivery.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a>(&'a [u8]);

impl<'a> Frame<'a> {
    /// The first frame of `bytes`, and what is behind it.
    #[inline]
    pub(super) fn split(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let size = u32::from_be_bytes(*bytes.first_chunk()?) as usize;
        let (frame, behind) = bytes.split_at_checked(4 + size)?;
        (MESSAGE_FRAME_HEADER_BYTES <= frame.len()).then_some((Self(frame), behind))
    }

    /// The whole frame.
    pub fn bytes(self) -> &'a [u8] {
        self.0
    }

    /// The body alone.
    pub fn body(self) -> &'a [u8] {
        &self.0[MESSAGE_FRAME_HEADER_BYTES..]
    }

    /// The message's id.
    ///
    /// # Panics
    /// Never: a frame has a whole header.
    #[inline]
    pub fn id(self) -> MessageId {
        let header = &self.0[..MESSAGE_FRAME_HEADER_BYTES];
        MessageId(*header.last_chunk().expect("a header ends with the id"))
    }

    /// What the frame says of the number of its delivery: that of the first one.
    pub fn attempts(self) -> u16 {
        u16::from_be_bytes([self.0[ATTEMPTS_OFFSET], self.0[ATTEMPTS_OFFSET + 1]])
    }

    /// When it was published, unix time in ns.
    pub fn timestamp_ns(self) -> i64 {
        let at = FRAME_PREFIX_BYTES;
        i64::from_be_bytes(std::array::from_fn(|i| self.0[at + i]))
    }
}
