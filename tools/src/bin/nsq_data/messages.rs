//! The messages of a topic, and who still wants each.

use indicatif::ProgressBar;
use nsqd::{
    log::InspectedMessage,
    offline::{ChannelFile, OfflineTopic, Outstanding, SegmentFile},
};

/// A message and what became of it.
pub(super) struct Stored<'a> {
    pub(super) message: InspectedMessage<'a>,
    /// It waits in the topic itself.
    pub(super) in_topic: bool,
}

impl Stored<'_> {
    /// What `channel` has still to do with it.
    pub(super) fn outstanding(&self, channel: &ChannelFile) -> Option<Outstanding> {
        if self.in_topic { None } else { channel.outstanding(self.message.seq) }
    }

    /// Deliveries so far, of which `attempts` were made by a channel of ours.
    pub(super) fn attempts(&self, attempts: u16) -> u16 {
        self.message.frame.attempts().saturating_sub(1).saturating_add(attempts)
    }

    /// When it is to be delivered, if that was set; a delay of the channel counts for more than that of its publish.
    pub(super) fn deadline_unix_ns(&self, outstanding: Option<Outstanding>) -> Option<u64> {
        let of_channel = outstanding.and_then(|outstanding| outstanding.deadline_unix_ns);
        let was_delivered = outstanding.is_some_and(|outstanding| outstanding.attempts != 0);
        of_channel.or(self.message.deadline_unix_ns.filter(|_| !was_delivered))
    }
}

/// Goes over all messages of a topic in order, until `each` returns `false`.
pub(super) fn each(
    topic: &OfflineTopic,
    bar: &ProgressBar,
    mut each: impl FnMut(&Stored<'_>) -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    let held = topic.held().unwrap_or(u64::MAX);
    // Files that overlap hold the same messages: each is taken once.
    let (mut next, mut goes_on) = (0, true);
    topic.read(|file| {
        let SegmentFile::Segment(segment) = file else { return anyhow::Ok(()) };
        for message in segment.messages().filter(|message| next <= message.seq) {
            if !goes_on {
                return Ok(());
            }
            goes_on = each(&Stored { message, in_topic: held <= message.seq })?;
        }
        next = next.max(segment.tail());
        bar.inc(segment.bytes());
        Ok(())
    })
}
