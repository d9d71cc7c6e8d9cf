//! How log lines name whom they are about.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use protocol::{ChannelName, TopicName};

/// Consumers and producers of this process so far.
static COUNT: AtomicU64 = AtomicU64::new(0);

/// The start of a log line: `  1 [topic/channel]` of a consumer, `  1` of a producer.
#[derive(Debug, Clone)]
pub(crate) struct Label(Arc<str>);

impl Label {
    pub(crate) fn consumer(topic: &TopicName, channel: &ChannelName) -> Self {
        Self(format!("{:3} [{topic}/{channel}]", next()).into())
    }

    pub(crate) fn producer() -> Self {
        Self(format!("{:3}", next()).into())
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn next() -> u64 {
    COUNT.fetch_add(1, Ordering::Relaxed) + 1
}
