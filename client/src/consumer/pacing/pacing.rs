//! Which connection gets which RDY.

use std::time::{Duration, Instant};

use super::{
    Outcome,
    backoff::{Backoff, Change},
};
use crate::Config;

/// Names a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct MemberId(pub(crate) u64);

/// RDY to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rdy {
    pub(crate) member: MemberId,
    pub(crate) count: u32,
}

/// What to tell the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// A pause begins.
    BackingOff { length: Duration, level: u32 },
    /// The pause is over, this connection may have one message.
    Resuming(MemberId),
    /// The pause is over, and there is no connection.
    NoConnection,
    /// Backoff is over.
    Exiting { count: u32 },
}

/// How long to wait with no connection to resume on.
const NO_CONNECTION_PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Member {
    id: MemberId,
    rdy: u32,
    rdy_max: u32,
    has_turn: bool,
    // When its turn began or ended.
    turned: Instant,
}

/// The connections of a consumer and what each may have in flight.
///
/// With enough for all, `max_in_flight` is shared evenly. With more connections than that, as many as it have a turn
/// with RDY 1, and turns are passed on. In backoff nobody may have any, and between pauses one connection has the only turn.
///
/// Invariant: the RDYs add up to `max_in_flight` at most.
#[derive(Debug)]
pub(crate) struct Pacing {
    max_in_flight: u32,
    members: Vec<Member>,
    backoff: Backoff,
    idle_max: Duration,
    turn_max: Duration,
    random: fastrand::Rng,
}

impl Pacing {
    pub(crate) fn new(config: &Config, seed: u64) -> Self {
        Self {
            max_in_flight: config.max_in_flight,
            members: Vec::new(),
            backoff: Backoff::new(config, seed),
            idle_max: config.low_rdy_idle_timeout,
            turn_max: config.low_rdy_timeout,
            random: fastrand::Rng::with_seed(seed),
        }
    }

    /// A connection that takes RDY up to `rdy_max`. What changes is added to `out`, here and below: less before more.
    pub(crate) fn join(&mut self, id: MemberId, rdy_max: u32, now: Instant, out: &mut Vec<Rdy>) {
        self.members.push(Member { id, rdy: 0, rdy_max, has_turn: false, turned: now });
        self.settle(now, out);
    }

    /// A connection is gone.
    pub(crate) fn leave(&mut self, id: MemberId, now: Instant, out: &mut Vec<Rdy>) {
        self.members.retain(|member| member.id != id);
        self.settle(now, out);
    }

    pub(crate) fn set_max_in_flight(&mut self, max_in_flight: u32, now: Instant, out: &mut Vec<Rdy>) {
        self.max_in_flight = max_in_flight;
        self.settle(now, out);
    }

    pub(crate) fn max_in_flight(&self) -> u32 {
        self.max_in_flight
    }

    /// A message was finished or requeued.
    pub(crate) fn take(&mut self, outcome: Outcome, now: Instant, out: &mut Vec<Rdy>) -> Option<Event> {
        let event = match self.backoff.take(outcome, now) {
            Change::Nothing => return None,
            Change::Pause { length, level } => Event::BackingOff { length, level },
            Change::Exit => Event::Exiting { count: self.share(0).max(1).min(self.max_in_flight) },
        };
        self.settle(now, out);
        Some(event)
    }

    /// Ends a pause whose time is over.
    pub(crate) fn resume(&mut self, now: Instant, out: &mut Vec<Rdy>) -> Option<Event> {
        if !self.backoff.expire(now) {
            return None;
        }
        if self.members.is_empty() {
            self.backoff.pause(NO_CONNECTION_PAUSE, now);
            return Some(Event::NoConnection);
        }
        let chosen = self.random.usize(..self.members.len());
        let chosen = &mut self.members[chosen];
        // Nobody else has one: the pause took them all.
        chosen.turned = now;
        chosen.has_turn = true;
        let id = chosen.id;
        self.settle(now, out);
        Some(Event::Resuming(id))
    }

