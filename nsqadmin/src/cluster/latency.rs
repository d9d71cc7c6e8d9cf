//! Percentiles of several nsqds, put together as NSQ does it: an average of percentiles is no percentile.

use daemon::http::respond::Number;
use serde::{Serialize, Serializer};

use super::documents::LatencyStats;

/// The latency of a topic or channel, of one nsqd or of all.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Latency {
    count: i64,
    /// `None` where nobody measures it.
    percentiles: Option<Vec<Percentile>>,
    topic: String,
    channel: String,
    /// `*` for all nsqds.
    host: String,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct Percentile {
    /// Of the values of the nsqds, by how many messages each has seen. ns, as all but the first.
    average: i64,
    count: i64,
    max: i64,
    min: i64,
    #[serde(serialize_with = "number")]
    quantile: f64,
    /// Of one nsqd.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<i64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn number<S: Serializer>(quantile: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    Number(*quantile).serialize(serializer)
}

impl Latency {
    /// Of one nsqd.
    pub(crate) fn of(stats: &LatencyStats) -> Self {
        let percentiles = stats.percentiles.as_ref().map(|percentiles| {
            let one = |quantile: f64, value: f64| {
                #[expect(clippy::cast_possible_truncation, reason = "a duration in ns; NaN becomes 0")]
                let value = value as i64;
                let count = stats.count;
                Percentile { average: value, count, max: value, min: value, quantile, value: Some(value) }
            };
            percentiles.iter().map(|percentile| one(percentile.quantile, percentile.value)).collect()
        });
        Self { count: stats.count, percentiles, ..Self::default() }
    }

    /// Of nobody yet, for a sum over all nsqds.
    pub(crate) fn total(topic: &str, channel: &str) -> Self {
        let (topic, channel) = (topic.to_owned(), channel.to_owned());
        Self { topic, channel, host: "*".to_owned(), ..Self::default() }
    }

    /// Adds what another nsqd has seen.
    pub(crate) fn add(&mut self, other: &Self) {
        self.count = self.count.saturating_add(other.count);
        for more in other.percentiles.iter().flatten() {
            let mine = self.percentiles.get_or_insert_default();
            match mine.iter_mut().find(|mine| mine.quantile.to_bits() == more.quantile.to_bits()) {
                Some(mine) => mine.add(more),
                None => mine.push(Percentile { value: None, ..more.clone() }),
            }
        }
        if let Some(mine) = &mut self.percentiles {
            mine.sort_by(|one, other| other.quantile.total_cmp(&one.quantile));
        }
    }
}

impl Percentile {
    fn add(&mut self, other: &Self) {
        let count = self.count.saturating_add(other.count);
        if count != 0 {
            let sum = i128::from(self.average) * i128::from(self.count)
                + i128::from(other.average) * i128::from(other.count);
            self.average = i64::try_from(sum / i128::from(count)).unwrap_or(i64::MAX);
        }
        self.count = count;
        self.max = self.max.max(other.max);
        self.min = self.min.min(other.min);
    }
}

#[cfg(test)]
mod tests {
    use super::super::documents::PercentileStats;
    use super::*;

    fn latency(count: i64, values: &[(f64, f64)]) -> Latency {
        let percentiles =
            values.iter().map(|(quantile, value)| PercentileStats { quantile: *quantile, value: *value });
        Latency::of(&LatencyStats { count, percentiles: Some(percentiles.collect()) })
    }

    /// Protects: the true minimum (NSQ's is the last one's), an average by counts, a fixed order.
    #[test]
    fn percentiles_are_put_together() {
        let mut total = Latency::total("t", "");
        total.add(&latency(1, &[(0.95, 50.0), (0.99, 100.0)]));
        total.add(&latency(3, &[(0.99, 300.0), (0.95, 60.0)]));
        total.add(&latency(0, &[(0.99, 0.0)]));
        let json = serde_json::to_string(&total).unwrap();
        let expected = concat!(
            r#"{"count":4,"percentiles":[{"average":250,"count":4,"max":300,"min":0,"quantile":0.99},"#,
            r#"{"average":57,"count":4,"max":60,"min":50,"quantile":0.95}],"topic":"t","channel":"","host":"*"}"#
        );
        assert_eq!(json, expected);
    }

    /// Protects readers that tell nsqds without the feature by `null`.
    #[test]
    fn what_is_not_measured_is_null() {
        let mut total = Latency::total("", "");
        total.add(&Latency::of(&LatencyStats::default()));
        assert!(serde_json::to_string(&total).unwrap().contains(r#""percentiles":null"#));
        let mut total = latency(i64::MAX, &[(0.5, f64::MAX)]);
        total.add(&latency(i64::MAX, &[(0.5, f64::NAN)]));
    }
}
