//! Consumers: one topic, one channel, any number of nsqds.
//!
//! ```text
//! connection (a task each): reads frames ──► Queue ──► Consumer::next ──► the user's code
//!                           writes          ◄── Link's outbox ◄── Message::finish, requeue, touch
//! pacer (a task): ends pauses, passes turns on ──► Pacing ──► RDY into the outboxes
//! finder (a task): asks nsqlookupd, or reconnects ──► connections
//! ```

mod connection;
#[expect(clippy::module_inception, reason = "the noun of this folder")]
mod consumer;
mod error;
mod finder;
mod handle;
mod hub;
mod link;
mod lookup_address;
mod lookup_client;
mod message;
mod outbox;
mod pacer;
mod pacing;
mod queue;

pub use self::{
    consumer::{Consumer, Source},
    error::ConsumerError,
    handle::{Counts, Handle},
    message::{Message, Requeue},
};
