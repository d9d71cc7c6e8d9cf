//! From a socket to a connection that takes commands.

use std::{io, sync::Arc};

use bytes::{Bytes, BytesMut};
use protocol::{
    AuthResponse, Command, Compressed, Compression, HEARTBEAT, IdentifyRequest, IdentifyResponse, MAGIC, OK,
};
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{io::AsyncReadExt, net::TcpStream, time::timeout};
use tokio_rustls::TlsConnector;

use super::{BoxedStream, ConnectError, Inbox, Incoming, dial::host, write_all};
use crate::{Config, io_cause, label::Label};

/// The highest RDY of an nsqd that does not tell.
const MAX_RDY_COUNT: u32 = 2500;

/// A connection that takes commands.
pub(crate) struct Connected {
    pub(crate) stream: BoxedStream,
    /// What came behind the last answer.
    pub(crate) inbox: Inbox,
    /// The highest RDY that nsqd takes.
    pub(crate) max_rdy_count: u32,
    /// How long nsqd waits for a message, and how long at most, whatever TOUCH says. In milliseconds; 0 if it does not tell.
    pub(crate) msg_timeouts_ms: [u64; 2],
}

impl Connected {
    /// Sends a command and expects OK.
    ///
    /// # Errors
    /// [`ConnectError`]
    pub(crate) async fn expect_ok(
        &mut self,
        command: &Command<'_>,
        config: &Config,
    ) -> Result<(), ConnectError> {
        send(&mut self.stream, command, config).await?;
        expect_ok(&mut self.stream, &mut self.inbox, config).await
    }
}

pub(super) struct Handshake<'a> {
    stream: BoxedStream,
    inbox: Inbox,
    address: &'a str,
    config: &'a Config,
    label: &'a Label,
}

impl<'a> Handshake<'a> {
    pub(super) fn new(socket: TcpStream, address: &'a str, config: &'a Config, label: &'a Label) -> Self {
        let inbox = Inbox::new(config.max_msg_size);
        Self { stream: Box::new(socket), inbox, address, config, label }
    }

    /// Magic, IDENTIFY, the layers that are asked for, AUTH.
    pub(super) async fn run(mut self, tls: Option<&Arc<ClientConfig>>) -> Result<Connected, ConnectError> {
        let identified = self.identify().await?;
        match tls {
            Some(tls) if identified.tls_v1 => self.put_tls(tls).await?,
            // Sending in the clear what was to be secret is no way out.
            Some(_) => return Err(ConnectError::NoTls { address: self.address.to_owned() }),
            None => {}
        }
        self.put_compression(&identified).await?;
        if identified.auth_required {
            self.authorize().await?;
        }
        let max_rdy_count =
            if identified.max_rdy_count == 0 { MAX_RDY_COUNT } else { identified.max_rdy_count };
        let msg_timeouts_ms = [identified.msg_timeout, identified.max_msg_timeout];
        Ok(Connected { stream: self.stream, inbox: self.inbox, max_rdy_count, msg_timeouts_ms })
    }

    async fn identify(&mut self) -> Result<IdentifyResponse, ConnectError> {
        let mut out = BytesMut::from(MAGIC.as_slice());
        let body = request(self.config).to_json();
        Command::Identify { body: body.as_bytes() }.encode(&mut out);
        let written = write_all(&mut self.stream, &out, self.config.write_timeout).await;
        written.map_err(|cause| ConnectError::handshake(&cause))?;
        let answer = self.answer().await?;
        if answer.first() != Some(&b'{') {
            // An nsqd that does not negotiate.
            return Ok(IdentifyResponse::default());
        }
        serde_json::from_slice(&answer)
            .map_err(|cause| ConnectError::Handshake { text: format!("the answer is no JSON: {cause}") })
    }

    async fn put_tls(&mut self, tls: &Arc<ClientConfig>) -> Result<(), ConnectError> {
        tracing::info!("{} ({}) upgrading to TLS", self.label, self.address);
        let failed = |text: String| ConnectError::Handshake { text };
        if !self.inbox.take_rest().is_empty() {
            return Err(failed("nsqd speaks before the TLS handshake; check the peer".to_owned()));
        }
        let host = host(self.address).to_owned();
        let host = if host.is_empty() { "localhost".to_owned() } else { host };
        let name = ServerName::try_from(host).map_err(|cause| failed(cause.to_string()))?;
        let connecting = TlsConnector::from(Arc::clone(tls)).connect(name, self.take_stream());
        let stream = timeout(self.config.read_timeout, connecting).await;
        let stream = stream.map_err(|_| failed("TLS handshake: i/o timeout".to_owned()))?;
        self.stream = Box::new(stream.map_err(|cause| failed(io_cause(&cause)))?);
        expect_ok(&mut self.stream, &mut self.inbox, self.config).await
    }

