//! The messages that a consumer has and has not answered for.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use protocol::MessageId;

use crate::channel::Pending;

/// Finished entries are swept out of the middle when there are so many more than unfinished ones.
const SWEEP_SLACK: usize = 64;

/// A message that was delivered, and when it was published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Delivered {
    pub(super) message: Pending,
    pub(super) published_unix_ns: u64,
}

/// A first delivery. Deadlines are ns of the monotonic clock.
#[derive(Debug, Clone, Copy)]
struct Fresh {
    id: MessageId,
    seq: u64,
    published_unix_ns: u64,
    deadline_ns: u64,
    is_done: bool,
}

impl Fresh {
    fn delivered(&self) -> Delivered {
        let message = Pending { seq: self.seq, attempts: 1 };
        Delivered { message, published_unix_ns: self.published_unix_ns }
    }
}

/// A redelivery, or a message that was touched.
#[derive(Debug, Clone, Copy)]
struct Other {
    message: Delivered,
    deadline_ns: u64,
    /// TOUCH gets no further.
    cap_ns: u64,
}

/// Messages in flight on one connection.
///
/// First deliveries come in order of their ids and of their deadlines: finishing the oldest is a pop, finishing any
/// other a binary search, expiry a look at the front. What was redelivered or touched is kept in a tree beside.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    // Invariant: ids and deadlines rise; the first entry is not done.
    fresh: VecDeque<Fresh>,
    unfinished: usize,
    others: BTreeMap<MessageId, Other>,
    deadlines: BTreeSet<(u64, MessageId)>,
}

impl InFlight {
    /// Messages in flight.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.unfinished + self.others.len()
    }

    /// Adds a delivery made now.
    #[inline]
    pub(super) fn add(&mut self, id: MessageId, delivered: Delivered, now_ns: u64, limits: TouchLimits) {
        let Delivered { message, published_unix_ns } = delivered;
        let deadline_ns = now_ns.saturating_add(limits.timeout_ns);
        let in_order = self.fresh.back().is_none_or(|last| last.id < id && last.deadline_ns <= deadline_ns);
        if message.attempts == 1 && in_order {
            self.fresh.push_back(Fresh {
                id,
                seq: message.seq,
                published_unix_ns,
                deadline_ns,
                is_done: false,
            });
            self.unfinished += 1;
        } else {
            let cap_ns = now_ns.saturating_add(limits.max_ns);
            self.add_other(id, Other { message: delivered, deadline_ns, cap_ns });
        }
    }

    #[cold]
    fn add_other(&mut self, id: MessageId, other: Other) {
        self.deadlines.insert((other.deadline_ns, id));
        self.others.insert(id, other);
    }

    /// Removes a message. `None` if it is not in flight here.
    #[inline]
    pub(super) fn remove(&mut self, id: MessageId) -> Option<Delivered> {
        if let Some(first) = self.fresh.front()
            && first.id == id
        {
            let delivered = first.delivered();
            self.fresh.pop_front();
            self.unfinished -= 1;
            self.drop_done();
            return Some(delivered);
        }
        self.remove_anywhere(id)
    }

    fn remove_anywhere(&mut self, id: MessageId) -> Option<Delivered> {
        if let Ok(at) = self.fresh.binary_search_by(|fresh| fresh.id.cmp(&id)) {
            let fresh = &mut self.fresh[at];
            if std::mem::replace(&mut fresh.is_done, true) {
                return self.remove_other(id);
            }
            let delivered = fresh.delivered();
            self.unfinished -= 1;
            self.drop_done();
            return Some(delivered);
        }
        self.remove_other(id)
    }

    fn remove_other(&mut self, id: MessageId) -> Option<Delivered> {
        let other = self.others.remove(&id)?;
        self.deadlines.remove(&(other.deadline_ns, id));
        Some(other.message)
    }

    fn drop_done(&mut self) {
        while self.fresh.front().is_some_and(|first| first.is_done) {
            self.fresh.pop_front();
        }
        // One message that is not answered must not keep all that came after it.
        if 2 * self.unfinished + SWEEP_SLACK < self.fresh.len() {
            self.fresh.retain(|fresh| !fresh.is_done);
        }
    }

    /// Gives a message its timeout anew, as far as its cap. `false` if it is not in flight here.
    pub(super) fn touch(&mut self, id: MessageId, now_ns: u64, limits: TouchLimits) -> bool {
        let (message, cap_ns) = if let Some(other) = self.others.get(&id) {
            (other.message, other.cap_ns)
        } else {
            let Ok(at) = self.fresh.binary_search_by(|fresh| fresh.id.cmp(&id)) else { return false };
            let fresh = self.fresh[at];
            if fresh.is_done {
                return false;
            }
            let deadline_ns = fresh.deadline_ns;
            let delivered_ns = deadline_ns.saturating_sub(limits.timeout_ns);
            (fresh.delivered(), delivered_ns.saturating_add(limits.max_ns))
        };
        self.remove(id);
        let deadline_ns = now_ns.saturating_add(limits.timeout_ns).min(cap_ns);
        self.add_other(id, Other { message, deadline_ns, cap_ns });
        true
    }

    /// When the next message is late.
    pub(super) fn next_deadline_ns(&self) -> Option<u64> {
        let fresh = self.fresh.front().map(|fresh| fresh.deadline_ns);
        let other = self.deadlines.first().map(|(deadline_ns, _)| *deadline_ns);
        fresh.into_iter().chain(other).min()
    }

    /// Removes the messages whose time is over.
    pub(super) fn expire(&mut self, now_ns: u64, late: &mut Vec<Pending>) {
        while let Some(first) = self.fresh.front().filter(|first| first.deadline_ns <= now_ns) {
            late.push(Pending { seq: first.seq, attempts: 1 });
            self.fresh.pop_front();
            self.unfinished -= 1;
            self.drop_done();
        }
        while let Some((_, id)) =
            self.deadlines.first().filter(|(deadline_ns, _)| *deadline_ns <= now_ns).copied()
        {
            late.extend(self.remove_other(id).map(|delivered| delivered.message));
        }
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// All messages, oldest first deliveries first.
    pub(super) fn messages(&self) -> impl Iterator<Item = Pending> {
        let fresh = self.fresh.iter().filter(|fresh| !fresh.is_done);
        let fresh = fresh.map(|fresh| Pending { seq: fresh.seq, attempts: 1 });
        self.others.values().map(|other| other.message.message).chain(fresh)
    }
}

