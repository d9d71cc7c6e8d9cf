//! All topics, by name, and the list of them on the disk.

use std::{
    collections::HashMap,
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::{Mutex, RwLock};
use protocol::{ChannelName, TopicName};
use tokio::sync::watch;
use tracing::{error, info, warn};

use super::{
    environment::Environment,
    folder::Scan,
    metadata::{ChannelEntry, Metadata, MetadataError, TopicEntry},
    topic::Topic,
};
use crate::{
    alarms::AlarmKind,
    fault,
    log::{OpenError, SyncTimes, keep_aside},
};

/// After a topic or channel was made, the list is rewritten within this time. The folders are the truth; so many
/// creations cost one write.
const REWRITE_DELAY: Duration = Duration::from_millis(200);

/// How often a long start says how far it is.
const PROGRESS: Duration = Duration::from_secs(2);

/// Why the daemon cannot start with this data path.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// The list of topics cannot be read.
    #[error(transparent)]
    Metadata(MetadataError),
    /// The data path cannot be read.
    #[error("cannot read {path}")]
    DataPath {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    /// A topic cannot be opened.
    #[error("cannot open topic {topic}")]
    Topic {
        topic: TopicName,
        #[source]
        cause: OpenError,
    },
}

/// Names → topics.
#[derive(Debug)]
pub(crate) struct Topics {
    environment: Arc<Environment>,
    map: RwLock<HashMap<TopicName, Arc<Topic>>>,
    exiting: AtomicBool,
    rewrite_asked: AtomicBool,
    /// Folders of deleted topics, which are there until the list is written without them: otherwise a killed process
    /// would take the list's word for a topic that lost its folder.
    condemned: Mutex<Vec<PathBuf>>,
    /// New topics of which it is not known which channels they have elsewhere.
    newborn: Mutex<Vec<Arc<Topic>>>,
    /// Held while the list is written, by the storage thread or at the end.
    rewriting: Mutex<()>,
}

impl Topics {
    /// Opens all topics of the data path.
    ///
    /// # Errors
    /// [`StartError`]; nothing was changed. Interrupted deletions are finished when the list is written next.
    pub(crate) fn open(environment: Arc<Environment>) -> Result<Arc<Self>, StartError> {
        let data_path = environment.data_path.clone();
        let failed = |cause| StartError::DataPath { path: data_path.clone(), cause };
        let scan = Scan::of(&data_path).map_err(failed)?;
        let metadata = match Metadata::read(&data_path) {
            Ok(metadata) => metadata,
            // Only NSQ's list without folders of ours is all that there is.
            Err(MetadataError::Damaged(cause)) if !scan.topics.is_empty() => {
                let path = data_path.join(Metadata::FILE);
                let aside = keep_aside(&path).map_err(failed)?;
                let what = format!(
                    "{cause}; kept as {}; topics and channels are those of the folders, and have no policies any more",
                    aside.display()
                );
                environment.alarms.raise(AlarmKind::DamagedMetadata, None, &path, what);
                Metadata::default()
            }
            Err(error) => return Err(StartError::Metadata(error)),
        };
        let topics = Self {
            environment,
            map: RwLock::default(),
            exiting: AtomicBool::new(false),
            rewrite_asked: AtomicBool::new(false),
            condemned: Mutex::default(),
            newborn: Mutex::default(),
            rewriting: Mutex::default(),
        };
        let listed = metadata.topics.unwrap_or_default();
        let by_name: HashMap<&str, &TopicEntry> =
            listed.iter().map(|entry| (entry.name.as_str(), entry)).collect();
        let mut told = Instant::now();
        for (at, topic) in scan.topics.iter().enumerate() {
            topics.restore(topic, by_name.get(topic.as_str()).copied())?;
            if PROGRESS <= told.elapsed() {
                told = Instant::now();
                info!("NSQ: opened {} of {} topics", at + 1, scan.topics.len());
            }
        }
        for entry in &listed {
            let Ok(name) = TopicName::parse(entry.name.as_bytes()) else {
                warn!("skipping creation of invalid topic {}", entry.name);
                continue;
            };
            let is_condemned = scan.condemned.iter().any(|(condemned, _)| *condemned == name);
            if !scan.topics.contains(&name) && !is_condemned {
                topics.restore_listed(&name, entry)?;
            }
        }
        topics.condemned.lock().extend(scan.condemned.into_iter().map(|(_, folder)| folder));
        let topics = Arc::new(topics);
        // It is set once: these are the topics of this environment.
        let _ = topics.environment.topics.set(Arc::downgrade(&topics));
        Ok(topics)
    }

    fn restore(&self, name: &TopicName, listed: Option<&TopicEntry>) -> Result<Arc<Topic>, StartError> {
        let topic = Topic::open(name.clone(), Arc::clone(&self.environment), listed)
            .map_err(|cause| StartError::Topic { topic: name.clone(), cause })?;
        self.map.write().insert(name.clone(), Arc::clone(&topic));
        Ok(topic)
    }

    /// A topic that the list has and no folder: the list was written by NSQ, or by hand.
    fn restore_listed(&self, name: &TopicName, entry: &TopicEntry) -> Result<(), StartError> {
        let topic = self.restore(name, None)?;
        for channel in entry.channels.iter().flatten() {
            if let Ok(name) = ChannelName::parse(channel.name.as_bytes()) {
                topic.channel_or_create(&name).0.set_paused(channel.paused);
            } else {
                warn!("skipping creation of invalid channel {}", channel.name);
            }
        }
        topic.set_paused(entry.paused);
        topic.restore_policies(entry);
        Ok(())
    }

    /// The topic of this name.
    #[inline]
    pub(crate) fn get(&self, name: &str) -> Option<Arc<Topic>> {
        self.map.read().get(name).cloned()
    }

    /// The topic of this name, made if it is not there. `None` once the daemon stops.
    ///
    /// # Errors
    /// [`OpenError`] if its folder cannot be made.
    pub(crate) fn get_or_create(self: &Arc<Self>, name: &TopicName) -> Result<Option<Arc<Topic>>, OpenError> {
        if let Some(topic) = self.get(name.as_str()) {
            return Ok(Some(topic));
        }
        let mut map = self.map.write();
        if self.exiting.load(Ordering::Acquire) {
            return Ok(None);
        }
        if let Some(topic) = map.get(name.as_str()) {
            return Ok(Some(Arc::clone(topic)));
        }
        let topic = Topic::open(name.clone(), Arc::clone(&self.environment), None)?;
        let is_newborn = self.environment.asks_elsewhere.load(Ordering::Relaxed) && !name.is_ephemeral();
        if is_newborn {
            topic.hold_newborn();
            self.newborn.lock().push(Arc::clone(&topic));
        }
        map.insert(name.clone(), Arc::clone(&topic));
        drop(map);
        self.environment.note_names();
        info!("TOPIC({name}): created");
        self.rewrite_soon();
        Ok(Some(topic))
    }

    /// Deletes a topic with its channels and messages. `false` if there is none.
    pub(crate) fn delete(self: &Arc<Self>, name: &str) -> bool {
        self.delete_if(name, |_| true)
    }

    fn delete_if(self: &Arc<Self>, name: &str, is_meant: impl FnOnce(&Topic) -> bool) -> bool {
        let mut map = self.map.write();
        if !map.get(name).is_some_and(|topic| is_meant(topic)) {
            return false;
        }
        let Some(topic) = map.remove(name) else { return false };
        // Under the lock: a new topic of this name must not get the old one's folder.
        let condemned = topic.exit();
        drop(map);
        self.environment.note_names();
        match condemned {
            Ok(None) => {}
            Ok(Some(folder)) => {
                self.condemned.lock().push(folder);
                self.rewrite_soon();
            }
            Err(cause) => {
                error!(topic = name, %cause, "cannot take the folder of a deleted topic out of use");
            }
        }
        true
    }

    /// Sees each topic and channel that comes or goes.
    pub(crate) fn names_changes(&self) -> watch::Receiver<u64> {
        self.environment.names.subscribe()
    }

    /// Whether new topics wait for [`Topic::begin`].
    pub(crate) fn set_asks_elsewhere(&self, asks: bool) {
        self.environment.asks_elsewhere.store(asks, Ordering::Relaxed);
    }

    /// At most `count` of the topics that wait for [`Topic::begin`]. Each is given out once.
    pub(crate) fn take_newborn(&self, count: usize) -> Vec<Arc<Topic>> {
        let mut newborn = self.newborn.lock();
        let count = count.min(newborn.len());
        newborn.drain(..count).collect()
    }

    /// Removes an ephemeral topic that has lost its last channel.
    pub(crate) fn delete_if_unused(self: &Arc<Self>, topic: &Topic) {
        if topic.name().is_ephemeral() {
            // Another may have taken its name meanwhile.
            let is_meant = |present: &Topic| std::ptr::eq(present, topic) && topic.channels().is_empty();
            self.delete_if(topic.name().as_str(), is_meant);
        }
    }

    /// All topics, by name.
    pub(crate) fn all(&self) -> Vec<Arc<Topic>> {
        let mut topics: Vec<_> = self.map.read().values().cloned().collect();
        topics.sort_unstable_by(|a, b| a.name().cmp(b.name()));
        topics
    }

    /// How long syncs took.
    pub(crate) fn sync_times(&self) -> &SyncTimes {
        self.environment.storage.sync_times()
    }

    /// Gives the segments back that are kept to be written to again.
    pub(crate) fn free_spares(&self) {
        self.all().iter().for_each(|topic| topic.log().free_spares());
    }

    /// Why some topic cannot store messages, if one cannot.
    pub(crate) fn failure(&self) -> Option<String> {
        self.map.read().values().find_map(|topic| topic.failure())
    }

    /// Has the list of topics rewritten within a moment.
    pub(crate) fn rewrite_soon(self: &Arc<Self>) {
        if !self.rewrite_asked.swap(true, Ordering::AcqRel) {
            let me = Arc::clone(self);
            let asked = self.environment.storage.run_after(REWRITE_DELAY, move || {
                me.rewrite_asked.store(false, Ordering::Release);
                me.rewrite();
            });
            if !asked {
                self.rewrite_asked.store(false, Ordering::Release);
            }
        }
    }

    /// Rewrites the list of topics on the storage thread, and waits for it without blocking the caller's thread. `false` if it
    /// is not written yet.
    pub(crate) async fn rewrite_now(self: &Arc<Self>) -> bool {
        let (tx, rx) = tokio::sync::oneshot::channel();
        let me = Arc::clone(self);
        let asked = self.environment.storage.run_after(Duration::ZERO, move || {
            // Nobody waits any more if the request was given up.
            let _ = tx.send(me.rewrite());
        });
        if !asked {
            self.rewrite_soon();
        }
        asked && rx.await == Ok(true)
    }

    /// Rewrites the list of topics, and removes the folders of the deleted. May wait for the disk. `false`, and a line in the
    /// log, if it cannot be written.
    pub(crate) fn rewrite(&self) -> bool {
        let _one_at_a_time = self.rewriting.lock();
        // Before the topics are read: these are not among them.
        let condemned = std::mem::take(&mut *self.condemned.lock());
        let mut written = self.write_list();
        for folder in &condemned {
            remove_folder(folder);
        }
        if written.is_err() && !condemned.is_empty() {
            // On a full disk, deletions make the room that the list needs.
            written = self.write_list();
        }
        if let Err(cause) = &written {
            error!(%cause, "cannot write the list of topics; it is written at the next change");
        }
        written.is_ok()
    }

    fn write_list(&self) -> io::Result<()> {
        let entries = self.all().into_iter().filter(|topic| !topic.name().is_ephemeral()).map(|topic| {
            let channels = topic.channels().into_iter().filter(|channel| !channel.name().is_ephemeral());
            let channels: Vec<_> = channels
                .map(|channel| ChannelEntry {
                    name: channel.name().to_string(),
                    paused: channel.is_paused(),
                    config: Some(topic.channel_policy(channel.name())).filter(|policy| !policy.is_empty()),
                })
                .collect();
            TopicEntry {
                name: topic.name().to_string(),
                paused: topic.is_paused(),
                channels: (!channels.is_empty()).then_some(channels),
                config: Some(topic.policy()).filter(|policy| !policy.is_empty()),
            }
        });
        let entries: Vec<_> = entries.collect();
        let topics = (!entries.is_empty()).then_some(entries);
        let metadata = Metadata { topics, version: daemon::version::COMPATIBLE.to_owned(), checksum: None };
        metadata.write(&self.environment.data_path)
    }

    /// Waits until everything is on the disk, so that the next start need not check it. `false`, and a line in the log, if
    /// that fails.
    pub(crate) fn sync_all(&self) -> bool {
        let topics: Vec<_> = self.all().into_iter().map(|topic| (topic.tail(), topic)).collect();
        if let Err(cause) = self.environment.housekeeping.sync_file_system() {
            error!(%cause, "cannot sync the file system");
            return false;
        }
        for (tail, topic) in topics {
            topic.note_synced(tail);
        }
        true
    }

    /// Ends all topics with their state on the disk. Publishes are refused from here on.
    ///
    /// # Errors
    /// How many topics could not write all of it; each is logged.
    pub(crate) fn close(&self) -> Result<(), usize> {
        self.exiting.store(true, Ordering::Release);
        info!(
            "NSQ: persisting topic/channel metadata to {}",
            self.environment.data_path.join("nsqd.dat").display()
        );
        self.rewrite();
        info!("NSQ: closing topics");
        let mut failed = 0;
        for topic in self.all() {
            if let Err(cause) = topic.close() {
                error!(topic = %topic.name(), %cause, "cannot write all of a topic's state");
                failed += 1;
            }
        }
        if !self.sync_all() {
            failed += 1;
        }
        if failed == 0 { Ok(()) } else { Err(failed) }
    }
}

fn remove_folder(folder: &std::path::Path) {
    if let Err(cause) = fault::at("folder-remove").and_then(|()| std::fs::remove_dir_all(folder)) {
        error!(folder = %folder.display(), %cause, "cannot remove the files of a deleted topic; tried again at the next start");
    }
}
