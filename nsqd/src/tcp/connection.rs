//! The task of one connection: its socket, its deadlines, and when to read and write.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use daemon::tls::HandshakeError;
use protocol::{Compression, ProtocolError, check_magic, put_error};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::{Instant, Sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::{
    input::{Input, Read},
    session::{Now, RESPONSES_MAX, Session, Step},
    settings::Settings,
    stream::{Layer, Stream},
};
use crate::{clock, nsqd::Nsqd};

/// How long a new connection may take to say which protocol it speaks.
const MAGIC_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the last bytes may take, and what the client still sends is read, before the socket is closed: unread
/// input would turn the close into a reset, which can destroy the error frame on its way.
const LINGER: Duration = Duration::from_secs(1);
/// How long the answer to IDENTIFY may take to be written before the connection changes.
const UPGRADE_TIMEOUT: Duration = Duration::from_secs(5);
/// Turns of the loop before others on the same worker get theirs.
const TURNS_MAX: usize = 32;

/// Why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The client closed it.
    Client,
    /// The client sent nothing for two heartbeat intervals.
    Silent,
    /// The client did not read for a heartbeat interval.
    Stuck,
    /// A command was wrong; the error frame is in the output.
    Error,
    /// The socket failed.
    Socket,
    /// Its channel was deleted, or the daemon stops.
    Daemon,
}

/// What a turn of the loop cannot do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    End(End),
    /// Layers are to be put on the stream.
    Upgrade,
}

impl From<End> for Event {
    fn from(end: End) -> Self {
        Self::End(end)
    }
}

impl End {
    fn reason(self) -> &'static str {
        match self {
            Self::Client => "closed by the client",
            Self::Silent => "no command for two heartbeat intervals",
            Self::Stuck => "the client does not read",
            Self::Error => "a command was refused",
            Self::Socket => "the connection broke",
            Self::Daemon => "channel deleted or daemon stopping",
        }
    }
}

/// Serves one client until it leaves, is wrong, or `stop` is cancelled.
pub(crate) async fn serve<S>(
    nsqd: Arc<Nsqd>,
    settings: Arc<Settings>,
    mut stream: S,
    peer: (String, String),
    stop: CancellationToken,
) where
    S: Layer + 'static,
{
    let (address, ip) = peer;
    let mut magic = [0; 4];
    let read = tokio::select! {
        read = timeout(MAGIC_TIMEOUT, stream.read_exact(&mut magic)) => read,
        () = stop.cancelled() => return,
    };
    if !matches!(read, Ok(Ok(_))) {
        // A probe that connects and closes is nobody's business.
        tracing::debug!(client = %address, "closed before the protocol magic");
        return;
    }
    if let Err(error) = check_magic(magic) {
        info!(client = %address, "bad protocol magic {:?}", String::from_utf8_lossy(&magic));
        refuse(&mut stream, &error).await;
        return;
    }
    let client = nsqd.clients.add(address, &ip);
    info!(connection = client.id, "TCP: new client({})", client.remote_address);
    let session = Session::new(Arc::clone(&nsqd), Arc::clone(&client), settings);
    let mut connection = Connection::new(stream, session);
    let end = loop {
        let event = tokio::select! {
            event = std::future::poll_fn(|context| connection.poll(context)) => event,
            () = stop.cancelled() => Event::End(End::Daemon),
        };
        let upgraded = match event {
            Event::End(end) => Err(end),
            // On the heap: few connections do it, and those only once.
            Event::Upgrade => tokio::select! {
                upgraded = Box::pin(connection.upgrade()) => upgraded,
                () = stop.cancelled() => Err(End::Daemon),
            },
        };
        if let Err(end) = upgraded {
            break end;
        }
    };
    connection.session.end();
    nsqd.clients.remove(&client);
    let name = client.identity.read().client_id.clone();
    info!(
        connection = client.id,
        client_id = name,
        "client({}) disconnected: {}",
        client.remote_address,
        end.reason()
    );
    connection.session.output.cancel_runs();
    if matches!(end, End::Error | End::Silent | End::Client) {
        let finished = timeout(LINGER, connection.finish(end)).await;
        tracing::trace!(?finished, "lingered");
    }
}

