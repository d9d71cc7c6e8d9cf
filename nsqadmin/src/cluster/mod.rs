//! The cluster as it shows itself: asking its servers, and putting together what they say.
//!
//! Nothing is kept between two questions. What a server that fails would have said is missing, and said to be missing.

pub(crate) mod documents;
mod latency;
mod node;
pub(crate) mod survey;
mod tally;
mod upstream;
mod view;

pub(crate) use node::{Node, NodeName, host_port};
pub(crate) use survey::{Asked, ChannelPlace, LookupdSaid, NodeSaid, Survey, unix_ms};
pub(crate) use tally::ChannelTally;
pub(crate) use upstream::{Failure, Kind, QueryError, Upstream};
pub(crate) use view::{Nothing, Seen, View};
