//! The utilities' flags: what several of them have, and a table with its checks for each.
//!
//! A check that fails ends the utility with one line on stderr and exit code 1; NSQ's texts are kept, and so is their order.

mod client_options;
mod consumption;
mod sources;
mod timeouts;

pub mod nsq_bench;
pub mod nsq_data;
pub mod nsq_stat;
pub mod nsq_tail;
pub mod nsq_to_file;
pub mod nsq_to_http;
pub mod nsq_to_nsq;
pub mod to_nsq;

pub use client_options::{consumer_config, consumer_options, producer_config, producer_options, user_agent};
pub use consumption::{
    NSQD_TCP_FLAG, channel_name, consuming, given_up_flag, given_up_topic, max_in_flight_flag, topic_name,
};
pub use sources::{Sources, source_flags};
pub use timeouts::{Timeouts, timeout_flags};
