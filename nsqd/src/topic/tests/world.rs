//! The topics, their model and their consumers, side by side: each operation is done to both and compared.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

use protocol::MessageId;

use super::{
    book::Book,
    model::{self, is_ephemeral},
    node::{self, Node, Settings},
    operations::Operation,
};
use crate::{
    channel::{Channel, Parcel, Pending, Taken},
    client::Client,
    log::{Budget, Check},
    topic::{Position, PublishError, Topic},
};

/// Some time in 2026.
const START_UNIX_NS: u64 = 1_795_208_882_084_263_724;
/// Segments are worth compacting when they are older than a minute.
const OLD_NS: u64 = 3_600_000_000_000;

/// What a run may do.
#[derive(Debug)]
pub(super) struct Profile {
    pub(super) topics: &'static [&'static str],
    pub(super) channels: &'static [&'static str],
    pub(super) defers: bool,
    pub(super) kills: bool,
}

/// A message that a consumer has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Held {
    number: usize,
    pending: Pending,
}

/// A connection, as far as a channel sees it.
#[derive(Debug)]
pub(super) struct Consumer {
    pub(super) topic: &'static str,
    pub(super) channel_name: &'static str,
    pub(super) channel: Arc<Channel>,
    pub(super) client: Arc<Client>,
    pub(super) epoch: u32,
    /// The channel was emptied, and the consumer has not noticed.
    pub(super) is_stale: bool,
    pub(super) held: Vec<Held>,
    pub(super) is_woken: bool,
}

/// Everything.
#[derive(Debug)]
pub(super) struct World<'a> {
    pub(super) profile: &'static Profile,
    pub(super) models: BTreeMap<&'static str, model::Topic>,
    pub(super) book: Book,
    /// Of the messages that were seen, and all of each living topic.
    ids: BTreeMap<usize, MessageId>,
    topic_ids: BTreeMap<&'static str, BTreeSet<MessageId>>,
    pub(super) now_unix_ns: u64,
    data_path: &'a Path,
    settings: Settings,
    pub(super) node: Option<Node>,
    pub(super) consumers: BTreeMap<u64, Consumer>,
    pub(super) next_consumer: u64,
}

impl<'a> World<'a> {
    pub(super) fn new(profile: &'static Profile, data_path: &'a Path, settings: Settings) -> Self {
        Self {
            profile,
            models: BTreeMap::new(),
            book: Book::new(),
            ids: BTreeMap::new(),
            topic_ids: BTreeMap::new(),
            now_unix_ns: START_UNIX_NS,
            data_path,
            settings,
            node: Some(Node::open(data_path, settings, Check::All)),
            consumers: BTreeMap::new(),
            next_consumer: 0,
        }
    }

    pub(super) fn node(&self) -> &Node {
        self.node.as_ref().expect("it is open between operations")
    }

    /// Ids of the consumers, and how many messages each has.
    pub(super) fn consumers(&self) -> Vec<(u64, usize)> {
        self.consumers.iter().map(|(id, consumer)| (*id, consumer.held.len())).collect()
    }

    /// Does one operation and compares.
    pub(super) fn apply(&mut self, operation: &Operation) {
        use Operation as O;
        match *operation {
            O::Publish { topic, ref sizes, delay_ns } => self.publish(topic, sizes, delay_ns),
            O::Take { consumer, messages, bytes } => self.take(consumer, Budget { messages, bytes }),
            O::Finish { consumer, ref places } => self.finish(consumer, places),
            O::Requeue { consumer, place, delay_ns } => self.requeue(consumer, place, delay_ns),
            O::TimeOut { consumer, count } => self.time_out(consumer, count),
            O::Join { topic, channel } => self.join(topic, channel),
            O::Leave { consumer } => self.leave(consumer),
            O::NotReady { consumer } => self.not_ready(consumer),
            O::Clock { by_ns } => self.move_clock(by_ns),
            O::CreateTopic { topic } => self.create_topic(topic),
            O::CreateChannel { topic, channel } => {
                self.node().create_channel(topic, channel);
                let model = self.models.get_mut(topic).unwrap();
                model.create_channel(&self.book, channel);
            }
            O::DeleteTopic { topic, listed } => self.delete_topic(topic, listed),
            O::DeleteChannel { topic, channel } => self.delete_channel(topic, channel),
            O::PauseTopic { topic, paused } => {
                self.node().topic(topic).set_paused(paused);
                self.node().rewrite();
                self.models.get_mut(topic).unwrap().set_paused(&self.book, paused);
            }
            O::PauseChannel { topic, channel, paused, saved } => {
                self.pause_channel(topic, channel, paused, saved);
            }
            O::EmptyTopic { topic } => {
                self.node().topic(topic).empty();
                self.models.get_mut(topic).unwrap().empty();
            }
            O::EmptyChannel { topic, channel } => self.empty_channel(topic, channel),
            O::SeekChannel { topic, channel } => self.seek_channel(topic, channel),
            O::Round => {
                self.node().round();
                self.models.values_mut().for_each(model::Topic::save);
            }
            O::Release { topic } => self.node().topic(topic).release(),
            O::Compact { topic } => self.node().topic(topic).compact(self.now_unix_ns + OLD_NS),
            O::Restart { leave, check } => self.restart(leave, check),
            O::Kill { check } => self.kill(check),
        }
        self.settle();
        // What is due now is due at once.
        self.move_clock(0);
        self.compare(operation);
    }

