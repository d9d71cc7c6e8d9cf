//! What a channel is, without clients, clocks and locks: a cursor over the log and what is not acknowledged yet.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    sync::Arc,
};

use super::{
    rules::{Losses, Rules},
    skips::Skips,
    window::Window,
};
use crate::log::{Budget, Log, Next, Run, Segment};

/// After so many messages of a backlog the pages ahead are asked for again.
const WARM_MESSAGES: u64 = 8192;

/// Segments up to this size are read where they are needed; larger ones by the storage thread.
const LOAD_AT_ONCE_BYTES: u32 = 1 << 20;

/// A message that was delivered before, or is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pending {
    pub(crate) seq: u64,
    /// Deliveries so far.
    pub(crate) attempts: u16,
}

/// A message that waits for its time. Ordered by that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Deferred {
    pub(crate) deadline_unix_ns: u64,
    pub(crate) seq: u64,
    pub(crate) attempts: u16,
}

/// Part of a delivery: frames end to end.
#[derive(Debug)]
pub(crate) struct Parcel {
    pub(crate) run: Run,
    /// The number of this delivery, from 1. The frames in the log have that of the first.
    pub(crate) attempts: u16,
}

/// How many messages are where.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) depth: u64,
    pub(crate) deferred: u64,
    pub(crate) in_flight: u64,
}

/// The queueing of one channel.
#[derive(Debug)]
pub(crate) struct State {
    // Invariant: window.low_water() <= cursor. Each seq below the cursor is acknowledged, requeued, deferred, dead
    // or in flight, and only one of these.
    pub(super) window: Window,
    pub(super) cursor: u64,
    pub(super) requeued: VecDeque<Pending>,
    pub(super) deferred: BinaryHeap<Reverse<Deferred>>,
    pub(super) in_flight: u64,
    pub(super) skips: Skips,
    /// Whether a requeued message goes first the next time.
    requeued_first: bool,
    pub(super) current: Option<Arc<Segment>>,
    warmed: u64,
    /// What the last take found to be not in memory.
    pub(super) unloaded: Option<Arc<Segment>>,
    pub(super) rules: Rules,
    /// Delivered too often; they wait to go elsewhere.
    pub(super) dead: VecDeque<Pending>,
    pub(super) losses: Losses,
}

impl State {
    /// A channel that begins at `start`. With `bound`, at most so many messages wait in it.
    pub(crate) fn new(start: u64, bound: Option<u64>) -> Self {
        Self::restore(Window::new(start), start, Skips::new(bound, start, []), Vec::new(), Vec::new())
    }

    /// A channel as a checkpoint describes it. What is neither acknowledged nor listed was in flight: it is
    /// requeued, as delivered once.
    pub(crate) fn restore(
        window: Window,
        cursor: u64,
        skips: Skips,
        requeued: Vec<Pending>,
        deferred: Vec<Deferred>,
    ) -> Self {
        let cursor = cursor.max(window.low_water());
        let mut state = Self {
            window,
            cursor,
            requeued: VecDeque::new(),
            deferred: BinaryHeap::new(),
            in_flight: 0,
            skips,
            requeued_first: false,
            current: None,
            warmed: 0,
            unloaded: None,
            rules: Rules::default(),
            dead: VecDeque::new(),
            losses: Losses::default(),
        };
        let mut listed: Vec<u64> = requeued
            .iter()
            .map(|pending| pending.seq)
            .chain(deferred.iter().map(|deferred| deferred.seq))
            .collect();
        listed.sort_unstable();
        listed.dedup();
        let open = |seq: u64| seq < cursor && !state.window.is_acknowledged(seq);
        let in_flight = state.window.outstanding(cursor).filter(|seq| listed.binary_search(seq).is_err());
        let requeued = in_flight
            .map(|seq| Pending { seq, attempts: 1 })
            .chain(requeued.into_iter().filter(|p| open(p.seq)));
        let requeued: VecDeque<Pending> = requeued.collect();
        let deferred = deferred.into_iter().filter(|d| open(d.seq)).map(Reverse).collect();
        (state.requeued, state.deferred) = (requeued, deferred);
        state.check();
        state
    }

    /// Debug builds verify the invariants that can be told from the counts.
    pub(super) fn check(&self) {
        debug_assert!(self.window.low_water() <= self.cursor);
        debug_assert!(
            self.in_flight + (self.requeued.len() + self.deferred.len() + self.dead.len()) as u64
                <= self.cursor - self.window.low_water(),
            "a message is in two places"
        );
    }

