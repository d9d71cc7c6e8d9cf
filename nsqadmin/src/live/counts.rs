//! What is counted of a topic, a channel, a node: how much there is, and how fast it changes.

use serde::Serialize;

use crate::cluster::documents::{ChannelStats, LatencyStats, TopicStats};

/// What is there at one time.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Counts {
    pub(crate) depth: i64,
    pub(crate) memory_depth: i64,
    pub(crate) backend_depth: i64,
    pub(crate) in_flight: i64,
    pub(crate) deferred: i64,
    pub(crate) messages: i64,
    pub(crate) requeued: i64,
    pub(crate) timed_out: i64,
    #[serde(flatten)]
    pub(crate) rates: Rates,
    pub(crate) consumers: i64,
    pub(crate) paused: bool,
    pub(crate) latency: Vec<Quantile>,
}

/// Per second. `None` where nothing is known: seen for the first time, or the counters began anew.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
#[expect(clippy::struct_field_names, reason = "the keys of the document")]
pub(crate) struct Rates {
    pub(crate) in_rate: Option<f64>,
    pub(crate) out_rate: Option<f64>,
    pub(crate) requeue_rate: Option<f64>,
    pub(crate) timeout_rate: Option<f64>,
    /// The only one that may be negative.
    pub(crate) depth_rate: Option<f64>,
}

/// A percentile of the time from publishing to FIN; of several nsqds, their largest and their mean.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[expect(clippy::struct_field_names, reason = "the keys of the document")]
pub(crate) struct Quantile {
    pub(crate) quantile: f64,
    pub(crate) value_ns: i64,
    pub(crate) average_ns: i64,
    pub(crate) max_ns: i64,
    /// Messages behind the mean.
    #[serde(skip)]
    count: i64,
}

impl Counts {
    /// Of a channel of one nsqd.
    pub(crate) fn of_channel(stats: &ChannelStats) -> Self {
        Self {
            depth: stats.depth,
            memory_depth: stats.depth.saturating_sub(stats.backend_depth),
            backend_depth: stats.backend_depth,
            in_flight: stats.in_flight_count,
            deferred: stats.deferred_count,
            messages: stats.message_count,
            requeued: stats.requeue_count,
            timed_out: stats.timeout_count,
            rates: Rates::default(),
            consumers: stats.client_count,
            paused: stats.paused,
            latency: Quantile::list(&stats.e2e_processing_latency),
        }
    }

    /// Of a topic of one nsqd, without its channels.
    pub(crate) fn of_topic(stats: &TopicStats) -> Self {
        Self {
            depth: stats.depth,
            memory_depth: stats.depth.saturating_sub(stats.backend_depth),
            backend_depth: stats.backend_depth,
            messages: stats.message_count,
            paused: stats.paused,
            latency: Quantile::list(&stats.e2e_processing_latency),
            ..Self::default()
        }
    }

    /// Adds what another nsqd has of the same.
    pub(crate) fn add(&mut self, other: &Self) {
        let sums = [
            (&mut self.depth, other.depth),
            (&mut self.memory_depth, other.memory_depth),
            (&mut self.backend_depth, other.backend_depth),
            (&mut self.messages, other.messages),
        ];
        for (sum, more) in sums {
            *sum = sum.saturating_add(more);
        }
        self.add_work(other);
        self.rates.in_rate = sum(self.rates.in_rate, other.rates.in_rate);
        self.rates.out_rate = sum(self.rates.out_rate, other.rates.out_rate);
        self.rates.depth_rate = sum(self.rates.depth_rate, other.rates.depth_rate);
        self.paused |= other.paused;
        for more in &other.latency {
            match self.latency.iter_mut().find(|mine| mine.quantile.to_bits() == more.quantile.to_bits()) {
                Some(mine) => mine.add(more),
                None => self.latency.push(more.clone()),
            }
        }
    }

    /// Adds what a topic's channel has on its hands: what the topic has only through its channels.
    pub(crate) fn add_work(&mut self, channel: &Self) {
        let sums = [
            (&mut self.in_flight, channel.in_flight),
            (&mut self.deferred, channel.deferred),
            (&mut self.requeued, channel.requeued),
            (&mut self.timed_out, channel.timed_out),
            (&mut self.consumers, channel.consumers),
        ];
        for (sum, more) in sums {
            *sum = sum.saturating_add(more);
        }
        self.rates.requeue_rate = sum(self.rates.requeue_rate, channel.rates.requeue_rate);
        self.rates.timeout_rate = sum(self.rates.timeout_rate, channel.rates.timeout_rate);
    }

    /// Messages that nobody has to see any more.
    pub(crate) fn done(&self) -> i64 {
        let left = self.depth.saturating_add(self.in_flight).saturating_add(self.deferred);
        self.messages.saturating_sub(left)
    }

    /// The largest value of the highest percentile.
    pub(crate) fn worst_latency_ns(&self) -> Option<i64> {
        let highest = self.latency.iter().max_by(|one, other| one.quantile.total_cmp(&other.quantile));
        highest.map(|quantile| quantile.max_ns)
    }
}

/// Of what is known.
pub(crate) fn sum(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(round(one + other)),
        (one, other) => one.or(other),
    }
}

/// As exact as anybody reads it: fewer digits are fewer changes to send.
pub(crate) fn round(rate: f64) -> f64 {
    if rate.abs() < 100.0 { (rate * 100.0).round() / 100.0 } else { (rate * 10.0).round() / 10.0 }
}

impl Quantile {
    fn list(stats: &LatencyStats) -> Vec<Self> {
        let percentiles = stats.percentiles.iter().flatten();
        percentiles
            .map(|percentile| {
                #[expect(clippy::cast_possible_truncation, reason = "a duration in ns; NaN becomes 0")]
                let ns = percentile.value as i64;
                let quantile = percentile.quantile;
                Self { quantile, value_ns: ns, average_ns: ns, max_ns: ns, count: stats.count }
            })
            .collect()
    }

    fn add(&mut self, other: &Self) {
        let count = self.count.saturating_add(other.count);
        if count != 0 {
            let sum = i128::from(self.average_ns) * i128::from(self.count)
                + i128::from(other.average_ns) * i128::from(other.count);
            self.average_ns = i64::try_from(sum / i128::from(count)).unwrap_or(i64::MAX);
        }
        self.count = count;
        self.max_ns = self.max_ns.max(other.max_ns);
        self.value_ns = self.max_ns;
    }
}
