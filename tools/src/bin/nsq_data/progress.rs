//! How far a long run is, where somebody watches.

use indicatif::{ProgressBar, ProgressStyle};
use nsqd::offline::{DataPath, OfflineTopic};
use protocol::TopicName;

/// A bar over the bytes of the segments of `topics`, on stderr if that is a terminal.
pub(super) fn bar(data: &DataPath, topics: &[TopicName]) -> anyhow::Result<ProgressBar> {
    let mut bytes = 0;
    for name in topics {
        bytes += segment_bytes(&data.topic(name)?)?;
    }
    let style = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {eta} {msg}")?;
    Ok(ProgressBar::new(bytes).with_style(style))
}

/// Bytes of the files of a topic's log.
pub(super) fn segment_bytes(topic: &OfflineTopic) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for path in topic.segment_files() {
        bytes += std::fs::metadata(path)?.len();
    }
    Ok(bytes)
}
