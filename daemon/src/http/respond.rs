//! The forms of answers.

use bytes::Bytes;
use hyper::{
    StatusCode,
    header::{CONTENT_TYPE, HeaderName, HeaderValue},
};
use serde::{Serialize, Serializer};

use super::{exposition::Exposition, pieces::Body};
use crate::{options::Value, reports::Pages};

/// An answer.
pub type Response = hyper::Response<Body>;

/// Tells clients that the answer is not wrapped as in NSQ 0.x.
const NSQ_CONTENT_TYPE: HeaderName = HeaderName::from_static("x-nsq-content-type");
const NSQ_VERSION: HeaderValue = HeaderValue::from_static("nsq; version=1.0");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");

const PROMETHEUS: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// A refusal: a status and the code of its message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// 4xx or 5xx.
    pub status: StatusCode,
    /// The code, with whatever follows it.
    pub message: String,
}

impl Refusal {
    /// Any.
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    /// 400.
    pub fn bad(message: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// 404.
    pub fn not_found(message: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    /// 413.
    pub fn too_large(message: &str) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, message)
    }

    /// `{"message":"CODE"}`.
    pub fn into_response(self) -> Response {
        #[derive(Serialize)]
        struct Message {
            message: String,
        }
        let mut response = json(&Message { message: self.message });
        *response.status_mut() = self.status;
        response
    }
}

fn answer(body: impl Into<Bytes>) -> Response {
    let mut response = Response::new(Body::from(body));
    response.headers_mut().insert(NSQ_CONTENT_TYPE, NSQ_VERSION);
    response
}

/// 200 with nothing to say.
pub fn empty() -> Response {
    answer(Bytes::new())
}

/// 200 with a text.
pub fn text(text: impl Into<Bytes>) -> Response {
    let mut response = answer(text);
    response.headers_mut().insert(CONTENT_TYPE, TEXT);
    response
}

/// 200 with a document.
///
/// # Panics
/// If the document has keys that are no texts, or a part that cannot be told: a slip in this program.
pub fn json(document: &impl Serialize) -> Response {
    let mut body = Pages::default();
    serde_json::to_writer(&mut body, document).expect("documents have string keys and no failing parts");
    let mut response = answer(body.into_bytes());
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

/// 200 with nothing to say, without NSQ's header.
pub fn bare() -> Response {
    Response::new(Body::default())
}

/// A text without NSQ's header.
pub fn plain(status: StatusCode, text: impl Into<Bytes>) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, TEXT);
    response
}

/// 200 with figures for Prometheus.
pub fn exposition(text: Exposition) -> Response {
    let mut response = Response::new(Body::from(text.into_text()));
    response.headers_mut().insert(CONTENT_TYPE, PROMETHEUS);
    response
}

/// What plain HTTP gets where TLS is required. NSQ's own clients read it and go on over HTTPS; the blanks are theirs.
pub fn tls_required(https_port: i32) -> Response {
    let mut response = answer(format!("{{\"message\": \"TLS_REQUIRED\", \"https_port\": {https_port}}}"));
    *response.status_mut() = StatusCode::FORBIDDEN;
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

/// 200 with the value of an option, as `/config/:opt` shows it: texts bare, durations in ns.
pub fn option(value: &Value) -> Response {
    match value {
        Value::Text(text) if text.is_empty() => empty(),
        Value::Text(value) => text(value.clone()),
        Value::Bool(value) => json(value),
        Value::Int(value) | Value::Choice(value) | Value::Duration { ns: value } => json(value),
        Value::Texts(texts) => json(texts),
        Value::Float(number) => json(number),
        Value::Floats(numbers) => json(&numbers.iter().map(|number| Number(*number)).collect::<Vec<_>>()),
    }
}

/// A number that is written without a fraction if it has none, as NSQ does.
#[derive(Debug, Clone, Copy)]
pub struct Number(pub f64);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[expect(clippy::cast_possible_truncation, reason = "what the cast changes is not used")]
        let whole = self.0 as i64;
        #[expect(
            clippy::cast_precision_loss,
            clippy::float_cmp,
            reason = "that they are equal is the question"
        )]
        let is_whole = whole as f64 == self.0;
        if is_whole { serializer.serialize_i64(whole) } else { serializer.serialize_f64(self.0) }
    }
}
