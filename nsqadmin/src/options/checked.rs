//! The values, typed and checked.

use std::{collections::BTreeSet, ffi::OsString, path::PathBuf, time::Duration};

use daemon::{
    address::ListenAddress,
    log,
    options::{Reader, Refused, Settings, Stop},
    tls::ClientTlsOptions,
};
use ipnet::IpNet;
use reqwest::Url;

use super::table;

/// What is shorter is a mistake rather than a wish.
const TIMEOUT_MIN: Duration = Duration::from_millis(1);

/// More often, nsqds have more to do with being looked at than with messages.
const POLL_INTERVAL_MIN: Duration = Duration::from_millis(100);

/// What nsqadmin runs with. The fields have the names of their flags.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the table of flags says what each means")]
pub struct Options {
    pub log: log::Config,
    /// A host and a port.
    pub http_address: String,
    /// With a slash in front, and none behind: empty, or as `/nsq`.
    pub base_path: String,
    pub dev_static_dir: Option<PathBuf>,
    /// 0 for what the system allows.
    pub max_connections: u64,
    /// Each a host and a port, none twice. Empty: only `nsqd_http_addresses` are looked at, which then are not empty.
    pub lookupd_http_addresses: Vec<String>,
    /// As `lookupd_http_addresses`.
    pub nsqd_http_addresses: Vec<String>,
    pub poll_interval: Duration,
    /// In bytes.
    pub history_memory: usize,
    pub http_client_connect_timeout: Duration,
    pub http_client_request_timeout: Duration,
    pub http_client_tls: ClientTlsOptions,
    /// Empty: everyone may act.
    pub admin_users: BTreeSet<String>,
    pub acl_http_header: String,
    pub read_only: bool,
    /// `None`: from everywhere.
    pub allow_config_from: Option<IpNet>,
    pub notification_http_endpoint: Option<Url>,
    /// `None`: no graphs of Graphite.
    pub graphite: Option<Graphite>,
}

/// Where the graphs are that Graphite draws.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the table of flags says what each means")]
pub struct Graphite {
    pub url: Url,
    pub is_proxied: bool,
    pub statsd_prefix: String,
    pub statsd_counter_format: String,
    pub statsd_gauge_format: String,
    pub statsd_interval: Duration,
}

/// What a start has to go on with.
#[derive(Debug, Clone)]
pub struct Start {
    /// Typed and checked.
    pub options: Options,
    /// The same by configuration key, for `GET /config/:opt`.
    pub settings: Settings,
    /// What an operator should be told once the log is set up.
    pub warnings: Vec<String>,
}

impl Start {
    /// Reads the command line, `args` being what follows the program's name, and the file that it names.
    ///
    /// # Errors
    /// [`Stop`] if the process is to end instead: help, version, a wrong flag, file or value.
    pub fn load(args: impl IntoIterator<Item = OsString>) -> Result<Self, Stop> {
        let program = table::program();
        let loaded = program.load(args)?;
        let options = Options::read(&loaded.settings).map_err(|cause| program.refuse(cause))?;
        Ok(Self { options, settings: loaded.settings, warnings: loaded.warnings })
    }
}

impl Options {
    fn read(settings: &Settings) -> Result<Self, Refused> {
        let mut reader = settings.reader();
        let r = &mut reader;
        let (lookupds, nsqds) = upstreams(r)?;
        let options = Self {
            log: r.log(&["nsqadmin", "daemon"]),
            http_address: http_address(r.text("http-address"))?,
            base_path: base_path(r.text("base-path"))?,
            dev_static_dir: given(r.text("dev-static-dir")).map(PathBuf::from),
            max_connections: r.int("max-connections", 0..=i64::MAX)?,
            lookupd_http_addresses: lookupds,
            nsqd_http_addresses: nsqds,
            poll_interval: r.duration("poll-interval", POLL_INTERVAL_MIN)?,
            history_memory: r.int("history-memory", 1 << 20..=1 << 40)?,
            http_client_connect_timeout: r.duration("http-client-connect-timeout", TIMEOUT_MIN)?,
            http_client_request_timeout: r.duration("http-client-request-timeout", TIMEOUT_MIN)?,
            http_client_tls: client_tls(r)?,
            admin_users: r.texts("admin-user").iter().cloned().collect(),
            acl_http_header: acl_http_header(r.text("acl-http-header"))?,
            read_only: r.boolean("read-only"),
            allow_config_from: allow_config_from(r.text("allow-config-from-cidr"))?,
            notification_http_endpoint: given(r.text("notification-http-endpoint"))
                .map(|text| http_url("notification-http-endpoint", text))
                .transpose()?,
            graphite: graphite(r)?,
        };
        reader.finish();
        Ok(options)
    }
}

