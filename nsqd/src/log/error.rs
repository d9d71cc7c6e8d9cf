//! Why the log refuses.

use std::{io, path::PathBuf};

use super::segment::SegmentError;

/// Why a publish was refused. In every case the log is unchanged.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The batch is larger than a segment can be.
    #[error("batch of {bytes} bytes is over the limit of {limit} for one command; split it")]
    TooBig {
        /// Bytes of the batch, with what the log adds.
        bytes: usize,
        /// Largest segment.
        limit: u32,
    },
    /// The topic has as many bytes as it may.
    #[error(
        "the topic has all the bytes that --max-topic-bytes={limit} allows; publishing resumes when messages are consumed"
    )]
    TopicFull {
        /// The limit.
        limit: u64,
    },
    /// The next segment cannot be allocated.
    #[error("no room for a segment in {place}; free disk space, publishing then resumes by itself")]
    NoRoom {
        /// Folder of the topic.
        place: String,
        /// What the system says.
        #[source]
        cause: io::Error,
    },
    /// The topic is deleted, or the daemon stops.
    #[error("the log is closed")]
    Closed,
}

/// Why a topic's folder cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder or a file in it cannot be read or made.
    #[error("cannot open {path}")]
    Io {
        /// Folder or file.
        path: PathBuf,
        /// What the system says.
        #[source]
        cause: io::Error,
    },
    /// A segment cannot be mapped.
    #[error(transparent)]
    Segment(#[from] SegmentError),
}
