//! The queue daemon.

mod nsqd;
pub mod options;

mod channel;
mod client;
mod clock;
pub mod log;
mod timers;
mod topic;
