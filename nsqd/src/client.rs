//! A TCP connection as others see it: channels wake it, statistics read it.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering},
    },
    task::Waker,
};

use atomic_waker::AtomicWaker;
use daemon::tls::Peer;
use parking_lot::{Mutex, RwLock};
use protocol::{Compression, TopicName};

/// What a client said about itself, and what was agreed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Identity {
    pub(crate) client_id: String,
    pub(crate) hostname: String,
    pub(crate) user_agent: String,
    pub(crate) sample_rate: u8,
    pub(crate) topology_region: String,
    pub(crate) topology_zone: String,
    pub(crate) compression: Option<Compression>,
    /// `None` without TLS.
    pub(crate) tls: Option<Peer>,
    /// Whom the authorization server knows, and where to read about it; `None` without AUTH.
    pub(crate) authorized: Option<(String, String)>,
}

/// Where a connection stands. The numbers are those of `/stats`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Phase {
    Init = 0,
    Subscribed = 3,
    Closing = 4,
}

/// Where a consumer is, as seen from this nsqd. Always [`Locality::Global`] unless that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Locality {
    Global = 0,
    Region = 1,
    Zone = 2,
}

/// One connection. Its task owns the socket and the messages in flight; this is what is shared.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) id: u64,
    pub(crate) remote_address: String,
    /// Without port; empty on a unix socket.
    pub(crate) remote_ip: String,
    pub(crate) connected_unix: i64,
    pub(crate) identity: RwLock<Identity>,
    pub(crate) ready_count: AtomicU32,
    pub(crate) in_flight_count: AtomicU64,
    pub(crate) message_count: AtomicU64,
    pub(crate) finish_count: AtomicU64,
    pub(crate) requeue_count: AtomicU64,
    published: Mutex<HashMap<TopicName, u64>>,
    phase: AtomicU8,
    locality: AtomicU8,
    nearness: AtomicU8,
    /// Stands in its channel's line of waiting consumers. Changed under the channel's lock.
    pub(crate) is_waiting: AtomicBool,
    woken: AtomicBool,
    closed: AtomicBool,
    waker: AtomicWaker,
}

impl Client {
    pub(crate) fn new(id: u64, remote_address: String, remote_ip: &str, connected_unix: i64) -> Arc<Self> {
        let identity = Identity {
            client_id: remote_ip.to_owned(),
            hostname: remote_ip.to_owned(),
            ..Identity::default()
        };
        Arc::new(Self {
            id,
            remote_address,
            remote_ip: remote_ip.to_owned(),
            connected_unix,
            identity: RwLock::new(identity),
            ready_count: AtomicU32::new(0),
            in_flight_count: AtomicU64::new(0),
            message_count: AtomicU64::new(0),
            finish_count: AtomicU64::new(0),
            requeue_count: AtomicU64::new(0),
            published: Mutex::default(),
            phase: AtomicU8::new(Phase::Init as u8),
            locality: AtomicU8::new(Locality::Global as u8),
            nearness: AtomicU8::new(0),
            is_waiting: AtomicBool::new(false),
            woken: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            waker: AtomicWaker::new(),
        })
    }

    /// Tells the connection that its channel may have something for it.
    pub(crate) fn wake(&self) {
        self.woken.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Tells the connection to end.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.wake();
    }

    /// Has the connection's task woken at the next [`Client::wake`].
    pub(crate) fn register(&self, waker: &Waker) {
        self.waker.register(waker);
    }

    /// Whether it was woken since the last call.
    pub(crate) fn take_woken(&self) -> bool {
        self.woken.load(Ordering::Relaxed) && self.woken.swap(false, Ordering::Acquire)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub(crate) fn phase(&self) -> u8 {
        self.phase.load(Ordering::Relaxed)
    }

    pub(crate) fn set_phase(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Relaxed);
    }

    pub(crate) fn locality(&self) -> Locality {
        match self.locality.load(Ordering::Relaxed) {
            0 => Locality::Global,
            1 => Locality::Region,
            _ => Locality::Zone,
        }
    }

    /// The higher, the sooner it is woken.
    pub(crate) fn nearness(&self) -> u8 {
        self.nearness.load(Ordering::Relaxed)
    }

    /// Compares its place with that of this nsqd. As in the reference, two that are empty are equal, and prefer nobody.
    pub(crate) fn locate(&self, region: &str, zone: &str) {
        let identity = self.identity.read();
        let (in_region, in_zone) = (identity.topology_region == region, identity.topology_zone == zone);
        drop(identity);
        let locality = match (in_region, in_zone) {
            (_, true) => Locality::Zone,
            (true, false) => Locality::Region,
            (false, false) => Locality::Global,
        };
        let nearness = match (in_region && !region.is_empty(), in_zone && !zone.is_empty()) {
            (_, true) => 2,
            (true, false) => 1,
            (false, false) => 0,
        };
        self.locality.store(locality as u8, Ordering::Relaxed);
        self.nearness.store(nearness, Ordering::Relaxed);
    }

    /// Counts messages that it published. The number of topics bounds the map.
    pub(crate) fn count_published(&self, topic: &TopicName, messages: u64) {
        let mut published = self.published.lock();
        if let Some(count) = published.get_mut(topic) {
            *count += messages;
        } else {
            published.insert(topic.clone(), messages);
        }
    }

    /// Messages that it published, by topic name.
    pub(crate) fn published(&self) -> Vec<(TopicName, u64)> {
        let mut counts: Vec<_> =
            self.published.lock().iter().map(|(topic, count)| (topic.clone(), *count)).collect();
        counts.sort_unstable();
        counts
    }
}
