//! The past of one topic, channel or node, as changes.

use std::collections::VecDeque;

/// What is kept of each, in the order of a [`Sample`].
pub(crate) const METRICS: [&str; 8] = [
    "depth",
    "in_rate",
    "out_rate",
    "in_flight",
    "deferred",
    "requeue_rate",
    "timeout_rate",
    "latency_99_ns",
];
const LATENCY: usize = 7;
/// Those of [`METRICS`] that are rates.
const RATES: [usize; 4] = [1, 2, 5, 6];
/// Of a rate, smaller changes are not kept.
const RATE_SAME: f32 = 0.02;

/// The metrics at a time; NaN where nothing is known.
pub(crate) type Sample = [f32; METRICS.len()];
pub(crate) const UNKNOWN: Sample = [f32::NAN; METRICS.len()];

/// Seconds of a slot, and how many slots are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Grain {
    pub(crate) step_s: u32,
    pub(crate) slots: u32,
}

/// Ten minutes.
pub(crate) const FINE: Grain = Grain { step_s: 5, slots: 120 };
/// Six hours.
pub(crate) const COARSE: Grain = Grain { step_s: 60, slots: 360 };

/// What all that is kept spans, and the shortest step of it.
pub(crate) const HISTORY_SPAN_S: u32 = COARSE.step_s * COARSE.slots;
pub(crate) const HISTORY_STEP_S: u32 = FINE.step_s;

#[derive(Debug, Clone, Copy)]
struct Change {
    /// Time by the grain's step. The sample holds from here to the next change.
    slot: u32,
    sample: Sample,
}

/// Samples at one grain: only those that differ from the one before.
#[derive(Debug, Default)]
struct Line {
    changes: VecDeque<Change>,
    /// Behind the last slot that is known.
    end: u32,
}

/// Several samples of one slot.
#[derive(Debug, Clone, Copy)]
struct Gathered {
    slot: u32,
    count: u32,
    sample: Sample,
}

/// The past at both grains.
#[derive(Debug)]
pub(crate) struct Track {
    fine: Line,
    coarse: Line,
    fine_now: Gathered,
    coarse_now: Gathered,
    /// How much happens, lately.
    pub(crate) activity: f32,
    /// When something was last heard, in s since 1970.
    pub(crate) seen_s: u32,
}

impl Line {
    fn push(&mut self, slot: u32, sample: Sample, grain: Grain) {
        if self.end < slot && !self.changes.is_empty() {
            self.change(self.end, UNKNOWN);
        }
        self.change(slot, sample);
        self.end = slot + 1;
        let start = self.end.saturating_sub(grain.slots);
        while self.changes.get(1).is_some_and(|second| second.slot <= start) {
            self.changes.pop_front();
        }
        if 4 * self.changes.len() < self.changes.capacity() {
            self.changes.shrink_to(2 * self.changes.len());
        }
    }

    fn change(&mut self, slot: u32, sample: Sample) {
        if !self.changes.back().is_some_and(|last| is_like(&last.sample, &sample)) {
            self.changes.push_back(Change { slot, sample });
        }
    }

    fn at(&self, slot: u32) -> Sample {
        if self.end <= slot {
            return UNKNOWN;
        }
        let behind = self.changes.partition_point(|change| change.slot <= slot);
        let before = behind.checked_sub(1).and_then(|index| self.changes.get(index));
        before.map_or(UNKNOWN, |change| change.sample)
    }
}

fn is_like(one: &Sample, other: &Sample) -> bool {
    (0..METRICS.len()).all(|metric| {
        let (one, other) = (one[metric], other[metric]);
        let is_near = RATES.contains(&metric) && (one - other).abs() < RATE_SAME * one.abs().min(other.abs());
        one.to_bits() == other.to_bits() || one.is_nan() && other.is_nan() || is_near
    })
}

impl Gathered {
    const NOTHING: Self = Self { slot: 0, count: 0, sample: UNKNOWN };

    fn new(slot: u32) -> Self {
        Self { slot, ..Self::NOTHING }
    }

    /// The last of what stands, the mean of what flows, the worst of what is awaited.
    fn add(&mut self, sample: &Sample) {
        self.count += 1;
        #[expect(clippy::cast_precision_loss, reason = "a few samples fall into one slot")]
        let count = self.count as f32;
        for (metric, (mine, new)) in self.sample.iter_mut().zip(sample).enumerate() {
            if mine.is_nan() || new.is_nan() {
                *mine = if new.is_nan() { *mine } else { *new };
            } else if metric == LATENCY {
                *mine = mine.max(*new);
            } else if RATES.contains(&metric) {
                *mine += (new - *mine) / count;
            } else {
                *mine = *new;
            }
        }
    }
}

impl Track {
    pub(crate) fn new() -> Self {
        Self {
            fine: Line::default(),
            coarse: Line::default(),
            fine_now: Gathered::NOTHING,
            coarse_now: Gathered::NOTHING,
            activity: 0.0,
            seen_s: 0,
        }
    }

