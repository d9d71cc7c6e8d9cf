//! One look at all nodes.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{anyhow, bail};
use tools::cluster::{ChannelStats, Cluster, Failure, NsqdStats};
use tools::options::{Sources, nsq_stat::Options};

/// Asks the nodes again and again.
#[derive(Debug)]
pub(crate) struct Poller {
    cluster: Cluster,
    topic: String,
    channel: String,
    sources: Sources,
    /// Whether the channel was there once: from then on a node that is away does not end the watch.
    was_found: bool,
    /// Servers that did not answer the last time.
    failing: BTreeSet<String>,
}

/// What the nodes said.
#[derive(Debug)]
pub(crate) struct Poll {
    /// The channel by the node's address.
    pub(crate) nodes: BTreeMap<String, ChannelStats>,
    /// Nodes and nsqlookupds that did not answer.
    pub(crate) failures: usize,
    /// Those that did the last time.
    pub(crate) new_failures: Vec<Failure>,
}

impl Poller {
    pub(crate) fn new(cluster: Cluster, options: &Options) -> Self {
        let Options { topic, channel, sources, .. } = options.clone();
        Self { cluster, topic, channel, sources, was_found: false, failing: BTreeSet::new() }
    }

    /// # Errors
    /// If nobody answered, no node has the topic, or none the channel.
    pub(crate) async fn poll(&mut self) -> anyhow::Result<Poll> {
        let (nsqds, mut failures) = self.nsqds().await?;
        let stats = match self.cluster.stats(&nsqds, &self.topic, &self.channel).await {
            Ok(stats) => stats,
            Err(cause) if self.sources.lookupds.is_empty() => {
                bail!("ERROR: failed to get topic producers - {cause}")
            }
            Err(cause) => bail!("ERROR: failed to get nsqd stats - {cause}"),
        };
        failures.extend(stats.failures);
        let found = stats.found.into_iter().filter_map(|(address, nsqd)| {
            let channels = topic(&nsqd, &self.topic)?;
            let channel = channels.iter().find(|channel| channel.channel_name == self.channel)?;
            Some((address, channel.clone()))
        });
        let nodes: BTreeMap<_, _> = found.collect();
        if nodes.is_empty() && (failures.is_empty() || !self.was_found) {
            return Err(self.nothing(&nsqds).await);
        }
        self.was_found |= !nodes.is_empty();
        let count = failures.len();
        let is_new = |failure: &&Failure| !self.failing.contains(&failure.server);
        let new_failures = failures.iter().filter(is_new).cloned().collect();
        self.failing = failures.into_iter().map(|failure| failure.server).collect();
        Ok(Poll { nodes, failures: count, new_failures })
    }

    /// Why there is nothing to report: a node that has not the channel does not say whether it has the topic.
    async fn nothing(&self, nsqds: &[String]) -> anyhow::Error {
        let Self { channel, topic: name, .. } = self;
        let stats = self.cluster.stats(nsqds, name, "").await;
        if stats.is_ok_and(|stats| stats.found.values().any(|nsqd| topic(nsqd, name).is_some())) {
            return anyhow!("ERROR: failed to find channel({channel}) in stats metadata for topic({name})");
        }
        anyhow!("ERROR: failed to get nsqd stats - failed to query any nsqd: none has the topic({name})")
    }

    /// The nsqds to ask, and the nsqlookupds that did not answer.
    async fn nsqds(&self) -> anyhow::Result<(Vec<String>, Vec<Failure>)> {
        if self.sources.lookupds.is_empty() {
            return Ok((self.sources.nsqds.clone(), Vec::new()));
        }
        match self.cluster.producers(&self.sources.lookupds, &self.topic).await {
            Ok(producers) => Ok((producers.found.into_iter().collect(), producers.failures)),
            Err(cause) => bail!("ERROR: failed to get topic producers - {cause}"),
        }
    }
}

fn topic<'a>(nsqd: &'a NsqdStats, name: &str) -> Option<&'a [ChannelStats]> {
    nsqd.topics.iter().find(|topic| topic.topic_name == name).map(|topic| topic.channels.as_slice())
}
