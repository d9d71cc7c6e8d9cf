//! Producers: publishing to one nsqd, or to whichever of several takes it.
//!
//! ```text
//! Producer::publish ──► Lane: bytes to write, who waits ──► its task ──► nsqd
//!                   ◄── the answer, in order            ◄──
//! ```

mod error;
mod health;
mod lane;
mod line;
mod pool;
#[expect(clippy::module_inception, reason = "the noun of this folder")]
mod producer;
mod publication;

pub use self::{error::PublishError, pool::ProducerPool, producer::Producer};
