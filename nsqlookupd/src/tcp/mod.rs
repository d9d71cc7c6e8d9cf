//! Connections of nsqds: protocol V1.

mod accepted;
mod connection;
mod session;

pub(crate) use accepted::serve;
pub(crate) use connection::too_many_connections;
