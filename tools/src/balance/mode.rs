//! The modes, and one picker for all of them.

use std::time::{Duration, Instant};

use daemon::options::Choice;

use super::{EpsilonGreedy, HostPool};

/// A word of `--mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The next address each time, whether it works or not.
    RoundRobin,
    /// The next that works.
    HostPool,
    /// Those that answer fastest, most of the time.
    EpsilonGreedy,
    /// Every message to all.
    All,
}

const WORDS: [(&str, Mode); 4] = [
    ("round-robin", Mode::RoundRobin),
    ("hostpool", Mode::HostPool),
    ("epsilon-greedy", Mode::EpsilonGreedy),
    ("all", Mode::All),
];

/// The modes that send each message to one address.
pub static ONE: Choice = Choice { is_boolean: false, parse: |word| parse(word, &WORDS[..3]) };

/// All modes.
pub static ONE_OR_ALL: Choice = Choice { is_boolean: false, parse: |word| parse(word, &WORDS) };

fn parse(word: &str, words: &[(&str, Mode)]) -> Result<i64, String> {
    let index = words.iter().position(|(name, _)| *name == word);
    index.and_then(|index| i64::try_from(index).ok()).ok_or_else(|| {
        let names: Vec<&str> = words.iter().map(|(name, _)| *name).collect();
        format!("must be one of {}", names.join(", "))
    })
}

impl Mode {
    /// The mode with the number that its [`Choice`] gave.
    pub fn from_number(number: i64) -> Option<Self> {
        usize::try_from(number).ok().and_then(|index| WORDS.get(index)).map(|(_, mode)| *mode)
    }
}

/// Picks addresses by a mode.
#[derive(Debug, Clone)]
pub enum Balance {
    /// The index that was picked last, of how many.
    RoundRobin {
        /// Begins at 0, so that the second address comes first, as in NSQ.
        last: usize,
        /// Addresses.
        count: usize,
    },
    /// See there.
    HostPool(HostPool),
    /// See there.
    EpsilonGreedy(Box<EpsilonGreedy>),
}

impl Balance {
    /// For `count` addresses. With [`Mode::All`] nothing is to be picked, and what is picked is round robin.
    ///
    /// # Panics
    /// If there are none.
    pub fn new(mode: Mode, count: usize, now: Instant) -> Self {
        assert!(count != 0, "there is an address");
        match mode {
            Mode::RoundRobin | Mode::All => Self::RoundRobin { last: 0, count },
            Mode::HostPool => Self::HostPool(HostPool::new(count)),
            Mode::EpsilonGreedy => Self::EpsilonGreedy(Box::new(EpsilonGreedy::new(count, now))),
        }
    }

    /// The index of the address for the next message.
    pub fn pick(&mut self, now: Instant, random: impl FnMut() -> f64) -> usize {
        match self {
            Self::RoundRobin { last, count } => {
                *last = (*last + 1) % *count;
                *last
            }
            Self::HostPool(pool) => pool.pick(now),
            Self::EpsilonGreedy(greedy) => greedy.pick(now, random),
        }
    }

    /// What became of it.
    pub fn mark(&mut self, index: usize, succeeded: bool, took: Duration, now: Instant) {
        match self {
            Self::RoundRobin { .. } => {}
            Self::HostPool(pool) => pool.mark(index, succeeded, now),
            Self::EpsilonGreedy(greedy) => greedy.mark(index, succeeded, took, now),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_robin_begins_with_the_second_and_ignores_failures() {
        let now = Instant::now();
        let mut balance = Balance::new(Mode::RoundRobin, 3, now);
        balance.mark(1, false, Duration::ZERO, now);
        let picked: Vec<usize> = (0..5).map(|_| balance.pick(now, || 0.0)).collect();
        assert_eq!(picked, [1, 2, 0, 1, 2]);
    }

    /// An unknown word meant "all" in one utility and round robin in another.
    #[test]
    fn unknown_modes_are_refused() {
        let mode = |choice: &Choice, word| (choice.parse)(word).map(Mode::from_number);
        assert_eq!(mode(&ONE_OR_ALL, "all"), Ok(Some(Mode::All)));
        assert_eq!(mode(&ONE, "epsilon-greedy"), Ok(Some(Mode::EpsilonGreedy)));
        let words = "must be one of round-robin, hostpool, epsilon-greedy";
        assert_eq!(mode(&ONE, "all"), Err(words.to_owned()));
        assert_eq!(mode(&ONE_OR_ALL, "multicast"), Err(format!("{words}, all")));
    }
}