    pub(crate) fn cursor(&self) -> u64 {
        self.cursor
    }

    pub(crate) fn window(&self) -> &Window {
        &self.window
    }

    /// What was delivered before and waits, dead or not.
    pub(crate) fn requeued(&self) -> impl Iterator<Item = Pending> {
        self.requeued.iter().chain(&self.dead).copied()
    }

    pub(crate) fn deferred(&self) -> impl ExactSizeIterator<Item = Deferred> {
        self.deferred.iter().map(|deferred| deferred.0)
    }

    /// Whether something could be taken now, as far as is known without looking into the log.
    pub(crate) fn has_waiting(&self, fan_out: u64) -> bool {
        !self.requeued.is_empty() || self.cursor < fan_out
    }

    /// Messages that could be taken, at most: deferred ones ahead of the cursor count.
    pub(crate) fn waiting(&self, fan_out: u64) -> u64 {
        self.requeued.len() as u64 + fan_out.saturating_sub(self.cursor)
    }

    /// When the next deferred message is due.
    pub(crate) fn next_due(&self) -> Option<u64> {
        self.deferred.peek().map(|deferred| deferred.0.deadline_unix_ns)
    }

    /// Requeues the deferred messages that are due, and returns how many.
    pub(crate) fn promote(&mut self, now_unix_ns: u64) -> usize {
        let before = self.requeued.len();
        while self.next_due().is_some_and(|due| due <= now_unix_ns) {
            let Some(Reverse(Deferred { seq, attempts, .. })) = self.deferred.pop() else { break };
            self.requeued.push_back(Pending { seq, attempts });
        }
        self.requeued.len() - before
    }

    /// Looks at what arrived since the last call, for a channel with a bound. To be called before anything else.
    pub(crate) fn settle(&mut self, fan_out: u64) {
        self.skips.look(self.cursor, fan_out, self.requeued.len() as u64);
    }

    /// Takes messages for delivery: requeued and fresh ones in turn, so that neither starves.
    ///
    /// They are in flight then. Returns how many.
    pub(crate) fn take(
        &mut self,
        log: &Log,
        fan_out: u64,
        budget: Budget,
        now_unix_ns: u64,
        parcels: &mut Vec<Parcel>,
    ) -> u32 {
        if self.rules.discards() {
            self.discard(log, fan_out, now_unix_ns);
        }
        self.settle(fan_out);
        self.promote(now_unix_ns);
        let mut left = budget;
        let requeued_first = self.requeued_first;
        if !self.requeued.is_empty() && self.cursor < fan_out {
            // Each goes first every other time, with half of the messages: it may use all the bytes up.
            self.requeued_first = !requeued_first;
            let half = left.messages.div_ceil(2);
            let mut share = Budget { messages: half, ..left };
            if requeued_first {
                self.take_requeued(log, now_unix_ns, &mut share, parcels);
            } else {
                self.take_fresh(log, fan_out, now_unix_ns, &mut share, parcels);
            }
            left = Budget { messages: left.messages - half + share.messages, bytes: share.bytes };
        }
        if requeued_first {
            self.take_fresh(log, fan_out, now_unix_ns, &mut left, parcels);
            self.take_requeued(log, now_unix_ns, &mut left, parcels);
        } else {
            self.take_requeued(log, now_unix_ns, &mut left, parcels);
            self.take_fresh(log, fan_out, now_unix_ns, &mut left, parcels);
        }
        let taken = budget.messages - left.messages;
        self.in_flight += u64::from(taken);
        self.check();
        taken
    }

    fn take_requeued(&mut self, log: &Log, now_unix_ns: u64, left: &mut Budget, parcels: &mut Vec<Parcel>) {
        while left.messages != 0 && left.bytes != 0 {
            let Some(Pending { seq, attempts }) = self.requeued.pop_front() else { return };
            let run = match single(log, seq) {
                Single::Run { since_unix_ns, .. } if self.is_expired(since_unix_ns, now_unix_ns) => {
                    self.losses.expired += 1;
                    self.window.acknowledge(seq);
                    continue;
                }
                Single::Run { run, .. } => run,
                Single::Gone => {
                    // Damaged, or its segment is gone: there is nothing to deliver.
                    self.window.acknowledge(seq);
                    continue;
                }
                Single::NotLoaded(segment) => {
                    self.requeued.push_front(Pending { seq, attempts });
                    self.unloaded = Some(segment);
                    return;
                }
            };
            spend(left, &run);
            parcels.push(Parcel { run, attempts: attempts.saturating_add(1) });
        }
    }

