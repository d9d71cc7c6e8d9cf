//! Which topics there are to write, without `--topic`.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use regex::Regex;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};
use tools::cluster::Cluster;
use tracing::{error, warn};

/// Topics that are looked at; what comes beyond is told and left out.
const TOPICS_MAX: usize = 1 << 16;

/// Tells new topics from those that were seen before.
pub(crate) struct Discovery {
    pattern: Regex,
    seen: HashSet<String>,
    is_full: bool,
}

impl Discovery {
    /// Of the topics whose names match somewhere.
    pub(crate) fn new(pattern: Regex) -> Self {
        Self { pattern, seen: HashSet::new(), is_full: false }
    }

    /// Asks the nsqlookupds, at once and then each `refresh`, and gives new topics to `tx` until nobody takes them any more.
    ///
    /// What some of them know is used though others fail.
    pub(crate) async fn run(
        mut self,
        cluster: Cluster,
        lookupds: Vec<String>,
        refresh: Duration,
        tx: mpsc::Sender<Vec<String>>,
    ) {
        let mut rounds = interval(refresh);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            rounds.tick().await;
            let topics = match cluster.topics(&lookupds).await {
                Ok(topics) => topics,
                Err(cause) => {
                    error!("could not retrieve topic list: {cause}");
                    continue;
                }
            };
            for failure in topics.failures {
                error!("could not retrieve topic list: {failure}");
            }
            let new = self.new_topics(topics.found);
            if !new.is_empty() && tx.send(new).await.is_err() {
                return;
            }
        }
    }

    /// Those of the topics that are new and match. Of each that does not match, the log tells once.
    pub(crate) fn new_topics(&mut self, topics: BTreeSet<String>) -> Vec<String> {
        let mut new = Vec::new();
        for topic in topics {
            if self.seen.contains(&topic) {
                continue;
            }
            if self.seen.len() == TOPICS_MAX {
                if !self.is_full {
                    error!("there are more than {TOPICS_MAX} topics; the others are not written");
                }
                self.is_full = true;
                break;
            }
            if self.pattern.is_match(&topic) {
                new.push(topic.clone());
            } else {
                warn!("skipping topic {topic} (doesn't match pattern {})", self.pattern);
            }
            self.seen.insert(topic);
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topics(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn each_topic_is_new_once() {
        let mut discovery = Discovery::new(daemon::re2::compile("^a").unwrap());
        assert_eq!(discovery.new_topics(topics(&["a1", "b", "a2"])), ["a1", "a2"]);
        assert_eq!(discovery.new_topics(topics(&["a1", "b"])), [""; 0]);
        assert_eq!(discovery.new_topics(topics(&["a3", "a2", "ba"])), ["a3"]);
    }

    #[test]
    fn there_is_an_end_to_it() {
        let mut discovery = Discovery::new(daemon::re2::compile("").unwrap());
        let many = (0..TOPICS_MAX + 5).map(|number| format!("{number:06}")).collect();
        assert_eq!(discovery.new_topics(many).len(), TOPICS_MAX);
        assert_eq!(discovery.new_topics(topics(&["more"])), [""; 0]);
    }
}
