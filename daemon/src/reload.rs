//! What SIGHUP does.

use tracing::{error, info};

use crate::{log::Log, signals::Hangups, systemd::ServiceManager};

/// At each SIGHUP: goes on in a new log file, if there is one, and has `reread` read the certificates anew, which says
/// `None` if there are none. For ever.
pub async fn run(
    mut hangups: Hangups,
    manager: &ServiceManager,
    log: &Log,
    reread: impl Fn() -> Option<Result<(), String>>,
) {
    loop {
        hangups.next().await;
        manager.reloading();
        let has_file = log.turn_over();
        match reread() {
            Some(Ok(())) => info!("SIGHUP: the certificates were read anew, for connections to come"),
            Some(Err(cause)) => error!("SIGHUP: the certificates stay as they were - {cause}"),
            None if !has_file => info!("SIGHUP: there is nothing to read anew"),
            None => {}
        }
        manager.ready();
    }
}