    fn publish(&mut self, topic: &'static str, sizes: &[usize], delay_ns: Option<u64>) {
        // No two batches have the same time.
        self.move_clock(1);
        let now = self.now_unix_ns;
        let deadline = delay_ns.map(|delay| now + delay);
        let numbers = self.book.add(now, sizes, deadline);
        let bodies: Vec<Vec<u8>> = numbers.clone().map(|number| self.book.body(number)).collect();
        let bytes = sizes.iter().sum();
        let bodies = bodies.iter().map(Vec::as_slice);
        self.node().topic(topic).publish(bodies, sizes.len(), bytes, deadline, now).unwrap();
        self.models.get_mut(topic).unwrap().publish(&self.book, numbers);
    }

    fn take(&mut self, id: u64, budget: Budget) {
        let consumer = self.consumers.get_mut(&id).unwrap();
        let mut parcels: Vec<Parcel> = Vec::new();
        consumer.is_woken = false;
        let now = self.now_unix_ns;
        let mut taken = consumer.channel.take(&consumer.client, consumer.epoch, budget, now, &mut parcels);
        if consumer.is_stale {
            let Taken::Emptied(epoch) = taken else {
                panic!("the channel was emptied, and take says {taken:?}")
            };
            (consumer.epoch, consumer.is_stale) = (epoch, false);
            consumer.held.clear();
            taken = consumer.channel.take(&consumer.client, consumer.epoch, budget, now, &mut parcels);
        }
        let count = match taken {
            Taken::Messages(count) => count,
            Taken::InLine => 0,
            other => panic!("take says {other:?}"),
        };
        assert!(count <= budget.messages);
        assert_eq!(count, parcels.iter().map(|parcel| parcel.run.count()).sum::<u32>());
        let channel = channel_of(&mut self.models, consumer);
        assert!(count == 0 || !channel.paused, "a paused channel delivers");
        let topic_ids = self.topic_ids.entry(consumer.topic).or_default();
        for Parcel { run, attempts } in &parcels {
            for (frame, seq) in run.frames().zip(run.first()..) {
                let number = self.book.identify(frame.timestamp_ns(), frame.body());
                let expected = channel.deliver(number, id, now);
                assert_eq!(*attempts, expected, "attempts of message {number}");
                match self.ids.insert(number, frame.id()) {
                    None => assert!(topic_ids.insert(frame.id()), "two messages have one id"),
                    Some(before) => assert_eq!(before, frame.id(), "id of message {number}"),
                }
                consumer.held.push(Held { number, pending: Pending { seq, attempts: *attempts } });
            }
        }
        let nothing = count == 0 && !channel.paused;
        assert!(!nothing || !channel.has_deliverable(now), "messages wait and none is taken");
    }

    fn finish(&mut self, id: u64, places: &[usize]) {
        let consumer = self.consumers.get_mut(&id).unwrap();
        let finished: Vec<Held> = places.iter().map(|place| consumer.held[*place]).collect();
        consumer.held.retain(|held| !finished.iter().any(|other| other.number == held.number));
        let seqs: Vec<u64> = finished.iter().map(|held| held.pending.seq).collect();
        let may_release = consumer.channel.finish(consumer.epoch, &seqs, &[], 0);
        if !consumer.is_stale {
            let channel = channel_of(&mut self.models, consumer);
            for held in &finished {
                channel.finish(held.number);
            }
        }
        if may_release {
            let topic = consumer.topic;
            self.node().topic(topic).release();
        }
    }

    fn requeue(&mut self, id: u64, place: usize, delay_ns: Option<u64>) {
        let consumer = self.consumers.get_mut(&id).unwrap();
        let Held { number, pending } = consumer.held.remove(place);
        let deadline = delay_ns.map(|delay| self.now_unix_ns + delay);
        let is_requeued = consumer.channel.requeue(consumer.epoch, pending, deadline);
        assert_eq!(is_requeued, !consumer.is_stale);
        if is_requeued {
            channel_of(&mut self.models, consumer).requeue(number, deadline.unwrap_or(0));
        }
    }

