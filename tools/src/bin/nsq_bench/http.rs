//! The `http` subcommand: POST /pub on connections that are kept alive.
//!
//! One thread writes a request to each connection, then reads an answer from each: every connection waits for its answer,
//! as HTTP clients do, and the client costs little more than the system calls.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

use crate::args::{Common, HttpArgs, Layers};
use crate::daemon_stats::Meter;
use crate::progress::Progress;
use crate::report::{Flow, Phase, Report, latency_histogram, nanoseconds};
use crate::run::Run;

/// An answer to a publish is a few lines.
const ANSWER_BYTES_MAX: usize = 16 << 10;

/// A connection, and what of an answer was read.
pub(crate) struct Connection {
    stream: TcpStream,
    input: Vec<u8>,
    sent: Instant,
}

/// The `http` subcommand.
pub(crate) fn run(common: &Common, options: &HttpArgs) -> Result<Report> {
    let Layers { tls, compression } = common.layers;
    ensure!(!tls && compression.is_none(), "http is measured without --tls and --compression");
    let (topic, run) = (common.topic_name(), Run::default());
    let body = vec![b'x'; options.size as usize];
    let host = &options.nsqd_http_address;
    let mut request = format!("POST /pub?topic={topic} HTTP/1.1\r\nHost: {host}\r\n").into_bytes();
    write!(request, "Content-Length: {}\r\n\r\n", body.len())?;
    request.extend_from_slice(&body);
    let mut connections = (0..options.connections)
        .map(|_| Connection::open(common, host))
        .collect::<Result<Vec<_>>>()
        .with_context(|| format!("cannot connect to {host}; see --nsqd-http-address"))?;
    let meter = Meter::start(common.pid)?;
    let started = Instant::now();
    let deadline = options.extent.time_limit().map(|limit| started + limit);
    let wanted = options.extent.messages.unwrap_or(u64::MAX);
    let (mut published, mut latency) = (0, latency_histogram());
    {
        let _progress = Progress::start("http", options.extent.messages, &run);
        while published < wanted && deadline.is_none_or(|deadline| Instant::now() < deadline) {
            for connection in &mut connections {
                connection.sent = Instant::now();
                connection.send(&request)?;
            }
            for connection in &mut connections {
                connection.read_answer(ANSWER_BYTES_MAX)?;
                latency.saturating_record(nanoseconds(connection.sent.elapsed()));
            }
            published += u64::from(options.connections);
            run.add_done(options.connections.into());
        }
    }
    let elapsed = started.elapsed();
    let cost = meter.finish()?;
    let flow = Flow::new("published", published, options.size.into(), elapsed);
    let phase = Phase::new("http", vec![flow], &cost, "message", published).with_latency("ack", &latency);
    Ok(Report { command: "http", topic: topic.to_string(), phases: vec![phase] })
}

impl Connection {
    /// Connects.
    pub(crate) fn open(common: &Common, address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(common.stall_timeout))?;
        Ok(Self { stream, input: Vec::new(), sent: Instant::now() })
    }

    /// Sends a request.
    pub(crate) fn send(&mut self, request: &[u8]) -> Result<()> {
        Ok(self.stream.write_all(request)?)
    }

    /// Reads one answer, which must be 200, and returns its bytes.
    pub(crate) fn read_answer(&mut self, bytes_max: usize) -> Result<usize> {
        let mut piece = [0; 16 << 10];
        // Where the answer ends, once its head is there.
        let mut end = None;
        loop {
            if end.is_none() {
                end = answer_bytes(&self.input)?;
            }
            if let Some(bytes) = end.filter(|bytes| *bytes <= self.input.len()) {
                self.input.drain(..bytes);
                return Ok(bytes);
            }
            ensure!(self.input.len() < bytes_max, "an answer of more than {bytes_max} bytes");
            let read = self.stream.read(&mut piece).context("no answer in time; see --stall-timeout")?;
            ensure!(read != 0, "the server closed a connection");
            self.input.extend_from_slice(&piece[..read]);
        }
    }
}

/// Bytes of the answer that `input` begins with; `None` while its head is not whole.
fn answer_bytes(input: &[u8]) -> Result<Option<usize>> {
    let Some(end) = input.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&input[..end]).context("the head of an answer is not UTF-8")?;
    if !head.starts_with("HTTP/1.1 200 ") {
        bail!("unexpected answer: {head:?}");
    }
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>())
    });
    let length = length.context("an answer without Content-Length")??;
    Ok(Some(end + 4 + length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_ends_with_its_body() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\ncontent-length: 2\r\n\r\nOKHTTP";
        assert_eq!(answer_bytes(answer).unwrap(), Some(answer.len() - 4));
        let head = answer.len() - b"OKHTTP".len();
        for cut in 0..head {
            assert_eq!(answer_bytes(&answer[..cut]).unwrap(), None, "{cut}");
        }
        assert_eq!(answer_bytes(&answer[..head]).unwrap(), Some(answer.len() - 4));
        assert!(answer_bytes(b"HTTP/1.1 503 Service Unavailable\r\n\r\n").is_err());
        assert!(answer_bytes(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n").is_err());
    }
}
