//! Opening a topic, with whatever state its files are in.

use std::{
    collections::HashMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64},
    },
};

use parking_lot::{Mutex, RwLock};
use protocol::TopicName;

use super::{
    commit::Waiters,
    environment::Environment,
    folder::{Folder, StateFile, TopicState},
    gate::Gate,
    metadata::TopicEntry,
    policy::TopicPolicy,
    topic::{Inner, Topic},
};
use crate::{
    alarms::AlarmKind,
    channel::{Channel, Checkpoint, FanOut},
    log::{Check, Log, OpenError, OpenOptions, keep_aside},
};

impl Topic {
    /// Opens or begins a topic. What its folder holds comes back.
    ///
    /// What `listed` says of it counts only where its own files are damaged.
    ///
    /// # Errors
    /// [`OpenError`] if its files cannot be read for a reason that is not damage.
    pub(super) fn open(
        name: TopicName,
        environment: Arc<Environment>,
        listed: Option<&TopicEntry>,
    ) -> Result<Arc<Self>, OpenError> {
        let folder = (!name.is_ephemeral()).then(|| Folder::of(&environment.data_path, &name));
        let (log, state) = match &folder {
            None => (Log::in_memory(&log_options(&environment)), StateFile::Absent),
            Some(folder) => open_log(&name, folder, &environment)?,
        };
        let first = log.ranges().first().map_or(0, |range| range.0);
        let tail = log.tail();
        let unknown = |paused| TopicState { paused, held: first, tail: 0 };
        let (state, written) = match (state, &folder) {
            (StateFile::Whole(state), _) => (state, Some(state)),
            (StateFile::Damaged, Some(folder)) => {
                // The list may not say it any more at the next start.
                let state = unknown(listed.is_some_and(|listed| listed.paused));
                folder
                    .write_state(state, false)
                    .map_err(|cause| OpenError::Io { path: folder.state_file(), cause })?;
                (state, Some(state))
            }
            _ => (unknown(false), None),
        };
        let gate = Gate::new(environment.sync_before_ok && folder.is_some());
        let topic = Arc::new_cyclic(|me| Self {
            me: me.clone(),
            name,
            environment,
            folder,
            fan_out: Arc::new(FanOut::held_at(state.held.min(tail))),
            log,
            inner: RwLock::new(Inner {
                channels: Vec::new(),
                paused: state.paused,
                is_newborn: false,
                policy: TopicPolicy::default(),
                channel_policies: HashMap::new(),
            }),
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
            gate,
            is_burying: AtomicBool::new(false),
            dead_told_s: AtomicU64::new(0),
        });
        topic.restore_channels(listed)?;
        if let Some(listed) = listed.filter(|listed| listed.has_policies()) {
            topic.restore_policies(listed);
        }
        Ok(topic)
    }

    fn restore_channels(&self, listed: Option<&TopicEntry>) -> Result<(), OpenError> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let failed = |cause| OpenError::Io { path: folder.path().to_owned(), cause };
        let files = folder.channels().map_err(failed)?;
        let mut checkpoints = Vec::with_capacity(files.len());
        for (name, path) in files {
            checkpoints.push((name, self.read_checkpoint(&path).map_err(failed)?));
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
            let is_damaged = checkpoint.is_none();
            // Duplicates rather than loss.
            let checkpoint = checkpoint.unwrap_or_else(|| {
                let channels = listed.and_then(|listed| listed.channels.as_ref()).into_iter().flatten();
                let paused =
                    channels.into_iter().any(|channel| channel.paused && channel.name == name.as_str());
                Checkpoint::at(first, paused)
            });
            let channel = Channel::restore(self.setup(name), checkpoint, exact && !is_damaged);
            if is_damaged {
                // Until here a start finds the damage again.
                channel.save_again(false).map_err(failed)?;
            }
            inner.channels.push(channel);
        }
        drop(inner);
        self.release();
        Ok(())
    }

    /// `None` if the checkpoint is damaged; the file has a second name then, and waits to be replaced.
    fn read_checkpoint(&self, path: &Path) -> std::io::Result<Option<Checkpoint>> {
        let checkpoint = Checkpoint::decode(&std::fs::read(path)?);
        if checkpoint.is_none() {
            let aside = keep_aside(path)?;
            let what = format!(
                "does not check; kept as {}; the channel delivers all that is retained, also what it had finished",
                aside.display()
            );
            let alarms = &self.environment.alarms;
            alarms.raise(AlarmKind::DamagedCheckpoint, Some(self.name.as_str()), path, what);
        }
        Ok(checkpoint)
    }
}

fn open_log(
    name: &TopicName,
    folder: &Folder,
    environment: &Environment,
) -> Result<(Arc<Log>, StateFile), OpenError> {
    let failed = |cause| OpenError::Io { path: folder.path().to_owned(), cause };
    folder.create().map_err(failed)?;
    let log = Log::open(folder.path(), &log_options(environment))?;
    for damage in log.take_damage() {
        environment.alarms.raise_damage(name.as_str(), &damage);
    }
    let state = folder.read_state().map_err(failed)?;
    match state {
        StateFile::Whole(state) => log.advance_to(state.tail),
        StateFile::Absent => {}
        StateFile::Damaged => {
            let path = folder.state_file();
            let aside = keep_aside(&path).map_err(failed)?;
            let what = format!(
                "does not check; kept as {}; the pause is that of the list of topics, and messages that had passed to channels may \
                 wait in the topic again",
                aside.display()
            );
            environment.alarms.raise(AlarmKind::DamagedTopicState, Some(name.as_str()), &path, what);
        }
    }
    Ok((log, state))
}

fn log_options(environment: &Environment) -> OpenOptions {
    OpenOptions {
        storage: environment.storage.clone(),
        segment_bytes_max: environment.segment_bytes_max,
        node_id: environment.node_id,
        limits: environment.limits,
        check: environment.check,
    }
}
