//! Looking at what a channel has, without taking or changing any of it.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashSet},
};

use super::{
    channel::Channel,
    state::{Deferred, Pending, Single, State, next, single},
};
use crate::log::{Budget, Frame, Log, Next};

/// Beyond these, messages are only found by taking those before them.
pub(crate) const OFFSET_MAX: usize = 10_000;
/// Of requeued and deferred messages. Where there are more, those in flight are not told from them.
const LISTED_MAX: usize = 10_000;
/// Seqs that are looked at for messages in flight, with the channel locked.
const OUTSTANDING_MAX: usize = 200_000;
/// Places in the log that are looked at for fresh messages: some are damaged, or gone.
const STEPS_MAX: usize = 20_000;

/// Where a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whereabouts {
    /// Next in the log.
    Waiting,
    /// Delivered before, and waits.
    Requeued,
    /// Waits for this time, unix in ns.
    Deferred(u64),
    /// With a consumer.
    InFlight,
}

/// A message that was looked at.
#[derive(Debug)]
pub(crate) struct Peeked<'a> {
    pub(crate) whereabouts: Whereabouts,
    /// Deliveries so far; of one in flight, 1 at least.
    pub(crate) attempts: u16,
    pub(crate) frame: Frame<'a>,
}

/// What is where, as it was while the channel was locked.
#[derive(Debug, Default)]
struct Plan {
    requeued: Vec<Pending>,
    /// The next ones to be due, in order.
    deferred: Vec<Deferred>,
    in_flight: Vec<u64>,
    cursor: u64,
    /// Behind the last message that is looked at.
    end: u64,
    /// Ranges ahead of the cursor that are never delivered.
    skipped: Vec<(u64, u64)>,
}

impl Channel {
    /// Shows up to `limit` messages behind the first `offset`: requeued ones, those that come next in the log, deferred ones
    /// in order of their time, those in flight. `show` says whether to go on.
    ///
    /// The log is read with nothing locked: a message may have gone on meanwhile. May wait for the disk.
    pub(crate) fn peek(&self, offset: usize, limit: usize, show: impl FnMut(&Peeked<'_>) -> bool) {
        let wanted = offset.min(OFFSET_MAX).saturating_add(limit);
        let fan_out = self.fan_out();
        let (plan, listed) = {
            let inner = self.inner.lock();
            (Plan::of(&inner.state, fan_out, wanted), listed(&inner.state))
        };
        let plan = plan.without(listed.as_deref(), wanted);
        let mut viewer = Viewer { log: &self.setup.log, offset, left: limit, show };
        viewer.view(&plan);
    }
}

/// The seqs of what is requeued, deferred or dead; `None` where they are too many.
fn listed(state: &State) -> Option<Vec<u64>> {
    let count = state.requeued.len() + state.dead.len() + state.deferred.len();
    let deferred = state.deferred().map(|deferred| deferred.seq);
    (count <= LISTED_MAX).then(|| state.requeued().map(|pending| pending.seq).chain(deferred).collect())
}

impl Plan {
    fn of(state: &State, fan_out: u64, wanted: usize) -> Self {
        let cursor = state.cursor();
        let skipped: Vec<_> = state.skips().within(cursor, fan_out).take(LISTED_MAX).collect();
        // Where not all ranges are known, what is behind them is not looked at.
        let end =
            if skipped.len() < LISTED_MAX { fan_out } else { skipped.last().map_or(fan_out, |last| last.1) };
        let outstanding: Vec<u64> = if state.in_flight == 0 {
            Vec::new()
        } else {
            let seen = (state.window().low_water()..cursor).take(OUTSTANDING_MAX);
            let open = seen.filter(|seq| !state.window().is_acknowledged(*seq));
            open.take(LISTED_MAX + wanted).collect()
        };
        Self {
            requeued: state.requeued().take(wanted).collect(),
            deferred: next_due(state.deferred.as_slice(), wanted),
            in_flight: outstanding,
            cursor,
            end,
            skipped,
        }
    }

    /// Of what is not acknowledged, the rest is in flight.
    fn without(mut self, listed: Option<&[u64]>, wanted: usize) -> Self {
        match listed {
            None => self.in_flight = Vec::new(),
            Some(listed) => {
                let listed: HashSet<u64> = listed.iter().copied().collect();
                self.in_flight.retain(|seq| !listed.contains(seq));
                self.in_flight.truncate(wanted);
            }
        }
        self
    }
}

/// The first `count` of a heap, in order, without changing it: `slice` is how it lies in memory.
fn next_due(slice: &[Reverse<Deferred>], count: usize) -> Vec<Deferred> {
    let at = |index: usize| slice.get(index).map(|deferred| Reverse((deferred.0, index)));
    let mut candidates: BinaryHeap<Reverse<(Deferred, usize)>> = at(0).into_iter().collect();
    let mut due = Vec::new();
    while due.len() < count {
        let Some(Reverse((deferred, index))) = candidates.pop() else { break };
        due.push(deferred);
        candidates.extend([at(2 * index + 1), at(2 * index + 2)].into_iter().flatten());
    }
    due
}

/// Reads what a plan names.
struct Viewer<'a, F> {
    log: &'a Log,
    /// To be passed over.
    offset: usize,
    left: usize,
    show: F,
}

