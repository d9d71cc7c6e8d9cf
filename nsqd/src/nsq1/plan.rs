//! Which messages a topic gets, and which channels each belongs to.

use std::{
    collections::BTreeMap,
    hash::{BuildHasher, RandomState},
    ops::Range,
};

use protocol::{IdGenerator, MessageId, NodeId};

use super::record::{Found, RECORD_HEADER_BYTES};

/// A record of some queue of a topic.
#[derive(Debug, Clone, Copy)]
struct Entry {
    /// The record's id as a number, or one that fits its time where no generator could go on from it.
    id: u64,
    timestamp_ns: i64,
    hash: u64,
    body_at: u64,
    body_bytes: u32,
    file: u32,
    /// Position in the list of channels; the number of channels stands for the topic's own queue.
    queue: u32,
    attempts: u16,
}

impl Entry {
    /// Equal for copies of one message.
    fn message(&self) -> (u64, i64, u64, u32) {
        (self.id, self.timestamp_ns, self.hash, self.body_bytes)
    }
}

/// A message to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Planned {
    pub(super) id: MessageId,
    pub(super) timestamp_ns: i64,
    /// Deliveries so far.
    pub(super) attempts: u16,
    pub(super) file: u32,
    pub(super) body_at: u64,
    pub(super) body_bytes: u32,
}

/// What is gathered of a topic. 48 bytes a record; bodies stay where they are.
#[derive(Debug)]
pub(super) struct Gathered {
    entries: Vec<Entry>,
    hasher: RandomState,
    /// Ids above this one come from a clock or a disk that was wrong.
    id_max: u64,
}

/// A topic's messages in the order in which they are stored.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) messages: Vec<Planned>,
    /// Of each channel: the ranges of messages that are not its own, rising and apart.
    pub(super) foreign: Vec<Vec<(u64, u64)>>,
    /// From here on they are the topic's own: for all channels, or those to come.
    pub(super) topic_from: u64,
    /// Records that were there twice in one queue.
    pub(super) duplicates: u64,
}

impl Gathered {
    pub(super) fn new(now_unix_ns: i64) -> Self {
        Self { entries: Vec::new(), hasher: RandomState::new(), id_max: id_at(now_unix_ns) }
    }

    /// Takes a record of a queue: a channel by its position, or the topic's own.
    pub(super) fn add(&mut self, queue: u32, file: u32, found: &Found<'_>) {
        let record = &found.record;
        let id = record
            .id
            .to_u64()
            .filter(|id| *id <= self.id_max)
            .unwrap_or_else(|| id_at(record.timestamp_ns).min(self.id_max));
        self.entries.push(Entry {
            id,
            timestamp_ns: record.timestamp_ns,
            hash: self.hasher.hash_one(record.body),
            body_at: (found.offset + RECORD_HEADER_BYTES) as u64,
            body_bytes: u32::try_from(record.body.len()).unwrap_or(u32::MAX),
            file,
            queue,
            attempts: record.attempts,
        });
    }

