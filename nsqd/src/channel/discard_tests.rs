//! Rules at work on random histories: what is dropped is counted, and only what may be dropped is.

use std::sync::Arc;

use proptest::prelude::*;
use protocol::NodeId;

use super::{
    rules::Rules,
    state::{Parcel, Pending, State},
};
use crate::log::{Budget, Log, OpenOptions, StorageThread};

const NOW: u64 = 1_795_208_882_084_263_724;

#[derive(Debug, Clone)]
enum Op {
    Publish(usize, Option<u64>),
    Take(u32),
    Finish(usize),
    Requeue(usize, Option<u64>),
    Pass(u64),
    Rules(Rules),
    /// Dead messages move, or cannot.
    Bury(bool),
}

fn rules() -> impl Strategy<Value = Rules> {
    let maybe = |range: std::ops::Range<u64>| prop_oneof![1 => Just(None), 2 => range.prop_map(Some)];
    (maybe(100..2000), maybe(0..20), prop_oneof![1 => Just(None), 2 => (1_u16..4).prop_map(Some)]).prop_map(
        |(ttl_ns, drop_above, attempts_max)| Rules { ttl_ns, drop_above, attempts_max, msg_timeout: None },
    )
}

fn op() -> impl Strategy<Value = Op> {
    let delay = prop_oneof![2 => Just(None), 1 => (1_u64..1000).prop_map(Some)];
    prop_oneof![
        6 => (1_usize..12, delay.clone()).prop_map(|(count, delay)| Op::Publish(count, delay)),
        6 => (1_u32..12).prop_map(Op::Take),
        3 => (1_usize..6).prop_map(Op::Finish),
        5 => (1_usize..6, delay).prop_map(|(count, delay)| Op::Requeue(count, delay)),
        4 => (1_u64..600).prop_map(Op::Pass),
        1 => rules().prop_map(Op::Rules),
        3 => any::<bool>().prop_map(Op::Bury),
    ]
}

struct World {
    log: Arc<Log>,
    state: State,
    now: u64,
    /// When each message was published, or is due, by seq.
    since: Vec<u64>,
    in_flight: Vec<Pending>,
    finished: u64,
}

impl World {
    fn apply(&mut self, op: &Op) {
        match *op {
            Op::Publish(count, delay) => {
                let deadline = delay.map(|delay| self.now + delay);
                let bodies = std::iter::repeat_n(&b"some body"[..], count);
                self.log.append(bodies, count, count * 9, deadline, self.now.cast_signed()).unwrap();
                self.since.extend(std::iter::repeat_n(deadline.unwrap_or(self.now), count));
            }
            Op::Take(messages) => self.take(messages),
            Op::Finish(count) => {
                let count = count.min(self.in_flight.len());
                let seqs: Vec<u64> = self.in_flight.drain(..count).map(|message| message.seq).collect();
                self.state.finish(&seqs);
                self.finished += seqs.len() as u64;
            }
            Op::Requeue(count, delay) => {
                let count = count.min(self.in_flight.len());
                let deadline = delay.map(|delay| self.now + delay);
                for message in self.in_flight.drain(..count) {
                    self.state.requeue(message, deadline);
                }
            }
            Op::Pass(ns) => self.now += ns,
            Op::Rules(rules) => self.state.set_rules(rules),
            Op::Bury(works) => {
                let mut dead = Vec::new();
                self.state.take_dead(&self.log, 5, &mut dead);
                let max = self.state.rules().attempts_max.expect("there are no dead without a limit");
                assert!(dead.iter().all(|(message, _)| max <= message.attempts), "{dead:?}");
                if works {
                    let seqs: Vec<u64> = dead.iter().map(|(message, _)| message.seq).collect();
                    self.state.finish(&seqs);
                    self.state.count_dead_lettered(seqs.len() as u64);
                } else {
                    for (message, _) in dead {
                        self.state.requeue(message, None);
                    }
                }
            }
        }
        self.check();
    }

    fn take(&mut self, messages: u32) {
        let mut parcels: Vec<Parcel> = Vec::new();
        let budget = Budget { messages, bytes: u32::MAX };
        self.state.take(&self.log, self.log.tail(), budget, self.now, &mut parcels);
        let Rules { ttl_ns, attempts_max, .. } = self.state.rules();
        for parcel in parcels {
            for seq in (parcel.run.first()..).take(parcel.run.count() as usize) {
                let since = self.since[usize::try_from(seq).unwrap()];
                assert!(since <= self.now, "{seq} is delivered before it is due");
                assert!(ttl_ns.is_none_or(|ttl| self.now <= since + ttl), "{seq} is delivered and too old");
                assert!(
                    attempts_max.is_none_or(|max| parcel.attempts <= max),
                    "{seq} is delivered too often"
                );
                self.in_flight.push(Pending { seq, attempts: parcel.attempts });
            }
        }
    }

    fn check(&mut self) {
        let tail = self.log.tail();
        let rules = self.state.rules();
        if rules.discards() {
            self.state.discard(&self.log, tail, self.now);
        }
        let counts = self.state.counts(&self.log, tail, self.now);
        let losses = self.state.losses();
        assert_eq!(counts.in_flight, self.in_flight.len() as u64);
        let accounted = counts.depth
            + counts.deferred
            + counts.in_flight
            + self.finished
            + losses.expired
            + losses.dropped
            + losses.dead_lettered;
        assert_eq!(accounted, tail, "{counts:?} {losses:?} {} finished", self.finished);
        let waiting = counts.depth - self.state.dead() as u64;
        assert!(rules.drop_above.is_none_or(|max| waiting <= max), "{waiting} wait, {rules:?}");
        if let Some(ttl) = rules.ttl_ns {
            let cursor = usize::try_from(self.state.cursor()).unwrap();
            let first = self.since.get(cursor);
            assert!(first.is_none_or(|since| self.now <= since + ttl), "an old message is not dropped");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// Protects: each message is delivered, or waits, or is counted as expired, dropped or dead, whatever the rules and
    /// however they change; none is delivered too late or too often; the oldest go first.
    #[test]
    fn no_message_is_unaccounted_for(rules in rules(), ops in prop::collection::vec(op(), 1..150)) {
        let storage = StorageThread::start().unwrap();
        let log = Log::in_memory(&OpenOptions::new(storage.handle(), 4096, NodeId::new(1).unwrap()));
        let mut state = State::new(0, None);
        state.set_rules(rules);
        let mut world = World { log, state, now: NOW, since: Vec::new(), in_flight: Vec::new(), finished: 0 };
        for op in ops {
            // There are dead messages only where there is a limit.
            if matches!(op, Op::Bury(_)) && world.state.rules().attempts_max.is_none() {
                assert_eq!(world.state.dead(), 0);
                continue;
            }
            world.apply(&op);
        }
        storage.stop();
    }
}
