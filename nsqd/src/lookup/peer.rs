//! The connection to one nsqlookupd.

use std::{convert::Infallible, io, net::IpAddr, sync::Arc, time::Duration};

use bytes::BytesMut;
use daemon::broadcast::Broadcast;
use protocol::{LOOKUP_MAGIC, LookupCommand, LookupIdentified, LookupIdentify, take_lookup_answer};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpStream, lookup_host},
    time::{Instant, sleep, sleep_until, timeout},
};
use tracing::{error, info, warn};

use super::{Known, announced::Announced, secure::Secure};
use crate::nsqd::Nsqd;

/// To connect, and for each write and answer.
const STEP_TIMEOUT: Duration = Duration::from_secs(1);
const PING_INTERVAL: Duration = Duration::from_secs(15);
/// Between attempts to connect: doubled each time.
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(15);
/// A look is at everything. A change that comes alone is told at once: who is told too late that a topic was deleted connects
/// to it again, which makes it anew. After a look, changes wait for so many times what it took, within these limits, so that
/// looking takes a fraction of the time, however many topics come.
const LOOKS_APART: u32 = 50;
const LOOKS_APART_MIN: Duration = Duration::from_millis(5);
const LOOKS_APART_MAX: Duration = Duration::from_millis(500);
/// Commands whose answers are awaited together.
const BATCH: usize = 100;
/// More changes than this are one line in the log.
const LOGGED_MAX: usize = 10;

/// Consumers are sent to the address that an nsqlookupd is told: says so if they can probably not reach it.
async fn warn_of_address(lookupd: &str, announced: &str, peer: IpAddr) {
    let advice = "give --broadcast-address: a name, an address, auto, interface:NAME or env:NAME";
    let found = match in_time(lookup_host((announced, 0))).await {
        Ok(found) => found.map(|address| address.ip()).collect(),
        Err(_) => Vec::new(),
    };
    if found.is_empty() {
        warn!("LOOKUPD({lookupd}): it is told the address {announced}, which has no address here; {advice}");
    } else if !peer.is_loopback() && found.iter().all(IpAddr::is_loopback) {
        warn!(
            "LOOKUPD({lookupd}): it is told the address {announced}, which leads to this host alone: consumers \
             elsewhere will not get here; {advice}"
        );
    }
}

/// Keeps one nsqlookupd informed, for ever. Its name is resolved anew at each attempt.
pub(super) async fn run(
    nsqd: Arc<Nsqd>,
    address: String,
    identify: LookupIdentify,
    secure: Option<Arc<Secure>>,
    known: Known,
) {
    let mut pause = PAUSE_MIN;
    let mut random = nsqd.start_unix.unsigned_abs() | 1;
    loop {
        let started = Instant::now();
        let Err(cause) = session(&nsqd, &address, &identify, secure.as_deref(), &known).await;
        error!("LOOKUPD({address}): {cause}");
        // One that stayed is tried again at once.
        pause = if PAUSE_MAX < started.elapsed() { PAUSE_MIN } else { (pause * 2).min(PAUSE_MAX) };
        // Many nsqds that lost the same nsqlookupd come back one by one (xorshift64, Marsaglia 2003).
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        sleep(pause.mul_f64(0.5 + 0.5 * f64::from(u16::try_from(random % 1000).unwrap_or(0)) / 1000.0)).await;
    }
}

async fn session(
    nsqd: &Nsqd,
    address: &str,
    identify: &LookupIdentify,
    secure: Option<&Secure>,
    known: &Known,
) -> io::Result<Infallible> {
    let stream = in_time(TcpStream::connect(address)).await?;
    stream.set_nodelay(true)?;
    let mut identify = identify.clone();
    if nsqd.start.options.broadcast == Broadcast::Auto {
        identify.broadcast_address = stream.local_addr()?.ip().to_string();
    }
    if known.lock().get(address).is_some_and(Option::is_none) {
        warn_of_address(address, &identify.broadcast_address, stream.peer_addr()?.ip()).await;
    }
    match secure {
        None => talk(nsqd, address, &identify, stream, known).await,
        Some(secure) => {
            let stream = in_time(secure.connect(address, stream)).await?;
            talk(nsqd, address, &identify, stream, known).await
        }
    }
}

