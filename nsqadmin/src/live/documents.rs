//! The documents of the views, as JSON.

use std::{cmp::Reverse, sync::Arc};

use serde::Serialize;

use super::{
    findings::{Finding, Tally},
    page_documents,
    rows::{NodeRow, RowChanges, TopicRow},
    snapshot::{LookupdSeen, Snapshot, Totals},
    view::View,
};

/// Rows of the lists on the first page.
const TOP: usize = 10;
/// Findings on the first page.
const FINDINGS_MAX: usize = 200;

/// What each document begins with.
#[derive(Debug, Serialize)]
pub(crate) struct Head {
    at_ms: i64,
    interval_ms: u64,
    nodes: usize,
    nodes_down: usize,
    lookupds: usize,
    lookupds_down: usize,
    topics: usize,
    channels: usize,
    depth: i64,
    in_rate: Option<f64>,
    out_rate: Option<f64>,
    findings: Tally,
    warnings: Vec<String>,
}

impl Head {
    fn of(snapshot: &Snapshot) -> Self {
        let totals = &snapshot.totals;
        let down = snapshot.nodes.iter().filter_map(|node| Some((node, node.error.as_ref()?)));
        let lookupds_down = snapshot.lookupds.iter().filter_map(|lookupd| {
            Some(format!("{} (nsqlookupd): {}", lookupd.address, lookupd.error.as_ref()?))
        });
        let warnings = down.clone().map(|(node, error)| {
            let (address, host) = (&node.address, node.hostname());
            format!("{address} ({host}): {error}; its share of the figures is missing")
        });
        Self {
            at_ms: snapshot.at_ms,
            interval_ms: snapshot.interval_ms,
            nodes: snapshot.nodes.len(),
            nodes_down: down.clone().count(),
            lookupds: snapshot.lookupds.len(),
            lookupds_down: lookupds_down.clone().count(),
            topics: snapshot.topics.len(),
            channels: totals.channels,
            depth: totals.depth,
            in_rate: totals.in_rate,
            out_rate: totals.out_rate,
            findings: Tally::of(&snapshot.findings),
            warnings: warnings.chain(lookupds_down).collect(),
        }
    }
}

#[derive(Serialize)]
struct Overview<'a> {
    head: Head,
    findings: &'a [Finding],
    busiest: Vec<&'a TopicRow>,
    deepest: Vec<&'a TopicRow>,
    totals: &'a Totals,
    nodes: Vec<NodeRow<'a>>,
}

#[derive(Serialize)]
struct Topics<'a> {
    head: Head,
    topics: Vec<&'a TopicRow>,
}

#[derive(Serialize)]
struct TopicsPatch<'a> {
    head: Head,
    #[serde(flatten)]
    changes: RowChanges<'a>,
}

#[derive(Serialize)]
struct Nodes<'a> {
    head: Head,
    nodes: Vec<NodeRow<'a>>,
}

#[derive(Serialize)]
struct Lookup<'a> {
    head: Head,
    lookupds: Vec<LookupdRow<'a>>,
    inactive: Vec<Inactive<'a>>,
}

#[derive(Serialize)]
struct LookupdRow<'a> {
    address: &'a str,
    is_up: bool,
    error: Option<&'a str>,
    version: &'a str,
    topics: usize,
    nodes: usize,
    missing_topics: &'a [String],
    missing_nodes: &'a [String],
}

#[derive(Serialize)]
struct Inactive<'a> {
    topic: &'a str,
    channels: Vec<&'a str>,
}

#[derive(Serialize)]
struct Counter {
    head: Head,
    messages: i64,
    rate: Option<f64>,
}

/// The whole document of a view.
pub(crate) fn document(view: &View, snapshot: &Snapshot) -> String {
    let head = Head::of(snapshot);
    match view {
        View::Overview => json(&overview(head, snapshot)),
        View::Topics => json(&Topics { head, topics: snapshot.rows.iter().map(|row| &**row).collect() }),
        View::Topic(topic) => json(&page_documents::topic_page(head, snapshot, topic)),
        View::Channel(topic, channel) => json(&page_documents::channel_page(head, snapshot, topic, channel)),
        View::Nodes => json(&Nodes { head, nodes: node_rows(snapshot) }),
        View::Node(node) => json(&page_documents::node_page(head, snapshot, node)),
        View::Lookup => json(&lookup(head, snapshot)),
        View::Counter => {
            json(&Counter { head, messages: snapshot.totals.messages, rate: snapshot.totals.in_rate })
        }
    }
}

/// What changed in the list of topics.
pub(crate) fn topics_patch(before: &[Arc<TopicRow>], snapshot: &Snapshot) -> String {
    json(&TopicsPatch { head: Head::of(snapshot), changes: RowChanges::between(before, &snapshot.rows) })
}

fn json(document: &impl Serialize) -> String {
    serde_json::to_string(document).expect("documents have string keys and no failing parts")
}

fn overview(head: Head, snapshot: &Snapshot) -> Overview<'_> {
    let flow = |row: &TopicRow| row.in_rate.unwrap_or(0.0).max(row.out_rate.unwrap_or(0.0));
    let mut busiest: Vec<&TopicRow> =
        snapshot.rows.iter().map(|row| &**row).filter(|row| 0.0 < flow(row)).collect();
    // Stable: of equals, by name.
    busiest.sort_by(|one, other| flow(other).total_cmp(&flow(one)));
    busiest.truncate(TOP);
    let mut deepest: Vec<&TopicRow> =
        snapshot.rows.iter().map(|row| &**row).filter(|row| 0 < row.depth).collect();
    deepest.sort_by_key(|row| Reverse(row.depth));
    deepest.truncate(TOP);
    let findings = snapshot.findings.get(..FINDINGS_MAX).unwrap_or(&snapshot.findings);
    Overview { head, findings, busiest, deepest, totals: &snapshot.totals, nodes: node_rows(snapshot) }
}

fn node_rows(snapshot: &Snapshot) -> Vec<NodeRow<'_>> {
    snapshot.nodes.iter().map(|node| NodeRow::of(node, snapshot.at_ms)).collect()
}

fn lookup(head: Head, snapshot: &Snapshot) -> Lookup<'_> {
    let inactive = snapshot.topics.iter().filter(|topic| topic.nodes.is_empty()).map(|topic| {
        let channels = snapshot.reserved.get(&topic.name);
        Inactive {
            topic: &topic.name,
            channels: channels.into_iter().flatten().map(String::as_str).collect(),
        }
    });
    Lookup {
        head,
        lookupds: snapshot.lookupds.iter().map(LookupdRow::of).collect(),
        // Whoever does not answer may know who has them.
        inactive: if snapshot.lookupds.iter().any(|lookupd| lookupd.error.is_some()) {
            Vec::new()
        } else {
            inactive.collect()
        },
    }
}

impl<'a> LookupdRow<'a> {
    fn of(lookupd: &'a LookupdSeen) -> Self {
        Self {
            address: &lookupd.address,
            is_up: lookupd.error.is_none(),
            error: lookupd.error.as_deref(),
            version: &lookupd.version,
            topics: lookupd.topics,
            nodes: lookupd.nodes,
            missing_topics: &lookupd.missing_topics,
            missing_nodes: &lookupd.missing_nodes,
        }
    }
}
