//! What an nsqd says, and what it is answered: bytes in, bytes out.

use std::sync::Arc;

use bytes::BytesMut;
use daemon::duration;
use protocol::{ChannelName, LookupError, LookupPeer, LookupRequest, TopicName, put_lookup_answer};
use tracing::{error, info, warn};

use crate::{
    lookupd::Lookupd,
    registry::{Now, Producer, ProducerId},
};

/// A disconnect that removes more than this is one line in the log.
const LOGGED_MAX: usize = 100;

const OK: &[u8] = b"OK";

/// How a connection goes on when its answers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// With further commands.
    Read,
    /// Not at all.
    Close,
}

/// A connection behind its magic.
#[derive(Debug)]
pub(super) struct Session {
    lookupd: Arc<Lookupd>,
    /// The peer's, which is its id in all answers and lines.
    address: String,
    /// `None` before IDENTIFY.
    id: Option<ProducerId>,
}

impl Session {
    pub(super) fn new(lookupd: Arc<Lookupd>, address: String) -> Self {
        Self { lookupd, address, id: None }
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// Executes the commands at the beginning of `input`, each with one answer in `output`. How many bytes they have.
    pub(super) fn execute(&mut self, input: &[u8], now: Now, output: &mut BytesMut) -> (usize, Step) {
        let mut consumed = 0;
        loop {
            match LookupRequest::decode(&input[consumed..], self.id.is_some()) {
                Ok(None) => return (consumed, Step::Read),
                Ok(Some((request, bytes))) => {
                    consumed += bytes;
                    if let Err(error) = self.answer(request, now, output) {
                        return (consumed, self.refuse(&error, output));
                    }
                }
                Err(error) => return (consumed, self.refuse(&error, output)),
            }
        }
    }

    /// The end of the input behind `rest`, the beginning of a command.
    pub(super) fn cut(&mut self, rest: &[u8], output: &mut BytesMut) -> Step {
        match LookupRequest::cut(rest) {
            Some(error) => self.refuse(&error, output),
            None => Step::Read,
        }
    }

    /// The end of the connection, of whatever kind: the producer leaves all that it is in.
    pub(super) fn end(&mut self) {
        let Some(id) = self.id.take() else { return };
        let removed = self.lookupd.directory.write().disconnect(id);
        if LOGGED_MAX < removed.len() {
            info!("DB: client({}) UNREGISTER {} topics and channels", self.address, removed.len());
        } else {
            for (topic, channel) in &removed {
                self.log("UNREGISTER", topic, channel.as_ref());
            }
        }
        info!("DB: client({}) UNREGISTER category:client key: subkey:", self.address);
    }

    fn refuse(&self, error: &LookupError, output: &mut BytesMut) -> Step {
        let answer = error.to_bytes();
        error!("[{}] - {}", self.address, String::from_utf8_lossy(&answer));
        put_lookup_answer(output, &answer);
        Step::Close
    }

    fn answer(&mut self, request: LookupRequest, now: Now, output: &mut BytesMut) -> Result<(), LookupError> {
        match (request, self.id) {
            (LookupRequest::Ping, id) => {
                if let Some(id) = id {
                    let since = self.lookupd.directory.write().ping(id, now);
                    info!("CLIENT({}): pinged (last ping {})", self.address, duration::format(since));
                }
            }
            (LookupRequest::Identify(peer), None) => {
                self.identify(peer, now);
                put_lookup_answer(output, self.lookupd.identified.as_bytes());
                return Ok(());
            }
            (LookupRequest::Register(topic, channel), Some(id)) => {
                self.register(id, &topic, channel.as_ref())?;
            }
            (LookupRequest::Unregister(topic, channel), Some(id)) => {
                self.unregister(id, &topic, channel.as_ref());
            }
            // The parser has refused these already.
            (LookupRequest::Identify(_), Some(_)) => return Err(LookupError::IdentifiedAlready),
            (LookupRequest::Register(..) | LookupRequest::Unregister(..), None) => {
                return Err(LookupError::NotIdentified);
            }
        }
        put_lookup_answer(output, OK);
        Ok(())
    }

    fn identify(&mut self, peer: LookupPeer, now: Now) {
        info!(
            "CLIENT({}): IDENTIFY Address:{} TCP:{} HTTP:{} Version:{}",
            self.address, peer.broadcast_address, peer.tcp_port, peer.http_port, peer.version
        );
        let producer = Producer { peer, remote_address: self.address.clone() };
        self.id = Some(self.lookupd.directory.write().identify(producer, now));
        info!("DB: client({}) REGISTER category:client key: subkey:", self.address);
    }

    fn register(
        &self,
        id: ProducerId,
        topic: &TopicName,
        channel: Option<&ChannelName>,
    ) -> Result<(), LookupError> {
        let registered = self.lookupd.directory.write().register(id, topic, channel);
        let registered = registered.map_err(|full| LookupError::TooMany(full.what, full.max))?;
        if registered.channel {
            self.log("REGISTER", topic, channel);
        }
        if registered.topic {
            self.log("REGISTER", topic, None);
        }
        Ok(())
    }

    fn unregister(&self, id: ProducerId, topic: &TopicName, channel: Option<&ChannelName>) {
        let name = channel.map(ChannelName::as_str);
        let left = self.lookupd.directory.write().unregister(id, topic.as_str(), name);
        for left in &left.channels {
            if channel.is_some() {
                self.log("UNREGISTER", topic, Some(left));
            } else {
                // An nsqd that deletes a topic says so of each channel before.
                warn!(
                    "client({}) unexpected UNREGISTER category:channel key:{topic} subkey:{left}",
                    self.address
                );
            }
        }
        if left.topic {
            self.log("UNREGISTER", topic, None);
        }
    }

    fn log(&self, verb: &str, topic: &TopicName, channel: Option<&ChannelName>) {
        let address = &self.address;
        if let Some(channel) = channel {
            info!("DB: client({address}) {verb} category:channel key:{topic} subkey:{channel}");
        } else {
            info!("DB: client({address}) {verb} category:topic key:{topic} subkey:");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{Directory, registry::Lifetimes};

    fn session() -> Session {
        let lifetimes = Lifetimes {
            inactive_producer_timeout: Duration::from_mins(5),
            tombstone_lifetime: Duration::from_secs(45),
        };
        let lookupd = Lookupd {
            directory: Directory::new(lifetimes),
            identified: "{}".to_owned(),
            reports: daemon::reports::Reports::start().unwrap(),
            start_unix: 0,
            tls: None,
            tls_required: daemon::tls::Required::No,
            https_port: 0,
        };
        Session::new(Arc::new(lookupd), "127.0.0.1:1".to_owned())
    }

    fn identify() -> Vec<u8> {
        let body = br#"{"broadcast_address":"n","tcp_port":1,"http_port":2,"version":"v"}"#;
        [&b"IDENTIFY\n\0\0\0"[..], &[u8::try_from(body.len()).unwrap()], body].concat()
    }

    /// Protects the order: one answer a command, none for what follows an error.
    #[test]
    fn commands_are_answered_in_order_up_to_the_first_error() {
        let mut session = session();
        let mut output = BytesMut::new();
        let input = [b"PING\n", &identify()[..], b"REGISTER t c\nFOO\nREGISTER u\n"].concat();
        let (consumed, step) = session.execute(&input, Now::default(), &mut output);
        assert_eq!((&input[consumed..], step), (&b"FOO\nREGISTER u\n"[..], Step::Close));
        let expected = b"\0\0\0\x02OK\0\0\0\x02{}\0\0\0\x02OK\0\0\0\x1dE_INVALID invalid command FOO";
        assert_eq!(output, &expected[..]);
        assert_eq!(session.lookupd.directory.read().topics().len(), 1);
        session.end();
        assert_eq!(session.lookupd.directory.nodes(Now::default()).count(), 0);
    }

    /// Protects memory: a connection with ever new names is told and closed.
    #[test]
    fn a_connection_has_a_bound() {
        let mut session = session();
        let mut output = BytesMut::new();
        session.execute(&identify(), Now::default(), &mut output);
        let lines: Vec<String> = (0..=100_000).map(|number| format!("REGISTER t{number}\n")).collect();
        output.clear();
        let (_, step) = session.execute(lines.concat().as_bytes(), Now::default(), &mut output);
        assert_eq!(step, Step::Close);
        let text = b"E_INVALID REGISTER more than 100000 registrations of a connection";
        assert!(output.ends_with(text), "{:?}", &output[output.len() - 80..]);
    }
}
