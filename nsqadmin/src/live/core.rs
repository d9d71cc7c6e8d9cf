//! What is remembered from one look at the cluster to the next.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use parking_lot::RwLock;
use semver::Version;

use super::{
    findings::Findings,
    history::{History, Subject},
    rates::per_second,
    rows, rules,
    seen::{NodeSeen, NodeStats},
    snapshot::{self, ClientSeen, LookupdSeen, Snapshot},
    track::{Sample, UNKNOWN},
    view::View,
};
use crate::cluster::{
    Asked, LookupdSaid, NodeSaid, Survey,
    documents::{ClientStats, Producer},
    host_port,
};

/// A node that no nsqlookupd knows and that does not answer is forgotten after so long.
const FORGOTTEN_MS: i64 = 15 * 60 * 1000;
/// Nodes that are remembered.
const NODES_MAX: usize = 10_000;
/// Names of what an nsqlookupd does not know.
const MISSING_MAX: usize = 100;

/// A node over time.
#[derive(Debug)]
struct NodeMemory {
    producer: Producer,
    at: String,
    /// The look that rates are counted from.
    base: Option<Arc<NodeStats>>,
    last: Option<Arc<NodeStats>>,
    down_since_ms: Option<i64>,
    /// When it was last in a list, or answered.
    known_ms: i64,
}

#[derive(Debug, Clone, Copy)]
struct ClientMemory {
    finished: i64,
    at_ms: i64,
    rate: Option<f64>,
}

/// What a look has besides what was said.
#[derive(Debug, Default)]
pub(crate) struct Frame {
    /// Unix time in ms.
    pub(crate) now_ms: i64,
    /// Until the next look.
    pub(crate) interval_ms: u64,
    /// See [`Snapshot`].
    pub(crate) able: BTreeSet<String>,
    pub(crate) views: HashSet<View>,
}

/// Turns what servers say into snapshots.
#[derive(Debug)]
pub(crate) struct Core {
    nodes: BTreeMap<String, NodeMemory>,
    clients: HashMap<(String, String), ClientMemory>,
    findings: Findings,
    history: Arc<RwLock<History>>,
    messages: i64,
    last: Arc<Snapshot>,
}

impl Core {
    pub(crate) fn new(history: Arc<RwLock<History>>) -> Self {
        Self {
            nodes: BTreeMap::new(),
            clients: HashMap::new(),
            findings: Findings::default(),
            history,
            messages: 0,
            last: Arc::default(),
        }
    }

    pub(crate) fn last(&self) -> &Arc<Snapshot> {
        &self.last
    }

    /// Whom to ask: those that nsqlookupds or the options (`listed`) name, and those that were there before.
    pub(crate) fn to_ask(
        &self,
        lookupds: &[LookupdSaid],
        listed: Vec<Asked>,
        with_clients: &BTreeSet<String>,
    ) -> Vec<Asked> {
        let mut nodes: BTreeMap<String, Asked> = BTreeMap::new();
        let producers = lookupds.iter().filter_map(|lookupd| lookupd.said.as_ref().ok());
        for producer in producers.flat_map(|knows| &knows.producers) {
            let at = host_port(&producer.broadcast_address, producer.http_port);
            let asked =
                Asked { producer: producer.clone(), at: at.clone(), with_clients: false, with_info: false };
            nodes.entry(at).or_insert(asked);
        }
        for mut asked in listed {
            // One that does not answer now may have told before how it is called.
            if let Some(known) = self.nodes.values().find(|known| known.at == asked.at) {
                asked.producer = known.producer.clone();
            }
            let name = host_port(&asked.producer.broadcast_address, asked.producer.http_port);
            nodes.entry(name).or_insert(asked);
        }
        let places: BTreeSet<String> = nodes.values().map(|asked| asked.at.clone()).collect();
        for (name, known) in self.nodes.iter().filter(|(_, known)| !places.contains(&known.at)) {
            let (producer, at) = (known.producer.clone(), known.at.clone());
            nodes.entry(name.clone()).or_insert(Asked {
                producer,
                at,
                with_clients: false,
                with_info: false,
            });
        }
        for name in with_clients {
            if let Some(asked) = nodes.get_mut(name) {
                asked.with_clients = true;
            }
        }
        nodes.into_values().take(NODES_MAX).collect()
    }

