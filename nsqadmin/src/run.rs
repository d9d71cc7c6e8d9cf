//! The life of the daemon: bind, serve, stop.

use std::{
    process::ExitCode,
    sync::{Arc, atomic::AtomicU64},
};

use daemon::{
    address::ListenAddress,
    ask::{AskSettings, Asker},
    connections::{Connections, limit},
    listen::{self, Accepted, Listener},
    log::Log,
    reload,
    signals::Hangups,
    systemd::ServiceManager,
    workers::Workers,
};
use tokio::runtime::{Builder, Runtime};
use tracing::info;

use crate::{
    access::Access,
    admin::{Admin, unix_seconds},
    cluster::{Upstream, View},
    http,
    live::Poller,
    notify::Notifier,
    options::Start,
    page::Page,
};

/// Bytes of an answer: the statistics of an nsqd with 100,000 channels.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// Why the daemon cannot start; the text of the FATAL line.
type Failure = String;

/// Runs nsqadmin until a signal stops it. `log` is the running log.
pub fn run(start: Start, hostname: String, log: Log) -> ExitCode {
    match serve(start, hostname, log) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => daemon::log::fatal(&failure),
    }
}

fn asker(start: &Start) -> Result<Asker, Failure> {
    let options = &start.options;
    let settings = AskSettings {
        connect_timeout: options.http_client_connect_timeout,
        request_timeout: options.http_client_request_timeout,
        user_agent: concat!("nsqadmin/v", env!("CARGO_PKG_VERSION")).to_owned(),
        answer_bytes_max: ANSWER_BYTES_MAX,
        tls: &options.http_client_tls,
        is_https: options.http_client_tls.identity.is_some(),
    };
    Asker::new(&settings).map_err(|error| error.to_string())
}

fn serve(start: Start, hostname: String, log: Log) -> Result<(), Failure> {
    let instantiate = |cause: String| format!("failed to instantiate nsqadmin - {cause}");
    let asker = asker(&start).map_err(instantiate)?;
    let runtime: Runtime =
        Builder::new_current_thread().enable_all().build().map_err(|error| instantiate(error.to_string()))?;
    let hangups = {
        let _in_runtime = runtime.enter();
        Hangups::new().map_err(|error| instantiate(error.to_string()))?
    };
    info!("{}", daemon::version::line("nsqadmin"));
    let options = &start.options;
    let listener = Listener::bind(&ListenAddress::Tcp(options.http_address.clone())).map_err(instantiate)?;
    let (lookupds, nsqds) = (options.lookupd_http_addresses.clone(), options.nsqd_http_addresses.clone());
    let (notifier, telling) = Notifier::new(options.notification_http_endpoint.clone(), asker.clone());
    let (poller, live) = Poller::new(options.poll_interval, options.history_memory);
    let admin = Arc::new(Admin {
        live,
        view: View::new(Upstream::new(asker.clone()), lookupds, nsqds),
        access: Access::new(options),
        page: Page::new(&options.base_path, options.dev_static_dir.clone()),
        asker,
        notifier,
        start_unix: u64::try_from(unix_seconds()).unwrap_or(0),
        actions: AtomicU64::new(0),
        denied: AtomicU64::new(0),
        hostname,
        log,
        start,
    });
    let failed = |error: std::io::Error| format!("cannot start threads - {error}");
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    let workers = Workers::start(count).map_err(failed)?;
    runtime.block_on(async {
        let signal = daemon::signals::shutdown_signal().map_err(failed)?;
        let requests = Connections::new(&workers, limit(admin.start.options.max_connections));
        let name = listener.name();
        info!("HTTP: listening on {name}");
        let telling = tokio::spawn(telling);
        let looking = Arc::clone(&admin);
        let looking = tokio::spawn(async move { poller.run(&looking.view).await });
        let accept = listener.accept(|accepted| serve_http(&requests, &admin, accepted));
        let manager = ServiceManager::from_environment();
        let report = async {
            manager.ready();
            manager.keep_informed().await;
        };
        let stopped = {
            tokio::pin!(accept);
            tokio::select! {
                biased;
                _ = signal => Ok(()),
                failed = &mut accept => failed,
                () = report => Ok(()),
                () = reload::run(hangups, &manager, &admin.log, || None) => Ok(()),
            }
        };
        manager.stopping();
        info!("HTTP: closing {name}");
        requests.finish("HTTP").await;
        telling.abort();
        looking.abort();
        stopped.map_err(|error| format!("listener failed - {error}"))
    })?;
    workers.stop();
    Ok(())
}

/// Serves a browser or script.
fn serve_http(requests: &Connections<'_>, admin: &Arc<Admin>, accepted: Accepted) {
    if requests.is_full("HTTP") {
        accepted.farewell(daemon::http::BUSY);
        return;
    }
    let Accepted::Tcp(stream, peer) = accepted else { return };
    let (admin, stop) = (Arc::clone(admin), requests.stop());
    requests.spawn(async move {
        let Ok(stream) = listen::into_tcp(stream) else { return };
        http::serve(admin, stream, peer, stop).await;
    });
}
