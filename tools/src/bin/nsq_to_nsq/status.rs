//! What is told of publishes: timings, and how many messages were no JSON.

use std::time::Duration;

use tools::timings::Timings;
use tracing::{info, warn};

/// Timings of all destinations, and of each.
#[derive(Debug)]
pub(crate) struct Status {
    all: Timings,
    each: Vec<Timings>,
    not_json: u64,
}

impl Status {
    /// With one destination, those of all are its own.
    pub(crate) fn new(destinations: &[String], every: usize) -> Self {
        let of_each = if destinations.len() == 1 { 0 } else { every };
        let each: Vec<_> = destinations.iter().map(|address| Timings::new(address, of_each)).collect();
        let all = Timings::new("aggregate", every);
        for warning in each.iter().chain([&all]).filter_map(Timings::warning) {
            warn!("{warning}");
        }
        Self { all, each, not_json: 0 }
    }

    /// Messages have got their answer.
    pub(crate) fn answered(&mut self, destination: usize, took: Duration, messages: usize) {
        for _ in 0..messages {
            for line in [self.each[destination].record(took), self.all.record(took)].into_iter().flatten() {
                info!("{line}");
            }
        }
    }

    /// A message was no JSON object, and was dropped.
    pub(crate) fn not_json(&mut self, body: &[u8]) {
        self.not_json += 1;
        warn!("ERROR: Unable to decode json: {}", String::from_utf8_lossy(body));
    }

    /// What is said at the end.
    pub(crate) fn report(&self) {
        if self.not_json != 0 {
            warn!("{} messages were no JSON objects and were dropped", self.not_json);
        }
    }
}
