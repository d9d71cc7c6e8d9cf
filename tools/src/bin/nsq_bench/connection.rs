//! A blocking connection: handshake, and frames read in place from one large buffer.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use bytes::BytesMut;
use protocol::{
    ChannelName, Command, Compression, Frame, HEARTBEAT, IdentifyRequest, IdentifyResponse, MAGIC, OK,
    TopicName,
};

use crate::args::{CompressionArg, Layers};
use crate::layers::{self, Stream};

const READ_BUFFER_BYTES: usize = 256 * 1024;
// Consumers wait unserved while --fill publishes; the server drops a connection after two of these.
const HEARTBEAT_INTERVAL_MS: i64 = 60_000;
// Beyond it the stream is garbage.
const FRAME_BYTES_MAX: u32 = 128 << 20;

/// What this client says of itself and asks for; the rest is left to the server.
pub(crate) fn identify(layers: Layers) -> IdentifyRequest {
    IdentifyRequest {
        tls_v1: layers.tls,
        snappy: layers.compression == Some(CompressionArg::Snappy),
        deflate: layers.compression == Some(CompressionArg::Deflate),
        client_id: "nsq_bench".to_owned(),
        user_agent: concat!("nsq_bench/", env!("CARGO_PKG_VERSION")).to_owned(),
        feature_negotiation: true,
        heartbeat_interval: HEARTBEAT_INTERVAL_MS,
        ..IdentifyRequest::default()
    }
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
    socket: TcpStream,
    /// The socket itself, or layers on it.
    stream: Box<dyn Stream>,
    buffer: Vec<u8>,
    // Unread bytes are buffer[start..end].
    start: usize,
    end: usize,
    max_rdy_count: u32,
    is_layered: bool,
}

impl Connection {
    /// Connects and identifies.
    pub(crate) fn open(address: &str, identify: &IdentifyRequest, read_timeout: Duration) -> Result<Self> {
        Self::open_with_buffer(address, identify, read_timeout, READ_BUFFER_BYTES)
    }

