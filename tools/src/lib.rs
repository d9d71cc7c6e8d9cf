//! What the command-line utilities share.
//!
//! A utility is a binary of its own in `src/bin`; its table of flags with the checks behind it is here, in [`options`],
//! so that shell completions and man pages are made from the same tables. [`run`] is the life of each: the log on stderr, the
//! signals, the exit code.

pub mod balance;
pub mod cluster;
pub mod given_up;
pub mod log;
pub mod options;
mod run;
mod signals;
pub mod timings;

pub use run::run;
pub use signals::{StopSignal, Watched, stop_signal};
