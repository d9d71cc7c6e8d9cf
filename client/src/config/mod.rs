//! Options of consumers and producers.

#[expect(clippy::module_inception, reason = "the noun of this folder")]
mod config;
mod duration;
mod error;
mod set;
mod validate;

pub(crate) use self::duration::format as format_duration;
pub use self::{
    config::{BackoffStrategy, Config, TlsMinVersion},
    error::ConfigError,
};
