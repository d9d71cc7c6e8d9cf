//! Protocol V1, in which nsqd talks to nsqlookupd: lines as in V2, answers without a frame type.

mod announce;
mod answer;
mod error;
mod peer;
mod request;

pub use announce::{LOOKUP_MAGIC, LookupCommand, LookupIdentify};
pub use answer::{BadLookupAnswer, LookupIdentified, put_lookup_answer, take_lookup_answer};
pub use error::LookupError;
pub use peer::LookupPeer;
pub use request::{LOOKUP_BODY_BYTES_MAX, LOOKUP_LINE_BYTES_MAX, LookupRequest};
