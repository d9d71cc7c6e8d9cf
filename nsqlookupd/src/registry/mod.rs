//! The registry: which topics and channels there are, and which nsqds have them.
//!
//! Plain synchronous code, without a lock, a task or a clock: it is given [`Now`]. [`Directory`](crate::Directory) puts the
//! lock around it.
//!
//! NSQ describes it as a set of keys (category, key, sub-key), each with a set of producers. Here a topic holds its
//! channels and its producers, and each producer knows in which of them it is, by numbers:
//!
//! ```text
//!  names ──▶ Topic { producers, tombstones, channels ──▶ Channel { producers } }
//!                        ▲                                            ▲
//!            Member { topics ────────────────────────── channels ─────┘ }
//! ```
//!
//! so that what an nsqd does costs by what it has and not by what there is, and 1,000,000 topic registrations with two
//! channels each take some 100 MB (`examples/registry_scale.rs` measures it).

mod records;

mod membership;
mod operators;

mod dump;
mod reading;

mod producer;
mod time;

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

pub use dump::{Entry, Key};
pub use membership::{Registered, Removed, Unregistered};
pub use producer::{Producer, ProducerId};
pub use reading::{Counts, Lookup, Node};
pub use records::{Full, Limits, Registry};
pub use time::{Lifetimes, Now};
