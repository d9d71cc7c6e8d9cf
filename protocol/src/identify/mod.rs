//! IDENTIFY: what a client asks for, what it gets, what it is told.

mod negotiate;
mod request;
mod response;

pub use negotiate::{ClientSettings, Compression, IdentifyOptions, Negotiated};
pub use request::IdentifyRequest;
pub use response::IdentifyResponse;
