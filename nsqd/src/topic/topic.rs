//! One topic.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use parking_lot::{Mutex, RwLock};
use protocol::{ChannelName, TopicName};
use tracing::{error, info};

use super::{
    commit::Waiters,
    environment::Environment,
    folder::{Folder, TopicState},
    gate::Gate,
    policy::{QueuePolicy, TopicPolicy},
};
use crate::{
    channel::{self, Channel, FanOut},
    log::{Log, Usage},
};

/// What statistics show of a topic.
#[derive(Debug)]
pub(crate) struct TopicSnapshot {
    pub(crate) depth: u64,
    pub(crate) message_count: u64,
    pub(crate) message_bytes: u64,
    pub(crate) paused: bool,
    pub(crate) channels: Vec<Arc<Channel>>,
    /// Messages that were refused for want of room in a channel.
    pub(crate) refused: u64,
}

/// A log, how far it has passed to the channels, and the channels.
#[derive(Debug)]
pub(crate) struct Topic {
    pub(super) me: Weak<Topic>,
    pub(super) name: TopicName,
    pub(super) environment: Arc<Environment>,
    /// `None` for an ephemeral topic.
    pub(super) folder: Option<Folder>,
    pub(super) log: Arc<Log>,
    pub(super) fan_out: Arc<FanOut>,
    pub(super) inner: RwLock<Inner>,
    pub(super) exiting: AtomicBool,
    pub(super) message_count: AtomicU64,
    pub(super) message_bytes: AtomicU64,
    /// Stands in the list of topics that want a sync and checkpoints.
    pub(super) is_dirty: AtomicBool,
    /// Stands in the list of topics with old segments.
    pub(super) is_watched: AtomicBool,
    pub(super) synced_tail: AtomicU64,
    pub(super) sync_asked: AtomicBool,
    /// Tail when a bounded topic last looked at what its channels hold.
    pub(super) settled_tail: AtomicU64,
    /// What its state file says.
    pub(super) written: Mutex<Option<TopicState>>,
    /// Publishers that wait for the disk.
    pub(super) waiters: Waiters,
    pub(super) gate: Gate,
    /// The storage thread was asked to move dead messages.
    pub(super) is_burying: AtomicBool,
    /// When the log last told of them, in seconds.
    pub(super) dead_told_s: AtomicU64,
}

#[derive(Debug)]
pub(super) struct Inner {
    /// Sorted by name.
    pub(super) channels: Vec<Arc<Channel>>,
    pub(super) paused: bool,
    /// It is not known yet which channels it has elsewhere: messages wait in it.
    pub(super) is_newborn: bool,
    pub(super) policy: TopicPolicy,
    /// Those that are not empty.
    pub(super) channel_policies: HashMap<ChannelName, QueuePolicy>,
}

impl Topic {
    pub(super) fn setup(&self, name: ChannelName) -> channel::Setup {
        let ephemeral = name.is_ephemeral() || self.name.is_ephemeral();
        channel::Setup {
            path: self.folder.as_ref().filter(|_| !ephemeral).map(|folder| folder.channel_file(&name)),
            name,
            log: Arc::clone(&self.log),
            fan_out: Arc::clone(&self.fan_out),
            timers: Arc::clone(&self.environment.timers),
            number: self.environment.numbers.fetch_add(1, Ordering::Relaxed),
            bound: ephemeral.then_some(self.environment.ephemeral_depth_max),
            prefers_near: self.environment.prefers_near,
            latency_window_ns: self.environment.latency_window_ns,
        }
    }

    pub(crate) fn name(&self) -> &TopicName {
        &self.name
    }

    pub(crate) fn is_exiting(&self) -> bool {
        self.exiting.load(Ordering::Acquire)
    }

    /// The channel of this name, made if it is not there. `true` if it was made.
    pub(crate) fn channel_or_create(&self, name: &ChannelName) -> (Arc<Channel>, bool) {
        if let Some(channel) = self.channel(name.as_str()) {
            return (channel, false);
        }
        let mut inner = self.inner.write();
        let at = match inner.channels.binary_search_by(|channel| channel.name().cmp(name)) {
            Ok(at) => return (Arc::clone(&inner.channels[at]), false),
            Err(at) => at,
        };
        let channel = Channel::new(self.setup(name.clone()), self.fan_out.get(&self.log));
        // On the disk before anybody knows of it, so that a killed process remembers it.
        if !self.is_exiting() {
            self.save_channel(&channel);
        }
        inner.channels.insert(at, Arc::clone(&channel));
        self.apply_policies(&inner);
        self.follow(&inner);
        info!("TOPIC({}): new channel({name})", self.name);
        drop(inner);
        self.environment.note_names();
        self.note_change();
        (channel, true)
    }

    /// The channel of this name.
    pub(crate) fn channel(&self, name: &str) -> Option<Arc<Channel>> {
        let inner = self.inner.read();
        let at = inner.channels.binary_search_by(|channel| channel.name().as_str().cmp(name)).ok()?;
        Some(Arc::clone(&inner.channels[at]))
    }

