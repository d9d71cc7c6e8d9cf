//! The server's side, with certificates that can be read anew.

use std::{io, sync::Arc};

use parking_lot::RwLock;
use rustls::{
    ServerConfig,
    crypto::ring,
    server::{NoClientAuth, WebPkiClientVerifier, danger::ClientCertVerifier},
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{
    certificates::{AnyCertificate, common_name},
    files::{self, TlsError},
    options::{ClientAuth, TlsOptions},
};

/// What listeners with TLS share. Connections keep what they began with.
#[derive(Debug)]
pub struct ServerTls {
    options: TlsOptions,
    config: RwLock<Arc<ServerConfig>>,
}

/// A handshake that failed, and what it was made on.
#[derive(Debug)]
pub struct HandshakeError<S> {
    /// Why.
    pub cause: io::Error,
    /// The alert is written to it.
    pub stream: S,
}

/// What a handshake found out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Peer {
    /// `TLS1.2` or `TLS1.3`.
    pub version: &'static str,
    /// The IANA name.
    pub cipher_suite: String,
    /// Of the client's certificate; empty if it showed none.
    pub common_name: String,
}

impl ServerTls {
    /// Reads the files. `None` if no certificate is named.
    ///
    /// # Errors
    /// [`TlsError`]
    pub fn load(options: &TlsOptions) -> Result<Option<Arc<Self>>, TlsError> {
        let Some(config) = config(options)? else { return Ok(None) };
        Ok(Some(Arc::new(Self { options: options.clone(), config: RwLock::new(config) })))
    }

    /// Reads the files anew, for connections to come.
    ///
    /// # Errors
    /// [`TlsError`]; what was there stays in force.
    pub fn reload(&self) -> Result<(), TlsError> {
        if let Some(config) = config(&self.options)? {
            *self.config.write() = config;
        }
        Ok(())
    }

    /// Makes the handshake. How long it may take is up to the stream.
    ///
    /// # Errors
    /// [`HandshakeError`]
    pub async fn accept<S>(&self, stream: S) -> Result<(TlsStream<S>, Peer), HandshakeError<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let acceptor = TlsAcceptor::from(Arc::clone(&self.config.read()));
        match acceptor.accept(stream).into_fallible().await {
            Ok(stream) => {
                let peer = peer(&stream);
                Ok((stream, peer))
            }
            Err((cause, stream)) => Err(HandshakeError { cause, stream }),
        }
    }
}

fn peer<S>(stream: &TlsStream<S>) -> Peer {
    let (_, connection) = stream.get_ref();
    let version = match connection.protocol_version() {
        Some(rustls::ProtocolVersion::TLSv1_3) => "TLS1.3",
        _ => "TLS1.2",
    };
    let suite = connection.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str());
    // rustls gives those of TLS 1.3 a prefix of its own.
    let cipher_suite = suite.unwrap_or_default().replacen("TLS13_", "TLS_", 1);
    let certificate = connection.peer_certificates().and_then(<[_]>::first);
    Peer { version, cipher_suite, common_name: certificate.map(common_name).unwrap_or_default() }
}

fn config(options: &TlsOptions) -> Result<Option<Arc<ServerConfig>>, TlsError> {
    let Some((certificate, key)) = &options.identity else { return Ok(None) };
    let provider = Arc::new(ring::default_provider());
    let verifier: Arc<dyn ClientCertVerifier> = match options.client_auth {
        ClientAuth::None => Arc::new(NoClientAuth),
        ClientAuth::Any => Arc::new(AnyCertificate(Arc::clone(&provider))),
        ClientAuth::Verified => {
            let roots = Arc::new(files::roots(options.root_ca.as_deref())?);
            let builder = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider));
            builder.build().map_err(|error| rustls::Error::General(error.to_string()))?
        }
    };
    let builder = ServerConfig::builder_with_provider(provider);
    let builder = builder.with_protocol_versions(options.min_version.versions())?;
    let builder = builder.with_client_cert_verifier(verifier);
    let config = builder.with_single_cert(files::certificates(certificate)?, files::key(key)?)?;
    Ok(Some(Arc::new(config)))
}
