//! The values, typed and checked.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use daemon::address::ListenAddress;
use daemon::broadcast::Broadcast;
use daemon::duration;
use daemon::log;
use daemon::options::{Reader, Refused, Settings, Source, Stop, Value};
use daemon::tls::{ClientTlsOptions, MinVersion, TlsOptions};

use super::{
    lookupd,
    statistics::{Statistics, Statsd},
    table,
};

/// Node ids have 10 bits in a message's id.
const NODE_ID_MAX: u16 = 1023;

/// The largest message whose frame, with its 26 bytes of header behind the size, has a size that fits in an `i32`.
const MESSAGE_BYTES_MAX: i64 = 2_147_483_621;

/// What is shorter is a mistake rather than a wish.
const TIMEOUT_MIN: Duration = Duration::from_millis(1);

/// What nsqd runs with. The fields have the names of their flags.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the table of flags says what each means")]
#[expect(clippy::struct_excessive_bools, reason = "the flags of a user, independent of each other")]
pub struct Options {
    pub log: log::Config,
    /// At most 1023.
    pub node_id: u16,
    pub broadcast: Broadcast,
    /// What that comes to at the start: the host's name, where no route to an nsqlookupd has an address.
    pub broadcast_address: String,
    /// `None`: the bound port; once that is known, that there is none.
    pub broadcast_tcp_port: Option<u16>,
    /// As `broadcast_tcp_port`.
    pub broadcast_http_port: Option<u16>,
    pub topology_region: String,
    pub topology_zone: String,
    pub tcp_address: ListenAddress,
    /// `None`: no HTTP.
    pub http_address: Option<ListenAddress>,
    /// `None`: no HTTPS. A host and port.
    pub https_address: Option<ListenAddress>,
    /// Each a host and a port.
    pub lookupd_tcp_addresses: Vec<String>,
    /// `None`: they are spoken to in clear.
    pub lookupd_tls: Option<ClientTlsOptions>,
    /// 0 for what the system allows.
    pub max_connections: u64,
    pub tls: TlsOptions,
    /// Empty: no authorization.
    pub auth_http_addresses: Vec<String>,
    pub auth_method: AuthMethod,
    pub http_client_connect_timeout: Duration,
    pub http_client_request_timeout: Duration,
    /// The working directory, unless given. Not yet known to exist.
    pub data_path: PathBuf,
    pub verify_data: bool,
    /// 0 for no limit.
    pub max_topic_bytes: u64,
    pub min_free_bytes: u64,
    /// 0 for none.
    pub retention_bytes: u64,
    /// Zero for none.
    pub retention_age: Duration,
    pub mem_queue_size: u64,
    /// At least 1.
    pub max_bytes_per_file: u64,
    /// At least 1: sync after each message.
    pub sync_every: u64,
    /// Whether a publish is answered only when it is on the disk.
    pub sync_before_ok: bool,
    /// Not zero.
    pub sync_timeout: Duration,
    /// Not zero.
    pub msg_timeout: Duration,
    pub max_msg_timeout: Duration,
    /// At least 1, and small enough for the size of a frame to fit in an `i32`.
    pub max_msg_size: u32,
    /// At least 1.
    pub max_body_size: u64,
    pub max_req_timeout: Duration,
    /// `max_req_timeout`, unless given.
    pub max_defer_timeout: Duration,
    pub max_heartbeat_interval: Duration,
    pub max_rdy_count: u64,
    pub max_output_buffer_size: u64,
    pub max_output_buffer_timeout: Duration,
    pub min_output_buffer_timeout: Duration,
    /// `None`: nothing is written because of the time alone.
    pub output_buffer_timeout: Option<Duration>,
    /// `None`: no limit.
    pub max_channel_consumers: Option<u64>,
    pub snappy: bool,
    pub deflate: bool,
    /// 1 to 9.
    pub max_deflate_level: u8,
    /// Whether consumers near by are preferred.
    pub topology_aware: bool,
    pub statistics: Statistics,
}

