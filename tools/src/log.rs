//! The log of the utilities, on stderr.
//!
//! A utility's own lines are `2026/11/20 20:06:11 text`, those of the client inside `2026/11/20 20:06:11 INF    1
//! [topic/channel] (127.0.0.1:4150) text`, with the levels `DBG INF WRN ERR`, of which `DBG` is not shown.

use daemon::log::{Config, Format, Level};

/// The crates whose lines are those of NSQ's client library.
pub const LIBRARIES: &[&str] = &["client"];

/// The log of a utility whose own events come from `crates`: the binary's and, if it logs, this library.
pub fn config(crates: &'static [&'static str]) -> Config {
    Config {
        prefix: String::new(),
        level: Level::Info,
        format: Format::Plain,
        file: None,
        crates,
        libraries: LIBRARIES,
    }
}
