//! An nsqd that does what a test tells it to, right or wrong.

use std::net::SocketAddr;

use bytes::{Buf, BytesMut};
use protocol::{Command, Frame, Limits, MAGIC, MessageHeader, MessageId, OK, put_response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::within;

/// A listener; the test plays nsqd on what it accepts.
pub struct MockNsqd {
    listener: TcpListener,
    address: SocketAddr,
}

impl MockNsqd {
    /// Listens on a free port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there are free ports");
        let address = listener.local_addr().expect("it is bound");
        Self { listener, address }
    }

    /// Where it listens.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// The next connection. Nothing was read.
    pub async fn accept(&self) -> MockConnection {
        let (stream, _) = within("a connection", self.listener.accept()).await.expect("it can accept");
        stream.set_nodelay(true).expect("a TCP socket has this option");
        MockConnection { stream, input: BytesMut::new() }
    }

    /// The next connection, past IDENTIFY.
    pub async fn accept_identified(&self) -> MockConnection {
        let mut connection = self.accept().await;
        connection.identify(r#"{"max_rdy_count":2500,"version":"1.3.0","msg_timeout":60000}"#).await;
        connection
    }

    /// The next connection, past SUB.
    pub async fn accept_subscribed(&self) -> MockConnection {
        let mut connection = self.accept_identified().await;
        let command = connection.next_command().await;
        assert!(command.starts_with("SUB "), "{command}");
        connection.ok().await;
        connection
    }
}

/// nsqd's end of a connection.
pub struct MockConnection {
    stream: TcpStream,
    input: BytesMut,
}

impl MockConnection {
    /// The client's own address.
    pub fn peer_address(&self) -> SocketAddr {
        self.stream.peer_addr().expect("it is connected")
    }

    /// Takes the magic and IDENTIFY, and answers with this JSON. Returns what IDENTIFY said.
    pub async fn identify(&mut self, answer: &str) -> String {
        while self.input.len() < MAGIC.len() {
            self.fill().await.expect("the client begins");
        }
        assert_eq!(&self.input[..MAGIC.len()], MAGIC);
        self.input.advance(MAGIC.len());
        let command = self.next_command().await;
        let said = command.strip_prefix("IDENTIFY ").expect("it says who it is").to_owned();
        let mut out = BytesMut::new();
        put_response(&mut out, answer.as_bytes());
        self.send(out).await;
        said
    }

    /// The next command, as its line; a body stands behind it after a blank.
    pub async fn next_command(&mut self) -> String {
        within("a command", self.read_command()).await.expect("the connection is open")
    }

    /// As [`MockConnection::next_command`]; `None` at the end.
    async fn read_command(&mut self) -> Option<String> {
        loop {
            let decoded =
                Command::decode(&self.input, &Limits::default()).expect("a command that nsqd knows");
            if let Some((command, bytes)) = decoded {
                let text = text(&command);
                self.input.advance(bytes);
                return Some(text);
            }
            self.fill().await?;
        }
    }

    /// The next command that is not RDY or NOP.
    pub async fn next_deed(&mut self) -> String {
        loop {
            let command = self.next_command().await;
            if !command.starts_with("RDY ") && command != "NOP" {
                return command;
            }
        }
    }

    async fn fill(&mut self) -> Option<()> {
        let read = self.stream.read_buf(&mut self.input).await;
        (read.ok()? != 0).then_some(())
    }

    /// Sends any bytes.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        within("room", self.stream.write_all(bytes.as_ref())).await.expect("the client reads");
    }

    /// Sends `OK`.
    pub async fn ok(&mut self) {
        self.frame(&Frame::Response(OK)).await;
    }

    /// Sends a frame.
    pub async fn frame(&mut self, frame: &Frame<'_>) {
        let mut out = BytesMut::new();
        frame.encode(&mut out);
        self.send(out).await;
    }

    /// Sends a message.
    pub async fn message(&mut self, number: u64, attempts: u16, body: &[u8]) {
        self.send(Self::message_frame(number, attempts, body)).await;
    }

    /// A message's frame.
    pub fn message_frame(number: u64, attempts: u16, body: &[u8]) -> BytesMut {
        let header = MessageHeader { timestamp_ns: 1, attempts, id: MessageId::from_u64(number) };
        let mut out = BytesMut::new();
        Frame::Message { header, body }.encode(&mut out);
        out
    }

    /// Waits until the client has closed the connection. What it still says is of no interest.
    pub async fn closed(&mut self) {
        within("the end of the connection", async {
            while self.fill().await.is_some() {
                self.input.clear();
            }
        })
        .await;
    }
}

fn text(command: &Command<'_>) -> String {
    let mut out = BytesMut::new();
    command.encode(&mut out);
    let body = match command {
        Command::Identify { body } | Command::Pub { body, .. } | Command::Dpub { body, .. } => Some(*body),
        Command::Auth { secret } => Some(*secret),
        _ => None,
    };
    let line = out.as_ref().split(|byte| *byte == b'\n').next().unwrap_or_default();
    let mut text = String::from_utf8_lossy(line).into_owned();
    if let Some(body) = body {
        text.push(' ');
        text.push_str(&String::from_utf8_lossy(body));
    }
    text
}
