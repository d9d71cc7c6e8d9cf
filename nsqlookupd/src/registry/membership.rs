//! What connections do: IDENTIFY, PING, REGISTER, UNREGISTER, and their end.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use protocol::{ChannelName, TopicName};

use super::{
    Full, Now, Producer, ProducerId, Registry,
    records::{ChannelSlot, Member, TopicSlot},
};

/// What REGISTER added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Registered {
    /// The producer was not in the channel before.
    pub channel: bool,
    /// The producer was not in the topic before.
    pub topic: bool,
}

/// What UNREGISTER took away.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unregistered {
    /// The channels that the producer was in: at most the one that was named, or all of the topic.
    pub channels: Vec<ChannelName>,
    /// The producer was in the topic, and no channel was named.
    pub topic: bool,
}

/// What a producer was in when it went: a topic, or a channel of it.
pub type Removed = (TopicName, Option<ChannelName>);

impl Registry {
    /// Adds a producer, which is updated at `now`.
    pub fn identify(&mut self, producer: Producer, now: Now) -> ProducerId {
        ProducerId::new(self.members.insert(Member {
            producer: Arc::new(producer),
            last_update: now,
            topics: BTreeSet::new(),
            channels: BTreeSet::new(),
        }))
    }

    /// Updates a producer at `now`. The time since its last update.
    pub fn ping(&mut self, id: ProducerId, now: Now) -> Duration {
        let member = &mut self.members[id.index()];
        let since = now.since(member.last_update);
        member.last_update = now;
        since
    }

    /// Adds a producer to a topic, and to a channel of it, which are made if they are not there. Neither updates the
    /// producer nor lifts a tombstone.
    ///
    /// # Errors
    /// [`Full`].
    pub fn register(
        &mut self,
        id: ProducerId,
        topic: &TopicName,
        channel: Option<&ChannelName>,
    ) -> Result<Registered, Full> {
        let known = self.topic(topic.as_str());
        let known_channel = channel.and_then(|channel| known?.1.channels.get(channel));
        let member = self.member(id);
        let is_in_topic = known.is_some_and(|(slot, _)| member.topics.contains(&slot));
        let is_in_channel = known.is_some_and(|(slot, _)| {
            known_channel.is_some_and(|channel| member.channels.contains(&(slot, *channel)))
        });
        let added = Registered { channel: channel.is_some() && !is_in_channel, topic: !is_in_topic };
        let registrations = member.topics.len() + member.channels.len();
        let more = usize::from(added.channel) + usize::from(added.topic);
        let max = self.limits.registrations_max;
        if more != 0 && max < registrations + more {
            return Err(Full { what: "registrations of a connection", max });
        }
        let new_channel = channel.is_some() && known_channel.is_none();
        self.check_names(usize::from(known.is_none()) + usize::from(new_channel))?;
        let slot = self.make_topic(topic);
        if added.topic {
            self.topics[slot.index()].producers.insert(id);
            self.members[id.index()].topics.insert(slot);
        }
        if added.channel
            && let Some(channel) = channel
        {
            let channel = self.make_channel(slot, channel);
            self.channels[channel.index()].producers.insert(id);
            self.members[id.index()].channels.insert((slot, channel));
        }
        Ok(added)
    }

    /// Removes a producer from a channel, or from a topic with all its channels. Ephemeral channels and topics that lose
    /// their last producer by that go, the latter with all their channels; NSQ leaves such channels behind.
    pub fn unregister(&mut self, id: ProducerId, topic: &str, channel: Option<&str>) -> Unregistered {
        let Some((slot, record)) = self.topic(topic) else { return Unregistered::default() };
        if let Some(channel) = channel {
            let Some(channel) = record.channels.get(channel).copied() else { return Unregistered::default() };
            let channels = self.leave_channel(id, slot, channel).into_iter().collect();
            return Unregistered { channels, topic: false };
        }
        let (first, last) = ((slot, ChannelSlot(0)), (slot, ChannelSlot(u32::MAX)));
        let left: Vec<_> = self.member(id).channels.range(first..=last).copied().collect();
        let channels =
            left.into_iter().filter_map(|(slot, channel)| self.leave_channel(id, slot, channel)).collect();
        Unregistered { channels, topic: self.leave_topic(id, slot).is_some() }
    }

    /// Removes a producer from all that it is in, as [`Registry::unregister`] does, and altogether. NSQ leaves ephemeral
    /// topics and channels behind. Channels come before topics.
    pub fn disconnect(&mut self, id: ProducerId) -> Vec<Removed> {
        let (channels, topics) = {
            let member = &mut self.members[id.index()];
            // Copies, since each step takes its entry away: the member goes last.
            (member.channels.clone(), member.topics.clone())
        };
        let mut removed = Vec::with_capacity(channels.len() + topics.len());
        for (topic, channel) in channels {
            let name = self.topics[topic.index()].name.clone();
            removed.extend(self.leave_channel(id, topic, channel).map(|channel| (name, Some(channel))));
        }
        for topic in topics {
            removed.extend(self.leave_topic(id, topic).map(|topic| (topic, None)));
        }
        self.members.remove(id.index());
        removed
    }

    /// The channel's name if the producer was in it.
    fn leave_channel(&mut self, id: ProducerId, topic: TopicSlot, slot: ChannelSlot) -> Option<ChannelName> {
        if !self.members[id.index()].channels.remove(&(topic, slot)) {
            return None;
        }
        let channel = &mut self.channels[slot.index()];
        channel.producers.remove(&id);
        let name = channel.name.clone();
        if channel.producers.is_empty() && name.is_ephemeral() {
            self.remove_channel(topic, slot);
        }
        Some(name)
    }

    /// The topic's name if the producer was in it. It is in none of its channels any more.
    fn leave_topic(&mut self, id: ProducerId, slot: TopicSlot) -> Option<TopicName> {
        if !self.members[id.index()].topics.remove(&slot) {
            return None;
        }
        let topic = &mut self.topics[slot.index()];
        topic.producers.remove(&id);
        topic.tombstones.remove(&id);
        let name = topic.name.clone();
        if topic.producers.is_empty() && name.is_ephemeral() {
            self.remove_topic(slot);
        }
        Some(name)
    }
}
