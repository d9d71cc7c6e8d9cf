//! nsqadmin's options: the table of flags, and the checked struct that the daemon runs with.
//!
//! Flags, keys and defaults are NSQ 1.3's, besides `--read-only`.

mod checked;
mod table;

pub use checked::{Graphite, Options, Start};
pub use table::program;
