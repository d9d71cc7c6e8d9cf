//! Everything that a connection begins with.

use std::sync::Arc;

use rustls::ClientConfig;

use super::{ConnectError, Connected, dial::dial, handshake::Handshake, tls_config};
use crate::{Config, ConfigError, label::Label};

/// Makes connections of a consumer or a producer.
#[derive(Debug)]
pub(crate) struct Connector {
    config: Arc<Config>,
    tls: Option<Arc<ClientConfig>>,
    label: Label,
}

impl Connector {
    /// Checks the options, and reads the files that they name.
    ///
    /// # Errors
    /// [`ConfigError`]
    pub(crate) fn new(config: Arc<Config>, label: Label) -> Result<Self, ConfigError> {
        config.validate()?;
        let tls = if config.tls_v1 { Some(tls_config(&config)?) } else { None };
        Ok(Self { config, tls, label })
    }

    /// Connects to host:port, up to and with AUTH.
    ///
    /// # Errors
    /// [`ConnectError`]
    pub(crate) async fn connect(&self, address: &str) -> Result<Connected, ConnectError> {
        tracing::info!("{} ({address}) connecting to nsqd", self.label);
        let socket = dial(address, self.config.local_addr, self.config.dial_timeout).await?;
        let handshake = Handshake::new(socket, address, &self.config, &self.label);
        // Boxed, or each connection would keep room for it as long as it lives.
        Box::pin(handshake.run(self.tls.as_ref())).await
    }

    pub(crate) fn config(&self) -> &Arc<Config> {
        &self.config
    }

    pub(crate) fn label(&self) -> &Label {
        &self.label
    }
}