    fn take_fresh(
        &mut self,
        log: &Log,
        fan_out: u64,
        now_unix_ns: u64,
        left: &mut Budget,
        parcels: &mut Vec<Parcel>,
    ) {
        while left.messages != 0 && left.bytes != 0 && self.cursor < fan_out {
            if let Some(to) = self.skips.pass(self.cursor) {
                self.pass(to);
                continue;
            }
            let limit = self.skips.limit(fan_out);
            let Some(segment) = self.segment_at_cursor(log, limit) else { continue };
            let ahead = u32::try_from(limit - self.cursor).unwrap_or(u32::MAX);
            let budget = Budget { messages: left.messages.min(ahead), bytes: left.bytes };
            match next(log, &segment, self.cursor, budget) {
                Next::Run(run) => {
                    self.cursor += u64::from(run.count());
                    spend(left, &run);
                    parcels.push(Parcel { run, attempts: 1 });
                }
                Next::Deferred { deadline_unix_ns, run } if deadline_unix_ns <= now_unix_ns => {
                    self.cursor += 1;
                    spend(left, &run);
                    parcels.push(Parcel { run, attempts: 1 });
                }
                Next::Deferred { deadline_unix_ns, .. } => {
                    self.deferred.push(Reverse(Deferred { deadline_unix_ns, seq: self.cursor, attempts: 0 }));
                    self.cursor += 1;
                }
                Next::Damaged(count) => self.pass(self.cursor + u64::from(count)),
                Next::Gone(count) => self.pass(limit.min(self.cursor + count)),
                Next::End => self.current = None,
                Next::NotLoaded => {
                    self.unloaded = Some(segment);
                    return;
                }
            }
        }
    }

    /// The segment that kept the last take from going on, since it has to be brought into memory first.
    pub(crate) fn take_unloaded(&mut self) -> Option<Arc<Segment>> {
        self.unloaded.take()
    }

    /// The segment under the cursor; `None` if the cursor had to move for it.
    pub(super) fn segment_at_cursor(&mut self, log: &Log, limit: u64) -> Option<Arc<Segment>> {
        let inside = |segment: &Arc<Segment>| segment.base() <= self.cursor && self.cursor < segment.tail();
        if !self.current.as_ref().is_some_and(inside) {
            self.current = log.segment_at(self.cursor);
            self.warmed = self.cursor;
            if let Some(current) = &self.current {
                log.load_behind(current);
            }
        }
        let Some(segment) = self.current.as_ref().filter(|segment| segment.base() < limit) else {
            // The rest up to the limit is gone: consumed before a restart that forgot it, or lost with its file.
            self.pass(limit);
            return None;
        };
        if self.cursor < segment.base() {
            self.pass(segment.base());
            return None;
        }
        let segment = Arc::clone(segment);
        if self.warmed <= self.cursor && WARM_MESSAGES < limit - self.cursor {
            log.warm(&segment, self.cursor);
            self.warmed = self.cursor + WARM_MESSAGES;
        }
        Some(segment)
    }

    /// Moves the cursor over messages that are not delivered.
    pub(super) fn pass(&mut self, to: u64) {
        self.window.acknowledge_range(self.cursor, to);
        self.cursor = self.cursor.max(to);
    }

    /// Acknowledges messages in flight.
    #[inline]
    pub(crate) fn finish(&mut self, seqs: &[u64]) {
        for seq in seqs {
            if self.window.acknowledge(*seq) {
                self.in_flight -= 1;
            }
        }
        self.check();
    }

    /// Puts a message in flight back, to be delivered again at once or at its deadline.
    pub(crate) fn requeue(&mut self, message: Pending, deadline_unix_ns: Option<u64>) {
        self.in_flight -= 1;
        match deadline_unix_ns {
            Some(deadline_unix_ns) if self.rules.attempts_max.is_none_or(|max| message.attempts < max) => {
                let Pending { seq, attempts } = message;
                self.deferred.push(Reverse(Deferred { deadline_unix_ns, seq, attempts }));
            }
            _ => self.put_back(message),
        }
        self.check();
    }

    /// Drops everything up to `fan_out`, in flight and deferred included.
    pub(crate) fn empty(&mut self, fan_out: u64) {
        self.seek(fan_out.max(self.cursor));
    }

    /// Goes on at `to`: what is behind it in the log is delivered, again or not; what was in flight, requeued or deferred is
    /// forgotten.
    pub(crate) fn seek(&mut self, to: u64) {
        self.window = Window::new(to);
        self.cursor = to;
        self.requeued = VecDeque::new();
        self.dead = VecDeque::new();
        self.deferred = BinaryHeap::new();
        self.in_flight = 0;
        self.current = None;
        self.skips.clear(to);
        self.check();
    }

