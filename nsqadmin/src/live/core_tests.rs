//! A cluster that says what a test has it say, look by look.

use std::{collections::BTreeSet, sync::Arc};

use parking_lot::RwLock;

use super::{
    core::{Core, Frame},
    documents::document,
    findings::{Kind, Severity},
    history::History,
    snapshot::{Paused, Snapshot},
    view::View,
};
use crate::cluster::{
    Asked, LookupdSaid, NodeSaid, Survey,
    documents::{ChannelStats, ClientStats, Producer, Stats, TopicStats},
    survey::LookupdKnows,
};

const START_MS: i64 = 1_800_000_000_000;

fn producer(node: u16, topics: &[&str]) -> Producer {
    Producer {
        hostname: format!("host{node}"),
        broadcast_address: "10.0.0.1".to_owned(),
        http_port: node,
        version: "1.3.0".to_owned(),
        topics: topics.iter().map(|topic| (*topic).to_owned()).collect(),
        ..Producer::default()
    }
}

fn topic(name: &str, messages: i64, channels: &[(&str, i64, i64)]) -> TopicStats {
    let channel = |(name, depth, consumers): &(&str, i64, i64)| ChannelStats {
        channel_name: (*name).to_owned(),
        depth: *depth,
        client_count: *consumers,
        message_count: messages,
        ..ChannelStats::default()
    };
    TopicStats {
        topic_name: name.to_owned(),
        message_count: messages,
        channels: channels.iter().map(channel).collect(),
        ..TopicStats::default()
    }
}

fn stats(start_s: i64, topics: Vec<TopicStats>) -> Stats {
    Stats { health: "OK".to_owned(), start_time: start_s, topics, ..Stats::default() }
}

/// A node's answer at this time.
fn said(node: u16, at_ms: i64, said: Result<Stats, &str>) -> NodeSaid {
    let asked = Asked {
        producer: producer(node, &[]),
        at: format!("10.0.0.1:{node}"),
        with_clients: false,
        with_info: false,
    };
    NodeSaid { asked, at_ms, said: said.map_err(ToOwned::to_owned) }
}

fn lookupd(address: &str, topics: &[&str], producers: Vec<Producer>) -> LookupdSaid {
    let topics = topics.iter().map(|topic| (*topic).to_owned()).collect();
    let knows = LookupdKnows { version: "1.3.0".to_owned(), topics, producers };
    LookupdSaid { address: address.to_owned(), said: Ok(knows) }
}

/// A core, and the time in ms since its first look.
struct Cluster {
    core: Core,
    history: Arc<RwLock<History>>,
}

impl Cluster {
    fn new() -> Self {
        let history = Arc::new(RwLock::new(History::new(1 << 20)));
        Self { core: Core::new(Arc::clone(&history)), history }
    }

    fn look(&mut self, ms: i64, survey: Survey) -> Arc<Snapshot> {
        let frame = Frame { now_ms: START_MS + ms, interval_ms: 2000, ..Frame::default() };
        self.core.take(survey, frame)
    }

    /// A look at one node without nsqlookupds.
    fn look_at(&mut self, ms: i64, answer: Result<Stats, &str>) -> Arc<Snapshot> {
        let nodes = vec![said(1, START_MS + ms, answer)];
        self.look(ms, Survey { nodes, ..Survey::default() })
    }
}

fn kinds(snapshot: &Snapshot) -> Vec<Kind> {
    snapshot.findings.iter().map(|finding| finding.kind).collect()
}

/// Protects: a restart gives no rate, the counter of all messages does not fall, and what came meanwhile counts.
#[test]
fn a_restart_gives_no_rate_and_loses_no_messages() {
    let mut cluster = Cluster::new();
    let orders = |messages| vec![topic("orders", messages, &[("c", 5, 0)])];
    let rate = |snapshot: &Snapshot| snapshot.topic("orders").and_then(|topic| topic.total.rates.in_rate);
    let first = cluster.look_at(0, Ok(stats(1, orders(1000))));
    assert_eq!((rate(&first), first.totals.messages), (None, 1000));
    let second = cluster.look_at(2000, Ok(stats(1, orders(1400))));
    assert_eq!((rate(&second), second.totals.messages), (Some(200.0), 1400));
    // Too soon for a rate of its own.
    let hurried = cluster.look_at(2100, Ok(stats(1, orders(1410))));
    assert_eq!((rate(&hurried), hurried.totals.messages), (Some(200.0), 1410));
    let down = cluster.look_at(4000, Err("connection refused"));
    assert_eq!((down.totals.messages, down.topics.len()), (1410, 1));
    let restarted = cluster.look_at(6000, Ok(stats(5, orders(30))));
    assert_eq!((rate(&restarted), restarted.totals.messages), (None, 1440));
    let after = cluster.look_at(8000, Ok(stats(5, orders(50))));
    assert_eq!((rate(&after), after.totals.messages), (Some(10.0), 1460));
    // So fast that the counters have not even fallen.
    let again = cluster.look_at(10_000, Ok(stats(9, orders(70))));
    assert_eq!((rate(&again), again.totals.messages), (None, 1530));
    let series = cluster.history.read();
    let series = series.series(super::Subject::Topic("orders"), 600, 1_800_000_008).unwrap();
    let json = serde_json::to_value(&series).unwrap();
    assert_eq!(json["series"]["in_rate"][119], 10.0, "{json}");
}

