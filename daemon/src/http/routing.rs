//! What all routes have in common: methods that are not taken, paths that are almost right.

use std::{borrow::Cow, fmt::Write};

use hyper::{
    Method, StatusCode,
    header::{ALLOW, HeaderValue, LOCATION},
};

use super::{
    pieces::Body,
    query::unescape_path,
    respond::{Refusal, Response},
    serve::Answer,
};

/// The methods that a route takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Methods {
    /// GET and HEAD.
    Get,
    /// Besides, POST.
    GetPost,
    /// Besides, POST and DELETE.
    GetPostDelete,
    /// Besides GET and HEAD, DELETE.
    GetDelete,
    /// Besides GET and HEAD, PUT.
    GetPut,
    /// POST.
    Post,
    /// PUT.
    Put,
}

impl Methods {
    /// Whether this is one of them.
    pub fn has(self, method: &Method) -> bool {
        let is_get = matches!(*method, Method::GET | Method::HEAD);
        match self {
            Self::Get => is_get,
            Self::GetPost => is_get || *method == Method::POST,
            Self::GetPostDelete => is_get || matches!(*method, Method::POST | Method::DELETE),
            Self::GetDelete => is_get || *method == Method::DELETE,
            Self::GetPut => is_get || *method == Method::PUT,
            Self::Post => *method == Method::POST,
            Self::Put => *method == Method::PUT,
        }
    }

    /// The value of the header `Allow`.
    pub fn allow(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Get => "GET, OPTIONS",
            Self::GetPost => "GET, OPTIONS, POST",
            Self::GetPostDelete => "DELETE, GET, OPTIONS, POST",
            Self::GetDelete => "DELETE, GET, OPTIONS",
            Self::GetPut => "GET, OPTIONS, PUT",
            Self::Post => "OPTIONS, POST",
            Self::Put => "OPTIONS, PUT",
        })
    }
}

/// The path with its escapes undone.
pub fn plain_path(path: &str) -> Cow<'_, str> {
    if path.contains('%') {
        unescape_path(path).map_or(Cow::Borrowed(path), Cow::Owned)
    } else {
        Cow::Borrowed(path)
    }
}

/// The answer to OPTIONS, and to a method that a route does not take; `None` if it takes it.
pub fn check_method(methods: Methods, method: &Method) -> Option<Answer> {
    let (mut response, is_logged) = if *method == Method::OPTIONS {
        (Response::new(Body::default()), false)
    } else if methods.has(method) {
        return None;
    } else {
        let refusal = Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED");
        (refusal.into_response(), true)
    };
    response.headers_mut().insert(ALLOW, methods.allow());
    Some(Answer { response, is_logged })
}

/// The answer for a path that is not known: perhaps only its spelling is odd. `correct` gives the spelling of a path in lower
/// case and without odd parts, if it is known.
pub fn unknown(
    method: &Method,
    path: &str,
    query: Option<&str>,
    correct: impl FnOnce(&str) -> Option<String>,
) -> Answer {
    if *method == Method::OPTIONS && path == "*" {
        return Answer { response: Response::new(Body::default()), is_logged: false };
    }
    match correct(&simplified(path)) {
        Some(plain) if *method != Method::OPTIONS && plain != path => {
            Answer { response: redirect(method, plain, query), is_logged: false }
        }
        _ => Answer { response: Refusal::not_found("NOT_FOUND").into_response(), is_logged: true },
    }
}

/// The path in lower case, without `.`, `..`, empty parts and a slash at the end.
fn simplified(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.iter().fold(String::new(), |path, part| path + "/" + part).to_ascii_lowercase()
}

fn redirect(method: &Method, mut location: String, query: Option<&str>) -> Response {
    if let Some(query) = query {
        write!(location, "?{query}").expect("a String takes all that is written");
    }
    let is_get = *method == Method::GET;
    let body =
        if is_get { format!("<a href=\"{location}\">Moved Permanently</a>.\n\n") } else { String::new() };
    let status = if is_get { StatusCode::MOVED_PERMANENTLY } else { StatusCode::TEMPORARY_REDIRECT };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    match HeaderValue::try_from(location) {
        Ok(location) => {
            response.headers_mut().insert(LOCATION, location);
            response
        }
        Err(_) => Refusal::not_found("NOT_FOUND").into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Protects: odd spellings lead to the path that was meant.
    #[test]
    fn paths_are_simplified() {
        for (path, expected) in [
            ("/ping/", "/ping"),
            ("//ping", "/ping"),
            ("/../ping", "/ping"),
            ("/a/../PING", "/ping"),
            ("/./topic//create", "/topic/create"),
            ("/", ""),
        ] {
            assert_eq!(simplified(path), expected, "{path}");
        }
    }
}
