//! statsd: the packets, as a server on the loopback interface gets them.

use std::{collections::BTreeMap, time::Duration};

use tests::{Nsqd, ours_only, within};
use tokio::net::UdpSocket;

/// A server that takes packets.
struct Server(UdpSocket);

impl Server {
    async fn start() -> Self {
        Self(UdpSocket::bind("127.0.0.1:0").await.expect("a port is free"))
    }

    fn flag(&self) -> String {
        format!("--statsd-address={}", self.0.local_addr().expect("it is bound"))
    }

    async fn packet(&self) -> String {
        let mut packet = vec![0; 65_536];
        let count = within("a packet", self.0.recv(&mut packet)).await.expect("a packet comes");
        String::from_utf8(packet[..count].to_vec()).expect("packets are text")
    }

    /// All lines up to one that begins like this, in packets of at most so many bytes.
    async fn lines_until(&self, last: &str, bytes_max: usize) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let packet = self.packet().await;
            assert!(packet.len() <= bytes_max && packet.ends_with('\n'), "{packet:?}");
            lines.extend(packet.lines().map(ToOwned::to_owned));
            if lines.iter().any(|line| line.starts_with(last)) {
                return lines;
            }
        }
    }
}

/// Values and types by name.
fn by_name(lines: &[String]) -> BTreeMap<&str, &str> {
    lines.iter().map(|line| line.split_once(':').expect("a line has a name and a value")).collect()
}

const FLAGS: [&str; 5] = [
    "--statsd-interval=1200ms",
    "--broadcast-address=nsqd-1.example.com",
    "--broadcast-http-port=4151",
    "--e2e-processing-latency-percentile=1.0,0.99",
    "--statsd-udp-packet-size=200",
];

/// The names of a push, in NSQ's order.
fn expected_names() -> Vec<String> {
    let latencies = ["e2e_processing_latency_100", "e2e_processing_latency_99"];
    let of_topic = ["message_count", "message_bytes", "depth", "backend_depth"];
    let of_channel = [
        "message_count",
        "depth",
        "backend_depth",
        "in_flight_count",
        "deferred_count",
        "requeue_count",
        "timeout_count",
        "clients",
    ];
    let of_memory = [
        "heap_objects",
        "heap_idle_bytes",
        "heap_in_use_bytes",
        "heap_released_bytes",
        "gc_pause_usec_100",
        "gc_pause_usec_99",
        "gc_pause_usec_95",
        "next_gc_bytes",
        "gc_runs",
    ];
    let topic = of_topic.iter().chain(&latencies).map(|name| format!("topic.orders.{name}"));
    let channel =
        of_channel.iter().chain(&latencies).map(|name| format!("topic.orders.channel.billing.{name}"));
    topic.chain(channel).chain(of_memory.iter().map(|name| format!("mem.{name}"))).collect()
}

#[tokio::test]
async fn a_push_has_nsqs_lines_in_nsqs_order() {
    // Protects graphite dashboards and nsqadmin's graphs: names, types, order, differences.
    let server = Server::start().await;
    let nsqd = Nsqd::start_with(&[&FLAGS[..], &[&server.flag()]].concat()).await;
    nsqd.create_channel("orders", "billing").await;
    nsqd.connect().await.mpub("orders", &["1", "22", "333"]).await;
    let mut consumer = nsqd.consumer("orders", "billing", 2).await;
    let first = consumer.next_message().await;
    consumer.fin(first.id).await;
    nsqd.await_channel("orders", "billing", |channel| channel["in_flight_count"] == 2).await;
    let prefix = "nsq.nsqd-1_example_com_4151.";
    let last = format!("{prefix}mem.gc_runs:0|c");
    let mut lines = server.lines_until(&last, 200).await;
    // The first push may have come before all of it.
    if !lines.contains(&format!("{prefix}topic.orders.channel.billing.clients:1|g"))
        || !lines.contains(&format!("{prefix}topic.orders.channel.billing.in_flight_count:2|g"))
    {
        lines = server.lines_until(&last, 200).await;
    }
    let names: Vec<&str> = lines
        .iter()
        .map(|line| line.strip_prefix(prefix).expect("the prefix").split(':').next().expect("a name"))
        .collect();
    assert_eq!(names, expected_names());
    let values = by_name(&lines);
    let of = |name: &str| values[format!("{prefix}{name}").as_str()];
    assert_eq!(of("topic.orders.channel.billing.clients"), "1|g");
    assert_eq!(of("topic.orders.channel.billing.requeue_count"), "0|c");
    assert_eq!(of("topic.orders.depth"), "0|g");
    assert_ne!(of("topic.orders.channel.billing.e2e_processing_latency_99"), "0|g");
    nsqd.await_log("INFO: STATSD: pushing stats to 127.0.0.1:").await;
    // Nothing more was published: the next differences are 0.
    let next = server.lines_until(&last, 200).await;
    assert_eq!(by_name(&next)[format!("{prefix}topic.orders.message_count").as_str()], "0|c");
}