    /// Merges the copies, and orders by id, which is the order of publishing. `channels` is how many there are. If the topic
    /// `passes` its own messages on, each channel gets those that it does not hold already; otherwise they come last.
    pub(super) fn plan(mut self, channels: u32, passes: bool) -> Plan {
        // The same message twice in one queue is a requeue that a kill kept from being forgotten.
        self.entries
            .sort_unstable_by_key(|entry| (entry.queue, entry.message(), std::cmp::Reverse(entry.attempts)));
        let before = self.entries.len();
        self.entries.dedup_by_key(|entry| (entry.queue, entry.message()));
        let duplicates = (before - self.entries.len()) as u64;
        let waits = |entry: &Entry| entry.queue == channels && !passes;
        self.entries
            .sort_unstable_by_key(|entry| (waits(entry), entry.message(), entry.attempts, entry.queue));
        let mut plan = Plan { duplicates, ..Plan::default() };
        let mut owned: BTreeMap<u32, Vec<Range<u64>>> = BTreeMap::new();
        let (mut last_id, mut is_waiting) = (0, false);
        // Of those before the ones that wait; rising.
        let mut given: Vec<u64> = Vec::new();
        let is_one = |a: &Entry, b: &Entry| (waits(a), a.message()) == (waits(b), b.message());
        for copies in self.entries.chunk_by(is_one) {
            let Some(first) = copies.first() else { continue };
            if waits(first) && !is_waiting {
                (last_id, is_waiting) = (0, true);
            }
            // FIN goes by the id: a message that shares it with another one gets the next.
            last_id = first.id.max(last_id + 1);
            while is_waiting && given.binary_search(&last_id).is_ok() {
                last_id += 1;
            }
            if is_waiting {
                plan.messages.push(planned(first, last_id));
                continue;
            }
            given.push(last_id);
            // Copies that were delivered as often are stored once.
            for equal in copies.chunk_by(|a, b| a.attempts == b.attempts) {
                let Some(stored) = equal.first() else { continue };
                let holders = holders(equal, copies, channels);
                if holders.is_empty() {
                    continue;
                }
                let seq = plan.messages.len() as u64;
                plan.messages.push(planned(stored, last_id));
                for queue in holders {
                    add(owned.entry(queue).or_default(), seq);
                }
            }
            plan.topic_from = plan.messages.len() as u64;
        }
        plan.foreign = (0..channels)
            .map(|channel| gaps(owned.get(&channel).map_or(&[], Vec::as_slice), plan.topic_from))
            .collect();
        plan
    }
}

/// The channels that get the copies `equal`: whose queues they are from; and of the topic's own copy all that have none.
fn holders(equal: &[Entry], copies: &[Entry], channels: u32) -> Vec<u32> {
    let mut holders: Vec<u32> =
        equal.iter().map(|entry| entry.queue).filter(|queue| *queue < channels).collect();
    if equal.iter().any(|entry| entry.queue == channels) {
        let has_none = |channel: &u32| copies.iter().all(|copy| copy.queue != *channel);
        holders.extend((0..channels).filter(has_none));
    }
    holders
}

fn add(ranges: &mut Vec<Range<u64>>, seq: u64) {
    match ranges.last_mut() {
        Some(last) if last.end == seq => last.end += 1,
        _ => ranges.push(seq..seq + 1),
    }
}

/// The highest id that a message of this time may have.
fn id_at(timestamp_ns: i64) -> u64 {
    let first = IdGenerator::new(NodeId::of_host("")).next(timestamp_ns);
    first.to_u64().unwrap_or(0) | ((1 << 22) - 1)
}

fn planned(entry: &Entry, id: u64) -> Planned {
    let Entry { timestamp_ns, attempts, file, body_at, body_bytes, .. } = *entry;
    Planned { id: MessageId::from_u64(id), timestamp_ns, attempts, file, body_at, body_bytes }
}

/// What of `0..end` is in none of `ranges`, which rise.
fn gaps(ranges: &[Range<u64>], end: u64) -> Vec<(u64, u64)> {
    let mut gaps = Vec::new();
    let mut from = 0;
    for range in ranges.iter().cloned().chain(std::iter::once(end..end)) {
        if from < range.start {
            gaps.push((from, range.start));
        }
        from = range.end;
    }
    gaps
}

#[cfg(test)]
mod tests {
    use super::{super::record::Record, *};

    const NOW: i64 = 1_795_208_882_084_263_724;

    /// Plans these records: queue, id, timestamp, attempts, body.
    fn plan(channels: u32, records: &[(u32, u64, i64, u16, &str)]) -> Plan {
        plan_of(channels, false, records)
    }

    fn plan_of(channels: u32, passes: bool, records: &[(u32, u64, i64, u16, &str)]) -> Plan {
        let mut gathered = Gathered::new(NOW);
        for (file, (queue, id, timestamp_ns, attempts, body)) in (0..).zip(records) {
            let (id, body) = (MessageId::from_u64(*id), body.as_bytes());
            let record = Record { timestamp_ns: *timestamp_ns, attempts: *attempts, id, body };
            gathered.add(*queue, file, &Found { offset: 0, record });
        }
        gathered.plan(channels, passes)
    }

    fn ids(plan: &Plan) -> Vec<(u64, u16)> {
        plan.messages.iter().map(|message| (message.id.to_u64().unwrap(), message.attempts)).collect()
    }