fn given(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

/// One of both lists, and the other one empty. The texts are NSQ's.
fn upstreams(r: &mut Reader<'_>) -> Result<(Vec<String>, Vec<String>), Refused> {
    let (lookupds, nsqds) = (r.texts("lookupd-http-address"), r.texts("nsqd-http-address"));
    match (lookupds.is_empty(), nsqds.is_empty()) {
        (true, true) => Err(Refused::new("--nsqd-http-address or --lookupd-http-address required")),
        (false, false) => Err(Refused::new("use --nsqd-http-address or --lookupd-http-address not both")),
        _ => Ok((addresses("lookupd-http-address", lookupds)?, addresses("nsqd-http-address", nsqds)?)),
    }
}

/// Each once, in the order given.
fn addresses(name: &str, given: &[String]) -> Result<Vec<String>, Refused> {
    let mut addresses: Vec<String> = Vec::new();
    for text in given {
        let refused =
            |why: &str| Refused::new(format!("failed to resolve --{name} ({text}) - address {text}: {why}"));
        if text.contains("://") {
            return Err(refused("too many colons in address; give host:port"));
        }
        let Some((_, port)) = text.rsplit_once(':') else { return Err(refused("missing port in address")) };
        if port.parse::<u16>().is_err() || Url::parse(&format!("http://{text}/")).is_err() {
            return Err(refused("is not host:port"));
        }
        if !addresses.contains(text) {
            addresses.push(text.clone());
        }
    }
    Ok(addresses)
}

/// There are no unix sockets: browsers do not know them.
fn http_address(text: &str) -> Result<String, Refused> {
    match text.parse() {
        Ok(ListenAddress::Tcp(address)) => Ok(address),
        Ok(ListenAddress::Unix(_)) => Err(Refused::value("http-address", text, "must be host:port")),
        Err(error) => Err(Refused::new(format!("--http-address: {error}"))),
    }
}

fn base_path(text: &str) -> Result<String, Refused> {
    let mut path = String::new();
    for part in text.split('/').filter(|part| !matches!(*part, "" | ".")) {
        let is_plain = part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte));
        if !is_plain || part == ".." {
            return Err(Refused::value(
                "base-path",
                text,
                "may have letters, digits and -_.~ between slashes",
            ));
        }
        path = path + "/" + part;
    }
    Ok(path)
}

fn client_tls(r: &mut Reader<'_>) -> Result<ClientTlsOptions, Refused> {
    let (cert, key) = (given(r.text("http-client-tls-cert")), given(r.text("http-client-tls-key")));
    let identity = match (cert, key) {
        (None, None) => None,
        (Some(cert), Some(key)) => Some((cert.into(), key.into())),
        // The texts are NSQ's.
        (Some(_), None) => {
            return Err(Refused::new("--http-client-tls-key must be specified with --http-client-tls-cert"));
        }
        (None, Some(_)) => {
            return Err(Refused::new("--http-client-tls-cert must be specified with --http-client-tls-key"));
        }
    };
    Ok(ClientTlsOptions {
        root_ca: given(r.text("http-client-tls-root-ca-file")).map(PathBuf::from),
        identity,
        is_unchecked: r.boolean("http-client-tls-insecure-skip-verify"),
        ..ClientTlsOptions::default()
    })
}

fn acl_http_header(text: &str) -> Result<String, Refused> {
    let name = hyper::header::HeaderName::try_from(text);
    let name = name.map_err(|_| Refused::value("acl-http-header", text, "is no name of a header"))?;
    Ok(name.as_str().to_owned())
}

fn allow_config_from(text: &str) -> Result<Option<IpNet>, Refused> {
    let parsed = given(text).map(|text| {
        text.parse::<IpNet>().map_err(|_| {
            let why =
                format!("failed to parse --allow-config-from-cidr ({text}) - invalid CIDR address: {text}");
            Refused::new(why)
        })
    });
    parsed.transpose()
}

fn http_url(name: &str, text: &str) -> Result<Url, Refused> {
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(url),
        Ok(_) => Err(Refused::value(name, text, "must be an http:// or https:// URL")),
        Err(error) => Err(Refused::new(format!("failed to parse --{name} ({text}) - {error}"))),
    }
}

