//! Topics: a log, and the channels that read it. Knows nothing of sockets.

mod commit;
mod dead_letters;
mod environment;
mod folder;
mod gate;
mod housekeeping;
mod metadata;
mod opening;
mod policies;
mod policy;
mod position;
mod publish_error;
mod publishing;
#[expect(clippy::module_inception, reason = "the noun of this folder")]
mod topic;
mod topics;
mod upkeep;

#[cfg(test)]
mod tests;

pub(crate) use self::{
    commit::{Commits, Committed},
    environment::Environment,
    folder::{Folder, Scan, StateFile, TopicState},
    housekeeping::Housekeeping,
    metadata::Metadata,
    policy::{PolicyError, QueuePolicy, TopicPolicy},
    position::Position,
    publish_error::PublishError,
    topic::{Topic, TopicSnapshot},
    topics::Topics,
};
