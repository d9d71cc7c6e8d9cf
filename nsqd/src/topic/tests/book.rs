//! Every message that was published, and how one is known again when it is delivered.

use std::collections::HashMap;

/// Bodies are cut out of so many bytes.
const PATTERN_BYTES: usize = 128 << 10;

/// What was given to a publish. Its number is its place in the book.
#[derive(Debug, Clone, Copy)]
pub(super) struct Published {
    pub(super) deadline_unix_ns: Option<u64>,
    size: usize,
    /// Its place in its batch.
    index: u16,
}

/// All messages of a run. A delivered one is known by its timestamp, which no two batches share, and by its place in the
/// batch, with which its body begins.
#[derive(Debug)]
pub(super) struct Book {
    messages: Vec<Published>,
    /// First number and size of the batch of a timestamp.
    batches: HashMap<u64, (usize, usize)>,
    pattern: Vec<u8>,
}

impl Book {
    pub(super) fn new() -> Self {
        let pattern = fastrand::Rng::with_seed(1);
        let pattern = std::iter::repeat_with({
            let mut random = pattern;
            move || random.u8(..)
        });
        let pattern = pattern.take(PATTERN_BYTES).collect();
        Self { messages: Vec::new(), batches: HashMap::new(), pattern }
    }

    /// Notes a batch and returns the numbers of its messages. Only a batch of one may have a body of less than two bytes.
    pub(super) fn add(
        &mut self,
        timestamp_ns: u64,
        sizes: &[usize],
        deadline_unix_ns: Option<u64>,
    ) -> std::ops::Range<usize> {
        let first = self.messages.len();
        let before = self.batches.insert(timestamp_ns, (first, sizes.len()));
        assert!(before.is_none(), "two batches at one time cannot be told apart");
        assert!(sizes.len() == 1 || sizes.iter().all(|size| 2 <= *size));
        self.messages.extend((0..).zip(sizes).map(|(index, size)| Published {
            deadline_unix_ns,
            size: *size,
            index,
        }));
        first..self.messages.len()
    }

    pub(super) fn get(&self, number: usize) -> Published {
        self.messages[number]
    }

    pub(super) fn body(&self, number: usize) -> Vec<u8> {
        let Published { size, index, .. } = self.messages[number];
        let mut body = self.pattern_of(number, size).to_vec();
        if let Some(start) = body.first_chunk_mut() {
            *start = index.to_le_bytes();
        }
        body
    }

    /// The number of a message that was delivered, after a look at each of its bytes.
    pub(super) fn identify(&self, timestamp_ns: i64, body: &[u8]) -> usize {
        let batch = self.batches.get(&timestamp_ns.cast_unsigned());
        let (first, count) = batch.unwrap_or_else(|| panic!("nothing was published at {timestamp_ns}"));
        let index = body.first_chunk().filter(|_| 1 < *count).map_or(0, |start| u16::from_le_bytes(*start));
        assert!(usize::from(index) < *count, "the batch at {timestamp_ns} has no message {index}");
        let number = first + usize::from(index);
        let expected = self.pattern_of(number, self.messages[number].size);
        let start = expected.len().min(2);
        assert!(
            body.len() == expected.len() && body[start..] == expected[start..],
            "the body of message {number} is not what was published"
        );
        if let Some(start) = body.first_chunk() {
            assert_eq!(u16::from_le_bytes(*start), index, "the body of message {number}");
        }
        number
    }

    fn pattern_of(&self, number: usize, size: usize) -> &[u8] {
        let at = number.wrapping_mul(7919) % (PATTERN_BYTES - size);
        &self.pattern[at..at + size]
    }
}
