//! The real topics on real files, without listeners: opened, closed and killed in process.

use std::{
    collections::BTreeSet,
    path::Path,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use protocol::{ChannelName, NodeId, TopicName};

use super::book::Book;
use crate::{
    alarms::Alarms,
    log::{Budget, Check, Limits, Next, StorageThread},
    timers::Timers,
    topic::{Environment, Housekeeping, Topic, Topics},
};

/// Never passes while a test runs: rounds are asked for.
const NEVER: Duration = Duration::from_hours(24);

/// What differs from one run to another.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settings {
    pub(super) segment_bytes_max: u32,
    pub(super) ephemeral_depth_max: usize,
}

/// One life of the process.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) topics: Arc<Topics>,
    pub(super) timers: Arc<Timers>,
    housekeeping: Arc<Housekeeping>,
    storage: StorageThread,
    runtime: tokio::runtime::Runtime,
}

impl Node {
    pub(super) fn open(data_path: &Path, settings: Settings, check: Check) -> Self {
        let storage = StorageThread::start().unwrap();
        let timers = Arc::new(Timers::default());
        let housekeeping = Housekeeping::new(storage.handle(), data_path.to_owned(), NEVER);
        let environment = Arc::new(Environment {
            storage: storage.handle(),
            timers: Arc::clone(&timers),
            housekeeping: Arc::clone(&housekeeping),
            data_path: data_path.to_owned(),
            segment_bytes_max: settings.segment_bytes_max,
            node_id: NodeId::new(7).unwrap(),
            sync_every: u64::MAX,
            ephemeral_depth_max: settings.ephemeral_depth_max as u64,
            prefers_near: false,
            latency_window_ns: None,
            names: tokio::sync::watch::Sender::new(0),
            asks_elsewhere: false.into(),
            limits: Limits::default(),
            check,
            alarms: Arc::new(Alarms::open(data_path).unwrap()),
            commits: None,
            sync_before_ok: false,
            topics: std::sync::OnceLock::new(),
            numbers: AtomicU64::new(0),
        });
        let topics = Topics::open(environment).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        Self { topics, timers, housekeeping, storage, runtime }
    }

    /// As an orderly stop does it. Whoever holds a topic or channel has let go of it.
    pub(super) fn close(self) {
        assert_eq!(self.topics.close(), Ok(()));
        self.kill();
    }

    /// Everything is dropped as it is.
    pub(super) fn kill(self) {
        self.storage.stop();
        self.housekeeping.forget();
    }

    /// Checkpoints and syncs of all topics.
    pub(super) fn round(&self) {
        self.topics.all().iter().for_each(|topic| topic.note_change());
        self.housekeeping.round();
    }

    /// The list of topics is on the disk, as it is when HTTP answers a pause or deletion.
    pub(super) fn rewrite(&self) {
        self.runtime.block_on(self.topics.rewrite_now());
    }

    pub(super) fn topic(&self, name: &str) -> Arc<Topic> {
        self.topics.get(name).unwrap_or_else(|| panic!("topic {name} is gone"))
    }

    pub(super) fn create_topic(&self, name: &str) {
        self.topics.get_or_create(&TopicName::parse(name.as_bytes()).unwrap()).unwrap().unwrap();
    }

    pub(super) fn create_channel(&self, topic: &str, name: &str) {
        let (_, is_new) = self.topic(topic).channel_or_create(&ChannelName::parse(name.as_bytes()).unwrap());
        assert!(is_new);
        self.topics.rewrite_soon();
    }
}

/// The messages that a topic's log holds, finished ones too.
pub(super) fn retained(topic: &Topic, book: &Book) -> BTreeSet<usize> {
    let (log, mut seq) = (topic.log(), 0);
    let mut found = BTreeSet::new();
    while let Some(segment) = log.segment_at(seq) {
        seq = seq.max(segment.base());
        segment.load().unwrap();
        match segment.next(seq, Budget { messages: u32::MAX, bytes: u32::MAX }) {
            Next::Run(run) | Next::Deferred { run, .. } => {
                found.extend(run.frames().map(|frame| book.identify(frame.timestamp_ns(), frame.body())));
                seq += u64::from(run.count());
            }
            Next::Damaged(count) => panic!("{count} messages at {seq} are damaged"),
            Next::Gone(count) => seq += count,
            Next::End => panic!("the segment at {seq} ends before its tail"),
            Next::NotLoaded => panic!("the segment at {seq} is loaded"),
        }
    }
    found
}
