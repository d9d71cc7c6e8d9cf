//! A connection to one nsqd, up to the point where consumers and producers differ.
//!
//! ```text
//! dial → magic → IDENTIFY → TLS → snappy or deflate → AUTH → (SUB, of a consumer)
//! ```

mod connector;
mod dial;
mod error;
mod handshake;
mod inbox;
mod outward;
mod stream;
mod tls;

pub use self::error::ConnectError;
pub(crate) use self::{
    connector::Connector,
    handshake::Connected,
    inbox::{Inbox, Incoming},
    outward::write_all,
    stream::BoxedStream,
    tls::tls_config,
};
