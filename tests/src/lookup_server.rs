//! The TCP half of an nsqlookupd, which writes down what nsqd says.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::HttpServer;

/// How long it may take until nsqd says something: it pings each 15 s.
const PATIENCE: Duration = Duration::from_secs(30);

/// How it treats nsqd. All but the last two answer IDENTIFY as they should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// `OK`.
    Kind,
    /// Nothing.
    Silent,
    /// A length below zero.
    Mad,
    /// Nothing, to IDENTIFY neither.
    Mute,
    /// The end of the connection, before a word is said.
    Rude,
}

/// A server that ends when this is dropped.
pub struct LookupServer {
    address: SocketAddr,
    state: Arc<State>,
    _tasks: JoinSet<()>,
}

struct State {
    http_port: u16,
    mood: Mutex<Mood>,
    said: watch::Sender<Vec<String>>,
    connections: watch::Sender<usize>,
    ended: watch::Sender<usize>,
    /// Rises when all connections are to end.
    end: watch::Sender<usize>,
}

impl LookupServer {
    /// Starts a server whose HTTP half is `http`.
    pub async fn start(http: &HttpServer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there are free ports");
        let address = listener.local_addr().expect("it is bound");
        let state = Arc::new(State {
            http_port: http.address().port(),
            mood: Mutex::new(Mood::Kind),
            said: watch::Sender::default(),
            connections: watch::Sender::new(0),
            ended: watch::Sender::new(0),
            end: watch::Sender::new(0),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, Arc::clone(&state)));
        Self { address, state, _tasks: tasks }
    }

    /// The flag that names it.
    pub fn flag(&self) -> String {
        format!("--lookupd-tcp-address={}", self.address)
    }

    /// What it answers from now on.
    pub fn be(&self, mood: Mood) {
        *self.state.mood.lock() = mood;
    }

    /// Ends all connections, and forgets what was said.
    pub fn hang_up(&self) {
        self.state.said.send_replace(Vec::new());
        self.state.end.send_modify(|ends| *ends += 1);
    }

    /// What nsqd has said, a line a command; IDENTIFY with its JSON.
    pub fn said(&self) -> Vec<String> {
        self.state.said.borrow().clone()
    }

    /// Waits until nsqd has said this.
    pub async fn await_said(&self, line: &str) {
        let mut said = self.state.said.subscribe();
        let wait = said.wait_for(|said| said.iter().any(|one| one == line));
        let waited = tokio::time::timeout(PATIENCE, wait).await.is_ok();
        assert!(waited, "waited in vain for {line:?}, got {:?}", self.said());
    }

    /// Waits until nsqd has connected so often.
    pub async fn await_connections(&self, count: usize) {
        let mut connections = self.state.connections.subscribe();
        let wait = connections.wait_for(|connected| count <= *connected);
        let waited = tokio::time::timeout(PATIENCE, wait).await;
        assert!(waited.is_ok(), "waited in vain for {count} connections");
    }

    /// How often nsqd has connected.
    pub fn connections(&self) -> usize {
        *self.state.connections.borrow()
    }

    /// Waits until so many connections have ended.
    pub async fn await_ended(&self, count: usize) {
        let mut ended = self.state.ended.subscribe();
        let waited = tokio::time::timeout(PATIENCE, ended.wait_for(|ended| count <= *ended)).await;
        assert!(waited.is_ok(), "waited in vain for the end of {count} connections");
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.expect("it can accept");
        state.connections.send_modify(|count| *count += 1);
        let state = Arc::clone(&state);
        connections.spawn(async move {
            let mut end = state.end.subscribe();
            end.mark_unchanged();
            tokio::select! {
                _ = serve(stream, &state) => {}
                _ = end.changed() => {}
            }
            state.ended.send_modify(|count| *count += 1);
        });
    }
}

/// Ends with the connection.
async fn serve(mut stream: TcpStream, state: &State) -> std::io::Result<()> {
    if *state.mood.lock() == Mood::Rude {
        return Ok(());
    }
    let mut magic = [0; 4];
    stream.read_exact(&mut magic).await?;
    assert_eq!(&magic, b"  V1");
    let mut input = BytesMut::new();
    loop {
        while let Some(end) = input.iter().position(|byte| *byte == b'\n') {
            let mut line = String::from_utf8_lossy(&input[..end]).into_owned();
            let is_identify = line == "IDENTIFY";
            if is_identify {
                let Some(size) = input[end + 1..].first_chunk() else { break };
                let size = usize::try_from(u32::from_be_bytes(*size)).expect("it fits");
                if input.len() < end + 5 + size {
                    break;
                }
                line = format!("IDENTIFY {}", String::from_utf8_lossy(&input[end + 5..end + 5 + size]));
                input.advance(4 + size);
            }
            input.advance(end + 1);
            state.said.send_modify(|said| said.push(line));
            let answer = if is_identify {
                format!(
                    r#"{{"broadcast_address":"127.0.0.1","hostname":"h","http_port":{},"tcp_port":1,"version":"1.3.0"}}"#,
                    state.http_port
                )
            } else {
                "OK".to_owned()
            };
            let mood = *state.mood.lock();
            match if is_identify && mood != Mood::Mute { Mood::Kind } else { mood } {
                Mood::Kind => {
                    let size = u32::try_from(answer.len()).expect("it is short").to_be_bytes();
                    stream.write_all(&[&size[..], answer.as_bytes()].concat()).await?;
                }
                Mood::Silent | Mood::Mute => {}
                Mood::Mad => stream.write_all(&(-1_i32).to_be_bytes()).await?,
                Mood::Rude => return Ok(()),
            }
        }
        if stream.read_buf(&mut input).await? == 0 {
            return Ok(());
        }
    }
}