/// How long a client may keep a message.
#[derive(Debug, Clone, Copy)]
pub(super) struct TouchLimits {
    pub(super) timeout_ns: u64,
    /// With TOUCH, from the delivery on.
    pub(super) max_ns: u64,
}

impl TouchLimits {
    pub(super) fn new(timeout: Duration, max: Duration) -> Self {
        let ns = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Self { timeout_ns: ns(timeout), max_ns: ns(max) }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    const LIMITS: TouchLimits = TouchLimits { timeout_ns: 100, max_ns: 250 };

    fn delivered(seq: u64, attempts: u16) -> Delivered {
        Delivered { message: Pending { seq, attempts }, published_unix_ns: seq }
    }

    #[derive(Debug, Clone)]
    enum Step {
        Deliver { attempts: u16 },
        Finish(prop::sample::Index),
        Touch(prop::sample::Index),
        Pass(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (1_u16..3).prop_map(|attempts| Step::Deliver { attempts }),
            3 => any::<prop::sample::Index>().prop_map(Step::Finish),
            1 => any::<prop::sample::Index>().prop_map(Step::Touch),
            1 => (0_u64..120).prop_map(Step::Pass),
        ]
    }

    proptest! {
        /// Protects: whatever is answered, touched or late in whatever order, each message is answered for once.
        #[test]
        fn in_flight_is_a_map_with_deadlines(steps in prop::collection::vec(step(), 0..300)) {
            let mut in_flight = InFlight::default();
            let mut model: HashMap<u64, (u64, u64)> = HashMap::new();
            let (mut now, mut next) = (0, 1_u64);
            for step in steps {
                match step {
                    Step::Deliver { attempts } => {
                        in_flight.add(MessageId::from_u64(next), delivered(next, attempts), now, LIMITS);
                        model.insert(next, (now + 100, now + 250));
                        next += 1;
                    }
                    Step::Finish(which) => {
                        let seq = which.index(usize::try_from(next).unwrap()) as u64;
                        let found = in_flight.remove(MessageId::from_u64(seq));
                        prop_assert_eq!(found.map(|found| (found.message.seq, found.published_unix_ns)), model.remove(&seq).map(|_| (seq, seq)));
                    }
                    Step::Touch(which) => {
                        let seq = which.index(usize::try_from(next).unwrap()) as u64;
                        prop_assert_eq!(in_flight.touch(MessageId::from_u64(seq), now, LIMITS), model.contains_key(&seq));
                        if let Some((deadline, cap)) = model.get_mut(&seq) {
                            *deadline = (now + 100).min(*cap);
                        }
                    }
                    Step::Pass(ns) => {
                        now += ns;
                        let mut late = Vec::new();
                        in_flight.expire(now, &mut late);
                        let mut late: Vec<u64> = late.iter().map(|message| message.seq).collect();
                        late.sort_unstable();
                        let mut expected: Vec<u64> =
                            model.iter().filter(|(_, (deadline, _))| *deadline <= now).map(|(seq, _)| *seq).collect();
                        expected.sort_unstable();
                        prop_assert_eq!(&late, &expected);
                        for seq in &expected {
                            model.remove(seq);
                        }
                    }
                }
                prop_assert_eq!(in_flight.len(), model.len());
                prop_assert_eq!(in_flight.next_deadline_ns(), model.values().map(|(deadline, _)| *deadline).min());
            }
            let mut left: Vec<u64> = in_flight.messages().map(|message| message.seq).collect();
            left.sort_unstable();
            let mut expected: Vec<u64> = model.into_keys().collect();
            expected.sort_unstable();
            prop_assert_eq!(left, expected);
        }
    }

    /// Protects: the bound on memory. One message that is never answered does not keep the answered ones behind it.
    #[test]
    fn finished_messages_are_swept_from_behind_a_stuck_one() {
        let mut in_flight = InFlight::default();
        for seq in 0..10_000 {
            in_flight.add(MessageId::from_u64(seq), delivered(seq, 1), seq, LIMITS);
            if seq != 0 {
                in_flight.remove(MessageId::from_u64(seq)).unwrap();
            }
        }
        assert!(in_flight.fresh.len() < 2 * SWEEP_SLACK);
        assert_eq!(in_flight.len(), 1);
    }
}
