//! What operators do: topics and channels without an nsqd, and tombstones.
//!
//! `*` is a name like another that nothing has: in NSQ it means all of them, and deletes all of them.

use protocol::{ChannelName, TopicName};

use super::{Full, Now, Registry};

impl Registry {
    /// Makes a topic. Whether it is new.
    ///
    /// # Errors
    /// [`Full`].
    pub fn create_topic(&mut self, topic: &TopicName) -> Result<bool, Full> {
        let is_new = !self.slots.contains_key(topic);
        self.check_names(is_new.into())?;
        self.make_topic(topic);
        Ok(is_new)
    }

    /// Makes a channel, and its topic. Whether the channel is new.
    ///
    /// # Errors
    /// [`Full`].
    pub fn create_channel(&mut self, topic: &TopicName, channel: &ChannelName) -> Result<bool, Full> {
        let known = self.topic(topic.as_str());
        let is_new = known.is_none_or(|(_, topic)| !topic.channels.contains_key(channel));
        self.check_names(usize::from(known.is_none()) + usize::from(is_new))?;
        let slot = self.make_topic(topic);
        self.make_channel(slot, channel);
        Ok(is_new)
    }

    /// Deletes a topic with all its channels, whoever is in them. The channels; `None` if there is no such topic.
    pub fn delete_topic(&mut self, topic: &str) -> Option<Vec<ChannelName>> {
        let (slot, _) = self.topic(topic)?;
        Some(self.remove_topic(slot))
    }

    /// Deletes a channel, whoever is in it. Whether there was one; its topic stays.
    pub fn delete_channel(&mut self, topic: &str, channel: &str) -> bool {
        let Some((topic, record)) = self.topic(topic) else { return false };
        let Some(channel) = record.channels.get(channel).copied() else { return false };
        self.remove_channel(topic, channel);
        true
    }

    /// Hides those producers of a topic whose `broadcast_address:http_port` is `node` for a while from now on. How many
    /// there are. An IPv6 address may be in brackets or not.
    pub fn tombstone(&mut self, topic: &str, node: &str, now: Now) -> usize {
        let Some(slot) = self.slots.get(topic) else { return 0 };
        let topic = &mut self.topics[slot.index()];
        let is_node = |index| self.members.get(index).is_some_and(|member| member.producer.is_node(node));
        let mut count = 0;
        for id in topic.producers.iter().filter(|id| is_node(id.index())) {
            topic.tombstones.insert(*id, now);
            count += 1;
        }
        count
    }
}
