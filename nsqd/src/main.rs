//! The queue daemon.

fn main() {}
