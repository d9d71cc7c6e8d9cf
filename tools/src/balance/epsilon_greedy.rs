//! The addresses that answer fastest, most of the time.

use std::time::{Duration, Instant};

use super::HostPool;

/// The time that response times count, and the parts it is cut into.
const WINDOW: Duration = Duration::from_mins(5);
const BUCKETS: usize = 120;
const BUCKET: Duration = Duration::from_millis(2500);
const _: () = assert!(BUCKET.as_millis() * BUCKETS as u128 == WINDOW.as_millis());

/// How often round robin explores: first, at the end, and what it shrinks by each time.
const EPSILON_FIRST: f64 = 0.3;
const EPSILON_MIN: f64 = 0.01;
const EPSILON_DECAY: f64 = 0.9;

/// A [`HostPool`] that learns: mostly it picks at random among those that may be tried, each with a weight of 1 / (recent
/// response time), and with the probability ε, which shrinks, it explores by round robin.
///
/// Source: epsilon-greedy strategies for multi-armed bandits; the constants are those of NSQ's utilities.
#[derive(Debug, Clone)]
pub struct EpsilonGreedy {
    pool: HostPool,
    times: Vec<ResponseTimes>,
    epsilon: f64,
    /// The end of the current bucket.
    bucket_ends_at: Instant,
    current: usize,
}

#[derive(Debug, Clone)]
struct ResponseTimes {
    buckets: [Bucket; BUCKETS],
}

#[derive(Debug, Clone, Copy, Default)]
struct Bucket {
    count: u32,
    micros: u64,
}

impl ResponseTimes {
    /// The sum of the buckets' averages, weighted by their age; 0 without any. One without times of its own counts as the
    /// one before.
    fn weighted(&self, current: usize) -> f64 {
        let mut sum = 0.0;
        let mut last = 0.0;
        for age in 1..=BUCKETS {
            let bucket = &self.buckets[(current + age) % BUCKETS];
            if bucket.count != 0 {
                last = to_f64(bucket.micros) / f64::from(bucket.count);
            }
            sum += last * to_f64(age as u64) / to_f64(BUCKETS as u64);
        }
        sum
    }
}

#[expect(clippy::cast_precision_loss, reason = "weights need no 53 bits")]
fn to_f64(number: u64) -> f64 {
    number as f64
}

impl EpsilonGreedy {
    /// Over `count` addresses.
    ///
    /// # Panics
    /// If there are none.
    pub fn new(count: usize, now: Instant) -> Self {
        let times = vec![ResponseTimes { buckets: [Bucket::default(); BUCKETS] }; count];
        Self {
            pool: HostPool::new(count),
            times,
            epsilon: EPSILON_FIRST,
            bucket_ends_at: now + BUCKET,
            current: 0,
        }
    }

    /// The next address. `random` gives numbers from 0 to 1, 1 excluded.
    pub fn pick(&mut self, now: Instant, mut random: impl FnMut() -> f64) -> usize {
        self.turn(now);
        if random() < self.epsilon {
            self.epsilon = (self.epsilon * EPSILON_DECAY).max(EPSILON_MIN);
            return self.pool.pick(now);
        }
        let speeds: Vec<f64> = (0..self.pool.count()).map(|index| self.speed(index, now)).collect();
        let mut rest = random() * speeds.iter().sum::<f64>();
        let known = speeds.iter().enumerate().filter(|(_, speed)| 0.0 < **speed);
        let mut picked = None;
        for (index, speed) in known {
            picked = Some(index);
            rest -= speed;
            if rest < 0.0 {
                break;
            }
        }
        match picked {
            Some(index) => {
                self.pool.pick_this(index, now);
                index
            }
            // None has answered lately.
            None => self.pool.pick(now),
        }
    }

    /// What became of a message at an address, and how long it took.
    pub fn mark(&mut self, index: usize, succeeded: bool, took: Duration, now: Instant) {
        self.turn(now);
        self.pool.mark(index, succeeded, now);
        if succeeded {
            let bucket = &mut self.times[index].buckets[self.current];
            bucket.count = bucket.count.saturating_add(1);
            // An answer within a microsecond has a speed, too.
            let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).max(1);
            bucket.micros = bucket.micros.saturating_add(micros);
        }
    }

    /// 0 if it must not be tried, or nothing is known.
    fn speed(&self, index: usize, now: Instant) -> f64 {
        if !self.pool.may_be_tried(index, now) {
            return 0.0;
        }
        let time = self.times[index].weighted(self.current);
        if time == 0.0 { 0.0 } else { 1.0 / time }
    }

    /// Begins the buckets whose time has come.
    fn turn(&mut self, now: Instant) {
        let mut cleared = 0;
        while self.bucket_ends_at <= now {
            if cleared == BUCKETS {
                // All are empty: nothing came for longer than the window.
                self.bucket_ends_at = now + BUCKET;
                return;
            }
            self.current = (self.current + 1) % BUCKETS;
            for times in &mut self.times {
                times.buckets[self.current] = Bucket::default();
            }
            self.bucket_ends_at += BUCKET;
            cleared += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shares of 10,000 picks over 100 s, by response times in milliseconds; 0 is one that fails.
    fn shares(millis: &[u64]) -> Vec<f64> {
        let mut random = fastrand::Rng::with_seed(7);
        let start = Instant::now();
        let mut greedy = EpsilonGreedy::new(millis.len(), start);
        let mut counts = vec![0_u32; millis.len()];
        for message in 0..10_000_u32 {
            let now = start + Duration::from_millis(10) * message;
            let index = greedy.pick(now, || random.f64());
            counts[index] += 1;
            greedy.mark(index, millis[index] != 0, Duration::from_millis(millis[index]), now);
        }
        counts.iter().map(|count| f64::from(*count) / 10_000.0).collect()
    }

    #[test]
    fn the_faster_gets_more() {
        let shares = shares(&[1, 9]);
        assert!(0.85 < shares[0] && shares[0] < 0.95, "{shares:?}");
    }

    #[test]
    fn equal_ones_share_equally() {
        let shares = shares(&[5, 5, 5]);
        assert!(shares.iter().all(|share| (share - 1.0 / 3.0).abs() < 0.05), "{shares:?}");
    }

    #[test]
    fn one_that_fails_gets_next_to_nothing() {
        let shares = shares(&[0, 5]);
        assert!(shares[0] < 0.001, "{shares:?}");
    }

    #[test]
    fn what_was_learnt_is_forgotten_after_the_window() {
        let start = Instant::now();
        let mut greedy = EpsilonGreedy::new(2, start);
        greedy.mark(0, true, Duration::from_millis(1), start);
        greedy.mark(1, true, Duration::from_secs(1), start);
        // Of 1.0 nothing explores; of 0.5 the weights decide: 1000 to 1.
        let exploits = |greedy: &mut EpsilonGreedy, now| {
            let mut numbers = [0.9, 0.5].into_iter().cycle();
            greedy.pick(now, || numbers.next().unwrap())
        };
        assert_eq!([(); 3].map(|()| exploits(&mut greedy, start)), [0, 0, 0]);
        let later = start + WINDOW.checked_sub(BUCKET).unwrap();
        assert_eq!([(); 3].map(|()| exploits(&mut greedy, later)), [0, 0, 0]);
        let much_later = start + WINDOW * 100;
        assert_eq!([(); 3].map(|()| exploits(&mut greedy, much_later)), [0, 1, 0]);
    }
}