/// Protects: an nsqd that nobody knows any more is shown for a while, and asked; then it is forgotten.
#[test]
fn a_node_that_has_gone_is_shown_for_a_while() {
    let mut cluster = Cluster::new();
    let known = || vec![lookupd("l1", &["orders"], vec![producer(1, &["orders"])])];
    let nothing = || vec![lookupd("l1", &["orders"], vec![])];
    let up = stats(1, vec![topic("orders", 1, &[])]);
    let nodes = vec![said(1, START_MS, Ok(up))];
    cluster.look(0, Survey { lookupds: known(), nodes, ..Survey::default() });
    let mut down_since = None;
    for minute in 1..=16 {
        let asked = cluster.core.to_ask(&nothing(), Vec::new(), &BTreeSet::new());
        let is_asked = asked.iter().any(|asked| asked.at == "10.0.0.1:1");
        assert_eq!(is_asked, minute <= 15, "minute {minute}");
        let nodes = asked.iter().map(|asked| said(asked.producer.http_port, 0, Err("connection refused")));
        let survey = Survey { lookupds: nothing(), nodes: nodes.collect(), ..Survey::default() };
        let snapshot = cluster.look(minute * 60_000, survey);
        let Some(node) = snapshot.node("10.0.0.1:1") else {
            assert!(15 <= minute);
            continue;
        };
        assert_eq!(node.error.as_deref(), Some("connection refused"));
        down_since = down_since.or(node.down_since_ms);
        assert_eq!((node.down_since_ms, down_since), (down_since, Some(START_MS + 60_000)));
        assert_eq!(kinds(&snapshot)[0], Kind::NodeDown);
        assert_eq!(snapshot.topic("orders").map(|topic| topic.nodes.len()), Some(1));
    }
    assert!(cluster.core.last().nodes.is_empty());
}

