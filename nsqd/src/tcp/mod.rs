//! The V2 protocol over TCP and unix sockets: one task a connection.

mod access;
mod authorization;
mod connection;
mod in_flight;
mod input;
mod output;
mod publish;
mod session;
mod settings;
mod stream;
mod subscription;
mod unsynced;

pub(crate) use self::{connection::serve, settings::Settings};
