//! `/debug`: what an operator or a script finds there.

use tests::{Nsqd, ours_only};

use crate::http_api::check;

#[tokio::test]
async fn a_cpu_profile_names_the_functions_of_nsqd() {
    // Protects whoever asks where the time goes: pprof reads the profile, and finds names in it.
    if !ours_only("its profile is that of its own runtime") {
        return;
    }
    let nsqd = Nsqd::start().await;
    let busy = async {
        let mut producer = nsqd.connect().await;
        loop {
            producer.mpub("t", &vec!["some body"; 1000]).await;
        }
    };
    let response = tokio::select! {
        response = nsqd.get("/debug/pprof/profile?seconds=1") => response,
        () = busy => unreachable!("it publishes for ever"),
    };
    assert_eq!(response.status, 200, "{}", response.text());
    assert_eq!(response.header("Content-Type"), Some("application/octet-stream"));
    // A string of the table of strings, which stands as it is in the message.
    let text = response.text();
    for name in ["samples", "cpu", "nanoseconds", "nsqd::topic::publishing"] {
        assert!(text.contains(name), "no {name} in {} bytes", response.body.len());
    }
}

#[tokio::test]
async fn what_is_not_there_says_so() {
    // Protects scripts written for NSQ: what has a meaning works, what has none is refused with a reason.
    if !ours_only("its two operations answer 500, and its profiles are those of its runtime") {
        return;
    }
    let nsqd = Nsqd::start().await;
    for (request, status, message) in [
        ("PUT /debug/setblockrate?rate=1", 200, ""),
        ("PUT /debug/setblockrate", 400, "invalid block rate : strconv.Atoi: parsing \"\": invalid syntax"),
        (
            "PUT /debug/setblockrate?rate=abc",
            400,
            "invalid block rate : strconv.Atoi: parsing \"abc\": invalid syntax",
        ),
        ("POST /debug/freememory", 200, ""),
        ("GET /debug/pprof/profile?seconds=0", 400, "INVALID_ARG_SECONDS"),
        ("GET /debug/pprof/profile?seconds=301", 400, "INVALID_ARG_SECONDS"),
        ("GET /debug/pprof/profile?seconds=x", 400, "INVALID_ARG_SECONDS"),
    ] {
        check(&nsqd, request, b"", status, message).await;
    }
    check(&nsqd, "PUT /debug/setblockrate", b"rate=3", 200, "").await;
    let goroutines = nsqd.get("/debug/pprof/goroutine?debug=1").await;
    assert_eq!(goroutines.status, 404);
    assert!(goroutines.text().contains("/debug/pprof/profile"), "{}", goroutines.text());
    assert!(nsqd.get("/debug/pprof/heap").await.text().contains("RssAnon:"));
    let arguments = nsqd.get("/debug/pprof/cmdline").await.text();
    assert!(arguments.contains("\0--tcp-address=127.0.0.1:0\0"), "{arguments:?}");
}

#[tokio::test]
async fn the_paths_of_debug_are_those_of_the_table() {
    // Protects the table of routes below /debug.
    let nsqd = Nsqd::start().await;
    for (request, status, message) in [
        ("GET /debug/pprof/allocs", 404, "NOT_FOUND"),
        ("GET /debug/pprof/mutex", 404, "NOT_FOUND"),
        ("GET /debug/pprof/trace", 404, "NOT_FOUND"),
        ("GET /debug/freememory", 405, "METHOD_NOT_ALLOWED"),
        ("GET /debug/setblockrate", 405, "METHOD_NOT_ALLOWED"),
    ] {
        check(&nsqd, request, b"", status, message).await;
    }
    let index = nsqd.get("/debug/pprof").await;
    assert_eq!((index.status, index.header("Location")), (301, Some("/debug/pprof/")));
    let index = nsqd.get("/debug/pprof/").await;
    assert_eq!(index.header("Content-Type"), Some("text/html; charset=utf-8"));
    assert!(index.text().contains("profile"));
}
