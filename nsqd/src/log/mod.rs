//! The log of a topic: what was published, in order, in mapped segments whose frames are the bytes that consumers
//! get. Knows nothing of topics, channels or connections.

#[expect(clippy::module_inception, reason = "the noun of this folder")]
mod log;
mod segment;

mod allocate;
mod compaction;
mod error;
mod limits;
mod recovery;
mod storage;
mod stored;
mod sync;
mod sync_times;

#[cfg(test)]
mod tests;

pub use self::{
    error::{AppendError, OpenError},
    limits::Limits,
    log::{Log, Place, Usage},
    recovery::{Damage, DamageKind, OpenOptions},
    segment::{
        Budget, Check, Frame, Inspected, InspectedMessage, Inspection, Next, Run, Segment, SegmentError,
    },
    storage::{Storage, StorageThread},
    sync::SyncFailed,
    sync_times::{SYNC_BOUNDS_NS, SyncTimes},
};
pub(crate) use self::{
    segment::{
        salvage::{is_bad_block, keep_aside},
        segment_base,
    },
    stored::{Stored, StoredWriter},
};
