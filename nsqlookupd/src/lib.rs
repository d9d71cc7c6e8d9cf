//! The directory: nsqds register what they have, consumers ask where it is.

mod directory;
pub mod registry;

pub use directory::Directory;
