//! Where a daemon is the client.

use std::{io, path::PathBuf, sync::Arc};

use rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{certificates::AnyCertificate, files, files::TlsError, options::MinVersion};

/// What a daemon trusts and shows where it is the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientTlsOptions {
    /// Trusted roots in place of the system's.
    pub root_ca: Option<PathBuf>,
    /// Certificate chain and key, for servers that ask for one.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// The lowest version that is spoken.
    pub min_version: MinVersion,
    /// Whether every certificate is believed.
    pub is_unchecked: bool,
}

/// The system's roots, and nothing to show.
impl Default for ClientTlsOptions {
    fn default() -> Self {
        Self { root_ca: None, identity: None, min_version: MinVersion::Tls12, is_unchecked: false }
    }
}

impl ClientTlsOptions {
    /// Reads the files.
    ///
    /// # Errors
    /// [`TlsError`]
    pub fn config(&self) -> Result<ClientConfig, TlsError> {
        self.with_roots(files::roots(self.root_ca.as_deref()))
    }

    /// The same where TLS may never be spoken: a system without roots is no error then, and nobody is trusted.
    ///
    /// # Errors
    /// As [`ClientTlsOptions::config`], save for that.
    pub fn config_if_any(&self) -> Result<ClientConfig, TlsError> {
        self.with_roots(match files::roots(self.root_ca.as_deref()) {
            Err(TlsError::NoSystemRoots) => Ok(RootCertStore::empty()),
            roots => roots,
        })
    }

    fn with_roots(&self, roots: Result<RootCertStore, TlsError>) -> Result<ClientConfig, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_protocol_versions(self.min_version.versions())?;
        let builder = if self.is_unchecked {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
        } else {
            builder.with_root_certificates(roots?)
        };
        let Some((certificate, key)) = &self.identity else { return Ok(builder.with_no_client_auth()) };
        Ok(builder.with_client_auth_cert(files::certificates(certificate)?, files::key(key)?)?)
    }
}

/// Makes the handshake with the server at `address`, host:port, whose certificate has to be of this host.
///
/// # Errors
/// The socket's, or why the handshake failed.
pub async fn connect<S>(config: Arc<ClientConfig>, address: &str, stream: S) -> io::Result<TlsStream<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "no certificate can be of this name"))?;
    TlsConnector::from(config).connect(name, stream).await
}
