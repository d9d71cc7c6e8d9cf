//! What is wrong in a snapshot, by rules each of which looks at one thing.

use std::collections::BTreeSet;

use super::{
    findings::{Candidate, Kind, Place, Severity},
    seen::NodeSeen,
    snapshot::{Channel, Paused, Snapshot, Topic},
};

/// Fewer waiting messages are no backlog.
const BACKLOG_MIN: i64 = 1000;
/// Of what comes in, this share has to pile up.
const GROWTH_MIN: f64 = 0.05;
/// Messages that time out each second.
const TIMEOUTS_MIN: f64 = 0.1;
/// Of what is done, this share has to be requeued.
const REQUEUES_MIN: f64 = 0.1;

/// All rules that hold.
pub(crate) fn candidates(snapshot: &Snapshot) -> Vec<Candidate> {
    let mut found = Vec::new();
    for node in &snapshot.nodes {
        of_node(node, &mut found);
    }
    inconsistent(snapshot, &mut found);
    of_lookupds(snapshot, &mut found);
    for topic in &snapshot.topics {
        of_topic(snapshot, topic, &mut found);
        for channel in &topic.channels {
            of_channel(snapshot, topic, channel, &mut found);
        }
    }
    found
}

fn of_node(node: &NodeSeen, found: &mut Vec<Candidate>) {
    let mut add = |kind, severity, text: String, advice| {
        found.push(Candidate { kind, severity, place: Place::node(&node.address), text, advice });
    };
    if let Some(error) = &node.error {
        let text = format!("{} does not answer: {error}", node.hostname());
        let advice = "look at the process and its network; its share of the figures is missing";
        add(Kind::NodeDown, Severity::Error, text, advice);
    }
    if node.is_out_of_date {
        let text = format!("{} runs version {}, others a newer one", node.hostname(), node.version());
        add(Kind::NodeOutOfDate, Severity::Info, text, "upgrade it");
    }
    for topic in &node.tombstoned {
        let place = Place { node: Some(node.address.clone()), ..Place::topic(topic) };
        let text = format!("{} of {} is hidden from consumers that look for it", topic, node.hostname());
        let advice = "nothing, if it was meant; it is shown again when the tombstone's time is over";
        found.push(Candidate { kind: Kind::Tombstoned, severity: Severity::Info, place, text, advice });
    }
    let Some(stats) = node.present() else { return };
    if !stats.health.is_empty() && stats.health != "OK" {
        let text = format!("{} is unwell: {}", node.hostname(), stats.health);
        let place = Place::node(&node.address);
        let advice = "look at its disk and its log";
        found.push(Candidate { kind: Kind::NodeUnwell, severity: Severity::Error, place, text, advice });
    }
    // One line for all of a topic: what happened is in the log of the nsqd.
    let topics: BTreeSet<Option<&str>> = stats.alarms.iter().map(|alarm| alarm.topic.as_deref()).collect();
    for topic in topics {
        let mut alarms = stats.alarms.iter().filter(|alarm| alarm.topic.as_deref() == topic);
        let Some(first) = alarms.next() else { continue };
        let more = alarms.count();
        let more = if more == 0 { String::new() } else { format!(" (and {more} more)") };
        let text = format!("{}: {}: {}{more}", node.hostname(), first.file, first.what);
        let place = Place { topic: topic.map(ToOwned::to_owned), ..Place::node(&node.address) };
        let advice = "read what was lost in its log; then say that it was seen";
        found.push(Candidate { kind: Kind::Alarm, severity: Severity::Error, place, text, advice });
    }
}

/// Nodes that not all nsqlookupds that answer know.
fn inconsistent(snapshot: &Snapshot, found: &mut Vec<Candidate>) {
    let up: Vec<&str> = snapshot
        .lookupds
        .iter()
        .filter(|lookupd| lookupd.error.is_none())
        .map(|lookupd| lookupd.address.as_str())
        .collect();
    for node in snapshot.nodes.iter().filter(|node| node.is_up()) {
        let missing: Vec<&str> =
            up.iter().copied().filter(|up| !node.lookupds.iter().any(|known| known == up)).collect();
        if !missing.is_empty() {
            let text = format!("{} is not registered at {}", node.hostname(), missing.join(", "));
            let advice = "compare its --lookupd-tcp-address with nsqadmin's --lookupd-http-address";
            let place = Place::node(&node.address);
            let kind = Kind::NodeInconsistent;
            found.push(Candidate { kind, severity: Severity::Warning, place, text, advice });
        }
    }
}

fn of_lookupds(snapshot: &Snapshot, found: &mut Vec<Candidate>) {
    let are_all_down = snapshot.lookupds.iter().all(|lookupd| lookupd.error.is_some());
    for lookupd in &snapshot.lookupds {
        let place = Place::node(&lookupd.address);
        if let Some(error) = &lookupd.error {
            let severity = if are_all_down { Severity::Error } else { Severity::Warning };
            let text = format!("nsqlookupd {} does not answer: {error}", lookupd.address);
            let advice = "look at the process and its network; consumers still find what the others know";
            found.push(Candidate { kind: Kind::LookupdDown, severity, place, text, advice });
        } else if !lookupd.missing_topics.is_empty() || !lookupd.missing_nodes.is_empty() {
            let (topics, nodes) = (lookupd.missing_topics.len(), lookupd.missing_nodes.len());
            let text = format!(
                "nsqlookupd {} does not know {topics} topics and {nodes} nodes that others know",
                lookupd.address
            );
            let advice = "look at whether all nsqds are connected to it";
            let kind = Kind::LookupdDisagrees;
            found.push(Candidate { kind, severity: Severity::Warning, place, text, advice });
        }
    }
}

