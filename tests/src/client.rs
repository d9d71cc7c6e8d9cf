//! A plain V2 client: it sends what it is told to, and checks what comes.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use protocol::{
    ChannelName, Command, Compressed, Compression, Frame, HEARTBEAT, MAGIC, MessageId, TopicName, put_mpub,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

use crate::Tls;
use crate::deadline::{SILENCE, within};

/// Whatever a connection runs over.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for S {}

/// The largest frame that a test expects.
const FRAME_BYTES_MAX: u32 = 8 << 20;

/// Largest growth of the input buffer a read.
const READ_BYTES: usize = 64 << 10;

/// A frame, in its own memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// The answer to a command, or a heartbeat.
    Response(Vec<u8>),
    /// Code and text of an error.
    Error(Vec<u8>),
    /// A message.
    Message(Message),
}

/// A message as delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// When its publish was accepted, in nanoseconds since 1970.
    pub timestamp_ns: i64,
    /// Deliveries so far, this one included.
    pub attempts: u16,
    /// Its id within the topic.
    pub id: MessageId,
    /// What was published.
    pub body: Vec<u8>,
}

/// A connection that speaks V2.
pub struct Client {
    stream: Box<dyn Stream>,
    local_address: Option<SocketAddr>,
    input: BytesMut,
    /// Messages that came while a response was awaited.
    early_messages: VecDeque<Message>,
}

impl Client {
    /// Connects and sends the magic.
    pub async fn connect(address: SocketAddr) -> Self {
        let mut client = Self::connect_silently(address).await;
        client.send(MAGIC).await;
        client
    }

    /// Connects and sends nothing.
    pub async fn connect_silently(address: SocketAddr) -> Self {
        let stream =
            within("a connection", TcpStream::connect(address)).await.expect("nsqd accepts connections");
        stream.set_nodelay(true).expect("a TCP socket has this option");
        let local_address = stream.local_addr().ok();
        Self::over(stream, local_address)
    }

    /// Connects to a unix socket and sends the magic.
    pub async fn connect_unix(path: &Path) -> Self {
        let mut client = Self::connect_unix_silently(path).await;
        client.send(MAGIC).await;
        client
    }

    /// Connects to a unix socket and sends nothing.
    pub async fn connect_unix_silently(path: &Path) -> Self {
        let stream = within("a connection", UnixStream::connect(path)).await;
        Self::over(stream.expect("nsqd accepts connections"), None)
    }

    fn over(stream: impl Stream + 'static, local_address: Option<SocketAddr>) -> Self {
        let (input, early_messages) = (BytesMut::new(), VecDeque::new());
        Self { stream: Box::new(stream), local_address, input, early_messages }
    }

    // Layers.

    /// Makes a TLS handshake, which nsqd awaits.
    ///
    /// # Errors
    /// What rustls or the socket says. The connection is of no use then.
    pub async fn try_tls(&mut self, tls: &Tls) -> std::io::Result<()> {
        assert!(self.input.is_empty(), "nsqd speaks before the handshake: {:?}", self.input);
        let stream = within("a handshake", tls.connect(self.take_stream())).await?;
        self.stream = Box::new(stream);
        Ok(())
    }

    /// Compresses from here on.
    pub fn compress(&mut self, compression: Compression) {
        // What was read too far is the beginning of the compressed stream.
        let read = std::io::Cursor::new(std::mem::take(&mut self.input));
        let (reader, writer) = tokio::io::split(self.take_stream());
        self.stream = Box::new(Compressed::new(
            tokio::io::join(AsyncReadExt::chain(read, reader), writer),
            compression,
        ));
    }

    fn take_stream(&mut self) -> Box<dyn Stream> {
        std::mem::replace(&mut self.stream, Box::new(tokio::io::empty()))
    }

