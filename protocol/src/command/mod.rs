//! Commands: what a client sends.
//!
//! ```text
//! command line \n [ size i32 | body ]
//! ```

mod body;
mod encoded;
mod fin;
mod line;
mod mpub;
mod params;
mod verb;

pub use body::{BODY_SIZE_BYTES, Limits, body_size};
pub use encoded::{Command, MAGIC, check_magic, put_mpub};
pub use fin::parse_fin_fast;
pub use line::{LineStatus, MAX_LINE_BYTES, next_line};
pub use mpub::{MpubBody, MpubMessages, MpubScan};
pub use params::{CommandLine, Params};
pub use verb::Verb;
