//! Messages that a channel's rules take out of the queue.

use std::cmp::Reverse;

use super::{
    rules::{Losses, Rules},
    state::{Deferred, Pending, Single, State, next, single},
};
use crate::log::{Budget, Log, Next, Run};

/// Messages that are looked at together.
const LOOK: Budget = Budget { messages: 1024, bytes: u32::MAX };

/// Requeued messages that are looked at at a time: they are in the order of their requeues, not of their age.
const REQUEUED_LOOK: usize = 1024;

impl State {
    pub(crate) fn rules(&self) -> Rules {
        self.rules
    }

    /// Applies these from now on.
    pub(crate) fn set_rules(&mut self, rules: Rules) {
        self.rules = rules;
        // What is dead under the new rules, and what no longer is.
        let all: Vec<Pending> = self.dead.drain(..).chain(self.requeued.drain(..)).collect();
        for message in all {
            self.put_back(message);
        }
        let is_dead = |attempts: u16| rules.attempts_max.is_some_and(|max| max <= attempts);
        if self.deferred.iter().any(|deferred| is_dead(deferred.0.attempts)) {
            let (dead, deferred): (Vec<_>, Vec<_>) =
                self.deferred.drain().partition(|deferred| is_dead(deferred.0.attempts));
            self.deferred = deferred.into();
            let pending = |Reverse(Deferred { seq, attempts, .. })| Pending { seq, attempts };
            self.dead.extend(dead.into_iter().map(pending));
        }
    }

    pub(crate) fn losses(&self) -> Losses {
        self.losses
    }

    pub(super) fn count_dead_lettered(&mut self, count: u64) {
        self.losses.dead_lettered += count;
    }

    /// Messages that were delivered too often.
    pub(crate) fn dead(&self) -> usize {
        self.dead.len()
    }

    /// A message that was not finished: it waits, or is dead.
    pub(super) fn put_back(&mut self, message: Pending) {
        match self.rules.attempts_max {
            Some(max) if max <= message.attempts => self.dead.push_back(message),
            _ => self.requeued.push_back(message),
        }
    }

    /// Takes dead messages out, with their frames. They are in flight then. Those that are gone are acknowledged.
    pub(super) fn take_dead(&mut self, log: &Log, max: usize, taken: &mut Vec<(Pending, Run)>) {
        while taken.len() < max {
            let Some(message) = self.dead.pop_front() else { return };
            match single(log, message.seq) {
                Single::Run { run, .. } => {
                    self.in_flight += 1;
                    taken.push((message, run));
                }
                Single::Gone => {
                    self.window.acknowledge(message.seq);
                }
                Single::NotLoaded(segment) => {
                    self.dead.push_front(message);
                    if log.load_now(&segment).is_err() {
                        return;
                    }
                }
            }
        }
    }

    /// Drops what is too old, and of what is too much the oldest. Returns whether anything changed.
    pub(crate) fn discard(&mut self, log: &Log, fan_out: u64, now_unix_ns: u64) -> bool {
        let before = (self.cursor, self.losses);
        self.settle(fan_out);
        self.promote(now_unix_ns);
        if let Some(ttl_ns) = self.rules.ttl_ns {
            self.expire(log, fan_out, now_unix_ns, ttl_ns);
        }
        if let Some(max) = self.rules.drop_above {
            self.drop_oldest(log, fan_out, now_unix_ns, max);
        }
        self.check();
        before != (self.cursor, self.losses)
    }

    fn expire(&mut self, log: &Log, fan_out: u64, now_unix_ns: u64, ttl_ns: u64) {
        let oldest = now_unix_ns.saturating_sub(ttl_ns);
        self.losses.expired += self.walk(log, fan_out, now_unix_ns, u64::MAX, |unix_ns| unix_ns < oldest);
        for _ in 0..REQUEUED_LOOK.min(self.requeued.len()) {
            let Some(Pending { seq, .. }) = self.requeued.front().copied() else { break };
            match single(log, seq) {
                Single::Run { since_unix_ns, .. } if since_unix_ns < oldest => self.losses.expired += 1,
                Single::Run { .. } => break,
                Single::Gone => {}
                Single::NotLoaded(segment) => {
                    self.unloaded = Some(segment);
                    break;
                }
            }
            self.requeued.pop_front();
            self.window.acknowledge(seq);
        }
    }

    /// Whether a message that waits since then is too old.
    pub(super) fn is_expired(&self, since_unix_ns: u64, now_unix_ns: u64) -> bool {
        self.rules.ttl_ns.is_some_and(|ttl_ns| since_unix_ns < now_unix_ns.saturating_sub(ttl_ns))
    }

    fn drop_oldest(&mut self, log: &Log, fan_out: u64, now_unix_ns: u64, max: u64) {
        let depth = self.counts(log, fan_out, now_unix_ns).depth - self.dead.len() as u64;
        let mut surplus = depth.saturating_sub(max);
        // What was delivered before is older than what was not.
        while surplus != 0
            && let Some(Pending { seq, .. }) = self.requeued.pop_front()
        {
            self.window.acknowledge(seq);
            self.losses.dropped += 1;
            surplus -= 1;
        }
        self.losses.dropped += self.walk(log, fan_out, now_unix_ns, surplus, |_| true);
    }

    /// Passes over fresh messages from the cursor on, at most `max`, while `is_meant` says so of when they were
    /// published or due, and returns how many. Deferred ones are put aside on the way.
    fn walk(
        &mut self,
        log: &Log,
        fan_out: u64,
        now_unix_ns: u64,
        max: u64,
        is_meant: impl Fn(u64) -> bool,
    ) -> u64 {
        let mut passed = 0;
        while passed < max && self.cursor < fan_out {
            if let Some(to) = self.skips.pass(self.cursor) {
                self.pass(to);
                continue;
            }
            let limit = self.skips.limit(fan_out);
            let Some(segment) = self.segment_at_cursor(log, limit) else { continue };
            let ahead = u32::try_from((limit - self.cursor).min(max - passed)).unwrap_or(u32::MAX);
            match next(log, &segment, self.cursor, Budget { messages: LOOK.messages.min(ahead), ..LOOK }) {
                Next::Run(run) => {
                    let mut times = run.frames().map(|frame| frame.timestamp_ns().unsigned_abs());
                    let meant = times
                        .position(|unix_ns| !is_meant(unix_ns))
                        .map_or(run.count(), |at| u32::try_from(at).unwrap_or(u32::MAX));
                    self.pass(self.cursor + u64::from(meant));
                    passed += u64::from(meant);
                    if meant != run.count() {
                        return passed;
                    }
                }
                Next::Deferred { deadline_unix_ns, .. } if now_unix_ns < deadline_unix_ns => {
                    self.deferred.push(Reverse(Deferred { deadline_unix_ns, seq: self.cursor, attempts: 0 }));
                    self.cursor += 1;
                }
                Next::Deferred { deadline_unix_ns, .. } if is_meant(deadline_unix_ns) => {
                    self.pass(self.cursor + 1);
                    passed += 1;
                }
                Next::Deferred { .. } => {
                    // Behind it may be some that were published before it was due.
                    self.requeued.push_back(Pending { seq: self.cursor, attempts: 0 });
                    self.cursor += 1;
                }
                Next::Damaged(count) => self.pass(self.cursor + u64::from(count)),
                Next::Gone(count) => self.pass(limit.min(self.cursor + count)),
                Next::End => self.current = None,
                Next::NotLoaded => {
                    self.unloaded = Some(segment);
                    return passed;
                }
            }
        }
        passed
    }
}
