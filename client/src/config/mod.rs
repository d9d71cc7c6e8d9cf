//! Options of consumers and producers.

mod config;
mod error;

pub use self::{
    config::{BackoffStrategy, Config, TlsMinVersion},
    error::ConfigError,
};