    /// IDENTIFY and whatever layers `settings` ask for, such as `"snappy":true`. Returns the answer to IDENTIFY.
    pub async fn negotiate(&mut self, settings: &str, tls: &Tls) -> serde_json::Value {
        let answer = self.identify(&format!(r#"{{"feature_negotiation":true,{settings}}}"#)).await;
        let answer: serde_json::Value = serde_json::from_slice(&answer).expect("the answer is JSON");
        if answer["tls_v1"] == true {
            self.try_tls(tls).await.expect("the handshake succeeds");
            self.expect_ok().await;
        }
        if answer["snappy"] == true {
            self.compress(Compression::Snappy);
            self.expect_ok().await;
        }
        if answer["deflate"] == true {
            self.compress(Compression::Deflate { level: 6 });
            self.expect_ok().await;
        }
        answer
    }

    /// The client's own address.
    pub fn local_address(&self) -> SocketAddr {
        self.local_address.expect("a TCP socket has an address")
    }

    // Sending.

    /// Sends any bytes.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).await.expect("nsqd takes what is sent");
    }

    /// Sends any bytes to an nsqd that may have closed the connection.
    ///
    /// # Errors
    /// What the socket says.
    pub async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        let sending = async {
            self.stream.write_all(bytes.as_ref()).await?;
            self.stream.flush().await
        };
        within("room for what is sent", sending).await
    }

    /// Sends a command.
    pub async fn command(&mut self, command: &Command<'_>) {
        let mut out = BytesMut::new();
        command.encode(&mut out);
        self.send(out).await;
    }

    /// Ends the sending side; nsqd sees the end of input.
    pub async fn finish_sending(&mut self) {
        within("the end of sending", self.stream.shutdown()).await.expect("the connection is open");
    }

    /// IDENTIFY with `json`; returns the answer.
    pub async fn identify(&mut self, json: &str) -> Vec<u8> {
        self.command(&Command::Identify { body: json.as_bytes() }).await;
        self.next_response().await
    }

    /// SUB, which has to succeed.
    pub async fn subscribe(&mut self, topic: &str, channel: &str) {
        self.command(&Command::Sub { topic: topic_name(topic), channel: channel_name(channel) }).await;
        self.expect_ok().await;
    }

    /// RDY.
    pub async fn rdy(&mut self, count: u32) {
        self.command(&Command::Rdy { count }).await;
    }

    /// PUB, which has to succeed.
    pub async fn publish(&mut self, topic: &str, body: impl AsRef<[u8]>) {
        self.command(&Command::Pub { topic: topic_name(topic), body: body.as_ref() }).await;
        self.expect_ok().await;
    }

    /// MPUB, which has to succeed.
    pub async fn mpub(&mut self, topic: &str, bodies: &[impl AsRef<[u8]>]) {
        let mut out = BytesMut::new();
        put_mpub(&mut out, &topic_name(topic), bodies);
        self.send(out).await;
        self.expect_ok().await;
    }

    /// DPUB, which has to succeed.
    pub async fn dpub(&mut self, topic: &str, delay: Duration, body: impl AsRef<[u8]>) {
        self.command(&Command::Dpub { topic: topic_name(topic), delay, body: body.as_ref() }).await;
        self.expect_ok().await;
    }

    /// FIN.
    pub async fn fin(&mut self, id: MessageId) {
        self.command(&Command::Fin { id }).await;
    }

    /// REQ.
    pub async fn req(&mut self, id: MessageId, delay: Duration) {
        self.command(&Command::Req { id, delay }).await;
    }

    /// TOUCH.
    pub async fn touch(&mut self, id: MessageId) {
        self.command(&Command::Touch { id }).await;
    }

    // Receiving.

    /// The next frame of any kind, `None` at the end.
    pub async fn next_frame(&mut self) -> Option<Received> {
        let frame = within("a frame", self.read_frame()).await;
        self.check_end(frame.is_none());
        frame
    }

    /// The next message. Heartbeats before it are answered; anything else is a failure.
    pub async fn next_message(&mut self) -> Message {
        within("a message", self.read_message()).await.expect("the connection is open")
    }

    /// As [`Client::next_message`], without a deadline, and `None` at the end.
    pub async fn read_message(&mut self) -> Option<Message> {
        if let Some(message) = self.early_messages.pop_front() {
            return Some(message);
        }
        loop {
            match self.read_frame().await? {
                Received::Message(message) => return Some(message),
                Received::Response(data) if data == HEARTBEAT => self.answer_heartbeat().await,
                other => panic!("expected a message, got {}", show(&other)),
            }
        }
    }

