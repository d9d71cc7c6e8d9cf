//! A utility under test: runs that end by themselves, and runs to talk to.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, Command};
use tokio::task::JoinHandle;

use crate::{nsqd::tool, within};

/// Between two looks at what it has written.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// A running utility, killed when dropped.
pub struct Tool {
    name: String,
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Arc<Mutex<Vec<u8>>>,
    stderr: Arc<Mutex<Vec<u8>>>,
    readers: Vec<JoinHandle<()>>,
    /// Bytes of stdout that [`Tool::next_line`] has given.
    taken: usize,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// The exit code; 128 and the signal's number if one killed it.
    pub code: i32,
    /// All that it wrote.
    pub stdout: String,
    /// Its log.
    pub stderr: String,
}

impl Ended {
    /// The log without the times at the beginning of its lines.
    pub fn log(&self) -> Vec<String> {
        self.stderr.lines().map(without_time).collect()
    }
}

/// The line without `2026/11/20 21:22:44 `.
fn without_time(line: &str) -> String {
    let is_time = |time: &str| {
        time.bytes().zip("0000/00/00 00:00:00 ".bytes()).all(|(byte, form)| match form {
            b'0' => byte.is_ascii_digit(),
            form => byte == form,
        })
    };
    match line.split_at_checked(20) {
        Some((time, text)) if is_time(time) => text.to_owned(),
        _ => line.to_owned(),
    }
}

impl Tool {
    /// Starts a utility of the workspace.
    pub fn start(name: &str, arguments: &[&str]) -> Self {
        Self::start_program(name, &tool(name), arguments)
    }

    fn start_program(name: &str, program: &PathBuf, arguments: &[&str]) -> Self {
        let mut child = Command::new(program)
            .args(arguments)
            // Times in its log are those of no particular place.
            .env("TZ", "UTC0")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| {
                panic!("cannot run {} ({error}); run cargo build first", program.display())
            });
        let stdin = child.stdin.take();
        let (stdout, stdout_reader) = collect(child.stdout.take().expect("it is piped"));
        let (stderr, stderr_reader) = collect(child.stderr.take().expect("it is piped"));
        let readers = vec![stdout_reader, stderr_reader];
        Self { name: name.to_owned(), child, stdin, stdout, stderr, readers, taken: 0 }
    }

    /// Runs a utility of the workspace to its end, with nothing on stdin.
    pub async fn run(name: &str, arguments: &[&str]) -> Ended {
        Self::start(name, arguments).ended().await
    }

    /// Starts NSQ's own utility, if the variable `NSQ_REFERENCE_TOOLS` says in which folder they are.
    #[expect(clippy::print_stderr, reason = "a skipped test has to be seen")]
    pub fn start_reference(name: &str, arguments: &[&str]) -> Option<Self> {
        let Some(folder) = std::env::var_os("NSQ_REFERENCE_TOOLS").map(PathBuf::from) else {
            eprintln!("skipped, NSQ_REFERENCE_TOOLS is not set: {name} {}", arguments.join(" "));
            return None;
        };
        Some(Self::start_program(name, &folder.join(name), arguments))
    }

    /// Runs NSQ's own utility to its end, if the variable `NSQ_REFERENCE_TOOLS` says in which folder they are.
    pub async fn run_reference(name: &str, arguments: &[&str]) -> Option<Ended> {
        match Self::start_reference(name, arguments) {
            Some(tool) => Some(tool.ended().await),
            None => None,
        }
    }

    /// Writes to its stdin.
    pub async fn write(&mut self, bytes: &[u8]) {
        let stdin = self.stdin.as_mut().expect("stdin was not closed");
        within("a utility to take its input", stdin.write_all(bytes)).await.expect("it reads");
    }

    /// Writes to its stdin; `false` if it reads no more.
    pub async fn try_write(&mut self, bytes: &[u8]) -> bool {
        let stdin = self.stdin.as_mut().expect("stdin was not closed");
        within("a utility to take its input", stdin.write_all(bytes)).await.is_ok()
    }

    /// Closes its stdin.
    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Its next line on stdout, without the line break.
    pub async fn next_line(&mut self) -> String {
        let what = format!("a further line of {}", self.name);
        let line = within(&what, async {
            loop {
                if let Some(line) =
                    self.stdout.lock()[self.taken..].split_inclusive(|byte| *byte == b'\n').next()
                    && line.ends_with(b"\n")
                {
                    return line.to_vec();
                }
                tokio::time::sleep(POLL_INTERVAL).await;
            }
        })
        .await;
        self.taken += line.len();
        String::from_utf8_lossy(&line[..line.len() - 1]).into_owned()
    }

    /// All that it has written to stdout so far.
    pub fn output(&self) -> Vec<u8> {
        self.stdout.lock().clone()
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&self.stderr.lock()).into_owned()
    }

    /// Waits until `text` is in its log.
    pub async fn await_log(&self, text: &str) {
        let what = format!("{text:?} in the log of {}", self.name);
        within(&what, async {
            while !self.log().contains(text) {
                tokio::time::sleep(POLL_INTERVAL).await;
            }
        })
        .await;
    }

    /// The number of its process.
    pub fn pid(&self) -> u32 {
        self.child.id().expect("it was not waited for")
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.pid().cast_signed()).expect("a process id is not 0");
        kill_process(pid, signal).expect("a child that was not waited for takes signals");
    }

    /// Asks it to stop (SIGTERM), and waits for its end.
    pub async fn terminated(self) -> Ended {
        self.signal(Signal::TERM);
        self.ended_with_open_stdin().await
    }

    /// Kills it (SIGKILL), and waits for its end.
    pub async fn killed(self) -> Ended {
        self.signal(Signal::KILL);
        self.ended_with_open_stdin().await
    }

    /// Closes its stdin and waits for its end.
    pub async fn ended(mut self) -> Ended {
        self.close_stdin();
        self.ended_with_open_stdin().await
    }

    /// Waits for its end.
    pub async fn ended_with_open_stdin(mut self) -> Ended {
        use std::os::unix::process::ExitStatusExt;
        let what = format!("the end of {}", self.name);
        let status = within(&what, self.child.wait()).await.expect("a child can be waited for");
        for reader in self.readers.drain(..) {
            within("the end of its output", reader).await.expect("a reader does not fail");
        }
        let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
        Ended { code, stdout: String::from_utf8_lossy(&self.stdout.lock()).into_owned(), stderr: self.log() }
    }
}

impl Drop for Tool {
    #[expect(clippy::print_stderr, reason = "the log of a failed test, where the test harness captures it")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("log of {}:\n{}", self.name, self.log());
        }
    }
}

/// Gathers what a process writes.
fn collect(mut output: impl AsyncRead + Unpin + Send + 'static) -> (Arc<Mutex<Vec<u8>>>, JoinHandle<()>) {
    let gathered = Arc::new(Mutex::new(Vec::new()));
    let into = gathered.clone();
    let reader = tokio::spawn(async move {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = output.read(&mut buffer).await {
            into.lock().extend_from_slice(&buffer[..count]);
        }
    });
    (gathered, reader)
}
