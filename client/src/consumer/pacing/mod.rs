//! How many messages each connection may have in flight, as plain state that is given the time.
//!
//! [`Backoff`] says when to pause; [`Pacing`] says which connection gets which RDY, with what [`Backoff`] says.

mod backoff;
#[expect(clippy::module_inception, reason = "the noun of this folder")]
mod pacing;

pub(crate) use self::{
    backoff::Outcome,
    pacing::{Event, MemberId, Pacing, Rdy},
};
