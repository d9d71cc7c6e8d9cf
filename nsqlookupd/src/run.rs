//! The life of the daemon: bind, serve, stop.

use std::{net::SocketAddr, process::ExitCode, sync::Arc};

use daemon::{
    address::ListenAddress,
    connections::{Connections, limit},
    http,
    listen::{self, Accepted, Listener},
    log::Log,
    signals::Hangups,
    systemd::ServiceManager,
    workers::Workers,
};
use tokio::runtime::{Builder, Runtime};
use tracing::info;

use crate::{lookupd::Lookupd, options::Options, tcp};

/// Why the daemon cannot start; the text of the FATAL line.
type Failure = String;

/// Runs nsqlookupd until a signal stops it. `log` is the running log.
pub fn run(options: &Options, hostname: String, log: &Log) -> ExitCode {
    match Daemon::start(options, hostname).and_then(|daemon| daemon.serve(options.max_connections, log)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => daemon::log::fatal(&failure),
    }
}

struct Daemon {
    lookupd: Arc<Lookupd>,
    runtime: Runtime,
    hangups: Hangups,
    tcp: Listener,
    http: Listener,
}

impl Daemon {
    fn start(options: &Options, hostname: String) -> Result<Self, Failure> {
        let instantiate = |cause: String| format!("failed to instantiate nsqlookupd - {cause}");
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| instantiate(error.to_string()))?;
        let hangups = {
            let _in_runtime = runtime.enter();
            Hangups::new().map_err(|error| instantiate(error.to_string()))?
        };
        info!("{}", daemon::version::line("nsqlookupd"));
        let bind =
            |address: &String| Listener::bind(&ListenAddress::Tcp(address.clone())).map_err(instantiate);
        let tcp = bind(&options.tcp_address)?;
        let http = bind(&options.http_address)?;
        let port = |listener: &Listener| u16::try_from(listener.port()).expect("it is no unix socket");
        let lookupd = Lookupd::new(options, hostname, port(&tcp), port(&http))
            .map_err(|error| instantiate(error.to_string()))?;
        let lookupd = Arc::new(lookupd);
        Ok(Self { lookupd, runtime, hangups, tcp, http })
    }

    fn serve(self, max_connections: u64, log: &Log) -> Result<(), Failure> {
        let Self { lookupd, runtime, hangups, tcp, http } = self;
        let failed = |error: std::io::Error| format!("cannot start threads - {error}");
        let count = std::thread::available_parallelism().map_or(1, usize::from);
        let workers = Workers::start(count).map_err(failed)?;
        runtime.block_on(async {
            let signal = daemon::signals::shutdown_signal().map_err(failed)?;
            let max = limit(max_connections);
            let (clients, requests) = (Connections::new(&workers, max), Connections::new(&workers, max));
            let (tcp_name, http_name) = (tcp.name(), http.name());
            info!("TCP: listening on {tcp_name}");
            let accept_tcp = tcp.accept(|accepted| serve_tcp(&clients, &lookupd, accepted));
            let accept_http = async {
                info!("HTTP: listening on {http_name}");
                http.accept(|accepted| serve_http(&requests, &lookupd, accepted)).await
            };
            let manager = ServiceManager::from_environment();
            let report = async {
                manager.ready();
                manager.keep_informed().await;
            };
            // Polled in this order: the line about TCP comes before that about HTTP, and both listen before anybody is told.
            let stopped = {
                tokio::pin!(accept_tcp, accept_http);
                tokio::select! {
                    biased;
                    _ = signal => Ok(()),
                    failed = &mut accept_tcp => failed,
                    failed = &mut accept_http => failed,
                    () = report => Ok(()),
                    () = reload(hangups, &manager, log) => Ok(()),
                }
            };
            manager.stopping();
            info!("TCP: closing {tcp_name}");
            clients.finish("TCP").await;
            info!("HTTP: closing {http_name}");
            requests.finish("HTTP").await;
            stopped.map_err(|error| format!("listener failed - {error}"))
        })?;
        workers.stop();
        Ok(())
    }
}

/// Serves an nsqd.
fn serve_tcp(clients: &Connections<'_>, lookupd: &Arc<Lookupd>, accepted: Accepted) {
    if clients.is_full("TCP") {
        accepted.farewell(&tcp::too_many_connections());
        return;
    }
    let Accepted::Tcp(stream, peer) = accepted else { return };
    // An IPv4 client of a listener of both families has its own address, as NSQ shows it.
    let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port()).to_string();
    let (lookupd, stop) = (Arc::clone(lookupd), clients.stop());
    clients.spawn(async move {
        let Ok(stream) = listen::into_tcp(stream) else { return };
        tcp::serve(lookupd, stream, peer, stop).await;
    });
}

/// Serves a client of HTTP.
fn serve_http(requests: &Connections<'_>, lookupd: &Arc<Lookupd>, accepted: Accepted) {
    if requests.is_full("HTTP") {
        accepted.farewell(http::BUSY);
        return;
    }
    let (peer, _) = accepted.peer();
    let Accepted::Tcp(stream, _) = accepted else { return };
    let (lookupd, stop) = (Arc::clone(lookupd), requests.stop());
    requests.spawn(async move {
        let Ok(stream) = listen::into_tcp(stream) else { return };
        crate::http::serve(lookupd, stream, peer, stop).await;
    });
}

/// At each SIGHUP: goes on in a new log file, if there is one. For ever.
async fn reload(mut hangups: Hangups, manager: &ServiceManager, log: &Log) {
    loop {
        hangups.next().await;
        manager.reloading();
        if !log.turn_over() {
            info!("SIGHUP: there is nothing to read anew");
        }
        manager.ready();
    }
}
