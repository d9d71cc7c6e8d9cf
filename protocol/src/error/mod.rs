//! What a daemon can answer in an error frame.

mod code;
mod protocol_error;
mod text;

pub use code::ErrorCode;
pub use protocol_error::{IdentifyField, MessageFailure, ProtocolError, PublishFailure, SubFailure};
