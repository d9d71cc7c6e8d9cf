//! `nsq_to_http` against real daemons and servers that answer as told.

use tests::{HttpServer, Nsqd, Request, Signal, Tool};

fn flag(nsqd: &Nsqd) -> String {
    format!("--nsqd-tcp-address={}", nsqd.tcp_address())
}

fn header<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    let mut headers = request.headers.iter().filter_map(|header| header.split_once(": "));
    headers.find(|(found, _)| *found == name).map(|(_, value)| value)
}

#[tokio::test]
async fn a_post_has_the_message_as_its_body() {
    let nsqd = Nsqd::start().await;
    let server = HttpServer::start().await;
    let post = format!("--post=http://{}/p?x=1", server.address());
    let header_flags = ["--header=X-A: b:c", "--header=Host: example.com"];
    let tool = Tool::start("nsq_to_http", &[&["--topic=t", &flag(&nsqd), &post], &header_flags[..]].concat());
    nsqd.connect().await.publish("t", b"message").await;
    nsqd.await_channel("t", "nsq_to_http", |channel| {
        channel["message_count"] == 1 && channel["in_flight_count"] == 0
    })
    .await;
    let requests = server.requests();
    assert_eq!(requests.len(), 1);
    let request = &requests[0];
    assert_eq!((request.line.as_str(), request.body.as_str()), ("POST /p?x=1 HTTP/1.1", "message"));
    assert_eq!(header(request, "user-agent"), Some("nsq_to_http v1.3.0"));
    assert_eq!(header(request, "content-type"), Some("application/octet-stream"));
    assert_eq!(header(request, "content-length"), Some("7"));
    assert_eq!(header(request, "accept-encoding"), Some("gzip"));
    assert_eq!((header(request, "x-a"), header(request, "host")), (Some("b:c"), Some("example.com")));
    let ended = tool.terminated().await;
    assert_eq!(ended.code, 0, "{}", ended.stderr);
}

#[tokio::test]
async fn a_get_has_the_message_in_its_query() {
    let nsqd = Nsqd::start().await;
    let server = HttpServer::start().await;
    let get = format!("--get=http://{}/g?d=%s&pct=%%20", server.address());
    let _tool = Tool::start("nsq_to_http", &["--topic=t", &flag(&nsqd), &get]);
    nsqd.connect().await.publish("t", "a b&c=/é\n%".as_bytes()).await;
    nsqd.await_channel("t", "nsq_to_http", |channel| {
        channel["message_count"] == 1 && channel["in_flight_count"] == 0
    })
    .await;
    let requests = server.requests();
    assert_eq!(requests[0].line, "GET /g?d=a+b%26c%3D%2F%C3%A9%0A%25&pct=%20 HTTP/1.1");
}

#[tokio::test]
async fn what_is_not_taken_comes_again() {
    // A GET needs 200, a POST any 2xx.
    for (method, status, is_taken) in
        [("get", 200, true), ("get", 201, false), ("post", 201, true), ("post", 500, false)]
    {
        let nsqd = Nsqd::start().await;
        let server = HttpServer::start().await;
        server.say(status, "x");
        let place = if method == "get" { "%s" } else { "" };
        let address = format!("--{method}=http://{}/{place}", server.address());
        let tool = Tool::start("nsq_to_http", &["--topic=t", &flag(&nsqd), &address]);
        nsqd.connect().await.publish("t", b"m").await;
        if is_taken {
            nsqd.await_channel("t", "nsq_to_http", |channel| {
                channel["message_count"] == 1
                    && channel["in_flight_count"] == 0
                    && channel["deferred_count"] == 0
            })
            .await;
            continue;
        }
        nsqd.await_channel("t", "nsq_to_http", |channel| channel["deferred_count"] == 1).await;
        tool.await_log(&format!("did not take it - got status code {status}")).await;
        // Nothing new while it pauses, and an orderly end although something failed.
        assert_eq!(tool.terminated().await.code, 0);
    }
}

#[tokio::test]
async fn what_is_given_up_goes_to_another_topic() {
    // After five attempts the reference drops a message, with a line in the log.
    let nsqd = Nsqd::start().await;
    nsqd.create_channel("dead", "c").await;
    let server = HttpServer::start().await;
    server.say(500, "x");
    let post = format!("--post=http://{}/", server.address());
    let options = ["max_attempts,2", "default_requeue_delay,0s", "max_backoff_duration,0s"];
    let options = options.map(|option| format!("--consumer-opt={option}"));
    let flag = flag(&nsqd);
    let mut arguments = vec!["--topic=t", "--given-up-topic=dead", &flag, &post];
    arguments.extend(options.iter().map(String::as_str));
    let _tool = Tool::start("nsq_to_http", &arguments);
    nsqd.connect().await.publish("t", b"m").await;
    let dead = nsqd.consumer("dead", "c", 1).await.next_message().await;
    assert_eq!(dead.body, b"m");
    assert_eq!(server.requests().len(), 2);
    nsqd.await_channel("t", "nsq_to_http", |channel| {
        ["in_flight_count", "depth", "deferred_count"].iter().all(|key| channel[*key] == 0)
    })
    .await;
}

