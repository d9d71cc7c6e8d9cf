//! The queue daemon.

mod run;

mod connections;
pub mod data_path;
mod nsq1;
mod nsqd;
pub mod offline;
pub mod options;

mod http;
mod tcp;

mod auth;
mod lookup;

mod ask;
mod statistics;
mod statsd;

mod client;
mod timers;

mod topic;

mod alarms;
mod channel;

mod clock;
mod fault;
mod heap;
pub mod log;

pub use run::run;
