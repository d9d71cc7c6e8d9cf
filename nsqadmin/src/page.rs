//! The page and its files: in the binary, or in a folder while somebody works on them.

use std::path::PathBuf;

use bytes::Bytes;
use daemon::http::{Body, respond::Response};
use hyper::{
    HeaderMap, StatusCode,
    header::{
        CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, IF_NONE_MATCH,
    },
};
use include_dir::{Dir, include_dir};

/// Of a file of the folder.
const FILE_BYTES_MAX: u64 = 16 << 20;
/// Nothing from elsewhere, and nothing inline.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      font-src 'self'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'";

static FILES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/ui");

/// Serves the page.
#[derive(Debug)]
pub(crate) struct Page {
    /// Ends in a slash.
    base: String,
    folder: Option<PathBuf>,
}

impl Page {
    pub(crate) fn new(base_path: &str, folder: Option<PathBuf>) -> Self {
        Self { base: format!("{base_path}/"), folder }
    }

    /// The page, for whichever path of it.
    pub(crate) fn index(&self) -> Response {
        let file = FILES.get_file("index.html").and_then(|file| file.contents_utf8()).unwrap_or_default();
        let page = file.replace("{{base}}", &self.base);
        let mut response = Response::new(Body::from(page));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
        headers.insert(HeaderName::from_static("referrer-policy"), HeaderValue::from_static("same-origin"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        nosniff(headers);
        response
    }

    /// A file, by its name below `static/`. 304 for one that the browser has.
    pub(crate) fn file(&self, name: &str, request: &HeaderMap) -> Option<Response> {
        let is_name = name.split('/').all(|part| !part.is_empty() && !part.starts_with('.'));
        if !is_name {
            return None;
        }
        let (bytes, tag) = if let Some(folder) = &self.folder {
            let path = folder.join(name);
            let is_file = path.metadata().is_ok_and(|found| found.is_file() && found.len() <= FILE_BYTES_MAX);
            (Bytes::from(std::fs::read(path).ok().filter(|_| is_file)?), None)
        } else {
            let file = FILES.get_file(name)?.contents();
            (Bytes::from_static(file), Some(tag(file)))
        };
        let is_known = tag.is_some() && request.get(IF_NONE_MATCH) == tag.as_ref();
        let mut response = Response::new(Body::from(if is_known { Bytes::new() } else { bytes }));
        if is_known {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        }
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type(name)));
        // Asked for each time, and sent only if it changed: a new nsqadmin is a new page at once.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.extend(tag.map(|tag| (ETAG, tag)));
        nosniff(headers);
        Some(response)
    }
}

fn nosniff(headers: &mut HeaderMap) {
    headers.insert(HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"));
}

/// Of what a file has: it changes when that does.
fn tag(file: &[u8]) -> HeaderValue {
    let tag = format!("\"{:08x}-{:x}\"", crc32fast::hash(file), file.len());
    HeaderValue::try_from(tag).expect("hex digits and quotes")
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("html") => "text/html; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("json" | "map") => "application/json",
        Some("woff") => "font/woff",
        Some("woff2") => "font/woff2",
        Some("ttf") => "font/ttf",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Protects the host: nothing but files of the page can be asked for.
    #[test]
    fn names_stay_in_the_folder() {
        let folder = std::env::temp_dir();
        for page in [Page::new("", None), Page::new("", Some(folder))] {
            for name in ["../Cargo.toml", "a/../../x", "", "/etc/passwd", ".git", "a//b", "."] {
                assert!(page.file(name, &HeaderMap::new()).is_none(), "{name}");
            }
        }
    }

    #[test]
    fn a_file_that_the_browser_has_is_not_sent_again() {
        let page = Page::new("/nsq", None);
        let first = page.file("main.js", &HeaderMap::new()).expect("the page has a script");
        assert_eq!(first.headers()[CONTENT_TYPE], "text/javascript; charset=utf-8");
        let has = HeaderMap::from_iter([(IF_NONE_MATCH, first.headers()[ETAG].clone())]);
        assert_eq!(page.file("main.js", &has).unwrap().status(), StatusCode::NOT_MODIFIED);
    }
}