    /// Passes turns on. `last_message` says when a connection last had one.
    pub(crate) fn redistribute(
        &mut self,
        now: Instant,
        last_message: impl Fn(MemberId) -> Option<Instant>,
        out: &mut Vec<Rdy>,
    ) {
        let Some(turns) = self.turns().filter(|turns| 0 < *turns) else { return };
        if self.members.len() <= turns {
            return;
        }
        for member in self.members.iter_mut().filter(|member| member.has_turn) {
            let busy = last_message(member.id).map_or(member.turned, |at| at.max(member.turned));
            let idle = now.saturating_duration_since(busy);
            let held = now.saturating_duration_since(member.turned);
            if self.idle_max < idle || self.turn_max < held {
                member.has_turn = false;
                member.turned = now;
            }
        }
        self.settle(now, out);
    }

    /// When [`Pacing::resume`] has something to do.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.backoff.deadline()
    }

    /// Whether a success or a neutral outcome changes nothing.
    pub(crate) fn is_calm(&self) -> bool {
        self.backoff.is_calm()
    }

    /// How many connections have a turn; `None` if there is enough for all.
    fn turns(&self) -> Option<usize> {
        let max = self.max_in_flight as usize;
        if self.backoff.deadline().is_some() {
            Some(0)
        } else if !self.backoff.is_calm() {
            Some(max.min(1))
        } else if max < self.members.len() {
            Some(max)
        } else {
            None
        }
    }

    /// The even share of the connection at `index`.
    fn share(&self, index: usize) -> u32 {
        let count = u32::try_from(self.members.len()).unwrap_or(u32::MAX).max(1);
        let gets_one_more = u32::try_from(index).is_ok_and(|index| index < self.max_in_flight % count);
        self.max_in_flight / count + u32::from(gets_one_more)
    }

    /// Decides who gets what, and says what that changes.
    fn settle(&mut self, now: Instant, out: &mut Vec<Rdy>) {
        if let Some(turns) = self.turns() {
            self.give_turns(turns, now);
        }
        let is_shared = self.turns().is_none();
        let wanted: Vec<u32> = (0..self.members.len())
            .map(|index| if is_shared { self.share(index) } else { u32::from(self.members[index].has_turn) })
            .collect();
        let mut raised = Vec::new();
        for (member, wanted) in self.members.iter_mut().zip(wanted) {
            let count = wanted.min(member.rdy_max);
            if is_shared {
                (member.has_turn, member.turned) = (true, now);
            }
            if count < member.rdy {
                out.push(Rdy { member: member.id, count });
            } else if member.rdy < count {
                raised.push(Rdy { member: member.id, count });
            }
            member.rdy = count;
        }
        out.append(&mut raised);
        debug_assert!(self.is_within_limit());
    }

    /// Takes turns from those that have had theirs longest, or gives them to those that wait longest.
    fn give_turns(&mut self, turns: usize, now: Instant) {
        let have = self.members.iter().filter(|member| member.has_turn).count();
        let (has_turn, surplus) = if turns < have { (true, have - turns) } else { (false, turns - have) };
        let mut oldest: Vec<usize> =
            (0..self.members.len()).filter(|&index| self.members[index].has_turn == has_turn).collect();
        oldest.sort_by_key(|&index| self.members[index].turned);
        for index in oldest.into_iter().take(surplus) {
            let member = &mut self.members[index];
            (member.has_turn, member.turned) = (!has_turn, now);
        }
    }

    fn is_within_limit(&self) -> bool {
        let sum: u64 = self.members.iter().map(|member| u64::from(member.rdy)).sum();
        sum <= u64::from(self.max_in_flight)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    const S: Duration = Duration::from_secs(1);

    /// What nsqds were told.
    struct Told {
        pacing: Pacing,
        now: Instant,
        rdy: HashMap<u64, u32>,
        events: Vec<Event>,
    }

    impl Told {
        fn new(max_in_flight: u32) -> Self {
            let config = Config { max_in_flight, ..Config::default() };
            let (rdy, events) = (HashMap::new(), Vec::new());
            Self { pacing: Pacing::new(&config, 3), now: Instant::now(), rdy, events }
        }

        fn with(max_in_flight: u32, members: u64) -> Self {
            let mut told = Self::new(max_in_flight);
            (0..members).for_each(|id| told.join(id));
            told
        }

        fn hear(&mut self, act: impl FnOnce(&mut Pacing, Instant, &mut Vec<Rdy>) -> Option<Event>) {
            let mut out = Vec::new();
            self.events.extend(act(&mut self.pacing, self.now, &mut out));
            let mut is_raising = false;
            for Rdy { member, count } in out {
                let before = self.rdy.insert(member.0, count).unwrap_or(0);
                assert_ne!(before, count, "nothing is said twice");
                assert!(before < count || !is_raising, "less before more");
                is_raising |= before < count;
            }
        }

        fn join(&mut self, id: u64) {
            self.hear(|pacing, now, out| {
                pacing.join(MemberId(id), 2500, now, out);
                None
            });
        }

        fn leave(&mut self, id: u64) {
            self.rdy.remove(&id);
            self.hear(|pacing, now, out| {
                pacing.leave(MemberId(id), now, out);
                None
            });
        }

        fn take(&mut self, outcome: Outcome) {
            self.hear(|pacing, now, out| pacing.take(outcome, now, out));
        }

        fn resume(&mut self) {
            self.hear(Pacing::resume);
        }

        fn redistribute(&mut self, last_message: impl Fn(MemberId) -> Option<Instant>) {
            self.hear(|pacing, now, out| {
                pacing.redistribute(now, last_message, out);
                None
            });
        }

        fn counts(&self) -> Vec<u32> {
            let mut counts: Vec<u32> = self.rdy.values().copied().filter(|count| *count != 0).collect();
            counts.sort_unstable();
            counts
        }

        fn holder(&self) -> u64 {
            *self.rdy.iter().find(|(_, count)| **count == 1).expect("one has a turn").0
        }
    }

    #[test]
    fn enough_for_all_is_shared_evenly() {
        let mut told = Told::with(200, 3);
        assert_eq!(told.counts(), [66, 67, 67]);
        told.leave(1);
        assert_eq!(told.counts(), [100, 100]);
        told.hear(|pacing, now, out| {
            pacing.set_max_in_flight(2, now, out);
            None
        });
        assert_eq!(told.counts(), [1, 1]);
    }

    #[test]
    fn no_more_is_asked_for_than_nsqd_takes() {
        let mut told = Told::with(10_000, 2);
        assert_eq!(told.counts(), [2500, 2500]);
        told.leave(0);
        assert_eq!(told.counts(), [2500]);
    }

    #[test]
    fn with_too_many_connections_turns_are_passed_on() {
        let mut told = Told::with(1, 3);
        let mut seen = Vec::new();
        for _ in 0..3 {
            seen.push(told.holder());
            // Not before its time.
            told.now += S * 9;
            told.redistribute(|_| None);
            assert_eq!(Some(&told.holder()), seen.last());
            told.now += S * 2;
            told.redistribute(|_| None);
            assert_eq!(told.counts(), [1]);
        }
        seen.sort_unstable();
        assert_eq!(seen, [0, 1, 2]);
    }

    #[test]
    fn a_busy_connection_keeps_its_turn_for_a_while() {
        let mut told = Told::with(1, 2);
        let busy = told.holder();
        for _ in 0..6 {
            told.now += S * 5;
            let now = told.now;
            told.redistribute(|_| Some(now));
            assert_eq!(told.holder(), busy);
        }
        told.now += S;
        let now = told.now;
        told.redistribute(|_| Some(now));
        assert_ne!(told.holder(), busy);
    }

    #[test]
    fn the_turn_of_a_lost_connection_is_passed_on() {
        let mut told = Told::with(1, 2);
        let lost = told.holder();
        told.leave(lost);
        assert_eq!(told.counts(), [1]);
    }

    #[test]
    fn backoff_pauses_all_and_tries_with_one() {
        let mut told = Told::with(30, 3);
        told.take(Outcome::Failure);
        assert_eq!(told.counts(), [0; 0]);
        told.now += S;
        told.resume();
        assert_eq!(told.counts(), [0; 0], "the pause is not over");
        told.now += S;
        told.resume();
        assert_eq!(told.counts(), [1]);
        let tried = told.holder();
        told.leave(tried);
        assert_eq!(told.counts(), [1], "another one is tried");
        told.join(9);
        assert_eq!(told.counts(), [1]);
        told.take(Outcome::Success);
        assert_eq!(told.counts(), [10, 10, 10]);
        let events = [
            Event::BackingOff { length: S * 2, level: 1 },
            Event::Resuming(MemberId(tried)),
            Event::Exiting { count: 10 },
        ];
        assert_eq!(told.events, events);
    }

    #[test]
    fn without_a_connection_the_pause_goes_on() {
        let mut told = Told::with(1, 1);
        told.take(Outcome::Failure);
        told.leave(0);
        told.now += S * 2;
        told.resume();
        assert_eq!(told.events.last(), Some(&Event::NoConnection));
        told.join(1);
        assert_eq!(told.counts(), [0; 0]);
        told.now += S;
        told.resume();
        assert_eq!(told.counts(), [1]);
    }

    #[derive(Debug, Clone)]
    enum Step {
        Join,
        Leave(prop::sample::Index),
        Max(u32),
        Take(u8),
        Wait(u64),
        Redistribute(bool),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            3 => Just(Step::Join),
            2 => any::<prop::sample::Index>().prop_map(Step::Leave),
            1 => (0..20_u32).prop_map(Step::Max),
            3 => (0..3_u8).prop_map(Step::Take),
            3 => (0..40_u64).prop_map(Step::Wait),
            2 => any::<bool>().prop_map(Step::Redistribute),
        ];
        prop::collection::vec(step, 0..80)
    }

    proptest! {
        /// Protects: never more in flight than allowed; during a pause none; else everybody who can have a share has one, and
        /// nobody is forgotten who waits for a turn.
        #[test]
        fn all_of_it_is_given_out_and_no_more(max in 0..20_u32, steps in steps()) {
            let mut told = Told::new(max);
            let mut members: Vec<u64> = Vec::new();
            for (step, id) in steps.into_iter().zip(0..) {
                match step {
                    Step::Join => { told.join(id); members.push(id); }
                    Step::Leave(_) if members.is_empty() => {}
                    Step::Leave(index) => { let id = members.swap_remove(index.index(members.len())); told.leave(id); }
                    Step::Max(max) => told.hear(|pacing, now, out| { pacing.set_max_in_flight(max, now, out); None }),
                    Step::Take(outcome) => told.take([Outcome::Success, Outcome::Failure, Outcome::Neutral][usize::from(outcome)]),
                    Step::Wait(seconds) => { told.now += S * u32::try_from(seconds).unwrap(); told.resume(); }
                    Step::Redistribute(is_busy) => {
                        let now = told.now;
                        told.redistribute(|_| is_busy.then_some(now));
                    }
                }
                let pacing = &told.pacing;
                let given = told.counts();
                let total: u32 = given.iter().sum();
                let count = u32::try_from(members.len()).unwrap();
                if pacing.deadline().is_some() {
                    prop_assert_eq!(total, 0);
                } else if !pacing.is_calm() {
                    prop_assert_eq!(total, pacing.max_in_flight().min(1).min(count));
                } else if count != 0 {
                    prop_assert_eq!(total, pacing.max_in_flight());
                    let (least, most) = (given.first().unwrap_or(&0), given.last().unwrap_or(&0));
                    prop_assert!(most - least <= 1);
                    prop_assert_eq!(given.len(), members.len().min(pacing.max_in_flight() as usize));
                }
            }
        }

        #[test]
        fn everybody_has_a_turn(max in 1..5_u32, members in 2..12_u64) {
            let mut told = Told::with(max, members);
            let mut seen: Vec<u64> = Vec::new();
            for _ in 0..members {
                seen.extend(told.rdy.iter().filter(|(_, count)| **count != 0).map(|(id, _)| *id));
                told.now += S * 11;
                told.redistribute(|_| None);
            }
            seen.sort_unstable();
            seen.dedup();
            prop_assert_eq!(seen.len() as u64, members);
        }
    }
}
