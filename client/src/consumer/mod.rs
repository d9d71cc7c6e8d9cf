//! Consumers: one topic, one channel, any number of nsqds.

mod consumer;
mod error;
mod handle;
mod message;

pub use self::{
    consumer::{Consumer, Source},
    error::ConsumerError,
    handle::{Counts, Handle},
    message::{Message, Requeue},
};
