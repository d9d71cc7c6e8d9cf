//! One topic.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering, fence},
    },
};

use parking_lot::{Mutex, RwLock};
use protocol::{ChannelName, TopicName};
use tracing::{error, info};

use super::{
    commit::{Committed, Waiters},
    environment::Environment,
    folder::{Folder, TopicState},
    publish_error::PublishError,
};
use crate::{
    channel::{self, Channel, Checkpoint, FanOut},
    log::{Check, Log, OpenError, OpenOptions, SyncFailed},
};

/// From the message that makes a sync due to the sync: at full speed the next thousands are covered by it too. OK does
/// not wait for it.
const SYNC_PAUSE: std::time::Duration = std::time::Duration::from_millis(100);

/// Messages of a segment that are looked at for compaction, at most.
const COMPACTED_MAX: usize = 1 << 16;

/// What statistics show of a topic.
#[derive(Debug)]
pub(crate) struct TopicSnapshot {
    pub(crate) depth: u64,
    pub(crate) message_count: u64,
    pub(crate) message_bytes: u64,
    pub(crate) paused: bool,
    pub(crate) channels: Vec<Arc<Channel>>,
}

/// A log, how far it has passed to the channels, and the channels.
#[derive(Debug)]
pub(crate) struct Topic {
    me: Weak<Topic>,
    name: TopicName,
    environment: Arc<Environment>,
    /// `None` for an ephemeral topic.
    folder: Option<Folder>,
    log: Arc<Log>,
    fan_out: Arc<FanOut>,
    inner: RwLock<Inner>,
    exiting: AtomicBool,
    message_count: AtomicU64,
    message_bytes: AtomicU64,
    /// Stands in the list of topics that want a sync and checkpoints.
    pub(super) is_dirty: AtomicBool,
    /// Stands in the list of topics with old segments.
    pub(super) is_watched: AtomicBool,
    synced_tail: AtomicU64,
    sync_asked: AtomicBool,
    /// Tail when a bounded topic last looked at what its channels hold.
    settled_tail: AtomicU64,
    /// What its state file says.
    written: Mutex<Option<TopicState>>,
    /// Publishers that wait for the disk.
    waiters: Waiters,
}

#[derive(Debug)]
struct Inner {
    /// Sorted by name.
    channels: Vec<Arc<Channel>>,
    paused: bool,
}

impl Topic {
    /// Opens or begins a topic. What its folder holds comes back.
    ///
    /// # Errors
    /// [`OpenError`] if its files cannot be read; none is changed then.
    pub(super) fn open(name: TopicName, environment: Arc<Environment>) -> Result<Arc<Self>, OpenError> {
        let folder = (!name.is_ephemeral()).then(|| Folder::of(&environment.data_path, &name));
        let (log, written) = match &folder {
            None => {
                let (storage, bytes) = (environment.storage.clone(), environment.segment_bytes_max);
                (Log::in_memory(storage, bytes, environment.node_id), None)
            }
            Some(folder) => open_log(folder, &environment)?,
        };
        let first = log.ranges().first().map_or(0, |range| range.0);
        let state = written.unwrap_or(TopicState { held: first, ..TopicState::default() });
        let tail = log.tail();
        let topic = Arc::new_cyclic(|me| Self {
            me: me.clone(),
            name,
            environment,
            folder,
            fan_out: Arc::new(FanOut::held_at(state.held.min(tail))),
            log,
            inner: RwLock::new(Inner { channels: Vec::new(), paused: state.paused }),
            exiting: AtomicBool::new(false),
            message_count: AtomicU64::new(0),
            message_bytes: AtomicU64::new(0),
            is_dirty: AtomicBool::new(false),
            is_watched: AtomicBool::new(false),
            synced_tail: AtomicU64::new(tail),
            sync_asked: AtomicBool::new(false),
            settled_tail: AtomicU64::new(tail),
            written: Mutex::new(written),
            waiters: Waiters::default(),
        });
        topic.restore_channels()?;
        Ok(topic)
    }

