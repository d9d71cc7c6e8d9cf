//! The HTTP API of nsqd: a table of routes: the answers to unknown paths, other methods and odd spellings
//! are NSQ's to the byte, which a router would have to be talked out of its own.

mod actions;
mod config;
mod debug;
mod express;
mod health;
mod metrics;
mod parameters;
mod peek;
mod plain_publish;
mod policies;
mod publish;
mod ready;
mod route;
mod serve;
mod stats;
mod stats_json;
mod stats_text;

pub(crate) use serve::serve;

use daemon::http::{body, exposition, progress, respond};
