//! Graphite: a rate of it, and its graphs for browsers that cannot reach it.

use daemon::http::{
    query::Query,
    respond::{self, Refusal, Response},
};
use hyper::{
    StatusCode,
    header::{CONTENT_TYPE, HeaderValue},
};
use reqwest::Url;
use serde::{Deserialize, Serialize};

use crate::{admin::Admin, options::Graphite};

/// `/api/graphite?metric=rate&target=`: how much a counter grew a second, a minute ago.
///
/// # Errors
/// `INVALID_ARG_METRIC`, `INVALID_ARG_TARGET`; `INTERNAL_ERROR` if Graphite fails.
pub(super) async fn rate(admin: &Admin, query: &Query) -> Result<Response, Refusal> {
    #[derive(Serialize)]
    struct Rate {
        rate: String,
    }
    #[derive(Deserialize)]
    struct Series {
        #[serde(default)]
        datapoints: Vec<(Option<f64>, Option<f64>)>,
    }
    if query.get("metric") != Some(b"rate") {
        return Err(Refusal::bad("INVALID_ARG_METRIC"));
    }
    let target = query.get("target").ok_or_else(|| Refusal::bad("INVALID_ARG_TARGET"))?;
    let target = String::from_utf8_lossy(target);
    let failed = || Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_ERROR");
    let graphite = admin.start.options.graphite.as_ref().ok_or_else(failed)?;
    let interval_s = graphite.statsd_interval.as_secs_f64();
    let (from, until) = (format!("-{}sec", 2.0 * interval_s), format!("-{interval_s}sec"));
    let mut url = render_url(graphite);
    url.query_pairs_mut().extend_pairs([
        ("format", "json"),
        ("from", from.as_str()),
        ("target", &target),
        ("until", &until),
    ]);
    let body = admin.asker.ask(&url, None).await.map_err(|_| failed())?;
    let series: Vec<Series> = serde_json::from_slice(&body).map_err(|_| failed())?;
    let first = series.first().and_then(|series| series.datapoints.first()).and_then(|point| point.0);
    let rate = first
        .filter(|sum| 0.0 <= *sum)
        .map_or_else(|| "N/A".to_owned(), |sum| format!("{:.2}", sum / interval_s));
    Ok(respond::json(&Rate { rate }))
}

/// `/render`: what Graphite answers to the same query.
///
/// # Errors
/// 502 if it does not.
pub(super) async fn render(admin: &Admin, query: Option<&str>) -> Result<Response, Refusal> {
    let failed = |cause: String| Refusal::new(StatusCode::BAD_GATEWAY, format!("GRAPHITE_ERROR: {cause}"));
    let graphite = admin.start.options.graphite.as_ref();
    let mut url = render_url(graphite.ok_or_else(|| Refusal::not_found("NOT_FOUND"))?);
    url.set_query(query);
    let answer = admin.asker.fetch(url).await.map_err(|error| failed(error.to_string()))?;
    let mut response = respond::plain(answer.status, answer.body);
    let kind = answer.content_type.and_then(|kind| HeaderValue::try_from(kind).ok());
    response
        .headers_mut()
        .insert(CONTENT_TYPE, kind.unwrap_or(HeaderValue::from_static("application/octet-stream")));
    Ok(response)
}

/// `/render` below the path of Graphite's URL; its user and password go along.
fn render_url(graphite: &Graphite) -> Url {
    let mut url = graphite.url.clone();
    let path = format!("{}/render", url.path().trim_end_matches('/'));
    url.set_path(&path);
    url.set_query(None);
    url
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn graphs_are_below_the_path_of_the_url() {
        for (given, expected) in [
            ("http://g", "http://g/render"),
            ("http://u:p@g:8080/a/", "http://u:p@g:8080/a/render"),
            ("https://g/a?x=1", "https://g/a/render"),
        ] {
            let graphite = Graphite {
                url: Url::parse(given).unwrap(),
                is_proxied: true,
                statsd_prefix: String::new(),
                statsd_counter_format: String::new(),
                statsd_gauge_format: String::new(),
                statsd_interval: Duration::from_mins(1),
            };
            assert_eq!(render_url(&graphite).as_str(), expected);
        }
    }
}
