//! A connection of a consumer, from SUB to its end.

use std::{io, sync::Arc, time::Duration};

use bytes::BytesMut;
use protocol::{CLOSE_WAIT, ChannelName, Command, ErrorCode, HEARTBEAT, TopicName};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    time::{sleep, timeout},
};

use super::{Message, hub::Hub, link::Link, message::is_given_up, outbox::Taken};
use crate::{
    ConnectError,
    connection::{BoxedStream, Connector, Inbox, Incoming, write_all},
    io_cause,
};

/// An idle connection keeps at most so much of a buffer.
const KEPT_BYTES_MAX: usize = 64 << 10;
/// How long nsqd may take to close its side of a connection that is through.
const GOODBYE_LIMIT: Duration = Duration::from_secs(1);

/// Makes connections of a consumer.
#[derive(Debug)]
pub(super) struct Subscriber {
    pub(super) hub: Arc<Hub>,
    pub(super) connector: Connector,
    pub(super) topic: TopicName,
    pub(super) channel: ChannelName,
}

/// A connection that is subscribed.
pub(super) struct Subscribed {
    stream: BoxedStream,
    inbox: Inbox,
    link: Arc<Link>,
}

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error("IO error - {}", io_cause(.0))]
    Io(#[from] io::Error),
    #[error("IO error - {0}")]
    Frame(#[from] protocol::FrameError),
    /// nsqd closes behind this error, which is logged already.
    #[error("beginning close")]
    Refused,
}

impl Subscriber {
    /// Connects and subscribes; `None` if the consumer stops meanwhile.
    ///
    /// # Errors
    /// [`ConnectError`]
    pub(super) async fn subscribe(&self, address: &str) -> Result<Option<Subscribed>, ConnectError> {
        let subscribing = async {
            let mut connected = self.connector.connect(address).await?;
            let command = Command::Sub { topic: self.topic.clone(), channel: self.channel.clone() };
            connected.expect_ok(&command, self.connector.config()).await?;
            Ok(connected)
        };
        let connected = tokio::select! {
            connected = subscribing => connected?,
            () = self.hub.stopping().cancelled() => return Ok(None),
        };
        let (max_rdy_count, wanted) = (connected.max_rdy_count, self.hub.max_in_flight());
        if max_rdy_count < wanted {
            tracing::warn!(
                "{} ({address}) max RDY count {max_rdy_count} < consumer max in flight {wanted}, truncation possible",
                self.hub.label()
            );
        }
        self.hub.note_msg_timeouts(connected.msg_timeouts_ms);
        let link = self.hub.join(address, max_rdy_count);
        Ok(link.map(|link| Subscribed { stream: connected.stream, inbox: connected.inbox, link }))
    }
}

impl Subscribed {
    /// Runs the connection until it ends. Whatever was in flight then comes again from nsqd.
    pub(super) async fn run(mut self) {
        let link = Arc::clone(&self.link);
        let hub = link.hub();
        let mut batch = Vec::new();
        let (mut reader, mut writer) = tokio::io::split(self.stream);
        let ended = tokio::select! {
            ended = read(&mut reader, &mut self.inbox, &link, &mut batch) => ended,
            ended = write(&mut writer, &link) => ended,
            () = hub.forced().cancelled() => Ok(()),
        };
        let (label, address) = (hub.label(), link.address());
        match ended {
            Ok(()) => {}
            // The answer to our goodbye.
            Err(End::Io(_)) if link.is_finished() => {}
            Err(End::Refused) => tracing::info!("{label} ({address}) beginning close"),
            Err(end) => tracing::error!("{label} ({address}) {end}"),
        }
        // Before the rest of the batch goes: it is not requeued by us.
        let was_open = link.close();
        drop(batch);
        if was_open {
            hub.queue().end_source();
        }
        let left = hub.leave(&link);
        tracing::info!("{label} ({address}) clean close complete");
        tracing::warn!("{label} there are {left} connections left alive");
    }
}

/// Reads frames; ends with the stream.
async fn read<R: AsyncRead + Unpin>(
    stream: &mut R,
    inbox: &mut Inbox,
    link: &Arc<Link>,
    batch: &mut Vec<Message>,
) -> Result<(), End> {
    let hub = link.hub();
    loop {
        let taken = take_frames(inbox, link, batch);
        if !batch.is_empty() {
            hub.count_received(batch.len() as u64);
            link.receive(u32::try_from(batch.len()).unwrap_or(u32::MAX));
            settle_given_up(link, batch);
            hub.queue().push(batch).await;
        }
        // Behind the messages before it: the queue must not end without them.
        if taken? == Frames::Ended && link.drain() {
            hub.queue().end_source();
        }
        inbox.fill(stream, hub.config().read_timeout).await?;
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Frames {
    /// More may come.
    Open,
    /// There will be no more messages.
    Ended,
}

/// Takes all whole frames that came. Messages go into `batch`.
fn take_frames(inbox: &mut Inbox, link: &Arc<Link>, batch: &mut Vec<Message>) -> Result<Frames, End> {
    let mut frames = Frames::Open;
    while let Some(frame) = inbox.next()? {
        match frame {
            Incoming::Message(header, body) => batch.push(Message::new(header, body, Arc::clone(link))),
            Incoming::Response(data) if data == HEARTBEAT => link.nop(),
            Incoming::Response(data) if data == CLOSE_WAIT => {
                tracing::info!("{} ({}) received CLOSE_WAIT from nsqd", link.hub().label(), link.address());
                frames = Frames::Ended;
            }
            Incoming::Response(_) => {}
            Incoming::Error(text) => {
                let (label, address) = (link.hub().label(), link.address());
                tracing::error!("{label} ({address}) protocol error - {}", String::from_utf8_lossy(&text));
                if ErrorCode::of(&text).is_some_and(ErrorCode::is_fatal) {
                    return Err(End::Refused);
                }
            }
        }
    }
    Ok(frames)
}

/// Finishes messages that came too often, unless the user wants them.
fn settle_given_up(link: &Arc<Link>, batch: &mut Vec<Message>) {
    let hub = link.hub();
    let is_over = |message: &Message| is_given_up(message.attempts, hub.config());
    if !batch.iter().any(is_over) {
        return;
    }
    for message in std::mem::take(batch) {
        if is_over(&message) {
            let (label, id, attempts) = (hub.label(), message.id, message.attempts);
            tracing::warn!("{label} msg {id} attempted {attempts} times, giving up");
            if !hub.config().deliver_given_up {
                message.finish();
                continue;
            }
        }
        batch.push(message);
    }
}

/// Writes commands; ends when there is nothing more to say.
async fn write<W: AsyncWrite + Unpin>(stream: &mut W, link: &Link) -> Result<(), End> {
    let limit = link.hub().config().write_timeout;
    let mut out = BytesMut::new();
    loop {
        match link.take(&mut out) {
            Taken::Bytes => {
                write_all(stream, &out, limit).await?;
                out.clear();
                if KEPT_BYTES_MAX < out.capacity() {
                    out = BytesMut::new();
                }
            }
            Taken::Nothing => link.woken().await,
            Taken::End => return say_goodbye(stream, limit).await,
        }
    }
}

/// Ends our side, and leaves nsqd time to end its own: closing a socket on which something is unread would throw away what
/// nsqd has not read yet.
async fn say_goodbye<W: AsyncWrite + Unpin>(stream: &mut W, limit: Duration) -> Result<(), End> {
    if let Ok(shut) = timeout(limit, stream.shutdown()).await {
        shut?;
    }
    sleep(GOODBYE_LIMIT).await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{
        collections::VecDeque,
        task::{Context, Waker},
    };

    use allocation_counter::measure;
    use protocol::{MessageHeader, MessageId, put_message};

    use super::*;
    use crate::{Config, label::Label};

    /// Protects the hot path: receiving, giving out and finishing cost nothing on the heap for a message, only for a read.
    #[test]
    fn messages_are_consumed_without_allocation() {
        const COUNT: u64 = 1000;
        let label = Label::consumer(&"t".parse().unwrap(), &"c".parse().unwrap());
        let config = Config { max_in_flight: 2500, ..Config::default() };
        let hub = Hub::new(Arc::new(config), label);
        let link = hub.join("127.0.0.1:4150", 2500).unwrap();
        let (mut batch, mut taken) = (Vec::new(), VecDeque::new());
        let (mut spare, mut out) = (VecDeque::new(), BytesMut::new());
        let mut context = Context::from_waker(Waker::noop());
        let mut counts = Vec::new();
        for _ in 0..3 {
            let mut frames = BytesMut::new();
            for number in 0..COUNT {
                let header = MessageHeader { timestamp_ns: 1, attempts: 1, id: MessageId::from_u64(number) };
                put_message(&mut frames, &header, &[b'x'; 200]);
            }
            let mut inbox = Inbox::holding(frames);
            let counted = measure(|| {
                assert!(matches!(take_frames(&mut inbox, &link, &mut batch), Ok(Frames::Open)));
                link.receive(u32::try_from(batch.len()).unwrap());
                settle_given_up(&link, &mut batch);
                let mut push = std::pin::pin!(hub.queue().push(&mut batch));
                assert!(push.as_mut().poll(&mut context).is_ready());
                assert!(hub.queue().poll_take(&mut taken, &mut context).is_ready());
                taken.drain(..).for_each(Message::finish);
                out.clear();
                assert_eq!(link.take(&mut out), Taken::Bytes);
            });
            counts.push(counted.count_total);
            // The queue swaps its buffer with the taker's.
            std::mem::swap(&mut taken, &mut spare);
        }
        assert_eq!(hub.counts().finished, 3 * COUNT);
        // The first rounds grow the buffers.
        assert!(counts[2] < 20, "{counts:?} allocations for {COUNT} messages each");
    }
}
