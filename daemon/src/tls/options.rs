//! The flags about TLS, which all daemons with TLS listeners have.

use std::path::PathBuf;

use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};

use crate::options::{Choice, Flag, Reader, Refused, choice, text};
use crate::quote::Quoted;

/// Which listeners need TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Required {
    /// None.
    No,
    /// TCP; plain HTTP stays open.
    TcpHttps,
    /// All.
    Yes,
}

/// The lowest version that is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MinVersion {
    /// TLS 1.2, also where an older one was asked for.
    Tls12,
    /// TLS 1.3.
    Tls13,
}

impl MinVersion {
    pub(super) fn versions(self) -> &'static [&'static SupportedProtocolVersion] {
        static ALL: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];
        match self {
            Self::Tls12 => &ALL,
            Self::Tls13 => &ALL[..1],
        }
    }
}

/// What a client has to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuth {
    /// Nothing.
    None,
    /// Any certificate whose key it has.
    Any,
    /// One that leads to a trusted root.
    Verified,
}

/// What the flags say about TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsOptions {
    /// Certificate chain and key. `None`: no TLS is offered.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// Trusted roots in place of the system's.
    pub root_ca: Option<PathBuf>,
    /// What a client has to show.
    pub client_auth: ClientAuth,
    /// Which listeners need TLS.
    pub required: Required,
    /// The lowest version that is spoken.
    pub min_version: MinVersion,
}

/// The numbers are those that NSQ shows.
static REQUIRED: Choice = Choice { is_boolean: true, parse: parse_required };

fn parse_required(word: &str) -> Result<i64, String> {
    match word.to_lowercase().as_str() {
        "tcp-https" => Ok(1),
        "1" | "t" | "true" => Ok(2),
        "0" | "f" | "false" | "" => Ok(0),
        _ => Err(format!("strconv.ParseBool: parsing {}: invalid syntax", Quoted(word))),
    }
}

/// The numbers are those of the protocol, which NSQ shows.
static MIN_VERSION: Choice = Choice { is_boolean: false, parse: parse_min_version };

const TLS_1_0: i64 = 0x301;
const TLS_1_2: i64 = 0x303;

fn parse_min_version(word: &str) -> Result<i64, String> {
    match word.to_lowercase().as_str() {
        "" | "tls1.0" => Ok(TLS_1_0),
        "tls1.1" => Ok(TLS_1_0 + 1),
        "tls1.2" => Ok(TLS_1_2),
        "tls1.3" => Ok(TLS_1_2 + 1),
        _ => Err(format!("unknown tlsVersionOption {}", Quoted(word))),
    }
}

/// The flags.
pub fn tls_flags() -> Vec<Flag> {
    vec![
        text("tls-cert", "", "PEM file of the certificate and those between it and its root")
            .argument("path"),
        text("tls-key", "", "PEM file of its key").argument("path"),
        text(
            "tls-client-auth-policy",
            "",
            "what clients have to show: `require` a certificate, or `require-verify` one that leads to a trusted root",
        ),
        text("tls-root-ca-file", "", "PEM file of trusted roots in place of the system's").argument("path"),
        choice(
            "tls-required",
            &REQUIRED,
            "false",
            "refuse clients without TLS: `true`, or `tcp-https` to leave plain HTTP open",
        ),
        choice(
            "tls-min-version",
            &MIN_VERSION,
            "tls1.0",
            "lowest version: `tls1.2` or `tls1.3`; older ones mean 1.2",
        )
        .default_note("tls1.2"),
    ]
}

impl TlsOptions {
    /// Reads the flags of [`tls_flags`].
    ///
    /// # Errors
    /// They do not fit together.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, Refused> {
        let (cert, key) = (reader.text("tls-cert"), reader.text("tls-key"));
        let identity = match (cert, key) {
            ("", "") => None,
            (_, "") => return Err(Refused::new("--tls-cert is given and --tls-key is missing")),
            ("", _) => return Err(Refused::new("--tls-key is given and --tls-cert is missing")),
            _ => Some((cert.into(), key.into())),
        };
        let policy = reader.text("tls-client-auth-policy");
        let client_auth = match policy {
            "" => ClientAuth::None,
            "require" => ClientAuth::Any,
            "require-verify" => ClientAuth::Verified,
            _ => {
                let why = "must be require or require-verify";
                return Err(Refused::value("tls-client-auth-policy", policy, why));
            }
        };
        let required = match reader.choice("tls-required") {
            0 if client_auth == ClientAuth::None => Required::No,
            1 => Required::TcpHttps,
            _ => Required::Yes,
        };
        if required != Required::No && identity.is_none() {
            // The text is NSQ's.
            return Err(Refused::new("cannot require TLS client connections without TLS key and cert"));
        }
        let min_version =
            if reader.choice("tls-min-version") <= TLS_1_2 { MinVersion::Tls12 } else { MinVersion::Tls13 };
        let root_ca =
            Some(reader.text("tls-root-ca-file")).filter(|path| !path.is_empty()).map(PathBuf::from);
        Ok(Self { identity, root_ca, client_auth, required, min_version })
    }
}
