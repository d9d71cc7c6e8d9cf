//! The directory: nsqds register what they have, consumers ask where it is.

mod run;

pub mod options;

mod http;
mod tcp;

mod lookupd;

mod directory;
pub mod registry;

mod clock;

pub use directory::Directory;
pub use run::run;
