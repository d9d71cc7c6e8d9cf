//! The queue daemon.
