//! Certificates of tests, and clients of TLS that know them.

use std::path::PathBuf;
use std::sync::Arc;

use base64::prelude::{BASE64_STANDARD, Engine};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// A root, and the folder in which what it signs lies.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

/// A certificate and its key.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The file of the certificate.
    pub cert: PathBuf,
    /// The file of the key.
    pub key: PathBuf,
}

impl Authority {
    /// A new root.
    #[expect(clippy::new_without_default, reason = "each is another one")]
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::CommonName, "root of a test");
        let key = KeyPair::generate().expect("a key can be made");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("a root can sign itself");
        let folder = TempDir::with_prefix("nsq-certificates-").expect("a temporary folder can be made");
        std::fs::write(folder.path().join("root.pem"), pem("CERTIFICATE", issuer.der()))
            .expect("it can be written");
        Self { issuer, folder }
    }

    /// The file of the root.
    pub fn root(&self) -> PathBuf {
        self.folder.path().join("root.pem")
    }

    /// A certificate of this name for 127.0.0.1 and localhost, good for servers and clients. It replaces an earlier one of
    /// this name.
    pub fn issue(&self, name: &str) -> Identity {
        let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
        let mut params = CertificateParams::new(names).expect("these are names");
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().expect("a key can be made");
        let certificate = params.signed_by(&key, &self.issuer).expect("a root can sign");
        let file = |suffix: &str| self.folder.path().join(format!("{name}.{suffix}"));
        let identity = Identity { cert: file("pem"), key: file("key") };
        std::fs::write(&identity.cert, pem("CERTIFICATE", certificate.der())).expect("it can be written");
        std::fs::write(&identity.key, pem("PRIVATE KEY", key.serialized_der())).expect("it can be written");
        identity
    }

    /// The flags that give an nsqd a certificate.
    pub fn server_flags(&self) -> Vec<String> {
        let Identity { cert, key } = self.issue("server");
        vec![
            format!("--tls-cert={}", cert.display()),
            format!("--tls-key={}", key.display()),
            "--https-address=127.0.0.1:0".to_owned(),
        ]
    }

    /// A client that trusts this root.
    pub fn client(&self) -> Tls {
        Tls { root: self.root(), identity: None, versions: rustls::ALL_VERSIONS.to_vec() }
    }
}

fn pem(what: &str, der: &[u8]) -> String {
    format!("-----BEGIN {what}-----\n{}\n-----END {what}-----\n", BASE64_STANDARD.encode(der))
}

/// How a client does TLS.
#[derive(Clone)]
pub struct Tls {
    root: PathBuf,
    identity: Option<Identity>,
    versions: Vec<&'static SupportedProtocolVersion>,
}

impl Tls {
    /// Shows a certificate.
    #[must_use]
    pub fn with_identity(mut self, identity: &Identity) -> Self {
        self.identity = Some(identity.clone());
        self
    }

    /// Speaks this version only.
    #[must_use]
    pub fn with_version(mut self, version: &'static SupportedProtocolVersion) -> Self {
        self.versions = vec![version];
        self
    }

    /// Makes the handshake.
    ///
    /// # Errors
    /// What rustls or the socket says.
    pub async fn connect<S>(&self, stream: S) -> std::io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(&self.root).expect("a root")).expect("a good root");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider);
        let builder = builder.with_protocol_versions(&self.versions).expect("versions that are known");
        let builder = builder.with_root_certificates(roots);
        let config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some(Identity { cert, key }) => {
                let chain = vec![CertificateDer::from_pem_file(cert).expect("a certificate")];
                let key = PrivateKeyDer::from_pem_file(key).expect("a key");
                builder.with_client_auth_cert(chain, key).expect("they fit")
            }
        };
        let name = ServerName::try_from("127.0.0.1").expect("an address");
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }
}
