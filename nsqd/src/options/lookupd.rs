//! How nsqlookupds are reached: in clear, or over TLS.

use std::path::PathBuf;

use daemon::{
    options::{Flag, Reader, Refused, boolean, text},
    tls::{ClientTlsOptions, TlsOptions},
};

const ROOT: &str = "lookupd-tls-root-ca-file";
const CERT: &str = "lookupd-tls-cert";
const KEY: &str = "lookupd-tls-key";

pub(super) fn flags() -> Vec<Flag> {
    vec![
        boolean("lookupd-tls", false, "speak TLS with nsqlookupds, over TCP and HTTP"),
        text(ROOT, "", "PEM file of the roots that are trusted for it")
            .argument("path")
            .default_note("--tls-root-ca-file"),
        text(CERT, "", "PEM file of the certificate that is shown to an nsqlookupd which asks for one")
            .argument("path")
            .default_note("--tls-cert"),
        text(KEY, "", "PEM file of its key").argument("path").default_note("--tls-key"),
    ]
}

/// `None`: in clear.
pub(super) fn read(
    reader: &mut Reader<'_>,
    listeners: &TlsOptions,
) -> Result<Option<ClientTlsOptions>, Refused> {
    let is_wanted = reader.boolean("lookupd-tls");
    let given = |text: &str| Some(text).filter(|text| !text.is_empty()).map(PathBuf::from);
    let (root_ca, cert, key) = (given(reader.text(ROOT)), given(reader.text(CERT)), given(reader.text(KEY)));
    if !is_wanted {
        let useless = [(ROOT, &root_ca), (CERT, &cert), (KEY, &key)];
        return match useless.iter().find(|(_, path)| path.is_some()) {
            Some((name, _)) => Err(Refused::new(format!("--{name} is given without --lookupd-tls"))),
            None => Ok(None),
        };
    }
    let missing =
        |given: &str, missing: &str| Refused::new(format!("--{given} is given and --{missing} is missing"));
    let identity = match (cert, key) {
        (Some(cert), Some(key)) => Some((cert, key)),
        (None, None) => listeners.identity.clone(),
        (Some(_), None) => return Err(missing(CERT, KEY)),
        (None, Some(_)) => return Err(missing(KEY, CERT)),
    };
    Ok(Some(ClientTlsOptions {
        root_ca: root_ca.or_else(|| listeners.root_ca.clone()),
        identity,
        min_version: listeners.min_version,
        ..ClientTlsOptions::default()
    }))
}
