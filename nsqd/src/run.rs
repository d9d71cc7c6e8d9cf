//! The life of the daemon: lock, bind, open, serve, stop.

use std::{
    fs::File,
    path::Path,
    process::ExitCode,
    sync::{Arc, OnceLock, atomic::AtomicU64},
    time::Duration,
};

use daemon::ask::Asker;
use daemon::{
    connections::limit, listen::Listener, reload, signals::Hangups, systemd::ServiceManager, tls::ServerTls,
    workers::Workers,
};
use protocol::NodeId;
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    alarms::Alarms,
    ask::{self, Timeouts},
    auth::Authorizer,
    connections::Connections,
    data_path,
    log::{Check, Limits, Storage, StorageThread},
    lookup::{self, Secure},
    nsq1,
    nsqd::{Nsqd, Ports},
    options::{Options, Start},
    statsd, tcp,
    timers::Timers,
    topic::{Commits, Environment, Housekeeping, Topics},
};

/// Why the daemon cannot start; the text of the FATAL line.
type Failure = String;

/// Runs nsqd until a signal stops it. `log` is the running log.
pub fn run(start: Start, hostname: String, log: daemon::log::Log) -> ExitCode {
    match Daemon::start(start, hostname, log).and_then(Daemon::serve) {
        Ok(code) => code,
        Err(failure) => daemon::log::fatal(&failure),
    }
}

struct Daemon {
    /// Held as long as the process uses the data path.
    lock: File,
    nsqd: Arc<Nsqd>,
    storage: StorageThread,
    timers: Arc<Timers>,
    runtime: Runtime,
    hangups: Hangups,
    asker: Asker,
    /// With nsqlookupds.
    lookup_tls: Option<Arc<Secure>>,
    tcp: Listener,
    http: Option<Listener>,
    https: Option<(Listener, Arc<ServerTls>)>,
    tls: Option<Arc<ServerTls>>,
}