fn graphite(r: &mut Reader<'_>) -> Result<Option<Graphite>, Refused> {
    let (url, is_proxied) = (given(r.text("graphite-url")), r.boolean("proxy-graphite"));
    let (prefix, counter) = (r.text("statsd-prefix"), r.text("statsd-counter-format"));
    let (gauge, interval) = (r.text("statsd-gauge-format"), r.duration("statsd-interval", TIMEOUT_MIN)?);
    match url {
        None if is_proxied => Err(Refused::new("--proxy-graphite is given without --graphite-url")),
        None => Ok(None),
        Some(url) => Ok(Some(Graphite {
            url: http_url("graphite-url", url)?,
            is_proxied,
            statsd_prefix: prefix.to_owned(),
            statsd_counter_format: counter.to_owned(),
            statsd_gauge_format: gauge.to_owned(),
            statsd_interval: interval,
        })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOKUPD: &str = "--lookupd-http-address=127.0.0.1:4161";

    fn load(args: &[&str]) -> Result<Start, Stop> {
        Start::load(args.iter().map(OsString::from))
    }

    fn options(args: &[&str]) -> Options {
        load(&[&[LOOKUPD], args].concat()).unwrap().options
    }

    #[track_caller]
    fn check_refused(args: &[&str], expected: &str) {
        match load(args) {
            Err(Stop::Refused { program: "nsqadmin", cause }) => assert_eq!(cause.to_string(), expected),
            other => panic!("{args:?} gives {other:?}"),
        }
    }

    #[test]
    fn the_defaults_are_those_of_nsq() {
        let options = options(&[]);
        assert_eq!(options.http_address, "0.0.0.0:4171");
        assert_eq!((options.base_path.as_str(), options.dev_static_dir), ("", None));
        assert_eq!(options.http_client_connect_timeout, Duration::from_secs(2));
        assert_eq!(options.http_client_request_timeout, Duration::from_secs(5));
        assert_eq!(options.http_client_tls, ClientTlsOptions::default());
        assert_eq!((options.admin_users.len(), options.read_only), (0, false));
        assert_eq!(options.acl_http_header, "x-forwarded-user");
        assert_eq!(options.allow_config_from, "127.0.0.1/8".parse().ok());
        assert_eq!((options.notification_http_endpoint, options.graphite), (None, None));
        assert_eq!(options.lookupd_http_addresses, ["127.0.0.1:4161"]);
        assert_eq!(options.log.prefix, "[nsqadmin] ");
    }

    #[test]
    fn what_does_not_fit_together_is_refused_in_this_order() {
        let nsqd = "--nsqd-http-address=127.0.0.1:4151";
        check_refused(&["--http-client-tls-key=k"], "--nsqd-http-address or --lookupd-http-address required");
        check_refused(&[LOOKUPD, nsqd], "use --nsqd-http-address or --lookupd-http-address not both");
        for (arg, expected) in [
            (
                "--http-client-tls-cert=c",
                "--http-client-tls-key must be specified with --http-client-tls-cert",
            ),
            (
                "--http-client-tls-key=k",
                "--http-client-tls-cert must be specified with --http-client-tls-key",
            ),
            (
                "--lookupd-http-address=l1",
                "failed to resolve --lookupd-http-address (l1) - address l1: missing port in address",
            ),
            (
                "--lookupd-http-address=http://l1:4161",
                "failed to resolve --lookupd-http-address (http://l1:4161) - address http://l1:4161: too many colons in address; give host:port",
            ),
            (
                "--allow-config-from-cidr=bogus",
                "failed to parse --allow-config-from-cidr (bogus) - invalid CIDR address: bogus",
            ),
            ("--proxy-graphite", "--proxy-graphite is given without --graphite-url"),
            ("--graphite-url=ftp://g", "--graphite-url=ftp://g: must be an http:// or https:// URL"),
            ("--base-path=/a b", "--base-path=/a b: may have letters, digits and -_.~ between slashes"),
        ] {
            check_refused(&[LOOKUPD, arg], expected);
        }
    }

    #[test]
    fn paths_and_addresses_are_cleaned() {
        for (given, expected) in [("nsq/", "/nsq"), ("/", ""), ("//a//b/", "/a/b"), ("/a/./b", "/a/b")] {
            assert_eq!(options(&[&format!("--base-path={given}")]).base_path, expected, "{given}");
        }
        assert_eq!(options(&[LOOKUPD, "--lookupd-http-address=[::1]:4161"]).lookupd_http_addresses.len(), 2);
    }
}
