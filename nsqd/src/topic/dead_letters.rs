//! Messages that were delivered too often move to another topic.

use std::{sync::atomic::Ordering, time::Duration};

use protocol::TopicName;
use tracing::{error, warn};

use super::topic::Topic;
use crate::{
    channel::{Channel, Dead},
    clock,
};

/// Messages that move together.
const BATCH: usize = 64;

/// Between two lines of the log about the same topic.
const TOLD_EVERY: Duration = Duration::from_mins(1);

impl Topic {
    /// Has dead messages moved by the storage thread if `channel` has some.
    #[inline]
    pub(crate) fn bury(&self, channel: &Channel) {
        if channel.has_dead() {
            self.ask_to_bury();
        }
    }

    #[cold]
    fn ask_to_bury(&self) {
        let Some(me) = self.me.upgrade() else { return };
        // What is not asked for now is found by the next look at the topic.
        self.note_change();
        if self.is_burying.swap(true, Ordering::AcqRel) {
            return;
        }
        let asked = self.environment.storage.run_after(Duration::ZERO, move || {
            me.is_burying.store(false, Ordering::Release);
            me.bury_all();
        });
        if !asked {
            self.is_burying.store(false, Ordering::Release);
        }
    }

    /// On the storage thread: moves those of all channels.
    pub(super) fn bury_all(&self) {
        for channel in self.channels().iter().filter(|channel| channel.has_dead()) {
            self.bury_now(channel);
        }
    }

    fn bury_now(&self, channel: &Channel) {
        let name = self.effective(&self.inner.read(), channel.name()).dead_letter_topic;
        let Some(name) = name else { return };
        loop {
            let Dead { epoch, messages } = channel.take_dead(BATCH);
            if messages.is_empty() {
                return;
            }
            let bodies: Vec<&[u8]> =
                messages.iter().filter_map(|(_, run)| Some(run.frames().next()?.body())).collect();
            match self.publish_dead(&name, &bodies) {
                Ok(()) => {
                    let seqs: Vec<u64> = messages.iter().map(|(message, _)| message.seq).collect();
                    channel.finish_dead(epoch, &seqs);
                    self.tell_of_dead(channel, &name, seqs.len());
                }
                Err(cause) => {
                    channel.return_dead(epoch, messages.iter().map(|(message, _)| *message));
                    error!(
                        topic = %self.name, channel = %channel.name(), dead_letter_topic = %name, %cause,
                        "messages cannot be moved to the dead-letter topic; it is tried again"
                    );
                    self.note_change();
                    return;
                }
            }
        }
    }

    /// They are stored when this returns, as safely as that topic wants it.
    fn publish_dead(&self, name: &TopicName, bodies: &[&[u8]]) -> Result<(), String> {
        let topics = self.environment.topics.get().and_then(std::sync::Weak::upgrade);
        let topics = topics.ok_or("the daemon stops")?;
        let topic =
            topics.get_or_create(name).map_err(|error| error.to_string())?.ok_or("the daemon stops")?;
        let bytes = bodies.iter().map(|body| body.len()).sum();
        let (from, to) = topic
            .publish(bodies.iter().copied(), bodies.len(), bytes, None, clock::unix_ns())
            .map_err(|error| error.to_string())?;
        if topic.waits_for_disk() {
            topic.sync_log();
            topic.is_durable(from, to).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    fn tell_of_dead(&self, channel: &Channel, to: &TopicName, count: usize) {
        let now_s = clock::mono_ns() / 1_000_000_000 + 1;
        let told_s = self.dead_told_s.load(Ordering::Relaxed);
        if told_s == 0 || told_s + TOLD_EVERY.as_secs() <= now_s {
            self.dead_told_s.store(now_s, Ordering::Relaxed);
            warn!(
                "CHANNEL({}): {count} messages of topic {} were delivered too often and went to {to}; \
                 more within a minute are counted only",
                channel.name(),
                self.name
            );
        }
    }
}
