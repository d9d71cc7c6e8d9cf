//! `/metrics`.

use std::collections::{BTreeMap, BTreeSet};

use tests::{Nsqd, ours_only};

/// Samples by name and labels, of a text that keeps the rules of the format: each family once, with help and type before its
/// samples, names and values well formed, no sample twice.
fn parse(text: &str) -> BTreeMap<String, f64> {
    let (mut samples, mut families) = (BTreeMap::new(), BTreeSet::new());
    let (mut current, mut is_histogram) = (String::new(), false);
    assert!(text.ends_with('\n'), "the last line ends");
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = help.split_once(' ').expect("a help text");
            assert!(!help.is_empty() && families.insert(name.to_owned()), "{line}");
            let kind =
                lines.next().and_then(|line| line.strip_prefix(&format!("# TYPE {name} "))).expect("a type");
            assert!(matches!(kind, "gauge" | "counter" | "histogram"), "{kind}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{name} is a {kind}");
            is_histogram = kind == "histogram";
            name.clone_into(&mut current);
            continue;
        }
        let (series, value) = line.rsplit_once(' ').expect("a sample");
        let name = series.split_once('{').map_or(series, |(name, labels)| {
            assert!(labels.ends_with("\"}"), "{line}");
            name
        });
        let parts = ["_bucket", "_sum", "_count"];
        let name =
            parts.iter().filter(|_| is_histogram).find_map(|part| name.strip_suffix(part)).unwrap_or(name);
        assert_eq!(name, current, "samples stand behind their family: {line}");
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || matches!(byte, b'_' | b'2')), "{line}");
        let value: f64 = value.parse().expect("a number");
        assert!(samples.insert(series.to_owned(), value).is_none(), "twice: {line}");
    }
    samples
}

