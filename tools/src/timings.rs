//! How long the last requests took, as a line every so many of them.

use std::time::Duration;

/// Below this many, percentiles say little.
const ACCURATE_FROM: usize = 100;

/// The most that are kept.
const KEPT_MAX: usize = 1 << 20;

/// The durations of the last N requests; from request N + 1 on, every N-th gives a line.
#[derive(Debug)]
pub struct Timings {
    name: String,
    every: usize,
    kept: Vec<Duration>,
    next: usize,
}

impl Timings {
    /// Of `name` (`aggregate`, an address), every `every` requests; 0 for never.
    pub fn new(name: impl Into<String>, every: usize) -> Self {
        Self { name: name.into(), every: every.min(KEPT_MAX), kept: Vec::new(), next: 0 }
    }

    /// What is to be said at the start, if anything is.
    pub fn warning(&self) -> Option<String> {
        let every = self.every;
        let is_few = (1..ACCURATE_FROM).contains(&every);
        is_few.then(|| {
            format!(
                "Warning: use more than 100 status values for accurate percentiles (configured with {every})"
            )
        })
    }

    /// Takes a duration; the line, if it is time for one.
    pub fn record(&mut self, duration: Duration) -> Option<String> {
        if self.every == 0 {
            return None;
        }
        if self.kept.len() < self.every {
            self.kept.push(duration);
            return None;
        }
        let is_due = self.next == 0;
        self.kept[self.next] = duration;
        self.next = (self.next + 1) % self.every;
        is_due.then(|| self.line())
    }

    fn line(&self) -> String {
        let mut sorted = self.kept.clone();
        sorted.sort_unstable();
        let count = sorted.len();
        let average = sorted.iter().sum::<Duration>() / u32::try_from(count).unwrap_or(u32::MAX).max(1);
        let percentile = |percent: usize| {
            // As in NSQ: the share of the count, and a half, rounded up.
            let index = (percent * count * 2 + 100).div_ceil(200);
            sorted[index.min(count - 1)]
        };
        let [p99, p95, average] =
            [percentile(99), percentile(95), average].map(|duration| duration.as_secs_f64() * 1000.0);
        let name = &self.name;
        format!("[{name}]: finished {count} - 99th: {p99:.2}ms - 95th: {p95:.2}ms - avg: {average:.2}ms")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As recorded of NSQ 1.3, which says it at request N + 1, 2N + 1 and so on.
    #[test]
    fn a_line_comes_after_the_last_n() {
        let mut timings = Timings::new("aggregate", 5);
        let lines: Vec<(u64, String)> = (1..=16)
            .filter_map(|request| {
                timings.record(Duration::from_micros(request * 1000 + 7)).map(|line| (request, line))
            })
            .collect();
        let expected = "[aggregate]: finished 5 - 99th: 6.01ms - 95th: 6.01ms - avg: 4.01ms";
        assert_eq!(lines[0], (6, expected.to_owned()));
        assert_eq!(lines.iter().map(|(request, _)| *request).collect::<Vec<_>>(), [6, 11, 16]);
    }

    #[test]
    fn percentiles_of_many() {
        let mut timings = Timings::new("a", 200);
        let line = (1..=201).find_map(|request| timings.record(Duration::from_millis(request)));
        // 2 to 201, of which the reference takes those with the indexes 199 and 191.
        let expected = "[a]: finished 200 - 99th: 201.00ms - 95th: 193.00ms - avg: 101.50ms";
        assert_eq!(line.as_deref(), Some(expected));
    }

    #[test]
    fn nothing_is_said_without_need() {
        assert_eq!(Timings::new("a", 0).warning(), None);
        assert_eq!(Timings::new("a", 0).record(Duration::ZERO), None);
        assert_eq!(Timings::new("a", 100).warning(), None);
        let warning = "Warning: use more than 100 status values for accurate percentiles (configured with 5)";
        assert_eq!(Timings::new("a", 5).warning().as_deref(), Some(warning));
    }
}
