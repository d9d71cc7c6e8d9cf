//! Topics: a log, and the channels that read it. Knows nothing of sockets.

mod environment;
mod folder;
mod housekeeping;
mod metadata;
#[expect(clippy::module_inception, reason = "the noun of this folder")]
mod topic;
mod topics;

#[cfg(test)]
mod tests;

pub(crate) use self::{
    environment::Environment,
    housekeeping::Housekeeping,
    topic::{PublishError, Topic, TopicSnapshot},
    topics::Topics,
};