fn of_topic(snapshot: &Snapshot, topic: &Topic, found: &mut Vec<Candidate>) {
    let place = Place::topic(&topic.name);
    if topic.nodes.is_empty() {
        let text = "it is registered, and no nsqd has it".to_owned();
        let advice = "start its producers, or delete it if nobody needs it";
        found.push(Candidate { kind: Kind::NotProduced, severity: Severity::Info, place, text, advice });
        return;
    }
    if topic.paused != Paused::No {
        let waiting = topic.total.depth;
        paused(place, topic.paused, topic.nodes.len(), waiting, found);
    }
    let is_growing =
        topic.total.depth >= BACKLOG_MIN && topic.channels.is_empty() && !snapshot.nodes.is_empty();
    if is_growing && topic.total.rates.depth_rate.is_some_and(|rate| 0.0 < rate) {
        let text = format!("{} messages wait, and it has no channel", grouped(topic.total.depth));
        let advice = "start a consumer, or delete the topic";
        let (kind, severity) = (Kind::NoConsumers, Severity::Warning);
        found.push(Candidate { kind, severity, place: Place::topic(&topic.name), text, advice });
    }
}

fn paused(place: Place, paused: Paused, nodes: usize, waiting: i64, found: &mut Vec<Candidate>) {
    let on = if paused == Paused::All { String::new() } else { format!(" on some of {nodes} nodes") };
    let text = format!("it is paused{on}; {} messages wait", grouped(waiting));
    let severity = if waiting == 0 { Severity::Info } else { Severity::Warning };
    found.push(Candidate {
        kind: Kind::Paused,
        severity,
        place,
        text,
        advice: "unpause it when it may go on",
    });
}

fn of_channel(snapshot: &Snapshot, topic: &Topic, channel: &Channel, found: &mut Vec<Candidate>) {
    let (counts, rates) = (&channel.total, &channel.total.rates);
    let mut add = |kind, severity, text: String, advice| {
        let place = Place::channel(&topic.name, &channel.name);
        found.push(Candidate { kind, severity, place, text, advice });
    };
    let done = rates.out_rate.unwrap_or(0.0);
    if let Some(rate) = rates.timeout_rate.filter(|rate| TIMEOUTS_MIN <= *rate) {
        let text = format!("{rate:.1} messages time out each second");
        let advice = "consumers take longer than their message time-out: raise it, or have them TOUCH";
        add(Kind::Timeouts, Severity::Warning, text, advice);
    }
    if let Some(rate) = rates.requeue_rate.filter(|rate| 1.0 <= *rate && REQUEUES_MIN * done <= *rate) {
        let text = format!("{rate:.1} messages are requeued each second");
        add(Kind::Requeues, Severity::Warning, text, "look at why its consumers give messages back");
    }
    if channel.paused != Paused::No {
        let place = Place::channel(&topic.name, &channel.name);
        paused(place, channel.paused, channel.nodes.len(), counts.depth, found);
        return;
    }
    if counts.consumers == 0 && 0 < counts.depth {
        let severity = if BACKLOG_MIN <= counts.depth { Severity::Error } else { Severity::Warning };
        let text = format!("{} messages wait and nobody consumes", grouped(counts.depth));
        add(Kind::NoConsumers, severity, text, "start a consumer, or delete the channel");
        return;
    }
    let growth = rates.depth_rate.unwrap_or(0.0);
    if BACKLOG_MIN <= counts.depth && (GROWTH_MIN * rates.in_rate.unwrap_or(0.0)).max(1.0) <= growth {
        let text = format!("{} messages wait, {growth:.0} more each second", grouped(counts.depth));
        add(Kind::DepthGrowing, Severity::Warning, text, "add consumers, or make them faster");
    }
    let clients = snapshot.clients.get(&(topic.name.clone(), channel.name.clone()));
    if 0 < counts.depth && counts.in_flight == 0 && is_nobody_ready(clients.map(Vec::as_slice)) {
        let text = format!(
            "{} messages wait, and none of {} consumers is ready for any (RDY 0)",
            grouped(counts.depth),
            counts.consumers
        );
        let advice = "look at the consumers: they back off after errors, or hang";
        add(Kind::RdyZero, Severity::Warning, text, advice);
    }
}

fn is_nobody_ready(clients: Option<&[super::snapshot::ClientSeen]>) -> bool {
    clients.is_some_and(|clients| {
        !clients.is_empty() && clients.iter().all(|client| client.stats.ready_count == 0)
    })
}

/// Whether it is worth asking who consumes: messages wait, somebody is there, and nothing happens.
pub(crate) fn is_suspect(channel: &Channel) -> bool {
    let counts = &channel.total;
    let is_still = counts.in_flight == 0 && counts.rates.out_rate.is_none_or(|rate| rate == 0.0);
    0 < counts.depth && 0 < counts.consumers && is_still && channel.paused == Paused::No
}

/// 12345 as `12,345`.
pub(crate) fn grouped(count: i64) -> String {
    let digits = count.unsigned_abs().to_string();
    let mut text = String::from(if count < 0 { "-" } else { "" });
    for (at, digit) in digits.chars().enumerate() {
        if at != 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
