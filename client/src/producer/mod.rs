//! Producers: publishing to one nsqd, or to whichever of several takes it.

mod error;
mod pool;
mod producer;

pub use self::{error::PublishError, pool::ProducerPool, producer::Producer};