#[tokio::test]
async fn metrics_tell_what_happened() {
    // Protects dashboards and alerts: the figures are those of known traffic, in a text that Prometheus takes.
    if !ours_only("it has no /metrics") {
        return;
    }
    let nsqd = Nsqd::start().await;
    nsqd.create_channel("t.a", "c").await;
    nsqd.connect().await.mpub("t.a", &["1", "22", "333", "4444"]).await;
    nsqd.connect().await.dpub("t.a", std::time::Duration::from_hours(1), "5").await;
    nsqd.post_ok("/topic/create?topic=idle").await;
    nsqd.post_ok("/topic/pause?topic=idle").await;
    let mut consumer = nsqd.consumer("t.a", "c", 2).await;
    let first = consumer.next_message().await;
    consumer.rdy(1).await;
    consumer.req(first.id, std::time::Duration::from_hours(1)).await;
    nsqd.await_channel("t.a", "c", |channel| channel["requeue_count"] == 1).await;
    let response = nsqd.get("/metrics").await;
    assert_eq!(response.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let samples = parse(&response.text());
    for (series, value) in [
        ("nsqd_healthy", 1.0),
        ("nsqd_topic_messages_total{topic=\"t.a\"}", 5.0),
        ("nsqd_topic_message_bytes_total{topic=\"t.a\"}", 11.0),
        ("nsqd_topic_depth{topic=\"t.a\"}", 0.0),
        ("nsqd_topic_paused{topic=\"idle\"}", 1.0),
        ("nsqd_topic_segments{topic=\"t.a\"}", 1.0),
        ("nsqd_topic_damaged_messages{topic=\"t.a\"}", 0.0),
        ("nsqd_channel_deferred{topic=\"t.a\",channel=\"c\"}", 2.0),
        ("nsqd_channel_requeued_total{topic=\"t.a\",channel=\"c\"}", 1.0),
        ("nsqd_channel_messages_total{topic=\"t.a\",channel=\"c\"}", 5.0),
        ("nsqd_channel_consumers{topic=\"t.a\",channel=\"c\"}", 1.0),
        ("nsqd_alarms{kind=\"damaged-segment\"}", 0.0),
    ] {
        assert_eq!(samples.get(series), Some(&value), "{series}");
    }
    let waiting = samples["nsqd_channel_depth{topic=\"t.a\",channel=\"c\"}"];
    let held = samples["nsqd_channel_in_flight{topic=\"t.a\",channel=\"c\"}"];
    assert!((waiting + held - 3.0).abs() < 0.5, "{waiting} and {held}");
    for name in [
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
        "process_open_fds",
        "process_start_time_seconds",
    ] {
        assert!(0.0 < samples[name], "{name}");
    }
    assert!(nsqd.post("/metrics", b"").await.status == 405);
}

#[tokio::test]
async fn latencies_and_syncs_are_histograms() {
    // Protects quantiles over all nodes: buckets that add up, in seconds.
    if !ours_only("it has no /metrics") {
        return;
    }
    let nsqd = Nsqd::start_with(&["--pub-ack=sync"]).await;
    let mut consumer = nsqd.consumer("t", "c", 10).await;
    consumer.mpub("t", &["1", "2", "3"]).await;
    consumer.finish_messages(3).await;
    nsqd.await_channel("t", "c", |channel| channel["in_flight_count"] == 0).await;
    let text = nsqd.get("/metrics").await.text();
    let samples = parse(&text);
    let name = "nsqd_channel_e2e_latency_seconds";
    let labels = "topic=\"t\",channel=\"c\"";
    let close = |series: String, value: f64| {
        assert!((samples[&series] - value).abs() < 0.1, "{series} is {}", samples[&series]);
    };
    close(format!("{name}_count{{{labels}}}"), 3.0);
    close(format!("{name}_bucket{{{labels},le=\"+Inf\"}}"), 3.0);
    close(format!("{name}_bucket{{{labels},le=\"3600\"}}"), 3.0);
    assert!(0.0 < samples[&format!("{name}_sum{{{labels}}}")]);
    assert!(1.0 <= samples["nsqd_sync_duration_seconds_count"]);
    check_with_promtool(&text);
}

/// What Prometheus itself thinks of the text, where its tool is installed.
#[expect(clippy::print_stdout, reason = "a test that does not run says so")]
fn check_with_promtool(text: &str) {
    use std::{io::Write, process::Stdio};
    let tool = std::process::Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut tool) = tool else {
        println!("skipped: there is no promtool");
        return;
    };
    tool.stdin.take().expect("it is piped").write_all(text.as_bytes()).expect("it reads");
    let output = tool.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn the_number_of_series_has_a_bound() {
    // Protects Prometheus from names that come and go, and from a client that makes topics without end.
    if !ours_only("it has no /metrics") {
        return;
    }
    let nsqd = Nsqd::start_with(&["--metrics-topics-max=2"]).await;
    for topic in ["a", "b", "c", "e%23ephemeral"] {
        nsqd.create_channel(topic, "c").await;
        nsqd.create_channel(topic, "tail%23ephemeral").await;
    }
    let topics = |text: &str, name: &str| -> BTreeSet<String> {
        let series = parse(text).into_keys();
        let of = |series: String| Some(series.strip_prefix(name)?.trim_matches(['{', '}']).to_owned());
        series.filter_map(of).collect()
    };
    let text = nsqd.get("/metrics").await.text();
    assert_eq!(topics(&text, "nsqd_topic_depth"), ["topic=\"a\"", "topic=\"b\""].map(String::from).into());
    let shown = ["topic=\"a\",channel=\"c\"", "topic=\"b\",channel=\"c\""].map(String::from).into();
    assert_eq!(topics(&text, "nsqd_channel_depth"), shown);
    let samples = parse(&text);
    for (series, value) in [
        ("nsqd_topics", 4.0),
        ("nsqd_topics_not_shown", 2.0),
        ("nsqd_topic_channels{topic=\"a\"}", 2.0),
        ("nsqd_topic_ephemeral_channels{topic=\"a\"}", 1.0),
    ] {
        assert_eq!(samples.get(series), Some(&value), "{series}");
    }
    let all = nsqd.get("/metrics?include_ephemeral=true").await.text();
    assert_eq!(topics(&all, "nsqd_channel_depth").len(), 4, "{all}");
}
