//! The queueing of a channel against a status for each message.

use std::{collections::BTreeSet, sync::Arc};

use proptest::prelude::*;
use protocol::NodeId;

use super::{
    checkpoint::Checkpoint,
    skips::Skips,
    state::{Counts, Parcel, Pending, State},
};
use crate::log::{Budget, Log, OpenOptions, StorageThread};

const NOW: u64 = 1_795_208_882_084_263_724;
const UNLIMITED: Budget = Budget { messages: u32::MAX, bytes: u32::MAX };

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    /// Published with this deadline, or 0, and not looked at.
    Ahead(u64),
    Waiting(u16),
    Deferred(u64, u16),
    InFlight(u16),
    /// Acknowledged, dropped or emptied.
    Gone,
}

#[derive(Debug, Clone)]
enum Op {
    Publish(usize, Option<u64>),
    Take(u32, u32),
    Finish(Vec<prop::sample::Index>),
    Requeue(prop::sample::Index, Option<u64>),
    Pass(u64),
    Settle,
    Pause(bool),
    EmptyChannel,
    EmptyTopic,
    Restart,
    Release,
}

fn op() -> impl Strategy<Value = Op> {
    let delay = prop_oneof![2 => Just(None), 1 => (1_u64..1000).prop_map(Some)];
    prop_oneof![
        6 => (1_usize..12, delay.clone()).prop_map(|(count, delay)| Op::Publish(count, delay)),
        8 => (1_u32..12, prop_oneof![1_u32..400, Just(u32::MAX)]).prop_map(|(count, bytes)| Op::Take(count, bytes)),
        6 => prop::collection::vec(any::<prop::sample::Index>(), 1..12).prop_map(Op::Finish),
        5 => (any::<prop::sample::Index>(), delay).prop_map(|(at, delay)| Op::Requeue(at, delay)),
        2 => (1_u64..600).prop_map(Op::Pass),
        1 => Just(Op::Settle),
        1 => any::<bool>().prop_map(Op::Pause),
        1 => prop_oneof![Just(Op::EmptyChannel), Just(Op::EmptyTopic)],
        1 => Just(Op::Restart),
        2 => Just(Op::Release),
    ]
}

struct Pair {
    log: Arc<Log>,
    state: State,
    bound: Option<u64>,
    now: u64,
    /// Where the fan-out is held, if it is.
    held: Option<u64>,
    /// By seq.
    model: Vec<Status>,
    /// Seq up to which a bounded model looked at what arrived.
    seen: usize,
}

impl Pair {
    fn new(bound: Option<u64>, log: Arc<Log>) -> Self {
        Self { log, state: State::new(0, bound), bound, now: NOW, held: None, model: Vec::new(), seen: 0 }
    }

    fn fan_out(&self) -> u64 {
        self.held.unwrap_or(self.log.tail())
    }

    fn passed(&self) -> usize {
        usize::try_from(self.fan_out()).unwrap()
    }

    fn in_flight(&self) -> Vec<u64> {
        (0..)
            .zip(&self.model)
            .filter(|(_, status)| matches!(status, Status::InFlight(_)))
            .map(|(seq, _)| seq)
            .collect()
    }

    fn apply(&mut self, op: Op) {
        match op {
            Op::Publish(count, delay) => self.publish(count, delay),
            Op::Take(messages, bytes) => self.take(Budget { messages, bytes }),
            Op::Finish(which) => self.finish(&which),
            Op::Requeue(at, delay) => self.requeue(at, delay),
            Op::Pass(by) => self.now += by,
            Op::Settle => self.settle(),
            Op::Pause(paused) => self.held = paused.then(|| self.fan_out()),
            Op::EmptyChannel => {
                self.state.empty(self.fan_out());
                let passed = self.passed();
                self.model[..passed].fill(Status::Gone);
                self.seen = self.seen.max(passed);
            }
            Op::EmptyTopic => {
                if let Some(held) = self.held {
                    self.settle();
                    let tail = self.log.tail();
                    self.state.skip(held, tail);
                    self.model[usize::try_from(held).unwrap()..].fill(Status::Gone);
                    self.held = Some(tail);
                    self.seen = self.model.len();
                }
            }
            Op::Restart => self.restart(),
            Op::Release => self.log.release(0, |base, tail| self.state.needs(base, tail)),
        }
        self.compare();
    }