async fn refuse(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), error: &ProtocolError) {
    let mut frame = bytes::BytesMut::new();
    put_error(&mut frame, error);
    // The client is wrong and may be gone: nothing more can be done for it.
    let _ = timeout(LINGER, async {
        stream.write_all(&frame).await?;
        stream.shutdown().await?;
        drain(stream).await
    })
    .await;
}

/// Reads what still comes, to nowhere.
async fn drain(stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<()> {
    // On the heap: an array would be part of every connection.
    let mut nowhere = vec![0; 4096];
    while stream.read(&mut nowhere).await? != 0 {}
    Ok(())
}

struct Connection<S> {
    stream: Stream<S>,
    session: Session,
    input: Input,
    /// Bytes are there that were not executed, since responses had to be written first.
    is_held: bool,
    /// Armed for the earliest deadline, or earlier.
    sleep: Pin<Box<Sleep>>,
    armed_ns: u64,
    identified: u32,
    next_heartbeat_ns: u64,
    read_deadline_ns: u64,
    write_deadline_ns: u64,
    /// Something was written that a layer may hold.
    is_unflushed: bool,
    /// An authorization server is awaited.
    is_waiting: bool,
}

impl<S: Layer + 'static> Connection<S> {
    fn new(stream: S, session: Session) -> Self {
        let mut connection = Self {
            stream: Stream::Plain(stream),
            session,
            input: Input::default(),
            is_held: false,
            sleep: Box::pin(tokio::time::sleep(Duration::ZERO)),
            armed_ns: 0,
            identified: 0,
            next_heartbeat_ns: 0,
            read_deadline_ns: 0,
            write_deadline_ns: u64::MAX,
            is_unflushed: false,
            is_waiting: false,
        };
        connection.restart_timers(clock::mono_ns());
        connection
    }

    fn interval_ns(&self) -> Option<u64> {
        let interval = self.session.agreed.heartbeat_interval?;
        Some(u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX))
    }

    fn restart_timers(&mut self, now_ns: u64) {
        self.next_heartbeat_ns =
            self.interval_ns().map_or(u64::MAX, |interval| now_ns.saturating_add(interval));
        self.restart_reading(now_ns);
    }

    fn restart_reading(&mut self, now_ns: u64) {
        self.read_deadline_ns =
            self.interval_ns().map_or(u64::MAX, |ns| now_ns.saturating_add(ns.saturating_mul(2)));
    }

    /// One turn after the other until there is nothing to do but wait.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Event> {
        self.session.client.register(context.waker());
        for _ in 0..TURNS_MAX {
            let now = Now { ns: clock::mono_ns(), unix_ns: clock::unix_ns() };
            if self.session.client.is_closed() {
                return Poll::Ready(End::Daemon.into());
            }
            if let Some(end) = self.on_time(now) {
                return Poll::Ready(end.into());
            }
            match self.poll_commit(context) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(end)) => return Poll::Ready(end.into()),
                Poll::Pending => return self.wait(context),
            }
            let is_woken = self.session.client.take_woken();
            let read = match self.poll_read(context, now) {
                Ok(read) => read,
                Err(event) => return Poll::Ready(event),
            };
            if is_woken {
                self.session.on_wake();
            }
            if self.session.is_committing() {
                // What was read has to be on the disk before anything is written.
                continue;
            }
            let delivered = self.session.deliver(now);
            let written = match self.poll_write(context, now) {
                Ok(written) => written,
                Err(end) => return Poll::Ready(end.into()),
            };
            if !read && !delivered && !written {
                self.session.output.shrink();
                return self.wait(context);
            }
        }
        // Still busy: the others on this worker get their turn, then this goes on.
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// Pending while responses wait for the disk.
    fn poll_commit(&mut self, context: &mut Context<'_>) -> Poll<Result<(), End>> {
        if !self.session.is_committing() {
            return Poll::Ready(Ok(()));
        }
        self.session.poll_commit(context).map_err(|()| End::Error)
    }

    /// Whether bytes were executed.
    fn poll_read(&mut self, context: &mut Context<'_>, now: Now) -> Result<bool, Event> {
        if RESPONSES_MAX <= self.session.output.small_bytes()
            || self.session.poll_authorization(context).is_pending()
        {
            return Ok(false);
        }
        if std::mem::take(&mut self.is_waiting) {
            self.restart_reading(now.ns);
        }
        let session = &mut self.session;
        let execute = |bytes: &[u8]| {
            let (consumed, step) = session.execute(bytes, now);
            (consumed, (consumed, step))
        };
        let (consumed, step) = if self.is_held {
            self.input.consume(execute)
        } else {
            match self.input.poll_read(Pin::new(&mut self.stream), context, execute) {
                Poll::Pending => return Ok(false),
                Poll::Ready(Ok(Read::Bytes(result))) => result,
                // The second is TLS that ends without saying so.
                Poll::Ready(Err(cause)) if cause.kind() != std::io::ErrorKind::UnexpectedEof => {
                    return Err(End::Socket.into());
                }
                Poll::Ready(Ok(Read::End) | Err(_)) => {
                    self.session.cut(self.input.rest());
                    return Err(End::Client.into());
                }
            }
        };
        self.is_held = matches!(step, Step::Write | Step::Wait);
        if self.identified != self.session.identified {
            self.identified = self.session.identified;
            self.restart_timers(now.ns);
        } else if consumed != 0 {
            self.restart_reading(now.ns);
        }
        match step {
            Step::Read | Step::Write => Ok(true),
            Step::Wait => {
                // The client need not say anything meanwhile.
                self.is_waiting = true;
                self.read_deadline_ns = u64::MAX;
                Ok(true)
            }
            Step::Upgrade => Err(Event::Upgrade),
            Step::Close => Err(End::Error.into()),
        }
    }

    /// Whether bytes were written.
    fn poll_write(&mut self, context: &mut Context<'_>, now: Now) -> Result<bool, End> {
        let stream = Pin::new(&mut self.stream);
        let written = match self.session.output.poll_write(stream, context) {
            Poll::Ready(Ok(0)) if self.is_unflushed => Pin::new(&mut self.stream)
                .poll_flush(context)
                .map_ok(|()| self.is_unflushed = false)
                .map_ok(|()| false),
            Poll::Ready(Ok(0)) => Poll::Ready(Ok(false)),
            Poll::Ready(Ok(_)) => {
                self.is_unflushed = self.stream.is_layered();
                Poll::Ready(Ok(true))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        };
        match written {
            Poll::Ready(Ok(written)) => {
                self.write_deadline_ns = u64::MAX;
                Ok(written)
            }
            Poll::Pending => {
                if self.write_deadline_ns == u64::MAX {
                    self.write_deadline_ns =
                        self.interval_ns().map_or(u64::MAX, |ns| now.ns.saturating_add(ns));
                }
                Ok(false)
            }
            Poll::Ready(Err(_)) => Err(End::Socket),
        }
    }

    /// Puts the layers on the stream that IDENTIFY agreed on, and answers from within each.
    async fn upgrade(&mut self) -> Result<(), End> {
        let Some(upgrade) = self.session.upgrade.take() else { return Ok(()) };
        if self.session.is_committing() {
            std::future::poll_fn(|context| self.session.poll_commit(context))
                .await
                .map_err(|()| End::Error)?;
        }
        self.write_out().await?;
        let address = self.session.client.remote_address.clone();
        if upgrade.tls
            && let Some(tls) = self.session.tls()
        {
            info!("PROTOCOL(V2): [{address}] upgrading connection to TLS");
            match self.take_stream().with_tls(&tls, self.input.take()).await {
                Ok((stream, peer)) => {
                    self.stream = stream;
                    self.session.upgraded(|identity| identity.tls = Some(peer));
                }
                Err(HandshakeError { cause, stream }) => {
                    self.stream = stream;
                    self.session.not_upgraded(&cause);
                    return Err(End::Error);
                }
            }
            self.write_out().await?;
        }
        if let Some(compression) = upgrade.compression {
            info!("PROTOCOL(V2): [{address}] upgrading connection to {}", name(compression));
            self.stream = self.take_stream().with_compression(compression, self.input.take());
            self.session.upgraded(|identity| identity.compression = Some(compression));
            self.write_out().await?;
        }
        self.restart_timers(clock::mono_ns());
        Ok(())
    }

    /// The stream, in place of which there is none.
    fn take_stream(&mut self) -> Stream<S> {
        std::mem::replace(&mut self.stream, Stream::Layered(Box::new(tokio::io::empty())))
    }

    /// Writes all responses.
    async fn write_out(&mut self) -> Result<(), End> {
        match timeout(UPGRADE_TIMEOUT, self.write_all()).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(End::Socket),
            Err(_) => Err(End::Stuck),
        }
    }

    async fn write_all(&mut self) -> std::io::Result<()> {
        if self.session.is_committing() {
            // After a failure its error is in the output, and the connection ends in any case.
            let _ = std::future::poll_fn(|context| self.session.poll_commit(context)).await;
        }
        let (stream, output) = (&mut self.stream, &mut self.session.output);
        while !output.is_empty() {
            std::future::poll_fn(|context| output.poll_write(Pin::new(stream), context)).await?;
        }
        self.is_unflushed = false;
        self.stream.flush().await
    }

    /// Does what is due.
    fn on_time(&mut self, now: Now) -> Option<End> {
        if self.read_deadline_ns <= now.ns {
            self.session.cut(self.input.rest());
            return Some(End::Silent);
        }
        if self.write_deadline_ns <= now.ns {
            return Some(End::Stuck);
        }
        if self.next_heartbeat_ns <= now.ns {
            self.session.heartbeat();
            self.next_heartbeat_ns =
                self.interval_ns().map_or(u64::MAX, |interval| now.ns.saturating_add(interval));
        }
        if self.session.next_deadline_ns().is_some_and(|deadline| deadline <= now.ns) {
            self.session.expire(now);
        }
        None
    }

    /// Arms the timer for the earliest deadline.
    fn wait(&mut self, context: &mut Context<'_>) -> Poll<Event> {
        let deadline = self.session.next_deadline_ns().unwrap_or(u64::MAX);
        let earliest =
            deadline.min(self.next_heartbeat_ns).min(self.read_deadline_ns).min(self.write_deadline_ns);
        let now_ns = clock::mono_ns();
        if earliest < self.armed_ns || self.armed_ns <= now_ns {
            self.armed_ns = earliest;
            // A sleep of some years stands for none.
            let sleep =
                Duration::from_nanos(earliest.saturating_sub(now_ns)).min(Duration::from_hours(24 * 365));
            self.sleep.as_mut().reset(Instant::now() + sleep);
        }
        if self.sleep.as_mut().poll(context).is_ready() {
            self.armed_ns = 0;
            context.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// Writes what is left, then lets the client see the end.
    async fn finish(&mut self, end: End) -> std::io::Result<()> {
        self.write_all().await?;
        self.stream.shutdown().await?;
        if end == End::Client { Ok(()) } else { drain(&mut self.stream).await }
    }
}

fn name(compression: Compression) -> String {
    match compression {
        Compression::Snappy => "snappy".to_owned(),
        Compression::Deflate { level } => format!("deflate (level {level})"),
    }
}
