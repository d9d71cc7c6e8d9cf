//! The protocol of one connection: bytes in, frames out. No sockets, no clocks.

use std::{
    sync::{Arc, atomic::Ordering},
    task::Poll,
};

use protocol::{
    BODY_SIZE_BYTES, CLOSE_WAIT_FRAME, ClientSettings, CommandLine, HEARTBEAT_FRAME, LineStatus,
    MessageFailure, MessageId, OK_FRAME, ProtocolError, SubFailure, Verb, next_line, parse_fin_fast,
    put_error,
};
use tracing::{debug, info};

use super::{
    access::Upgrade,
    authorization::{Authorization, Wait},
    in_flight::TouchLimits,
    output::Output,
    publish::{Context, Publisher},
    settings::Settings,
    subscription::Subscription,
    unsynced::Failed,
};
use crate::{
    channel::{Channel, JoinError},
    client::{Client, Phase},
    nsqd::Nsqd,
};

/// No more commands are read while so many bytes of responses wait.
pub(super) const RESPONSES_MAX: usize = 64 << 10;
/// How often SUB looks for a topic and channel that are not being deleted.
const SUB_TRIES: usize = 3;

/// When it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    /// Of the monotonic clock.
    pub(super) ns: u64,
    pub(super) unix_ns: u64,
}

/// What is to be done after commands were executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// More bytes are needed.
    Read,
    /// Responses must be written first.
    Write,
    /// An authorization server has to answer first.
    Wait,
    /// The responses must be written, then the connection changes as [`Session::upgrade`] says.
    Upgrade,
    /// The last response was an error that ends the connection.
    Close,
}

/// The state of a connection.
#[derive(Debug)]
pub(super) struct Session {
    nsqd: Arc<Nsqd>,
    pub(super) client: Arc<Client>,
    pub(super) settings: Arc<Settings>,
    pub(super) agreed: ClientSettings,
    pub(super) subscription: Option<Subscription>,
    is_closing: bool,
    publisher: Publisher,
    pub(super) output: Output,
    /// Rises with each IDENTIFY, which restarts the heartbeats.
    pub(super) identified: u32,
    /// Agreed on, and not done.
    pub(super) upgrade: Option<Upgrade>,
    pub(super) is_upgraded: bool,
    /// Over TLS.
    pub(super) is_secure: bool,
    /// `None` where nobody asks for one.
    pub(super) authorization: Option<Authorization>,
}

/// How a single command ended.
pub(super) enum Executed {
    /// It took so many bytes behind its line.
    Done(usize),
    /// Its body is not there.
    Incomplete,
    /// An authorization server was asked; it is to be executed again.
    Wait,
}

impl From<Wait> for Executed {
    fn from(_: Wait) -> Self {
        Self::Wait
    }
}

impl Session {
    pub(super) fn new(nsqd: Arc<Nsqd>, client: Arc<Client>, settings: Arc<Settings>) -> Self {
        let agreed = settings.client.clone();
        let authorization = settings.authorizer.clone().map(Authorization::new);
        Self {
            nsqd,
            client,
            settings,
            agreed,
            subscription: None,
            is_closing: false,
            publisher: Publisher::default(),
            output: Output::default(),
            identified: 0,
            upgrade: None,
            is_upgraded: false,
            is_secure: false,
            authorization,
        }
    }

    /// Executes the commands at the start of `bytes`. Returns the bytes consumed.
    pub(super) fn execute(&mut self, bytes: &[u8], now: Now) -> (usize, Step) {
        if let Some(subscription) = &mut self.subscription {
            subscription.look_at_epoch();
        }
        let (consumed, step) = self.execute_all(bytes, now);
        if let Some(subscription) = &mut self.subscription {
            subscription.flush();
        }
        self.publisher.count(&self.client);
        (consumed, step)
    }

    fn execute_all(&mut self, bytes: &[u8], now: Now) -> (usize, Step) {
        let mut at = 0;
        loop {
            if RESPONSES_MAX <= self.output.small_bytes() {
                return (at, Step::Write);
            }
            let rest = &bytes[at..];
            if let Some(subscription) = &mut self.subscription
                && let Some((id, consumed)) = parse_fin_fast(rest)
            {
                at += consumed;
                if let Err(reason) = subscription.finish(id) {
                    self.refuse(&ProtocolError::MessageFailed { verb: Verb::Fin, id, reason });
                }
                continue;
            }
            let (line, consumed) = match next_line(rest) {
                LineStatus::Incomplete => return (at, Step::Read),
                LineStatus::TooLong => {
                    self.refuse(&ProtocolError::LineTooLong);
                    return (at, Step::Close);
                }
                LineStatus::Line { line, consumed } => (CommandLine::parse(line), consumed),
            };
            match self.command(&line, &rest[consumed..], now) {
                Ok(Executed::Done(behind)) => {
                    at += consumed + behind;
                    if self.upgrade.is_some() {
                        return (at, Step::Upgrade);
                    }
                }
                Ok(Executed::Incomplete) => return (at, Step::Read),
                Ok(Executed::Wait) => return (at, Step::Wait),
                Err(error) => {
                    self.refuse(&error);
                    if error.is_fatal() {
                        return (at, Step::Close);
                    }
                    at += consumed;
                }
            }
        }
    }