    fn publish(&mut self, count: usize, delay: Option<u64>) {
        let deadline = delay.map(|delay| self.now + delay);
        let body = [b'x'; 150];
        let bodies = std::iter::repeat_n(&body[..], count);
        self.log.append(bodies, count, count * body.len(), deadline, self.now.cast_signed()).unwrap();
        self.model.extend(std::iter::repeat_n(Status::Ahead(deadline.unwrap_or(0)), count));
    }

    /// What a queue with a bound does when the messages come one by one.
    fn settle(&mut self) {
        self.state.settle(self.fan_out());
        let Some(bound) = self.bound else { return };
        for seq in self.seen..self.passed() {
            let waits = |status: &&Status| matches!(status, Status::Ahead(_) | Status::Waiting(_));
            if bound <= self.model[..seq].iter().filter(waits).count() as u64 {
                self.model[seq] = Status::Gone;
            }
        }
        self.seen = self.seen.max(self.passed());
    }

    fn take(&mut self, budget: Budget) {
        self.settle();
        for status in &mut self.model {
            match *status {
                Status::Deferred(deadline, attempts) if deadline <= self.now => {
                    *status = Status::Waiting(attempts);
                }
                _ => {}
            }
        }
        let mut parcels: Vec<Parcel> = Vec::new();
        let taken = self.state.take(&self.log, self.fan_out(), budget, self.now, &mut parcels);
        assert!(taken <= budget.messages);
        assert_eq!(taken, parcels.iter().map(|parcel| parcel.run.count()).sum::<u32>());
        for parcel in &parcels {
            for seq in (parcel.run.first()..).take(parcel.run.count() as usize) {
                assert!(seq < self.fan_out(), "{seq} has not passed to the channels");
                let status = &mut self.model[usize::try_from(seq).unwrap()];
                let attempts = match *status {
                    Status::Ahead(deadline) if deadline <= self.now => 1,
                    Status::Waiting(attempts) => attempts + 1,
                    other => panic!("{seq} is delivered and was {other:?}"),
                };
                assert_eq!(parcel.attempts, attempts, "{seq}");
                *status = Status::InFlight(attempts);
            }
        }
        let cursor = usize::try_from(self.state.cursor()).unwrap();
        for (seq, status) in self.model[..cursor].iter_mut().enumerate() {
            if let Status::Ahead(deadline) = *status {
                assert!(self.now < deadline, "{seq} is passed over");
                *status = Status::Deferred(deadline, 0);
            }
        }
        if taken == 0 {
            let ready = |status: &Status| matches!(status, Status::Ahead(deadline) if *deadline <= self.now);
            assert!(!self.model[..self.passed()].iter().any(ready), "fresh messages wait and none is taken");
            let waits = |status: &Status| matches!(status, Status::Waiting(_));
            assert!(!self.model.iter().any(waits), "requeued messages wait and none is taken");
        }
    }

    fn finish(&mut self, which: &[prop::sample::Index]) {
        let in_flight = self.in_flight();
        if in_flight.is_empty() {
            return;
        }
        let seqs: BTreeSet<u64> = which.iter().map(|at| *at.get(&in_flight)).collect();
        let seqs: Vec<u64> = seqs.into_iter().collect();
        self.state.finish(&seqs);
        for seq in seqs {
            self.model[usize::try_from(seq).unwrap()] = Status::Gone;
        }
    }

    fn requeue(&mut self, at: prop::sample::Index, delay: Option<u64>) {
        let in_flight = self.in_flight();
        if in_flight.is_empty() {
            return;
        }
        let seq = *at.get(&in_flight);
        let status = &mut self.model[usize::try_from(seq).unwrap()];
        let Status::InFlight(attempts) = *status else { panic!("it was in flight") };
        let deadline = delay.map(|delay| self.now + delay);
        *status = deadline.map_or(Status::Waiting(attempts), |deadline| Status::Deferred(deadline, attempts));
        self.state.requeue(Pending { seq, attempts }, deadline);
    }

    /// The channel goes to its checkpoint and comes back.
    fn restart(&mut self) {
        if self.bound.is_some() {
            // A channel with a bound is ephemeral and has no checkpoint.
            return;
        }
        let state = &self.state;
        let checkpoint = Checkpoint {
            paused: false,
            window: state.window().clone(),
            cursor: state.cursor(),
            skipped: state.skips().ranges().collect(),
            requeued: state.requeued().collect(),
            deferred: state.deferred().collect(),
        };
        let read = Checkpoint::decode(&checkpoint.encode()).unwrap();
        // As `Channel::restore` does it.
        let Checkpoint { window, cursor, skipped, requeued, deferred, .. } = read;
        self.state =
            State::restore(window, cursor, Skips::new(self.bound, cursor, skipped), requeued, deferred);
        for status in &mut self.model {
            if let Status::InFlight(_) = status {
                *status = Status::Waiting(1);
            }
        }
    }