    /// Protects: a message is stored once, belongs to the channels that had it, and comes in the order of publishing.
    #[test]
    fn copies_are_merged() {
        let records = [
            (0, 9, 5, 0, "b"),
            (0, 7, 4, 0, "a"),
            (1, 9, 5, 0, "b"),
            (2, 20, 9, 0, "own"),
            (1, 8, 5, 0, "x"),
        ];
        let plan = plan(2, &records);
        assert_eq!(ids(&plan), [(7, 0), (8, 0), (9, 0), (20, 0)]);
        assert_eq!(plan.foreign, [vec![(1, 2)], vec![(0, 1)]]);
        assert_eq!((plan.topic_from, plan.duplicates), (3, 0));
    }

    /// Protects: attempts are those of each channel.
    #[test]
    fn copies_that_were_delivered_differently_are_apart() {
        let plan = plan(2, &[(0, 9, 5, 1, "b"), (1, 9, 5, 3, "b")]);
        assert_eq!(ids(&plan), [(9, 1), (9, 3)]);
        assert_eq!(plan.foreign, [vec![(1, 2)], vec![(0, 1)]]);
    }

    /// Protects: a requeue that a kill left twice in one queue is one message, with the higher attempts.
    #[test]
    fn a_message_twice_in_one_queue_is_one() {
        let plan = plan(1, &[(0, 9, 5, 0, "b"), (0, 9, 5, 2, "b"), (0, 9, 5, 1, "b")]);
        assert_eq!(ids(&plan), [(9, 2)]);
        assert_eq!(plan.duplicates, 2);
    }

    /// Protects: FIN. Different messages of one id do not keep it, and none of a wrong clock makes later ids run out.
    #[test]
    fn ids_are_made_unique_and_stay_usable() {
        let plan = plan(
            1,
            &[(0, 9, 5, 0, "a"), (0, 9, 6, 0, "a"), (0, 9, 5, 0, "b"), (0, 10, 7, 0, "c"), (1, 9, 5, 0, "a")],
        );
        let found: Vec<u64> = ids(&plan).iter().map(|(id, _)| *id).collect();
        assert_eq!(found, [9, 10, 11, 12, 13]);
        let own =
            self::plan(1, &[(0, 9, 5, 0, "a"), (0, 12, 5, 0, "d"), (1, 3, 2, 0, "b"), (1, 9, 6, 0, "c")]);
        let own: Vec<u64> = ids(&own).iter().map(|(id, _)| *id).collect();
        assert_eq!(own, [9, 12, 3, 10], "an older message that waits in the topic keeps its id");
        let plan = self::plan(
            1,
            &[(0, u64::MAX, NOW - 5_000_000, 0, "a"), (0, u64::MAX >> 1, NOW + (1 << 60), 0, "b")],
        );
        assert!(
            plan.messages.iter().all(|message| message.id.to_u64().unwrap() < 1 << 62),
            "{:?}",
            ids(&plan)
        );
    }

    /// Protects: after a kill the topic's queue still has what was copied to channels. Each channel gets it once, with its
    /// attempts and its id; also those that have not got it.
    #[test]
    fn what_the_topic_passes_on_is_not_doubled() {
        let records =
            [(2, 5, 5, 0, "t"), (0, 5, 5, 3, "t"), (2, 6, 6, 0, "u"), (1, 4, 4, 0, "v"), (2, 4, 4, 0, "v")];
        let plan = plan_of(2, true, &records);
        assert_eq!(ids(&plan), [(4, 0), (5, 0), (5, 3), (6, 0)]);
        assert_eq!(plan.foreign, [vec![(1, 2)], vec![(2, 3)]]);
        assert_eq!(plan.topic_from, 4);
    }

    /// Protects: what waits in a paused topic waits, whatever channels hold.
    #[test]
    fn the_topics_own_come_last() {
        let plan = plan(1, &[(1, 5, 5, 0, "t"), (0, 9, 6, 0, "c"), (0, 5, 5, 0, "t")]);
        assert_eq!(ids(&plan), [(5, 0), (9, 0), (6, 0)]);
        assert_eq!((plan.topic_from, &plan.foreign[0]), (2, &vec![]));
    }
}
