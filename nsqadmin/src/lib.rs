//! The operators' web: what there is in a cluster, and actions on it.

mod run;

mod admin;
pub mod options;

mod http;
mod page;

mod access;
mod notify;

mod cluster;
mod live;

pub use run::run;
