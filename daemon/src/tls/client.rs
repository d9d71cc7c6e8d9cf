//! Where a daemon is the client.

use std::{path::Path, sync::Arc};

use rustls::{ClientConfig, RootCertStore, crypto::ring};

use super::{files, files::TlsError, options::MinVersion};

/// What a daemon trusts and speaks where it is the client: the roots of `root_ca`, or the system's.
///
/// # Errors
/// The roots cannot be read.
pub fn client_config(root_ca: Option<&Path>, min_version: MinVersion) -> Result<ClientConfig, TlsError> {
    with_roots(files::roots(root_ca)?, min_version)
}

/// The same where TLS may never be spoken: a system without roots is no error then, and nobody is trusted.
///
/// # Errors
/// The roots of `root_ca` cannot be read.
pub fn client_config_if_any(
    root_ca: Option<&Path>,
    min_version: MinVersion,
) -> Result<ClientConfig, TlsError> {
    match files::roots(root_ca) {
        Err(TlsError::NoSystemRoots) => with_roots(RootCertStore::empty(), min_version),
        roots => with_roots(roots?, min_version),
    }
}

fn with_roots(roots: RootCertStore, min_version: MinVersion) -> Result<ClientConfig, TlsError> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_protocol_versions(min_version.versions())?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