    fn time_out(&mut self, id: u64, count: usize) {
        let consumer = self.consumers.get_mut(&id).unwrap();
        let late: Vec<Held> = consumer.held.drain(..count).collect();
        let pending: Vec<Pending> = late.iter().map(|held| held.pending).collect();
        consumer.channel.time_out(consumer.epoch, &pending);
        if !consumer.is_stale {
            let channel = channel_of(&mut self.models, consumer);
            for held in &late {
                channel.requeue(held.number, 0);
            }
        }
    }

    pub(super) fn join(&mut self, topic: &'static str, channel_name: &'static str) {
        const CONSUMERS_MAX: usize = 3;
        let channel = self.channel(topic, channel_name);
        let id = self.next_consumer;
        let client = Client::new(id, String::new(), "", 0);
        let present = self.consumers.values().filter(|consumer| Arc::ptr_eq(&consumer.channel, &channel));
        let is_full = present.count() == CONSUMERS_MAX;
        match channel.join(&client, CONSUMERS_MAX) {
            Ok(epoch) => {
                assert!(!is_full);
                let (is_stale, held, is_woken) = (false, Vec::new(), false);
                let consumer =
                    Consumer { topic, channel_name, channel, client, epoch, is_stale, held, is_woken };
                self.consumers.insert(id, consumer);
                self.next_consumer += 1;
            }
            Err(refused) => assert!(is_full, "{refused:?}"),
        }
    }

    pub(super) fn leave(&mut self, id: u64) {
        let consumer = self.consumers.remove(&id).unwrap();
        let pending = consumer.held.iter().map(|held| held.pending);
        let left = consumer.channel.leave(&consumer.client, consumer.epoch, pending);
        channel_of(&mut self.models, &consumer).leave(id);
        let Consumer { topic, channel_name, channel, .. } = &consumer;
        let others = self.consumers.values().filter(|other| Arc::ptr_eq(&other.channel, channel));
        assert_eq!(left, others.count());
        if left == 0 && is_ephemeral(channel_name) {
            let real = self.node().topic(topic);
            real.remove_channel(channel);
            self.node().topics.delete_if_unused(&real);
            self.forget_channel(topic, channel_name);
        }
    }

    fn not_ready(&mut self, id: u64) {
        let consumer = self.consumers.get_mut(&id).unwrap();
        consumer.channel.not_ready(&consumer.client);
        if std::mem::take(&mut consumer.is_woken) {
            consumer.channel.wake_first();
        }
    }

    pub(super) fn move_clock(&mut self, by_ns: u64) {
        self.now_unix_ns += by_ns;
        let (due, next) = self.node().timers.take_due(self.now_unix_ns);
        assert!(next.is_none_or(|next| self.now_unix_ns < next));
        for channel in due {
            channel.on_deadline(self.now_unix_ns);
        }
    }

    fn create_topic(&mut self, topic: &'static str) {
        self.node().create_topic(topic);
        let model = model::Topic::new(is_ephemeral(topic), self.settings.ephemeral_depth_max);
        self.models.insert(topic, model);
        self.topic_ids.insert(topic, BTreeSet::new());
    }

    fn delete_topic(&mut self, topic: &'static str, listed: bool) {
        let real = self.node().topic(topic);
        assert!(self.node().topics.delete(topic));
        if listed {
            self.node().rewrite();
        }
        self.models.remove(topic);
        // What still holds the deleted topic must not touch one that takes its name at once.
        if self.next_consumer.is_multiple_of(2) {
            self.create_topic(topic);
            for channel in real.channels() {
                let name =
                    *self.profile.channels.iter().find(|name| **name == channel.name().as_str()).unwrap();
                self.apply(&Operation::CreateChannel { topic, channel: name });
            }
        }
        real.set_paused(!real.is_paused());
        real.empty();
        self.end_consumers(&real, |consumer| consumer.topic == topic);
        for channel in real.channels() {
            real.save_channel(&channel);
            real.remove_channel(&channel);
        }
        let late = protocol::ChannelName::parse(b"late").unwrap();
        real.channel_or_create(&late);
        let refused = real.publish([&b"late"[..]].into_iter(), 1, 4, None, self.now_unix_ns);
        assert!(matches!(refused, Err(PublishError::Exiting)), "{refused:?}");
    }

    fn delete_channel(&mut self, topic: &'static str, channel_name: &'static str) {
        let (real, channel) = (self.node().topic(topic), self.channel(topic, channel_name));
        let left = real.remove_channel(&channel);
        assert_eq!(left, Some(self.models[topic].channels.len() - 1));
        self.node().topics.delete_if_unused(&real);
        self.node().rewrite();
        self.end_consumers(&real, |consumer| Arc::ptr_eq(&consumer.channel, &channel));
        self.forget_channel(topic, channel_name);
    }

