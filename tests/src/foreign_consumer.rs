//! A consumer of other people, which finds its nodes by nsqlookupd: the programs in `tests/interop/consumers`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::{PATIENCE, within};

/// Lines that are kept of what a consumer says.
const LINES_MAX: usize = 20_000;

/// Said when there is no more output.
const ENDED: &str = "(ended)";

/// Whose client it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Python, tornado.
    Pynsq,
    /// Python, gevent.
    Gnsq,
    /// Node.js.
    Nsqjs,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Pynsq, Self::Gnsq, Self::Nsqjs];

    /// Its name, with which its user agent begins.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pynsq => "pynsq",
            Self::Gnsq => "gnsq",
            Self::Nsqjs => "nsqjs",
        }
    }

    /// Whether `tests/interop/setup` has installed them; says so if not.
    #[expect(clippy::print_stderr, reason = "a skipped test has to be seen")]
    pub fn are_installed() -> bool {
        let are_there = [".venv/installed", "node_modules"].iter().all(|path| folder().join(path).exists());
        if !are_there {
            eprintln!("skipped: other people's clients are not installed; run tests/interop/setup");
        }
        are_there
    }

    fn command(self) -> Command {
        let (program, script) = match self {
            Self::Pynsq => (folder().join(".venv/bin/python"), "pynsq_consumer.py"),
            Self::Gnsq => (folder().join(".venv/bin/python"), "gnsq_consumer.py"),
            Self::Nsqjs => (PathBuf::from("node"), "nsqjs_consumer.mjs"),
        };
        let mut command = Command::new(program);
        command.arg(folder().join("consumers").join(script));
        command
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("interop")
}

/// A running consumer, killed when dropped.
pub struct ForeignConsumer {
    kind: Kind,
    channel: String,
    child: Child,
    stdin: ChildStdin,
    /// What it has printed, errors too.
    said: watch::Sender<Vec<String>>,
    _readers: JoinSet<()>,
}

impl ForeignConsumer {
    /// Starts a consumer of `channel` that asks these nsqlookupds, and waits until it has asked one. Its nodes send it a
    /// heartbeat each `heartbeat_seconds`.
    pub async fn start(
        kind: Kind,
        topic: &str,
        channel: &str,
        lookupds: &[SocketAddr],
        heartbeat_seconds: u32,
    ) -> Self {
        let lookupds: Vec<String> = lookupds.iter().map(ToString::to_string).collect();
        let mut child = kind
            .command()
            .env("TOPIC", topic)
            .env("CHANNEL", channel)
            .env("LOOKUPD_HTTP_ADDRESSES", lookupds.join(","))
            .env("HEARTBEAT_SECONDS", heartbeat_seconds.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot run {kind:?}: {error}"));
        let stdin = child.stdin.take().expect("stdin is piped");
        let said = watch::Sender::default();
        let mut readers = JoinSet::new();
        readers.spawn(read(child.stdout.take().expect("stdout is piped"), "", said.clone()));
        readers.spawn(read(child.stderr.take().expect("stderr is piped"), "stderr: ", said.clone()));
        let consumer = Self { kind, channel: channel.to_owned(), child, stdin, said, _readers: readers };
        consumer.await_said("its first question", |said| said.iter().any(|line| line == "polled")).await;
        consumer
    }

    /// Whose client it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The channel that it consumes.
    pub fn channel(&self) -> &str {
        &self.channel
    }

    /// Has it hold the messages that come from now on, neither finished nor requeued.
    pub async fn hold(&mut self) {
        self.command("hold").await;
    }

    /// Has it finish the messages that come from now on.
    pub async fn go(&mut self) {
        self.command("go").await;
    }

    async fn command(&mut self, command: &str) {
        let done = self.said.borrow().iter().filter(|line| *line == command).count();
        let sent = self.stdin.write_all(format!("{command}\n").as_bytes()).await;
        sent.unwrap_or_else(|error| panic!("{:?} takes no command: {error}", self.kind));
        self.await_said(command, |said| done < said.iter().filter(|line| *line == command).count()).await;
    }

    /// All that it has printed.
    pub fn said(&self) -> Vec<String> {
        self.said.borrow().clone()
    }

    /// Each message that came so far, as `<attempts> <body>`.
    pub fn messages(&self) -> Vec<String> {
        let said = self.said.borrow();
        said.iter().filter_map(|line| line.strip_prefix("message ")).map(str::to_owned).collect()
    }

    /// Waits until messages with all these bodies have come.
    pub async fn await_messages(&self, bodies: &[String]) {
        let came = |said: &[String], body: &str| said.iter().any(|line| body_of(line) == Some(body));
        let what = format!("messages {bodies:?}");
        self.await_said(&what, |said| bodies.iter().all(|body| came(said, body))).await;
    }

    /// Waits until it has asked so often from now on, and what it found has had its effect.
    pub async fn await_polls(&self, count: usize) {
        let polls = |said: &[String]| said.iter().filter(|line| *line == "polled").count();
        let before = polls(&self.said.borrow());
        self.await_said("further questions", |said| before + count <= polls(said)).await;
    }

    /// Ends it in an orderly way; it has to be alive.
    pub async fn stop(mut self) {
        let kind = self.kind;
        drop(self.stdin);
        let status = within("the end of a consumer", self.child.wait()).await.expect("it can be waited for");
        assert!(status.success(), "{kind:?} ended with {status}: {:#?}", self.said.borrow());
    }

    async fn await_said(&self, what: &str, is_there: impl Fn(&[String]) -> bool) {
        let mut said = self.said.subscribe();
        let wait = said.wait_for(|said| is_there(said) || said.iter().any(|line| line == ENDED));
        let waited = tokio::time::timeout(PATIENCE, wait).await.is_ok();
        let said = self.said.borrow();
        assert!(waited && is_there(&said), "{:?} does not come to {what}; it said {said:#?}", self.kind);
    }
}

/// Collects lines, and says when there are no more.
async fn read(pipe: impl AsyncRead + Unpin, prefix: &str, said: watch::Sender<Vec<String>>) {
    let mut lines = BufReader::new(pipe).lines();
    loop {
        let line = match lines.next_line().await {
            Ok(Some(line)) => format!("{prefix}{line}"),
            Ok(None) | Err(_) => format!("{prefix}{ENDED}"),
        };
        let is_end = line.ends_with(ENDED);
        said.send_modify(|said| {
            if said.len() < LINES_MAX || is_end {
                said.push(line);
            }
        });
        if is_end {
            return;
        }
    }
}

/// The body in a line about a message.
fn body_of(line: &str) -> Option<&str> {
    line.strip_prefix("message ")?.split_once(' ').map(|(_, body)| body)
}
