//! TLS with nsqlookupds, with files that can be read anew.

use std::sync::Arc;

use daemon::{ask::Asker, tls::ClientTlsOptions};
use parking_lot::RwLock;
use rustls::ClientConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};

use crate::ask::Timeouts;

/// How nsqlookupds are spoken to over TLS. Connections keep what they began with.
#[derive(Debug)]
pub(crate) struct Secure {
    options: ClientTlsOptions,
    timeouts: Timeouts,
    current: RwLock<Current>,
}

#[derive(Debug, Clone)]
struct Current {
    config: Arc<ClientConfig>,
    asker: Asker,
}

impl Secure {
    /// Reads the files.
    ///
    /// # Errors
    /// The text of the start error.
    pub(crate) fn load(options: ClientTlsOptions, timeouts: Timeouts) -> Result<Self, String> {
        let current = RwLock::new(Current::load(&options, timeouts)?);
        Ok(Self { options, timeouts, current })
    }

    /// Reads the files anew, for connections to come.
    ///
    /// # Errors
    /// Why; what was there stays in force.
    pub(crate) fn reload(&self) -> Result<(), String> {
        let current = Current::load(&self.options, self.timeouts)?;
        *self.current.write() = current;
        Ok(())
    }

    /// Who asks them over HTTPS.
    pub(super) fn asker(&self) -> Asker {
        self.current.read().asker.clone()
    }

    /// Makes the handshake with the nsqlookupd at `address`, host:port.
    pub(super) async fn connect(
        &self,
        address: &str,
        stream: TcpStream,
    ) -> std::io::Result<impl AsyncRead + AsyncWrite + Unpin> {
        let config = Arc::clone(&self.current.read().config);
        daemon::tls::connect(config, address, stream).await
    }
}

impl Current {
    fn load(options: &ClientTlsOptions, timeouts: Timeouts) -> Result<Self, String> {
        let config = options
            .config()
            .map_err(|error| format!("failed to build TLS config for nsqlookupds - {error}"))?;
        let asker = timeouts.asker(options, true).map_err(|error| error.to_string())?;
        Ok(Self { config: Arc::new(config), asker })
    }
}