#[tokio::test]
async fn counters_are_told_once_and_never_negative() {
    // Protects sums over time, also when a topic is deleted and made again between two pushes.
    if !ours_only("a topic made anew has a negative counter") {
        return;
    }
    let server = Server::start().await;
    let flags = ["--statsd-interval=500ms", "--statsd-prefix=", "--statsd-mem-stats=false", &server.flag()];
    let nsqd = Nsqd::start_with(&flags).await;
    nsqd.connect().await.mpub("r", &["1"; 5]).await;
    let mut count = 0;
    while count < 5 {
        count += message_count(&server.packet().await);
    }
    assert_eq!(count, 5);
    nsqd.post_ok("/topic/delete?topic=r").await;
    nsqd.connect().await.mpub("r", &["1"]).await;
    while count < 6 {
        count += message_count(&server.packet().await);
    }
    assert_eq!(count, 6);
}

fn message_count(packet: &str) -> u64 {
    let line = packet.lines().find_map(|line| line.strip_prefix("topic.r.message_count:"));
    line.map_or(0, |value| value.strip_suffix("|c").expect("a counter").parse().expect("not negative"))
}

#[tokio::test]
async fn ephemeral_ones_are_left_out_if_asked() {
    // Protects graphite from the names of thousands of short-lived channels.
    let server = Server::start().await;
    let flags = [
        "--statsd-interval=1200ms",
        "--statsd-prefix=p",
        "--statsd-mem-stats=false",
        "--statsd-exclude-ephemeral",
        "--statsd-udp-packet-size=0",
        &server.flag(),
    ];
    let nsqd = Nsqd::start_with(&flags).await;
    nsqd.create_channel("t", "c").await;
    nsqd.create_channel("t", "tail%23ephemeral").await;
    nsqd.create_channel("e%23ephemeral", "c").await;
    let lines = server.lines_until("p.topic.t.channel.c.clients", 4096).await;
    assert!(lines.iter().all(|line| !line.contains("#ephemeral")), "{lines:?}");
}

#[tokio::test]
async fn a_server_that_cannot_be_found_is_told_and_tried_again() {
    // Protects the daemon: statistics that cannot be sent are a line in the log.
    let nsqd = Nsqd::start_with(&["--statsd-address=nohost.invalid:8125", "--statsd-interval=1200ms"]).await;
    nsqd.await_log("ERROR: failed to create UDP socket to statsd(nohost.invalid:8125)").await;
    nsqd.connect().await.publish("t", "x").await;
}

#[tokio::test]
async fn the_last_packets_go_out_when_the_daemon_stops() {
    // Protects the last figures: packets that wait for their turn in the interval are not lost.
    let server = Server::start().await;
    let flags = [
        "--statsd-interval=3s",
        "--statsd-prefix=",
        "--statsd-udp-packet-size=1",
        "--statsd-mem-stats=false",
        &server.flag(),
    ];
    let mut nsqd = Nsqd::start_with(&flags).await;
    nsqd.create_channel("t", "c").await;
    // One line a packet; they would take 2 s.
    let first = server.packet().await;
    assert!(first.starts_with("topic.t.message_count:"), "{first}");
    let begun = std::time::Instant::now();
    nsqd.terminate().await;
    let rest = server.lines_until("topic.t.channel.c.clients", 100).await;
    assert!(begun.elapsed() < Duration::from_secs(2), "{rest:?}");
}