    /// Whether `seq` is with some consumer.
    pub(crate) fn is_in_flight(&self, seq: u64) -> bool {
        seq < self.cursor
            && !self.window.is_acknowledged(seq)
            && !self.requeued().any(|pending| pending.seq == seq)
            && !self.deferred.iter().any(|deferred| deferred.0.seq == seq)
    }

    /// Whether any message of `from..to` may still be delivered.
    pub(crate) fn needs(&self, mut from: u64, to: u64) -> bool {
        for (skip_from, skip_to) in self.skips.within(from, to) {
            if !self.window.covers(from, skip_from.min(to)) {
                return true;
            }
            from = from.max(skip_to);
        }
        !self.window.covers(from, to)
    }

    /// The seqs of `from..to` that are not acknowledged, rising; `None` if they are more than `max`, or if the channel has
    /// not come past them yet.
    pub(crate) fn outstanding(&self, from: u64, to: u64, max: usize) -> Option<Vec<u64>> {
        if self.cursor < to {
            return None;
        }
        let from = from.max(self.window.low_water());
        let open: Vec<u64> =
            (from..to).filter(|seq| !self.window.is_acknowledged(*seq)).take(max + 1).collect();
        (open.len() <= max).then_some(open)
    }

    /// Never delivers what is ahead of the cursor in `from..to`.
    pub(crate) fn skip(&mut self, from: u64, to: u64) {
        // What arrived before is looked at first; what is skipped takes no room.
        self.settle(from);
        self.skips.add_arrived(from.max(self.cursor), to);
    }

    pub(crate) fn skips(&self) -> &Skips {
        &self.skips
    }

    pub(crate) fn counts(&self, log: &Log, fan_out: u64, now_unix_ns: u64) -> Counts {
        let ahead = fan_out.saturating_sub(self.cursor);
        let (mut deferred_ahead, mut from) = (0, self.cursor);
        // Of most channels nothing ahead is deferred, however many ranges they skip.
        if log.deferred_between(from, fan_out, now_unix_ns) != 0 {
            for (skip_from, skip_to) in self.skips.ranges().chain([(fan_out, fan_out)]) {
                deferred_ahead += log.deferred_between(from, skip_from, now_unix_ns);
                from = skip_to;
            }
        }
        let dropped = self.skips.count();
        let due =
            self.deferred.iter().filter(|deferred| deferred.0.deadline_unix_ns <= now_unix_ns).count() as u64;
        Counts {
            depth: ahead.saturating_sub(deferred_ahead + dropped)
                + (self.requeued.len() + self.dead.len()) as u64
                + due,
            deferred: self.deferred.len() as u64 - due + deferred_ahead,
            in_flight: self.in_flight,
        }
    }
}

fn spend(left: &mut Budget, run: &Run) {
    left.messages -= run.count();
    left.bytes = left.bytes.saturating_sub(u32::try_from(run.bytes().len()).unwrap_or(u32::MAX));
}

/// One message by itself.
pub(super) enum Single {
    Run {
        run: Run,
        /// When it was published, or, if it was deferred, due.
        since_unix_ns: u64,
    },
    Gone,
    NotLoaded(Arc<Segment>),
}

pub(super) fn single(log: &Log, seq: u64) -> Single {
    let Some(segment) = log.segment_at(seq).filter(|segment| segment.base() <= seq) else {
        return Single::Gone;
    };
    match next(log, &segment, seq, Budget { messages: 1, bytes: u32::MAX }) {
        Next::Run(run) => {
            let published = run.frames().next().map_or(0, |frame| frame.timestamp_ns().unsigned_abs());
            Single::Run { run, since_unix_ns: published }
        }
        Next::Deferred { deadline_unix_ns, run } => Single::Run { run, since_unix_ns: deadline_unix_ns },
        Next::Damaged(_) | Next::Gone(_) | Next::End => Single::Gone,
        Next::NotLoaded => Single::NotLoaded(segment),
    }
}

/// What follows at `seq`. A small segment is brought into memory at once, which costs less than to ask for it.
pub(super) fn next(log: &Log, segment: &Arc<Segment>, seq: u64, budget: Budget) -> Next {
    match segment.next(seq, budget) {
        Next::NotLoaded if segment.capacity() <= LOAD_AT_ONCE_BYTES && log.load_now(segment).is_ok() => {
            segment.next(seq, budget)
        }
        next => next,
    }
}
