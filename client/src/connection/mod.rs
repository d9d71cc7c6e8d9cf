//! A connection to one nsqd, up to the point where consumers and producers differ.

mod error;

pub use self::error::ConnectError;
