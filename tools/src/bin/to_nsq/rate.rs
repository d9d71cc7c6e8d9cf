//! How many messages may go out now.

use std::time::{Duration, Instant};

/// A bucket of tokens, one for each message: one more every 1/rate s, at most one second's worth. It begins with one.
#[derive(Debug)]
pub(crate) struct RateBucket {
    rate: u32,
    /// The time at which the bucket was, or will be, empty: each token is worth 1/rate s of the time that has passed since.
    empty_at: Instant,
}

impl RateBucket {
    /// `rate` messages a second, which is at least one.
    pub(crate) fn new(rate: u32, now: Instant) -> Self {
        let rate = rate.max(1);
        let token = Duration::from_secs(1) / rate;
        Self { rate, empty_at: now.checked_sub(token).unwrap_or(now) }
    }

    /// Takes up to `wanted` tokens; 0 if there are none, until [`RateBucket::wait`] has passed.
    pub(crate) fn take(&mut self, wanted: usize, now: Instant) -> usize {
        let second = Duration::from_secs(1);
        if second < now.saturating_duration_since(self.empty_at) {
            self.empty_at = now.checked_sub(second).unwrap_or(now);
        }
        let saved = now.saturating_duration_since(self.empty_at).as_nanos();
        // At most one second, and a rate of 32 bits: the product is far below 2^128, the quotient at most the rate.
        let tokens = usize::try_from(saved * u128::from(self.rate) / second.as_nanos()).unwrap_or(usize::MAX);
        let taken = tokens.min(wanted);
        self.empty_at += self.worth(taken);
        taken
    }

    /// How long it takes until there is a token.
    pub(crate) fn wait(&self, now: Instant) -> Duration {
        (self.empty_at + self.worth(1)).saturating_duration_since(now)
    }

    /// The time that tokens take to come, rounded up, so that the rate is never exceeded.
    fn worth(&self, tokens: usize) -> Duration {
        let tokens = u32::try_from(tokens).unwrap_or(u32::MAX).min(self.rate);
        let ns = (u64::from(tokens) * 1_000_000_000).div_ceil(u64::from(self.rate));
        Duration::from_nanos(ns)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As recorded of the reference: 30 messages at a rate of 10 take 3 seconds.
    #[test]
    fn messages_come_at_the_rate_and_the_first_at_once() {
        let start = Instant::now();
        let mut now = start;
        let mut bucket = RateBucket::new(10, start);
        for _ in 0..30 {
            now += bucket.wait(now);
            assert_eq!(bucket.take(1, now), 1);
            assert_eq!(bucket.take(1, now), 0);
        }
        assert_eq!(now - start, Duration::from_millis(2900));
    }

    #[test]
    fn at_most_a_second_is_saved_up() {
        let start = Instant::now();
        let mut bucket = RateBucket::new(10, start);
        assert_eq!(bucket.take(100, start + Duration::from_hours(1)), 10);
        assert_eq!(bucket.take(100, start + Duration::from_hours(1)), 0);
    }

    proptest! {
        /// Whoever takes whatever is there, at whatever times: never more than the rate and one saved second.
        #[test]
        fn the_rate_is_never_exceeded(
            rate in 1_u32..2_000_000,
            steps in proptest::collection::vec((0_u64..300_000_000, 1_usize..1_000_000), 1..50),
        ) {
            let start = Instant::now();
            let mut now = start;
            let mut bucket = RateBucket::new(rate, start);
            let mut taken = 0_u64;
            for (ns, wanted) in steps {
                now += Duration::from_nanos(ns);
                taken += u64::try_from(bucket.take(wanted, now)).unwrap();
                // The first token is there at the start.
                let most = (now - start).as_nanos() * u128::from(rate) / 1_000_000_000 + 1;
                prop_assert!(u128::from(taken) <= most, "{} of {}", taken, most);
            }
            now += bucket.wait(now);
            prop_assert!(bucket.take(1, now) == 1);
        }
    }
}