    /// Takes all that was said, and returns what is known now.
    pub(crate) fn take(&mut self, survey: Survey, frame: Frame) -> Arc<Snapshot> {
        let Frame { now_ms, interval_ms, able, views } = frame;
        let Survey { lookupds, nodes: said, clients, reserved } = survey;
        let nodes = self.nodes(&lookupds, said, now_ms);
        let registered: BTreeSet<&str> = lookupds
            .iter()
            .filter_map(|lookupd| lookupd.said.as_ref().ok())
            .flat_map(|knows| knows.topics.iter().map(String::as_str))
            .collect();
        let topics = snapshot::topics(&nodes, registered);
        let totals = snapshot::totals(&topics, self.messages);
        let mut remembered = HashMap::new();
        let node_clients = self.node_clients(&nodes, now_ms, &mut remembered);
        let clients = clients.into_iter().map(|((topic, channel), parts)| {
            let place = format!("{topic}/{channel}");
            let clients = parts
                .into_iter()
                .flat_map(|(node, clients)| self.clients(&node, &place, &clients, now_ms, &mut remembered));
            let clients = clients.collect();
            ((topic, channel), clients)
        });
        let clients = clients.collect();
        self.clients = remembered;
        let mut snapshot = Snapshot {
            number: self.last.number + 1,
            at_ms: now_ms,
            interval_ms,
            lookupds: seen_lookupds(&lookupds),
            nodes,
            topics,
            rows: Vec::new(),
            totals,
            findings: Vec::new(),
            clients,
            node_clients,
            reserved,
            able,
            views,
        };
        snapshot.findings = self.findings.update(now_ms, rules::candidates(&snapshot));
        snapshot.rows = rows::rows(&snapshot.topics, &snapshot.findings, &self.last.rows);
        self.record(&snapshot);
        self.last = Arc::new(snapshot);
        Arc::clone(&self.last)
    }

    fn nodes(&mut self, lookupds: &[LookupdSaid], said: Vec<NodeSaid>, now_ms: i64) -> Vec<NodeSeen> {
        let mut seen: Vec<NodeSeen> = Vec::with_capacity(said.len());
        let mut seen_names = BTreeSet::new();
        for said in said {
            // Two addresses of the options may be of one nsqd.
            if seen_names.insert(said.address()) {
                seen.push(self.node(lookupds, said, now_ms));
            }
        }
        self.nodes.retain(|name, known| {
            seen_names.contains(name) && now_ms < known.known_ms.saturating_add(FORGOTTEN_MS)
        });
        seen.retain(|node| self.nodes.contains_key(&node.address));
        let version = |node: &NodeSeen| Version::parse(node.version()).ok();
        let newest = seen.iter().filter_map(version).max();
        for node in &mut seen {
            node.is_out_of_date = version(node) < newest && !node.version().is_empty();
        }
        seen.sort_by(|one, other| (one.hostname(), &one.address).cmp(&(other.hostname(), &other.address)));
        seen
    }

