//! Messages ahead of a channel's cursor that it never delivers: dropped by its bound, or by emptying its topic.

use std::collections::VecDeque;

/// Ranges of seqs to skip. An ephemeral channel has a bound: what arrives while it is full is dropped, the newest
/// first, as in NSQ. Arrivals are looked at before anything else happens to the channel, so that it does not matter
/// that the publisher did not look.
#[derive(Debug)]
pub(crate) struct Skips {
    bound: Option<u64>,
    /// Seq up to which arrivals were looked at.
    seen: u64,
    /// Rising, not touching, not empty. There may be as many as messages: an import makes one wherever a message is for
    /// other channels only.
    ranges: VecDeque<(u64, u64)>,
    /// Messages in the ranges.
    count: u64,
}

impl Skips {
    pub(crate) fn new(bound: Option<u64>, from: u64, ranges: impl IntoIterator<Item = (u64, u64)>) -> Self {
        let mut skips = Self { bound, seen: from, ranges: VecDeque::new(), count: 0 };
        ranges.into_iter().for_each(|(from, to)| skips.add_arrived(from, to));
        skips
    }

    pub(crate) fn ranges(&self) -> impl ExactSizeIterator<Item = (u64, u64)> {
        self.ranges.iter().copied()
    }

    /// The ranges that have a part in `from..to`.
    pub(crate) fn within(&self, from: u64, to: u64) -> impl Iterator<Item = (u64, u64)> {
        let first = self.ranges.partition_point(|range| range.1 <= from);
        self.ranges.range(first..).copied().take_while(move |range| range.0 < to)
    }

    /// Looks at what arrived. `waiting` messages are in the channel besides those ahead of the cursor.
    pub(crate) fn look(&mut self, cursor: u64, fan_out: u64, waiting: u64) {
        let Some(bound) = self.bound else { return };
        if fan_out <= self.seen {
            return;
        }
        let kept = self.seen.max(cursor) - cursor - self.count() + waiting;
        let from = self.seen.max(cursor) + bound.saturating_sub(kept);
        self.seen = fan_out;
        self.add(from, fan_out);
    }

    /// Adds a range that does not begin before the last one does.
    pub(crate) fn add(&mut self, from: u64, to: u64) {
        if to <= from {
            return;
        }
        match self.ranges.back_mut() {
            Some(last) if from <= last.1 => {
                let end = last.1.max(to);
                self.count += end - last.1;
                last.1 = end;
            }
            _ => {
                self.count += to - from;
                self.ranges.push_back((from, to));
            }
        }
    }

    /// Adds a range that [`Skips::look`] need not look at.
    pub(crate) fn add_arrived(&mut self, from: u64, to: u64) {
        self.seen = self.seen.max(to);
        self.add(from, to);
    }

    /// Messages in the ranges.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// If the cursor stands in a range: its end, and the range is forgotten.
    pub(crate) fn pass(&mut self, cursor: u64) -> Option<u64> {
        let (from, to) = *self.ranges.front().filter(|(from, _)| *from <= cursor)?;
        self.ranges.pop_front();
        self.count -= to - from;
        Some(to)
    }

    /// How far a run from the cursor may go.
    pub(crate) fn limit(&self, fan_out: u64) -> u64 {
        self.ranges.front().map_or(fan_out, |(from, _)| fan_out.min(*from))
    }

    /// Nothing is skipped, and what is behind `to` arrives now.
    pub(crate) fn clear(&mut self, to: u64) {
        self.ranges.clear();
        self.count = 0;
        self.seen = to;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Protects: what an ephemeral channel keeps is what a queue of that length would have kept.
    #[test]
    fn the_newest_are_dropped_and_room_is_used_again() {
        let mut skips = Skips::new(Some(4), 0, []);
        skips.look(0, 20, 0);
        assert_eq!((skips.limit(20), skips.count()), (4, 16));
        // Two are taken, three arrive: two of them fit.
        skips.look(2, 23, 0);
        assert_eq!(skips.count(), 17);
        assert_eq!(skips.pass(4), Some(20));
        assert_eq!(skips.limit(23), 22);
        assert_eq!(skips.pass(20), None);
        assert_eq!(skips.pass(22), Some(23));
        assert_eq!(skips.count(), 0);
    }

    /// Protects: what a segment holds for a channel is found among millions of ranges, and none is counted twice.
    #[test]
    fn ranges_are_found_by_what_they_touch() {
        let mut skips = Skips::new(None, 0, [(1, 2), (4, 6), (6, 7), (9, 12)]);
        assert_eq!(skips.count(), 7);
        let check = |skips: &Skips, from, to| skips.within(from, to).collect::<Vec<_>>();
        assert_eq!(check(&skips, 0, 20), [(1, 2), (4, 7), (9, 12)]);
        assert_eq!(check(&skips, 2, 9), [(4, 7)]);
        assert_eq!(check(&skips, 6, 10), [(4, 7), (9, 12)]);
        assert_eq!(check(&skips, 12, 20), []);
        skips.clear(20);
        assert_eq!((skips.count(), skips.ranges().len()), (0, 0));
    }
}