    /// Takes what was seen at a time. What is older than what it has is not taken.
    pub(crate) fn observe(&mut self, now_s: u32, sample: &Sample) {
        let slot = now_s / FINE.step_s;
        if slot < self.fine_now.slot {
            return;
        }
        if self.fine_now.slot < slot {
            self.close_fine();
            self.fine_now = Gathered::new(slot);
        }
        self.fine_now.add(sample);
        let flow = [sample[1], sample[2], sample[0].min(1.0)].into_iter().filter(|flow| !flow.is_nan());
        let flow: f32 = flow.sum();
        self.activity = if self.seen_s == 0 { flow } else { 0.9 * self.activity + 0.1 * flow };
        self.seen_s = now_s;
    }

    fn close_fine(&mut self) {
        let closed = self.fine_now;
        if closed.count == 0 {
            return;
        }
        self.fine.push(closed.slot, closed.sample, FINE);
        let slot = closed.slot * FINE.step_s / COARSE.step_s;
        if self.coarse_now.slot < slot {
            if self.coarse_now.count != 0 {
                self.coarse.push(self.coarse_now.slot, self.coarse_now.sample, COARSE);
            }
            self.coarse_now = Gathered::new(slot);
        }
        self.coarse_now.add(&closed.sample);
    }

    /// The last `slots` samples of a grain, oldest first, the last being that of `now_s`.
    pub(crate) fn read(&self, grain: Grain, slots: u32, now_s: u32) -> Vec<Sample> {
        let end = now_s / grain.step_s + 1;
        let slots = slots.min(grain.slots);
        (end.saturating_sub(slots)..end).map(|slot| self.at(grain, slot)).collect()
    }

    fn at(&self, grain: Grain, slot: u32) -> Sample {
        if grain == FINE {
            return if self.fine_now.slot == slot { self.fine_now.sample } else { self.fine.at(slot) };
        }
        let mut gathered = Gathered::new(slot);
        if self.coarse_now.slot == slot && self.coarse_now.count != 0 {
            gathered = self.coarse_now;
        }
        if self.fine_now.slot * FINE.step_s / COARSE.step_s == slot && self.fine_now.count != 0 {
            gathered.add(&self.fine_now.sample);
        }
        if gathered.count == 0 { self.coarse.at(slot) } else { gathered.sample }
    }

    /// What it takes, without itself.
    pub(crate) fn bytes(&self) -> usize {
        (self.fine.changes.capacity() + self.coarse.changes.capacity()) * size_of::<Change>()
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::proptest};

    use super::*;

    fn depth(depth: u8) -> Sample {
        let mut sample = [0.0; METRICS.len()];
        sample[0] = f32::from(depth);
        sample
    }

    proptest! {
        /// Protects: changes tell the same as all samples would, with gaps, and for no longer than they are kept.
        #[test]
        fn changes_are_as_good_as_samples(steps in vec((0u32..4, 0u8..3), 1..500)) {
            let mut track = Track::new();
            let mut model = std::collections::BTreeMap::new();
            let mut slot = 1000;
            for (gap, value) in steps {
                slot += gap;
                track.observe(slot * FINE.step_s, &depth(value));
                model.insert(slot, f32::from(value));
            }
            let read = track.read(FINE, FINE.slots, slot * FINE.step_s);
            for (at, sample) in (slot + 1 - FINE.slots..=slot).zip(&read) {
                let expected = model.get(&at).copied();
                assert_eq!(Some(sample[0]).filter(|depth| !depth.is_nan()), expected, "{at}");
            }
            let minutes = track.read(COARSE, 10, slot * FINE.step_s);
            let minute = slot * FINE.step_s / COARSE.step_s;
            for (at, sample) in (minute - 9..=minute).zip(&minutes) {
                let last = model.range(at * 12..(at + 1) * 12).next_back().map(|(_, depth)| *depth);
                assert_eq!(Some(sample[0]).filter(|depth| !depth.is_nan()), last, "minute {at}");
            }
        }
    }

    /// Protects the memory of clusters with thousands of topics that rest.
    #[test]
    fn what_rests_costs_next_to_nothing() {
        let mut track = Track::new();
        for second in (0..100_000).step_by(2) {
            track.observe(1_000_000 + second, &depth(7));
        }
        assert!(track.bytes() < 400, "{}", track.bytes());
        assert!(
            track.read(COARSE, 360, 1_099_998).iter().all(|sample| sample[0].to_bits() == 7f32.to_bits())
        );
    }

    #[test]
    fn a_slot_has_the_mean_of_what_flows_and_the_worst_latency() {
        let mut track = Track::new();
        for (second, rate) in [(100, 10.0), (102, 20.0), (104, 60.0)] {
            let mut sample = [rate; METRICS.len()];
            sample[5] = f32::NAN;
            track.observe(second, &sample);
        }
        let read = track.read(FINE, 2, 104);
        assert!(read[0][0].is_nan());
        assert_eq!((read[1][0], read[1][1], read[1][LATENCY]), (60.0, 30.0, 60.0));
        assert!(read[1][5].is_nan());
    }
}