#[tokio::test]
async fn modes_choose_among_addresses() {
    for (mode, expected) in [("round-robin", [2, 2]), ("hostpool", [2, 2]), ("all", [4, 4])] {
        let nsqd = Nsqd::start().await;
        let servers = [HttpServer::start().await, HttpServer::start().await];
        let posts = servers.each_ref().map(|server| format!("--post=http://{}/", server.address()));
        let mode_flag = format!("--mode={mode}");
        let arguments = ["--topic=t", &flag(&nsqd), &posts[0], &posts[1], &mode_flag];
        let _tool = Tool::start("nsq_to_http", &arguments);
        nsqd.connect().await.mpub("t", &["1", "2", "3", "4"]).await;
        nsqd.await_channel("t", "nsq_to_http", |channel| {
            channel["message_count"] == 4 && channel["in_flight_count"] == 0 && channel["depth"] == 0
        })
        .await;
        assert_eq!(servers.each_ref().map(|server| server.requests().len()), expected, "{mode}");
    }
}

#[tokio::test]
async fn a_sample_finishes_what_is_not_sent() {
    let nsqd = Nsqd::start().await;
    let server = HttpServer::start().await;
    let post = format!("--post=http://{}/", server.address());
    let _tool = Tool::start("nsq_to_http", &["--topic=t", &flag(&nsqd), &post, "--sample=0"]);
    nsqd.connect().await.mpub("t", &["1"; 50]).await;
    nsqd.await_channel("t", "nsq_to_http", |channel| {
        channel["message_count"] == 50 && channel["in_flight_count"] == 0 && channel["depth"] == 0
    })
    .await;
    assert_eq!(server.requests().len(), 0);
}

#[tokio::test]
async fn timings_are_told_every_so_many_requests() {
    let nsqd = Nsqd::start().await;
    let server = HttpServer::start().await;
    let post = format!("--post=http://{}/", server.address());
    let tool = Tool::start("nsq_to_http", &["--topic=t", &flag(&nsqd), &post, "--status-every=5"]);
    nsqd.connect().await.mpub("t", &["1"; 6]).await;
    tool.await_log("[aggregate]: finished 5 - 99th: ").await;
    let warning = "Warning: use more than 100 status values for accurate percentiles (configured with 5)";
    assert!(tool.log().contains(warning), "{}", tool.log());
}

#[tokio::test]
async fn requests_under_way_are_waited_for_at_the_end() {
    // A message is finished only when it is at the other side, also at a stop.
    let nsqd = Nsqd::start().await;
    let server = HttpServer::start().await;
    server.hold(true);
    let post = format!("--post=http://{}/", server.address());
    let tool = Tool::start("nsq_to_http", &["--topic=t", &flag(&nsqd), &post, "--n=1"]);
    nsqd.connect().await.mpub("t", &["1", "2", "3"]).await;
    server.await_requests(1).await;
    assert_eq!(nsqd.stats().await.channel("t", "nsq_to_http")["in_flight_count"], 3);
    tool.signal(Signal::TERM);
    server.hold(false);
    let ended = tool.ended().await;
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let channel = nsqd.stats().await.channel("t", "nsq_to_http");
    assert_eq!((&channel["depth"], &channel["in_flight_count"]), (&0.into(), &0.into()), "{channel:#}");
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn nothing_is_lost_when_it_or_nsqd_is_killed() {
    let rounds = std::env::var("NSQ_TOOL_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(10);
    let mut nsqd = Nsqd::start().await;
    let server = HttpServer::start().await;
    nsqd.create_channel("t", "nsq_to_http").await;
    let post = format!("--post=http://{}/", server.address());
    let mut published = 0;
    for round in 0..=rounds {
        let flag = flag(&nsqd);
        let tool = Tool::start("nsq_to_http", &["--topic=t", &flag, &post, "--max-in-flight=50"]);
        if round == rounds {
            // The last one does the rest.
            nsqd.await_channel("t", "nsq_to_http", |channel| {
                channel["in_flight_count"] == 0 && channel["depth"] == 0
            })
            .await;
            assert_eq!(tool.terminated().await.code, 0);
            break;
        }
        let bodies: Vec<String> = (published..published + 200).map(|number| number.to_string()).collect();
        published += 200;
        let before = server.requests().len();
        nsqd.connect().await.mpub("t", &bodies).await;
        server.await_requests(before + 50).await;
        if round % 2 == 1 {
            nsqd.kill().await;
        }
        tool.killed().await;
        if round % 2 == 1 {
            nsqd = nsqd.start_again().await;
        }
        nsqd.await_channel("t", "nsq_to_http", |channel| channel["client_count"] == 0).await;
    }
    let requests = server.requests();
    let seen: std::collections::BTreeSet<&str> =
        requests.iter().map(|request| request.body.as_str()).collect();
    assert_eq!(seen.len(), published);
    let duplicates = requests.len() - published;
    // After a kill of nsqd, whatever was finished since its last checkpoint comes again.
    assert!(duplicates <= rounds * published, "{duplicates} duplicates of {published}");
}
