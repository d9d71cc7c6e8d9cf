//! Where a daemon is the client.

use std::{path::Path, sync::Arc};

use rustls::{ClientConfig, crypto::ring};

use super::{files, files::TlsError, options::MinVersion};

/// What a daemon trusts and speaks where it is the client: the roots of `root_ca`, or the system's.
///
/// # Errors
/// The roots cannot be read.
pub fn client_config(root_ca: Option<&Path>, min_version: MinVersion) -> Result<ClientConfig, TlsError> {
    let roots = files::roots(root_ca)?;
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_protocol_versions(min_version.versions())?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
