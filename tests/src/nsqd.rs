//! An nsqd under test: its life, and what its statistics say.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::process::{Addresses, Process};
use crate::{Client, DEADLINE, HttpConnection, Response, within};

/// Between two looks at the statistics, for changes that nothing announces.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// An nsqd on free ports of the loopback interface, killed when dropped.
pub struct Nsqd {
    process: Process,
    addresses: Addresses,
    flags: Vec<String>,
    data: Arc<TempDir>,
}

impl Nsqd {
    /// Starts nsqd on an empty data path.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts nsqd on an empty data path, with further flags such as `--msg-timeout=1s`.
    pub async fn start_with(flags: &[&str]) -> Self {
        Self::start_with_variables(flags, &[]).await
    }

    /// Starts nsqd on an empty data path, with further flags and environment variables.
    pub async fn start_with_variables(flags: &[&str], variables: &[(&str, &str)]) -> Self {
        let data = TempDir::with_prefix("nsqd-test-").expect("a temporary folder can be made");
        Self::start_on(Arc::new(data), flags, variables).await
    }

    /// Starts nsqd on an empty data path. `faults` happen as `nsqd/src/fault.rs` describes, in a debug build; one without
    /// them comes with [`Nsqd::start_again`].
    pub async fn start_with_faults(faults: &str, flags: &[&str]) -> Self {
        Self::start_with_variables(flags, &[("NSQD_FAULT", faults)]).await
    }

    /// Starts on a copy of the files in `folder`: NSQ's own nsqd, if the variable `NSQ_REFERENCE_NSQD` says where one is,
    /// otherwise ours.
    pub async fn start_on_copy(folder: &Path) -> Self {
        let data = TempDir::with_prefix("nsqd-test-").expect("a temporary folder can be made");
        for file in std::fs::read_dir(folder).expect("the folder is there") {
            let file = file.expect("it can be listed");
            std::fs::copy(file.path(), data.path().join(file.file_name())).expect("it can be copied");
        }
        let reference = std::env::var_os("NSQ_REFERENCE_NSQD").map(PathBuf::from);
        let flags = own_flags(data.path());
        let (process, addresses) = Process::start(&reference.unwrap_or_else(program), &flags, &[]).await;
        Self { process, addresses, flags: Vec::new(), data: Arc::new(data) }
    }

    /// The number of its process.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// As [`Nsqd::start_again`], with faults.
    #[must_use]
    pub async fn start_again_with_faults(mut self, faults: &str) -> Self {
        self.process.kill().await;
        let flags: Vec<&str> = self.flags.iter().map(String::as_str).collect();
        Self::start_on(self.data.clone(), &flags, &[("NSQD_FAULT", faults)]).await
    }

    /// Waits until the process has ended by itself, as a fault makes it.
    pub async fn ended(&mut self) -> ExitStatus {
        self.process.ended().await
    }

    async fn start_on(data: Arc<TempDir>, flags: &[&str], variables: &[(&str, &str)]) -> Self {
        let flags: Vec<String> = flags.iter().map(ToString::to_string).collect();
        let mut all = own_flags(data.path());
        all.extend_from_slice(&flags);
        let (process, addresses) = Process::start(&program(), &all, variables).await;
        Self { process, addresses, flags, data }
    }

    /// Kills the process (SIGKILL).
    pub async fn kill(&mut self) {
        self.process.kill().await;
    }

