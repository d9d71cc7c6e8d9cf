//! What a client trusts and shows.

use std::{path::Path, sync::Arc};

use rustls::{
    ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
    version::{TLS12, TLS13},
};

use crate::{Config, ConfigError, TlsMinVersion};

/// What TLS connections of these options begin with. Reads the files that they name.
///
/// # Errors
/// A file cannot be read or is not what it should be.
pub(crate) fn tls_config(config: &Config) -> Result<Arc<ClientConfig>, ConfigError> {
    let provider = Arc::new(ring::default_provider());
    let versions: &[_] =
        if config.tls_min_version == TlsMinVersion::Tls13 { &[&TLS13] } else { &[&TLS13, &TLS12] };
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .expect("the provider knows both versions");
    let builder = if config.tls_insecure_skip_verify {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
    } else {
        builder.with_root_certificates(roots(config.tls_root_ca_file.as_deref())?)
    };
    let (Some(cert), Some(key)) = (&config.tls_cert, &config.tls_key) else {
        return Ok(Arc::new(builder.with_no_client_auth()));
    };
    let chain = certificates(cert)?;
    let key = PrivateKeyDer::from_pem_slice(&read(key)?)
        .map_err(|_| refused(key, "no private key in PEM form is in the file"))?;
    let config = builder.with_client_auth_cert(chain, key);
    config.map(Arc::new).map_err(|error| refused(cert, error.to_string()))
}

/// The roots of a file, or the system's.
fn roots(path: Option<&Path>) -> Result<RootCertStore, ConfigError> {
    let mut roots = RootCertStore::empty();
    let Some(path) = path else {
        // A system without roots trusts nobody, which the handshake then says.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        return Ok(roots);
    };
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|error| refused(path, error.to_string()))?;
    }
    Ok(roots)
}

/// The certificates of a file, at least one.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let bytes = read(path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let found = found.ok().filter(|certificates| !certificates.is_empty());
    found.ok_or_else(|| refused(path, "no certificate in PEM form is in the file"))
}

fn read(path: &Path) -> Result<Vec<u8>, ConfigError> {
    std::fs::read(path).map_err(|cause| ConfigError::File { path: path.to_owned(), cause })
}

fn refused(path: &Path, cause: impl Into<String>) -> ConfigError {
    ConfigError::Tls { path: path.to_owned(), cause: cause.into() }
}

/// Takes any certificate whose key the server has: `tls_insecure_skip_verify`.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_refused(config: &Config, text: &str) {
        assert_eq!(tls_config(config).unwrap_err().to_string(), text);
    }

    #[test]
    fn files_that_cannot_be_used_are_named() {
        let of = || Config { tls_v1: true, ..Config::default() };
        let missing = Some("/nowhere/ca.pem".into());
        let text = "open /nowhere/ca.pem: no such file or directory";
        check_refused(&Config { tls_root_ca_file: missing, ..of() }, text);
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_owned();
        let text = format!("{}: no certificate in PEM form is in the file", path.display());
        check_refused(&Config { tls_root_ca_file: Some(path.clone()), ..of() }, &text);
        check_refused(&Config { tls_cert: Some(path.clone()), tls_key: Some(path), ..of() }, &text);
    }
}
