//! What the registry holds.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use protocol::{ChannelName, TopicName};
use slab::Slab;

use super::{Lifetimes, Now, Producer, ProducerId};

/// All topics, channels and producers.
#[derive(Debug)]
pub struct Registry {
    pub(super) lifetimes: Lifetimes,
    pub(super) limits: Limits,
    pub(super) slots: BTreeMap<TopicName, TopicSlot>,
    pub(super) topics: Slab<Topic>,
    pub(super) channels: Slab<Channel>,
    pub(super) members: Slab<Member>,
}

/// How much there may be. NSQ has no such bounds.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Topics and channels that one producer is in. An nsqd with more of them would be a mistake of whoever names topics.
    pub registrations_max: usize,
    /// Topics and channels together. Those without producers stay until somebody deletes them, so that a loop with ever
    /// new names would take all memory; each takes some 300 bytes.
    pub names_max: usize,
}

impl Limits {
    /// What a daemon runs with.
    pub const DEFAULT: Self = Self { registrations_max: 100_000, names_max: 1_000_000 };
}

/// One more would be over a bound. Nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full {
    /// What there would be too many of.
    pub what: &'static str,
    /// How many there may be.
    pub max: usize,
}

/// A topic, by number. Numbers of deleted ones are used again: whatever holds one is told before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TopicSlot(pub(super) u32);

/// A channel of some topic, as [`TopicSlot`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ChannelSlot(pub(super) u32);

/// A topic. There with or without producers, until it is deleted.
#[derive(Debug)]
pub(super) struct Topic {
    pub(super) name: TopicName,
    pub(super) producers: BTreeSet<ProducerId>,
    /// Of its producers only. They stay when they hold no longer.
    pub(super) tombstones: BTreeMap<ProducerId, Now>,
    pub(super) channels: BTreeMap<ChannelName, ChannelSlot>,
}

/// A channel. Its producers are all in its topic, too.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) name: ChannelName,
    pub(super) producers: BTreeSet<ProducerId>,
}

/// A producer, and the other direction of all sets that it is in.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) producer: Arc<Producer>,
    pub(super) last_update: Now,
    pub(super) topics: BTreeSet<TopicSlot>,
    /// Those of a topic stand together.
    pub(super) channels: BTreeSet<(TopicSlot, ChannelSlot)>,
}

impl TopicSlot {
    pub(super) fn new(index: usize) -> Self {
        Self(number(index))
    }

    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

impl ChannelSlot {
    pub(super) fn new(index: usize) -> Self {
        Self(number(index))
    }

    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

impl ProducerId {
    pub(super) fn new(index: usize) -> Self {
        Self(number(index))
    }

    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

fn number(index: usize) -> u32 {
    u32::try_from(index).expect("names and connections have a bound")
}

impl Registry {
    /// An empty one.
    pub fn new(lifetimes: Lifetimes, limits: Limits) -> Self {
        Self {
            lifetimes,
            limits,
            slots: BTreeMap::new(),
            topics: Slab::new(),
            channels: Slab::new(),
            members: Slab::new(),
        }
    }

    pub(super) fn member(&self, id: ProducerId) -> &Member {
        self.members.get(id.index()).expect("an id is its connection's, which has not ended")
    }

    pub(super) fn topic(&self, name: &str) -> Option<(TopicSlot, &Topic)> {
        let slot = *self.slots.get(name)?;
        Some((slot, &self.topics[slot.index()]))
    }

    /// Refuses `new` further names if they are too many.
    pub(super) fn check_names(&self, new: usize) -> Result<(), Full> {
        let (names, max) = (self.topics.len() + self.channels.len(), self.limits.names_max);
        if new == 0 || names + new <= max { Ok(()) } else { Err(Full { what: "topics and channels", max }) }
    }

    /// The topic of that name, made if it is not there.
    pub(super) fn make_topic(&mut self, name: &TopicName) -> TopicSlot {
        if let Some(slot) = self.slots.get(name) {
            return *slot;
        }
        let topic = Topic {
            name: name.clone(),
            producers: BTreeSet::new(),
            tombstones: BTreeMap::new(),
            channels: BTreeMap::new(),
        };
        let slot = TopicSlot::new(self.topics.insert(topic));
        self.slots.insert(name.clone(), slot);
        slot
    }

    /// The channel of that name, made if it is not there.
    pub(super) fn make_channel(&mut self, topic: TopicSlot, name: &ChannelName) -> ChannelSlot {
        if let Some(slot) = self.topics[topic.index()].channels.get(name) {
            return *slot;
        }
        let channel = Channel { name: name.clone(), producers: BTreeSet::new() };
        let slot = ChannelSlot::new(self.channels.insert(channel));
        self.topics[topic.index()].channels.insert(name.clone(), slot);
        slot
    }

    /// Removes a topic with all its channels, whoever is in them, and returns these.
    pub(super) fn remove_topic(&mut self, slot: TopicSlot) -> Vec<ChannelName> {
        let topic = self.topics.remove(slot.index());
        self.slots.remove(&topic.name);
        for id in &topic.producers {
            self.members[id.index()].topics.remove(&slot);
        }
        for channel in topic.channels.values() {
            self.forget_channel(slot, *channel);
        }
        topic.channels.into_keys().collect()
    }

    /// Removes a channel, whoever is in it.
    pub(super) fn remove_channel(&mut self, topic: TopicSlot, slot: ChannelSlot) {
        let name = self.forget_channel(topic, slot);
        self.topics[topic.index()].channels.remove(&name);
    }

    /// Removes a channel from all but its topic.
    fn forget_channel(&mut self, topic: TopicSlot, slot: ChannelSlot) -> ChannelName {
        let channel = self.channels.remove(slot.index());
        for id in &channel.producers {
            self.members[id.index()].channels.remove(&(topic, slot));
        }
        channel.name
    }

    /// Panics unless both directions of all sets agree.
    #[cfg(test)]
    pub(super) fn check(&self) {
        assert_eq!(self.slots.len(), self.topics.len());
        let mut counts = (0, 0, 0);
        for (name, slot) in &self.slots {
            let topic = &self.topics[slot.index()];
            assert_eq!(&topic.name, name);
            assert!(topic.tombstones.keys().all(|id| topic.producers.contains(id)));
            assert!(topic.producers.iter().all(|id| self.member(*id).topics.contains(slot)));
            counts.0 += topic.producers.len();
            for (name, channel_slot) in &topic.channels {
                let channel = &self.channels[channel_slot.index()];
                assert_eq!(&channel.name, name);
                assert!(channel.producers.is_subset(&topic.producers));
                let pair = (*slot, *channel_slot);
                assert!(channel.producers.iter().all(|id| self.member(*id).channels.contains(&pair)));
                counts.1 += channel.producers.len();
                counts.2 += 1;
            }
        }
        assert_eq!(counts.0, self.members.iter().map(|(_, member)| member.topics.len()).sum::<usize>());
        assert_eq!(counts.1, self.members.iter().map(|(_, member)| member.channels.len()).sum::<usize>());
        assert_eq!(counts.2, self.channels.len());
    }
}
