//! The life of the daemon: bind, serve, stop.

use std::{net::SocketAddr, process::ExitCode, sync::Arc};

use daemon::{
    address::ListenAddress,
    connections::{Connections, limit},
    http,
    listen::{self, Accepted, Listener},
    log::Log,
    reload,
    signals::Hangups,
    systemd::ServiceManager,
    tls::ServerTls,
    workers::Workers,
};
use tokio::runtime::{Builder, Runtime};
use tracing::{debug, info};

use crate::{
    lookupd::{Lookupd, Ports},
    options::Options,
    tcp,
};

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
    https: Option<Listener>,
}

impl Daemon {
    fn start(options: &Options, hostname: String) -> Result<Self, Failure> {
        let instantiate = |cause: String| format!("failed to instantiate nsqlookupd - {cause}");
        let tls = ServerTls::load(&options.tls)
            .map_err(|error| instantiate(format!("failed to build TLS config - {error}")))?;
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
        let https = options.https_address.as_ref().map(bind).transpose()?;
        let ports = Ports { tcp: port(&tcp), http: port(&http), https: https.as_ref().map_or(0, port) };
        let lookupd =
            Lookupd::new(options, hostname, tls, ports).map_err(|error| instantiate(error.to_string()))?;
        let lookupd = Arc::new(lookupd);
        Ok(Self { lookupd, runtime, hangups, tcp, http, https })
    }

    fn serve(self, max_connections: u64, log: &Log) -> Result<(), Failure> {
        let Self { lookupd, runtime, hangups, tcp, http, https } = self;
        let failed = |error: std::io::Error| format!("cannot start threads - {error}");
        let count = std::thread::available_parallelism().map_or(1, usize::from);
        let workers = Workers::start(count).map_err(failed)?;
        runtime.block_on(async {
            let signal = daemon::signals::shutdown_signal().map_err(failed)?;
            let max = limit(max_connections);
            let (clients, requests) = (Connections::new(&workers, max), Connections::new(&workers, max));
            let (tcp_name, http_name) = (tcp.name(), http.name());
            let secure = https.iter().map(|https| format!("HTTPS: closing {}", https.name()));
            let closing: Vec<String> =
                std::iter::once(format!("HTTP: closing {http_name}")).chain(secure).collect();
            info!("TCP: listening on {tcp_name}");
            let accept_tcp = tcp.accept(|accepted| serve_tcp(&clients, &lookupd, accepted));
            let accept_http = async {
                info!("HTTP: listening on {http_name}");
                http.accept(|accepted| serve_http(&requests, &lookupd, accepted)).await
            };
            let accept_https = async {
                let Some(https) = https else { return std::future::pending().await };
                info!("HTTPS: listening on {}", https.name());
                https.accept(|accepted| serve_https(&requests, &lookupd, accepted)).await
            };
            let reread = || lookupd.tls.as_ref().map(|tls| tls.reload().map_err(|error| error.to_string()));
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
                    _ = signal => Ok(()),
                    failed = &mut accept_tcp => failed,
                    failed = &mut accept_http => failed,
                    failed = &mut accept_https => failed,
                    () = report => Ok(()),
                    () = reload::run(hangups, &manager, log, reread) => Ok(()),
                }
            };
            manager.stopping();
            info!("TCP: closing {tcp_name}");
            clients.finish("TCP").await;
            for line in closing {
                info!("{line}");
            }
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
        crate::http::serve(lookupd, stream, peer, false, stop).await;
    });
}

/// Serves a client of HTTPS.
fn serve_https(requests: &Connections<'_>, lookupd: &Arc<Lookupd>, accepted: Accepted) {
    if requests.is_full("HTTPS") {
        // Nothing that a client of TLS would understand.
        return;
    }
    let (peer, _) = accepted.peer();
    let Accepted::Tcp(stream, _) = accepted else { return };
    let (lookupd, stop) = (Arc::clone(lookupd), requests.stop());
    requests.spawn(async move {
        let Ok(stream) = listen::into_tcp(stream) else { return };
        let Some(tls) = lookupd.tls.clone() else { return };
        let stream = tokio::select! {
            stream = tls.accept_https(stream) => stream,
            () = stop.cancelled() => return,
        };
        match stream {
            Ok(stream) => crate::http::serve(lookupd, stream, peer, true, stop).await,
            Err(cause) => debug!(client = peer, %cause, "no TLS handshake"),
        }
    });
}
