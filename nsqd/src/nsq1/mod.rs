//! The data path of NSQ 1.x: reading it, taking it over.

mod files;
mod import;
mod plan;
mod queue;
mod record;
mod write;

pub(crate) use import::import;
