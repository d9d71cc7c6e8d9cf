//! The result, as lines for people or as one JSON object.

use std::fmt;
use std::io::Write;
use std::time::Duration;

use anyhow::Result;
use hdrhistogram::Histogram;
use serde::Serialize;

use crate::daemon_stats::{Cost, Memory};

const MEGABYTE: f64 = 1e6;

/// Everything a run found out.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// The subcommand.
    pub(crate) command: &'static str,
    /// Topic, or front part of the topics' names.
    pub(crate) topic: String,
    /// Measured phases in order.
    pub(crate) phases: Vec<Phase>,
}

/// One measured phase.
#[derive(Debug, Serialize)]
pub(crate) struct Phase {
    name: &'static str,
    /// Streams of messages that ran at once.
    flows: Vec<Flow>,
    latencies: Vec<Latency>,
    /// What the phase cost the daemon; absent without `--pid`.
    daemon: Option<DaemonCost>,
    /// CPU time of this client per unit, to see whether it was the bottleneck.
    client_cpu_us: f64,
    /// What costs are divided by: message, delivery, topic, connection.
    unit: &'static str,
    /// Further figures of a subcommand.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    figures: Vec<Figure>,
}

/// A stream of messages, or of other things that are counted.
#[derive(Debug, Serialize)]
pub(crate) struct Flow {
    name: &'static str,
    count: u64,
    elapsed_seconds: f64,
    per_second: f64,
    /// Of message bodies, in units of 10^6 bytes.
    megabytes_per_second: f64,
}

impl Flow {
    /// `count` messages of `body_bytes` within `elapsed`.
    pub(crate) fn new(name: &'static str, count: u64, body_bytes: u64, elapsed: Duration) -> Self {
        let seconds = elapsed.as_secs_f64().max(1e-9);
        Self {
            name,
            count,
            elapsed_seconds: seconds,
            per_second: float(count) / seconds,
            megabytes_per_second: float(count) * float(body_bytes) / MEGABYTE / seconds,
        }
    }
}

/// Percentiles in µs.
#[derive(Debug, Serialize)]
pub(crate) struct Latency {
    name: &'static str,
    p50_us: f64,
    p90_us: f64,
    p99_us: f64,
    p999_us: f64,
    max_us: f64,
}

impl Latency {
    /// Percentiles of a histogram in ns.
    pub(crate) fn new(name: &'static str, histogram: &Histogram<u64>) -> Self {
        let at = |quantile| float(histogram.value_at_quantile(quantile)) / 1e3;
        Self {
            name,
            p50_us: at(0.5),
            p90_us: at(0.9),
            p99_us: at(0.99),
            p999_us: at(0.999),
            max_us: float(histogram.max()) / 1e3,
        }
    }
}

/// An empty histogram for 1 ns to 10 minutes in ns, three digits; beyond, values count as the limit.
pub(crate) fn latency_histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 600_000_000_000, 3).expect("the bounds are valid")
}

/// Nanoseconds of a latency.
pub(crate) fn nanoseconds(latency: Duration) -> u64 {
    u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX)
}

#[derive(Debug, Serialize)]
struct DaemonCost {
    /// User and system time per unit.
    cpu_us: f64,
    /// User and system time of the whole phase.
    cpu_seconds: f64,
    before: Memory,
    after: Memory,
}

/// A figure with its name and unit.
#[derive(Debug, Serialize)]
pub(crate) struct Figure {
    name: &'static str,
    value: f64,
    unit: &'static str,
}

impl Figure {
    /// A figure of its own.
    pub(crate) fn new(name: &'static str, value: f64, unit: &'static str) -> Self {
        Self { name, value, unit }
    }
}

impl Phase {
    /// A phase whose cost is divided by `units` things called `unit`.
    pub(crate) fn new(
        name: &'static str,
        flows: Vec<Flow>,
        cost: &Cost,
        unit: &'static str,
        units: u64,
    ) -> Self {
        let per_unit = |time: Duration| time.as_secs_f64() * 1e6 / float(units.max(1));
        let daemon = cost.daemon.map(|(cpu_time, before, after)| DaemonCost {
            cpu_us: per_unit(cpu_time),
            cpu_seconds: cpu_time.as_secs_f64(),
            before,
            after,
        });
        let client_cpu_us = per_unit(cost.client);
        Self { name, flows, latencies: Vec::new(), daemon, client_cpu_us, unit, figures: Vec::new() }
    }

