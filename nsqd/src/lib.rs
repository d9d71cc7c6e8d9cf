//! The queue daemon.

pub mod options;
