//! The HTTP API of nsqlookupd: what consumers and nsqadmin ask, and what operators change.

mod changing;
mod metrics;
mod reading;
mod route;
mod serve;

pub(crate) use serve::serve;
