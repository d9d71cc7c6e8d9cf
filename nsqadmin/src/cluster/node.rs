//! The nsqds of a cluster, from what several nsqlookupds say of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv6Addr,
};

use semver::Version;
use serde::Serialize;

use super::documents::{NodeList, Producer};

/// How an nsqd is called and reached.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct NodeName {
    /// Its host name, by which lists are sorted.
    pub(crate) hostname: String,
    /// Its broadcast address and HTTP port, as host:port.
    pub(crate) address: String,
    pub(crate) region: String,
    pub(crate) zone: String,
}

impl NodeName {
    /// `None` for one that does not say where it is.
    pub(crate) fn of(producer: &Producer) -> Option<Self> {
        let is_reachable = !producer.broadcast_address.is_empty() && producer.http_port != 0;
        is_reachable.then(|| Self {
            hostname: producer.hostname.clone(),
            address: host_port(&producer.broadcast_address, producer.http_port),
            region: producer.topology_region.clone(),
            zone: producer.topology_zone.clone(),
        })
    }
}

/// `host:port`, with brackets around an IPv6 address.
pub(crate) fn host_port(host: &str, port: u16) -> String {
    if host.parse::<Ipv6Addr>().is_ok() { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// An nsqd of the list of nodes. The order of fields is NSQ's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Node {
    /// `<nsqlookupd>/<the nsqd's address as that sees it>`; `None` without nsqlookupds.
    remote_addresses: Option<Vec<String>>,
    remote_address: String,
    hostname: String,
    broadcast_address: String,
    tcp_port: u16,
    http_port: u16,
    version: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    topology_zone: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    topology_region: String,
    /// `None` without topics.
    topics: Option<Vec<NodeTopic>>,
    /// Its version is lower than that of another one.
    out_of_date: bool,
}

/// A topic of an nsqd.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct NodeTopic {
    topic: String,
    /// Hidden from consumers that look for it.
    tombstoned: bool,
}

impl Node {
    /// What all nsqlookupds know together: an nsqd has each topic that one of them says it has, hidden if one of them says so.
    pub(crate) fn merge(answers: &[(String, NodeList)]) -> Vec<Self> {
        let mut nodes: BTreeMap<(String, u16), (Self, BTreeMap<String, bool>)> = BTreeMap::new();
        for (lookupd, answer) in answers {
            for producer in &answer.producers {
                let key = (producer.broadcast_address.clone(), producer.tcp_port);
                let (node, topics) = nodes
                    .entry(key)
                    .or_insert_with(|| (Self::new(producer, Some(Vec::new())), BTreeMap::new()));
                if let Some(addresses) = &mut node.remote_addresses {
                    addresses.push(format!("{lookupd}/{}", producer.remote_address));
                }
                let tombstones = producer.tombstones.iter().copied().chain(std::iter::repeat(false));
                for (topic, tombstoned) in producer.topics.iter().zip(tombstones) {
                    *topics.entry(topic.clone()).or_default() |= tombstoned;
                }
            }
        }
        Self::finish(nodes.into_values().map(|(node, topics)| node.with_topics(topics)).collect())
    }

    /// What nsqds say of themselves, each with its topics.
    pub(crate) fn listed(nsqds: Vec<(Producer, BTreeSet<String>)>) -> Vec<Self> {
        let node = |(producer, topics): (Producer, BTreeSet<String>)| {
            let topics = topics.into_iter().map(|topic| (topic, false)).collect();
            Self { remote_address: String::new(), ..Self::new(&producer, None).with_topics(topics) }
        };
        Self::finish(nsqds.into_iter().map(node).collect())
    }

    fn new(producer: &Producer, remote_addresses: Option<Vec<String>>) -> Self {
        let producer = producer.clone();
        Self {
            remote_addresses,
            remote_address: producer.remote_address,
            hostname: producer.hostname,
            broadcast_address: producer.broadcast_address,
            tcp_port: producer.tcp_port,
            http_port: producer.http_port,
            version: producer.version,
            topology_zone: producer.topology_zone,
            topology_region: producer.topology_region,
            topics: None,
            out_of_date: false,
        }
    }

    fn with_topics(mut self, topics: BTreeMap<String, bool>) -> Self {
        let topics: Vec<_> =
            topics.into_iter().map(|(topic, tombstoned)| NodeTopic { topic, tombstoned }).collect();
        self.topics = Some(topics).filter(|topics| !topics.is_empty());
        self
    }

