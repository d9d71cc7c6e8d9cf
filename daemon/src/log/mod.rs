//! The log: lines on stderr or in a file, as NSQ writes them, `[nsqd] 2026/11/20 21:22:44.003666 INFO: text key=value`,
//! or as a JSON object each.
//!
//! Events are written with `tracing`'s macros. An event's text is constant and its values are fields, which follow the
//! text as ` key=value`; the few lines that operators and test harnesses search for (`TCP: listening on
//! 127.0.0.1:4150`) are formatted into the text instead. Spans are not shown.
//!
//! One event is one line, whatever a peer puts into a value: control characters are escaped, a value with a blank, `=`
//! or quote in it is quoted, and a line is cut at [`LINE_BYTES_MAX`]. In JSON the values are cut, and the line stays JSON.

mod bounded;
mod fields;
mod format;
mod json;
mod layer;
mod level;
mod line;
mod output;

pub use bounded::LINE_BYTES_MAX;
pub use format::Format;
pub use layer::{Config, InitError, Log, fatal, init};
pub use level::{Level, LevelError};

pub(crate) use line::{Clock, start};