/// How authorization servers are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthMethod {
    /// With a query string.
    Get,
    /// With JSON.
    Post,
}

/// What a start has to go on with.
#[derive(Debug, Clone)]
pub struct Start {
    /// Typed and checked.
    pub options: Options,
    /// The same by configuration key, for `GET /config/:opt`. Effective values stand in place of empty ones; the ports are known once
    /// the listeners are bound.
    pub settings: Settings,
    /// What an operator should be told once the log is set up.
    pub warnings: Vec<String>,
}

impl Start {
    /// Reads the command line, `args` being what follows the program's name, and the file that it names.
    ///
    /// `hostname` and `default_node_id` (which is made from it) apply where nothing else is given.
    ///
    /// # Errors
    /// [`Stop`] if the process is to end instead: help, version, a wrong flag, file or value.
    pub fn load(
        args: impl IntoIterator<Item = OsString>,
        hostname: &str,
        default_node_id: u16,
    ) -> Result<Self, Stop> {
        let program = table::program(default_node_id);
        let loaded = program.load(args)?;
        let mut settings = loaded.settings;
        let mut options = Options::read(&settings, hostname).map_err(|cause| program.refuse(cause))?;
        let told = options.broadcast.address(&options.lookupd_tcp_addresses);
        options.broadcast_address = told.unwrap_or_else(|| hostname.to_owned());
        settings.set("broadcast-address", Value::Text(options.broadcast_address.clone()));
        settings.set("max-defer-timeout", duration_value(options.max_defer_timeout));
        let percentiles = Value::Floats(options.statistics.latency.percentiles.clone());
        settings.set("e2e-processing-latency-percentile", percentiles);
        let mut warnings = loaded.warnings;
        warnings.extend(options.doubts());
        let min_version = settings.by_key("tls_min_version");
        if settings.source("tls-min-version") != Source::Default
            && options.tls.min_version == MinVersion::Tls12
            && !matches!(min_version, Some(Value::Choice(0x303)))
        {
            warnings.push(
                "--tls-min-version: TLS 1.0 and 1.1 are not spoken any more, 1.2 is the lowest".to_owned(),
            );
        }
        Ok(Self { options, settings, warnings })
    }

    /// Puts in what is known once the listeners are bound: the ports that others are told.
    pub(crate) fn set_ports(&mut self, tcp: u16, http: u16) {
        let some = |port: u16| Some(port).filter(|port| *port != 0);
        self.options.broadcast_tcp_port = some(tcp);
        self.options.broadcast_http_port = some(http);
        self.settings.set("broadcast-tcp-port", Value::Int(tcp.into()));
        self.settings.set("broadcast-http-port", Value::Int(http.into()));
        let Value::Text(prefix) = self.settings.by_key("statsd_prefix").cloned().unwrap_or(Value::Int(0))
        else {
            return;
        };
        let prefix = Statsd::full_prefix(&prefix, &self.options.broadcast_address, http);
        if let Some(statsd) = &mut self.options.statistics.statsd {
            statsd.prefix.clone_from(&prefix);
        }
        self.settings.set("statsd-prefix", Value::Text(prefix));
    }
}

