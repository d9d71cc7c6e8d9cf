//! What topics and channels should do, said with plain maps of messages.
//!
//! Knows messages by their number in the [`Book`], and nothing of seqs, segments, cursors and bits.

use std::collections::{BTreeMap, BTreeSet};

use super::book::Book;

/// Where an outstanding message of a channel is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    /// To be delivered after its deadline, or at once where that is 0. `attempts` deliveries were made.
    Waiting {
        deadline_unix_ns: u64,
        attempts: u16,
    },
    InFlight {
        consumer: u64,
        attempts: u16,
    },
}

impl Status {
    fn fresh(book: &Book, number: usize) -> Self {
        let deadline_unix_ns = book.get(number).deadline_unix_ns.unwrap_or(0);
        Self::Waiting { deadline_unix_ns, attempts: 0 }
    }

    /// What a checkpoint keeps of it: in flight counts as one delivery.
    fn saved(self) -> Self {
        match self {
            Self::InFlight { .. } => Self::Waiting { deadline_unix_ns: 0, attempts: 1 },
            waiting @ Self::Waiting { .. } => waiting,
        }
    }
}

/// How many messages are where.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) depth: u64,
    pub(super) deferred: u64,
    pub(super) in_flight: u64,
}

/// What a killed process remembers of a channel.
#[derive(Debug, Default)]
struct Saved {
    paused: bool,
    messages: BTreeMap<usize, Status>,
    /// What came later: it is found in the log.
    later: Vec<usize>,
}

/// The messages of a channel that are neither finished nor dropped.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) paused: bool,
    pub(super) messages: BTreeMap<usize, Status>,
    bound: Option<usize>,
    saved: Saved,
}

impl Channel {
    fn new(bound: Option<usize>) -> Self {
        Self { paused: false, messages: BTreeMap::new(), bound, saved: Saved::default() }
    }

    fn pass(&mut self, book: &Book, number: usize) {
        let waits = |status: &&Status| matches!(status, Status::Waiting { .. });
        if self.bound.is_none_or(|bound| self.messages.values().filter(waits).count() < bound) {
            self.messages.insert(number, Status::fresh(book, number));
        }
        self.saved.later.push(number);
    }

    /// A message is handed to a consumer; returns which delivery this is.
    pub(super) fn deliver(&mut self, number: usize, consumer: u64, now_unix_ns: u64) -> u16 {
        let Some(status) = self.messages.get_mut(&number) else {
            panic!("message {number} is delivered and was finished, dropped, or never in this channel");
        };
        match *status {
            Status::Waiting { deadline_unix_ns, attempts } if deadline_unix_ns <= now_unix_ns => {
                *status = Status::InFlight { consumer, attempts: attempts + 1 };
                attempts + 1
            }
            other => panic!("message {number} is delivered and was {other:?}"),
        }
    }

    pub(super) fn finish(&mut self, number: usize) {
        let was = self.messages.remove(&number);
        assert!(matches!(was, Some(Status::InFlight { .. })), "finished, and was {was:?}");
    }

    /// Back from its consumer, to wait for a deadline or for none, which is 0.
    pub(super) fn requeue(&mut self, number: usize, deadline_unix_ns: u64) {
        let status = self.messages.get_mut(&number);
        let Some(Status::InFlight { attempts, .. }) = status.as_deref().copied() else {
            panic!("requeued, and was {status:?}");
        };
        self.messages.insert(number, Status::Waiting { deadline_unix_ns, attempts });
    }

    /// All that a consumer has comes back.
    pub(super) fn leave(&mut self, gone: u64) {
        for status in self.messages.values_mut() {
            if let Status::InFlight { consumer, attempts } = *status
                && consumer == gone
            {
                *status = Status::Waiting { deadline_unix_ns: 0, attempts };
            }
        }
    }

    pub(super) fn has_deliverable(&self, now_unix_ns: u64) -> bool {
        self.messages.values().any(
            |status| matches!(status, Status::Waiting { deadline_unix_ns, .. } if *deadline_unix_ns <= now_unix_ns),
        )
    }

    pub(super) fn counts(&self, now_unix_ns: u64) -> Counts {
        let mut counts = Counts::default();
        for status in self.messages.values() {
            match *status {
                Status::InFlight { .. } => counts.in_flight += 1,
                Status::Waiting { deadline_unix_ns, .. } if now_unix_ns < deadline_unix_ns => {
                    counts.deferred += 1;
                }
                Status::Waiting { .. } => counts.depth += 1,
            }
        }
        counts
    }