    /// Deletes a channel: its consumers are disconnected, its messages dropped. Returns how many channels are left,
    /// or `None` if it is not the topic's: another may have taken its name meanwhile, and is not touched.
    pub(crate) fn remove_channel(&self, channel: &Arc<Channel>) -> Option<usize> {
        let mut inner = self.inner.write();
        let at = inner.channels.iter().position(|present| Arc::ptr_eq(present, channel))?;
        let channel = inner.channels.remove(at);
        let name = channel.name();
        inner.channel_policies.remove(name);
        self.apply_policies(&inner);
        info!("TOPIC({}): deleting channel {name}", self.name);
        channel.exit();
        if !self.is_exiting()
            && let Err(cause) = channel.remove_file()
        {
            error!(topic = %self.name, channel = %name, %cause, "cannot remove the checkpoint of a deleted channel");
        }
        let left = inner.channels.len();
        if left == 0 && self.fan_out.held().is_none() {
            self.fan_out.hold(self.log.tail());
            self.write_state(inner.paused);
        }
        drop(inner);
        self.environment.note_names();
        self.release();
        Some(left)
    }

    /// Lets messages pass to the channels, if there are some and nothing holds them back.
    pub(super) fn follow(&self, inner: &Inner) {
        if !inner.paused && !inner.is_newborn && !inner.channels.is_empty() {
            self.fan_out.follow();
        }
    }

    /// Holds messages back until [`Topic::begin`], before anybody knows of the topic.
    pub(super) fn hold_newborn(&self) {
        self.inner.write().is_newborn = true;
    }

    /// Its channels are there: messages may pass to them.
    pub(crate) fn begin(&self) {
        let mut inner = self.inner.write();
        inner.is_newborn = false;
        self.follow(&inner);
        drop(inner);
        self.wake_consumers();
    }

    /// Holds messages back from the channels, or lets them pass again.
    pub(crate) fn set_paused(&self, paused: bool) {
        let mut inner = self.inner.write();
        if std::mem::replace(&mut inner.paused, paused) == paused {
            return;
        }
        if paused && self.fan_out.held().is_none() {
            self.fan_out.hold(self.log.tail());
        }
        self.follow(&inner);
        self.write_state(paused);
        drop(inner);
        self.wake_consumers();
    }

    /// The caller has `inner` locked, so that [`Topic::exit`] comes before or after. Once the topic is deleted, its
    /// folder may be that of another.
    fn write_state(&self, paused: bool) {
        if self.is_exiting() {
            return;
        }
        if let Err(cause) = self.try_write_state(paused) {
            error!(topic = %self.name, %cause, "cannot write the state of a topic; after a restart it is as before");
        }
    }

    fn try_write_state(&self, paused: bool) -> std::io::Result<()> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let state = TopicState { paused, held: self.fan_out.get(&self.log), tail: self.log.tail() };
        let mut written = self.written.lock();
        if *written != Some(state) {
            folder.write_state(state, false)?;
            *written = Some(state);
        }
        Ok(())
    }

    /// Drops the messages that wait in the topic; those in its channels stay.
    pub(crate) fn empty(&self) {
        let inner = self.inner.write();
        if let Some(held) = self.fan_out.held() {
            let tail = self.log.tail();
            for channel in &inner.channels {
                channel.skip(held, tail);
            }
            self.fan_out.hold(tail);
            self.write_state(inner.paused);
        }
        drop(inner);
        self.release();
        self.note_change();
    }

    /// Deletes the topic with all channels and files.
    pub(super) fn exit(&self) -> std::io::Result<Option<PathBuf>> {
        self.exiting.store(true, Ordering::Release);
        info!("TOPIC({}): deleting", self.name);
        let inner = self.inner.read();
        inner.channels.iter().for_each(|channel| channel.exit());
        self.log.close();
        self.folder.as_ref().map_or(Ok(None), Folder::condemn)
    }

    /// Ends the topic with all state in its files; the caller syncs them.
    ///
    /// # Errors
    /// Something could not be written; what was acknowledged is in the log all the same.
    pub(super) fn close(&self) -> std::io::Result<()> {
        self.exiting.store(true, Ordering::Release);
        info!("TOPIC({}): closing", self.name);
        let inner = self.inner.read();
        inner.channels.iter().for_each(|channel| channel.settle());
        self.log.close();
        inner.channels.iter().try_for_each(|channel| channel.save(false))?;
        self.try_write_state(inner.paused)
    }

    /// Why it cannot store messages, if it cannot.
    pub(crate) fn failure(&self) -> Option<String> {
        self.log.failure()
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.inner.read().paused
    }

    pub(crate) fn channels(&self) -> Vec<Arc<Channel>> {
        self.inner.read().channels.clone()
    }

    /// What its files take.
    pub(crate) fn usage(&self) -> Usage {
        self.log.usage()
    }

    pub(crate) fn snapshot(&self) -> TopicSnapshot {
        let inner = self.inner.read();
        TopicSnapshot {
            depth: self.log.tail() - self.fan_out.get(&self.log),
            message_count: self.message_count.load(Ordering::Relaxed),
            message_bytes: self.message_bytes.load(Ordering::Relaxed),
            paused: inner.paused,
            channels: inner.channels.clone(),
            refused: self.gate.refused(),
        }
    }
}
