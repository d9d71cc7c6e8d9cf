//! What one connection is allowed to do.

use std::{
    sync::Arc,
    task::{Context, Poll, ready},
    time::Instant,
};

use protocol::{AuthResponse, ChannelName, ProtocolError, TopicName, Verb};

use crate::auth::{Answer, Authorizer, Grant, Pending, Question};

/// The authorization of a connection to an nsqd that asks for one.
pub(super) struct Authorization {
    authorizer: Authorizer,
    /// Of an AUTH that succeeded.
    granted: Option<(Question, Arc<Grant>)>,
    asked: Option<Pending>,
    answer: Option<Answer>,
}

/// A question was asked: the command is to be executed again when the answer is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wait;

impl Authorization {
    pub(super) fn new(authorizer: Authorizer) -> Self {
        Self { authorizer, granted: None, asked: None, answer: None }
    }

    /// Ready when the answer is there.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if let Some(asked) = &mut self.asked {
            self.answer = Some(ready!(asked.as_mut().poll(context)));
            self.asked = None;
        }
        Poll::Ready(())
    }

    /// The answer to a question, which is asked if there is none.
    fn answer(&mut self, question: impl FnOnce() -> Question) -> Result<Answer, Wait> {
        if let Some(answer) = self.answer.take() {
            return Ok(answer);
        }
        self.asked = Some(self.authorizer.ask(question()));
        Err(Wait)
    }

    /// AUTH.
    ///
    /// # Errors
    /// The error frame.
    pub(super) fn authenticate(
        &mut self,
        question: impl FnOnce() -> Question,
    ) -> Result<Result<AuthResponse, Wait>, ProtocolError> {
        if self.granted.is_some() {
            return Err(ProtocolError::AuthAlreadySet);
        }
        let question = question();
        let grant = match self.answer(|| question.clone()) {
            Err(wait) => return Ok(Err(wait)),
            Ok(answer) => answer.map_err(|_| ProtocolError::AuthFailed)?,
        };
        if grant.len() == 0 {
            return Err(ProtocolError::NoAuthorizations);
        }
        let response = AuthResponse {
            identity: grant.identity.clone(),
            identity_url: grant.identity_url.clone(),
            permission_count: u32::try_from(grant.len()).unwrap_or(u32::MAX),
        };
        self.granted = Some((question, grant));
        Ok(Ok(response))
    }

    /// Whether a command may go on. Without a channel it publishes.
    ///
    /// # Errors
    /// The error frame.
    pub(super) fn check(
        &mut self,
        verb: Verb,
        topic: &str,
        channel: Option<&ChannelName>,
    ) -> Result<Result<(), Wait>, ProtocolError> {
        let Some((question, grant)) = &self.granted else { return Err(ProtocolError::AuthFirst { verb }) };
        let mut grant = Arc::clone(grant);
        if grant.is_expired(Instant::now()) {
            let question = question.clone();
            grant = match self.answer(|| question.clone()) {
                Err(wait) => return Ok(Err(wait)),
                Ok(answer) => answer.map_err(|_| ProtocolError::AuthFailed)?,
            };
            self.granted = Some((question, Arc::clone(&grant)));
        }
        if grant.allows(topic, channel.map_or("", ChannelName::as_str)) {
            return Ok(Ok(()));
        }
        let topic = TopicName::parse(topic.as_bytes()).map_err(|_| ProtocolError::AuthFailed)?;
        Err(ProtocolError::Unauthorized { verb, topic, channel: channel.cloned() })
    }
}

impl std::fmt::Debug for Authorization {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authorization").field("is_granted", &self.granted.is_some()).finish_non_exhaustive()
    }
}
