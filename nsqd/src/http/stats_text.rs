//! The statistics as NSQ's text.

use std::fmt::{self, Write};

use crate::clock;
use crate::statistics::{ClientReport, LatencyReport, Report, TopicReport};

pub(super) fn render(report: &Report) -> String {
    let mut out = String::new();
    write_report(&mut out, report).expect("a String takes all that is written");
    out
}

fn write_report(out: &mut String, report: &Report) -> fmt::Result {
    let uptime = std::time::Duration::from_secs(seconds_since(report.start_unix));
    writeln!(out, "{}", daemon::version::line("nsqd"))?;
    writeln!(out, "start_time {}", clock::rfc_3339(report.start_unix))?;
    writeln!(out, "uptime {}", daemon::duration::format(uptime))?;
    writeln!(out, "\nHealth: {}", report.health)?;
    for alarm in &report.alarms {
        writeln!(out, "Alarm {}: {alarm}", alarm.number)?;
    }
    if let Some(memory) = &report.memory {
        writeln!(out, "\nMemory:")?;
        for (name, value) in memory.figures() {
            writeln!(out, "   {name:<25}\t{value}")?;
        }
    }
    let topics = report.topics.as_deref().unwrap_or_default();
    if topics.is_empty() {
        writeln!(out, "\nTopics: None")?;
    } else {
        write!(out, "\nTopics:")?;
        topics.iter().try_for_each(|topic| write_topic(out, topic))?;
    }
    if report.producers.is_empty() {
        writeln!(out, "\nProducers: None")
    } else {
        writeln!(out, "\nProducers:")?;
        report.producers.iter().try_for_each(|client| write_client(out, "   ", client))
    }
}

fn write_topic(out: &mut String, topic: &TopicReport) -> fmt::Result {
    let counts = &topic.counts;
    let mark = if counts.paused { "*P " } else { "   " };
    let (depth, backend, messages) = (counts.depth, topic.backend_depth, counts.message_count);
    let name = &topic.name;
    writeln!(
        out,
        "\n{mark}[{name:<15}] depth: {depth:<5} be-depth: {backend:<5} msgs: {messages:<8} e2e%: {}",
        latencies(&topic.latency)
    )?;
    for channel in &topic.channels {
        let mark = if channel.counts.paused { "   *P " } else { "      " };
        let (name, backend, counts) = (&channel.name, channel.backend_depth, &channel.counts);
        let (depth, in_flight, deferred) =
            (counts.counts.depth, counts.counts.in_flight, counts.counts.deferred);
        let (requeued, late, messages) = (counts.requeue_count, counts.timeout_count, counts.message_count);
        writeln!(
            out,
            "{mark}[{name:<25}] depth: {depth:<5} be-depth: {backend:<5} inflt: {in_flight:<4} def: {deferred:<4} \
             re-q: {requeued:<5} timeout: {late:<5} msgs: {messages:<8} e2e%: {}",
            latencies(&channel.latency)
        )?;
        channel.clients.iter().try_for_each(|client| write_client(out, "        ", client))?;
    }
    Ok(())
}

/// `2.3ms, 850.0us`: one decimal.
fn latencies(latency: &LatencyReport) -> String {
    let percentiles = latency.percentiles.iter().flatten();
    let shown: Vec<String> = percentiles
        .map(|percentile| {
            #[expect(clippy::cast_precision_loss, reason = "one decimal of it is shown")]
            let ns = percentile.value as f64;
            match ns {
                _ if 1e9 < ns => format!("{:.1}s", ns / 1e9),
                _ if 1e6 < ns => format!("{:.1}ms", ns / 1e6),
                _ if 1e3 < ns => format!("{:.1}us", ns / 1e3),
                _ => format!("{ns:.1}ns"),
            }
        })
        .collect();
    shown.join(", ")
}

fn write_client(out: &mut String, indent: &str, client: &ClientReport) -> fmt::Result {
    let port = client.remote_address.rsplit_once(':').map_or("", |(_, port)| port);
    let id = shown(&format!("{}:{port} {}", client.hostname, client.user_agent));
    let connected = std::time::Duration::from_secs(seconds_since(client.connect_ts));
    let connected = daemon::duration::format(connected);
    let messages = client.message_count;
    if client.pub_counts.is_empty() {
        let (state, in_flight, ready) = (client.state, client.in_flight_count, client.ready_count);
        let (finished, requeued) = (client.finish_count, client.requeue_count);
        return writeln!(
            out,
            "{indent}[V2 {id:<21}] state: {state} inflt: {in_flight:<4} rdy: {ready:<4} fin: {finished:<8} \
             re-q: {requeued:<8} msgs: {messages:<8} connected: {connected}"
        );
    }
    let published: u64 = client.pub_counts.iter().map(|count| count.count).sum();
    let topics: Vec<String> =
        client.pub_counts.iter().map(|count| format!("{}={}", count.topic, count.count)).collect();
    let topics = topics.join(",");
    writeln!(out, "{indent}[V2 {id:<21}] msgs: {published:<8} topics: {topics} connected: {connected}")
}

/// Control characters of a client's words are escaped: they could forge lines.
fn shown(text: &str) -> String {
    text.chars()
        .map(
            |letter| if letter.is_control() { letter.escape_default().collect() } else { letter.to_string() },
        )
        .collect()
}

fn seconds_since(unix: i64) -> u64 {
    u64::try_from(clock::unix_seconds() - unix).unwrap_or(0)
}