    async fn put_compression(&mut self, identified: &IdentifyResponse) -> Result<(), ConnectError> {
        let config = self.config;
        let (name, compression) = if identified.snappy {
            ("Snappy", Compression::Snappy)
        } else if identified.deflate {
            ("Deflate", Compression::Deflate { level: config.deflate_level })
        } else {
            if config.snappy || config.deflate {
                let (label, address) = (self.label, self.address);
                tracing::warn!("{label} ({address}) nsqd does not offer the compression, going on without");
            }
            return Ok(());
        };
        tracing::info!("{} ({}) upgrading to {name}", self.label, self.address);
        let rest = self.inbox.take_rest();
        let stream = self.take_stream();
        self.stream = if rest.is_empty() {
            Box::new(Compressed::new(stream, compression))
        } else {
            // What was read too far is the beginning of the compressed stream.
            let (reader, writer) = tokio::io::split(stream);
            let reader = AsyncReadExt::chain(io::Cursor::new(rest), reader);
            Box::new(Compressed::new(tokio::io::join(reader, writer), compression))
        };
        expect_ok(&mut self.stream, &mut self.inbox, config).await
    }

    async fn authorize(&mut self) -> Result<(), ConnectError> {
        let (label, address) = (self.label, self.address);
        if self.config.auth_secret.is_empty() {
            tracing::error!("{label} ({address}) Auth Required");
            return Err(ConnectError::AuthRequired);
        }
        let secret = self.config.auth_secret.as_bytes();
        send(&mut self.stream, &Command::Auth { secret }, self.config).await?;
        let answer = match self.answer().await {
            Err(ConnectError::Refused { text }) => {
                let text = format!("Error authenticating {text}");
                tracing::error!("{label} ({address}) Auth Failed {text}");
                return Err(ConnectError::Refused { text });
            }
            other => other?,
        };
        let granted: AuthResponse = serde_json::from_slice(&answer).map_err(|cause| {
            ConnectError::Handshake { text: format!("AUTH: the answer is no JSON: {cause}") }
        })?;
        tracing::info!(
            "{label} ({address}) Auth accepted. Identity: {} {} Permissions: {}",
            protocol::quote(granted.identity.as_bytes()),
            granted.identity_url,
            granted.permission_count
        );
        Ok(())
    }

    async fn answer(&mut self) -> Result<Bytes, ConnectError> {
        answer(&mut self.stream, &mut self.inbox, self.config).await
    }

    fn take_stream(&mut self) -> BoxedStream {
        std::mem::replace(&mut self.stream, Box::new(tokio::io::empty()))
    }
}

/// What the options ask of nsqd.
fn request(config: &Config) -> IdentifyRequest {
    let milliseconds =
        |duration: std::time::Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    IdentifyRequest {
        client_id: config.client_id.clone(),
        hostname: config.hostname.clone(),
        user_agent: config.user_agent.clone(),
        feature_negotiation: true,
        heartbeat_interval: milliseconds(config.heartbeat_interval),
        output_buffer_timeout: config.output_buffer_timeout.map_or(-1, milliseconds),
        output_buffer_size: config.output_buffer_size,
        sample_rate: i32::from(config.sample_rate),
        msg_timeout: milliseconds(config.msg_timeout),
        tls_v1: config.tls_v1,
        snappy: config.snappy,
        deflate: config.deflate,
        deflate_level: i64::from(config.deflate_level),
        topology_region: config.topology_region.clone(),
        topology_zone: config.topology_zone.clone(),
    }
}

async fn send(stream: &mut BoxedStream, command: &Command<'_>, config: &Config) -> Result<(), ConnectError> {
    let mut out = BytesMut::new();
    command.encode(&mut out);
    let written = write_all(stream, &out, config.write_timeout).await;
    written.map_err(|cause| ConnectError::handshake(&cause))
}

async fn expect_ok(stream: &mut BoxedStream, inbox: &mut Inbox, config: &Config) -> Result<(), ConnectError> {
    let answer = answer(stream, inbox, config).await?;
    if answer == OK {
        return Ok(());
    }
    let text = format!("expected OK, got {}", protocol::quote(&answer));
    Err(ConnectError::Handshake { text })
}

/// The next response. Heartbeats before it are answered.
async fn answer(stream: &mut BoxedStream, inbox: &mut Inbox, config: &Config) -> Result<Bytes, ConnectError> {
    loop {
        let frame = inbox.next().map_err(|cause| ConnectError::Handshake { text: cause.to_string() })?;
        match frame {
            None => {
                let filled = inbox.fill(stream, config.read_timeout).await;
                filled.map_err(|cause| ConnectError::handshake(&cause))?;
            }
            Some(Incoming::Response(data)) if data == HEARTBEAT => {
                send(stream, &Command::Nop, config).await?;
            }
            Some(Incoming::Response(data)) => return Ok(data),
            Some(Incoming::Error(text)) => {
                return Err(ConnectError::Refused { text: String::from_utf8_lossy(&text).into_owned() });
            }
            Some(Incoming::Message(..)) => {
                let text = "a message came before SUB; check the peer".to_owned();
                return Err(ConnectError::Handshake { text });
            }
        }
    }
}