    /// As [`Self::open`], with a read buffer of the given size, for connections that receive little.
    pub(crate) fn open_with_buffer(
        address: &str,
        identify: &IdentifyRequest,
        read_timeout: Duration,
        buffer_bytes: usize,
    ) -> Result<Self> {
        let stream = TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(read_timeout))?;
        let mut connection = Self {
            stream: Box::new(stream.try_clone().context("cannot share the socket")?),
            socket: stream,
            buffer: vec![0; buffer_bytes],
            start: 0,
            end: 0,
            max_rdy_count: 0,
            is_layered: false,
        };
        connection.send(&MAGIC)?;
        connection.command(&Command::Identify { body: identify.to_json().as_bytes() })?;
        let answer = connection.response().with_context(|| format!("IDENTIFY to {address}"))?;
        let identified: IdentifyResponse = serde_json::from_slice(&answer)
            .with_context(|| format!("IDENTIFY was answered by {:?}", String::from_utf8_lossy(&answer)))?;
        connection.max_rdy_count = identified.max_rdy_count;
        connection.put_layers(identify, &identified)?;
        Ok(connection)
    }

    /// Puts the layers on the connection that were asked for.
    fn put_layers(&mut self, asked: &IdentifyRequest, agreed: &IdentifyResponse) -> Result<()> {
        for (what, asked, agreed) in [
            ("TLS", asked.tls_v1, agreed.tls_v1),
            ("snappy", asked.snappy, agreed.snappy),
            ("deflate", asked.deflate, agreed.deflate),
        ] {
            if asked != agreed {
                bail!("the server does not offer {what}");
            }
        }
        self.is_layered = agreed.tls_v1 || agreed.snappy || agreed.deflate;
        if agreed.tls_v1 {
            self.stream = layers::tls(self.socket.try_clone().context("cannot share the socket")?)?;
            self.upgraded("TLS")?;
        }
        let compression = if agreed.snappy {
            Compression::Snappy
        } else if agreed.deflate {
            Compression::Deflate { level: agreed.deflate_level }
        } else {
            return Ok(());
        };
        let stream = std::mem::replace(&mut self.stream, Box::new(std::io::Cursor::new(Vec::new())));
        // What was read too far is the beginning of the compressed stream.
        let read = self.buffer[self.start..self.end].to_vec();
        (self.start, self.end) = (0, 0);
        self.stream = layers::compressed(layers::behind(read, stream), compression);
        self.upgraded("compression")
    }

    fn upgraded(&mut self, what: &str) -> Result<()> {
        let answer = self.response().with_context(|| format!("upgrade to {what}"))?;
        if answer != OK {
            bail!("the upgrade to {what} was answered by {:?}", String::from_utf8_lossy(&answer));
        }
        Ok(())
    }

    /// Joins a channel. RDY stays 0.
    pub(crate) fn subscribe(&mut self, topic: &TopicName, channel: &ChannelName) -> Result<()> {
        self.command(&Command::Sub { topic: topic.clone(), channel: channel.clone() })?;
        let answer = self.response().with_context(|| format!("SUB {topic} {channel}"))?;
        if answer != OK {
            bail!("SUB {topic} {channel} was answered by {:?}", String::from_utf8_lossy(&answer));
        }
        Ok(())
    }

    /// Opens the window for messages.
    pub(crate) fn ready(&mut self, rdy: u32) -> Result<()> {
        if rdy > self.max_rdy_count {
            bail!("RDY {rdy} is over the server's limit of {}; lower --rdy", self.max_rdy_count);
        }
        self.command(&Command::Rdy { count: rdy })
    }

    /// Writes one command.
    pub(crate) fn command(&mut self, command: &Command<'_>) -> Result<()> {
        let mut bytes = BytesMut::new();
        command.encode(&mut bytes);
        self.send(&bytes)
    }

    /// Writes all of `bytes`.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<()> {
        match self.stream.write_all(bytes).and_then(|()| self.stream.flush()) {
            Ok(()) => Ok(()),
            Err(error) => Err(self.explain_failed_send(error)),
        }
    }

    /// Sets how long a read may wait.
    pub(crate) fn set_read_timeout(&self, timeout: Duration) -> Result<()> {
        Ok(self.socket.set_read_timeout(Some(timeout))?)
    }

    /// The socket, for a second owner that writes to it.
    ///
    /// # Errors
    /// There are layers on it.
    pub(crate) fn plain_socket(&self) -> Result<&TcpStream> {
        if self.is_layered {
            bail!(
                "--tls and --compression do not go with a schedule: use pub without --rate, sub, pubsub or idle"
            );
        }
        Ok(&self.socket)
    }

    /// The socket, for polling, or to shut it down. What is read or written goes through the layers.
    pub(crate) fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// Reads once, behind what is there. Call it when [`Self::next_frame`] has no more.
    pub(crate) fn fill(&mut self) -> Result<Filled> {
        self.make_room();
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
        let decoded = Frame::decode(&self.buffer[self.start..self.end], FRAME_BYTES_MAX);
        match decoded.context("this is not how an NSQ server answers")? {
            Some((Frame::Error(text), _)) => Err(server_error(text)),
            Some((frame, length)) => {
                self.start += length;
                Ok(Some(frame))
            }
            None => Ok(None),
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

    /// Moves what is left to the front, and grows the buffer if its frame is larger.
    fn make_room(&mut self) {
        self.buffer.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        if let Some(size) = self.buffer[..self.end].first_chunk() {
            let frame_bytes = 4 + u32::from_be_bytes(*size).min(FRAME_BYTES_MAX) as usize;
            if frame_bytes > self.buffer.len() {
                self.buffer.resize(frame_bytes, 0);
            }
        }
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

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread::JoinHandle;

    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(10);

    /// A server that answers IDENTIFY, then writes `pieces` one after the other and closes.
    fn server(pieces: Vec<Vec<u8>>) -> (String, JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let thread = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut magic = [0; 4];
            stream.read_exact(&mut magic).unwrap();
            assert_eq!(magic, MAGIC);
            assert!(stream.read(&mut [0; 1024]).unwrap() > 0);
            let mut answer = BytesMut::new();
            Frame::Response(br#"{"max_rdy_count":10}"#).encode(&mut answer);
            stream.write_all(&answer).unwrap();
            stream.set_nodelay(true).unwrap();
            for piece in pieces {
                stream.write_all(&piece).unwrap();
            }
        });
        (address, thread)
    }

    /// Everything the server says, as text, to the error that ends it.
    fn responses(address: &str, buffer_bytes: usize) -> (Vec<usize>, String) {
        let mut connection =
            Connection::open_with_buffer(address, &identify(Layers::default()), TIMEOUT, buffer_bytes)
                .unwrap();
        let mut lengths = Vec::new();
        loop {
            match connection.next_frame() {
                Ok(Some(Frame::Response(data))) => lengths.push(data.len()),
                Ok(Some(other)) => panic!("{other:?}"),
                Ok(None) => match connection.fill() {
                    Ok(Filled::Bytes) => {}
                    Ok(Filled::TimedOut) => panic!("timed out"),
                    Err(error) => return (lengths, error.to_string()),
                },
                Err(error) => return (lengths, format!("{error:#}")),
            }
        }
    }

    #[test]
    fn frames_cut_anywhere_or_larger_than_the_buffer_are_read_whole() {
        let mut stream = BytesMut::new();
        for length in [2, 100, 5000, 3, 64, 7] {
            Frame::Response(&vec![b'x'; length]).encode(&mut stream);
        }
        let pieces = stream.chunks(37).map(<[u8]>::to_vec).collect();
        let (address, thread) = server(pieces);
        let (lengths, end) = responses(&address, 64);
        assert_eq!(lengths, [2, 100, 5000, 3, 64, 7]);
        assert_eq!(end, "the server closed the connection");
        thread.join().unwrap();
    }

    #[test]
    fn an_error_frame_becomes_the_error_of_the_run() {
        let mut stream = BytesMut::new();
        Frame::Error(b"E_BAD_TOPIC no").encode(&mut stream);
        let (address, thread) = server(vec![stream.to_vec()]);
        assert_eq!(responses(&address, 1024), (vec![], "the server answered E_BAD_TOPIC no".to_owned()));
        thread.join().unwrap();
    }

    #[test]
    fn another_protocol_is_recognized() {
        let (address, thread) = server(vec![b"HTTP/1.1 400 Bad Request".to_vec()]);
        let (_, error) = responses(&address, 1024);
        assert!(error.starts_with("this is not how an NSQ server answers: "), "{error}");
        thread.join().unwrap();
    }

    #[test]
    fn an_rdy_over_the_servers_limit_is_refused_here() {
        let (address, thread) = server(vec![]);
        let mut connection = Connection::open(&address, &identify(Layers::default()), TIMEOUT).unwrap();
        assert!(connection.ready(11).unwrap_err().to_string().contains("limit of 10"));
        thread.join().unwrap();
    }
}
