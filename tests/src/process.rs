//! A daemon's process and its log.

use std::io::{BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::sync::oneshot;

use crate::{log_file::await_line_behind, within};

/// Lines of a log that are kept: the first ones, which tell how the trouble began.
const LOG_LINES_MAX: usize = 20_000;

/// Between two looks at the log.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// In place of the address of a unix socket.
const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// A running daemon that is killed when this is dropped.
pub(crate) struct Process {
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
    log_reader: Option<JoinHandle<()>>,
}

/// Where a daemon listens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Addresses {
    pub(crate) tcp: SocketAddr,
    pub(crate) http: SocketAddr,
}

impl Process {
    /// Its number.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id().expect("it was not waited for")
    }

    /// Starts `program` and waits until its log, on stderr or in the file of a `--log-file`, names both addresses.
    pub(crate) async fn start(
        program: &PathBuf,
        flags: &[String],
        variables: &[(&str, &str)],
    ) -> (Self, Addresses) {
        Self::start_with_listeners(program, flags, variables, true).await
    }

    /// Starts `program` and waits until its log names the address of its only listener.
    pub(crate) async fn start_http(program: &PathBuf, flags: &[String]) -> (Self, SocketAddr) {
        let (process, addresses) = Self::start_with_listeners(program, flags, &[], false).await;
        (process, addresses.http)
    }

    async fn start_with_listeners(
        program: &PathBuf,
        flags: &[String],
        variables: &[(&str, &str)],
        has_tcp: bool,
    ) -> (Self, Addresses) {
        let log_file = flags.iter().find_map(|flag| flag.strip_prefix("--log-file=")).map(Path::new);
        // What an earlier process wrote names addresses of old.
        let skipped = log_file.map_or(0, |file| std::fs::read(file).unwrap_or_default().len());
        let mut child = Command::new(program)
            .args(flags)
            // Of the service that runs the tests, if one does.
            .env_remove("NOTIFY_SOCKET")
            .env_remove("WATCHDOG_USEC")
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| {
                panic!("cannot run {} ({error}); run cargo build first", program.display())
            });
        let stderr = child.stderr.take().expect("stderr is piped");
        let stderr = stderr.into_owned_fd().expect("a pipe has a descriptor");
        let log = Arc::new(Mutex::new(Vec::new()));
        let (addresses_tx, addresses_rx) = oneshot::channel();
        let log_reader = std::thread::spawn({
            let log = log.clone();
            move || read_log(std::fs::File::from(stderr), &log, addresses_tx, has_tcp)
        });
        let process = Self { child, log, log_reader: Some(log_reader) };
        let addresses = match log_file {
            Some(file) => addresses_in(file, skipped).await,
            None => within("the `listening on` lines of a daemon", addresses_rx).await.ok(),
        };
        (process, addresses.expect("it ended before it listened"))
    }

    /// Kills the process, which gets no chance to save anything.
    pub(crate) async fn kill(&mut self) {
        self.signal(Signal::KILL);
        within("the end of a killed daemon", self.child.wait()).await.expect("a child can be waited for");
    }

    /// Asks the process to stop, and waits for its end.
    pub(crate) async fn terminate(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        within("the orderly end of a daemon", self.child.wait()).await.expect("a child can be waited for")
    }

    /// Waits for an end that nobody asked for.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        within("the end of a daemon by itself", self.child.wait()).await.expect("a child can be waited for")
    }

    /// Sends SIGHUP.
    pub(crate) fn hang_up(&self) {
        self.signal(Signal::HUP);
    }

    fn signal(&self, signal: Signal) {
        // No id: it has ended and was waited for already.
        let Some(id) = self.child.id() else { return };
        let pid = Pid::from_raw(id.cast_signed()).expect("a process id is not 0");
        kill_process(pid, signal).expect("a child that was not waited for takes signals");
    }

    /// What the process has logged so far.
    pub(crate) fn log(&self) -> Vec<String> {
        self.log.lock().clone()
    }

    /// The first line of its log that has `text` in it, now or soon.
    pub(crate) async fn await_log(&self, text: &str) -> String {
        let look = async {
            loop {
                if let Some(line) = self.log.lock().iter().find(|line| line.contains(text)) {
                    return line.clone();
                }
                tokio::time::sleep(POLL_INTERVAL).await;
            }
        };
        within(&format!("a line with {text:?} in the log"), look).await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        if let Some(reader) = self.log_reader.take() {
            // The reader ends with the process, the only one that holds the other end of the pipe.
            drop(reader.join());
        }
        if std::thread::panicking() {
            print_log(&self.log.lock());
        }
    }
}

#[expect(clippy::print_stderr, reason = "the log of a failed test, where the test harness captures it")]
fn print_log(lines: &[String]) {
    eprintln!("log of the daemon, {} lines:", lines.len());
    for line in lines {
        eprintln!("    {line}");
    }
}

/// Collects the log, and sends the addresses as soon as they are known.
fn read_log(
    stderr: std::fs::File,
    log: &Mutex<Vec<String>>,
    addresses_tx: oneshot::Sender<Addresses>,
    has_tcp: bool,
) {
    let mut addresses_tx = Some(addresses_tx);
    let (mut tcp, mut http) = ((!has_tcp).then_some(NOWHERE), None);
    for line in BufReader::new(stderr).split(b'\n') {
        let Ok(line) = line else { return };
        let line = String::from_utf8_lossy(&line).into_owned();
        tcp = tcp.or_else(|| address_after(&line, "TCP: listening on "));
        http = http.or_else(|| address_after(&line, "HTTP: listening on "));
        {
            let mut log = log.lock();
            if log.len() < LOG_LINES_MAX {
                log.push(line);
            }
        }
        if let (Some(tcp), Some(http)) = (tcp, http)
            && let Some(tx) = addresses_tx.take()
        {
            // Nobody waits any more if the deadline has passed, and then the test has failed.
            let _ = tx.send(Addresses { tcp, http });
        }
    }
}

/// The addresses that a file names behind its first `skipped` bytes, now or soon.
async fn addresses_in(log_file: &Path, skipped: usize) -> Option<Addresses> {
    let [tcp, http] = ["TCP: listening on ", "HTTP: listening on "];
    let tcp = address_after(&await_line_behind(log_file, skipped, tcp).await, tcp)?;
    let http = address_after(&await_line_behind(log_file, skipped, http).await, http)?;
    Some(Addresses { tcp, http })
}

fn address_after(line: &str, marker: &str) -> Option<SocketAddr> {
    // In a line of JSON the text ends with a quote.
    let address = line.split_once(marker)?.1.split('"').next()?.trim();
    // The path of a unix socket stands for no address.
    if address.starts_with('/') { Some(NOWHERE) } else { address.parse().ok() }
}
