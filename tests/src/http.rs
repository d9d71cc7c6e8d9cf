//! A plain HTTP/1.1 client that sends targets and headers as they are, and keeps the case of what it receives.

use std::io::ErrorKind;
use std::net::SocketAddr;

use bytes::{Buf, BytesMut};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::Tls;
use crate::client::Stream;
use crate::deadline::within;

/// Headers that a response may have.
const HEADERS_MAX: usize = 32;

/// An answer.
#[derive(Debug)]
pub struct Response {
    /// 200, 404 ….
    pub status: u16,
    /// Names and values as they came.
    pub headers: Vec<(String, String)>,
    /// The body, put together if it came in chunks.
    pub body: Vec<u8>,
}

impl Response {
    /// The value of a header, its name in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("not JSON ({error}): {}", self.text()))
    }

    /// What a table of answers shows: the `message` of an error, or else the body's text.
    pub fn message(&self) -> String {
        let json: Option<Value> = serde_json::from_slice(&self.body).ok();
        let message = json.as_ref().and_then(|json| json.get("message")).and_then(Value::as_str);
        message.map_or_else(|| self.text(), ToOwned::to_owned)
    }
}

/// A connection that is kept alive between requests.
pub struct HttpConnection {
    stream: Box<dyn Stream>,
    input: BytesMut,
}

impl HttpConnection {
    /// Connects.
    pub async fn connect(address: SocketAddr) -> Self {
        let stream =
            within("a connection", TcpStream::connect(address)).await.expect("nsqd accepts connections");
        stream.set_nodelay(true).expect("a TCP socket has this option");
        Self { stream: Box::new(stream), input: BytesMut::new() }
    }

    /// Connects with TLS.
    ///
    /// # Errors
    /// What rustls or the socket says.
    pub async fn connect_tls(address: SocketAddr, tls: &Tls) -> std::io::Result<Self> {
        let stream = within("a connection", TcpStream::connect(address)).await?;
        let stream = within("a handshake", tls.connect(stream)).await?;
        Ok(Self { stream: Box::new(stream), input: BytesMut::new() })
    }

    /// Sends a request with `Content-Length` (none for an empty body), and reads the answer.
    pub async fn request(&mut self, method: &str, target: &str, body: &[u8]) -> Response {
        self.exchange(method, &request_bytes(method, target, body)).await
    }

    /// As [`HttpConnection::request`], to an nsqd that may be gone: `None` if it ends before the answer.
    pub async fn try_request(&mut self, method: &str, target: &str, body: &[u8]) -> Option<Response> {
        self.try_exchange(method, &request_bytes(method, target, body)).await
    }

    /// As [`HttpConnection::request`], but the body goes in one chunk, so that its length is not known before.
    pub async fn request_chunked(&mut self, method: &str, target: &str, body: &[u8]) -> Response {
        let mut chunks = Vec::new();
        if !body.is_empty() {
            chunks.extend_from_slice(format!("{:x}\r\n", body.len()).as_bytes());
            chunks.extend_from_slice(body);
            chunks.extend_from_slice(b"\r\n");
        }
        chunks.extend_from_slice(b"0\r\n\r\n");
        self.request_raw_chunks(method, target, &chunks).await
    }

    /// A chunked request whose chunks are sent as they are, right or wrong.
    pub async fn request_raw_chunks(&mut self, method: &str, target: &str, chunks: &[u8]) -> Response {
        let head = format!("{method} {target} HTTP/1.1\r\nHost: nsqd\r\nTransfer-Encoding: chunked\r\n\r\n");
        let mut request = head.into_bytes();
        request.extend_from_slice(chunks);
        self.exchange(method, &request).await
    }

    /// Like [`HttpConnection::request_raw_chunks`]; `None` if the connection ends without an answer.
    pub async fn try_raw_chunks(&mut self, method: &str, target: &str, chunks: &[u8]) -> Option<Response> {
        let head = format!("{method} {target} HTTP/1.1\r\nHost: nsqd\r\nTransfer-Encoding: chunked\r\n\r\n");
        let mut request = head.into_bytes();
        request.extend_from_slice(chunks);
        within("the answer to broken chunks", self.try_exchange(method, &request)).await
    }

