//! A topic's policies at work.

use std::sync::Arc;

use parking_lot::MutexGuard;
use protocol::ChannelName;
use tracing::error;

use super::{
    gate::{GateLimits, REFUSES, TRIMS, WAITS},
    metadata::TopicEntry,
    policy::{Effective, PolicyError, QueuePolicy, TopicPolicy},
    publish_error::PublishError,
    topic::{Inner, Topic},
};
use crate::clock;

impl Topic {
    /// Whether OK waits until the messages are on the disk.
    #[inline]
    pub(crate) fn waits_for_disk(&self) -> bool {
        self.gate.has(WAITS)
    }

    pub(crate) fn policy(&self) -> TopicPolicy {
        self.inner.read().policy.clone()
    }

    /// The policy of a channel itself, without what the topic says.
    pub(crate) fn channel_policy(&self, channel: &ChannelName) -> QueuePolicy {
        self.inner.read().channel_policies.get(channel).cloned().unwrap_or_default()
    }

    /// Changes the policy as JSON says, from now on. Returns what it is then.
    ///
    /// # Errors
    /// [`PolicyError`]; nothing was changed.
    pub(crate) fn patch_policy(&self, patch: &[u8]) -> Result<TopicPolicy, PolicyError> {
        let mut inner = self.inner.write();
        let policy = inner.policy.patched(patch)?;
        policy.queues.effective(&self.name)?;
        for own in inner.channel_policies.values() {
            own.or(&policy.queues).effective(&self.name)?;
        }
        inner.policy = policy.clone();
        self.apply_policies(&inner);
        Ok(policy)
    }

    /// As [`Topic::patch_policy`], of one channel.
    ///
    /// # Errors
    /// [`PolicyError`]; nothing was changed.
    pub(crate) fn patch_channel_policy(
        &self,
        channel: &ChannelName,
        patch: &[u8],
    ) -> Result<QueuePolicy, PolicyError> {
        let mut inner = self.inner.write();
        let own = inner.channel_policies.get(channel).cloned().unwrap_or_default().patched(patch)?;
        own.or(&inner.policy.queues).effective(&self.name)?;
        if own.is_empty() {
            inner.channel_policies.remove(channel);
        } else {
            inner.channel_policies.insert(channel.clone(), own.clone());
        }
        self.apply_policies(&inner);
        Ok(own)
    }

    /// Takes up what the list says. What is wrong in it, since somebody edited it, is told and left out.
    pub(super) fn restore_policies(&self, listed: &TopicEntry) {
        let mut inner = self.inner.write();
        let wrong = |what: &str, cause: &PolicyError| {
            error!(topic = %self.name, %what, %cause, "a policy in nsqd.dat does not apply");
        };
        if let Some(policy) = &listed.config {
            match policy.queues.effective(&self.name) {
                Ok(_) => inner.policy = policy.clone(),
                Err(cause) => wrong("topic", &cause),
            }
        }
        for channel in listed.channels.iter().flatten() {
            let Some(own) = &channel.config else { continue };
            let Ok(name) = ChannelName::parse(channel.name.as_bytes()) else { continue };
            match own.or(&inner.policy.queues).effective(&self.name) {
                Ok(_) => {
                    inner.channel_policies.insert(name, own.clone());
                }
                Err(cause) => wrong(name.as_str(), &cause),
            }
        }
        self.apply_policies(&inner);
    }

    pub(super) fn effective(&self, inner: &Inner, channel: &ChannelName) -> Effective {
        let own = inner.channel_policies.get(channel);
        let policy = own.map_or_else(|| inner.policy.queues.clone(), |own| own.or(&inner.policy.queues));
        // It was checked before it was taken.
        policy.effective(&self.name).unwrap_or_default()
    }

    /// To be called when a policy or the channels have changed, with `inner` locked.
    pub(super) fn apply_policies(&self, inner: &Inner) {
        let waits = inner.policy.waits_for_disk(self.environment.sync_before_ok) && self.folder.is_some();
        let mut flags = if waits { WAITS } else { 0 };
        let own = inner.policy.queues.effective(&self.name).unwrap_or_default().refuse_above;
        let mut limits = GateLimits { own, channels: Vec::new() };
        self.log.set_limits(inner.policy.limits(self.environment.limits));
        for channel in &inner.channels {
            let effective = self.effective(inner, channel.name());
            if channel.rules() != effective.rules {
                channel.set_rules(effective.rules, clock::unix_ns());
            }
            if effective.rules.drop_above.is_some() {
                flags |= TRIMS;
            }
            if let Some(max) = effective.refuse_above {
                limits.channels.push((Arc::clone(channel), max));
            }
        }
        if limits.own.is_some() || !limits.channels.is_empty() {
            flags |= REFUSES;
        }
        *self.gate.limits.lock() = limits;
        self.gate.set(flags);
        self.note_change();
    }

    /// Lets a publish pass, or refuses it; where there are limits, others wait until the guard is dropped.
    #[inline]
    pub(super) fn pass_gate(
        &self,
        messages: usize,
        now_unix_ns: u64,
    ) -> Result<Option<impl Drop + use<'_>>, PublishError> {
        if self.gate.has(REFUSES) {
            self.check_limits(messages as u64, now_unix_ns).map(Some)
        } else {
            Ok(None)
        }
    }

    #[cold]
    fn check_limits(
        &self,
        messages: u64,
        now_unix_ns: u64,
    ) -> Result<MutexGuard<'_, impl Sized>, PublishError> {
        let limits = self.gate.limits.lock();
        let check = |place: &str, depth: u64, max: u64| {
            if depth.saturating_add(messages) <= max {
                return Ok(());
            }
            self.gate.note_refused(messages);
            Err(PublishError::Full { place: place.to_owned(), depth, max })
        };
        if let Some(max) = limits.own
            && self.fan_out.held().is_some()
        {
            check("topic", self.log.tail() - self.fan_out(), max)?;
        }
        for (channel, max) in &limits.channels {
            let counts = channel.snapshot(now_unix_ns).counts;
            check(channel.name().as_str(), counts.depth + counts.deferred, *max)?;
        }
        Ok(limits)
    }

    /// After a publish: channels that keep the newest drop the oldest.
    #[inline]
    pub(super) fn trim(&self, now_unix_ns: u64) {
        if self.gate.has(TRIMS) {
            for channel in &self.inner.read().channels {
                channel.enforce(now_unix_ns);
            }
        }
    }
}
