//! The V2 protocol over TCP and unix sockets: one task a connection.

mod connection;
mod in_flight;
mod input;
mod output;
mod publish;
mod session;
mod settings;
mod subscription;
mod unsynced;

pub(crate) use self::{connection::serve, settings::Settings};