    fn restore_channels(&self) -> Result<(), OpenError> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let failed = |cause| OpenError::Io { path: folder.path().to_owned(), cause };
        let files = folder.channels().map_err(failed)?;
        let mut checkpoints = Vec::with_capacity(files.len());
        for (name, path) in files {
            checkpoints.push((name, read_checkpoint(&path).map_err(failed)?));
        }
        // What a channel has taken was published, even if its segment is gone.
        let taken = checkpoints.iter().filter_map(|(_, checkpoint)| Some(checkpoint.as_ref()?.cursor)).max();
        self.log.advance_to(taken.unwrap_or(0));
        let mut inner = self.inner.write();
        if !inner.paused && !checkpoints.is_empty() {
            self.fan_out.follow();
        }
        let first = self.log.ranges().first().map_or(0, |range| range.0);
        let exact = self.environment.check == Check::Growing;
        for (name, checkpoint) in checkpoints {
            let setup = self.setup(name);
            inner.channels.push(match checkpoint {
                Some(checkpoint) => Channel::restore(setup, checkpoint, exact),
                // Duplicates rather than loss.
                None => Channel::new(setup, first),
            });
        }
        drop(inner);
        self.release();
        Ok(())
    }

    fn setup(&self, name: ChannelName) -> channel::Setup {
        let ephemeral = name.is_ephemeral() || self.name.is_ephemeral();
        channel::Setup {
            path: self.folder.as_ref().filter(|_| !ephemeral).map(|folder| folder.channel_file(&name)),
            name,
            log: Arc::clone(&self.log),
            fan_out: Arc::clone(&self.fan_out),
            timers: Arc::clone(&self.environment.timers),
            number: self.environment.numbers.fetch_add(1, Ordering::Relaxed),
            bound: ephemeral.then_some(self.environment.ephemeral_depth_max),
        }
    }

    pub(crate) fn name(&self) -> &TopicName {
        &self.name
    }

    pub(crate) fn is_exiting(&self) -> bool {
        self.exiting.load(Ordering::Acquire)
    }

    /// Publishes a batch, all or nothing, and returns its seqs, from and behind. `body_bytes` is the sum of the bodies'
    /// sizes.
    ///
    /// # Errors
    /// [`PublishError`]; nothing was stored.
    pub(crate) fn publish<'a>(
        &self,
        bodies: impl Iterator<Item = &'a [u8]>,
        messages: usize,
        body_bytes: usize,
        deadline_unix_ns: Option<u64>,
        now_unix_ns: u64,
    ) -> Result<(u64, u64), PublishError> {
        if self.is_exiting() {
            return Err(PublishError::Exiting);
        }
        let accepted = self.room_for(messages);
        let mut seqs = (0, 0);
        if accepted != 0 {
            let now = i64::try_from(now_unix_ns).unwrap_or(i64::MAX);
            let (bodies, accepted_bytes) = (bodies.take(accepted), body_bytes);
            let tail = if accepted == messages {
                self.log.append(bodies, messages, accepted_bytes, deadline_unix_ns, now)?
            } else {
                let kept: Vec<&[u8]> = bodies.collect();
                let bytes = kept.iter().map(|body| body.len()).sum();
                self.log.append(kept.into_iter(), accepted, bytes, deadline_unix_ns, now)?
            };
            // Pairs with the fence of a consumer that joins the line: it sees the message, or this sees the line.
            fence(Ordering::SeqCst);
            if self.fan_out.waiting.load(Ordering::Relaxed) != 0 {
                self.wake_consumers();
            }
            self.note_publish(tail);
            seqs = (tail - accepted as u64, tail);
        }
        self.message_count.fetch_add(messages as u64, Ordering::Relaxed);
        self.message_bytes.fetch_add(body_bytes as u64, Ordering::Relaxed);
        Ok(seqs)
    }

    /// What to wait for until the messages `from..to`, just published, are on the disk; `None` if their publisher is not
    /// to wait, which is so with `--pub-ack=write` and for what never gets there.
    pub(crate) fn commit(&self, from: u64, to: u64) -> Option<Committed> {
        let commits = self.environment.commits.as_ref()?;
        self.folder.as_ref()?;
        Some(commits.ask(self.me.upgrade()?, from, to))
    }

    pub(super) fn waiters(&self) -> &Waiters {
        &self.waiters
    }

    /// See [`Log::is_durable`].
    pub(super) fn is_durable(&self, from: u64, to: u64) -> Result<(), SyncFailed> {
        self.log.is_durable(from, to)
    }

    /// How many of so many messages an ephemeral topic keeps: beyond its bound the newest are dropped, as in NSQ.
    fn room_for(&self, messages: usize) -> usize {
        if self.folder.is_some() {
            return messages;
        }
        let Some(held) = self.fan_out.held() else { return messages };
        let depth = self.log.tail().saturating_sub(held);
        let room = self.environment.ephemeral_depth_max.saturating_sub(depth);
        messages.min(usize::try_from(room).unwrap_or(usize::MAX))
    }

    fn wake_consumers(&self) {
        for channel in &self.inner.read().channels {
            channel.wake_first();
        }
    }

    #[inline]
    fn note_publish(&self, tail: u64) {
        self.note_change();
        if self.folder.is_some() {
            let unsynced = tail - self.synced_tail.load(Ordering::Relaxed).min(tail);
            if self.environment.sync_every <= unsynced && !self.sync_asked.load(Ordering::Relaxed) {
                self.ask_for_sync();
            }
        } else if self.settled_tail.load(Ordering::Relaxed) + self.environment.ephemeral_depth_max < tail {
            self.settled_tail.store(tail, Ordering::Relaxed);
            self.settle();
        }
    }

    /// Has syncs and checkpoints made within the sync interval.
    #[inline]
    pub(crate) fn note_change(&self) {
        if !self.is_dirty.load(Ordering::Relaxed)
            && let Some(me) = self.me.upgrade()
        {
            self.environment.housekeeping.note(me);
        }
    }

    #[cold]
    fn ask_for_sync(&self) {
        let Some(me) = self.me.upgrade() else { return };
        if !self.sync_asked.swap(true, Ordering::Relaxed) {
            let asked = self.environment.storage.run_after(SYNC_PAUSE, move || {
                me.sync_log();
                me.sync_asked.store(false, Ordering::Relaxed);
            });
            if !asked {
                self.sync_asked.store(false, Ordering::Relaxed);
            }
        }
    }

    /// On the storage thread: waits until what was published is on the disk.
    pub(super) fn sync_log(&self) {
        let tail = self.log.tail();
        if let Err(cause) = self.log.sync() {
            error!(topic = %self.name, %cause, "sync failed; the segment takes no more messages, see /ping");
        }
        self.synced_tail.store(tail, Ordering::Relaxed);
    }

    /// Like [`Topic::sync_log`], after something else has brought it to the disk.
    pub(super) fn note_synced(&self, tail: u64) {
        self.synced_tail.store(tail, Ordering::Relaxed);
        self.log.note_synced(tail);
    }

    #[cfg(test)]
    pub(super) fn log(&self) -> &Log {
        &self.log
    }

    pub(super) fn tail(&self) -> u64 {
        self.log.tail()
    }

    /// Lets bounded channels drop what is too much, and gives segments back.
    pub(super) fn settle(&self) {
        self.inner.read().channels.iter().for_each(|channel| channel.settle());
        self.release();
    }

    /// Gives segments back that no channel needs.
    pub(crate) fn release(&self) {
        let channels = self.inner.read().channels.clone();
        let fan_out = self.fan_out.get(&self.log);
        self.log.release(|base, tail| {
            // Beyond the fan-out a message waits for channels to come; below it, for those that are there.
            fan_out < tail || channels.iter().any(|channel| channel.needs(base, tail))
        });
    }

    /// Whether it has more than the segment that is written to.
    pub(super) fn has_old_segments(&self) -> bool {
        !self.is_exiting() && 1 < self.log.segments()
    }

    /// On the storage thread: gives the room back that old segments take for a few messages.
    pub(super) fn compact(&self, now_unix_ns: u64) {
        if self.is_exiting() {
            return;
        }
        let fan_out = self.fan_out.get(&self.log);
        let channels = self.inner.read().channels.clone();
        let needed = |base, tail| {
            let mut all = BTreeSet::new();
            for channel in (tail <= fan_out).then_some(&channels)? {
                all.extend(channel.outstanding(base, tail, COMPACTED_MAX)?);
            }
            (all.len() <= COMPACTED_MAX).then(|| all.into_iter().collect())
        };
        if let Err(cause) = self.log.compact(now_unix_ns, needed) {
            error!(topic = %self.name, %cause, "cannot compact old segments; it is tried again");
        }
    }

    /// On the storage thread: writes what changed of its channels and of itself.
    pub(super) fn save(&self, sync: bool) {
        if self.is_exiting() {
            return;
        }
        for channel in self.inner.read().channels.clone() {
            if let Err(cause) = channel.save(sync) {
                let channel = channel.name();
                error!(topic = %self.name, %channel, %cause, "cannot write a checkpoint; it is tried again");
                self.note_change();
            }
        }
    }

    /// Writes one channel's checkpoint now, so that a killed process remembers it.
    pub(crate) fn save_channel(&self, channel: &Channel) {
        if let Err(cause) = channel.save(false) {
            error!(topic = %self.name, channel = %channel.name(), %cause, "cannot write a channel's checkpoint; it is tried again");
            self.note_change();
        }
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
        if !inner.paused {
            self.fan_out.follow();
        }
        info!("TOPIC({}): new channel({name})", self.name);
        drop(inner);
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
        self.release();
        Some(left)
    }

    /// Holds messages back from the channels, or lets them pass again.
    pub(crate) fn set_paused(&self, paused: bool) {
        let mut inner = self.inner.write();
        if std::mem::replace(&mut inner.paused, paused) == paused {
            return;
        }
        if paused && self.fan_out.held().is_none() {
            self.fan_out.hold(self.log.tail());
        } else if !paused && !inner.channels.is_empty() {
            self.fan_out.follow();
        }
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

    pub(crate) fn snapshot(&self) -> TopicSnapshot {
        let inner = self.inner.read();
        TopicSnapshot {
            depth: self.log.tail() - self.fan_out.get(&self.log),
            message_count: self.message_count.load(Ordering::Relaxed),
            message_bytes: self.message_bytes.load(Ordering::Relaxed),
            paused: inner.paused,
            channels: inner.channels.clone(),
        }
    }
}

fn open_log(folder: &Folder, environment: &Environment) -> Result<(Arc<Log>, Option<TopicState>), OpenError> {
    folder.create().map_err(|cause| OpenError::Io { path: folder.path().to_owned(), cause })?;
    let options = OpenOptions {
        storage: environment.storage.clone(),
        segment_bytes_max: environment.segment_bytes_max,
        node_id: environment.node_id,
        check: environment.check,
    };
    let log = Log::open(folder.path(), &options)?;
    let state = folder.read_state();
    log.advance_to(state.map_or(0, |state| state.tail));
    Ok((log, state))
}

/// `None` if the checkpoint is damaged; the file is set aside then.
fn read_checkpoint(path: &std::path::Path) -> std::io::Result<Option<Checkpoint>> {
    let checkpoint = Checkpoint::decode(&std::fs::read(path)?);
    if checkpoint.is_none() {
        let mut aside = path.as_os_str().to_owned();
        aside.push(".damaged");
        std::fs::rename(path, &aside)?;
        error!(
            file = %path.display(), kept_as = %PathBuf::from(aside).display(),
            "a channel's checkpoint is damaged; the channel delivers all that is retained again"
        );
    }
    Ok(checkpoint)
}
