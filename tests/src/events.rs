//! A reader of server-sent events.

use std::net::SocketAddr;

use bytes::{Buf, BytesMut};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::deadline::within;

/// The bytes that the system keeps for a reader that reads nothing.
const SMALL_BUFFER_BYTES: u32 = 4096;

/// A stream of events that goes on until it is dropped.
pub struct Events {
    stream: TcpStream,
    input: BytesMut,
    /// Without what chunks add.
    text: BytesMut,
}

impl Events {
    /// Asks for the events at `target`, which has to be answered with 200.
    pub async fn open(address: SocketAddr, target: &str) -> Self {
        let mut events = Self::ask(address, target).await;
        within("the head of a stream", events.head()).await;
        events
    }

    /// Asks, and reads nothing of the answer; the system keeps little of it.
    pub async fn ask(address: SocketAddr, target: &str) -> Self {
        let socket = TcpSocket::new_v4().expect("there are sockets");
        socket.set_recv_buffer_size(SMALL_BUFFER_BYTES).expect("a socket has this option");
        let stream = within("a connection", socket.connect(address)).await;
        let mut stream = stream.expect("nsqadmin accepts connections");
        let request = format!("GET {target} HTTP/1.1\r\nHost: nsqadmin\r\nAccept: text/event-stream\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("nsqadmin reads");
        Self { stream, input: BytesMut::new(), text: BytesMut::new() }
    }

    async fn head(&mut self) {
        loop {
            if let Some(end) = self.input.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = self.input.split_to(end + 4);
                let head = String::from_utf8_lossy(&head);
                assert!(head.starts_with("HTTP/1.1 200"), "{head}");
                assert!(head.to_ascii_lowercase().contains("content-type: text/event-stream"), "{head}");
                return;
            }
            assert!(self.read().await, "the stream ends in its head");
        }
    }

    async fn read(&mut self) -> bool {
        self.stream.read_buf(&mut self.input).await.unwrap_or(0) != 0
    }

    /// The next event and its document; `None` at the end.
    pub async fn try_next(&mut self) -> Option<(String, Value)> {
        loop {
            if let Some(end) = self.text.windows(2).position(|two| two == b"\n\n") {
                let event = self.text.split_to(end + 2);
                let event = String::from_utf8_lossy(&event).into_owned();
                let line = |name: &str| event.lines().find_map(|line| line.strip_prefix(name));
                // Comments, and the time for the next try.
                let (Some(kind), Some(data)) = (line("event: "), line("data: ")) else { continue };
                let document = serde_json::from_str(data);
                let document = document.unwrap_or_else(|error| panic!("no JSON ({error}): {data}"));
                return Some((kind.to_owned(), document));
            }
            if !self.chunk().await {
                return None;
            }
        }
    }

    /// Reads one chunk. `false` at the end.
    async fn chunk(&mut self) -> bool {
        loop {
            if let Ok(httparse::Status::Complete((line, bytes))) = httparse::parse_chunk_size(&self.input) {
                let bytes = usize::try_from(bytes).expect("a chunk fits into memory");
                if line + bytes + 2 <= self.input.len() {
                    self.input.advance(line);
                    self.text.extend_from_slice(&self.input.split_to(bytes));
                    self.input.advance(2);
                    return bytes != 0;
                }
            }
            if !self.read().await {
                return false;
            }
        }
    }

    /// The next event and its document.
    pub async fn next(&mut self) -> (String, Value) {
        let event = within("an event", self.try_next()).await;
        event.expect("the stream goes on")
    }

    /// The next document that is as wanted.
    pub async fn await_document(&mut self, what: &str, is_wanted: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        let wait = async {
            loop {
                let (_, document) = self.try_next().await.expect("the stream goes on");
                last = document;
                if is_wanted(&last) {
                    return;
                }
            }
        };
        let outcome = tokio::time::timeout(crate::DEADLINE, wait).await;
        assert!(outcome.is_ok(), "{what} is not seen, but {last:#}");
        last
    }

    /// Reads to the end of the stream, which has to come, and returns how many bytes there were.
    pub async fn read_to_end(&mut self) -> usize {
        let mut bytes = self.input.len();
        within("the end of a stream", async {
            loop {
                self.input.clear();
                if !self.read().await {
                    return;
                }
                bytes += self.input.len();
            }
        })
        .await;
        bytes
    }
}