    /// Whether responses are held back until messages are on the disk.
    pub(super) fn is_committing(&self) -> bool {
        !self.publisher.unsynced.is_empty()
    }

    /// Ready when the output may be written. After a failure its last frame is the error, and the connection is to end.
    pub(super) fn poll_commit(&mut self, context: &mut std::task::Context<'_>) -> Poll<Result<(), ()>> {
        match std::task::ready!(self.publisher.unsynced.poll(context)) {
            Ok(()) => Poll::Ready(Ok(())),
            Err(Failed { at, error }) => {
                self.output.cut(at);
                self.refuse(&error);
                Poll::Ready(Err(()))
            }
        }
    }

    pub(super) fn refuse(&mut self, error: &ProtocolError) {
        let text = error.wire_text();
        let text = String::from_utf8_lossy(&text);
        if error.is_fatal() {
            info!(connection = self.client.id, client = %self.client.remote_address, "refused: {text}");
        } else {
            debug!(connection = self.client.id, client = %self.client.remote_address, "refused: {text}");
        }
        put_error(self.output.small(), error);
    }

    fn command(
        &mut self,
        line: &CommandLine<'_>,
        behind: &[u8],
        now: Now,
    ) -> Result<Executed, ProtocolError> {
        let verb = line.verb();
        if self.lacks_tls() && verb != Some(Verb::Identify) {
            return Err(line.tls_required());
        }
        let verb = verb.ok_or_else(|| line.unknown())?;
        match verb {
            Verb::Pub | Verb::Mpub | Verb::Dpub => {
                if self.authorization.is_some()
                    && let Some(not_yet) = self.may_publish(verb, line, behind)?
                {
                    return Ok(not_yet);
                }
                let context = Context {
                    nsqd: &self.nsqd,
                    client: &self.client,
                    limits: &self.settings.limits,
                    now_unix_ns: now.unix_ns,
                };
                let taken = self.publisher.execute(verb, line, behind, &mut self.output, context)?;
                return Ok(taken.map_or(Executed::Incomplete, Executed::Done));
            }
            Verb::Identify | Verb::Auth => return self.command_with_body(verb, line, behind),
            Verb::Sub => return self.subscribe(line),
            Verb::Rdy => self.ready(line)?,
            Verb::Fin => self.message(verb, |_| line.fin_id(), Subscription::finish)?,
            Verb::Touch => {
                self.message(verb, |_| line.touch_id(), |subscription, id| subscription.touch(id, now.ns))?;
            }
            Verb::Req => self.requeue(line, now)?,
            Verb::Cls => self.close()?,
            Verb::Nop => {}
        }
        Ok(Executed::Done(0))
    }

    fn message(
        &mut self,
        verb: Verb,
        id: impl FnOnce(&Self) -> Result<MessageId, ProtocolError>,
        act: impl FnOnce(&mut Subscription, MessageId) -> Result<(), MessageFailure>,
    ) -> Result<(), ProtocolError> {
        if self.subscription.is_none() {
            return Err(ProtocolError::WrongState { verb });
        }
        let id = id(self)?;
        let subscription = self.subscription.as_mut().expect("looked at above");
        act(subscription, id).map_err(|reason| ProtocolError::MessageFailed { verb, id, reason })
    }

