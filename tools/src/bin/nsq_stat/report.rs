//! From two looks to rates and lines.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use tools::cluster::ChannelStats;

/// The two head lines.
pub(crate) const HEAD: &str = "\
------rate------+----------------depth----------------+--------------metadata---------------
ingress  egress |   total     mem    disk inflt   def |     req     t-o         msgs clients";

/// The figures of a node, or of all of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub(crate) struct Figures {
    /// Messages a second that came.
    pub(crate) ingress: f64,
    /// Messages a second that went.
    pub(crate) egress: f64,
    pub(crate) depth: i64,
    pub(crate) memory_depth: i64,
    pub(crate) disk_depth: i64,
    pub(crate) in_flight: i64,
    pub(crate) deferred: i64,
    pub(crate) requeued: i64,
    pub(crate) timed_out: i64,
    pub(crate) messages: i64,
    pub(crate) clients: i64,
}

/// A line, and what is behind it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Report {
    pub(crate) total: Figures,
    pub(crate) nodes: Vec<(String, Figures)>,
    /// Nodes on which the channel's deliveries are paused.
    pub(crate) paused: usize,
}

/// What the nodes said before.
#[derive(Debug)]
pub(crate) struct History {
    interval: Duration,
    looks: u32,
    /// By address: the look at which a node last answered, and what it said. Nodes come from the command line or from
    /// nsqlookupd's answers, which are bounded.
    last: BTreeMap<String, (u32, ChannelStats)>,
}

impl History {
    pub(crate) fn new(interval: Duration) -> Self {
        Self { interval, looks: 0, last: BTreeMap::new() }
    }

    /// Takes the next look. The first only sets the base.
    ///
    /// Rates are of each node by itself, so that one that is away for a while, or starts anew, does not show as a jump: a
    /// node's difference is spread over the looks that it missed, and is 0 when its counters began anew.
    pub(crate) fn next(&mut self, nodes: BTreeMap<String, ChannelStats>) -> Option<Report> {
        let is_first = self.looks == 0;
        self.looks = self.looks.saturating_add(1);
        let mut report = Report { total: Figures::default(), nodes: Vec::new(), paused: 0 };
        for (address, stats) in &nodes {
            let figures = self.figures(address, stats);
            report.total.add(&figures);
            report.paused += usize::from(stats.paused);
            report.nodes.push((address.clone(), figures));
        }
        let looks = self.looks;
        self.last.extend(nodes.into_iter().map(|(address, stats)| (address, (looks, stats))));
        (!is_first).then_some(report)
    }

