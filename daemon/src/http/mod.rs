//! HTTP/1 as NSQ's daemons speak it: what a connection may take its time for, the forms of answers, queries, odd spellings
//! of paths. hyper does the protocol; which paths there are is up to each daemon.

pub mod body;
pub mod exposition;
mod framing;
mod patient;
mod pieces;
pub mod progress;
pub mod query;
pub mod respond;
pub mod routing;
mod serve;

pub use patient::Notes;
pub use pieces::Body;
pub use serve::{Answer, serve};

/// The whole answer to a connection for which there is no place.
pub const BUSY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
