//! What must hold after each step, and at the end of a run.

use std::sync::{Arc, atomic::Ordering};

use super::{
    model,
    operations::Operation,
    world::{Consumer, World},
};

/// After this no message is deferred any more.
const LONG_NS: u64 = 60_000_000_000;

impl World<'_> {
    pub(super) fn compare_names(&self) {
        let real = self.node().topics.all();
        assert!(real.iter().map(|topic| topic.name().as_str()).eq(self.models.keys().copied()));
        for (topic, model) in real.iter().zip(self.models.values()) {
            let channels = topic.channels();
            assert!(
                channels.iter().map(|channel| channel.name().as_str()).eq(model.channels.keys().copied())
            );
            assert_eq!(topic.is_paused(), model.paused);
            for (channel, model) in channels.iter().zip(model.channels.values()) {
                assert_eq!(channel.is_paused(), model.paused, "channel {}", channel.name());
            }
        }
    }

    /// The counts are those of the model, and nobody sleeps who could work.
    pub(super) fn compare(&mut self, operation: &Operation) {
        for consumer in self.consumers.values_mut() {
            consumer.is_woken |= consumer.client.take_woken();
        }
        let touched = operation.topic().or_else(|| {
            let consumer = self.consumers.get(&operation.consumer()?)?;
            Some(consumer.topic)
        });
        for (name, model) in &self.models {
            if touched.is_none_or(|touched| touched == *name) {
                self.compare_topic(name, model);
            }
        }
    }

    fn compare_topic(&self, name: &str, model: &model::Topic) {
        let real = self.node().topic(name);
        assert_eq!(real.snapshot().depth, model.waiting.len() as u64, "depth of topic {name}");
        for (name, model) in &model.channels {
            let channel = real.channel(name).unwrap_or_else(|| panic!("channel {name} is gone"));
            let counts = channel.snapshot(self.now_unix_ns).counts;
            let counts =
                model::Counts { depth: counts.depth, deferred: counts.deferred, in_flight: counts.in_flight };
            assert_eq!(counts, model.counts(self.now_unix_ns), "counts of channel {name}");
            let consumers = || self.consumers.values().filter(|other| Arc::ptr_eq(&other.channel, &channel));
            let in_line = |consumer: &Consumer| consumer.client.is_waiting.load(Ordering::Relaxed);
            if !model.paused && consumers().any(in_line) && model.has_deliverable(self.now_unix_ns) {
                assert!(consumers().any(|consumer| consumer.is_woken), "nobody was woken in channel {name}");
            }
        }
    }

    /// Lets everything through, and looks whether all of it comes and nothing else.
    pub(super) fn drain(&mut self) {
        for (id, _) in self.consumers() {
            self.leave(id);
        }
        self.move_clock(LONG_NS);
        let names: Vec<_> = self.models.keys().copied().collect();
        for topic in names {
            self.node().topic(topic).set_paused(false);
            self.models.get_mut(topic).unwrap().set_paused(&self.book, false);
            let channels: Vec<_> = self.models[topic].channels.keys().copied().collect();
            for name in channels {
                self.drain_channel(topic, name);
            }
            if self.models[topic].channels.is_empty() {
                let name = self.profile.channels[0];
                self.apply(&Operation::CreateChannel { topic, channel: name });
                self.drain_channel(topic, name);
            }
            self.node().topic(topic).release();
            assert!(
                self.node().topic(topic).log().ranges().len() <= 1,
                "consumed segments of {topic} are kept"
            );
        }
    }

    fn drain_channel(&mut self, topic: &'static str, name: &'static str) {
        if self.models[topic].channels[name].paused {
            self.pause_channel(topic, name, false, true);
        }
        let id = self.next_consumer;
        self.join(topic, name);
        loop {
            self.apply(&Operation::Take { consumer: id, messages: 100, bytes: u32::MAX });
            let places: Vec<usize> = (0..self.consumers[&id].held.len()).collect();
            if places.is_empty() {
                break;
            }
            self.apply(&Operation::Finish { consumer: id, places });
        }
        let left = &self.models[topic].channels[name].messages;
        assert!(left.is_empty(), "never delivered: {left:?}");
    }

    /// Ends the node.
    pub(super) fn end(mut self) {
        self.consumers.clear();
        self.node.take().expect("it is open").close();
    }
}
