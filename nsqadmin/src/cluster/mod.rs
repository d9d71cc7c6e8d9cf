//! The cluster as it shows itself: asking its servers, and putting together what they say.
//!
//! Nothing is kept between two questions. What a server that fails would have said is missing, and said to be missing.

mod documents;
mod latency;
mod node;
mod tally;
mod upstream;
mod view;

pub(crate) use node::{Node, NodeName};
pub(crate) use tally::ChannelTally;
pub(crate) use upstream::{Kind, Upstream};
pub(crate) use view::{Nothing, Seen, View};
