//! What a service manager is told: that the daemon is ready, reloads, stops, and is alive.
//!
//! The protocol is that of `sd_notify(3)`: a datagram to the unix socket that `NOTIFY_SOCKET` names. This is written on
//! the standard library rather than on the crate `sd-notify` (0.5), since that knows no abstract sockets, which
//! service managers in containers use, and waits without end for a service manager that does not read.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::time::MissedTickBehavior;
use tracing::warn;

use crate::io_cause;

/// How long a service manager whose socket is full is waited for, by all that is on the thread that tells it.
const SEND_TIMEOUT: Duration = Duration::from_secs(1);

/// For what comes again soon.
const NO_WAIT: Duration = Duration::ZERO;

/// Pings are not more frequent, whatever the service manager asks for.
const PING_INTERVAL_MIN: Duration = Duration::from_millis(1);

/// The service manager that started this process, if one did that wants to know. Otherwise nothing is sent.
///
/// What cannot be sent is told in the log once: the daemon works without it.
#[derive(Debug, Default)]
pub struct ServiceManager {
    /// A path, or `@` and the name of an abstract socket.
    socket: Option<OsString>,
    watchdog: Option<Duration>,
    has_failed: AtomicBool,
}

impl ServiceManager {
    /// As the variables `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID` say.
    pub fn from_environment() -> Self {
        Self::new(|name| env::var_os(name), std::process::id())
    }

    fn new(variable: impl Fn(&str) -> Option<OsString>, pid: u32) -> Self {
        let number = |name| variable(name).and_then(|value| value.to_str()?.parse::<u64>().ok());
        let is_for_us = variable("WATCHDOG_PID").is_none() || number("WATCHDOG_PID") == Some(pid.into());
        let watchdog = number("WATCHDOG_USEC").filter(|micros| is_for_us && *micros != 0);
        Self {
            socket: variable("NOTIFY_SOCKET").filter(|socket| !socket.is_empty()),
            watchdog: watchdog.map(Duration::from_micros),
            has_failed: AtomicBool::new(false),
        }
    }

    /// The start is complete, or the reload is.
    pub fn ready(&self) {
        self.notify("READY=1");
    }

    /// Files are read anew from now on, until [`ServiceManager::ready`].
    pub fn reloading(&self) {
        // The service manager compares with the time of its SIGHUP, to know which one this is about.
        let now = clock_gettime(ClockId::Monotonic);
        let micros = now.tv_sec * 1_000_000 + now.tv_nsec / 1_000;
        self.notify(&format!("RELOADING=1\nMONOTONIC_USEC={micros}"));
    }

    /// The stop has begun.
    pub fn stopping(&self) {
        self.notify("STOPPING=1");
    }

    /// Says that the daemon is alive, twice in the time within which the service manager wants to hear of it. For ever.
    pub async fn keep_informed(&self) {
        let Some(watchdog) = self.watchdog else { return std::future::pending().await };
        let mut pings = tokio::time::interval((watchdog / 2).max(PING_INTERVAL_MIN));
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            pings.tick().await;
            self.send("WATCHDOG=1", NO_WAIT);
        }
    }

    /// Sends `state`, lines of `KEY=value`. Waits for up to a second if the service manager does not read.
    pub fn notify(&self, state: &str) {
        self.send(state, SEND_TIMEOUT);
    }

    fn send(&self, state: &str, timeout: Duration) {
        let Some(socket) = &self.socket else { return };
        if let Err(cause) = send(socket, state, timeout)
            && !self.has_failed.swap(true, Ordering::Relaxed)
        {
            let (socket, cause) = (socket.display(), io_cause(&cause));
            warn!("the service manager at {socket} cannot be told {state:?} - {cause}");
        }
    }
}

