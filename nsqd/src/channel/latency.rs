//! The time from publishing to FIN: counted since the start for `/metrics`, and as percentiles of the last minutes.

use hdrhistogram::Histogram;

/// Upper bounds, in ns, of what is counted since the start.
pub(crate) const BOUNDS_NS: [u64; 12] = [
    250_000,
    1_000_000,
    2_500_000,
    10_000_000,
    25_000_000,
    100_000_000,
    250_000_000,
    1_000_000_000,
    10_000_000_000,
    60_000_000_000,
    600_000_000_000,
    3_600_000_000_000,
];

/// How many messages were finished, and how long they took.
#[derive(Debug, Clone, Default)]
pub(crate) struct Finished {
    /// By [`BOUNDS_NS`], each without those below; last those that took longer than any.
    pub(crate) buckets: [u64; BOUNDS_NS.len() + 1],
    pub(crate) count: u64,
    pub(crate) sum_ns: u128,
}

/// What one channel measures.
#[derive(Debug)]
pub(super) struct Latency {
    finished: Finished,
    window: Option<Window>,
}

/// Two sketches in turn, each of half of the time: a result covers between half of the window and all of it.
#[derive(Debug)]
struct Window {
    half_ns: u64,
    /// Halves since 1970, up to the present one.
    turn: u64,
    halves: [Sketch; 2],
}

/// Latencies to within 1 %, the longest exactly. Can be merged.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sketch {
    /// Absent until there is something to count: most channels of a large daemon are idle.
    histogram: Option<Histogram<u32>>,
    max_ns: u64,
}

impl Latency {
    /// `window_ns`: the time that percentiles cover, if they are wanted.
    pub(super) fn new(window_ns: Option<u64>) -> Self {
        let window = window_ns.map(|window_ns| Window {
            half_ns: (window_ns / 2).max(1),
            turn: 0,
            halves: Default::default(),
        });
        Self { finished: Finished::default(), window }
    }

    /// Counts messages that were published at these times and are finished now.
    pub(super) fn record(&mut self, published_unix_ns: &[u64], now_unix_ns: u64) {
        let mut sketch = self.window.as_mut().map(|window| window.current(now_unix_ns));
        for published in published_unix_ns {
            // A clock that was set back makes nothing negative.
            let ns = now_unix_ns.saturating_sub(*published);
            let bucket = BOUNDS_NS.iter().position(|bound| ns <= *bound).unwrap_or(BOUNDS_NS.len());
            self.finished.buckets[bucket] += 1;
            self.finished.count += 1;
            self.finished.sum_ns += u128::from(ns);
            if let Some(sketch) = &mut sketch {
                sketch.record(ns);
            }
        }
    }

    pub(super) fn finished(&self) -> &Finished {
        &self.finished
    }

    /// What the window holds; `None` if percentiles are not wanted.
    pub(super) fn sketch(&mut self, now_unix_ns: u64) -> Option<Sketch> {
        let window = self.window.as_mut()?;
        window.current(now_unix_ns);
        let [mut all, other] = window.halves.clone();
        all.merge(&other);
        Some(all)
    }
}

impl Window {
    fn current(&mut self, now_unix_ns: u64) -> &mut Sketch {
        let turn = now_unix_ns / self.half_ns;
        // A clock that was set back lasts until it has caught up.
        if self.turn < turn {
            if self.turn + 1 < turn {
                self.halves[Self::place(turn + 1)].clear();
            }
            self.halves[Self::place(turn)].clear();
            self.turn = turn;
        }
        &mut self.halves[Self::place(self.turn)]
    }

    fn place(turn: u64) -> usize {
        usize::from(!turn.is_multiple_of(2))
    }
}

impl Sketch {
    /// Two significant digits: every value is known to within 1 %.
    const DIGITS: u8 = 2;
    /// Below it, in ns, values are told apart less well.
    const LOW_NS: u64 = 64;

