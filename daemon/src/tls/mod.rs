//! TLS by rustls: what a daemon's listeners offer, and what it trusts where it is the client.

mod certificates;
mod client;
mod files;
mod https;
mod options;
mod server;

/// A connection of a listener behind its handshake.
pub type ServerStream<S> = tokio_rustls::server::TlsStream<S>;

pub use self::{
    client::{ClientTlsOptions, connect},
    files::TlsError,
    https::HANDSHAKE_RECORD,
    options::{ClientAuth, MinVersion, Required, TlsOptions, tls_flags},
    server::{HandshakeError, Peer, ServerTls},
};
