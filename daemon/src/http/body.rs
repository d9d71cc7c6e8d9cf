//! The body of a request.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::{
    StatusCode,
    body::{Body, Incoming},
};

use super::{progress::STALL_MAX, respond::Refusal};

/// Of a body that is not needed, no more is read.
pub const IGNORED_BYTES_MAX: usize = 1 << 20;

/// The whole body, unless it is larger than `limit`. Grows as the bytes come.
///
/// # Errors
/// `too_large`, or `INTERNAL_ERROR` if it is broken.
pub async fn read(mut body: Incoming, limit: usize, too_large: &str) -> Result<Bytes, Refusal> {
    let failed = || Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_ERROR");
    if usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX) > limit {
        return Err(Refusal::too_large(too_large));
    }
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    loop {
        let frame = tokio::time::timeout(STALL_MAX, body.frame()).await.map_err(|_| failed())?;
        let Some(frame) = frame else { break };
        let Ok(data) = frame.map_err(|_| failed())?.into_data() else { continue };
        if limit < first.len() + all.len() + data.len() {
            return Err(Refusal::too_large(too_large));
        }
        if first.is_empty() && all.is_empty() {
            // Most bodies come in one piece, which is used as it is.
            first = data;
        } else {
            all.extend_from_slice(&std::mem::take(&mut first));
            all.extend_from_slice(&data);
        }
    }
    Ok(if all.is_empty() { first } else { all.freeze() })
}

/// Reads a body that nobody has a use for, so far as it is short.
///
/// # Errors
/// It is broken: what was meant is not known.
pub async fn ignore(mut body: Incoming) -> Result<(), Refusal> {
    let mut bytes = 0;
    while bytes < IGNORED_BYTES_MAX {
        let frame = tokio::time::timeout(STALL_MAX, body.frame()).await;
        let Ok(frame) = frame.map_err(|_| Refusal::bad("INVALID_REQUEST"))?.transpose() else {
            return Err(Refusal::bad("INVALID_REQUEST"));
        };
        let Some(frame) = frame else { break };
        bytes += frame.data_ref().map_or(0, Bytes::len);
    }
    Ok(())
}
