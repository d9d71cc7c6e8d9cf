//! nsqd's options: the table of flags, and the checked struct that the daemon runs with.
//!
//! Flags, keys and defaults are NSQ 1.3's. Values with which NSQ would fail later, at the first message or client, are
//! refused at start.

mod checked;
mod statistics;
mod table;

pub use checked::{AuthMethod, Options, Start};
pub use statistics::{Latency, Statistics, Statsd};
pub use table::program;