async fn talk(
    nsqd: &Nsqd,
    address: &str,
    identify: &LookupIdentify,
    stream: impl AsyncRead + AsyncWrite + Unpin,
    known: &Known,
) -> io::Result<Infallible> {
    let max = usize::try_from(nsqd.start.options.max_body_size).unwrap_or(usize::MAX);
    let mut peer = Peer { stream, input: BytesMut::new(), answer_bytes_max: max };
    // From before the first look, so that no change is missed.
    let mut changes = nsqd.topics.names_changes();
    let mut out = BytesMut::from(&LOOKUP_MAGIC[..]);
    identify.encode(&mut out);
    peer.send(&out).await?;
    let answer = peer.answer().await?;
    let identified: LookupIdentified = serde_json::from_slice(&answer).map_err(|_| {
        io::Error::other(format!("IDENTIFY was answered by {:?}", String::from_utf8_lossy(&answer)))
    })?;
    if identified.broadcast_address.is_empty() {
        error!("LOOKUPD({address}): it does not say under which address it can be asked");
    }
    info!("LOOKUPD({address}): connected, version {}", identified.version);
    known.lock().insert(address.to_owned(), Some(identified));
    let mut announced = Announced::default();
    let mut ping_at = Instant::now() + PING_INTERVAL;
    loop {
        changes.mark_unchanged();
        let looking_since = Instant::now();
        let now = Announced::of(&nsqd.topics);
        let commands = announced.commands_to(&now);
        let looked_for = looking_since.elapsed();
        let apart = (looked_for * LOOKS_APART).clamp(LOOKS_APART_MIN, LOOKS_APART_MAX);
        let next_look_at = looking_since + looked_for + apart;
        if LOGGED_MAX < commands.len() {
            info!("LOOKUPD({address}): {} topics and channels REGISTER or UNREGISTER", commands.len());
        }
        for batch in commands.chunks(BATCH) {
            if commands.len() <= LOGGED_MAX {
                for command in batch {
                    info!("LOOKUPD({address}): {command}");
                }
            }
            peer.tell(address, batch).await?;
        }
        announced = now;
        tokio::select! {
            result = changes.changed() => {
                if result.is_err() {
                    std::future::pending::<()>().await;
                }
                sleep_until(next_look_at).await;
            }
            () = sleep_until(ping_at) => {
                peer.tell(address, &[LookupCommand::Ping]).await?;
                ping_at = Instant::now() + PING_INTERVAL;
            }
            // It has nothing to say unasked: this is its end.
            end = peer.stream.read_buf(&mut peer.input) => {
                end?;
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "connection closed"));
            }
        }
    }
}

struct Peer<S> {
    stream: S,
    input: BytesMut,
    answer_bytes_max: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Peer<S> {
    /// Sends commands, and waits for all answers.
    async fn tell(&mut self, address: &str, commands: &[LookupCommand]) -> io::Result<()> {
        let mut out = BytesMut::new();
        for command in commands {
            command.encode(&mut out);
        }
        self.send(&out).await?;
        for command in commands {
            let answer = self.answer().await?;
            if answer.starts_with(b"E_") {
                // Only this one: it is said again with the next connection.
                error!("LOOKUPD({address}): {command} - {}", String::from_utf8_lossy(&answer));
            }
        }
        Ok(())
    }

    async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        in_time(async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        })
        .await
    }

    async fn answer(&mut self) -> io::Result<BytesMut> {
        in_time(async {
            loop {
                if let Some(answer) =
                    take_lookup_answer(&mut self.input, self.answer_bytes_max).map_err(io::Error::other)?
                {
                    return Ok(answer);
                }
                if self.stream.read_buf(&mut self.input).await? == 0 {
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "connection closed"));
                }
            }
        })
        .await
    }
}

async fn in_time<T>(step: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let late = |_| io::Error::new(io::ErrorKind::TimedOut, "i/o timeout");
    timeout(STEP_TIMEOUT, step).await.map_err(late)?
}