    /// The consumers of a deleted channel are told, get nothing, can do nothing, and leave.
    fn end_consumers(&mut self, topic: &Arc<Topic>, of: impl Fn(&Consumer) -> bool) {
        let ids: Vec<u64> =
            self.consumers.iter().filter(|(_, consumer)| of(consumer)).map(|(id, _)| *id).collect();
        for id in ids {
            let Consumer { channel, client, epoch, held, .. } = self.consumers.remove(&id).unwrap();
            assert!(client.is_closed(), "consumer {id} was not told");
            let budget = Budget { messages: 1, bytes: u32::MAX };
            let taken = channel.take(&client, epoch, budget, self.now_unix_ns, &mut Vec::new());
            assert_eq!(taken, Taken::Gone);
            if let Some(Held { pending, .. }) = held.first() {
                assert!(!channel.requeue(epoch, *pending, None));
                assert!(!channel.finish(epoch, &[pending.seq], &[], 0));
            }
            channel.leave(&client, epoch, held.iter().map(|held| held.pending));
            if channel.name().is_ephemeral() {
                topic.remove_channel(&channel);
                self.node().topics.delete_if_unused(topic);
            }
        }
    }

    /// With its last channel an ephemeral topic goes.
    fn forget_channel(&mut self, topic: &'static str, channel: &'static str) {
        let model = self.models.get_mut(topic).unwrap();
        model.channels.remove(channel);
        if is_ephemeral(topic) && model.channels.is_empty() {
            self.models.remove(topic);
        }
    }

    pub(super) fn pause_channel(
        &mut self,
        topic: &'static str,
        name: &'static str,
        paused: bool,
        saved: bool,
    ) {
        let channel = self.channel(topic, name);
        assert!(channel.set_paused(paused));
        let model = self.models.get_mut(topic).unwrap().channels.get_mut(name).unwrap();
        model.paused = paused;
        if saved {
            model.save();
            self.node().topic(topic).save_channel(&channel);
            self.node().rewrite();
        }
    }

    fn empty_channel(&mut self, topic: &'static str, name: &'static str) {
        let channel = self.channel(topic, name);
        channel.empty();
        self.node().topic(topic).note_change();
        self.models.get_mut(topic).unwrap().channels.get_mut(name).unwrap().messages.clear();
        for consumer in self.consumers.values_mut() {
            consumer.is_stale |= Arc::ptr_eq(&consumer.channel, &channel);
        }
    }

    fn seek_channel(&mut self, topic: &'static str, name: &'static str) {
        if is_ephemeral(topic) || is_ephemeral(name) {
            // What a bound drops of what comes again depends on when it is looked at.
            return;
        }
        let channel = self.channel(topic, name);
        let retained = node::retained(&self.node().topic(topic), &self.book);
        assert!(self.node().topic(topic).seek_now(&channel, Position::Earliest));
        self.models.get_mut(topic).unwrap().seek(name, &self.book, &retained);
        for consumer in self.consumers.values_mut() {
            consumer.is_stale |= Arc::ptr_eq(&consumer.channel, &channel);
        }
    }

    fn restart(&mut self, leave: bool, check: Check) {
        if leave {
            for (id, _) in self.consumers() {
                self.leave(id);
            }
        }
        self.consumers.clear();
        self.node.take().expect("it is open").close();
        self.models.retain(|topic, _| !is_ephemeral(topic));
        self.models.values_mut().for_each(model::Topic::close);
        self.node = Some(Node::open(self.data_path, self.settings, check));
        self.compare_names();
    }

    fn kill(&mut self, check: Check) {
        self.consumers.clear();
        self.node.take().expect("it is open").kill();
        let node = self.node.insert(Node::open(self.data_path, self.settings, check));
        for (topic, model) in &mut self.models {
            let retained = node::retained(&node.topic(topic), &self.book);
            model.kill(&self.book, &retained);
        }
        self.compare_names();
    }

    fn channel(&self, topic: &str, name: &str) -> Arc<Channel> {
        self.node().topic(topic).channel(name).unwrap_or_else(|| panic!("channel {name} is gone"))
    }

    /// Lets bounded channels look at what arrived, so that it does not matter when they would.
    fn settle(&self) {
        for (topic, model) in &self.models {
            for name in model.channels.keys().filter(|name| is_ephemeral(topic) || is_ephemeral(name)) {
                self.channel(topic, name).settle();
            }
        }
    }
}

/// The model of the channel that a consumer listens to.
fn channel_of<'m>(
    models: &'m mut BTreeMap<&'static str, model::Topic>,
    consumer: &Consumer,
) -> &'m mut model::Channel {
    let topic = models.get_mut(consumer.topic).unwrap();
    topic.channels.get_mut(consumer.channel_name).unwrap()
}
