//! The values, typed and checked.

use std::{ffi::OsString, time::Duration};

use daemon::{
    address::ListenAddress,
    log,
    options::{Refused, Settings, Stop},
    tls::TlsOptions,
};

use super::table;

/// What nsqlookupd runs with. The fields have the names of their flags.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the table of flags says what each means")]
pub struct Options {
    pub log: log::Config,
    /// A host and a port, as `http_address`.
    pub tcp_address: String,
    pub http_address: String,
    /// `None`: no HTTPS.
    pub https_address: Option<String>,
    pub tls: TlsOptions,
    /// The host's name, unless given.
    pub broadcast_address: String,
    /// 0 for what the system allows.
    pub max_connections: u64,
    pub inactive_producer_timeout: Duration,
    pub tombstone_lifetime: Duration,
}

/// What a start has to go on with.
#[derive(Debug, Clone)]
pub struct Start {
    /// Typed and checked.
    pub options: Options,
    /// What an operator should be told once the log is set up.
    pub warnings: Vec<String>,
}

impl Start {
    /// Reads the command line, `args` being what follows the program's name, and the file that it names.
    ///
    /// # Errors
    /// [`Stop`] if the process is to end instead: help, version, a wrong flag, file or value.
    pub fn load(args: impl IntoIterator<Item = OsString>, hostname: &str) -> Result<Self, Stop> {
        let program = table::program();
        let loaded = program.load(args)?;
        let options = Options::read(&loaded.settings, hostname).map_err(|cause| program.refuse(cause))?;
        Ok(Self { options, warnings: loaded.warnings })
    }
}

impl Options {
    fn read(settings: &Settings, hostname: &str) -> Result<Self, Refused> {
        let mut reader = settings.reader();
        let r = &mut reader;
        let tls = TlsOptions::read(r)?;
        let options = Self {
            log: r.log(&["nsqlookupd", "protocol", "daemon"]),
            tcp_address: address("tcp-address", r.text("tcp-address"))?,
            http_address: address("http-address", r.text("http-address"))?,
            https_address: https_address(r.text("https-address"), tls.identity.is_some())?,
            tls,
            broadcast_address: match r.text("broadcast-address") {
                "" => hostname.to_owned(),
                given => given.to_owned(),
            },
            max_connections: r.int("max-connections", 0..=i64::MAX)?,
            inactive_producer_timeout: r.duration("inactive-producer-timeout", Duration::ZERO)?,
            tombstone_lifetime: r.duration("tombstone-lifetime", Duration::ZERO)?,
        };
        reader.finish();
        Ok(options)
    }
}

/// `None` without an address, or without a certificate.
fn https_address(text: &str, has_certificate: bool) -> Result<Option<String>, Refused> {
    if text.is_empty() {
        return Ok(None);
    }
    let address = address("https-address", text)?;
    Ok(has_certificate.then_some(address))
}

/// There are no unix sockets: what nsqlookupd is told of a port has to be one.
fn address(name: &str, text: &str) -> Result<String, Refused> {
    match text.parse() {
        Ok(ListenAddress::Tcp(address)) => Ok(address),
        Ok(ListenAddress::Unix(_)) => Err(Refused::value(name, text, "must be host:port")),
        Err(error) => Err(Refused::new(format!("--{name}: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use daemon::{
        log::{Format, Level},
        tls::Required,
    };

    use super::*;

    fn load(args: &[&str]) -> Result<Start, Stop> {
        Start::load(args.iter().map(OsString::from), "web01")
    }

    #[track_caller]
    fn check_refused(arg: &str, expected: &str) {
        match load(&[arg]) {
            Err(Stop::Refused { program: "nsqlookupd", cause }) => assert_eq!(cause.to_string(), expected),
            other => panic!("{arg} gives {other:?}"),
        }
    }

    #[test]
    fn the_defaults_are_those_of_nsq() {
        let Start { options, warnings } = load(&[]).unwrap();
        assert_eq!(warnings, [""; 0]);
        assert_eq!(
            (options.log.level, options.log.format, options.log.file),
            (Level::Info, Format::Nsq, None)
        );
        assert_eq!(options.log.prefix, "[nsqlookupd] ");
        assert_eq!(
            (options.tcp_address.as_str(), options.http_address.as_str()),
            ("0.0.0.0:4160", "0.0.0.0:4161")
        );
        assert_eq!((options.https_address, options.tls.identity), (None, None));
        assert_eq!(options.tls.required, Required::No);
        assert_eq!(options.broadcast_address, "web01");
        assert_eq!(options.max_connections, 0);
        assert_eq!(options.inactive_producer_timeout, Duration::from_mins(5));
        assert_eq!(options.tombstone_lifetime, Duration::from_secs(45));
    }

    #[test]
    fn what_is_given_is_taken() {
        let flags = [
            "--broadcast-address=",
            "-tombstone-lifetime=1m30s",
            "-inactive-producer-timeout=0",
            "-tcp-address=:0",
            "-max-connections=5",
        ];
        let options = load(&flags).unwrap().options;
        assert_eq!(options.broadcast_address, "web01");
        assert_eq!(load(&["-broadcast-address=l1"]).unwrap().options.broadcast_address, "l1");
        assert_eq!(options.tombstone_lifetime, Duration::from_secs(90));
        assert_eq!(options.inactive_producer_timeout, Duration::ZERO);
        assert_eq!((options.tcp_address.as_str(), options.max_connections), ("[::]:0", 5));
    }

    #[test]
    fn https_needs_a_certificate_and_an_address() {
        let https = |more: &[&str]| {
            load(&[&["--tls-cert=c", "--tls-key=k"], more].concat()).unwrap().options.https_address
        };
        assert_eq!(https(&[]).as_deref(), Some("0.0.0.0:4162"));
        assert_eq!(https(&["--https-address=:0"]).as_deref(), Some("[::]:0"));
        assert_eq!(https(&["--https-address="]), None);
    }

    #[test]
    fn what_cannot_work_is_refused() {
        check_refused("--tcp-address=/l.sock", "--tcp-address=/l.sock: must be host:port");
        check_refused(
            "--http-address=",
            "--http-address: the address is empty; give host:port, or the path of a unix socket",
        );
        check_refused("--https-address=/l.sock", "--https-address=/l.sock: must be host:port");
        check_refused("--tls-cert=c", "--tls-cert is given and --tls-key is missing");
        check_refused("--tls-required", "cannot require TLS client connections without TLS key and cert");
        check_refused("--tombstone-lifetime=-1s", "--tombstone-lifetime=-1s: must be at least 0s");
        check_refused("--max-connections=-1", "--max-connections=-1: must be at least 0");
    }
}
