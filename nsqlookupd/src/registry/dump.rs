//! The whole registry, as `/debug` shows it: NSQ's keys, and the producers of each.

use std::{fmt, sync::Arc};

use protocol::{ChannelName, TopicName};

use super::{Now, Producer, ProducerId, Registry};

/// A key of NSQ's registry; its text is `category:key:subkey`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// A channel of a topic.
    Channel(TopicName, ChannelName),
    /// All producers.
    Client,
    /// A topic.
    Topic(TopicName),
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Channel(topic, channel) => write!(f, "channel:{topic}:{channel}"),
            Self::Client => f.write_str("client::"),
            Self::Topic(topic) => write!(f, "topic:{topic}:"),
        }
    }
}

/// A producer under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Who it is.
    pub producer: Arc<Producer>,
    /// When it last said that it is alive.
    pub last_update: Now,
    /// When it was tombstoned in this topic, also if that holds no longer.
    pub tombstoned_at: Option<Now>,
}

impl Registry {
    /// All keys that have producers, sorted by their texts.
    pub fn keys(&self) -> Vec<Key> {
        let mut keys = Vec::new();
        if !self.members.is_empty() {
            keys.push(Key::Client);
        }
        for (_, topic) in &self.topics {
            let has_producers =
                |slot: super::records::ChannelSlot| !self.channels[slot.index()].producers.is_empty();
            let channels = topic.channels.iter().filter(|(_, slot)| has_producers(**slot));
            keys.extend(channels.map(|(name, _)| Key::Channel(topic.name.clone(), name.clone())));
            if !topic.producers.is_empty() {
                keys.push(Key::Topic(topic.name.clone()));
            }
        }
        keys.sort_by_cached_key(ToString::to_string);
        keys
    }

    /// The producers under a key; none if there is no such key.
    pub fn entries(&self, key: &Key) -> Vec<Entry> {
        let entry = |id: ProducerId, tombstoned_at| {
            let member = self.member(id);
            Entry { producer: Arc::clone(&member.producer), last_update: member.last_update, tombstoned_at }
        };
        match key {
            Key::Client => {
                self.members.iter().map(|(index, _)| entry(ProducerId::new(index), None)).collect()
            }
            Key::Topic(name) => self.topic(name.as_str()).map_or_else(Vec::new, |(_, topic)| {
                topic.producers.iter().map(|id| entry(*id, topic.tombstones.get(id).copied())).collect()
            }),
            Key::Channel(topic, name) => {
                let slot = self.topic(topic.as_str()).and_then(|(_, topic)| topic.channels.get(name));
                let producers = slot.map(|slot| &self.channels[slot.index()].producers);
                producers.into_iter().flatten().map(|id| entry(*id, None)).collect()
            }
        }
    }
}
