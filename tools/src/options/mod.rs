//! The utilities' flags: what several of them have, and a table with its checks for each.
//!
//! A check that fails ends the utility with one line on stderr and exit code 1; NSQ's texts are kept, and so is their order.

mod client_options;
mod sources;
mod timeouts;

pub mod nsq_stat;
pub mod nsq_to_file;

pub use client_options::{consumer_config, consumer_options, producer_config, producer_options, user_agent};
pub use sources::{Sources, source_flags};
pub use timeouts::{Timeouts, timeout_flags};
