//! The options, typed.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

/// How long a consumer pauses after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BackoffStrategy {
    /// `backoff_multiplier × 2^level`.
    #[default]
    Exponential,
    /// A random time below that.
    FullJitter,
}

/// The lowest version of TLS. What is older than 1.2 means 1.2: nothing older is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum TlsMinVersion {
    /// `ssl3.0`
    Ssl30,
    /// `tls1.0`
    #[default]
    Tls10,
    /// `tls1.1`
    Tls11,
    /// `tls1.2`
    Tls12,
    /// `tls1.3`
    Tls13,
}

/// Options of a consumer or a producer, which are checked when one is made.
///
/// ```
/// let mut config = client::Config { max_in_flight: 200, ..client::Config::default() };
/// config.set("msg-timeout", "2m")?;
/// assert_eq!(config.msg_timeout, std::time::Duration::from_mins(2));
/// assert_eq!(config.set("nope", "1").unwrap_err().to_string(), "invalid option nope");
/// # Ok::<(), client::ConfigError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "options, independent of each other")]
pub struct Config {
    /// Longest wait for a TCP connection; 0 for as long as the system waits.
    pub dial_timeout: Duration,
    /// A connection on which nothing comes for so long is lost. 100 ms to 5 minutes.
    pub read_timeout: Duration,
    /// A connection that takes nothing for so long is lost. 100 ms to 5 minutes.
    pub write_timeout: Duration,
    /// The local end of connections.
    pub local_addr: Option<SocketAddr>,
    /// How often nsqlookupd is asked, and lost nsqds are tried again. 10 ms to 5 minutes.
    pub lookupd_poll_interval: Duration,
    /// The first interval is longer by a random share of so much. 0 to 1.
    pub lookupd_poll_jitter: f64,
    /// Longest wait for an answer of nsqlookupd; 0 for ever.
    pub lookupd_poll_timeout: Duration,
    /// Delay of a requeued message, for each attempt. 0 to 60 minutes.
    pub default_requeue_delay: Duration,
    /// The longest of these. 0 to 60 minutes.
    pub max_requeue_delay: Duration,
    /// How long to pause after failures.
    pub backoff_strategy: BackoffStrategy,
    /// Longest pause after failures; 0 for none. 0 to 60 minutes.
    pub max_backoff_duration: Duration,
    /// Unit of pauses. 0 to 60 minutes.
    pub backoff_multiplier: Duration,
    /// Messages that came more often are given up; 0 for never.
    pub max_attempts: u16,
    /// With more connections than `max_in_flight`, one gives up its turn after so long without a message. 1 s to 5 minutes.
    pub low_rdy_idle_timeout: Duration,
    /// With more connections than `max_in_flight`, how long a turn lasts at most. 1 s to 5 minutes.
    pub low_rdy_timeout: Duration,
    /// How often turns are looked at. 1 ms to 5 s.
    pub rdy_redistribute_interval: Duration,
    /// A short name of the client, by default the host's up to its first dot.
    pub client_id: String,
    /// The host's name.
    pub hostname: String,
    /// Library and version, for `/stats`.
    pub user_agent: String,
    /// The region the client is in, for nsqds that prefer near consumers.
    pub topology_region: String,
    /// The zone the client is in.
    pub topology_zone: String,
    /// How often nsqd sends a sign of life; at most `read_timeout`.
    pub heartbeat_interval: Duration,
    /// Percent of the messages to receive; 0 for all. 0 to 99.
    pub sample_rate: u8,
    /// Upgrade to TLS.
    pub tls_v1: bool,
    /// PEM file of trusted roots in place of the system's.
    pub tls_root_ca_file: Option<PathBuf>,
    /// PEM file of the client's certificate and those between it and its root; with `tls_key`.
    pub tls_cert: Option<PathBuf>,
    /// PEM file of its key.
    pub tls_key: Option<PathBuf>,
    /// Trust any certificate.
    pub tls_insecure_skip_verify: bool,
    /// The lowest version of TLS.
    pub tls_min_version: TlsMinVersion,
    /// Compress by deflate.
    pub deflate: bool,
    /// 1 to 9.
    pub deflate_level: u8,
    /// Compress by snappy.
    pub snappy: bool,
    /// Bytes that nsqd gathers before it writes; −1 for none.
    pub output_buffer_size: i64,
    /// How long nsqd gathers at most; 0 for the server's own, `None` for without end.
    pub output_buffer_timeout: Option<Duration>,
    /// Messages that the consumer may hold at a time, from all nsqds together. 0 pauses it.
    pub max_in_flight: u32,
    /// How long a message may be held; 0 for the server's own.
    pub msg_timeout: Duration,
    /// Bytes of a message; 0 for a bound of our own, 128 MiB.
    pub max_msg_size: u32,
    /// What AUTH says; empty for no AUTH.
    pub auth_secret: String,
    /// Whether nsqlookupd is told `auth_secret`, too. The name of the option, `skip_lookupd_authorization`, says the opposite.
    pub lookupd_authorization: bool,
    /// Deliver messages that are given up (see [`Message::is_given_up`](crate::Message::is_given_up)) instead of finishing them.
    pub deliver_given_up: bool,
}

impl Default for Config {
    fn default() -> Self {
        let hostname = rustix::system::uname().nodename().to_string_lossy().into_owned();
        Self {
            dial_timeout: Duration::from_secs(1),
            read_timeout: Duration::from_mins(1),
            write_timeout: Duration::from_secs(1),
            local_addr: None,
            lookupd_poll_interval: Duration::from_mins(1),
            lookupd_poll_jitter: 0.3,
            lookupd_poll_timeout: Duration::from_mins(1),
            default_requeue_delay: Duration::from_secs(90),
            max_requeue_delay: Duration::from_mins(15),
            backoff_strategy: BackoffStrategy::Exponential,
            max_backoff_duration: Duration::from_mins(2),
            backoff_multiplier: Duration::from_secs(1),
            max_attempts: 5,
            low_rdy_idle_timeout: Duration::from_secs(10),
            low_rdy_timeout: Duration::from_secs(30),
            rdy_redistribute_interval: Duration::from_secs(5),
            client_id: hostname.split('.').next().unwrap_or_default().to_owned(),
            hostname,
            user_agent: concat!("nsq-rs/", env!("CARGO_PKG_VERSION")).to_owned(),
            topology_region: String::new(),
            topology_zone: String::new(),
            heartbeat_interval: Duration::from_secs(30),
            sample_rate: 0,
            tls_v1: false,
            tls_root_ca_file: None,
            tls_cert: None,
            tls_key: None,
            tls_insecure_skip_verify: false,
            tls_min_version: TlsMinVersion::default(),
            deflate: false,
            deflate_level: 6,
            snappy: false,
            output_buffer_size: 16384,
            output_buffer_timeout: Some(Duration::from_millis(250)),
            max_in_flight: 1,
            msg_timeout: Duration::ZERO,
            max_msg_size: 0,
            auth_secret: String::new(),
            lookupd_authorization: true,
            deliver_given_up: false,
        }
    }
}