    /// The next `count` messages, each finished at once.
    pub async fn finish_messages(&mut self, count: usize) -> Vec<Message> {
        let mut messages = Vec::with_capacity(count);
        for _ in 0..count {
            let message = self.next_message().await;
            self.fin(message.id).await;
            messages.push(message);
        }
        messages
    }

    /// The next response. Heartbeats before it are answered, messages before it are kept for later.
    pub async fn next_response(&mut self) -> Vec<u8> {
        match self.next_answer().await {
            Received::Response(data) => data,
            other => panic!("expected a response, got {}", show(&other)),
        }
    }

    /// Expects `OK`.
    pub async fn expect_ok(&mut self) {
        self.expect_response("OK").await;
    }

    /// Expects a response.
    pub async fn expect_response(&mut self, expected: &str) {
        let answer = self.next_answer().await;
        let expected = Received::Response(expected.into());
        assert!(answer == expected, "expected {}, got {}", show(&expected), show(&answer));
    }

    /// Expects an error frame of exactly these bytes.
    pub async fn expect_error(&mut self, expected: impl AsRef<[u8]>) {
        let answer = self.next_answer().await;
        let expected = Received::Error(expected.as_ref().to_vec());
        assert!(answer == expected, "expected {}, got {}", show(&expected), show(&answer));
    }

    /// The next error frame, for texts that are not wholly fixed.
    pub async fn next_error(&mut self) -> String {
        match self.next_answer().await {
            Received::Error(data) => data.escape_ascii().to_string(),
            other => panic!("expected an error, got {}", show(&other)),
        }
    }

    /// Whether it takes a publish; it may have been refused.
    pub async fn is_answered(&mut self) -> bool {
        let asked = self.try_send(b"PUB is-alive\n\0\0\0\x01x").await;
        asked.is_ok()
            && within("an answer or the end", self.read_frame()).await
                == Some(Received::Response(b"OK".to_vec()))
    }

    /// Expects an error frame or the end of the connection: a reset may destroy the frame.
    pub async fn next_error_or_end(&mut self) {
        match within("an error or the end", self.read_frame()).await {
            None | Some(Received::Error(_)) => {}
            Some(other) => panic!("expected an error or the end, got {}", show(&other)),
        }
    }

    /// Expects the end of the connection, and no frame before it.
    pub async fn expect_closed(&mut self) {
        if let Some(frame) = within("the end of the connection", self.read_frame()).await {
            panic!("expected the end of the connection, got {}", show(&frame));
        }
        self.check_end(true);
    }

    /// As [`Client::next_frame`], and `None` also if a layer below fails.
    pub async fn next_frame_or_alert(&mut self) -> Option<Received> {
        let read = async {
            loop {
                if let Some((frame, bytes)) = Frame::decode(&self.input, FRAME_BYTES_MAX).ok()? {
                    let frame = Received::from(frame);
                    self.input.advance(bytes);
                    return Some(frame);
                }
                self.input.reserve(READ_BYTES);
                if self.stream.read_buf(&mut self.input).await.ok()? == 0 {
                    return None;
                }
            }
        };
        within("a frame or the end", read).await
    }

    /// Expects these bytes, whatever they are.
    pub async fn expect_bytes(&mut self, expected: &[u8]) {
        let read = async {
            while self.input.len() < expected.len() {
                assert_ne!(self.stream.read_buf(&mut self.input).await.expect("nsqd answers"), 0, "it ended");
            }
        };
        within("some bytes", read).await;
        let got = self.input.split_to(expected.len());
        assert!(got == expected, "expected {}, got {}", expected.escape_ascii(), got.escape_ascii());
    }

    /// All bytes up to the end, whatever they are.
    pub async fn read_to_end(&mut self) -> Vec<u8> {
        let mut bytes = std::mem::take(&mut self.input).to_vec();
        let read = self.stream.read_to_end(&mut bytes);
        // A reset behind the last byte is an end, too.
        drop(within("the end of the connection", read).await);
        bytes
    }

