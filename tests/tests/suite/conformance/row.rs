//! A row: bytes, and what follows them.

use tests::{Client, Nsqd};

/// What follows a row's bytes.
#[derive(Debug, Clone)]
pub(super) enum Then {
    /// These responses, and the connection lives.
    Open(Vec<&'static str>),
    /// This error frame, and the connection lives.
    Told(&'static str),
    /// These frames, the last of which is an error, and the connection is closed.
    Closed(Vec<&'static str>),
    /// The client ends its side; then this error frame (none if empty), and the connection is closed.
    ClosedAfterEof(&'static str),
}

/// How a row is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// In one write.
    Whole,
    /// Each byte in a write.
    Bytes,
    /// In one write with a publish before and behind it.
    Between,
}

#[derive(Debug, Clone)]
pub(super) struct Row {
    bytes: Vec<u8>,
    then: Then,
}

/// The topic that is published to behind errors.
const NEVER: &str = "never";
const BEFORE: &[u8] = b"PUB before\n\0\0\0\x01x";
const BEHIND: &[u8] = b"PUB never\n\0\0\0\x01x";

/// The bytes of a row: `[n]` is a big-endian i32, every other character the byte of its number.
pub(super) fn bytes_of(row: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = row.chars();
    while let Some(character) = rest.next() {
        if character == '[' {
            let number: String = rest.by_ref().take_while(|character| *character != ']').collect();
            let number: i32 = number.parse().expect("brackets hold a number");
            bytes.extend_from_slice(&number.to_be_bytes());
        } else {
            bytes.push(u8::try_from(character).expect("a row has characters up to U+00FF"));
        }
    }
    bytes
}

/// The connection lives, these responses having come.
pub(super) fn open(row: &str, responses: &[&'static str]) -> Row {
    Row { bytes: bytes_of(row), then: Then::Open(responses.to_vec()) }
}

/// The connection lives, this error having come.
pub(super) fn told(row: &str, error: &'static str) -> Row {
    Row { bytes: bytes_of(row), then: Then::Told(error) }
}

/// This error ends the connection.
pub(super) fn closed(row: &str, error: &'static str) -> Row {
    Row { bytes: bytes_of(row), then: Then::Closed(vec![error]) }
}

/// These answers come, the last of which is an error that ends the connection.
pub(super) fn closed_behind(row: &str, answers: &[&'static str]) -> Row {
    Row { bytes: bytes_of(row), then: Then::Closed(answers.to_vec()) }
}

/// The client ends its side, and this error (none if empty) is the last that it hears.
pub(super) fn cut(row: &str, error: &'static str) -> Row {
    Row { bytes: bytes_of(row), then: Then::ClosedAfterEof(error) }
}

/// IDENTIFY with any bytes.
pub(super) fn identify(body: &[u8], error: &'static str) -> Row {
    let mut bytes = b"IDENTIFY\n".to_vec();
    bytes.extend_from_slice(&u32::try_from(body.len()).expect("it is short").to_be_bytes());
    bytes.extend_from_slice(body);
    let then = if error.is_empty() { Then::Open(vec!["OK"]) } else { Then::Closed(vec![error]) };
    Row { bytes, then }
}

impl Row {
    /// Whether it is about IDENTIFY, which a connection with layers does not take.
    pub(super) fn identifies(&self) -> bool {
        self.bytes.starts_with(b"IDENTIFY")
    }

    /// As [`Row::check`], where publishing is not allowed to just anybody.
    pub(super) async fn check_without_publishing(&self, client: &mut Client, manner: Manner) {
        self.check_all(client, manner, false).await;
    }

    /// Sends the row and checks all that follows.
    pub(super) async fn check(&self, client: &mut Client, manner: Manner) {
        self.check_all(client, manner, true).await;
    }

    #[expect(clippy::print_stdout, reason = "captured, and shown of a test that fails")]
    async fn check_all(&self, client: &mut Client, manner: Manner, may_publish: bool) {
        println!("row \"{}\"", self.bytes.get(..100).unwrap_or(&self.bytes).escape_ascii());
        let is_alive = matches!(self.then, Then::Open(_) | Then::Told(_));
        let is_cut = matches!(self.then, Then::ClosedAfterEof(_));
        match manner {
            Manner::Whole => client.send(&self.bytes).await,
            Manner::Bytes => {
                // Long ones only are not cut everywhere.
                for part in self.bytes.chunks(1 + self.bytes.len() / 1000) {
                    // It may be closed before the last byte.
                    drop(client.try_send(part).await);
                }
            }
            Manner::Between => {
                let behind = if is_alive || is_cut { b"" } else { BEHIND };
                client.send([BEFORE, &self.bytes, behind].concat()).await;
                client.expect_ok().await;
            }
        }
        match &self.then {
            Then::Open(responses) => {
                for response in responses {
                    client.expect_response(response).await;
                }
                if may_publish {
                    client.expect_alive().await;
                } else {
                    // Refused, and so alive.
                    client.send("FOO\n").await;
                    client.expect_error("E_INVALID invalid command FOO").await;
                }
            }
            Then::Told(error) => {
                client.expect_error(bytes_of(error)).await;
                client.expect_alive().await;
            }
            Then::Closed(answers) => {
                let (error, responses) = answers.split_last().expect("there is an error");
                for response in responses {
                    client.expect_response(response).await;
                }
                client.expect_error(bytes_of(error)).await;
                client.expect_closed().await;
            }
            Then::ClosedAfterEof(error) => {
                client.finish_sending().await;
                if !error.is_empty() {
                    client.expect_error(error).await;
                }
                client.expect_closed().await;
            }
        }
    }
}

/// No command behind a fatal error was executed.
pub(super) async fn check_that_nothing_follows_an_error(nsqd: &Nsqd) {
    assert!(nsqd.stats().await.topic(NEVER).is_null(), "a command behind an error was executed");
}
