//! Which of several addresses gets the next message: `--mode` of the utilities that pass messages on.
//!
//! Plain and synchronous: given the time, and random numbers from 0 to 1.

mod epsilon_greedy;
mod host_pool;
mod mode;

pub use epsilon_greedy::EpsilonGreedy;
pub use host_pool::HostPool;
pub use mode::{Balance, Mode, ONE, ONE_OR_ALL};
