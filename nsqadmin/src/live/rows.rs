//! Rows of tables: a topic, a node.

use std::{cmp::Ordering, collections::HashMap, sync::Arc};

use serde::Serialize;

use super::{
    findings::{Finding, Severity},
    seen::NodeSeen,
    snapshot::{Paused, Topic},
};

/// Of the channels that nobody consumes, so many are named.
const NAMED_MAX: usize = 20;

/// A topic in the list of topics.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct TopicRow {
    pub(crate) name: String,
    pub(crate) depth: i64,
    depth_rate: Option<f64>,
    in_flight: i64,
    deferred: i64,
    messages: i64,
    pub(crate) in_rate: Option<f64>,
    pub(crate) out_rate: Option<f64>,
    requeue_rate: Option<f64>,
    timeout_rate: Option<f64>,
    channels: usize,
    consumers: i64,
    nodes: usize,
    paused: Paused,
    is_ephemeral: bool,
    no_consumers: Vec<String>,
    latency_ns: Option<i64>,
    worst: Option<Severity>,
}

/// A node in the list of nodes.
#[derive(Debug, Serialize)]
pub(crate) struct NodeRow<'a> {
    node: &'a str,
    hostname: &'a str,
    broadcast_address: &'a str,
    tcp_port: u16,
    http_port: u16,
    version: &'a str,
    region: &'a str,
    zone: &'a str,
    is_up: bool,
    error: Option<&'a str>,
    down_since_ms: Option<i64>,
    is_out_of_date: bool,
    lookupds: &'a [String],
    lookupds_expected: usize,
    health: Option<&'a str>,
    uptime_s: Option<i64>,
    memory_bytes: Option<u64>,
    topics: usize,
    depth: i64,
    in_rate: Option<f64>,
    out_rate: Option<f64>,
    consumers: i64,
    producers: usize,
    tombstoned_topics: Vec<&'a str>,
}

pub(crate) fn is_ephemeral(name: &str) -> bool {
    name.ends_with("#ephemeral")
}

impl TopicRow {
    fn of(topic: &Topic, worst: Option<Severity>) -> Self {
        let (total, rates) = (&topic.total, &topic.total.rates);
        let idle = topic.channels.iter().filter(|channel| {
            0 < channel.total.depth && channel.total.consumers == 0 && !is_ephemeral(&channel.name)
        });
        Self {
            name: topic.name.clone(),
            depth: topic.depth(),
            depth_rate: topic.depth_rate(),
            in_flight: total.in_flight,
            deferred: total.deferred,
            messages: total.messages,
            in_rate: rates.in_rate,
            out_rate: rates.out_rate,
            requeue_rate: rates.requeue_rate,
            timeout_rate: rates.timeout_rate,
            channels: topic.channels.len(),
            consumers: total.consumers,
            nodes: topic.nodes.len(),
            paused: topic.paused,
            is_ephemeral: is_ephemeral(&topic.name),
            no_consumers: idle.take(NAMED_MAX).map(|channel| channel.name.clone()).collect(),
            latency_ns: topic.channels.iter().filter_map(|channel| channel.total.worst_latency_ns()).max(),
            worst,
        }
    }
}

/// A row for each topic; those that are as they were are shared with the `last` ones, which are in the same order.
pub(crate) fn rows(topics: &[Topic], findings: &[Finding], last: &[Arc<TopicRow>]) -> Vec<Arc<TopicRow>> {
    let mut worst: HashMap<&str, Severity> = HashMap::new();
    for finding in findings.iter().filter(|finding| finding.severity < Severity::Info) {
        if let Some(topic) = &finding.place.topic {
            let known = worst.entry(topic).or_insert(finding.severity);
            *known = finding.severity.min(*known);
        }
    }
    let mut last = last.iter().peekable();
    let row = |topic: &Topic| {
        let row = TopicRow::of(topic, worst.get(topic.name.as_str()).copied());
        while last.next_if(|last| last.name < row.name).is_some() {}
        match last.next_if(|last| ***last == row) {
            Some(same) => Arc::clone(same),
            None => Arc::new(row),
        }
    };
    topics.iter().map(row).collect()
}

/// What changed from one list of rows to another, both by name.
#[derive(Debug, Default, PartialEq, Serialize)]
pub(crate) struct RowChanges<'a> {
    pub(crate) changed: Vec<&'a TopicRow>,
    pub(crate) removed: Vec<&'a str>,
}

