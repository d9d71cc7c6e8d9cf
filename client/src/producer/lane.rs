//! A connection of a producer.

use std::{convert::Infallible, io, sync::Arc, time::Duration};

use bytes::BytesMut;
use parking_lot::Mutex;
use protocol::{ErrorCode, HEARTBEAT, OK};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{Notify, OwnedSemaphorePermit, oneshot},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::{
    line::{Answer, Line},
    publication::Publication,
};
use crate::{
    Config,
    connection::{Connected, Connector, Inbox, Incoming, write_all},
    io_cause,
};

/// An idle connection keeps at most so much of a buffer.
const KEPT_BYTES_MAX: usize = 64 << 10;
/// How long answers are awaited when the producer is closed.
const CLOSE_LIMIT: Duration = Duration::from_secs(30);

/// A connection to be, to its end. Publishes queue up while it is made.
#[derive(Debug, Default)]
pub(super) struct Lane {
    line: Mutex<Line>,
    wake: Notify,
    // Somebody waits for the last answer.
    answered: Notify,
}

/// Ends a lane whose task is dropped with its runtime: nobody is to wait for ever.
struct EndOnDrop(Arc<Lane>);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.end(&End::Closed);
    }
}

/// Why a lane ended.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error("{}", io_cause(.0))]
    Io(#[from] io::Error),
    #[error("{0}")]
    Frame(#[from] protocol::FrameError),
    #[error("nsqd answers what was not asked; check the peer")]
    Unasked,
    /// nsqd closes behind this, and executes nothing that follows.
    #[error("{0}")]
    Refused(String),
    #[error("the producer was closed")]
    Closed,
}

impl Lane {
    /// See [`Line::push`].
    pub(super) fn push(
        &self,
        publication: &Publication<'_>,
        permit: OwnedSemaphorePermit,
    ) -> Result<oneshot::Receiver<Answer>, OwnedSemaphorePermit> {
        let mut line = self.line.lock();
        let answered = line.push(publication, permit)?;
        let needs_waking = line.needs_waking();
        drop(line);
        if needs_waking {
            self.wake.notify_one();
        }
        Ok(answered)
    }

    /// Whether it takes no more.
    pub(super) fn is_ended(&self) -> bool {
        self.line.lock().is_ended()
    }

    /// Connects, and runs until the connection ends or the producer is gone (`closed`).
    pub(super) fn run(
        self: Arc<Self>,
        connector: Arc<Connector>,
        address: Arc<str>,
        closed: CancellationToken,
    ) -> impl Future<Output = ()> + Send {
        // Not in the future's body: it may be dropped before it is polled.
        let ended = EndOnDrop(self);
        async move { ended.0.connect_and_serve(&connector, &address, &closed).await }
    }

    async fn connect_and_serve(&self, connector: &Connector, address: &str, closed: &CancellationToken) {
        let label = connector.label();
        let connected = tokio::select! {
            connected = connector.connect(address) => connected,
            () = closed.cancelled() => return self.end(&End::Closed),
        };
        let end = match connected {
            Ok(connected) => self.serve(connected, connector.config(), closed).await,
            Err(cause) => {
                tracing::error!("{label} ({address}) error connecting to nsqd - {cause}");
                let (written, unwritten) = self.line.lock().end();
                for waiter in written.into_iter().chain(unwritten) {
                    waiter.tell(Answer::NotConnected(cause.clone()));
                }
                self.answered.notify_waiters();
                return;
            }
        };
        match &end {
            End::Refused(text) => tracing::error!("{label} ({address}) protocol error - {text}"),
            End::Closed => tracing::info!("{label} ({address}) stopping"),
            end => tracing::error!("{label} ({address}) IO error - {end}"),
        }
        self.end(&end);
    }

    /// Waits until nobody waits for an answer.
    pub(super) async fn drained(&self) {
        let draining = async {
            loop {
                let answered = self.answered.notified();
                tokio::pin!(answered);
                answered.as_mut().enable();
                if self.line.lock().is_empty() {
                    return;
                }
                answered.await;
            }
        };
        // Whoever waits beyond it is told that the connection was lost.
        let _ = timeout(CLOSE_LIMIT, draining).await;
    }

    async fn serve(&self, connected: Connected, config: &Config, closed: &CancellationToken) -> End {
        let mut inbox = connected.inbox;
        let (mut reader, mut writer) = tokio::io::split(connected.stream);
        let ended = tokio::select! {
            ended = self.read(&mut reader, &mut inbox, config.read_timeout) => ended,
            ended = self.write(&mut writer, config.write_timeout) => ended,
            () = closed.cancelled() => Err(End::Closed),
        };
        let Err(end) = ended;
        end
    }

    async fn read<R: AsyncRead + Unpin>(
        &self,
        stream: &mut R,
        inbox: &mut Inbox,
        limit: Duration,
    ) -> Result<Infallible, End> {
        loop {
            self.take_answers(inbox)?;
            inbox.fill(stream, limit).await?;
        }
    }

    /// Hands out the answers that came.
    fn take_answers(&self, inbox: &mut Inbox) -> Result<(), End> {
        let mut line = self.line.lock();
        let mut needs_waking = false;
        let mut ended = Ok(());
        while ended.is_ok() {
            let Some(frame) = inbox.next()? else { break };
            match frame {
                Incoming::Response(data) if data == HEARTBEAT => {
                    line.nop();
                    needs_waking |= line.needs_waking();
                }
                Incoming::Response(data) if data == OK => match line.answered() {
                    Some(waiter) => waiter.tell(Answer::Published),
                    None => ended = Err(End::Unasked),
                },
                Incoming::Response(_) => {}
                Incoming::Error(text) => {
                    let is_fatal = ErrorCode::of(&text).is_some_and(ErrorCode::is_fatal);
                    let text = String::from_utf8_lossy(&text).into_owned();
                    if let Some(waiter) = line.answered() {
                        waiter.tell(Answer::Refused(text.clone()));
                    }
                    if is_fatal {
                        ended = Err(End::Refused(text));
                    }
                }
                Incoming::Message(..) => ended = Err(End::Unasked),
            }
        }
        let is_drained = line.is_empty();
        drop(line);
        if needs_waking {
            self.wake.notify_one();
        }
        if is_drained {
            self.answered.notify_waiters();
        }
        ended
    }

    async fn write<W: AsyncWrite + Unpin>(&self, stream: &mut W, limit: Duration) -> Result<Infallible, End> {
        let mut out = BytesMut::new();
        loop {
            self.line.lock().take(&mut out);
            if out.is_empty() {
                self.wake.notified().await;
                // Whoever else is about to publish does so first: one write for many.
                tokio::task::yield_now().await;
                continue;
            }
            write_all(stream, &out, limit).await?;
            out.clear();
            if KEPT_BYTES_MAX < out.capacity() {
                out = BytesMut::new();
            }
        }
    }

    /// Tells all who wait.
    fn end(&self, end: &End) {
        let (written, unwritten) = self.line.lock().end();
        let fate = match end {
            // The commands behind a refused one are not executed.
            End::Refused(_) => Answer::NotSent,
            end => Answer::Lost(end.to_string()),
        };
        for waiter in written {
            waiter.tell(fate.clone());
        }
        for waiter in unwritten {
            waiter.tell(Answer::NotSent);
        }
        self.answered.notify_waiters();
    }
}
