//! Which messages a channel has acknowledged: everything below a low-water mark, and a bit each from there on.

use std::collections::VecDeque;

const WORD_BITS: u64 = 64;

/// One bit a message from the low-water mark to the last acknowledged one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Window {
    /// First seq that is not acknowledged.
    low_water: u64,
    /// Bits from `low_water` rounded down to a multiple of 64 on.
    words: VecDeque<u64>,
}

impl Window {
    /// All below `low_water` is acknowledged, nothing else.
    pub(crate) fn new(low_water: u64) -> Self {
        Self { low_water, words: VecDeque::new() }
    }

    /// First seq that is not acknowledged.
    pub(crate) fn low_water(&self) -> u64 {
        self.low_water
    }

    fn first_word(&self) -> u64 {
        self.low_water / WORD_BITS
    }

    pub(crate) fn is_acknowledged(&self, seq: u64) -> bool {
        if seq < self.low_water {
            return true;
        }
        let word = usize::try_from(seq / WORD_BITS - self.first_word()).unwrap_or(usize::MAX);
        self.words.get(word).is_some_and(|word| word >> (seq % WORD_BITS) & 1 == 1)
    }

    /// Acknowledges one message. `false` if it already was.
    #[inline]
    pub(crate) fn acknowledge(&mut self, seq: u64) -> bool {
        if self.is_acknowledged(seq) {
            return false;
        }
        let at = self.word_for(seq);
        self.words[at] |= 1 << (seq % WORD_BITS);
        if seq == self.low_water {
            self.advance();
        }
        true
    }

    /// Acknowledges `from..to`.
    pub(crate) fn acknowledge_range(&mut self, from: u64, to: u64) {
        let from = from.max(self.low_water);
        if from == self.low_water && self.words.iter().all(|word| *word == 0) {
            // The usual case, and the only one in which a range may be long.
            self.low_water = self.low_water.max(to);
            self.words.clear();
            return;
        }
        for seq in from..to {
            self.acknowledge(seq);
        }
    }

    /// Position of the word of `seq`, which is made if it is not there.
    fn word_for(&mut self, seq: u64) -> usize {
        let at = usize::try_from(seq / WORD_BITS - self.first_word()).expect("fits the address space");
        if self.words.len() <= at {
            self.words.resize(at + 1, 0);
        }
        at
    }

    fn advance(&mut self) {
        while let Some(word) = self.words.front() {
            let bit = self.low_water % WORD_BITS;
            let ones = u64::from((word >> bit).trailing_ones());
            self.low_water += ones;
            if bit + ones < WORD_BITS {
                return;
            }
            self.words.pop_front();
        }
    }

    /// Whether every message of `from..to` is acknowledged.
    pub(crate) fn covers(&self, from: u64, to: u64) -> bool {
        let mut seq = from.max(self.low_water);
        while seq < to {
            let word = usize::try_from(seq / WORD_BITS - self.first_word()).unwrap_or(usize::MAX);
            let Some(word) = self.words.get(word) else { return false };
            let ones = u64::from((word >> (seq % WORD_BITS)).trailing_ones());
            seq += ones;
            if ones == 0 || (!seq.is_multiple_of(WORD_BITS) && seq < to) {
                return false;
            }
        }
        true
    }

    /// The seqs in `low_water..to` that are not acknowledged.
    pub(crate) fn outstanding(&self, to: u64) -> impl Iterator<Item = u64> {
        (self.low_water..to).filter(|seq| !self.is_acknowledged(*seq))
    }

    /// The bits from the low-water mark, rounded down to a multiple of 64, on.
    pub(crate) fn words(&self) -> impl ExactSizeIterator<Item = u64> {
        self.words.iter().copied()
    }

    /// The window with these parts, as [`Window::low_water`] and [`Window::words`] give them.
    pub(crate) fn from_parts(low_water: u64, words: impl IntoIterator<Item = u64>) -> Self {
        let mut window = Self { low_water, words: words.into_iter().collect() };
        if let Some(first) = window.words.front_mut() {
            // Below the mark all is acknowledged, whatever the bits say.
            *first |= (1 << (low_water % WORD_BITS)) - 1;
        }
        window.advance();
        window
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Protects: a window answers as a plain set of seqs would, in whatever order they are acknowledged.
        #[test]
        fn a_window_is_a_set(start in 0_u64..200, seqs in prop::collection::vec(0_u64..400, 0..500)) {
            let mut window = Window::new(start);
            let mut model: BTreeSet<u64> = (0..start).collect();
            for seq in seqs {
                prop_assert_eq!(window.acknowledge(seq), model.insert(seq));
                let low = (0..1000).find(|seq| !model.contains(seq)).unwrap();
                prop_assert_eq!(window.low_water(), low);
            }
            for seq in 0..500 {
                prop_assert_eq!(window.is_acknowledged(seq), model.contains(&seq), "seq {}", seq);
            }
            for (from, to) in [(0, 10), (start, start + 64), (60, 130), (128, 129), (300, 400), (390, 450)] {
                prop_assert_eq!(window.covers(from, to), (from..to).all(|seq| model.contains(&seq)));
            }
            let copy = Window::from_parts(window.low_water(), window.words());
            prop_assert_eq!(copy.low_water(), window.low_water());
            prop_assert!(copy.outstanding(450).eq((0..450).filter(|seq| !model.contains(seq))));
        }

        /// Protects: acknowledging a range is acknowledging each of its messages.
        #[test]
        fn a_range_is_its_messages(
            start in 0_u64..100, single in 0_u64..300, from in 0_u64..300, length in 0_u64..200,
        ) {
            let mut by_range = Window::new(start);
            let mut one_by_one = Window::new(start);
            by_range.acknowledge(single);
            one_by_one.acknowledge(single);
            by_range.acknowledge_range(from, from + length);
            for seq in from..from + length {
                one_by_one.acknowledge(seq);
            }
            prop_assert_eq!(by_range.low_water(), one_by_one.low_water());
            prop_assert!(by_range.outstanding(600).eq(one_by_one.outstanding(600)));
        }
    }
}
