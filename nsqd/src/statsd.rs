//! Pushes statistics to statsd over UDP, in the names that NSQ's dashboards know.

use std::{collections::HashMap, fmt::Write, io, sync::Arc, time::Duration};

use daemon::reports::Busy;
use parking_lot::Mutex;
use tokio::{
    net::{UdpSocket, lookup_host},
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::{
    nsqd::Nsqd,
    options::Statsd,
    statistics::{ChannelReport, LatencyReport, Memory, Report, TopicReport, Wanted},
};

/// The packets of one push are spread over the interval, save this rest, in which the next one is gathered.
const REST: Duration = Duration::from_secs(1);

/// Counters of a topic, or of a channel, at the last push.
type Counters = [u64; 3];

/// The counters that were told, by topic and channel.
#[derive(Debug, Default)]
struct Told(HashMap<(String, Option<String>), Counters>);

/// Pushes once an interval until `stop`; what is then on its way goes out at once. Without an address it does nothing.
pub(crate) async fn run(nsqd: Arc<Nsqd>, stop: CancellationToken) {
    let Some(statsd) = nsqd.start.options.statistics.statsd.clone() else {
        return stop.cancelled().await;
    };
    // Where there is no room for the rest, over all of it.
    let spread =
        statsd.interval.checked_sub(REST).filter(|spread| !spread.is_zero()).unwrap_or(statsd.interval);
    let told = Arc::new(Mutex::new(Told::default()));
    let mut next = Instant::now() + statsd.interval;
    loop {
        tokio::select! {
            () = sleep_until(next) => {}
            () = stop.cancelled() => return,
        }
        let begun = next;
        // A push that took too long is not made up for.
        next = (begun + statsd.interval).max(Instant::now());
        info!("STATSD: pushing stats to {}", statsd.address);
        let socket = match connect(&statsd.address).await {
            Ok(socket) => socket,
            Err(cause) => {
                error!("failed to create UDP socket to statsd({}) - {cause}", statsd.address);
                continue;
            }
        };
        let (shared, options, told) = (Arc::clone(&nsqd), statsd.clone(), Arc::clone(&told));
        let gathered = match nsqd.reports.make(move || told.lock().packets(&shared, &options)) {
            Ok(gathered) => gathered.await.ok(),
            Err(Busy) => None,
        };
        let Some(packets) = gathered else {
            error!("STATSD: too many requests for statistics wait, nothing is pushed");
            continue;
        };
        let count = u32::try_from(packets.len()).unwrap_or(u32::MAX);
        for (number, packet) in (0_u32..).zip(&packets) {
            // Nobody has to listen.
            let _ = socket.send(packet.as_bytes()).await;
            tokio::select! {
                () = sleep_until(begun + spread * (number + 1) / count) => {}
                () = stop.cancelled() => {}
            }
        }
    }
}

async fn connect(address: &str) -> io::Result<UdpSocket> {
    let mut found = lookup_host(address).await?;
    let to = found.next().ok_or_else(|| io::Error::other("the name has no address"))?;
    let socket = UdpSocket::bind(if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" }).await?;
    socket.connect(to).await?;
    Ok(socket)
}

impl Told {
    fn packets(&mut self, nsqd: &Nsqd, statsd: &Statsd) -> Vec<String> {
        let wanted =
            Wanted { topic: None, channel: None, with_clients: false, with_memory: statsd.mem_stats };
        self.lines(&Report::collect(nsqd, &wanted), statsd).full
    }

    /// The lines of a push, in packets.
    fn lines(&mut self, report: &Report, statsd: &Statsd) -> Packets {
        let mut packets = Packets::new(statsd);
        let mut now = HashMap::new();
        let is_wanted = |name: &str| !(statsd.exclude_ephemeral && name.ends_with("#ephemeral"));
        let topics = report.topics.iter().flatten().filter(|topic| is_wanted(&topic.name));
        for topic in topics {
            let counters = [topic.counts.message_count, topic.counts.message_bytes, 0];
            let key = (topic.name.clone(), None);
            packets.topic(topic, since(counters, self.0.get(&key)));
            now.insert(key, counters);
            for channel in topic.channels.iter().filter(|channel| is_wanted(&channel.name)) {
                let counts = &channel.counts;
                let counters = [counts.message_count, counts.requeue_count, counts.timeout_count];
                let key = (topic.name.clone(), Some(channel.name.clone()));
                packets.channel(&topic.name, channel, since(counters, self.0.get(&key)));
                now.insert(key, counters);
            }
        }
        if let Some(memory) = report.memory {
            packets.memory(memory);
        }
        self.0 = now;
        packets
    }
}

/// What was counted since the last push. A topic that was deleted and made again has all of it.
fn since(now: Counters, before: Option<&Counters>) -> Counters {
    let before = before.copied().unwrap_or_default();
    let mut difference = now;
    if now.iter().zip(before).all(|(now, before)| before <= *now) {
        difference.iter_mut().zip(before).for_each(|(counter, before)| *counter -= before);
    }
    difference
}

/// Whole lines, in packets that are not larger than allowed unless one line is.
#[derive(Debug)]
struct Packets {
    prefix: String,
    bytes_max: usize,
    full: Vec<String>,
    line: String,
}

impl Packets {
    fn new(statsd: &Statsd) -> Self {
        let prefix = statsd.prefix.clone();
        Self { prefix, bytes_max: statsd.packet_bytes, full: Vec::new(), line: String::new() }
    }

    fn topic(&mut self, topic: &TopicReport, [messages, bytes, _]: Counters) {
        let name = format!("topic.{}.", topic.name);
        self.counter(&name, "message_count", messages);
        self.counter(&name, "message_bytes", bytes);
        self.gauge(&name, "depth", topic.counts.depth);
        self.gauge(&name, "backend_depth", topic.backend_depth);
        self.latency(&name, &topic.latency);
    }

    fn channel(&mut self, topic: &str, channel: &ChannelReport, [messages, requeued, late]: Counters) {
        let name = format!("topic.{topic}.channel.{}.", channel.name);
        let counts = &channel.counts.counts;
        self.counter(&name, "message_count", messages);
        self.gauge(&name, "depth", counts.depth);
        self.gauge(&name, "backend_depth", channel.backend_depth);
        self.gauge(&name, "in_flight_count", counts.in_flight);
        self.gauge(&name, "deferred_count", counts.deferred);
        self.counter(&name, "requeue_count", requeued);
        self.counter(&name, "timeout_count", late);
        self.gauge(&name, "clients", channel.counts.clients.len() as u64);
        self.latency(&name, &channel.latency);
    }

    fn latency(&mut self, name: &str, latency: &LatencyReport) {
        for percentile in latency.percentiles.iter().flatten() {
            let figure = format!("e2e_processing_latency_{}", percentile_name(percentile.quantile.0));
            self.gauge(name, &figure, percentile.value);
        }
    }

    fn memory(&mut self, memory: Memory) {
        for (name, value) in memory.figures() {
            if name == "gc_total_runs" {
                self.counter("mem.", "gc_runs", value);
            } else {
                self.gauge("mem.", name, value);
            }
        }
    }

    fn counter(&mut self, name: &str, figure: &str, value: u64) {
        self.line(name, figure, value, 'c');
    }

    fn gauge(&mut self, name: &str, figure: &str, value: u64) {
        self.line(name, figure, value, 'g');
    }

    fn line(&mut self, name: &str, figure: &str, value: u64, kind: char) {
        self.line.clear();
        writeln!(self.line, "{}{name}{figure}:{value}|{kind}", self.prefix)
            .expect("a String takes all that is written");
        match self.full.last_mut() {
            Some(packet) if packet.len() + self.line.len() <= self.bytes_max => packet.push_str(&self.line),
            _ => self.full.push(self.line.clone()),
        }
    }
}

/// 0.99 is `99` and 1 is `100`, as in NSQ; others are their digits: 0.999 is `999`, which there is `100`, too.
fn percentile_name(quantile: f64) -> String {
    let text = quantile.to_string();
    match text.strip_prefix("0.") {
        None => "100".to_owned(),
        Some(digits) if digits.len() == 1 => format!("{digits}0"),
        Some(digits) if digits.len() == 2 => digits.trim_start_matches('0').to_owned(),
        Some(digits) => digits.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packets(bytes_max: usize) -> Packets {
        Packets { prefix: "p.".to_owned(), bytes_max, full: Vec::new(), line: String::new() }
    }

    #[test]
    fn a_line_is_never_cut() {
        let mut packets = packets(22);
        for value in [1, 22, 333, 4] {
            packets.counter("t.", "c", value);
        }
        packets.gauge("t.", "longer_than_the_packets", 5);
        packets.gauge("", "d", 6);
        let expected = [
            "p.t.c:1|c\np.t.c:22|c\n",
            "p.t.c:333|c\np.t.c:4|c\n",
            "p.t.longer_than_the_packets:5|g\n",
            "p.d:6|g\n",
        ];
        assert_eq!(packets.full, expected);
    }

    #[test]
    fn counters_are_differences_and_never_negative() {
        assert_eq!(since([5, 10, 0], None), [5, 10, 0]);
        assert_eq!(since([5, 10, 0], Some(&[2, 10, 0])), [3, 0, 0]);
        assert_eq!(since([1, 3, 0], Some(&[5, 2, 0])), [1, 3, 0]);
    }

    #[test]
    fn percentiles_do_not_share_a_name() {
        for (quantile, expected) in [
            (1.0, "100"),
            (0.99, "99"),
            (0.5, "50"),
            (0.05, "5"),
            (0.999, "999"),
            (0.995, "995"),
            (0.9999, "9999"),
        ] {
            assert_eq!(percentile_name(quantile), expected);
        }
    }
}