impl Options {
    fn read(settings: &Settings, hostname: &str) -> Result<Self, Refused> {
        let mut reader = settings.reader();
        let r = &mut reader;
        let max_req_timeout = r.duration("max-req-timeout", Duration::ZERO)?;
        let max_defer_timeout = r.duration("max-defer-timeout", Duration::ZERO)?;
        let is_defer_given = settings.source("max-defer-timeout") != Source::Default;
        let tls = TlsOptions::read(r)?;
        let options = Self {
            log: r.log(&["nsqd", "protocol", "daemon"]),
            node_id: node_id(r)?,
            broadcast: Broadcast::read(r.text("broadcast-address"), hostname)?,
            broadcast_address: String::new(),
            broadcast_tcp_port: port(r, "broadcast-tcp-port")?,
            broadcast_http_port: port(r, "broadcast-http-port")?,
            topology_region: r.text("topology-region").to_owned(),
            topology_zone: r.text("topology-zone").to_owned(),
            tcp_address: address("tcp-address", r.text("tcp-address"))?,
            http_address: given(r.text("http-address"))
                .map(|text| address("http-address", text))
                .transpose()?,
            https_address: https_address(r.text("https-address"))?,
            lookupd_tcp_addresses: lookupd_addresses(r.texts("lookupd-tcp-address"))?,
            max_connections: r.int("max-connections", 0..=i64::MAX)?,
            lookupd_tls: lookupd::read(r, &tls)?,
            tls,
            auth_http_addresses: r.texts("auth-http-address").to_vec(),
            auth_method: match r.text("auth-http-request-method") {
                "get" => AuthMethod::Get,
                "post" => AuthMethod::Post,
                // The text is NSQ's.
                _ => return Err(Refused::new("--auth-http-request-method must be post or get")),
            },
            http_client_connect_timeout: r.duration("http-client-connect-timeout", TIMEOUT_MIN)?,
            http_client_request_timeout: r.duration("http-client-request-timeout", TIMEOUT_MIN)?,
            data_path: data_path(r.text("data-path"))?,
            verify_data: r.boolean("verify-data"),
            max_topic_bytes: r.int("max-topic-bytes", 0..=i64::MAX)?,
            min_free_bytes: r.int("min-free-bytes", 0..=i64::MAX)?,
            retention_bytes: r.int("retention-bytes", 0..=i64::MAX)?,
            retention_age: r.duration("retention-age", Duration::ZERO)?,
            mem_queue_size: r.int("mem-queue-size", 0..=i64::MAX)?,
            max_bytes_per_file: r.int("max-bytes-per-file", 1..=i64::MAX)?,
            // As in NSQ, 0 means each, like 1.
            sync_every: r.int::<u64>("sync-every", 0..=i64::MAX)?.max(1),
            sync_before_ok: r.choice("pub-ack") != 0,
            sync_timeout: r.duration("sync-timeout", TIMEOUT_MIN)?,
            msg_timeout: r.duration("msg-timeout", TIMEOUT_MIN)?,
            max_msg_timeout: r.duration("max-msg-timeout", TIMEOUT_MIN)?,
            max_msg_size: r.int("max-msg-size", 1..=MESSAGE_BYTES_MAX)?,
            max_body_size: r.int("max-body-size", 1..=i64::MAX)?,
            max_req_timeout,
            max_defer_timeout: if is_defer_given { max_defer_timeout } else { max_req_timeout },
            max_heartbeat_interval: r.duration("max-heartbeat-interval", Duration::ZERO)?,
            max_rdy_count: r.int("max-rdy-count", 0..=i64::MAX)?,
            max_output_buffer_size: r.int("max-output-buffer-size", 0..=i64::MAX)?,
            max_output_buffer_timeout: r.duration("max-output-buffer-timeout", Duration::ZERO)?,
            min_output_buffer_timeout: r.duration("min-output-buffer-timeout", Duration::ZERO)?,
            output_buffer_timeout: Some(r.duration("output-buffer-timeout", Duration::ZERO)?)
                .filter(|timeout| !timeout.is_zero()),
            max_channel_consumers: Some(r.int("max-channel-consumers", 0..=i64::MAX)?)
                .filter(|max| *max != 0),
            snappy: r.boolean("snappy"),
            deflate: r.boolean("deflate"),
            max_deflate_level: r
                .int("max-deflate-level", 1..=9)
                // The text is NSQ's.
                .map_err(|_| Refused::new("--max-deflate-level must be [1,9]"))?,
            topology_aware: topology_aware(r.texts("enable-experiment"))?,
            statistics: Statistics::read(r, settings.source("e2e-processing-latency-percentile"))?,
        };
        reader.finish();
        Ok(options)
    }

