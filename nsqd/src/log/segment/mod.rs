//! One segment of a topic's log: a mapped file whose frames grow from the front and whose slots grow from the back.
//!
//! ```text
//! 0        128                                                        capacity
//! | header | frame 0 | frame 1 | ...  →    free    ←  ... | slot 1 | slot 0 |
//! ```
//!
//! All `unsafe` of the project is in this module. Its soundness rests on four rules, each upheld here:
//!
//! 1. A segment has one [`Writer`], which is not `Clone`; only it stores into the mapping.
//! 2. The writer stores only beyond what is published; it publishes with a release store, readers load with acquire.
//! 3. Published bytes are never stored to again while anybody holds the [`Segment`]: recycling takes it by value.
//! 4. The file behind a mapping is allocated in full before it is mapped and is never truncated while mapped. Another
//!    process that truncates it would raise SIGBUS; the lock on the data path keeps a second daemon out.

mod file;
mod format;
mod inspect;
mod loaded;
#[expect(unsafe_code, reason = "advice on a mapping")]
mod mapping;
mod published;
mod recovered;
#[expect(unsafe_code, reason = "reads and writes of a mapping that other threads read")]
mod region;
mod run;
pub(super) mod salvage;
#[expect(clippy::module_inception, reason = "the noun of this folder")]
mod segment;
mod sparse;
mod writer;

pub(crate) use file::base as segment_base;
pub(super) use format::SEGMENT_BYTES_MAX;
pub use inspect::{Inspected, InspectedMessage, Inspection};
pub use run::{Budget, Frame, Next, Run};
pub(super) use segment::Opened;
pub use segment::{Check, Segment, SegmentError};
pub(super) use sparse::{KEPT_BYTES, Kept, encode as encode_sparse};
pub(super) use writer::{Blank, Entry, Writer};
