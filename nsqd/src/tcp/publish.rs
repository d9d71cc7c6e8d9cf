//! PUB, MPUB and DPUB of one connection.

use std::{sync::Arc, time::Duration};

use protocol::{
    BODY_SIZE_BYTES, CommandLine, Limits, MpubScan, OK_FRAME, ProtocolError, PublishFailure, TopicName, Verb,
    body_size,
};

use super::{output::Output, unsynced::Unsynced};
use crate::{
    client::Client,
    nsqd::Nsqd,
    topic::{PublishError, Topic},
};

/// What a connection remembers between its publishes.
#[derive(Debug, Default)]
pub(super) struct Publisher {
    /// The topic published to last: most connections have one.
    topic: Option<Arc<Topic>>,
    /// Messages published to it and not yet counted with the client.
    uncounted: u64,
    /// How far the body of an MPUB was checked that has not arrived in full.
    scan: Option<MpubScan>,
    /// What was published and may not be on the disk, where OK waits for that.
    pub(super) unsynced: Unsynced,
}

/// The clocks and shared parts that a command needs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) nsqd: &'a Arc<Nsqd>,
    pub(super) client: &'a Client,
    pub(super) limits: &'a Limits,
    pub(super) now_unix_ns: u64,
}

impl Publisher {
    /// Executes a publish whose body begins at `body`. `None` until the body is there; else the bytes of size and body.
    ///
    /// # Errors
    /// The error frame; nothing was published.
    #[inline]
    pub(super) fn execute(
        &mut self,
        verb: Verb,
        line: &CommandLine<'_>,
        body: &[u8],
        output: &mut Output,
        context: Context<'_>,
    ) -> Result<Option<usize>, ProtocolError> {
        let (topic, delay) = match verb {
            Verb::Mpub => (line.mpub_topic()?, Duration::ZERO),
            Verb::Dpub => line.dpub_args(context.limits.max_req_timeout)?,
            _ => (line.pub_topic()?, Duration::ZERO),
        };
        let Some(size) = body_size(verb, body, context.limits)? else { return Ok(None) };
        let behind = &body[BODY_SIZE_BYTES..];
        let size_bytes = size as usize;
        if verb == Verb::Mpub {
            return self.execute_mpub(topic, size, behind, output, context);
        }
        let Some(message) = behind.get(..size_bytes) else { return Ok(None) };
        let delay_ns = u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX);
        let deadline = (delay_ns != 0).then(|| context.now_unix_ns.saturating_add(delay_ns));
        let seqs = self.publish(verb, topic, std::iter::once(message), 1, size_bytes, deadline, context)?;
        self.answer(verb, seqs, output);
        Ok(Some(BODY_SIZE_BYTES + size_bytes))
    }

    fn execute_mpub(
        &mut self,
        topic: &str,
        size: u32,
        behind: &[u8],
        output: &mut Output,
        context: Context<'_>,
    ) -> Result<Option<usize>, ProtocolError> {
        let mut scan = self.scan.take().unwrap_or_else(|| MpubScan::new(size, context.limits));
        let Some(batch) = scan.advance(behind)? else {
            self.scan = Some(scan);
            return Ok(None);
        };
        let (count, bytes) = (batch.count() as usize, batch.message_bytes());
        let seqs = self.publish(Verb::Mpub, topic, batch.messages(), count, bytes, None, context)?;
        self.answer(Verb::Mpub, seqs, output);
        Ok(Some(BODY_SIZE_BYTES + size as usize))
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of a publish, passed on once")]
    #[inline]
    fn publish<'a>(
        &mut self,
        verb: Verb,
        topic: &str,
        bodies: impl Iterator<Item = &'a [u8]>,
        messages: usize,
        body_bytes: usize,
        deadline_unix_ns: Option<u64>,
        context: Context<'_>,
    ) -> Result<(u64, u64), ProtocolError> {
        let failed = |reason| ProtocolError::PublishFailed { verb, reason };
        let topic = self.topic(topic, context).map_err(failed)?;
        let seqs = topic
            .publish(bodies, messages, body_bytes, deadline_unix_ns, context.now_unix_ns)
            .map_err(|error| {
                failed(match error {
                    PublishError::Exiting => PublishFailure::Exiting,
                    error => PublishFailure::Storage(error.to_string()),
                })
            })?;
        self.uncounted += messages as u64;
        Ok(seqs)
    }

    /// Puts OK into the output, where it is held back if it is to wait for the disk.
    #[inline]
    fn answer(&mut self, verb: Verb, seqs: (u64, u64), output: &mut Output) {
        if let Some(topic) = &self.topic
            && topic.waits_for_disk()
        {
            self.unsynced.note(topic, verb, seqs, output.small().len());
        }
        output.small().extend_from_slice(&OK_FRAME);
    }

    #[inline]
    fn topic(&mut self, name: &str, context: Context<'_>) -> Result<&Arc<Topic>, PublishFailure> {
        let is_last =
            self.topic.as_ref().is_some_and(|topic| topic.name().as_str() == name && !topic.is_exiting());
        if !is_last {
            self.change_topic(name, context)?;
        }
        Ok(self.topic.as_ref().expect("the branch above leaves one"))
    }

    fn change_topic(&mut self, name: &str, context: Context<'_>) -> Result<(), PublishFailure> {
        self.count(context.client);
        let topics = &context.nsqd.topics;
        let topic = if let Some(topic) = topics.get(name) {
            topic
        } else {
            let name = TopicName::parse(name.as_bytes()).expect("the command line checked it");
            let made = topics.get_or_create(&name);
            made.map_err(|error| PublishFailure::Storage(error.to_string()))?
                .ok_or(PublishFailure::Exiting)?
        };
        self.topic = Some(topic);
        Ok(())
    }

    /// Counts what was published with the client. Once a batch of commands.
    pub(super) fn count(&mut self, client: &Client) {
        if self.uncounted != 0
            && let Some(topic) = &self.topic
        {
            client.count_published(topic.name(), self.uncounted);
            self.uncounted = 0;
        }
    }

    /// The error when the rest of an MPUB does not come, `available` bytes of its body being there.
    pub(super) fn cut(&self, available: usize) -> ProtocolError {
        self.scan.as_ref().map_or_else(|| ProtocolError::size_cut(Verb::Mpub), |scan| scan.cut(available))
    }
}