    fn figures(&self, address: &str, stats: &ChannelStats) -> Figures {
        // A node that was never seen has begun since the last look.
        let new = (self.looks.saturating_sub(1), ChannelStats::default());
        let (look, before) = self.last.get(address).unwrap_or(&new);
        let seconds = self.interval.as_secs_f64() * f64::from((self.looks - look).max(1));
        let came = stats.message_count.saturating_sub(before.message_count);
        let went = came.saturating_sub(stats.depth.saturating_sub(before.depth));
        let (ingress, egress) =
            if came < 0 { (0.0, 0.0) } else { (rate(came, seconds), rate(went, seconds)) };
        Figures {
            ingress,
            egress,
            depth: stats.depth,
            memory_depth: stats.depth.saturating_sub(stats.backend_depth),
            disk_depth: stats.backend_depth,
            in_flight: stats.in_flight_count,
            deferred: stats.deferred_count,
            requeued: stats.requeue_count,
            timed_out: stats.timeout_count,
            messages: stats.message_count,
            clients: stats.client_count,
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a rate of 2^53 messages a second is not to be expected")]
fn rate(messages: i64, seconds: f64) -> f64 {
    messages as f64 / seconds
}

/// The part before the point.
#[expect(clippy::cast_possible_truncation, reason = "cut on purpose; what is too large stays at the bound")]
fn whole(rate: f64) -> i64 {
    rate as i64
}

impl Figures {
    fn add(&mut self, other: &Self) {
        self.ingress += other.ingress;
        self.egress += other.egress;
        for (sum, part) in [
            (&mut self.depth, other.depth),
            (&mut self.memory_depth, other.memory_depth),
            (&mut self.disk_depth, other.disk_depth),
            (&mut self.in_flight, other.in_flight),
            (&mut self.deferred, other.deferred),
            (&mut self.requeued, other.requeued),
            (&mut self.timed_out, other.timed_out),
            (&mut self.messages, other.messages),
            (&mut self.clients, other.clients),
        ] {
            *sum = sum.saturating_add(part);
        }
    }

    /// The line below [`HEAD`].
    pub(crate) fn line(&self) -> String {
        format!(
            "{:7} {:7} | {:7} {:7} {:7} {:5} {:5} | {:7} {:7} {:12} {:7}",
            whole(self.ingress),
            whole(self.egress),
            self.depth,
            self.memory_depth,
            self.disk_depth,
            self.in_flight,
            self.deferred,
            self.requeued,
            self.timed_out,
            self.messages,
            self.clients,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats(message_count: i64, depth: i64) -> ChannelStats {
        ChannelStats { message_count, depth, ..ChannelStats::default() }
    }

    fn nodes(nodes: &[(&str, ChannelStats)]) -> BTreeMap<String, ChannelStats> {
        nodes.iter().map(|(address, stats)| ((*address).to_owned(), stats.clone())).collect()
    }

    #[track_caller]
    fn check_rates(history: &mut History, looked: &[(&str, ChannelStats)], ingress: f64, egress: f64) {
        let total = history.next(nodes(looked)).unwrap().total;
        assert_eq!((total.ingress, total.egress), (ingress, egress));
    }

    /// As recorded of NSQ 1.3: scripts cut columns out of it.
    #[test]
    fn a_line_is_that_of_the_reference() {
        let figures = Figures {
            ingress: 350.9,
            egress: 350.0,
            in_flight: 30,
            deferred: 398,
            requeued: 10632,
            messages: 202_370,
            clients: 6,
            ..Figures::default()
        };
        let expected =
            "    350     350 |       0       0       0    30   398 |   10632       0       202370       6";
        assert_eq!(figures.line(), expected);
        let negative = Figures { egress: -3.7, ..Figures::default() };
        assert_eq!(&negative.line()[..17], "      0      -3 |");
        let small = Figures { egress: -0.7, ..Figures::default() };
        assert_eq!(&small.line()[..17], "      0       0 |");
        assert!(HEAD.lines().all(|line| line.len() == expected.len()));
    }

    #[test]
    fn rates_are_differences_by_the_interval() {
        let mut history = History::new(Duration::from_secs(2));
        assert_eq!(history.next(nodes(&[("a", stats(100, 10)), ("b", stats(5, 5))])), None);
        check_rates(&mut history, &[("a", stats(110, 10)), ("b", stats(9, 3))], 7.0, 8.0);
        check_rates(&mut history, &[("a", stats(110, 6)), ("b", stats(9, 7))], 0.0, 0.0);
    }

    /// A node that was away for one look made the sum drop by all it ever had, and jump at the next.
    #[test]
    fn a_node_that_comes_and_goes_makes_no_jump() {
        let mut history = History::new(Duration::from_secs(1));
        history.next(nodes(&[("a", stats(100, 0)), ("b", stats(1000, 0))]));
        check_rates(&mut history, &[("a", stats(110, 0))], 10.0, 10.0);
        check_rates(&mut history, &[("a", stats(120, 0)), ("b", stats(1040, 0))], 30.0, 30.0);
        // Restarted: its counters begin anew.
        check_rates(&mut history, &[("a", stats(3, 0)), ("b", stats(1041, 0))], 1.0, 1.0);
        // A new node has taken all its messages since the last look.
        check_rates(&mut history, &[("a", stats(3, 0)), ("b", stats(1041, 0)), ("c", stats(7, 7))], 7.0, 0.0);
    }
}
