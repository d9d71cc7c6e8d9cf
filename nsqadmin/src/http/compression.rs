//! Compression of answers.

use std::io::Write;

use daemon::http::{Body, respond::Response};
use flate2::{Compression, write::GzEncoder};
use http_body_util::BodyExt;
use hyper::{
    HeaderMap,
    header::{ACCEPT_ENCODING, CONTENT_ENCODING, HeaderValue, VARY},
};

/// What is shorter is not worth it.
const BYTES_MIN: usize = 1024;

/// Compresses a long body for who can read that; not one that comes in pieces, each of which has to get out at once.
pub(super) async fn compressed(request: &HeaderMap, response: Response) -> Response {
    if response.body().is_in_pieces() {
        return response;
    }
    let takes_gzip = takes_gzip(request);
    let (mut head, body) = response.into_parts();
    let Ok(body) = body.collect().await;
    let body = body.to_bytes();
    head.headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    let is_image =
        head.headers.get("content-type").is_some_and(|kind| kind.as_bytes().starts_with(b"image/png"));
    if !takes_gzip || body.len() < BYTES_MIN || is_image {
        return Response::from_parts(head, Body::from(body));
    }
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    let packed = encoder.write_all(&body).and_then(|()| encoder.finish());
    let packed = packed.expect("a vector takes all that is written");
    head.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    Response::from_parts(head, Body::from(packed))
}

/// As NSQ: the plain word counts, one with a weight does not.
fn takes_gzip(request: &HeaderMap) -> bool {
    let lists = request.get_all(ACCEPT_ENCODING).iter().filter_map(|list| list.to_str().ok());
    lists.flat_map(|list| list.split(',')).any(|name| name.trim() == "gzip")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_has_to_be_named() {
        for (list, expected) in
            [("gzip", true), ("br, gzip, deflate", true), ("gzip;q=0", false), ("", false), ("x-gzip", false)]
        {
            let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static(list))]);
            assert_eq!(takes_gzip(&headers), expected, "{list}");
        }
    }
}