impl<F: FnMut(&Peeked<'_>) -> bool> Viewer<'_, F> {
    fn view(&mut self, plan: &Plan) {
        for pending in &plan.requeued {
            self.one(pending.seq, pending.attempts, Whereabouts::Requeued);
        }
        let ahead = self.fresh(plan);
        // Those ahead of the cursor come later than those that the channel has come past, as far as is known here.
        for deferred in &plan.deferred {
            self.one(deferred.seq, deferred.attempts, Whereabouts::Deferred(deferred.deadline_unix_ns));
        }
        for (seq, deadline_unix_ns) in ahead {
            self.one(seq, 0, Whereabouts::Deferred(deadline_unix_ns));
        }
        for seq in &plan.in_flight {
            self.one(*seq, 1, Whereabouts::InFlight);
        }
    }

    /// Shows a message. `false` if it is enough.
    fn show(&mut self, peeked: &Peeked<'_>) -> bool {
        if self.left == 0 {
            return false;
        }
        if self.offset != 0 {
            self.offset -= 1;
            return true;
        }
        self.left = if (self.show)(peeked) { self.left - 1 } else { 0 };
        self.left != 0
    }

    fn one(&mut self, seq: u64, attempts: u16, whereabouts: Whereabouts) {
        if self.left == 0 {
            return;
        }
        let found = match single(self.log, seq) {
            Single::NotLoaded(segment) if self.log.load_now(&segment).is_ok() => single(self.log, seq),
            found => found,
        };
        if let Single::Run { run, .. } = found
            && let Some(frame) = run.frames().next()
        {
            self.show(&Peeked { whereabouts, attempts, frame });
        }
    }

    /// Shows what comes next in the log. Returns what is deferred there: seqs and times.
    fn fresh(&mut self, plan: &Plan) -> Vec<(u64, u64)> {
        let mut deferred = Vec::new();
        let mut skipped = plan.skipped.iter().peekable();
        let mut seq = plan.cursor;
        for _ in 0..STEPS_MAX {
            if self.left == 0 || plan.end <= seq {
                break;
            }
            while skipped.next_if(|range| range.1 <= seq).is_some() {}
            let limit = skipped.peek().map_or(plan.end, |range| range.0.min(plan.end));
            if limit <= seq {
                seq = skipped.next().map_or(plan.end, |range| range.1);
                continue;
            }
            let Some(segment) = self.log.segment_at(seq) else { break };
            if seq < segment.base() {
                seq = segment.base();
                continue;
            }
            let messages = u32::try_from(limit - seq).unwrap_or(u32::MAX);
            let wanted = u32::try_from(self.offset + self.left).unwrap_or(u32::MAX);
            let budget = Budget { messages: messages.min(wanted), bytes: u32::MAX };
            match next(self.log, &segment, seq, budget) {
                Next::Run(run) => {
                    seq += u64::from(run.count());
                    for frame in run.frames() {
                        let whereabouts = Whereabouts::Waiting;
                        if !self.show(&Peeked { whereabouts, attempts: 0, frame }) {
                            break;
                        }
                    }
                }
                Next::Deferred { deadline_unix_ns, .. } => {
                    deferred.push((seq, deadline_unix_ns));
                    seq += 1;
                }
                Next::Damaged(count) => seq += u64::from(count),
                Next::Gone(count) => seq += count,
                Next::End => seq = segment.tail().max(seq + 1),
                Next::NotLoaded => {
                    if self.log.load_now(&segment).is_err() {
                        seq = segment.tail().max(seq + 1);
                    }
                }
            }
        }
        deferred.sort_by_key(|(seq, deadline_unix_ns)| (*deadline_unix_ns, *seq));
        deferred
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::proptest};

    use super::*;

    proptest! {
        /// Protects: the next ones are found in a heap of any size without taking it apart.
        #[test]
        fn the_next_due_are_the_smallest(deadlines in vec(0u64..50, 0..200), count in 0usize..100) {
            let all = deadlines.iter().enumerate().map(|(seq, deadline)| Deferred {
                deadline_unix_ns: *deadline,
                seq: seq as u64,
                attempts: 0,
            });
            let heap: BinaryHeap<Reverse<Deferred>> = all.clone().map(Reverse).collect();
            let mut sorted: Vec<Deferred> = all.collect();
            sorted.sort();
            sorted.truncate(count);
            assert_eq!(next_due(heap.as_slice(), count), sorted);
        }
    }
}
