//! Publish commands that are encoded once; later only the numbers in their bodies change.

use bytes::BytesMut;
use protocol::{BODY_SIZE_BYTES, Command, TopicName, put_mpub};

use crate::checksum::NUMBER_BYTES;

/// Bytes at the front of a body with its number and its intended send time.
const STAMP_BYTES: usize = 2 * NUMBER_BYTES;

/// Commands of equal length, end to end, used in turn.
#[derive(Debug, Clone)]
pub(crate) struct Template {
    commands: Vec<u8>,
    command_bytes: usize,
    command_count: usize,
    batch: usize,
    // Within a command: where the first body begins, and from one body to the next.
    body_offset: usize,
    body_stride: usize,
    body_bytes: usize,
    next: usize,
}

impl Template {
    /// `copies` equal PUBs (`batch` 1) or MPUBs to one topic.
    pub(crate) fn one_topic(topic: &TopicName, batch: usize, body_bytes: usize, copies: usize) -> Self {
        let body: Vec<_> = (0..body_bytes).map(filler).collect();
        let mut command = BytesMut::new();
        if batch == 1 {
            Command::Pub { topic: topic.clone(), body: &body }.encode(&mut command);
        } else {
            put_mpub(&mut command, topic, &vec![body.as_slice(); batch]);
        }
        Self::new(command.repeat(copies), copies, batch, body_bytes)
    }

    /// A PUB for each topic. All names have the same length.
    pub(crate) fn many_topics(topics: &[TopicName], body_bytes: usize) -> Self {
        let body: Vec<_> = (0..body_bytes).map(filler).collect();
        let mut commands = BytesMut::new();
        for topic in topics {
            Command::Pub { topic: topic.clone(), body: &body }.encode(&mut commands);
        }
        Self::new(commands.to_vec(), topics.len(), 1, body_bytes)
    }

    fn new(commands: Vec<u8>, command_count: usize, batch: usize, body_bytes: usize) -> Self {
        let command_bytes = commands.len() / command_count;
        assert_eq!(commands.len(), command_bytes * command_count, "commands have the same length");
        // Bodies, each behind its length, end a command.
        let body_stride = BODY_SIZE_BYTES + body_bytes;
        let body_offset = command_bytes - batch * body_stride + BODY_SIZE_BYTES;
        Self { commands, command_bytes, command_count, batch, body_offset, body_stride, body_bytes, next: 0 }
    }

    /// Messages in each command.
    pub(crate) fn batch(&self) -> u64 {
        self.batch as u64
    }

    /// Bytes of each body.
    pub(crate) fn body_bytes(&self) -> usize {
        self.body_bytes
    }

    /// Starts the turn at another command, so that connections do not march in step.
    pub(crate) fn start_at(&mut self, index: usize) {
        self.next = index % self.command_count;
    }

    /// The next commands to send, at most `count`: fewer at the end of a turn, never none. Their bodies are
    /// numbered from `first_number` on.
    pub(crate) fn take(&mut self, count: usize, first_number: u64) -> (&[u8], usize) {
        let commands = self.advance(count);
        let mut number = first_number;
        for command in commands.clone() {
            if self.body_bytes >= NUMBER_BYTES {
                let mut at = command * self.command_bytes + self.body_offset;
                for _ in 0..self.batch {
                    self.commands[at..at + NUMBER_BYTES].copy_from_slice(&number.to_be_bytes());
                    at += self.body_stride;
                    number += 1;
                }
            }
        }
        let bytes = commands.start * self.command_bytes..commands.end * self.command_bytes;
        (&self.commands[bytes], commands.len())
    }

    /// As [`Self::take`]; the bodies of the i-th command also carry `intended_ns(i)` if they have the room.
    pub(crate) fn take_stamped(
        &mut self,
        count: usize,
        first_number: u64,
        intended_ns: impl Fn(u64) -> u64,
    ) -> (&[u8], usize) {
        let first = self.next;
        let taken = self.take(count, first_number).1;
        if self.body_bytes >= STAMP_BYTES {
            for index in 0..taken {
                let stamp = intended_ns(index as u64).to_be_bytes();
                let mut at = (first + index) * self.command_bytes + self.body_offset + NUMBER_BYTES;
                for _ in 0..self.batch {
                    self.commands[at..at + NUMBER_BYTES].copy_from_slice(&stamp);
                    at += self.body_stride;
                }
            }
        }
        (&self.commands[first * self.command_bytes..(first + taken) * self.command_bytes], taken)
    }

    fn advance(&mut self, count: usize) -> std::ops::Range<usize> {
        let start = self.next;
        let end = self.command_count.min(start + count.max(1));
        self.next = end % self.command_count;
        start..end
    }
}

/// The intended send time that [`Template::take_stamped`] left in a body.
pub(crate) fn intended_ns(body: &[u8]) -> Option<u64> {
    let stamp = body.get(NUMBER_BYTES..STAMP_BYTES)?.first_chunk::<NUMBER_BYTES>()?;
    Some(u64::from_be_bytes(*stamp))
}

/// Printable bytes that compress neither to nothing nor not at all.
#[expect(clippy::cast_possible_truncation, reason = "below 64")]
fn filler(index: usize) -> u8 {
    b'0' + (index.wrapping_mul(2_654_435_761) >> 7) as u8 % 64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> TopicName {
        text.parse().unwrap()
    }

    #[test]
    fn a_pub_has_topic_length_and_numbered_body() {
        let mut template = Template::one_topic(&name("t"), 1, 10, 2);
        let (bytes, count) = template.take(1, 7);
        assert_eq!(count, 1);
        assert_eq!(&bytes[..10], b"PUB t\n\0\0\0\x0a");
        assert_eq!(&bytes[10..18], 7u64.to_be_bytes());
        assert_eq!(bytes.len(), 20);
    }

    #[test]
    fn an_mpub_declares_its_length_and_count() {
        let mut template = Template::one_topic(&name("t"), 3, 8, 1);
        let (bytes, count) = template.take(5, 100);
        assert_eq!(count, 1);
        assert_eq!(&bytes[..15], b"MPUB t\n\0\0\0\x28\0\0\0\x03");
        for (index, message) in bytes[15..].chunks(12).enumerate() {
            assert_eq!(&message[..4], 8u32.to_be_bytes());
            assert_eq!(&message[4..], (100 + index as u64).to_be_bytes());
        }
    }

    #[test]
    fn topics_come_in_turn_and_a_take_ends_with_the_turn() {
        let topics = [name("a0"), name("a1"), name("a2")];
        let mut template = Template::many_topics(&topics, 1);
        template.start_at(1);
        let (bytes, count) = template.take(10, 0);
        assert_eq!(count, 2);
        assert!(bytes.starts_with(b"PUB a1\n"));
        assert!(template.take(1, 2).0.starts_with(b"PUB a0\n"));
    }

    #[test]
    fn stamps_come_back_out_of_the_body() {
        let mut template = Template::one_topic(&name("t"), 1, 16, 4);
        let (bytes, count) = template.take_stamped(3, 0, |index| 1000 + index);
        assert_eq!(count, 3);
        let bodies: Vec<_> = bytes.chunks(26).map(|command| intended_ns(&command[10..])).collect();
        assert_eq!(bodies, [Some(1000), Some(1001), Some(1002)]);
        assert_eq!(intended_ns(b"short"), None);
    }
}
