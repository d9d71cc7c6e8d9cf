//! An nsqadmin under test.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitStatus;

use serde_json::Value;

use crate::nsqd::tool;
use crate::process::Process;
use crate::{Events, HttpConnection, Lookupd, Response, within};

/// An nsqadmin on a free port of the loopback interface, killed when dropped.
pub struct Nsqadmin {
    process: Process,
    address: SocketAddr,
}

impl Nsqadmin {
    /// Starts nsqadmin on the cluster of these nsqlookupds.
    pub async fn start(lookupds: &[&Lookupd]) -> Self {
        Self::start_with(lookupds, &[]).await
    }

    /// As [`Nsqadmin::start`], with further flags.
    pub async fn start_with(lookupds: &[&Lookupd], flags: &[&str]) -> Self {
        let lookupds =
            lookupds.iter().map(|lookupd| format!("--lookupd-http-address={}", lookupd.http_address()));
        let flags: Vec<String> = lookupds.chain(flags.iter().map(ToString::to_string)).collect();
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        Self::start_on(&flags).await
    }

    /// Starts nsqadmin with these flags, which say what cluster it is for.
    pub async fn start_on(flags: &[&str]) -> Self {
        let mut all = vec!["--http-address=127.0.0.1:0".to_owned()];
        all.extend(flags.iter().map(ToString::to_string));
        let (process, address) = Process::start_http(&program(), &all).await;
        Self { process, address }
    }

    /// Runs nsqadmin with nothing but these arguments, which have to end it: exit code, stdout, stderr.
    pub async fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
        let mut command = tokio::process::Command::new(program());
        command.args(arguments).kill_on_drop(true);
        let output = within("the end of an nsqadmin", command.output()).await.expect("it can be run");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    }

    /// Where it takes requests.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A connection for requests.
    pub async fn http(&self) -> HttpConnection {
        HttpConnection::connect(self.address).await
    }

    /// A request on a connection of its own.
    pub async fn request(&self, method: &str, target: &str, body: &str) -> Response {
        self.http().await.request(method, target, body.as_bytes()).await
    }

    /// As [`Nsqadmin::request`], with further header lines such as `X-Forwarded-User: alice`.
    pub async fn request_with(&self, method: &str, target: &str, body: &str, headers: &[&str]) -> Response {
        let headers: String = headers.iter().flat_map(|header| [*header, "\r\n"]).collect();
        let length = body.len();
        let address = self.address;
        let request = format!(
            "{method} {target} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
        );
        self.http().await.exchange_raw(method, request.as_bytes()).await
    }

    /// What a path has, which has to be 200 and JSON.
    pub async fn get(&self, target: &str) -> Value {
        let answer = self.request("GET", target, "").await;
        assert_eq!(answer.status, 200, "{target}: {}", answer.text());
        answer.json()
    }

    /// The events of a view, such as `topic&topic=orders`.
    pub async fn watch(&self, view: &str) -> Events {
        Events::open(self.address, &format!("/api/stream?view={view}")).await
    }

    /// Asks again until the document at `target` is as wanted.
    pub async fn await_document(&self, target: &str, is_wanted: impl Fn(&Value) -> bool) -> Value {
        let mut http = self.http().await;
        within(&format!("a document at {target}"), async {
            loop {
                let answer = http.request("GET", target, b"").await;
                if answer.status == 200 && is_wanted(&answer.json()) {
                    return answer.json();
                }
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        })
        .await
    }

    /// What it has logged since its start.
    pub fn log(&self) -> Vec<String> {
        self.process.log()
    }

    /// The first line of its log that has `text` in it, now or soon.
    pub async fn await_log(&self, text: &str) -> String {
        self.process.await_log(text).await
    }

    /// Stops the process in an orderly way (SIGTERM).
    pub async fn terminate(&mut self) -> ExitStatus {
        self.process.terminate().await
    }
}

/// `NSQADMIN_BIN`, or the binary beside the folder of this test's own.
fn program() -> PathBuf {
    std::env::var_os("NSQADMIN_BIN").map_or_else(|| tool("nsqadmin"), PathBuf::from)
}