    fn record(&mut self, ns: u64) {
        let histogram = self.histogram.get_or_insert_with(Self::empty);
        // It grows as far as is needed; there is no latency beyond what it can grow to.
        if histogram.record(ns).is_err() {
            histogram.saturating_record(ns);
        }
        self.max_ns = self.max_ns.max(ns);
    }

    fn empty() -> Histogram<u32> {
        let made = Histogram::new_with_bounds(Self::LOW_NS, 4 * Self::LOW_NS, Self::DIGITS);
        let mut histogram = made.expect("the bounds are apart and the digits are few");
        histogram.auto(true);
        histogram
    }

    fn clear(&mut self) {
        if let Some(histogram) = &mut self.histogram {
            histogram.reset();
        }
        self.max_ns = 0;
    }

    /// Adds what another holds.
    pub(crate) fn merge(&mut self, other: &Self) {
        if let Some(theirs) = &other.histogram {
            let ours = self.histogram.get_or_insert_with(Self::empty);
            ours.add(theirs).expect("it grows as far as the other has");
        }
        self.max_ns = self.max_ns.max(other.max_ns);
    }

    /// Messages that were finished.
    pub(crate) fn count(&self) -> u64 {
        self.histogram.as_ref().map_or(0, Histogram::len)
    }

    /// The latency, in ns, that a part of `quantile` did not exceed; 0 without any message.
    pub(crate) fn value_ns(&self, quantile: f64) -> u64 {
        match &self.histogram {
            Some(histogram) if quantile < 1.0 => histogram.value_at_quantile(quantile).min(self.max_ns),
            _ => self.max_ns,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    /// As recorded of NSQ with a window of 6 s: what came at 0 s is gone from 6 s on, what came at 3.5 s stays.
    #[test]
    fn a_window_forgets_by_halves() {
        let mut latency = Latency::new(Some(6 * SECOND));
        latency.record(&[0; 10], SECOND / 10);
        latency.record(&[3 * SECOND], 3 * SECOND + SECOND / 2);
        let mut count = |at: u64| latency.sketch(at).unwrap().count();
        assert_eq!([4, 5, 6, 8, 9, 30].map(|second| count(second * SECOND)), [11, 11, 1, 1, 0, 0]);
        assert_eq!(latency.finished().count, 11);
        assert_eq!(latency.finished().sum_ns, u128::from(SECOND + SECOND / 2));
    }

    #[test]
    fn a_clock_that_is_set_back_harms_nothing() {
        let mut latency = Latency::new(Some(SECOND));
        latency.record(&[20 * SECOND], 12 * SECOND);
        latency.record(&[20 * SECOND], 5 * SECOND);
        let sketch = latency.sketch(5 * SECOND).unwrap();
        assert_eq!((sketch.count(), sketch.value_ns(1.0)), (2, 0));
        assert!(Latency::new(None).sketch(0).is_none());
    }

    proptest! {
        /// Protects dashboards: percentiles are those of the values to within 1 %, also merged, and the longest is exact.
        #[test]
        fn percentiles_are_near(mut values in prop::collection::vec(1_000..100_000_000_000_u64, 1..300), cut in any::<prop::sample::Index>()) {
            let (mut one, mut other) = (Sketch::default(), Sketch::default());
            let cut = cut.index(values.len());
            values[..cut].iter().for_each(|value| one.record(*value));
            values[cut..].iter().for_each(|value| other.record(*value));
            one.merge(&other);
            values.sort_unstable();
            prop_assert_eq!(one.count(), values.len() as u64);
            prop_assert_eq!(one.value_ns(1.0), *values.last().unwrap());
            for quantile in [0.1, 0.5, 0.95, 0.99] {
                #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small and positive")]
                let rank = (quantile * values.len() as f64).ceil() as usize;
                let exact = values[rank.max(1) - 1];
                let near = one.value_ns(quantile);
                prop_assert!(exact.abs_diff(near) <= exact / 100 + 64, "{} {} {}", quantile, exact, near);
            }
        }
    }
}
