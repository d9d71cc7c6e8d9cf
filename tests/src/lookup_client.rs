//! A plain client of nsqlookupd: it sends what it is told to, and checks what comes.

use std::io::ErrorKind;
use std::net::SocketAddr;

use bytes::BytesMut;
use protocol::{LOOKUP_MAGIC, take_lookup_answer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::client::Stream;
use crate::{Tls, within};

/// The longest answer that a test expects.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// A connection that speaks V1.
pub struct LookupClient {
    stream: Box<dyn Stream>,
    address: SocketAddr,
    input: BytesMut,
}

impl LookupClient {
    /// Connects and sends the magic.
    pub async fn connect(address: SocketAddr) -> Self {
        let mut client = Self::connect_silently(address).await;
        client.send(LOOKUP_MAGIC).await;
        client
    }

    /// Connects and sends nothing.
    pub async fn connect_silently(address: SocketAddr) -> Self {
        let stream = within("a connection", TcpStream::connect(address)).await;
        Self::over(stream.expect("nsqlookupd accepts connections"))
    }

    /// As [`LookupClient::connect`], with a small buffer for what comes.
    pub async fn connect_narrow(address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().expect("there are sockets");
        socket.set_recv_buffer_size(4096).expect("a TCP socket has this option");
        let stream = within("a connection", socket.connect(address)).await;
        let mut client = Self::over(stream.expect("nsqlookupd accepts connections"));
        client.send(LOOKUP_MAGIC).await;
        client
    }

    fn over(stream: TcpStream) -> Self {
        stream.set_nodelay(true).expect("a TCP socket has this option");
        let address = stream.local_addr().expect("it is connected");
        Self { stream: Box::new(stream), address, input: BytesMut::new() }
    }

    /// Connects with TLS, and sends the magic.
    ///
    /// # Errors
    /// What rustls or the socket says.
    pub async fn connect_tls(address: SocketAddr, tls: &Tls) -> std::io::Result<Self> {
        let stream = within("a connection", TcpStream::connect(address)).await?;
        let address = stream.local_addr()?;
        let stream = Box::new(within("a handshake", tls.connect(stream)).await?);
        let mut client = Self { stream, address, input: BytesMut::new() };
        client.stream.write_all(&LOOKUP_MAGIC).await?;
        client.stream.flush().await?;
        Ok(client)
    }

    /// Whether there is an answer to a command, rather than an end.
    pub async fn is_answered(&mut self, command: &str) -> bool {
        // One that is not wanted may be gone already.
        let sent = self.stream.write_all(command.as_bytes()).await.and(self.stream.flush().await);
        sent.is_ok() && self.try_answer().await.is_some()
    }

    /// Waits for the end of the connection, whatever comes before it.
    pub async fn await_end(&mut self) {
        let mut nowhere = Vec::new();
        // A reset is an end, too.
        let _ = within("the end of a connection", self.stream.read_to_end(&mut nowhere)).await;
    }

    /// The next answer; `None` if the connection ends, or breaks, instead.
    pub async fn try_answer(&mut self) -> Option<String> {
        within("an answer, or the end of a connection", async {
            loop {
                let taken = take_lookup_answer(&mut self.input, ANSWER_BYTES_MAX).expect("an answer");
                if let Some(answer) = taken {
                    return Some(text(&answer));
                }
                if !matches!(self.stream.read_buf(&mut self.input).await, Ok(read) if read != 0) {
                    return None;
                }
            }
        })
        .await
    }

    /// Its own address, by which nsqlookupd knows it.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sends bytes as they are.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let sent = within("room for bytes to nsqlookupd", self.stream.write_all(bytes.as_ref())).await;
        sent.expect("nsqlookupd takes bytes");
        within("room for bytes to nsqlookupd", self.stream.flush()).await.expect("nsqlookupd takes bytes");
    }

    /// Sends bytes one by one. What follows an answer that ends the connection is not sent.
    pub async fn send_bytewise(&mut self, bytes: impl AsRef<[u8]>) {
        for byte in bytes.as_ref().chunks(1) {
            if self.stream.write_all(byte).await.is_err() {
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    /// Sends bytes until the connection ends, and reads none.
    pub async fn flood(&mut self, bytes: &[u8]) {
        within("the end of a flood", async { while self.stream.write_all(bytes).await.is_ok() {} }).await;
    }

    /// Sends IDENTIFY with this body.
    pub async fn send_identify(&mut self, body: impl AsRef<[u8]>) {
        self.send(identify(body.as_ref())).await;
    }

    /// Says who it is, and takes the answer.
    pub async fn identify(&mut self) {
        self.send_identify(BODY).await;
        let answer = self.answer().await;
        assert!(answer.starts_with('{'), "IDENTIFY was answered by {answer}");
    }

    /// A command that has to succeed.
    pub async fn ok(&mut self, command: &str) {
        self.send(format!("{command}\n")).await;
        assert_eq!(self.answer().await, "OK", "{command}");
    }

    /// The next answer. Bytes that are not UTF-8 show as `\x..`.
    pub async fn answer(&mut self) -> String {
        self.try_answer().await.expect("the connection ended before an answer")
    }

    /// Ends its own side.
    pub async fn finish(&mut self) {
        // One that has ended the connection has the same wish.
        let _ = self.stream.shutdown().await;
    }

    /// Waits for the end of the connection; nothing may come before it.
    pub async fn expect_end(&mut self) {
        let read = within("the end of a connection", self.stream.read_buf(&mut self.input)).await;
        let is_end = match &read {
            Ok(read) => *read == 0,
            Err(error) => error.kind() == ErrorKind::ConnectionReset,
        };
        assert!(is_end && self.input.is_empty(), "{read:?}, {:?}", text(&self.input));
    }
}

/// What an nsqd says of itself.
pub(crate) const BODY: &str = concat!(
    r#"{"broadcast_address":"n1.example","hostname":"n1","http_port":4151,"tcp_port":4150,"#,
    r#""topology_region":"","topology_zone":"","version":"1.3.0"}"#
);

/// The command with this body.
pub(crate) fn identify(body: &[u8]) -> Vec<u8> {
    let size = u32::try_from(body.len()).expect("it is short");
    [b"IDENTIFY\n", &size.to_be_bytes()[..], body].concat()
}

fn text(bytes: &[u8]) -> String {
    bytes
        .utf8_chunks()
        .fold(String::new(), |text, chunk| text + chunk.valid() + &chunk.invalid().escape_ascii().to_string())
}