    /// Sends a whole request as it is, and reads the answer.
    pub async fn exchange_raw(&mut self, method: &str, request: &[u8]) -> Response {
        self.exchange(method, request).await
    }

    async fn exchange(&mut self, method: &str, request: &[u8]) -> Response {
        let line = request.split(|byte| *byte == b'\r').next().unwrap_or_default();
        let what = format!("the answer to {}", line.escape_ascii());
        let response = within(&what, self.try_exchange(method, request)).await;
        response.unwrap_or_else(|| panic!("the connection ended before {what}"))
    }

    /// Sends bytes, which nsqd need not read to the end, and reads the answer.
    async fn try_exchange(&mut self, method: &str, request: &[u8]) -> Option<Response> {
        let (mut reader, mut writer) = tokio::io::split(&mut self.stream);
        let send = async {
            writer.write_all(request).await?;
            writer.flush().await
        };
        let receive = read_response(&mut reader, &mut self.input, method == "HEAD");
        tokio::pin!(send, receive);
        // A refused body need not be read to its end: what counts is the answer.
        tokio::select! {
            response = &mut receive => response,
            _ = &mut send => receive.await,
        }
    }
}

fn request_bytes(method: &str, target: &str, body: &[u8]) -> Vec<u8> {
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    let mut request = format!("{method} {target} HTTP/1.1\r\nHost: nsqd\r\n{length}\r\n").into_bytes();
    request.extend_from_slice(body);
    request
}

/// Reads one response, `None` if the connection ends before.
async fn read_response(
    reader: &mut (impl AsyncReadExt + Unpin),
    input: &mut BytesMut,
    is_head: bool,
) -> Option<Response> {
    let (head_bytes, mut response) = loop {
        if let Some(head) = parse_head(input) {
            break head;
        }
        read_more(reader, input).await?;
    };
    input.advance(head_bytes);
    let chunked = response.header("Transfer-Encoding").is_some_and(|value| value == "chunked");
    let length = response.header("Content-Length").map(|value| value.parse::<usize>().expect("a number"));
    let has_body = !is_head && response.status != 204 && response.status != 304;
    if has_body && chunked {
        response.body = read_chunks(reader, input).await?;
    } else if has_body {
        let length = length.expect("a body has a length or chunks");
        while input.len() < length {
            read_more(reader, input).await?;
        }
        response.body = input.split_to(length).to_vec();
    }
    Some(response)
}

fn parse_head(input: &[u8]) -> Option<(usize, Response)> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut head = httparse::Response::new(&mut headers);
    let bytes = match head.parse(input).expect("nsqd answers in HTTP") {
        httparse::Status::Complete(bytes) => bytes,
        httparse::Status::Partial => return None,
    };
    let status = head.code.expect("a complete head has a status");
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    let headers = head.headers.iter().map(|header| (header.name.to_owned(), text(header.value))).collect();
    Some((bytes, Response { status, headers, body: Vec::new() }))
}

async fn read_chunks(reader: &mut (impl AsyncReadExt + Unpin), input: &mut BytesMut) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let (line_bytes, chunk_bytes) = loop {
            match httparse::parse_chunk_size(input).expect("a chunk has a size") {
                httparse::Status::Complete(found) => break found,
                httparse::Status::Partial => read_more(reader, input).await?,
            }
        };
        input.advance(line_bytes);
        let chunk_bytes = usize::try_from(chunk_bytes).expect("a chunk fits into memory");
        while input.len() < chunk_bytes + 2 {
            read_more(reader, input).await?;
        }
        body.extend_from_slice(&input.split_to(chunk_bytes));
        input.advance(2);
        if chunk_bytes == 0 {
            return Some(body);
        }
    }
}

async fn read_more(reader: &mut (impl AsyncReadExt + Unpin), input: &mut BytesMut) -> Option<()> {
    match reader.read_buf(input).await {
        Ok(0) => None,
        Ok(_) => Some(()),
        // The last is an alert of TLS.
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof | ErrorKind::InvalidData
            ) =>
        {
            None
        }
        Err(error) => panic!("cannot read from nsqd: {error}"),
    }
}
