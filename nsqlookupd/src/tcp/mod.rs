//! Connections of nsqds: protocol V1.

mod connection;
mod session;

pub(crate) use connection::{serve, too_many_connections};