    /// The most memory of its own that the process has had, in bytes: messages in files do not count.
    pub fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("it runs");
        let line = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("the kernel tells");
            line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number")
        };
        // The peak is that of all pages: those of files, as many as there are now, are taken off.
        line("VmHWM:").saturating_sub(line("RssFile:") + line("RssShmem:")) * 1024
    }

    /// Has the process read its files anew (SIGHUP).
    pub fn hang_up(&self) {
        self.process.hang_up();
    }

    /// Stops the process in an orderly way (SIGTERM).
    pub async fn terminate(&mut self) -> ExitStatus {
        self.process.terminate().await
    }

    /// After [`Nsqd::kill`] or [`Nsqd::terminate`]: a new process on the same data path, with the same flags.
    #[must_use]
    pub async fn start_again(self) -> Self {
        let flags = self.flags.clone();
        self.start_again_with(&flags.iter().map(String::as_str).collect::<Vec<_>>()).await
    }

    /// As [`Nsqd::start_again`], with other flags.
    #[must_use]
    pub async fn start_again_with(mut self, flags: &[&str]) -> Self {
        // Not beside its predecessor: they would fight for the lock of the data path.
        self.process.kill().await;
        Self::start_on(self.data.clone(), flags, &[]).await
    }

    /// Starts another nsqd on the same data path, which has to refuse it: its exit status and its log.
    pub async fn start_rival(&self) -> (ExitStatus, String) {
        self.start_rival_with(&[]).await
    }

    /// As [`Nsqd::start_rival`], with flags.
    pub async fn start_rival_with(&self, flags: &[&str]) -> (ExitStatus, String) {
        let mut command = tokio::process::Command::new(program());
        command.args(own_flags(self.data.path())).args(flags).kill_on_drop(true);
        let output = within("the end of a second nsqd", command.output()).await.expect("nsqd can be run");
        (output.status, String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// Starts another nsqd on an empty data path of its own, which has to end: its exit status and its log.
    pub async fn fails_to_start(flags: &[&str]) -> (ExitStatus, String) {
        let data = TempDir::with_prefix("nsqd-test-").expect("a temporary folder can be made");
        let mut command = tokio::process::Command::new(program());
        command.args(own_flags(data.path())).args(flags).kill_on_drop(true);
        let output = within("the end of an nsqd that cannot start", command.output()).await;
        let output = output.expect("nsqd can be run");
        (output.status, String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// Runs nsqd with nothing but these arguments, which have to end it: exit code, stdout, stderr.
    pub async fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
        let mut command = tokio::process::Command::new(program());
        command.args(arguments).kill_on_drop(true);
        let output = within("the end of an nsqd", command.output()).await.expect("nsqd can be run");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    }

    /// Starts another nsqd on the same data path that ends before it serves, since faults make it.
    pub async fn fails_to_start_with_faults(&self, faults: &str) -> ExitStatus {
        let mut command = tokio::process::Command::new(program());
        command.args(own_flags(self.data.path())).env("NSQD_FAULT", faults).kill_on_drop(true);
        command.stderr(std::process::Stdio::null());
        within("the end of a failing nsqd", command.status()).await.expect("nsqd can be run")
    }

    /// An orderly stop and a start on the same data path.
    #[must_use]
    pub async fn restart(mut self) -> Self {
        let status = self.terminate().await;
        assert!(status.success(), "an orderly stop ends with {status}");
        self.start_again().await
    }

    /// Where it takes V2 clients.
    pub fn tcp_address(&self) -> SocketAddr {
        self.addresses.tcp
    }

    /// Where it takes requests over HTTPS.
    pub async fn https_address(&self) -> SocketAddr {
        let line = self.await_log(" HTTPS: listening on ").await;
        let address = line.rsplit_once(' ').and_then(|(_, address)| address.parse().ok());
        address.expect("the line ends in an address")
    }

    /// The first line of its log that has `text` in it, now or soon.
    pub async fn await_log(&self, text: &str) -> String {
        self.process.await_log(text).await
    }

    /// Where it takes HTTP requests.
    pub fn http_address(&self) -> SocketAddr {
        self.addresses.http
    }

    /// The folder of its data.
    pub fn data_path(&self) -> &Path {
        self.data.path()
    }

    /// What it has logged since its start.
    pub fn log(&self) -> Vec<String> {
        self.process.log()
    }

    /// A client that has sent the magic.
    pub async fn connect(&self) -> Client {
        Client::connect(self.addresses.tcp).await
    }

    /// A client that is subscribed and ready for `rdy` messages.
    pub async fn consumer(&self, topic: &str, channel: &str, rdy: u32) -> Client {
        let mut client = self.connect().await;
        client.subscribe(topic, channel).await;
        client.rdy(rdy).await;
        client
    }

    /// A connection for several requests.
    pub async fn http(&self) -> HttpConnection {
        HttpConnection::connect(self.addresses.http).await
    }

    /// The answer to a GET.
    pub async fn get(&self, target: &str) -> Response {
        self.http().await.request("GET", target, b"").await
    }

    /// The answer to a POST.
    pub async fn post(&self, target: &str, body: impl AsRef<[u8]>) -> Response {
        self.http().await.request("POST", target, body.as_ref()).await
    }

    /// A POST that has to succeed.
    pub async fn post_ok(&self, target: &str) {
        let response = self.post(target, b"").await;
        assert_eq!(response.status, 200, "POST {target}: {}", response.text());
    }

    /// Creates a channel, and its topic before it.
    pub async fn create_channel(&self, topic: &str, channel: &str) {
        self.post_ok(&format!("/topic/create?topic={}", escape(topic))).await;
        self.post_ok(&format!("/channel/create?topic={}&channel={}", escape(topic), escape(channel))).await;
    }

    /// The statistics.
    pub async fn stats(&self) -> Stats {
        let response = self.get("/stats?format=json").await;
        assert_eq!(response.status, 200, "GET /stats: {}", response.text());
        Stats(response.json())
    }

    /// Waits until a channel's statistics fulfil `condition`, and returns them.
    pub async fn await_channel(
        &self,
        topic: &str,
        channel: &str,
        condition: impl Fn(&Value) -> bool,
    ) -> Value {
        let mut last = Value::Null;
        let wait = async {
            loop {
                last = self.stats().await.channel(topic, channel);
                if condition(&last) {
                    return;
                }
                tokio::time::sleep(POLL_INTERVAL).await;
            }
        };
        let outcome = tokio::time::timeout(DEADLINE, wait).await;
        assert!(outcome.is_ok(), "the statistics of {topic}/{channel} stay at {last:#}");
        last
    }

    /// Waits until the statistics fulfil `condition`.
    pub async fn await_stats(&self, what: &str, condition: impl Fn(&Stats) -> bool) {
        within(what, async {
            while !condition(&self.stats().await) {
                tokio::time::sleep(POLL_INTERVAL).await;
            }
        })
        .await;
    }
}

/// The JSON of `/stats`. What is not there is `null`.
pub struct Stats(pub Value);

impl Stats {
    /// Whether the nsqd has a topic.
    pub fn has_topic(&self, topic: &str) -> bool {
        self.0["topics"].as_array().is_some_and(|all| all.iter().any(|found| found["topic_name"] == topic))
    }

    /// A topic's object.
    pub fn topic(&self, topic: &str) -> Value {
        named(&self.0["topics"], "topic_name", topic)
    }

    /// A channel's object.
    pub fn channel(&self, topic: &str, channel: &str) -> Value {
        named(&self.topic(topic)["channels"], "channel_name", channel)
    }
}

/// The flags of every nsqd under test.
fn own_flags(data: &Path) -> Vec<String> {
    vec![
        "--tcp-address=127.0.0.1:0".to_owned(),
        "--http-address=127.0.0.1:0".to_owned(),
        "--broadcast-address=127.0.0.1".to_owned(),
        format!("--data-path={}", data.display()),
    ]
}

fn named(list: &Value, key: &str, name: &str) -> Value {
    let mut entries = list.as_array().into_iter().flatten();
    entries.find(|entry| entry[key] == name).cloned().unwrap_or(Value::Null)
}

/// The one character of names that means something else in a URL.
fn escape(name: &str) -> String {
    name.replace('#', "%23")
}

/// `NSQD_BIN`, or the binary beside the folder of this test's own.
fn program() -> PathBuf {
    std::env::var_os("NSQD_BIN").map_or_else(|| tool("nsqd"), PathBuf::from)
}

/// A binary of the workspace.
pub fn tool(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a process knows its program");
    let folder = test.parent().and_then(Path::parent).expect("a test lies in target/<profile>/deps");
    folder.join(name)
}