    fn node(&mut self, lookupds: &[LookupdSaid], said: NodeSaid, now_ms: i64) -> NodeSeen {
        let address = said.address();
        let memory = self.nodes.entry(address.clone()).or_insert_with(|| NodeMemory {
            producer: said.asked.producer.clone(),
            at: said.asked.at.clone(),
            base: None,
            last: None,
            down_since_ms: None,
            known_ms: now_ms,
        });
        memory.producer = said.asked.producer;
        memory.at = said.asked.at;
        let mut seen = NodeSeen {
            address,
            producer: memory.producer.clone(),
            lookupds_expected: lookupds.len(),
            ..NodeSeen::default()
        };
        for lookupd in lookupds {
            let Ok(knows) = &lookupd.said else { continue };
            let own = knows.producers.iter().find(|producer| {
                producer.http_port == seen.producer.http_port
                    && producer.broadcast_address == seen.producer.broadcast_address
            });
            let Some(own) = own else { continue };
            seen.lookupds.push(lookupd.address.clone());
            let tombstones = own.tombstones.iter().copied().chain(std::iter::repeat(false));
            for (topic, is_tombstoned) in own.topics.iter().zip(tombstones) {
                // One that answers says itself what it has.
                if said.said.is_err() {
                    seen.registered.insert(topic.clone());
                }
                if is_tombstoned {
                    seen.tombstoned.insert(topic.clone());
                }
            }
        }
        if !seen.lookupds.is_empty() || lookupds.is_empty() || said.said.is_ok() {
            memory.known_ms = now_ms;
        }
        match said.said {
            Ok(stats) => {
                memory.down_since_ms = None;
                let mut stats = NodeStats::new(stats, said.at_ms);
                stats.rate(memory.base.as_deref(), memory.last.as_deref());
                self.messages = self.messages.saturating_add(risen(memory.last.as_deref(), &stats));
                let stats = Arc::new(stats);
                let is_base_due = match &memory.base {
                    Some(base) => stats.start_s != base.start_s || stats.may_follow(base),
                    None => true,
                };
                if is_base_due {
                    memory.base = Some(Arc::clone(&stats));
                }
                memory.last = Some(stats);
            }
            Err(error) => {
                seen.error = Some(error);
                seen.down_since_ms = Some(*memory.down_since_ms.get_or_insert(now_ms));
            }
        }
        seen.stats.clone_from(&memory.last);
        seen
    }

    fn node_clients(
        &self,
        nodes: &[NodeSeen],
        now_ms: i64,
        remembered: &mut HashMap<(String, String), ClientMemory>,
    ) -> BTreeMap<(String, String, String), Vec<ClientSeen>> {
        let mut all = BTreeMap::new();
        for node in nodes {
            for topic in node.present().iter().flat_map(|stats| &stats.topics) {
                for channel in &topic.channels {
                    let Some(clients) = &channel.clients else { continue };
                    let place = format!("{}/{}", topic.name, channel.name);
                    let clients = self.clients(&node.address, &place, clients, now_ms, remembered);
                    let key = (node.address.clone(), topic.name.clone(), channel.name.clone());
                    all.insert(key, clients);
                }
            }
        }
        all
    }

    fn clients(
        &self,
        node: &str,
        place: &str,
        clients: &[ClientStats],
        now_ms: i64,
        remembered: &mut HashMap<(String, String), ClientMemory>,
    ) -> Vec<ClientSeen> {
        let mut seen = Vec::with_capacity(clients.len());
        for stats in clients {
            let key = (format!("{node}/{place}"), stats.remote_address.clone());
            let finished = stats.finish_count;
            let mut memory = ClientMemory { finished, at_ms: now_ms, rate: None };
            if let Some(before) = self.clients.get(&key).filter(|before| before.finished <= finished) {
                if before.at_ms.saturating_add(1000) <= now_ms {
                    #[expect(clippy::cast_precision_loss, reason = "the time between two looks is short")]
                    let seconds = (now_ms - before.at_ms) as f64 / 1000.0;
                    memory.rate = Some(per_second(finished - before.finished, seconds));
                } else {
                    memory = *before;
                }
            }
            seen.push(ClientSeen { node: node.to_owned(), stats: stats.clone(), finish_rate: memory.rate });
            remembered.insert(key, memory);
        }
        seen
    }

