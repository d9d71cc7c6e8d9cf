//! Issues message ids: a clock, a node id and a sequence in 64 bits.

use crate::MessageId;

const SEQUENCE_BITS: u32 = 12;
const NODE_BITS: u32 = 10;
const UNIT_SHIFT: u32 = SEQUENCE_BITS + NODE_BITS;
const SEQUENCE_MASK: u64 = (1 << SEQUENCE_BITS) - 1;
const NODE_MASK: u64 = ((1 << NODE_BITS) - 1) << SEQUENCE_BITS;

/// Nanoseconds to units of 2^20 ns, about 1.05 ms.
const UNIT_NS_SHIFT: u32 = 20;

/// The unit that counts as 0, 2012-10-28 16:23:42 UTC.
const EPOCH_UNIT: i64 = 1_288_834_974_288;

/// The last unit that leaves the id a positive 64-bit number, in 2085.
const MAX_UNIT: i64 = (1 << (63 - UNIT_SHIFT)) - 1;

/// The number of an nsqd within its cluster: 0 to 1023.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(u16);

/// A node id above 1023.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("node id {0} is out of range; give one of 0 to {max}", max = NodeId::MAX)]
pub struct InvalidNodeId(pub u64);

impl NodeId {
    /// The highest node id.
    pub const MAX: u16 = (1 << NODE_BITS) - 1;

    /// Checks the range.
    ///
    /// # Errors
    /// [`InvalidNodeId`] above [`NodeId::MAX`].
    pub fn new(id: u64) -> Result<Self, InvalidNodeId> {
        match u16::try_from(id) {
            Ok(small) if small <= Self::MAX => Ok(Self(small)),
            _ => Err(InvalidNodeId(id)),
        }
    }

    /// The node id of a host that was given none: CRC-32 (IEEE) of the MD5 digest of its name, modulo 1024.
    pub fn of_host(hostname: &str) -> Self {
        let hash = crc32fast::hash(&md5::compute(hostname.as_bytes()).0);
        let [.., high, low] = hash.to_be_bytes();
        Self(u16::from_be_bytes([high, low]) & Self::MAX)
    }

    /// The number.
    pub const fn get(self) -> u16 {
        self.0
    }
}

/// Issues the ids of one topic, strictly rising.
///
/// ```text
/// 63                                22 21      12 11         0
/// | 0 | units of 1.048576 ms          | node id  | sequence   |
/// ```
///
/// When a unit's 4096 ids are used up, or the clock steps back, it runs ahead of the clock instead of waiting.
///
/// Source: message ids, NSQ TCP protocol.
#[derive(Debug, Clone)]
pub struct IdGenerator {
    /// The node id, in its place.
    node_bits: u64,
    /// The id issued last, or one that was resumed after. Invariant: below 2^63 when set from outside.
    last: u64,
}

impl IdGenerator {
    /// A generator that has issued nothing.
    pub fn new(node_id: NodeId) -> Self {
        Self { node_bits: u64::from(node_id.get()) << SEQUENCE_BITS, last: 0 }
    }

    /// The next id, above all issued so far, from the clock where that allows it.
    #[inline]
    pub fn next(&mut self, now_unix_ns: i64) -> MessageId {
        let unit = ((now_unix_ns >> UNIT_NS_SHIFT) - EPOCH_UNIT).clamp(0, MAX_UNIT).cast_unsigned();
        let fresh = (unit << UNIT_SHIFT) | self.node_bits;
        self.last = if fresh > self.last { fresh } else { self.after_last() };
        MessageId::from_u64(self.last)
    }

    /// Makes every later id greater than `id`, which may come from another node.
    ///
    /// Ids that no generator issues (not lower-case hex, or above 2^63) do not count.
    pub fn resume_after(&mut self, id: MessageId) {
        if let Some(number) = id.to_u64().filter(|number| number >> 63 == 0) {
            self.last = self.last.max(number);
        }
    }

    /// The smallest id of this node above the last.
    #[inline]
    fn after_last(&self) -> u64 {
        let is_ours = self.last & NODE_MASK == self.node_bits;
        if is_ours && self.last & SEQUENCE_MASK < SEQUENCE_MASK {
            return self.last + 1;
        }
        let first_of_unit = (self.last & !(NODE_MASK | SEQUENCE_MASK)) | self.node_bits;
        if first_of_unit > self.last { first_of_unit } else { first_of_unit + (1 << UNIT_SHIFT) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: i64 = 1_795_208_882_084_263_724;

    fn generator(node: u64) -> IdGenerator {
        IdGenerator::new(NodeId::new(node).unwrap())
    }

    #[test]
    fn the_recorded_id_comes_from_its_timestamp() {
        assert_eq!(generator(5).next(NOW), MessageId(*b"18a2509d75005000"));
    }

    #[test]
    fn a_used_up_unit_runs_ahead_of_the_clock() {
        let mut ids = generator(5);
        let first = ids.next(NOW).to_u64().unwrap();
        for sequence in 1..4096 {
            assert_eq!(ids.next(NOW).to_u64(), Some(first + sequence));
        }
        assert_eq!(ids.next(NOW).to_u64(), Some(first + (1 << 22)));
    }

    #[test]
    fn ids_of_another_node_are_passed() {
        for (node, foreign) in [(5, 4), (5, 6), (0, 1023), (1023, 0)] {
            let mut theirs = generator(foreign);
            let id = theirs.next(NOW);
            let mut ours = generator(node);
            ours.resume_after(id);
            let next = ours.next(NOW - 5_000_000_000);
            assert!(next > id);
            assert_eq!(next.to_u64().unwrap() >> 12 & 0x3ff, node);
        }
    }

    #[test]
    fn ids_that_nobody_issues_do_not_stop_the_generator() {
        let mut ids = generator(5);
        ids.resume_after(MessageId(*b"ffffffffffffffff"));
        ids.resume_after(MessageId(*b"not hex at all!!"));
        assert_eq!(ids.next(NOW), MessageId(*b"18a2509d75005000"));
    }

    #[test]
    fn node_ids_are_checked_and_derived_from_the_host_name() {
        assert_eq!(NodeId::new(1023).map(NodeId::get), Ok(1023));
        assert_eq!(NodeId::new(1024), Err(InvalidNodeId(1024)));
        assert_eq!(NodeId::new(u64::MAX), Err(InvalidNodeId(u64::MAX)));
        for (host, id) in [("localhost", 16), ("web01", 296), ("vm", 617), ("nsqd-1.example.com", 995)] {
            assert_eq!(NodeId::of_host(host).get(), id, "{host}");
        }
    }

    proptest! {
        #[test]
        fn ids_rise_whatever_the_clock_does(
            node in 0_u64..1024,
            resumed in 0..=u64::MAX >> 1,
            clocks in prop::collection::vec(prop_oneof![any::<i64>(), NOW..NOW + 5_000_000], 1..200),
        ) {
            let mut ids = generator(node);
            let mut last = MessageId::from_u64(resumed);
            ids.resume_after(last);
            for now in clocks {
                let id = ids.next(now);
                prop_assert!(id > last);
                prop_assert_eq!(id.to_u64().unwrap() >> 12 & 0x3ff, node);
                last = id;
            }
        }
    }
}