    /// Values that work, though probably not as meant.
    fn doubts(&self) -> Vec<String> {
        let mut doubts = Vec::new();
        if self.max_msg_timeout < self.msg_timeout {
            doubts.push(format!(
                "--msg-timeout={} is longer than --max-msg-timeout={}: the limit holds from the first TOUCH on",
                duration::format(self.msg_timeout),
                duration::format(self.max_msg_timeout)
            ));
        }
        if self.max_body_size < self.max_msg_size.into() {
            doubts.push(format!(
                "--max-body-size={} is smaller than --max-msg-size={}: what PUB takes, MPUB refuses",
                self.max_body_size, self.max_msg_size
            ));
        }
        if self.max_output_buffer_timeout < self.min_output_buffer_timeout {
            doubts.push(format!(
                "--min-output-buffer-timeout={} is longer than --max-output-buffer-timeout={}: \
                 no client can set its own",
                duration::format(self.min_output_buffer_timeout),
                duration::format(self.max_output_buffer_timeout)
            ));
        }
        doubts
    }
}

/// `None` for an empty text, which stands for the default.
fn given(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

fn node_id(reader: &mut Reader<'_>) -> Result<u16, Refused> {
    // The text is NSQ's.
    let refused = |_| Refused::new("--node-id must be [0,1024)");
    reader.int("node-id", 0..=NODE_ID_MAX.into()).map_err(refused)
}

/// 0 stands for the bound port.
fn port(reader: &mut Reader<'_>, name: &str) -> Result<Option<u16>, Refused> {
    let port = reader.int(name, 0..=u16::MAX.into())?;
    Ok(Some(port).filter(|port| *port != 0))
}

fn address(name: &str, text: &str) -> Result<ListenAddress, Refused> {
    text.parse().map_err(|error| Refused::new(format!("--{name}: {error}")))
}

/// `None` without one. There is no HTTPS on unix sockets.
fn https_address(text: &str) -> Result<Option<ListenAddress>, Refused> {
    const NAME: &str = "https-address";
    if text.is_empty() {
        return Ok(None);
    }
    match address(NAME, text)? {
        ListenAddress::Unix(_) => Err(Refused::value(NAME, text, "must be host:port")),
        tcp @ ListenAddress::Tcp(_) => Ok(Some(tcp)),
    }
}

fn lookupd_addresses(addresses: &[String]) -> Result<Vec<String>, Refused> {
    const NAME: &str = "lookupd-tcp-address";
    let checked = addresses.iter().map(|text| match address(NAME, text)? {
        ListenAddress::Tcp(address) => Ok(address),
        ListenAddress::Unix(_) => Err(Refused::value(NAME, text, "must be host:port")),
    });
    checked.collect()
}

fn topology_aware(experiments: &[String]) -> Result<bool, Refused> {
    const ONLY: &str = "topology-aware-consumption";
    match experiments.iter().find(|name| *name != ONLY) {
        Some(unknown) => {
            let why = format!("there is no such experiment; there is {ONLY}");
            Err(Refused::value("enable-experiment", unknown, why))
        }
        None => Ok(!experiments.is_empty()),
    }
}

fn data_path(text: &str) -> Result<PathBuf, Refused> {
    if !text.is_empty() {
        return Ok(text.into());
    }
    let refused =
        |error| Refused::new(format!("the working directory is not known, give --data-path: {error}"));
    env::current_dir().map_err(refused)
}

fn duration_value(duration: Duration) -> Value {
    let ns = i64::try_from(duration.as_nanos()).expect("it was read from an i64");
    Value::Duration { ns }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use daemon::log::{Format, Level};
    use daemon::tls::{ClientAuth, Required};

    use super::*;

    fn load(args: &[&str]) -> Result<Start, Stop> {
        Start::load(args.iter().map(OsString::from), "web01", 296)
    }

    #[track_caller]
    fn options(args: &[&str]) -> Options {
        load(args).unwrap().options
    }

    fn load_file(file: &str) -> Result<Start, Stop> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("nsqd.toml");
        fs::write(&path, file).unwrap();
        load(&["--config", path.to_str().unwrap()])
    }

    #[track_caller]
    fn check_refused(args: &[&str], expected: &str) {
        match load(args) {
            Err(Stop::Refused { program: "nsqd", cause }) => {
                assert_eq!(cause.to_string(), expected, "{args:?}");
            }
            other => panic!("{args:?} gives {other:?}"),
        }
    }

    #[test]
    fn the_defaults_are_those_of_nsq() {
        let Start { options, warnings, .. } = load(&[]).unwrap();
        assert_eq!(warnings, [""; 0]);
        assert_eq!(options.log.level, Level::Info);
        assert_eq!(options.log.prefix, "[nsqd] ");
        assert_eq!((options.log.format, options.log.file), (Format::Nsq, None));
        assert_eq!(options.node_id, 296);
        assert_eq!(options.broadcast_address, "web01");
        assert_eq!((options.broadcast_tcp_port, options.broadcast_http_port), (None, None));
        assert_eq!((options.topology_region.as_str(), options.topology_zone.as_str()), ("", ""));
        assert_eq!(options.tcp_address, ListenAddress::Tcp("0.0.0.0:4150".to_owned()));
        assert_eq!(options.http_address, Some(ListenAddress::Tcp("0.0.0.0:4151".to_owned())));
        assert_eq!(options.data_path, env::current_dir().unwrap());
        assert!(!options.verify_data);
        assert_eq!((options.max_topic_bytes, options.min_free_bytes), (0, 16 << 20));
        assert_eq!((options.retention_bytes, options.retention_age), (0, Duration::ZERO));
        assert_eq!(options.mem_queue_size, 10_000);
        assert_eq!(options.max_bytes_per_file, 104_857_600);
        assert_eq!(options.sync_every, 2500);
        assert!(!options.sync_before_ok);
        assert_eq!(options.sync_timeout, Duration::from_secs(2));
        assert_eq!(options.msg_timeout, Duration::from_mins(1));
        assert_eq!(options.max_msg_timeout, Duration::from_mins(15));
        assert_eq!(options.max_msg_size, 1_048_576);
        assert_eq!(options.max_body_size, 5_242_880);
        assert_eq!(options.max_req_timeout, Duration::from_hours(1));
        assert_eq!(options.max_defer_timeout, Duration::from_hours(1));
        assert_eq!(options.max_heartbeat_interval, Duration::from_mins(1));
        assert_eq!(options.max_rdy_count, 2500);
        assert_eq!(options.max_output_buffer_size, 65_536);
        assert_eq!(options.max_output_buffer_timeout, Duration::from_secs(30));
        assert_eq!(options.min_output_buffer_timeout, Duration::from_millis(25));
        assert_eq!(options.output_buffer_timeout, Some(Duration::from_millis(250)));
        assert_eq!(options.max_channel_consumers, None);
        assert_eq!(options.https_address, Some(ListenAddress::Tcp("0.0.0.0:4152".to_owned())));
        assert_eq!((options.max_connections, options.lookupd_tcp_addresses.len()), (0, 0));
        let tls = TlsOptions {
            identity: None,
            root_ca: None,
            client_auth: ClientAuth::None,
            required: Required::No,
            min_version: MinVersion::Tls12,
        };
        assert_eq!(options.tls, tls);
        assert_eq!((options.auth_http_addresses.len(), options.auth_method), (0, AuthMethod::Get));
        assert_eq!(options.http_client_connect_timeout, Duration::from_secs(2));
        assert_eq!(options.http_client_request_timeout, Duration::from_secs(5));
        assert_eq!((options.snappy, options.deflate, options.max_deflate_level), (true, true, 6));
        assert!(!options.topology_aware);
    }

    #[test]
    fn the_flags_of_tls_fit_together_or_are_refused() {
        for (flags, expected) in [
            (&["--tls-cert=c"][..], "--tls-cert is given and --tls-key is missing"),
            (&["--tls-key=k"], "--tls-key is given and --tls-cert is missing"),
            (&["--tls-required"], "cannot require TLS client connections without TLS key and cert"),
            (&["--tls-required=TCP-HTTPS"], "cannot require TLS client connections without TLS key and cert"),
            (
                &["--tls-client-auth-policy=require"],
                "cannot require TLS client connections without TLS key and cert",
            ),
            (
                &["--tls-client-auth-policy=reqiure-verify"],
                "--tls-client-auth-policy=reqiure-verify: must be require or require-verify",
            ),
            (&["--https-address=/run/https"], "--https-address=/run/https: must be host:port"),
        ] {
            check_refused(flags, expected);
        }
        let tls = |more: &[&str]| options(&[&["--tls-cert=c", "--tls-key=k"], more].concat()).tls;
        assert_eq!(tls(&[]).identity, Some(("c".into(), "k".into())));
        for (flags, auth, required) in [
            (&["--tls-required"][..], ClientAuth::None, Required::Yes),
            (&["--tls-required=0"], ClientAuth::None, Required::No),
            (&["--tls-required=Tcp-Https"], ClientAuth::None, Required::TcpHttps),
            (&["--tls-client-auth-policy=require", "--tls-required=false"], ClientAuth::Any, Required::Yes),
            (
                &["--tls-client-auth-policy=require-verify", "--tls-required=tcp-https"],
                ClientAuth::Verified,
                Required::TcpHttps,
            ),
        ] {
            assert_eq!((tls(flags).client_auth, tls(flags).required), (auth, required), "{flags:?}");
        }
        for (version, expected, warnings) in [
            ("tls1.0", MinVersion::Tls12, 1),
            ("TLS1.1", MinVersion::Tls12, 1),
            ("tls1.2", MinVersion::Tls12, 0),
            ("Tls1.3", MinVersion::Tls13, 0),
        ] {
            let start = load(&[&format!("--tls-min-version={version}")]).unwrap();
            assert_eq!(
                (start.options.tls.min_version, start.warnings.len()),
                (expected, warnings),
                "{version}"
            );
        }
    }

    #[test]
    fn values_that_would_break_later_are_refused_at_start() {
        for (argument, expected) in [
            ("--sync-timeout=0", "--sync-timeout=0s: must be at least 1ms"),
            ("--sync-timeout=-2s", "--sync-timeout=-2s: must be at least 1ms"),
            ("--output-buffer-timeout=-1ms", "--output-buffer-timeout=-1ms: must be at least 0s"),
            ("--mem-queue-size=-1", "--mem-queue-size=-1: must be at least 0"),
            ("--sync-every=-1", "--sync-every=-1: must be at least 0"),
            ("--max-bytes-per-file=0", "--max-bytes-per-file=0: must be at least 1"),
            ("--max-msg-size=2147483622", "--max-msg-size=2147483622: must be at most 2147483621"),
            ("--max-msg-size=0", "--max-msg-size=0: must be at least 1"),
            ("--max-body-size=-1", "--max-body-size=-1: must be at least 1"),
            ("--msg-timeout=-1s", "--msg-timeout=-1s: must be at least 1ms"),
            ("--max-msg-timeout=0", "--max-msg-timeout=0s: must be at least 1ms"),
            ("--max-req-timeout=-1s", "--max-req-timeout=-1s: must be at least 0s"),
            ("--max-defer-timeout=-1s", "--max-defer-timeout=-1s: must be at least 0s"),
            ("--max-heartbeat-interval=-1s", "--max-heartbeat-interval=-1s: must be at least 0s"),
            ("--max-rdy-count=-1", "--max-rdy-count=-1: must be at least 0"),
            ("--max-output-buffer-size=-1", "--max-output-buffer-size=-1: must be at least 0"),
            ("--max-output-buffer-timeout=-1s", "--max-output-buffer-timeout=-1s: must be at least 0s"),
            ("--min-output-buffer-timeout=-1s", "--min-output-buffer-timeout=-1s: must be at least 0s"),
            ("--max-channel-consumers=-1", "--max-channel-consumers=-1: must be at least 0"),
            ("--broadcast-tcp-port=65536", "--broadcast-tcp-port=65536: must be at most 65535"),
            ("--broadcast-http-port=-1", "--broadcast-http-port=-1: must be at least 0"),
            ("--max-topic-bytes=-1", "--max-topic-bytes=-1: must be at least 0"),
            ("--min-free-bytes=-1", "--min-free-bytes=-1: must be at least 0"),
            ("--retention-bytes=-1", "--retention-bytes=-1: must be at least 0"),
            ("--retention-age=-1s", "--retention-age=-1s: must be at least 0s"),
            ("--node-id=1024", "--node-id must be [0,1024)"),
            ("--lookupd-tcp-address=/run/lookupd", "--lookupd-tcp-address=/run/lookupd: must be host:port"),
            ("--node-id=-1", "--node-id must be [0,1024)"),
            ("--max-deflate-level=0", "--max-deflate-level must be [1,9]"),
            ("--max-deflate-level=10", "--max-deflate-level must be [1,9]"),
            ("--auth-http-request-method=GET", "--auth-http-request-method must be post or get"),
            (
                "--enable-experiment=x",
                "--enable-experiment=x: there is no such experiment; there is topology-aware-consumption",
            ),
            (
                "--tcp-address=",
                "--tcp-address: the address is empty; give host:port, or the path of a unix socket",
            ),
            (
                "--http-address=127.0.0.1",
                "--http-address: \"127.0.0.1\" has no port; write 127.0.0.1:<port>, or, for a unix socket, \
                 a path with a / in it",
            ),
        ] {
            check_refused(&[argument], expected);
        }
    }

    #[test]
    fn the_limits_themselves_are_accepted() {
        assert_eq!(options(&["--max-msg-size=2147483621"]).max_msg_size, 2_147_483_621);
        assert_eq!(options(&["--node-id=1023"]).node_id, 1023);
        assert_eq!(options(&["--node-id=0"]).node_id, 0);
        assert_eq!(options(&["--sync-every=0"]).sync_every, 1);
        assert_eq!(options(&["--mem-queue-size=0"]).mem_queue_size, 0);
        assert_eq!(options(&["--output-buffer-timeout=0s"]).output_buffer_timeout, None);
        assert_eq!(options(&["--max-rdy-count=9223372036854775807"]).max_rdy_count, i64::MAX.unsigned_abs());
        assert_eq!(options(&["--broadcast-tcp-port=65535"]).broadcast_tcp_port, Some(65535));
        assert_eq!(options(&["--max-channel-consumers=1"]).max_channel_consumers, Some(1));
        assert_eq!(options(&["--data-path=/a%d"]).data_path, PathBuf::from("/a%d"));
        let given = options(&["--msg-timeout=16m", "--max-msg-timeout=16m"]);
        assert_eq!(given.msg_timeout, given.max_msg_timeout);
    }

    #[test]
    fn an_empty_text_means_none_or_the_default() {
        assert_eq!(options(&["--http-address="]).http_address, None);
        assert_eq!(options(&["--broadcast-address="]).broadcast_address, "web01");
        assert_eq!(options(&["--broadcast-address=b"]).broadcast_address, "b");
        assert_eq!(options(&["--log-file="]).log.file, None);
        assert_eq!(options(&["--log-file=/l"]).log.file, Some("/l".into()));
        let unix = options(&["--tcp-address=/run/nsqd.sock"]).tcp_address;
        assert_eq!(unix, ListenAddress::Unix("/run/nsqd.sock".into()));
    }

    #[test]
    fn the_longest_deferral_follows_the_longest_requeue_unless_given() {
        assert_eq!(options(&["--max-req-timeout=5m"]).max_defer_timeout, Duration::from_mins(5));
        let both = options(&["--max-req-timeout=5m", "--max-defer-timeout=0"]);
        assert_eq!(both.max_defer_timeout, Duration::ZERO);
    }

    #[test]
    fn what_is_probably_not_meant_is_told() {
        let warnings = load(&[
            "--msg-timeout=16m",
            "--max-msg-size=6000000",
            "--min-output-buffer-timeout=1m",
            "--worker-id",
        ])
        .unwrap()
        .warnings;
        let expected = [
            "--worker-id has no effect: use --node-id to set the id of this nsqd",
            "--msg-timeout=16m0s is longer than --max-msg-timeout=15m0s: the limit holds from the first TOUCH on",
            "--max-body-size=5242880 is smaller than --max-msg-size=6000000: what PUB takes, MPUB refuses",
            "--min-output-buffer-timeout=1m0s is longer than --max-output-buffer-timeout=30s: no client can set its own",
        ];
        assert_eq!(warnings, expected);
        let warnings =
            load_file("queue_scan_selection_count = 0\nqueue_scan_worker_pool_max = 1").unwrap().warnings;
        let expected = [
            "--queue-scan-worker-pool-max has no effect: each channel has exact timers, nothing is scanned for",
            "--queue-scan-selection-count has no effect: each channel has exact timers, nothing is scanned for",
        ];
        assert_eq!(warnings, expected);
    }

    /// `GET /config/:opt` shows what applies.
    #[test]
    fn settings_show_effective_values_under_their_keys() {
        let settings = load(&["--max-req-timeout=1s", "--tcp-address=127.0.0.1:0"]).unwrap().settings;
        for (key, value) in [
            ("id", Some(Value::Int(296))),
            ("node_id", None),
            ("version", None),
            ("worker_id", None),
            ("broadcast_address", Some(Value::Text("web01".to_owned()))),
            ("max_defer_timeout", Some(Value::Duration { ns: 1_000_000_000 })),
            ("tcp_address", Some(Value::Text("127.0.0.1:0".to_owned()))),
            ("log_level", Some(Value::Choice(2))),
            ("mem_queue_size", Some(Value::Int(10_000))),
            ("queue_scan_selection_count", Some(Value::Int(20))),
        ] {
            assert_eq!(settings.by_key(key), value.as_ref(), "{key}");
        }
    }

    /// Files written for NSQ must load, in NSQ's spellings.
    #[test]
    fn a_file_written_for_nsq_loads() {
        let file = r#"
            id = 42
            log_level = "WARN"
            tcp_address = "0.0.0.0:4150"
            broadcast_address = "nsqd-1.example.com"
            data_path = "/var/lib/nsq"
            mem_queue_size = "7"
            sync_timeout = 1500
            msg_timeout = "60s"
            max_msg_size = 1024768
            max_body_size = 5123840
            max_req_timeout = "1h"
            max_output_buffer_timeout = "1s"
        "#;
        let Start { options, warnings, .. } = load_file(file).unwrap();
        assert_eq!(warnings, [""; 0]);
        assert_eq!(options.node_id, 42);
        assert_eq!(options.log.level, Level::Warn);
        assert_eq!(options.broadcast_address, "nsqd-1.example.com");
        assert_eq!(options.data_path, PathBuf::from("/var/lib/nsq"));
        assert_eq!(options.mem_queue_size, 7);
        assert!(!options.sync_before_ok);
        assert_eq!(options.sync_timeout, Duration::from_millis(1500));
        assert_eq!(options.max_msg_size, 1_024_768);
        assert_eq!(options.max_output_buffer_timeout, Duration::from_secs(1));
    }

    #[test]
    fn a_key_of_an_option_that_does_not_exist_is_told_and_ignored() {
        let warnings = load_file("tls_crt = \"\"\nstatsd = true").unwrap().warnings;
        assert_eq!(warnings.len(), 2);
        assert!(warnings.iter().all(|warning| warning.contains("is ignored")), "{warnings:?}");
    }

    #[test]
    fn the_usage_names_every_flag() {
        let Err(Stop::Help { usage }) = load(&["-h"]) else { panic!("no help") };
        for flag in
            ["-version", "-config path", "-node-id int", "-tcp-address address", "-worker-id", "-verbose"]
        {
            assert!(usage.contains(&format!("  {flag} ")), "{flag}:\n{usage}");
        }
    }
}
