//! nsqlookupd's options: the table of flags, and the checked struct that the daemon runs with.
//!
//! Flags, keys and defaults are NSQ 1.3's, besides `--max-connections`.

mod checked;
mod table;

pub use checked::{Options, Start};
pub use table::program;
