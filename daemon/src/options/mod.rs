//! Command lines and configuration files, driven by one table per daemon.
//!
//! A daemon describes each option once, as a [`Flag`] in a [`Group`]: name, type, default, help. [`Program::load`] reads
//! the command line, then the file that `--config` names, and gives back [`Settings`]: one value per flag, where a flag
//! given on the command line wins over the file, and the file over the default. The daemon turns them into its own
//! struct through a [`Reader`], which checks bounds and sees to it that no option is declared and then ignored.
//! `Settings` stay available by configuration key for `GET /config/:opt`.
//!
//! Command lines follow Go's conventions, with the same error texts: one or two dashes, a boolean takes a value only
//! after `=`, integers as `0x10` and `1_000`, the first line of an error fixed to the byte. This is a parser of its own
//! rather than clap because clap reads `-tcp-address` as a bundle of short flags, has no such booleans, numbers or error
//! texts, and cannot tell a file's value from a default; what would remain of it is less than what it would take to
//! bend it.

mod choice;
mod command_line;
mod file;
mod number;
mod program;
mod reader;
mod settings;
mod stop;
mod table;
mod usage;

pub use choice::{Choice, LEVEL, LOG_FORMAT};
pub use command_line::{UsageError, nearest_name};
pub use file::FileError;
pub use program::{Loaded, Positional, Program};
pub use reader::{Reader, Refused};
pub use settings::{Settings, Source, Value};
pub use stop::Stop;
pub use table::{Check, Flag, Group, Kind, boolean, choice, duration, float, floats, int, text, texts};
