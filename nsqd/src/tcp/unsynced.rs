//! Publishes of one connection whose OK waits for the disk.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use protocol::{ProtocolError, PublishFailure, Verb};

use crate::topic::{Committed, Topic};

/// A publish that was stored, and whose OK is in the output and not to be written yet.
#[derive(Debug)]
struct Publish {
    verb: Verb,
    /// Place of its OK in the output.
    at: usize,
    /// The commit that it waits for.
    commit: usize,
}

/// A topic, and the messages of it that wait.
#[derive(Debug)]
struct Part {
    topic: Arc<Topic>,
    from: u64,
    to: u64,
    state: State,
}

#[derive(Debug)]
enum State {
    Noted,
    Asked(Committed),
    Done(Result<(), String>),
}

/// Publishes since the output was last written, and the commits that they wait for: one for each topic.
#[derive(Debug, Default)]
pub(super) struct Unsynced {
    publishes: Vec<Publish>,
    parts: Vec<Part>,
}

/// The first publish that is not on the disk: its OK is at this place of the output.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) at: usize,
    pub(super) error: ProtocolError,
}

impl Unsynced {
    /// Notes a publish of `from..to` whose OK is to be put at `at`.
    pub(super) fn note(&mut self, topic: &Arc<Topic>, verb: Verb, (from, to): (u64, u64), at: usize) {
        let known = self.parts.iter().position(|part| Arc::ptr_eq(&part.topic, topic));
        let commit = known.unwrap_or(self.parts.len());
        if let Some(part) = self.parts.get_mut(commit) {
            part.from = part.from.min(from);
            part.to = part.to.max(to);
        } else {
            self.parts.push(Part { topic: Arc::clone(topic), from, to, state: State::Noted });
        }
        self.publishes.push(Publish { verb, at, commit });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.publishes.is_empty()
    }

    /// Ready when all is on the disk, or as much of it as ever will be.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        let mut is_done = true;
        for part in &mut self.parts {
            is_done &= part.poll(context);
        }
        if !is_done {
            return Poll::Pending;
        }
        let publishes = std::mem::take(&mut self.publishes);
        let parts = std::mem::take(&mut self.parts);
        for Publish { verb, at, commit } in publishes {
            if let Some(Part { state: State::Done(Err(cause)), .. }) = parts.get(commit) {
                let reason = PublishFailure::Storage(cause.clone());
                return Poll::Ready(Err(Failed { at, error: ProtocolError::PublishFailed { verb, reason } }));
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl Part {
    /// Whether it is known what became of it.
    fn poll(&mut self, context: &mut Context<'_>) -> bool {
        if matches!(self.state, State::Noted) {
            self.state = self.topic.commit(self.from, self.to).map_or(State::Done(Ok(())), State::Asked);
        }
        if let State::Asked(committed) = &mut self.state {
            let Poll::Ready(result) = Pin::new(committed).poll(context) else { return false };
            let result = match result {
                Ok(result) => result.map_err(|failed| failed.to_string()),
                Err(_) => Err("exiting".to_owned()),
            };
            self.state = State::Done(result);
        }
        true
    }
}
