//! The body of an answer.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Frame, SizeHint};
use tokio::sync::mpsc;

/// Of an answer: most are there in full, some come bit by bit for as long as somebody listens.
#[derive(Debug)]
pub struct Body(Form);

#[derive(Debug)]
enum Form {
    Full(Full<Bytes>),
    Pieces(mpsc::Receiver<Bytes>),
}

impl Body {
    /// One that ends when whoever sends the pieces does; that one learns of the end of the connection by the closed queue.
    /// The connection ends behind it.
    pub fn pieces(rx: mpsc::Receiver<Bytes>) -> Self {
        Self(Form::Pieces(rx))
    }

    /// All of it, if it is there.
    pub fn into_whole(self) -> Option<Bytes> {
        match self.0 {
            Form::Full(full) => Some(full.into_inner().unwrap_or_default()),
            Form::Pieces(_) => None,
        }
    }

    /// Whether it is not there yet.
    pub fn is_in_pieces(&self) -> bool {
        matches!(self.0, Form::Pieces(_))
    }
}

impl<T: Into<Bytes>> From<T> for Body {
    fn from(bytes: T) -> Self {
        Self(Form::Full(Full::new(bytes.into())))
    }
}

impl Default for Body {
    fn default() -> Self {
        Bytes::new().into()
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut self.get_mut().0 {
            Form::Full(full) => Pin::new(full).poll_frame(context),
            Form::Pieces(rx) => rx.poll_recv(context).map(|piece| piece.map(|piece| Ok(Frame::data(piece)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Form::Full(full) => full.is_end_stream(),
            Form::Pieces(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Form::Full(full) => full.size_hint(),
            Form::Pieces(_) => SizeHint::default(),
        }
    }
}
