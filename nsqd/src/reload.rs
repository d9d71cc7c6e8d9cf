//! What SIGHUP does.

use daemon::{log::Log, signals::Hangups, systemd::ServiceManager, tls::ServerTls};
use tracing::{error, info};

/// At each SIGHUP: goes on in a new log file, if there is one, and reads the certificates anew. For ever.
pub(crate) async fn run(mut hangups: Hangups, manager: &ServiceManager, log: &Log, tls: Option<&ServerTls>) {
    loop {
        hangups.next().await;
        manager.reloading();
        reload(log, tls);
        manager.ready();
    }
}

fn reload(log: &Log, tls: Option<&ServerTls>) {
    let has_file = log.turn_over();
    match tls.map(ServerTls::reload) {
        Some(Ok(())) => info!("SIGHUP: the certificates were read anew, for connections to come"),
        Some(Err(cause)) => error!("SIGHUP: the certificates stay as they were - {cause}"),
        None if !has_file => info!("SIGHUP: there is nothing to read anew"),
        None => {}
    }
}
