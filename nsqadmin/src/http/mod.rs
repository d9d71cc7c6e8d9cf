//! The HTTP face: NSQ's API of nsqadmin, and the page.

mod acting;
mod compression;
mod config;
mod graphite;
mod history;
mod me;
mod messages;
mod metrics;
mod peeking;
mod reading;
mod route;
mod serve;
mod streaming;

pub(crate) use serve::serve;