/// From a new socket each time: there are a few such messages in a life, and a service manager may begin its own anew.
fn send(socket: &OsStr, state: &str, timeout: Duration) -> io::Result<()> {
    let address = match socket.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(socket)?,
    };
    let sender = UnixDatagram::unbound()?;
    if timeout.is_zero() {
        sender.set_nonblocking(true)?;
    } else {
        sender.set_write_timeout(Some(timeout))?;
    }
    sender.send_to_addr(state.as_bytes(), &address).map(drop)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::time::Instant;

    use super::*;

    fn service_manager(variables: &[(&str, &str)]) -> ServiceManager {
        let variables: HashMap<_, _> = variables.iter().copied().collect();
        ServiceManager::new(|name| variables.get(name).map(OsString::from), 7)
    }

    #[track_caller]
    fn check_received(socket: &UnixDatagram, expected: &str) {
        let mut bytes = [0; 100];
        let count = socket.recv(&mut bytes).unwrap();
        assert_eq!(std::str::from_utf8(&bytes[..count]).unwrap(), expected);
    }

    #[test]
    fn a_socket_with_a_path_and_an_abstract_one_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let named = UnixDatagram::bind(&path).unwrap();
        service_manager(&[("NOTIFY_SOCKET", path.to_str().unwrap())]).ready();
        check_received(&named, "READY=1");

        let name = format!("nsqd-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let unnamed = UnixDatagram::bind_addr(&address).unwrap();
        service_manager(&[("NOTIFY_SOCKET", &format!("@{name}"))]).stopping();
        check_received(&unnamed, "STOPPING=1");
    }

    /// systemd 253 and later end a service of `Type=notify-reload` that does not say the time.
    #[test]
    fn a_reload_says_when_it_began() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let micros = || {
            let now = clock_gettime(ClockId::Monotonic);
            now.tv_sec * 1_000_000 + now.tv_nsec / 1_000
        };
        let before = micros();
        service_manager(&[("NOTIFY_SOCKET", path.to_str().unwrap())]).reloading();
        let mut bytes = [0; 100];
        let count = socket.recv(&mut bytes).unwrap();
        let text = std::str::from_utf8(&bytes[..count]).unwrap();
        let said: i64 = text.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap().parse().unwrap();
        assert!(before <= said && said <= micros(), "{said}");
    }

    #[test]
    fn without_a_service_manager_or_with_a_lost_one_nothing_happens() {
        for variables in [&[][..], &[("NOTIFY_SOCKET", "")], &[("NOTIFY_SOCKET", "/nowhere/notify")]] {
            let nobody = service_manager(variables);
            nobody.ready();
            nobody.ready();
            let is_told_in_the_log = nobody.has_failed.into_inner();
            assert_eq!(is_told_in_the_log, variables == [("NOTIFY_SOCKET", "/nowhere/notify")]);
        }
    }

    /// A service manager that hangs must not take the daemon along.
    #[tokio::test]
    async fn a_full_socket_is_waited_for_with_a_bound() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let _never_read = UnixDatagram::bind(&path).unwrap();
        let filler = UnixDatagram::unbound().unwrap();
        filler.set_nonblocking(true).unwrap();
        while filler.send_to(b"x", &path).is_ok() {}
        let path = path.to_str().unwrap();
        let hanging = service_manager(&[("NOTIFY_SOCKET", path), ("WATCHDOG_USEC", "2")]);
        let mut pings = Box::pin(hanging.keep_informed());
        let started = Instant::now();
        for _ in 0..10 {
            assert!(tokio::time::timeout(PING_INTERVAL_MIN, &mut pings).await.is_err());
        }
        assert!(hanging.has_failed.load(Ordering::Relaxed));
        assert!(started.elapsed() < 5 * SEND_TIMEOUT, "pings do not wait");
        let started = Instant::now();
        hanging.ready();
        assert!(SEND_TIMEOUT <= started.elapsed());
    }

    #[test]
    fn the_watchdog_is_for_the_process_that_it_names() {
        let check = |variables: &[(&str, &str)], expected| {
            assert_eq!(service_manager(variables).watchdog, expected, "{variables:?}");
        };
        let second = Some(Duration::from_secs(1));
        check(&[], None);
        check(&[("WATCHDOG_USEC", "1000000")], second);
        check(&[("WATCHDOG_USEC", "1000000"), ("WATCHDOG_PID", "7")], second);
        check(&[("WATCHDOG_USEC", "1000000"), ("WATCHDOG_PID", "8")], None);
        check(&[("WATCHDOG_USEC", "1000000"), ("WATCHDOG_PID", "x")], None);
        for none in ["0", "", "-1", "soon"] {
            check(&[("WATCHDOG_USEC", none)], None);
        }
    }
}