    /// Sorts them, and marks those with an old version.
    fn finish(mut nodes: Vec<Self>) -> Vec<Self> {
        let oldest = || Version::new(0, 0, 0);
        let version = |node: &Self| Version::parse(&node.version).unwrap_or_else(|_| oldest());
        let newest = nodes.iter().map(version).max().unwrap_or_else(oldest);
        for node in &mut nodes {
            node.out_of_date = version(node) < newest;
        }
        nodes.sort_by(|one, other| one.place().cmp(&other.place()));
        nodes
    }

    fn place(&self) -> (&str, &str, u16) {
        (&self.hostname, &self.broadcast_address, self.http_port)
    }

    /// How it is called and reached.
    pub(crate) fn name(&self) -> NodeName {
        NodeName {
            hostname: self.hostname.clone(),
            address: host_port(&self.broadcast_address, self.http_port),
            region: self.topology_region.clone(),
            zone: self.topology_zone.clone(),
        }
    }

    /// Its topics, hidden or not.
    pub(crate) fn all_topics(&self) -> impl Iterator<Item = &str> {
        self.topics.iter().flatten().map(|topic| topic.topic.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn producer(host: &str, version: &str, topics: &[(&str, bool)]) -> Producer {
        Producer {
            remote_address: format!("{host}:5"),
            hostname: "h".to_owned(),
            broadcast_address: host.to_owned(),
            tcp_port: 4150,
            http_port: 4151,
            version: version.to_owned(),
            topics: topics.iter().map(|(topic, _)| (*topic).to_owned()).collect(),
            tombstones: topics.iter().map(|(_, tombstoned)| *tombstoned).collect(),
            ..Producer::default()
        }
    }

    fn answer(lookupd: &str, producers: &[Producer]) -> (String, NodeList) {
        (lookupd.to_owned(), NodeList { producers: producers.to_vec() })
    }

    /// Protects: all nsqlookupds are believed, in whatever order they answer; a list of tombstones that is too short is no crash.
    #[test]
    fn nsqlookupds_complete_one_another() {
        let mut short = producer("n2", "1.4.0", &[("x", true), ("y", true)]);
        short.tombstones.pop();
        let one = answer("l1", &[producer("n2", "1.4.0", &[("b", false)]), producer("n1", "v?", &[])]);
        let other = answer("l2", &[short, producer("n3", "1.3.0", &[("b", false)])]);
        let nodes = Node::merge(&[one.clone(), other.clone()]);
        let names: Vec<_> = nodes.iter().map(|node| node.name().address).collect();
        assert_eq!(names, ["n1:4151", "n2:4151", "n3:4151"]);
        assert_eq!(nodes.iter().map(|node| node.out_of_date).collect::<Vec<_>>(), [true, false, true]);
        let hidden: Vec<bool> = nodes[1].topics.iter().flatten().map(|topic| topic.tombstoned).collect();
        assert_eq!(hidden, [false, true, false]);
        assert_eq!(nodes[1].all_topics().collect::<Vec<_>>(), ["b", "x", "y"]);
        assert_eq!(nodes[1].remote_addresses.as_deref().unwrap(), ["l1/n2:5", "l2/n2:5"]);
        assert_eq!(nodes[0].topics, None);
        let turned = Node::merge(&[other, one]);
        assert_eq!(
            turned.iter().map(|node| node.topics.clone()).collect::<Vec<_>>(),
            nodes.iter().map(|node| node.topics.clone()).collect::<Vec<_>>()
        );
    }

    /// Protects the recorded form.
    #[test]
    fn the_document_is_that_of_nsq() {
        let node =
            Producer { topology_zone: "b".into(), ..producer("127.0.0.1", "1.3.0", &[("orders", true)]) };
        let json = serde_json::to_string(&Node::merge(&[answer("l1:4161", &[node])])).unwrap();
        let expected = concat!(
            r#"[{"remote_addresses":["l1:4161/127.0.0.1:5"],"remote_address":"127.0.0.1:5","hostname":"h","#,
            r#""broadcast_address":"127.0.0.1","tcp_port":4150,"http_port":4151,"version":"1.3.0","topology_zone":"b","#,
            r#""topics":[{"topic":"orders","tombstoned":true}],"out_of_date":false}]"#
        );
        assert_eq!(json, expected);
        let listed = Node::listed(vec![(producer("::1", "1.3.0", &[]), BTreeSet::new())]);
        assert_eq!(listed[0].name().address, "[::1]:4151");
        let json = serde_json::to_string(&listed).unwrap();
        assert!(json.starts_with(r#"[{"remote_addresses":null,"remote_address":"","#), "{json}");
    }
}