impl Daemon {
    fn start(start: Start, hostname: String, log: daemon::log::Log) -> Result<Self, Failure> {
        let instantiate = |cause: String| format!("failed to instantiate nsqd - {cause}");
        let options = &start.options;
        let lock = data_path::lock(&options.data_path).map_err(instantiate)?;
        let tls = ServerTls::load(&options.tls)
            .map_err(|error| instantiate(format!("failed to build TLS config - {error}")))?;
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| instantiate(error.to_string()))?;
        // From here on, so that who turns the log over while a long start goes on does not kill it.
        let hangups = {
            let _in_runtime = runtime.enter();
            Hangups::new().map_err(|error| instantiate(error.to_string()))?
        };
        let asker = ask::asker(options).map_err(instantiate)?;
        let lookup_tls = options.lookupd_tls.clone().map(|tls| Secure::load(tls, Timeouts::new(options)));
        let lookup_tls = lookup_tls.transpose().map_err(instantiate)?.map(Arc::new);
        let authorizer =
            Authorizer::new(options, asker.clone(), runtime.handle().clone()).map_err(instantiate)?;
        info!("{}", daemon::version::line("nsqd"));
        info!("ID: {}", options.node_id);
        let node_id = NodeId::new(options.node_id.into()).map_err(|error| instantiate(error.to_string()))?;
        let tcp = Listener::bind(&options.tcp_address).map_err(instantiate)?;
        let http = options.http_address.as_ref().map(Listener::bind).transpose().map_err(instantiate)?;
        let https = match (&options.https_address, &tls) {
            (Some(address), Some(tls)) => {
                Some((Listener::bind(address).map_err(instantiate)?, Arc::clone(tls)))
            }
            _ => None,
        };
        nsq1::import(&options.data_path, segment_bytes_max(options), options.max_msg_size)
            .map_err(instantiate)?;
        let storage = StorageThread::start().map_err(|error| instantiate(error.to_string()))?;
        let commits =
            Commits::start(options.data_path.clone()).map_err(|error| instantiate(error.to_string()))?;
        let timers = Arc::new(Timers::default());
        let handle = storage.handle();
        let alarms = Alarms::open(&options.data_path).map_err(|error| instantiate(error.to_string()))?;
        let alarms = Arc::new(alarms);
        let was_clean = CleanMark::take(&options.data_path);
        let environment = environment(options, node_id, handle, &timers, &alarms, commits, was_clean);
        let topics = Topics::open(environment)
            .map_err(|error| format!("failed to load metadata - {}", chain(&error)))?;
        info!("NSQ: persisting topic/channel metadata to {}", options.data_path.join("nsqd.dat").display());
        topics.rewrite();
        if !was_clean {
            let topics = Arc::clone(&topics);
            storage.handle().run_after(Duration::ZERO, move || {
                topics.sync_all();
            });
        }
        let ports = Ports {
            tcp: tcp.port(),
            http: http.as_ref().map_or(0, Listener::port),
            https: https.as_ref().map_or(0, |(listener, _)| listener.port()),
        };
        let settings = Arc::new(tcp::Settings::new(&start.options, tls.clone(), authorizer));
        let nsqd = Nsqd::new(start, log, topics, alarms, settings, hostname, ports)
            .map_err(|error| instantiate(error.to_string()))?;
        Ok(Self { lock, nsqd, storage, timers, runtime, hangups, asker, lookup_tls, tcp, http, https, tls })
    }

    fn serve(self) -> Result<ExitCode, Failure> {
        let Self { lock, nsqd, storage, timers, runtime, hangups, asker, lookup_tls, tcp, http, https, tls } =
            self;
        let failed = |error: std::io::Error| format!("cannot start threads - {error}");
        let count = std::thread::available_parallelism().map_or(1, usize::from);
        let workers = Workers::start(count).map_err(failed)?;
        runtime.block_on(async {
            let signal = daemon::signals::shutdown_signal().map_err(failed)?;
            let max = limit(nsqd.start.options.max_connections);
            let clients = Connections::new(&workers, &nsqd, max);
            let requests = Connections::new(&workers, &nsqd, max);
            let tcp_name = tcp.name();
            let plain = http.iter().map(|http| format!("HTTP: closing {}", http.name()));
            let secure = https.iter().map(|(https, _)| format!("HTTPS: closing {}", https.name()));
            let closing: Vec<String> = plain.chain(secure).collect();
            info!("TCP: listening on {tcp_name}");
            let accept_tcp = tcp.accept(|accepted| clients.tcp(accepted));
            let accept_http = async {
                let Some(http) = http else { return std::future::pending().await };
                info!("HTTP: listening on {}", http.name());
                http.accept(|accepted| requests.http(accepted)).await
            };
            let accept_https = async {
                let Some((https, tls)) = https else { return std::future::pending().await };
                info!("HTTPS: listening on {}", https.name());
                https.accept(|accepted| requests.https(accepted, &tls)).await
            };
            let statsd_stop = CancellationToken::new();
            let statsd = tokio::spawn(statsd::run(Arc::clone(&nsqd), statsd_stop.clone()));
            let manager = ServiceManager::from_environment();
            let report = async {
                manager.ready();
                manager.keep_informed().await;
            };
            // Polled in this order: the line about TCP comes before that about HTTP, and both listen before anybody is told.
            let stopped = {
                tokio::pin!(accept_tcp, accept_http, accept_https);
                tokio::select! {
                    biased;
                    name = signal => Ok(name),
                    failed = &mut accept_tcp => Err(failed),
                    failed = &mut accept_http => Err(failed),
                    failed = &mut accept_https => Err(failed),
                    () = report => Ok("watchdog"),
                    () = timers.run() => Ok("timers"),
                    () = reload::run(hangups, &manager, &nsqd.log, || reread(tls.as_deref(), lookup_tls.as_deref())) => Ok("reload"),
                    () = lookup::run(Arc::clone(&nsqd), asker, lookup_tls.clone()) => Ok("nsqlookupds"),
                }
            };
            manager.stopping();
            info!("TCP: closing {tcp_name}");
            clients.finish("TCP").await;
            for line in closing {
                info!("{line}");
            }
            requests.finish("HTTP").await;
            statsd_stop.cancel();
            // It has nothing to say of how it ended, and does not wait for anybody any more.
            let _ = statsd.await;
            stopped.map(drop).or_else(|result| result.map_err(|error| format!("listener failed - {error}")))
        })?;
        let closed = nsqd.topics.close();
        info!("NSQ: stopping subsystems");
        workers.stop();
        storage.stop();
        if closed.is_ok() {
            CleanMark::leave(&nsqd.start.options.data_path);
        }
        drop(lock);
        info!("NSQ: bye");
        Ok(if closed.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// Reads certificates anew; `None` if there are none.
fn reread(listeners: Option<&ServerTls>, lookupds: Option<&Secure>) -> Option<Result<(), String>> {
    let listeners = listeners.map(|tls| tls.reload().map_err(|error| error.to_string()));
    let lookupds = lookupds.map(Secure::reload);
    // The first failure is the one to tell of.
    listeners.into_iter().chain(lookupds).reduce(Result::and)
}

fn segment_bytes_max(options: &Options) -> u32 {
    u32::try_from(options.max_bytes_per_file).unwrap_or(u32::MAX)
}

fn environment(
    options: &Options,
    node_id: NodeId,
    storage: Storage,
    timers: &Arc<Timers>,
    alarms: &Arc<Alarms>,
    commits: Commits,
    was_clean: bool,
) -> Arc<Environment> {
    let data_path = options.data_path.clone();
    Arc::new(Environment {
        housekeeping: Housekeeping::new(storage.clone(), data_path.clone(), options.sync_timeout),
        storage,
        timers: Arc::clone(timers),
        data_path,
        segment_bytes_max: segment_bytes_max(options),
        limits: Limits {
            retention_bytes: options.retention_bytes,
            retention_age: options.retention_age,
            topic_bytes_max: options.max_topic_bytes,
            free_bytes_min: options.min_free_bytes,
        },
        node_id,
        sync_every: options.sync_every,
        ephemeral_depth_max: options.mem_queue_size,
        prefers_near: options.topology_aware,
        latency_window_ns: (!options.statistics.latency.percentiles.is_empty())
            .then(|| u64::try_from(options.statistics.latency.window.as_nanos()).unwrap_or(u64::MAX)),
        names: tokio::sync::watch::Sender::new(0),
        asks_elsewhere: (!options.lookupd_tcp_addresses.is_empty()).into(),
        check: check(options.verify_data, was_clean),
        alarms: Arc::clone(alarms),
        commits: Some(commits),
        sync_before_ok: options.sync_before_ok,
        topics: OnceLock::new(),
        numbers: AtomicU64::new(0),
    })
}

/// What is looked at before the first message is taken.
fn check(verify_data: bool, was_clean: bool) -> Check {
    match (verify_data, was_clean) {
        (true, _) => Check::All,
        (false, true) => Check::Growing,
        (false, false) => {
            info!("the last stop was not an orderly one: checking what may not have been on the disk");
            Check::Unsynced
        }
    }
}

/// A file that is there while the data path is as an orderly stop left it.
struct CleanMark;

impl CleanMark {
    const FILE: &str = "nsqd.clean";

    /// Whether the last stop was orderly. From here on it was not.
    fn take(data_path: &Path) -> bool {
        std::fs::remove_file(data_path.join(Self::FILE)).is_ok()
    }

    fn leave(data_path: &Path) {
        if let Err(cause) = File::create(data_path.join(Self::FILE)) {
            warn!(%cause, "the next start checks all data, since it cannot be noted that this stop was orderly");
        }
    }
}

/// An error and what caused it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