    fn compare(&mut self) {
        self.settle();
        let now = self.now;
        let mut expected = Counts::default();
        for (seq, status) in self.model.iter().enumerate() {
            match *status {
                Status::Ahead(_) if self.passed() <= seq => {}
                Status::Ahead(deadline) | Status::Deferred(deadline, _) if now < deadline => {
                    expected.deferred += 1;
                }
                Status::Ahead(_) | Status::Deferred(..) | Status::Waiting(_) => expected.depth += 1,
                Status::InFlight(_) => expected.in_flight += 1,
                Status::Gone => {}
            }
        }
        assert_eq!(self.state.counts(&self.log, self.fan_out(), now), expected);
        for (seq, status) in (0..).zip(&self.model) {
            assert_eq!(self.state.needs(seq, seq + 1), *status != Status::Gone, "{seq} is {status:?}");
            assert_eq!(
                self.state.is_in_flight(seq),
                matches!(status, Status::InFlight(_)),
                "{seq} is {status:?}"
            );
        }
        let due = self.model.iter().filter_map(|status| match status {
            Status::Deferred(deadline, _) => Some(*deadline),
            _ => None,
        });
        assert_eq!(self.state.next_due(), due.min());
    }

    /// Takes and acknowledges all there is.
    fn drain(&mut self) {
        self.held = None;
        self.now += 10_000;
        loop {
            self.take(UNLIMITED);
            let in_flight = self.in_flight();
            if in_flight.is_empty() {
                break;
            }
            self.state.finish(&in_flight);
            self.model.iter_mut().filter(|status| matches!(status, Status::InFlight(_))).for_each(|status| {
                *status = Status::Gone;
            });
        }
        self.compare();
        assert!(self.model.iter().all(|status| *status == Status::Gone), "{:?}", self.model);
        assert_eq!(self.state.window().low_water(), self.log.tail());
    }
}

fn memory_log() -> (Arc<Log>, StorageThread) {
    let storage = StorageThread::start().unwrap();
    (Log::in_memory(&OpenOptions::new(storage.handle(), 4096, NodeId::new(1).unwrap())), storage)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// Protects: nothing is lost, nothing is delivered twice unless it was requeued, the counts are true, and a
    /// restart keeps all that was not acknowledged.
    #[test]
    fn a_channel_is_a_status_for_each_message(
        bound in prop_oneof![3 => Just(None), 1 => (0_u64..30).prop_map(Some)], ops in prop::collection::vec(op(), 1..120),
    ) {
        let (log, storage) = memory_log();
        let mut pair = Pair::new(bound, log);
        for op in ops {
            pair.apply(op);
        }
        pair.drain();
        storage.stop();
    }
}

/// Protects: a consumer that requeues all it gets does not keep fresh messages back, nor a flood of fresh ones what
/// was requeued, whatever bounds a delivery: one message, many, or bytes.
#[test]
fn neither_requeued_nor_fresh_messages_starve() {
    for (messages, bytes) in [(1, u32::MAX), (2, u32::MAX), (9, u32::MAX), (1, 1), (5, 100), (100, 400)] {
        let (log, storage) = memory_log();
        let mut pair = Pair::new(None, log);
        pair.publish(30, None);
        for _ in 0..200 {
            pair.publish(12, None);
            pair.take(Budget { messages, bytes });
            // Each message twice, so that requeued ones grow as fast as fresh ones are taken.
            for seq in pair.in_flight() {
                let Status::InFlight(attempts) = pair.model[usize::try_from(seq).unwrap()] else { continue };
                pair.model[usize::try_from(seq).unwrap()] = Status::Waiting(attempts);
                pair.state.requeue(Pending { seq, attempts }, None);
            }
        }
        pair.compare();
        let again = pair.model.iter().filter(|status| matches!(status, Status::Waiting(2..))).count();
        let deliveries: u64 = pair.state.requeued().map(|pending| u64::from(pending.attempts)).sum();
        let fresh = pair.state.cursor();
        let requeued = deliveries - fresh;
        let what = format!("budget {messages}, {bytes}: {fresh} fresh, {requeued} requeued, {again} again");
        assert!(deliveries / 4 <= fresh && deliveries / 4 <= requeued && 0 < again, "{what}");
        storage.stop();
    }
}
