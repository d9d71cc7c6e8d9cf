//! Pauses after failures.

use std::time::{Duration, Instant};

use crate::{BackoffStrategy, Config};

/// How a message ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Finished.
    Success,
    /// Requeued.
    Failure,
    /// Requeued, and not by a failure.
    Neutral,
}

/// What an outcome changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Nothing,
    /// A pause begins.
    Pause {
        length: Duration,
        level: u32,
    },
    /// All is as if nothing had failed.
    Exit,
}

/// The level of failures, and whether a pause is on.
///
/// A failure raises the level as long as the pause that follows is within the limit, a success lowers it; while it is above 0,
/// either begins a pause. What comes during a pause does not count, so that the many messages in flight when
/// something breaks count as one failure.
#[derive(Debug)]
pub(super) struct Backoff {
    strategy: BackoffStrategy,
    unit: Duration,
    length_max: Duration,
    level: u32,
    paused_until: Option<Instant>,
    random: fastrand::Rng,
}

impl Backoff {
    pub(super) fn new(config: &Config, seed: u64) -> Self {
        Self {
            strategy: config.backoff_strategy,
            unit: config.backoff_multiplier,
            length_max: config.max_backoff_duration,
            level: 0,
            paused_until: None,
            random: fastrand::Rng::with_seed(seed),
        }
    }

    /// Takes an outcome.
    pub(super) fn take(&mut self, outcome: Outcome, now: Instant) -> Change {
        if self.paused_until.is_some() || self.length_max.is_zero() {
            return Change::Nothing;
        }
        match outcome {
            Outcome::Success if self.level == 0 => return Change::Nothing,
            Outcome::Success => self.level -= 1,
            Outcome::Failure if self.length(self.level + 1) <= self.length_max => self.level += 1,
            Outcome::Failure | Outcome::Neutral => {}
        }
        if self.level == 0 {
            return if outcome == Outcome::Success { Change::Exit } else { Change::Nothing };
        }
        let length = self.length(self.level).min(self.length_max);
        self.pause(length, now);
        Change::Pause { length, level: self.level }
    }

    /// Pauses until `length` from now.
    pub(super) fn pause(&mut self, length: Duration, now: Instant) {
        self.paused_until = Some(now + length);
    }

    /// Ends the pause if its time is over; whether it did.
    pub(super) fn expire(&mut self, now: Instant) -> bool {
        let is_over = self.paused_until.is_some_and(|until| until <= now);
        if is_over {
            self.paused_until = None;
        }
        is_over
    }

    /// When the pause ends.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.paused_until
    }

    /// Whether there is no failure that is not yet made good.
    pub(super) fn is_calm(&self) -> bool {
        self.level == 0
    }

    /// The pause of a level: `unit × 2^level`, or a random time below.
    fn length(&mut self, level: u32) -> Duration {
        let whole = 2_u32.checked_pow(level).map_or(Duration::MAX, |factor| self.unit.saturating_mul(factor));
        match self.strategy {
            BackoffStrategy::Exponential => whole,
            BackoffStrategy::FullJitter => whole.mul_f64(self.random.f64()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn backoff(config: &Config) -> (Backoff, Instant) {
        (Backoff::new(config, 7), Instant::now())
    }

    fn pause(seconds: u32, level: u32) -> Change {
        Change::Pause { length: S * seconds, level }
    }

    #[test]
    fn failures_double_the_pause_and_successes_halve_it() {
        let (mut backoff, mut now) = backoff(&Config::default());
        assert_eq!(backoff.take(Outcome::Success, now), Change::Nothing);
        for (level, seconds) in [(1, 2), (2, 4), (3, 8)] {
            assert_eq!(backoff.take(Outcome::Failure, now), pause(seconds, level));
            now = backoff.deadline().unwrap();
            assert!(backoff.expire(now));
        }
        assert_eq!(backoff.take(Outcome::Neutral, now), pause(8, 3));
        now += S * 8;
        assert!(backoff.expire(now));
        for (level, seconds) in [(2, 4), (1, 2)] {
            assert_eq!(backoff.take(Outcome::Success, now), pause(seconds, level));
            now = backoff.deadline().unwrap();
            assert!(backoff.expire(now));
        }
        assert_eq!(backoff.take(Outcome::Success, now), Change::Exit);
        assert!(backoff.is_calm());
    }

    #[test]
    fn what_comes_during_a_pause_does_not_count() {
        let (mut backoff, now) = backoff(&Config::default());
        assert_eq!(backoff.take(Outcome::Failure, now), pause(2, 1));
        for outcome in [Outcome::Failure, Outcome::Success, Outcome::Neutral] {
            assert_eq!(backoff.take(outcome, now), Change::Nothing);
        }
        assert!(!backoff.expire(now + S) && backoff.expire(now + S * 2) && !backoff.expire(now + S * 3));
        assert_eq!(backoff.take(Outcome::Failure, now), pause(4, 2));
    }

    #[test]
    fn the_level_stops_where_the_pause_reaches_its_limit() {
        let config = Config { max_backoff_duration: S * 5, ..Config::default() };
        let (mut backoff, mut now) = backoff(&config);
        for expected in [pause(2, 1), pause(4, 2), pause(4, 2)] {
            assert_eq!(backoff.take(Outcome::Failure, now), expected);
            now += S * 4;
            assert!(backoff.expire(now));
        }
    }

    #[test]
    fn without_a_limit_there_is_no_backoff() {
        let config = Config {
            max_backoff_duration: Duration::ZERO,
            backoff_multiplier: Duration::ZERO,
            ..Config::default()
        };
        let (mut backoff, now) = backoff(&config);
        assert_eq!(backoff.take(Outcome::Failure, now), Change::Nothing);
        assert!(backoff.is_calm());
    }

    proptest! {
        /// Protects: no pause is over the limit, and as many successes as there were levels end the backoff.
        #[test]
        fn pauses_are_bounded_and_end(
            outcomes in prop::collection::vec(0..3_u8, 0..200), seed: u64, has_jitter: bool,
            unit_ms in 0..100_000_u64, max_ms in 0..3_600_000_u64,
        ) {
            let backoff_strategy =
                if has_jitter { BackoffStrategy::FullJitter } else { BackoffStrategy::Exponential };
            let config = Config {
                backoff_strategy, backoff_multiplier: Duration::from_millis(unit_ms),
                max_backoff_duration: Duration::from_millis(max_ms), ..Config::default()
            };
            let mut backoff = Backoff::new(&config, seed);
            let mut now = Instant::now();
            let successes = std::iter::repeat_n(0, outcomes.len() + 1);
            for outcome in outcomes.iter().copied().chain(successes) {
                let outcome = [Outcome::Success, Outcome::Failure, Outcome::Neutral][usize::from(outcome)];
                if let Change::Pause { length, level } = backoff.take(outcome, now) {
                    prop_assert!(length <= config.max_backoff_duration && 0 < level);
                    now += length;
                    prop_assert!(backoff.expire(now));
                }
            }
            prop_assert!(backoff.is_calm() && backoff.deadline().is_none());
        }
    }
}