impl<'a> RowChanges<'a> {
    pub(crate) fn between(before: &'a [Arc<TopicRow>], now: &'a [Arc<TopicRow>]) -> Self {
        let mut changes = Self::default();
        let (mut before, mut now) = (before.iter().peekable(), now.iter().peekable());
        loop {
            let order = match (before.peek(), now.peek()) {
                (None, None) => return changes,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(before), Some(now)) => before.name.cmp(&now.name),
            };
            let old = if order == Ordering::Greater { None } else { before.next() };
            let new = if order == Ordering::Less { None } else { now.next() };
            match (old, new) {
                (Some(old), None) => changes.removed.push(&old.name),
                (Some(old), Some(new)) if Arc::ptr_eq(old, new) || old == new => {}
                (_, Some(new)) => changes.changed.push(new),
                (None, None) => {}
            }
        }
    }
}

impl<'a> NodeRow<'a> {
    pub(crate) fn of(node: &'a NodeSeen, now_ms: i64) -> Self {
        let (producer, stats) = (&node.producer, node.stats.as_deref());
        let present = node.present();
        let counts = present.map(|stats| &stats.counts);
        Self {
            node: &node.address,
            hostname: node.hostname(),
            broadcast_address: &producer.broadcast_address,
            tcp_port: producer.tcp_port,
            http_port: producer.http_port,
            version: node.version(),
            region: &producer.topology_region,
            zone: &producer.topology_zone,
            is_up: node.is_up(),
            error: node.error.as_deref(),
            down_since_ms: node.down_since_ms,
            is_out_of_date: node.is_out_of_date,
            lookupds: &node.lookupds,
            lookupds_expected: node.lookupds_expected,
            health: present.map(|stats| stats.health.as_str()),
            uptime_s: present.map(|stats| (now_ms / 1000 - stats.start_s).max(0)),
            memory_bytes: present.map(|stats| stats.memory_bytes),
            topics: stats.map_or(node.registered.len(), |stats| stats.topics.len()),
            depth: counts.map_or(0, |counts| counts.depth),
            in_rate: counts.and_then(|counts| counts.rates.in_rate),
            out_rate: counts.and_then(|counts| counts.rates.out_rate),
            consumers: counts.map_or(0, |counts| counts.consumers),
            producers: present.map_or(0, |stats| stats.producers),
            tombstoned_topics: node.tombstoned.iter().map(String::as_str).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::btree_map, prelude::proptest};

    use super::*;

    fn topics(depths: &std::collections::BTreeMap<u8, i64>) -> Vec<Topic> {
        let topic = |(name, depth): (&u8, &i64)| {
            let mut topic = Topic { name: format!("t{name:03}"), ..Topic::default() };
            topic.total.depth = *depth;
            topic
        };
        depths.iter().map(topic).collect()
    }

    proptest! {
        /// Protects: who applies the changes to what he had, has what there is.
        #[test]
        fn changes_lead_from_one_to_the_other(
            before in btree_map(0u8..30, 0i64..3, 0..20),
            now in btree_map(0u8..30, 0i64..3, 0..20),
        ) {
            let before_rows = rows(&topics(&before), &[], &[]);
            let now_rows = rows(&topics(&now), &[], &before_rows);
            let changes = RowChanges::between(&before_rows, &now_rows);
            let mut applied: std::collections::BTreeMap<&str, &TopicRow> =
                before_rows.iter().map(|row| (row.name.as_str(), &**row)).collect();
            for name in &changes.removed {
                assert!(applied.remove(name).is_some());
                assert!(now_rows.iter().all(|row| row.name != *name), "{name} is still there");
            }
            for row in &changes.changed {
                assert_ne!(applied.insert(&row.name, row), Some(*row), "a change that is none");
            }
            let expected: Vec<&TopicRow> = now_rows.iter().map(|row| &**row).collect();
            assert_eq!(applied.into_values().collect::<Vec<_>>(), expected);
            for (row, same) in before_rows.iter().filter_map(|row| Some((row, now_rows.iter().find(|now| *now == row)?))) {
                assert!(Arc::ptr_eq(row, same), "rows that stay are shared");
            }
        }
    }
}
