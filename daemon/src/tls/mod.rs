//! TLS by rustls: what a daemon's listeners offer, and what it trusts where it is the client.

mod certificates;
mod client;
mod files;
mod options;
mod server;

pub use self::{
    client::{client_config, client_config_if_any},
    files::TlsError,
    options::{ClientAuth, MinVersion, Required, TlsOptions, tls_flags},
    server::{HandshakeError, Peer, ServerTls},
};
