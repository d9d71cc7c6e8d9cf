//! A blocking connection: handshake, and frames read in place from one large buffer.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use serde::{Deserialize, Serialize};

use crate::frame::{self, Frame, Parsed};

/// The server's sign of life.
pub(crate) const HEARTBEAT: &[u8] = b"_heartbeat_";

const READ_BUFFER_BYTES: usize = 256 * 1024;
// Consumers wait unserved while --fill publishes; the server drops a connection after two of these.
const HEARTBEAT_INTERVAL: Duration = Duration::from_mins(1);

/// What this client says of itself.
#[derive(Debug, Serialize)]
pub(crate) struct Identify {
    client_id: &'static str,
    user_agent: &'static str,
    feature_negotiation: bool,
    heartbeat_interval: u64,
    /// In ms; -1 switches the timer off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) output_buffer_timeout: Option<i64>,
}

impl Default for Identify {
    fn default() -> Self {
        Self::new(HEARTBEAT_INTERVAL)
    }
}

impl Identify {
    /// Asks for a heartbeat interval and leaves the rest to the server.
    pub(crate) fn new(heartbeat_interval: Duration) -> Self {
        Self {
            client_id: "nsq_bench",
            user_agent: concat!("nsq_bench/", env!("CARGO_PKG_VERSION")),
            feature_negotiation: true,
            heartbeat_interval: u64::try_from(heartbeat_interval.as_millis()).unwrap_or(u64::MAX),
            output_buffer_timeout: None,
        }
    }
}

/// The part of the server's answer that matters here.
#[derive(Debug, Deserialize)]
struct Identified {
    max_rdy_count: u32,
}

/// What a read brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Filled {
    /// At least one byte.
    Bytes,
    /// Nothing within the read timeout.
    TimedOut,
}

/// A connection past IDENTIFY.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    // Unread bytes are buffer[start..end].
    start: usize,
    end: usize,
    max_rdy_count: u32,
}

impl Connection {
    /// Connects and identifies.
    pub(crate) fn open(address: &str, identify: &Identify, read_timeout: Duration) -> Result<Self> {
        Self::open_with_buffer(address, identify, read_timeout, READ_BUFFER_BYTES)
    }

    /// As [`Self::open`], with a read buffer of the given size, for connections that receive little.
    pub(crate) fn open_with_buffer(
        address: &str,
        identify: &Identify,
        read_timeout: Duration,
        buffer_bytes: usize,
    ) -> Result<Self> {
        let stream = TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(read_timeout))?;
        let mut connection =
            Self { stream, buffer: vec![0; buffer_bytes], start: 0, end: 0, max_rdy_count: 0 };
        let json = serde_json::to_vec(identify)?;
        let mut hello = b"  V2IDENTIFY\n".to_vec();
        hello.extend_from_slice(&u32::try_from(json.len())?.to_be_bytes());
        hello.extend_from_slice(&json);
        connection.send(&hello)?;
        let answer = connection.response().with_context(|| format!("IDENTIFY to {address}"))?;
        let identified: Identified = serde_json::from_slice(&answer)
            .with_context(|| format!("IDENTIFY was answered by {:?}", String::from_utf8_lossy(&answer)))?;
        connection.max_rdy_count = identified.max_rdy_count;
        Ok(connection)
    }

    /// Joins a channel. RDY stays 0.
    pub(crate) fn subscribe(&mut self, topic: &str, channel: &str) -> Result<()> {
        self.send(format!("SUB {topic} {channel}\n").as_bytes())?;
        let answer = self.response().with_context(|| format!("SUB {topic} {channel}"))?;
        if answer != b"OK" {
            bail!("SUB {topic} {channel} was answered by {:?}", String::from_utf8_lossy(&answer));
        }
        Ok(())
    }

    /// Opens the window for messages.
    pub(crate) fn ready(&mut self, rdy: u32) -> Result<()> {
        if rdy > self.max_rdy_count {
            bail!("RDY {rdy} is over the server's limit of {}; lower --rdy", self.max_rdy_count);
        }
        self.send(format!("RDY {rdy}\n").as_bytes())
    }

    /// Writes all of `bytes`.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<()> {
        match self.stream.write_all(bytes) {
            Ok(()) => Ok(()),
            Err(error) => Err(self.explain_failed_send(error)),
        }
    }

    /// Sets how long a read may wait.
    pub(crate) fn set_read_timeout(&self, timeout: Duration) -> Result<()> {
        Ok(self.stream.set_read_timeout(Some(timeout))?)
    }

    /// The socket, for polling, a second owner, or to shut it down.
    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Reads once. Frames taken before must not be needed any more.
    pub(crate) fn fill(&mut self) -> Result<Filled> {
        self.make_room()?;
        loop {
            match self.stream.read(&mut self.buffer[self.end..]) {
                Ok(0) => bail!("the server closed the connection"),
                Ok(count) => {
                    self.end += count;
                    return Ok(Filled::Bytes);
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return Ok(Filled::TimedOut);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("connection lost while reading"),
            }
        }
    }

    /// The next whole frame that has been read, `None` when more must be read first.
    ///
    /// # Errors
    /// An error frame of the server, as its text, and anything that is not a frame.
    pub(crate) fn next_frame(&mut self) -> Result<Option<Frame<'_>>> {
        match frame::parse(&self.buffer[self.start..self.end])? {
            Parsed::Whole(Frame::Error(text), _) => Err(server_error(text)),
            Parsed::Whole(frame, length) => {
                self.start += length;
                Ok(Some(frame))
            }
            Parsed::Cut(_) => Ok(None),
        }
    }

    /// Waits for a response that is not a heartbeat. Messages are not expected.
    fn response(&mut self) -> Result<Vec<u8>> {
        loop {
            match self.next_frame()? {
                Some(Frame::Response(HEARTBEAT)) => {}
                Some(Frame::Response(data)) => return Ok(data.to_vec()),
                Some(_) => bail!("a message came in place of a response"),
                None => {
                    if self.fill()? == Filled::TimedOut {
                        bail!("no answer from the server");
                    }
                }
            }
        }
    }

    /// Moves a cut frame to the front, and grows the buffer if that frame is larger.
    fn make_room(&mut self) -> Result<()> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            return Ok(());
        }
        let Parsed::Cut(needed) = frame::parse(&self.buffer[self.start..self.end])? else { return Ok(()) };
        self.buffer.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        if needed > self.buffer.len() {
            self.buffer.resize(needed, 0);
        }
        Ok(())
    }

    /// A server that refuses a command closes the connection, so a write can fail before the reason was read.
    #[cold]
    fn explain_failed_send(&mut self, error: std::io::Error) -> anyhow::Error {
        loop {
            match self.next_frame() {
                Err(refusal) => return refusal,
                Ok(Some(_)) => {}
                Ok(None) => {
                    if !matches!(self.fill(), Ok(Filled::Bytes)) {
                        return anyhow!(error).context("connection lost while writing");
                    }
                }
            }
        }
    }
}

/// An error frame as an error.
#[cold]
fn server_error(text: &[u8]) -> anyhow::Error {
    anyhow!("the server answered {}", String::from_utf8_lossy(text))
}