    /// The error frame that stands in clear behind a TLS alert, and the end.
    pub async fn error_behind_an_alert(&mut self) -> String {
        let bytes = self.read_to_end().await;
        let behind = match bytes.as_slice() {
            [21, 3, _, high, low, rest @ ..] => &rest[usize::from(u16::from_be_bytes([*high, *low]))..],
            all => all,
        };
        match Frame::decode(behind, FRAME_BYTES_MAX) {
            Ok(Some((Frame::Error(data), _))) => data.escape_ascii().to_string(),
            other => panic!("expected an error, got {other:?} of {}", bytes.escape_ascii()),
        }
    }

    /// Expects the connection to be alive: it takes a publish.
    pub async fn expect_alive(&mut self) {
        self.publish("is-alive", b"x").await;
    }

    /// Expects that nothing comes for a short while.
    pub async fn expect_silence(&mut self) {
        if let Some(message) = self.early_messages.front() {
            panic!("expected nothing, got {message:?}");
        }
        if let Ok(frame) = tokio::time::timeout(SILENCE, self.read_frame()).await {
            panic!("expected nothing, got {}", frame.as_ref().map_or("the end".to_owned(), show));
        }
    }

    async fn next_answer(&mut self) -> Received {
        let answer = async {
            loop {
                match self.read_frame().await {
                    Some(Received::Message(message)) => self.early_messages.push_back(message),
                    Some(Received::Response(data)) if data == HEARTBEAT => self.answer_heartbeat().await,
                    Some(frame) => return frame,
                    None => panic!("expected an answer, got the end of the connection"),
                }
            }
        };
        within("an answer", answer).await
    }

    async fn answer_heartbeat(&mut self) {
        // The connection may just have been closed; whoever reads next finds out.
        drop(self.stream.write_all(b"NOP\n").await);
        drop(self.stream.flush().await);
    }

    fn check_end(&self, at_end: bool) {
        assert!(!at_end || self.input.is_empty(), "the connection ended within a frame: {:?}", self.input);
    }

    /// The next frame, without a deadline, and `None` at the end, even if that comes within a frame.
    pub async fn read_frame(&mut self) -> Option<Received> {
        // Cancel safe: what was read stays in `input`.
        loop {
            match Frame::decode(&self.input, FRAME_BYTES_MAX).expect("nsqd sends frames") {
                Some((frame, bytes)) => {
                    let frame = Received::from(frame);
                    self.input.advance(bytes);
                    return Some(frame);
                }
                None => self.input.reserve(READ_BYTES),
            }
            match self.stream.read_buf(&mut self.input).await {
                Ok(0) => return None,
                Ok(_) => {}
                // The reference ends TLS without saying so.
                Err(error)
                    if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof) =>
                {
                    return None;
                }
                Err(error) => panic!("cannot read from nsqd: {error}"),
            }
        }
    }
}

impl From<Frame<'_>> for Received {
    fn from(frame: Frame<'_>) -> Self {
        match frame {
            Frame::Response(data) => Self::Response(data.to_vec()),
            Frame::Error(data) => Self::Error(data.to_vec()),
            Frame::Message { header, body } => Self::Message(Message {
                timestamp_ns: header.timestamp_ns,
                attempts: header.attempts,
                id: header.id,
                body: body.to_vec(),
            }),
        }
    }
}

fn topic_name(name: &str) -> TopicName {
    name.parse().expect("a test that needs an invalid name sends it as bytes")
}

fn channel_name(name: &str) -> ChannelName {
    name.parse().expect("a test that needs an invalid name sends it as bytes")
}

/// A frame for a failure's text.
fn show(frame: &Received) -> String {
    match frame {
        Received::Response(data) => format!("response \"{}\"", data.escape_ascii()),
        Received::Error(data) => format!("error \"{}\"", data.escape_ascii()),
        Received::Message(message) => {
            format!("message {} \"{}\"", message.id, message.body.escape_ascii())
        }
    }
}

/// What a client sends in place of `plain` if it compresses.
pub async fn compressed(compression: Compression, plain: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut stream = Compressed::new(&mut out, compression);
    stream.write_all(plain).await.expect("memory takes it");
    stream.flush().await.expect("memory takes it");
    drop(stream);
    out
}