    fn requeue(&mut self, line: &CommandLine<'_>, now: Now) -> Result<(), ProtocolError> {
        let verb = Verb::Req;
        let subscription = self.subscription.as_mut().ok_or(ProtocolError::WrongState { verb })?;
        let (id, asked) = line.req_args()?;
        let delay = asked.min(self.settings.max_req_timeout);
        if delay != asked {
            info!(connection = self.client.id, client = %self.client.remote_address, ?asked, set_to = ?delay, "REQ timeout out of range");
        }
        let delay_ns = u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX);
        let deadline = (delay_ns != 0).then(|| now.unix_ns.saturating_add(delay_ns));
        subscription.requeue(id, deadline).map_err(|reason| ProtocolError::MessageFailed { verb, id, reason })
    }

    fn ready(&mut self, line: &CommandLine<'_>) -> Result<(), ProtocolError> {
        if self.is_closing {
            debug!(connection = self.client.id, client = %self.client.remote_address, "ignoring RDY after CLS");
            return Ok(());
        }
        let subscription = self.subscription.as_mut().ok_or(ProtocolError::WrongState { verb: Verb::Rdy })?;
        subscription.set_ready(line.rdy_count(self.settings.limits.max_rdy_count)?);
        Ok(())
    }

    fn close(&mut self) -> Result<(), ProtocolError> {
        let wrong = ProtocolError::WrongState { verb: Verb::Cls };
        let subscription = self.subscription.as_mut().filter(|_| !self.is_closing).ok_or(wrong)?;
        subscription.set_ready(0);
        self.is_closing = true;
        self.client.set_phase(Phase::Closing);
        self.output.small().extend_from_slice(&CLOSE_WAIT_FRAME);
        Ok(())
    }

    /// The client's own time for a message goes before the channel's, and that before the daemon's.
    fn touch_limits(&self, channel: &Channel) -> TouchLimits {
        let of_channel = channel.rules().msg_timeout.filter(|_| !self.agreed.has_own_msg_timeout);
        TouchLimits::new(of_channel.unwrap_or(self.agreed.msg_timeout), self.settings.max_msg_timeout)
    }

    fn subscribe(&mut self, line: &CommandLine<'_>) -> Result<Executed, ProtocolError> {
        if self.subscription.is_some() {
            return Err(ProtocolError::WrongState { verb: Verb::Sub });
        }
        if self.agreed.heartbeat_interval.is_none() {
            return Err(ProtocolError::HeartbeatsDisabled);
        }
        let (topic_name, channel_name) = line.sub_names()?;
        if let Some(authorization) = &mut self.authorization
            && let Err(wait) = authorization.check(Verb::Sub, topic_name.as_str(), Some(&channel_name))?
        {
            return Ok(wait.into());
        }
        for _ in 0..SUB_TRIES {
            let topic = self.nsqd.topics.get_or_create(&topic_name);
            let topic =
                topic.map_err(|error| ProtocolError::SubFailed(SubFailure::Storage(error.to_string())))?;
            let topic = topic.ok_or(ProtocolError::SubFailed(SubFailure::Exiting))?;
            let (channel, is_new) = topic.channel_or_create(&channel_name);
            if is_new {
                self.nsqd.topics.rewrite_soon();
            }
            match channel.join(&self.client, self.settings.max_channel_consumers) {
                Ok(epoch) => {
                    let client = Arc::clone(&self.client);
                    let rate = self.agreed.sample_rate;
                    let limits = self.touch_limits(&channel);
                    let mut joined = Subscription::new(topic, channel, client, epoch, limits, rate);
                    if joined.topic.is_exiting() {
                        // Deleted meanwhile: what it joined is dead. The next try finds a living topic.
                        joined.leave();
                        continue;
                    }
                    self.subscription = Some(joined);
                    self.client.set_phase(Phase::Subscribed);
                    self.output.small().extend_from_slice(&OK_FRAME);
                    return Ok(Executed::Done(0));
                }
                Err(JoinError::Full) => {
                    let limit = i64::try_from(self.settings.max_channel_consumers).unwrap_or(i64::MAX);
                    let (topic, channel) = (topic_name, channel_name);
                    return Err(ProtocolError::SubFailed(SubFailure::ConsumerLimit {
                        topic,
                        channel,
                        limit,
                    }));
                }
                // An ephemeral channel that its last consumer has just left; a new one takes its place.
                Err(JoinError::Exiting) => {
                    topic.remove_channel(&channel);
                }
            }
        }
        Err(ProtocolError::SubFailed(SubFailure::Deleted))
    }

    /// Takes messages for the client as far as it has room. `false` if there is nothing to do.
    pub(super) fn deliver(&mut self, now: Now) -> bool {
        if self.output.has_runs() || RESPONSES_MAX <= self.output.small_bytes() {
            return false;
        }
        let Some(subscription) = &mut self.subscription else { return false };
        subscription.deliver(&mut self.output, now.ns, now.unix_ns)
    }

    /// The channel woke this connection: if it has no room, the next in line may have.
    pub(super) fn on_wake(&mut self) {
        if let Some(subscription) = &mut self.subscription {
            subscription.look_at_epoch();
            subscription.pass_on();
        }
    }

    /// When the next message in flight is late.
    pub(super) fn next_deadline_ns(&self) -> Option<u64> {
        self.subscription.as_ref()?.next_deadline_ns()
    }

    /// Gives messages back whose time is over.
    pub(super) fn expire(&mut self, now: Now) {
        if let Some(subscription) = &mut self.subscription {
            subscription.expire(now.ns);
        }
    }

    pub(super) fn heartbeat(&mut self) {
        self.output.small().extend_from_slice(&HEARTBEAT_FRAME);
    }

    /// The input ended, or was awaited too long, with `rest` of a command there: its error, if it has one.
    pub(super) fn cut(&mut self, rest: &[u8]) {
        let LineStatus::Line { line, consumed } = next_line(rest) else { return };
        let available = rest.len() - consumed;
        let Some(verb) = CommandLine::parse(line).verb() else { return };
        let error = if available < BODY_SIZE_BYTES {
            ProtocolError::size_cut(verb)
        } else if verb == Verb::Mpub {
            self.publisher.cut(available - BODY_SIZE_BYTES)
        } else {
            ProtocolError::body_cut(verb)
        };
        self.refuse(&error);
    }

    /// Ends the session. What is in flight is delivered to others.
    pub(super) fn end(&mut self) {
        self.client.ready_count.store(0, Ordering::Relaxed);
        let Some(mut subscription) = self.subscription.take() else { return };
        let left = subscription.leave();
        if left == 0 && subscription.channel.name().is_ephemeral() {
            subscription.topic.remove_channel(&subscription.channel);
            self.nsqd.topics.delete_if_unused(&subscription.topic);
        }
    }
}