    fn record(&self, snapshot: &Snapshot) {
        let now_s = u32::try_from(snapshot.at_ms / 1000).unwrap_or(0);
        let mut history = self.history.write();
        let (totals, known) = (&snapshot.totals, |rate: Option<f64>| rate.map_or(f32::NAN, narrow));
        let cluster = [
            count(totals.depth),
            known(totals.in_rate),
            known(totals.out_rate),
            count(totals.in_flight),
            count(totals.deferred),
            known(totals.requeue_rate),
            known(totals.timeout_rate),
            f32::NAN,
        ];
        if snapshot.nodes.iter().any(NodeSeen::is_up) {
            history.observe(now_s, Subject::Cluster, &cluster);
        }
        for node in &snapshot.nodes {
            let sample = node.present().map_or(UNKNOWN, |stats| sample(&stats.counts));
            history.observe(now_s, Subject::Node(&node.address), &sample);
        }
        for topic in snapshot.topics.iter().filter(|topic| !topic.nodes.is_empty()) {
            let mut of_topic = sample(&topic.total);
            of_topic[0] = count(topic.depth());
            for channel in &topic.channels {
                let sample = sample(&channel.total);
                // NaN gives way.
                of_topic[7] = of_topic[7].max(sample[7]);
                history.observe(now_s, Subject::Channel(&topic.name, &channel.name), &sample);
            }
            history.observe(now_s, Subject::Topic(&topic.name), &of_topic);
        }
        history.sweep(now_s);
    }
}

/// Messages since an earlier look, each once. A counter that began anew counts from 0, as does one that is new.
fn risen(before: Option<&NodeStats>, now: &NodeStats) -> i64 {
    let before = before.filter(|before| before.start_s == now.start_s);
    now.topics.iter().fold(0i64, |sum, topic| {
        let then =
            before.and_then(|before| before.topic(&topic.name)).map_or(0, |topic| topic.counts.messages);
        let (now, then) = (topic.counts.messages.max(0), then.max(0));
        sum.saturating_add(if now < then { now } else { now - then })
    })
}

fn seen_lookupds(said: &[LookupdSaid]) -> Vec<LookupdSeen> {
    let name = |producer: &Producer| host_port(&producer.broadcast_address, producer.http_port);
    let knowing = || said.iter().filter_map(|lookupd| lookupd.said.as_ref().ok());
    let topics: BTreeSet<&str> =
        knowing().flat_map(|knows| knows.topics.iter().map(String::as_str)).collect();
    let nodes: BTreeSet<String> = knowing().flat_map(|knows| knows.producers.iter().map(name)).collect();
    let seen = |lookupd: &LookupdSaid| match &lookupd.said {
        Err(error) => LookupdSeen {
            address: lookupd.address.clone(),
            error: Some(error.clone()),
            ..LookupdSeen::default()
        },
        Ok(knows) => {
            let own: BTreeSet<String> = knows.producers.iter().map(name).collect();
            let missing = topics.iter().filter(|topic| !knows.topics.contains(**topic));
            LookupdSeen {
                address: lookupd.address.clone(),
                error: None,
                version: knows.version.clone(),
                topics: knows.topics.len(),
                nodes: own.len(),
                missing_topics: missing.take(MISSING_MAX).map(|topic| (*topic).to_owned()).collect(),
                missing_nodes: nodes.difference(&own).take(MISSING_MAX).cloned().collect(),
            }
        }
    };
    said.iter().map(seen).collect()
}

fn sample(counts: &super::counts::Counts) -> Sample {
    let known = |rate: Option<f64>| rate.map_or(f32::NAN, narrow);
    let rates = &counts.rates;
    [
        count(counts.depth),
        known(rates.in_rate),
        known(rates.out_rate),
        count(counts.in_flight),
        count(counts.deferred),
        known(rates.requeue_rate),
        known(rates.timeout_rate),
        counts.worst_latency_ns().map_or(f32::NAN, count),
    ]
}

#[expect(clippy::cast_precision_loss, reason = "seven digits do for a curve")]
fn count(count: i64) -> f32 {
    count as f32
}

#[expect(clippy::cast_possible_truncation, reason = "seven digits do for a curve")]
fn narrow(rate: f64) -> f32 {
    rate as f32
}