/// Protects: what each nsqlookupd does not know is told, and not while it does not answer.
#[test]
fn nsqlookupds_are_compared() {
    let mut cluster = Cluster::new();
    let survey = |is_second_up: bool| {
        let mut second = lookupd("l2", &["a"], vec![]);
        if !is_second_up {
            second.said = Err("no answer in time".to_owned());
        }
        Survey {
            lookupds: vec![lookupd("l1", &["a", "b"], vec![producer(1, &["a"])]), second],
            nodes: vec![said(1, START_MS, Ok(stats(1, vec![topic("a", 1, &[])])))],
            ..Survey::default()
        }
    };
    let first = cluster.look(0, survey(true));
    assert_eq!(
        (&first.lookupds[1].missing_topics, &first.lookupds[1].missing_nodes),
        (&vec!["b".to_owned()], &vec!["10.0.0.1:1".to_owned()])
    );
    assert_eq!((first.nodes[0].lookupds.len(), first.nodes[0].lookupds_expected), (1, 2));
    assert_eq!(kinds(&first), []);
    let later = cluster.look(15_000, survey(true));
    assert_eq!(kinds(&later), [Kind::NodeInconsistent, Kind::LookupdDisagrees, Kind::NotProduced]);
    let down = cluster.look(17_000, survey(false));
    assert_eq!(kinds(&down), [Kind::LookupdDown, Kind::NotProduced]);
    assert_eq!(down.findings[0].severity, Severity::Warning, "the other one is there");
    let page = document(&View::Lookup, &down);
    assert!(page.contains(r#""inactive":[]"#), "whoever does not answer may know who has it: {page}");
}

/// Protects the first page: backlogs by what is wrong with them.
#[test]
fn backlogs_are_told_apart() {
    let mut cluster = Cluster::new();
    let mut told = Vec::new();
    for second in (0..=40).step_by(2) {
        let mut paused = topic("paused", second, &[("c", 10, 0)]);
        paused.channels[0].paused = true;
        let mut slow = topic("slow", second * 100, &[("c", second * 1000, 2)]);
        slow.channels[0].timeout_count = second * 2;
        slow.channels[0].requeue_count = second * 500;
        slow.channels[0].in_flight_count = 3;
        let mut idle = topic("idle", 5, &[("c", 5, 1)]);
        idle.channels[0].client_count = 1;
        let topics = vec![paused, slow, idle, topic("alone", 5000, &[("c", 5000, 0)])];
        let client = ClientStats {
            remote_address: "10.0.0.9:1".to_owned(),
            finish_count: second * 7,
            ..ClientStats::default()
        };
        let clients = [(("idle".to_owned(), "c".to_owned()), vec![("10.0.0.1:1".to_owned(), vec![client])])];
        let nodes = vec![said(1, START_MS + second * 1000, Ok(stats(1, topics)))];
        let snapshot =
            cluster.look(second * 1000, Survey { nodes, clients: clients.into(), ..Survey::default() });
        told = snapshot
            .findings
            .iter()
            .map(|finding| (finding.kind, finding.severity, finding.text.clone()))
            .collect();
        if second == 40 {
            let client = &snapshot.clients[&("idle".to_owned(), "c".to_owned())][0];
            assert_eq!(client.finish_rate, Some(7.0));
            let row = |name: &str| snapshot.rows.iter().find(|row| row.name == name).unwrap();
            let worst = |name: &str| serde_json::to_value(&**row(name)).unwrap()["worst"].clone();
            assert_eq!((worst("alone"), worst("paused")), ("error".into(), "warning".into()));
            assert_eq!(snapshot.topic("paused").unwrap().channels[0].paused, Paused::All);
        }
    }
    let expected = [
        (Kind::NoConsumers, Severity::Error, "5,000 messages wait and nobody consumes"),
        (Kind::DepthGrowing, Severity::Warning, "40,000 messages wait, 1000 more each second"),
        (
            Kind::RdyZero,
            Severity::Warning,
            "5 messages wait, and none of 1 consumers is ready for any (RDY 0)",
        ),
        (Kind::Timeouts, Severity::Warning, "2.0 messages time out each second"),
        (Kind::Requeues, Severity::Warning, "500.0 messages are requeued each second"),
        (Kind::Paused, Severity::Warning, "it is paused; 10 messages wait"),
    ];
    assert_eq!(told, expected.map(|(kind, severity, text)| (kind, severity, text.to_owned())));
}

/// Protects: figures of several nodes are sums, whatever order they answer in; a pause of some is no pause of all.
#[test]
fn nodes_are_put_together() {
    let mut cluster = Cluster::new();
    let mut one = topic("t", 10, &[("b", 1, 1), ("a", 7, 0)]);
    one.paused = true;
    one.depth = 100;
    let nodes = vec![
        said(2, START_MS, Ok(stats(1, vec![topic("z", 1, &[]), topic("t", 5, &[("b", 4, 0)])]))),
        said(1, START_MS, Ok(stats(1, vec![one]))),
        said(3, START_MS, Err("no answer in time")),
    ];
    let snapshot = cluster.look(0, Survey { nodes, ..Survey::default() });
    let names: Vec<&str> = snapshot.nodes.iter().map(|node| node.address.as_str()).collect();
    assert_eq!(names, ["10.0.0.1:1", "10.0.0.1:2", "10.0.0.1:3"]);
    let t = snapshot.topic("t").unwrap();
    assert_eq!((t.paused, t.total.messages, t.total.consumers, t.nodes.len()), (Paused::Some, 15, 1, 2));
    assert_eq!(t.depth(), 107, "what a pause keeps, and the channel where most waits");
    let channels: Vec<_> =
        t.channels.iter().map(|c| (c.name.as_str(), c.total.depth, c.nodes.len())).collect();
    assert_eq!(channels, [("a", 7, 1), ("b", 5, 2)]);
    assert_eq!((snapshot.totals.messages, snapshot.totals.channels, snapshot.totals.depth), (16, 2, 107));
    for view in [
        View::Overview,
        View::Topics,
        View::Topic("t".to_owned()),
        View::Channel("t".to_owned(), "a".to_owned()),
        View::Nodes,
        View::Node("10.0.0.1:3".to_owned()),
        View::Counter,
    ] {
        let json: serde_json::Value = serde_json::from_str(&document(&view, &snapshot)).unwrap();
        assert_eq!(
            (&json["head"]["nodes_down"], &json["head"]["topics"]),
            (&1.into(), &2.into()),
            "{view:?}"
        );
    }
}

/// Protects: an nsqd that was down at first is one nsqd, whatever it then says that it is called; as is one with two addresses.
#[test]
fn an_nsqd_is_one_by_whatever_address() {
    let mut cluster = Cluster::new();
    let listed = |at: &str| Asked {
        producer: Producer { broadcast_address: at.to_owned(), http_port: 1, ..Producer::default() },
        at: format!("{at}:1"),
        with_clients: false,
        with_info: true,
    };
    let all = || vec![listed("127.0.0.1"), listed("localhost")];
    let mut look = |ms: i64, is_up: bool| {
        let asked = cluster.core.to_ask(&[], all(), &BTreeSet::new());
        let answer = |mut asked: Asked| {
            if is_up {
                asked.producer = producer(1, &[]);
            }
            let up = Ok(stats(1, vec![topic("t", 10, &[])]));
            NodeSaid { asked, at_ms: START_MS + ms, said: if is_up { up } else { Err("refused".to_owned()) } }
        };
        let nodes = asked.into_iter().map(answer).collect();
        cluster.look(ms, Survey { nodes, ..Survey::default() })
    };
    assert_eq!(look(0, false).nodes.len(), 2);
    for ms in [2000, 4000, 6000] {
        let snapshot = look(ms, true);
        let names: Vec<&str> = snapshot.nodes.iter().map(|node| node.address.as_str()).collect();
        assert_eq!((names, snapshot.totals.messages), (vec!["10.0.0.1:1"], 10), "{ms}");
    }
    let down = look(8000, false);
    assert_eq!(down.node("10.0.0.1:1").map(super::seen::NodeSeen::is_up), Some(false));
}