    /// Adds percentiles, unless nothing was recorded.
    pub(crate) fn with_latency(mut self, name: &'static str, histogram: &Histogram<u64>) -> Self {
        if !histogram.is_empty() {
            self.latencies.push(Latency::new(name, histogram));
        }
        self
    }

    /// Adds a figure.
    pub(crate) fn with_figure(mut self, figure: Figure) -> Self {
        self.figures.push(figure);
        self
    }
}

impl Report {
    /// Writes the result to stdout.
    pub(crate) fn print(&self, json: bool) -> Result<()> {
        let mut out = std::io::stdout().lock();
        if json {
            serde_json::to_writer(&mut out, self)?;
            writeln!(out)?;
        } else {
            for phase in &self.phases {
                writeln!(out, "{phase}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.name)?;
        for flow in &self.flows {
            let Flow { name, count, elapsed_seconds, per_second, megabytes_per_second } = flow;
            write!(f, " {name} {count} in {elapsed_seconds:.3} s, {per_second:.0}/s")?;
            if *megabytes_per_second > 0.0 {
                write!(f, ", {megabytes_per_second:.1} MB/s")?;
            }
            write!(f, ";")?;
        }
        for Latency { name, p50_us, p90_us, p99_us, p999_us, max_us } in &self.latencies {
            write!(
                f,
                " {name} p50 {p50_us:.0} p90 {p90_us:.0} p99 {p99_us:.0} p99.9 {p999_us:.0} max {max_us:.0} µs;"
            )?;
        }
        for Figure { name, value, unit } in &self.figures {
            write!(f, " {name} {value:.2} {unit};")?;
        }
        if let Some(DaemonCost { cpu_us, cpu_seconds, before, after }) = &self.daemon {
            write!(
                f,
                " daemon CPU {cpu_us:.3} µs per {} ({cpu_seconds:.2} s), RssAnon {:.1} -> {:.1} MB, RssFile {:.1} -> {:.1} MB, \
                 peak {:.1} MB;",
                self.unit,
                float(before.rss_anon_bytes) / MEGABYTE,
                float(after.rss_anon_bytes) / MEGABYTE,
                float(before.rss_file_bytes) / MEGABYTE,
                float(after.rss_file_bytes) / MEGABYTE,
                float(after.peak_bytes) / MEGABYTE,
            )?;
        }
        write!(f, " client CPU {:.3} µs", self.client_cpu_us)
    }
}

/// For figures that are printed: a rounding beyond 2^53 is of no concern.
#[expect(clippy::cast_precision_loss, reason = "see the doc")]
pub(crate) fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phase() -> Phase {
        let memory = |megabytes: u64| Memory {
            rss_anon_bytes: megabytes * 1_000_000,
            rss_file_bytes: 1_000_000,
            peak_bytes: 9_000_000,
        };
        let daemon = Some((Duration::from_millis(300), memory(4), memory(5)));
        let cost = Cost { daemon, client: Duration::from_millis(100) };
        let mut histogram = latency_histogram();
        histogram.record_n(50_000, 99).unwrap();
        histogram.record(2_000_000).unwrap();
        let flow = Flow::new("published", 1_000_000, 200, Duration::from_secs(2));
        Phase::new("pub", vec![flow], &cost, "message", 1_000_000).with_latency("ack", &histogram)
    }

    #[test]
    fn a_phase_is_one_line_with_rates_percentiles_and_costs() {
        assert_eq!(
            phase().to_string(),
            "pub: published 1000000 in 2.000 s, 500000/s, 100.0 MB/s; ack p50 50 p90 50 p99 50 p99.9 2001 max 2001 µs; \
             daemon CPU 0.300 µs per message (0.30 s), RssAnon 4.0 -> 5.0 MB, RssFile 1.0 -> 1.0 MB, peak 9.0 MB; \
             client CPU 0.100 µs"
        );
    }

    #[test]
    fn json_carries_the_same_figures() {
        let report = Report { command: "pub", topic: "t".to_owned(), phases: vec![phase()] };
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["phases"][0]["flows"][0]["per_second"], 500_000.0);
        assert_eq!(json["phases"][0]["daemon"]["cpu_us"], 0.3);
        assert_eq!(json["phases"][0]["daemon"]["after"]["rss_anon_bytes"], 5_000_000);
    }
}
