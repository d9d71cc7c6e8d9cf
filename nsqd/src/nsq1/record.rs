//! A record of NSQ's disk queue.

use protocol::MessageId;

/// Bytes in front of a body: size, timestamp, attempts, id.
pub(super) const RECORD_HEADER_BYTES: usize = 30;

/// A message as NSQ 1.x keeps it. Integers are big-endian.
///
/// ```text
///  0      4                 12         14                       30
///  | size | timestamp (ns)  | attempts | id, 16 ASCII hex digits | body … |
/// ```
///
/// The size counts what follows it. Source: NSQ's disk queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Record<'a> {
    pub(super) timestamp_ns: i64,
    /// Deliveries so far.
    pub(super) attempts: u16,
    pub(super) id: MessageId,
    pub(super) body: &'a [u8],
}

impl<'a> Record<'a> {
    /// The record at the start of `bytes`, if that may be one: it is whole, its id is hex, its time positive.
    pub(super) fn decode(bytes: &'a [u8]) -> Option<Self> {
        let size = usize::try_from(i32::from_be_bytes(*bytes.first_chunk()?)).ok()?;
        let (header, _) = bytes.split_first_chunk::<RECORD_HEADER_BYTES>()?;
        let body = bytes.get(RECORD_HEADER_BYTES..size.checked_add(4)?)?;
        let timestamp_ns = i64::from_be_bytes(std::array::from_fn(|at| header[4 + at]));
        let attempts = u16::from_be_bytes([header[12], header[13]]);
        let id = MessageId(*header.last_chunk()?);
        let is_hex = id.0.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        (is_hex && 0 < timestamp_ns).then_some(Self { timestamp_ns, attempts, id, body })
    }

    /// Bytes that it takes.
    pub(super) fn len(&self) -> usize {
        RECORD_HEADER_BYTES + self.body.len()
    }
}

/// A record found in a file, and where.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found<'a> {
    pub(super) offset: usize,
    pub(super) record: Record<'a>,
}

/// The records of a file, in order. What is none is passed over.
#[derive(Debug)]
pub(super) struct Records<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Bytes in the middle that are no records.
    pub(super) skipped: usize,
    /// Bytes at the end that are no records: the fragment of a write that was not finished.
    pub(super) torn: usize,
}

impl<'a> Records<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, skipped: 0, torn: 0 }
    }

    /// Offset of the next place where a record is followed by another one or by the end.
    fn resume(&self) -> Option<usize> {
        (self.at + 1..self.bytes.len()).find(|at| {
            Record::decode(&self.bytes[*at..]).is_some_and(|record| {
                let behind = &self.bytes[at + record.len()..];
                behind.is_empty() || Record::decode(behind).is_some()
            })
        })
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Found<'a>;

    fn next(&mut self) -> Option<Found<'a>> {
        if self.at == self.bytes.len() {
            return None;
        }
        if Record::decode(&self.bytes[self.at..]).is_none() {
            let Some(next) = self.resume() else {
                self.torn += self.bytes.len() - self.at;
                self.at = self.bytes.len();
                return None;
            };
            self.skipped += next - self.at;
            self.at = next;
        }
        let record = Record::decode(&self.bytes[self.at..])?;
        let found = Found { offset: self.at, record };
        self.at += record.len();
        Some(found)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn encode(timestamp_ns: i64, attempts: u16, id: &[u8; 16], body: &[u8]) -> Vec<u8> {
        let mut out = u32::try_from(26 + body.len()).unwrap().to_be_bytes().to_vec();
        out.extend_from_slice(&timestamp_ns.to_be_bytes());
        out.extend_from_slice(&attempts.to_be_bytes());
        out.extend_from_slice(id);
        out.extend_from_slice(body);
        out
    }

    fn bodies(bytes: &[u8]) -> (Vec<String>, usize, usize) {
        let mut records = Records::new(bytes);
        let bodies =
            records.by_ref().map(|found| String::from_utf8_lossy(found.record.body).into_owned()).collect();
        (bodies, records.skipped, records.torn)
    }

    /// Protects: the format, byte for byte as NSQ writes it.
    #[test]
    fn two_records_are_read() {
        let mut bytes = vec![0, 0, 0, 0x1f, 0x18, 0xe9, 0xdc, 0x06, 0xd1, 0x7a, 0xe5, 0x42, 0, 0];
        bytes.extend_from_slice(b"18a24cdab1e69000hello");
        bytes.extend_from_slice(&[0, 0, 0, 0x20, 0x18, 0xe9, 0xdc, 0x06, 0xd1, 0xeb, 0x83, 0x5f, 0, 3]);
        bytes.extend_from_slice(b"18a24cdab3a69000world!");
        let found: Vec<_> = Records::new(&bytes).collect();
        assert_eq!(found[0].record.timestamp_ns, 1_795_207_848_326_260_034);
        assert_eq!((found[0].offset, found[0].record.body), (0, &b"hello"[..]));
        assert_eq!(found[0].record.id, MessageId(*b"18a24cdab1e69000"));
        assert_eq!(
            (found[1].offset, found[1].record.attempts, found[1].record.body),
            (35, 3, &b"world!"[..])
        );
        assert_eq!(found.len(), 2);
    }

    /// Protects: messages behind a record that was overwritten in part, which NSQ itself gives up.
    #[test]
    fn what_lies_behind_damage_is_found() {
        let record = |id: &[u8; 16], body: &[u8]| encode(1_795_207_848_326_260_034, 0, id, body);
        let mut bytes: Vec<u8> = (1..=5)
            .flat_map(|number| record(b"18a2531389669000", format!("AAAA-{number}").as_bytes()))
            .collect();
        let over = record(b"18a25313395a6900", b"a longer message body");
        bytes[..over.len()].copy_from_slice(&over);
        let (found, skipped, torn) = bodies(&bytes);
        assert_eq!(found, ["a longer message body", "AAAA-3", "AAAA-4", "AAAA-5"]);
        assert_eq!((skipped, torn), (72 - over.len(), 0));
    }

    /// Protects: the end of a file that a kill cut.
    #[test]
    fn a_torn_tail_is_cut() {
        let whole = encode(5, 0, b"18a2531389669000", b"body");
        for tail in [&whole[..20], &[0; 100][..], &[0xff; 3][..]] {
            let bytes = [&whole, &whole, tail].concat();
            assert_eq!(bodies(&bytes), (vec!["body".to_owned(), "body".to_owned()], 0, tail.len()));
        }
        assert_eq!(bodies(&[]), (vec![], 0, 0));
    }

    /// Protects: sizes that cannot be, and the smallest that can.
    #[test]
    fn impossible_sizes_are_passed_over() {
        let whole = encode(5, 0, b"18a2531389669000", b"body");
        for size in [0_i32, 25, -1, i32::MAX, i32::MIN] {
            let mut bad = whole.clone();
            bad[..4].copy_from_slice(&size.to_be_bytes());
            assert_eq!(bodies(&[&bad[..], &whole, &whole].concat()).0, ["body", "body"], "{size}");
        }
        assert_eq!(bodies(&encode(5, 0, b"18a2531389669000", b"")).0, [""]);
    }
}
