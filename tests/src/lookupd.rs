//! An nsqlookupd under test.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitStatus;

use crate::lookup_client;
use crate::nsqd::tool;
use crate::process::{Addresses, Process};
use crate::{HttpConnection, LookupClient, Response, within};

/// An nsqlookupd on free ports of the loopback interface, killed when dropped.
pub struct Lookupd {
    process: Process,
    addresses: Addresses,
    flags: Vec<String>,
}

impl Lookupd {
    /// What a client says of itself.
    pub const BODY: &str = lookup_client::BODY;

    /// Starts nsqlookupd.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts nsqlookupd with further flags such as `--tombstone-lifetime=1s`.
    pub async fn start_with(flags: &[&str]) -> Self {
        Self::start_with_variables(flags, &[]).await
    }

    /// Starts nsqlookupd with further flags and environment variables.
    pub async fn start_with_variables(flags: &[&str], variables: &[(&str, &str)]) -> Self {
        let flags: Vec<String> = flags.iter().map(ToString::to_string).collect();
        let mut all = vec![
            "--tcp-address=127.0.0.1:0".to_owned(),
            "--http-address=127.0.0.1:0".to_owned(),
            "--broadcast-address=127.0.0.1".to_owned(),
        ];
        all.extend_from_slice(&flags);
        let (process, addresses) = Process::start(&program(), &all, variables).await;
        Self { process, addresses, flags }
    }

    /// Kills the process (SIGKILL).
    pub async fn kill(&mut self) {
        self.process.kill().await;
    }

    /// Kills it, if that was not done before, and starts another one on the same ports.
    #[must_use]
    pub async fn start_again(mut self) -> Self {
        self.process.kill().await;
        let addresses = [
            format!("--tcp-address={}", self.addresses.tcp),
            format!("--http-address={}", self.addresses.http),
        ];
        let flags: Vec<&str> = self.flags.iter().chain(&addresses).map(String::as_str).collect();
        Self::start_with(&flags).await
    }

    /// Runs nsqlookupd with nothing but these arguments, which have to end it: exit code, stdout, stderr.
    pub async fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
        let mut command = tokio::process::Command::new(program());
        command.args(arguments).kill_on_drop(true);
        let output = within("the end of an nsqlookupd", command.output()).await.expect("it can be run");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    }

    /// The flag of an nsqd that is to register with it.
    pub fn flag(&self) -> String {
        format!("--lookupd-tcp-address={}", self.addresses.tcp)
    }

    /// Where it takes nsqds.
    pub fn tcp_address(&self) -> SocketAddr {
        self.addresses.tcp
    }

    /// Where it takes HTTP requests.
    pub fn http_address(&self) -> SocketAddr {
        self.addresses.http
    }

    /// Where it takes HTTPS requests.
    pub async fn https_address(&self) -> SocketAddr {
        let line = self.await_log("HTTPS: listening on ").await;
        let address = line.rsplit(' ').next().and_then(|text| text.parse().ok());
        address.unwrap_or_else(|| panic!("no address in {line:?}"))
    }

    /// The answer to a GET.
    pub async fn get(&self, target: &str) -> Response {
        HttpConnection::connect(self.addresses.http).await.request("GET", target, b"").await
    }

    /// A POST that has to succeed.
    pub async fn post_ok(&self, target: &str) {
        let response = HttpConnection::connect(self.addresses.http).await.request("POST", target, b"").await;
        assert_eq!(response.status, 200, "POST {target}: {}", response.text());
    }

    /// A client that has sent the magic.
    pub async fn connect(&self) -> LookupClient {
        LookupClient::connect(self.addresses.tcp).await
    }

    /// A client that has said who it is.
    pub async fn identified(&self) -> LookupClient {
        let mut client = self.connect().await;
        client.identify().await;
        client
    }

    /// The command IDENTIFY with this body.
    pub fn identify(body: impl AsRef<[u8]>) -> Vec<u8> {
        lookup_client::identify(body.as_ref())
    }

    /// What it has logged since its start.
    pub fn log(&self) -> Vec<String> {
        self.process.log()
    }

    /// The first line of its log that has `text` in it, now or soon.
    pub async fn await_log(&self, text: &str) -> String {
        self.process.await_log(text).await
    }

    /// The number of its process.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Has the process read its files anew (SIGHUP).
    pub fn hang_up(&self) {
        self.process.hang_up();
    }

    /// Stops the process in an orderly way (SIGTERM).
    pub async fn terminate(&mut self) -> ExitStatus {
        self.process.terminate().await
    }
}

/// `NSQLOOKUPD_BIN`, or the binary beside the folder of this test's own.
fn program() -> PathBuf {
    std::env::var_os("NSQLOOKUPD_BIN").map_or_else(|| tool("nsqlookupd"), PathBuf::from)
}
