//! Who a client is, over what it talks, and what it may do: IDENTIFY, its layers, AUTH.

use std::{
    io,
    sync::Arc,
    task::{Context, Poll},
};

use daemon::tls::ServerTls;
use protocol::{
    BODY_SIZE_BYTES, CommandLine, Compression, IdentifyRequest, OK_FRAME, ProtocolError, Verb, body_size,
    put_response,
};

use super::{
    authorization::Wait,
    session::{Executed, Session},
};
use crate::{auth::Question, client::Identity};

/// Layers that IDENTIFY agreed on: first TLS, then compression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Upgrade {
    pub(super) tls: bool,
    pub(super) compression: Option<Compression>,
}

impl Session {
    /// Whether TLS has to come first.
    pub(super) fn lacks_tls(&self) -> bool {
        self.settings.is_tls_required && !self.is_secure
    }

    /// Where handshakes are made.
    pub(super) fn tls(&self) -> Option<Arc<ServerTls>> {
        self.settings.tls.clone()
    }

    /// A layer was put on the connection.
    pub(super) fn upgraded(&mut self, to: impl FnOnce(&mut Identity)) {
        self.is_upgraded = true;
        let mut identity = self.client.identity.write();
        to(&mut identity);
        self.is_secure = identity.tls.is_some();
        drop(identity);
        self.output.small().extend_from_slice(&OK_FRAME);
    }

    /// A layer could not be put on the connection.
    pub(super) fn not_upgraded(&mut self, cause: &io::Error) {
        self.refuse(&ProtocolError::UpgradeFailed { cause: cause.to_string() });
    }

    /// Ready when no authorization server is awaited.
    pub(super) fn poll_authorization(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.authorization.as_mut().map_or(Poll::Ready(()), |authorization| authorization.poll(context))
    }

    /// `None`: it may be executed.
    pub(super) fn may_publish(
        &mut self,
        verb: Verb,
        line: &CommandLine<'_>,
        behind: &[u8],
    ) -> Result<Option<Executed>, ProtocolError> {
        let topic = if verb == Verb::Mpub {
            line.mpub_topic()?
        } else {
            // The reference reads the whole message first.
            let topic = match verb {
                Verb::Dpub => line.dpub_args(self.settings.limits.max_req_timeout)?.0,
                _ => line.pub_topic()?,
            };
            let Some(size) = body_size(verb, behind, &self.settings.limits)? else {
                return Ok(Some(Executed::Incomplete));
            };
            if behind.len() - BODY_SIZE_BYTES < size as usize {
                return Ok(Some(Executed::Incomplete));
            }
            topic
        };
        let Some(authorization) = &mut self.authorization else { return Ok(None) };
        Ok(authorization.check(verb, topic, None)?.err().map(Executed::from))
    }

    pub(super) fn command_with_body(
        &mut self,
        verb: Verb,
        line: &CommandLine<'_>,
        behind: &[u8],
    ) -> Result<Executed, ProtocolError> {
        if self.subscription.is_some() || (verb == Verb::Identify && self.is_upgraded) {
            return Err(ProtocolError::WrongState { verb });
        }
        if verb == Verb::Auth {
            line.auth_check()?;
        }
        let Some(size) = body_size(verb, behind, &self.settings.limits)? else {
            return Ok(Executed::Incomplete);
        };
        let end = BODY_SIZE_BYTES + size as usize;
        let Some(body) = behind.get(BODY_SIZE_BYTES..end) else { return Ok(Executed::Incomplete) };
        match verb {
            Verb::Identify => self.identify(body)?,
            _ => {
                if let Err(wait) = self.authenticate(body)? {
                    return Ok(wait.into());
                }
            }
        }
        Ok(Executed::Done(end))
    }

    fn authenticate(&mut self, secret: &[u8]) -> Result<Result<(), Wait>, ProtocolError> {
        let authorization = self.authorization.as_mut().ok_or(ProtocolError::AuthDisabled)?;
        let client = &self.client;
        let answer = authorization.authenticate(|| {
            let identity = client.identity.read();
            Question {
                secret: secret.to_vec(),
                remote_ip: client.remote_ip.clone(),
                is_secure: identity.tls.is_some(),
                common_name: identity.tls.as_ref().map_or_else(String::new, |peer| peer.common_name.clone()),
            }
        })?;
        Ok(answer.map(|response| {
            put_response(self.output.small(), response.to_json().as_bytes());
            client.identity.write().authorized = Some((response.identity, response.identity_url));
        }))
    }

    fn identify(&mut self, body: &[u8]) -> Result<(), ProtocolError> {
        let request = IdentifyRequest::parse(body)?;
        let negotiated = request.negotiate(&self.agreed, &self.settings.identify)?;
        {
            let mut identity = self.client.identity.write();
            identity.client_id = request.client_id;
            identity.hostname = request.hostname;
            identity.user_agent = request.user_agent;
            identity.topology_region = request.topology_region;
            identity.topology_zone = request.topology_zone;
            identity.sample_rate = negotiated.settings.sample_rate.unwrap_or(0);
        }
        if self.settings.is_topology_aware {
            let here = &self.settings.identify;
            self.client.locate(&here.topology_region, &here.topology_zone);
        }
        self.agreed = negotiated.settings;
        self.identified += 1;
        if negotiated.tls_v1 || negotiated.compression.is_some() {
            self.upgrade = Some(Upgrade { tls: negotiated.tls_v1, compression: negotiated.compression });
        }
        match negotiated.response {
            Some(response) => put_response(self.output.small(), response.to_json().as_bytes()),
            None => self.output.small().extend_from_slice(&OK_FRAME),
        }
        Ok(())
    }
}
