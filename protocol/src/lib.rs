//! The NSQ wire protocol: names, frames, commands, IDENTIFY, message ids, errors.
//!
//! What daemons and clients share of protocol V2, as plain synchronous code: bytes in, values or bytes out. There is no
//! socket, no clock and no task here; the caller reads, writes and passes `now`. Only [`Compressed`] is a stream around
//! another one, which both sides put on whatever they have.
//!
//! A daemon reads a command in steps, because NSQ checks the state of the connection before the parameters, and the
//! parameters before the body:
//!
//! 1. [`parse_fin_fast`] for the commonest line, else [`next_line`] and [`CommandLine::parse`];
//! 2. its own state check, on [`CommandLine::verb`];
//! 3. a typed accessor such as [`CommandLine::req_args`];
//! 4. [`body_size`], then the body itself; for MPUB through [`MpubScan`].
//!
//! Clients, mock servers and fuzzers take [`Command`] and [`Frame`], which do it all at once.
//!
//! Protocol V1, between nsqd and nsqlookupd, is smaller: [`LookupCommand`] on the one side, [`LookupRequest`] on the other.
#![warn(clippy::indexing_slicing, clippy::string_slice)]

mod auth;
mod command;
mod compression;
mod error;
mod frame;
mod id_generator;
mod identify;
mod json;
mod lookup;
mod message_id;
mod names;
mod quote;

pub use auth::AuthResponse;
pub use command::{
    BODY_SIZE_BYTES, Command, CommandLine, Limits, LineStatus, MAGIC, MAX_LINE_BYTES, MpubBody, MpubMessages,
    MpubScan, Params, Verb, body_size, check_magic, next_line, parse_fin_fast, put_mpub,
};
pub use compression::Compressed;
pub use error::{ErrorCode, IdentifyField, MessageFailure, ProtocolError, PublishFailure, SubFailure};
pub use frame::{
    ATTEMPTS_OFFSET, CLOSE_WAIT, CLOSE_WAIT_FRAME, FRAME_PREFIX_BYTES, Frame, FrameError, FrameType,
    HEARTBEAT, HEARTBEAT_FRAME, ID_OFFSET, MESSAGE_FRAME_HEADER_BYTES, MESSAGE_HEADER_BYTES, MessageHeader,
    OK, OK_FRAME, TIMESTAMP_OFFSET, put_error, put_message, put_response,
};
pub use id_generator::{IdGenerator, InvalidNodeId, NodeId};
pub use identify::{
    ClientSettings, Compression, IdentifyOptions, IdentifyRequest, IdentifyResponse, Negotiated,
};
pub use lookup::{
    BadLookupAnswer, LOOKUP_BODY_BYTES_MAX, LOOKUP_LINE_BYTES_MAX, LOOKUP_MAGIC, LookupCommand, LookupError,
    LookupIdentified, LookupIdentify, LookupPeer, LookupRequest, put_lookup_answer, take_lookup_answer,
};
pub use message_id::MessageId;
pub use names::{
    ChannelName, EPHEMERAL_SUFFIX, InvalidName, MAX_NAME_BYTES, TopicName, is_valid_name, valid_name,
};
pub use quote::quote;
