//! Certificates and keys in files.

use std::{io, path::Path, path::PathBuf};

use rustls::{
    RootCertStore,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
};

use crate::io_cause;

/// Why TLS cannot be set up. The text stands behind NSQ's `failed to build TLS config - `.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("open {}: {}", path.display(), io_cause(cause))]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
    /// A file has no certificate, or something else under its name.
    #[error("{}: no certificate in PEM form is in the file", .0.display())]
    NoCertificate(PathBuf),
    /// A file has no key.
    #[error("{}: no private key in PEM form is in the file", .0.display())]
    NoKey(PathBuf),
    /// The roots are none.
    #[error("{}: failed to append certificate to pool", .0.display())]
    NoRoots(PathBuf),
    /// The system has no list of roots.
    #[error("the system's trusted roots cannot be read; give --tls-root-ca-file")]
    NoSystemRoots,
    /// Certificate and key do not fit, or rustls does not take them.
    #[error("{0}")]
    Rustls(#[from] rustls::Error),
}

/// The certificates of a file, at least one.
pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let bytes = read(path)?;
    let found: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(&bytes).collect();
    found
        .ok()
        .filter(|certificates| !certificates.is_empty())
        .ok_or_else(|| TlsError::NoCertificate(path.to_owned()))
}

/// The first private key of a file.
pub(super) fn key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(&read(path)?).map_err(|_| TlsError::NoKey(path.to_owned()))
}

/// The roots of a file, or the system's.
pub(super) fn roots(path: Option<&Path>) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    let Some(path) = path else {
        let system = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(system.certs);
        return if roots.is_empty() { Err(TlsError::NoSystemRoots) } else { Ok(roots) };
    };
    for certificate in certificates(path).map_err(|error| match error {
        TlsError::NoCertificate(path) => TlsError::NoRoots(path),
        other => other,
    })? {
        roots.add(certificate).map_err(|_| TlsError::NoRoots(path.to_owned()))?;
    }
    Ok(roots)
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|cause| TlsError::File { path: path.to_owned(), cause })
}