    /// A checkpoint is written.
    pub(super) fn save(&mut self) {
        let messages = self.messages.iter().map(|(number, status)| (*number, status.saved())).collect();
        self.saved = Saved { paused: self.paused, messages, later: Vec::new() };
    }

    /// The process ends without another checkpoint, and begins again. `retained` is what its log still holds: what was
    /// finished after the checkpoint may come back, and does if it is still there.
    fn kill(&mut self, book: &Book, retained: &BTreeSet<usize>) {
        for number in self.messages.keys() {
            assert!(retained.contains(number), "message {number} was outstanding and is lost");
        }
        let later = self.saved.later.iter().map(|number| (*number, Status::fresh(book, *number)));
        let saved = self.saved.messages.iter().map(|(number, status)| (*number, *status));
        self.messages = saved.chain(later).filter(|(number, _)| retained.contains(number)).collect();
        self.paused = self.saved.paused;
    }
}

/// A topic: messages that wait for a channel or for the end of a pause, and channels.
#[derive(Debug)]
pub(super) struct Topic {
    pub(super) paused: bool,
    pub(super) waiting: Vec<usize>,
    pub(super) channels: BTreeMap<&'static str, Channel>,
    /// For what is ephemeral.
    depth_max: usize,
    is_ephemeral: bool,
}

impl Topic {
    pub(super) fn new(is_ephemeral: bool, depth_max: usize) -> Self {
        Self { paused: false, waiting: Vec::new(), channels: BTreeMap::new(), depth_max, is_ephemeral }
    }

    pub(super) fn publish(&mut self, book: &Book, numbers: std::ops::Range<usize>) {
        self.waiting.extend(numbers);
        let passes = !self.paused && !self.channels.is_empty();
        if self.is_ephemeral && !passes {
            self.waiting.truncate(self.depth_max);
        }
        self.pass(book);
    }

    /// What waits goes to each channel, if there is one and no pause.
    fn pass(&mut self, book: &Book) {
        if self.paused || self.channels.is_empty() {
            return;
        }
        for number in self.waiting.drain(..) {
            self.channels.values_mut().for_each(|channel| channel.pass(book, number));
        }
    }

    pub(super) fn set_paused(&mut self, book: &Book, paused: bool) {
        self.paused = paused;
        self.pass(book);
    }

    pub(super) fn create_channel(&mut self, book: &Book, name: &'static str) {
        let bound = (self.is_ephemeral || is_ephemeral(name)).then_some(self.depth_max);
        self.channels.insert(name, Channel::new(bound));
        self.pass(book);
    }

    /// Drops what waits in the topic itself. A killed process forgets that its channels were told so.
    pub(super) fn empty(&mut self) {
        for channel in self.channels.values_mut() {
            channel.saved.later.extend(&self.waiting);
        }
        self.waiting.clear();
    }

    pub(super) fn save(&mut self) {
        self.channels.values_mut().for_each(Channel::save);
    }

    pub(super) fn kill(&mut self, book: &Book, retained: &BTreeSet<usize>) {
        for number in &self.waiting {
            assert!(retained.contains(number), "message {number} waited in its topic and is lost");
        }
        self.channels.values_mut().for_each(|channel| channel.kill(book, retained));
    }

    /// A channel gets all that is still there and has passed to channels, again, and this is saved.
    pub(super) fn seek(&mut self, name: &str, book: &Book, retained: &BTreeSet<usize>) {
        let channel = self.channels.get_mut(name).unwrap();
        let passed = retained.iter().filter(|number| !self.waiting.contains(number));
        channel.messages = passed.map(|number| (*number, Status::fresh(book, *number))).collect();
        channel.save();
    }

    /// The process ends in order, with some messages in flight, and begins again.
    pub(super) fn close(&mut self) {
        self.channels.retain(|name, _| !is_ephemeral(name));
        for channel in self.channels.values_mut() {
            channel.save();
            channel.messages.clone_from(&channel.saved.messages);
        }
    }
}

pub(super) fn is_ephemeral(name: &str) -> bool {
    name.ends_with("#ephemeral")
}
