//! What consumers and nsqadmin ask.

use std::sync::Arc;

use protocol::{ChannelName, TopicName};

use super::{Now, Producer, ProducerId, Registry};

/// What there is of one topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lookup {
    /// All channels, whoever is in them, sorted.
    pub channels: Vec<ChannelName>,
    /// The active producers that no tombstone hides.
    pub producers: Vec<Arc<Producer>>,
}

/// An active producer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Who it is.
    pub producer: Arc<Producer>,
    /// Its topics in no order, each with whether a tombstone hides the producer there now.
    pub topics: Vec<(TopicName, bool)>,
}

/// How much there is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Topics.
    pub topics: usize,
    /// Channels of all topics.
    pub channels: usize,
    /// Connections that have identified themselves.
    pub producers: usize,
    /// Those of them that are active.
    pub active_producers: usize,
    /// Topics of all producers.
    pub registrations: usize,
}

impl Registry {
    /// Counts what there is.
    pub fn counts(&self, now: Now) -> Counts {
        let members = || self.members.iter().map(|(_, member)| member);
        Counts {
            topics: self.topics.len(),
            channels: self.channels.len(),
            producers: self.members.len(),
            active_producers: members()
                .filter(|member| self.lifetimes.is_active(member.last_update, now))
                .count(),
            registrations: members().map(|member| member.topics.len()).sum(),
        }
    }

    /// All topics, sorted.
    pub fn topics(&self) -> Vec<TopicName> {
        self.slots.keys().cloned().collect()
    }

    /// All channels of a topic, sorted; none of one that is not there.
    pub fn channels(&self, topic: &str) -> Vec<ChannelName> {
        self.topic(topic).map_or_else(Vec::new, |(_, topic)| topic.channels.keys().cloned().collect())
    }

    /// What there is of a topic; `None` if it is not there.
    pub fn lookup(&self, topic: &str, now: Now) -> Option<Lookup> {
        let (_, record) = self.topic(topic)?;
        let is_shown = |id: &ProducerId| {
            let tombstone = record.tombstones.get(id);
            self.lifetimes.is_active(self.member(*id).last_update, now)
                && !tombstone.is_some_and(|at| self.lifetimes.holds(*at, now))
        };
        let shown = record.producers.iter().filter(|id| is_shown(id));
        Some(Lookup {
            channels: record.channels.keys().cloned().collect(),
            producers: shown.map(|id| Arc::clone(&self.member(*id).producer)).collect(),
        })
    }

    /// The first active producer from place `from` on, and the place behind it; `None` if there is none any more. For
    /// going through all of them, beginning at 0, without holding a lock all the time: those that come or go meanwhile
    /// are met or not, the others once.
    pub fn node(&self, from: usize, now: Now) -> Option<(Node, usize)> {
        let mut places = from..self.members.capacity();
        let is_active = |place: &usize| {
            self.members.get(*place).is_some_and(|m| self.lifetimes.is_active(m.last_update, now))
        };
        let place = places.find(is_active)?;
        let (id, member) = (ProducerId::new(place), &self.members[place]);
        let topics = member.topics.iter().map(|slot| {
            let topic = &self.topics[slot.index()];
            let is_hidden = topic.tombstones.get(&id).is_some_and(|at| self.lifetimes.holds(*at, now));
            (topic.name.clone(), is_hidden)
        });
        Some((Node { producer: Arc::clone(&member.producer), topics: topics.collect() }, place + 1))
    }
}
