//! nsqlookupd's protocol V1: each answer to the byte, whatever pieces the commands come in, and how connections end.

use std::time::{Duration, Instant};

use tests::{LookupClient, Lookupd, ours_only};

/// Answers stand for the one to IDENTIFY by this.
const IDENTIFIED: &str = "(who it is)";

const BAD_SIZE: &str = "E_BAD_BODY IDENTIFY failed to read body size";
const TOO_LONG: &str = "E_INVALID command line is over 4096 bytes";

/// What is sent behind the magic, what is answered, and whether nsqlookupd ends the connection then.
struct Row {
    sent: Vec<u8>,
    answers: Vec<&'static str>,
    ends: bool,
}

/// Behind IDENTIFY.
fn row(sent: impl AsRef<[u8]>, answers: &[&'static str], ends: bool) -> Row {
    let sent = [&Lookupd::identify(Lookupd::BODY), sent.as_ref()].concat();
    Row { sent, answers: [&[IDENTIFIED], answers].concat(), ends }
}

fn first(sent: impl AsRef<[u8]>, answers: &[&'static str], ends: bool) -> Row {
    Row { sent: sent.as_ref().to_vec(), answers: answers.to_vec(), ends }
}

/// All rows in all ways: at once, and byte by byte; what goes on is ended by the client.
async fn check(rows: Vec<Row>) {
    let lookupd = Lookupd::start().await;
    let hostname = std::fs::read_to_string("/proc/sys/kernel/hostname").expect("the kernel tells");
    let identified = format!(
        r#"{{"broadcast_address":"127.0.0.1","hostname":"{}","http_port":{},"tcp_port":{},"version":"1.3.0"}}"#,
        hostname.trim(),
        lookupd.http_address().port(),
        lookupd.tcp_address().port()
    );
    for Row { sent, answers, ends } in rows {
        for is_bytewise in [false, true] {
            let what = sent.escape_ascii().to_string();
            let mut client = LookupClient::connect_silently(lookupd.tcp_address()).await;
            let all = [b"  V1", sent.as_slice()].concat();
            if is_bytewise {
                client.send_bytewise(all).await;
            } else {
                client.send(all).await;
            }
            for answer in &answers {
                let expected = if *answer == IDENTIFIED { &identified } else { *answer };
                assert_eq!(client.answer().await, expected, "{what}");
            }
            if !ends {
                client.finish().await;
            }
            client.expect_end().await;
        }
    }
    lookupd.connect().await.ok("PING").await;
}

#[tokio::test]
async fn commands_are_answered() {
    // Protects nsqds: one answer a command, in order, however many come at once.
    check(vec![
        first("", &[], false),
        first("PING\n", &["OK"], false),
        first("PING\r\n \tPING \nPING with more\n", &["OK", "OK", "OK"], false),
        first("PING\nPIN", &["OK"], false),
        row("REGISTER t\nREGISTER t\n", &["OK", "OK"], false),
        row("REGISTER t ch\nUNREGISTER t ch\nUNREGISTER t\n", &["OK", "OK", "OK"], false),
        row("REGISTER t \nREGISTER t  ch\nREGISTER t ch more\n", &["OK", "OK", "OK"], false),
        row("UNREGISTER nope\nUNREGISTER nope nope\n", &["OK", "OK"], false),
        row("REGISTER t#ephemeral c#ephemeral\nUNREGISTER t#ephemeral\nPING\n", &["OK", "OK", "OK"], false),
    ])
    .await;
}

#[tokio::test]
async fn identify_takes_what_nsqds_send() {
    // Protects nsqds of all versions: keys in any case, more of them, ports that are none.
    let bodies = [
        Lookupd::BODY,
        r#"{"broadcast_address":"a","tcp_port":1,"http_port":2,"version":"x"}"#,
        r#" {"BROADCAST_ADDRESS":"a","Tcp_Port":-1,"http_port":99999,"version":"x","more":[1.5,{}]} "#,
        r#"{"broadcast_address":"a","tcp_port":1,"http_port":2,"version":"x","hostname":null,"remote_address":"y"}"#,
        r#"{"broadcast_address":"a","tcp_port":0,"tcp_port":1,"http_port":2,"version":"x","version":null}"#,
    ];
    let rows = bodies.map(|body| first(Lookupd::identify(body), &[IDENTIFIED], false));
    check(rows.into_iter().collect()).await;
}

#[tokio::test]
async fn errors_have_their_texts_and_end_the_connection() {
    // Protects those who read them, and the rule that nothing behind an error is done.
    // In NSQ what follows an error can reset the connection, and the error is lost.
    let behind = if tests::is_reference() { "" } else { "PING\n" };
    check(vec![
        first("FOO bar\n", &["E_INVALID invalid command FOO"], true),
        first(format!("PING\nping\n{behind}"), &["OK", "E_INVALID invalid command ping"], true),
        first("\n", &["E_INVALID invalid command "], true),
        first(b"\xff\xfe\n", &["E_INVALID invalid command \\xff\\xfe"], true),
        first("REGISTER\tfoo\n", &["E_INVALID invalid command REGISTER\tfoo"], true),
        first("REGISTER t\n", &["E_INVALID client must IDENTIFY"], true),
        first("UNREGISTER\n", &["E_INVALID client must IDENTIFY"], true),
        row("IDENTIFY\n", &["E_INVALID cannot IDENTIFY again"], true),
        row("REGISTER\n", &["E_INVALID REGISTER insufficient number of params"], true),
        row("UNREGISTER \n", &["E_INVALID UNREGISTER insufficient number of params"], true),
        row("REGISTER bad!\n", &["E_BAD_TOPIC REGISTER topic name 'bad!' is not valid"], true),
        row("UNREGISTER bad! c\n", &["E_BAD_TOPIC UNREGISTER topic name 'bad!' is not valid"], true),
        row("REGISTER  t\n", &["E_BAD_TOPIC REGISTER topic name '' is not valid"], true),
        row("REGISTER *\n", &["E_BAD_TOPIC REGISTER topic name '*' is not valid"], true),
        row(b"REGISTER \xff\n", &["E_BAD_TOPIC REGISTER topic name '\\xff' is not valid"], true),
        row("REGISTER t bad!\n", &["E_BAD_CHANNEL REGISTER channel name 'bad!' is not valid"], true),
        row("UNREGISTER t *\n", &["E_BAD_CHANNEL UNREGISTER channel name '*' is not valid"], true),
    ])
    .await;
}

#[tokio::test]
async fn a_wrong_body_of_identify_is_refused() {
    // Protects the directory from nodes that nobody could reach.
    const JSON: &str = "E_BAD_BODY IDENTIFY failed to decode JSON body";
    const MISSING: &str = "E_BAD_BODY IDENTIFY missing fields";
    let complete = r#""broadcast_address":"a","tcp_port":1,"http_port":2,"version":"x""#;
    let mut rows: Vec<Row> =
        [("", JSON), ("[]", JSON), ("{", JSON), ("{} x", JSON), ("{}", MISSING), ("null", MISSING)]
            .map(|(body, answer)| first(Lookupd::identify(body), &[answer], true))
            .into();
    for (field, answer) in [
        (r#""broadcast_address":"""#, MISSING),
        (r#""tcp_port":0"#, MISSING),
        (r#""http_port":0"#, MISSING),
        (r#""version":"""#, MISSING),
        (r#""tcp_port":1.0"#, JSON),
        (r#""tcp_port":1e3"#, JSON),
        (r#""http_port":"4151""#, JSON),
        (r#""hostname":5"#, JSON),
        (r#""remote_address":5"#, JSON),
    ] {
        rows.push(first(Lookupd::identify(format!("{{{complete},{field}}}")), &[answer], true));
    }
    // It came to NSQ after 1.3.0, as `topology_region`.
    if !tests::is_reference() {
        let body = format!("{{{complete},\"topology_zone\":[]}}");
        rows.push(first(Lookupd::identify(body), &[JSON], true));
    }
    // The client ends its side within them.
    rows.push(first("IDENTIFY\n", &[BAD_SIZE], false));
    rows.push(first("IDENTIFY\n\0\0\0", &[BAD_SIZE], false));
    rows.push(first("IDENTIFY\n\0\0\0\x02{", &["E_BAD_BODY IDENTIFY failed to read body"], false));
    let (ended_by_client, rows): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(|row| !row.ends);
    check(rows).await;
    let lookupd = Lookupd::start().await;
    for Row { sent, answers, .. } in ended_by_client {
        let mut client = lookupd.connect().await;
        client.send(sent).await;
        client.finish().await;
        assert_eq!(client.answer().await, answers[0]);
        client.expect_end().await;
    }
}

#[tokio::test]
async fn what_is_too_long_is_refused() {
    // Protects the process from a length below zero, and its memory from one of 2 GiB, or a line without an end.
    if !ours_only("a negative length ends the process, and there are no bounds") {
        return;
    }
    check(vec![
        first(b"IDENTIFY\n\xff\xff\xff\xff", &[BAD_SIZE], true),
        first(b"IDENTIFY\n\x7f\xff\xff\xff", &[BAD_SIZE], true),
        first(b"IDENTIFY\n\0\x01\0\x01", &[BAD_SIZE], true),
        first([b"PING\n", vec![b'x'; 4096].as_slice()].concat(), &["OK", TOO_LONG], true),
    ])
    .await;
    let lookupd = Lookupd::start().await;
    let mut client = lookupd.connect().await;
    let body = Lookupd::BODY.to_owned() + &" ".repeat(64 * 1024 - Lookupd::BODY.len());
    client.send_identify(&body).await;
    assert!(client.answer().await.starts_with('{'));
    client.send(vec![b'x'; 1 << 20]).await;
    // In spite of all that was sent behind it.
    assert_eq!(client.answer().await, TOO_LONG);
    client.expect_end().await;
}

#[tokio::test]
async fn only_v1_is_spoken() {
    // Protects those who mistake the port: nsqd's own magic, and HTTP, are told so.
    let lookupd = Lookupd::start().await;
    for magic in ["  V2", "GET ", "\0\0\0\0"] {
        let mut client = LookupClient::connect_silently(lookupd.tcp_address()).await;
        client.send(magic).await;
        assert_eq!(client.answer().await, "E_BAD_PROTOCOL", "{magic}");
        client.expect_end().await;
    }
    for beginning in ["", "  V"] {
        let mut client = LookupClient::connect_silently(lookupd.tcp_address()).await;
        client.send(beginning).await;
        client.finish().await;
        client.expect_end().await;
    }
}

#[tokio::test]
async fn one_who_says_nothing_is_not_waited_for() {
    // Protects connections, of which there are only so many.
    if !ours_only("it waits for ever") {
        return;
    }
    let lookupd = Lookupd::start().await;
    let began = Instant::now();
    let mut client = LookupClient::connect_silently(lookupd.tcp_address()).await;
    client.expect_end().await;
    assert!(Duration::from_secs(4) < began.elapsed());
}

#[tokio::test]
async fn one_who_does_not_read_holds_up_nobody() {
    // Protects memory, which answers that nobody takes would fill, and the others.
    if !ours_only("it waits for ever") {
        return;
    }
    let lookupd = Lookupd::start().await;
    let mut deaf = LookupClient::connect_narrow(lookupd.tcp_address()).await;
    let pings = b"PING\n".repeat(10_000);
    tokio::join!(deaf.flood(&pings), async {
        for _ in 0..20 {
            lookupd.identified().await.ok("PING").await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    lookupd.await_log("disconnected: the peer does not read").await;
    let status = std::fs::read_to_string(format!("/proc/{}/status", lookupd.pid())).expect("it runs");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the kernel tells");
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().expect("a number");
    assert!(peak < 64 << 10, "{peak} KiB");
}

#[tokio::test]
async fn one_too_many_is_told_so() {
    // Protects the files of the process, and those who are connected.
    if !ours_only("--max-connections") {
        return;
    }
    let lookupd = Lookupd::start_with(&["--max-connections=2"]).await;
    let mut clients = [lookupd.identified().await, lookupd.identified().await];
    let mut third = LookupClient::connect_silently(lookupd.tcp_address()).await;
    assert_eq!(third.answer().await, "E_INVALID too many connections");
    third.expect_end().await;
    lookupd.await_log("there are 2 connections, which is the limit").await;
    for client in &mut clients {
        client.ok("PING").await;
    }
    let [first, _second] = clients;
    drop(first);
    lookupd.await_log("disconnected").await;
    lookupd.identified().await.ok("PING").await;
}

/// The lines of the log about a client's registrations, without what stands before them.
fn registrations(lookupd: &Lookupd, client: &str) -> Vec<String> {
    let start = format!("client({client}) ");
    let lines = lookupd.log().into_iter().filter(|line| line.contains("REGISTER category:"));
    lines.filter_map(|line| line.split_once(&start).map(|(_, text)| text.to_owned())).collect()
}

#[tokio::test]
async fn what_is_registered_is_in_the_log() {
    // Protects operators, who look there for who came and went: each change is a line, and what changes nothing is none.
    let lookupd = Lookupd::start().await;
    let mut client = lookupd.identified().await;
    let address = client.address().to_string();
    for command in [
        "REGISTER t ch",
        "REGISTER t ch",
        "REGISTER t",
        "REGISTER u x",
        "UNREGISTER t ch",
        "UNREGISTER t ch",
        "UNREGISTER nope",
        "UNREGISTER u",
        "PING",
    ] {
        client.ok(command).await;
    }
    for text in [
        format!("INFO: TCP: new client({address})"),
        format!("INFO: CLIENT({address}): desired protocol magic '  V1'"),
        format!("INFO: CLIENT({address}): IDENTIFY Address:n1.example TCP:4150 HTTP:4151 Version:1.3.0"),
        format!("INFO: CLIENT({address}): pinged (last ping "),
        format!("INFO: DB: client({address}) REGISTER category:channel key:t subkey:ch"),
        format!("WARNING: client({address}) unexpected UNREGISTER category:channel key:u subkey:x"),
    ] {
        lookupd.await_log(&text).await;
    }
    drop(client);
    lookupd.await_log(&format!("DB: client({address}) UNREGISTER category:client")).await;
    lookupd.await_log(&format!("DB: client({address}) UNREGISTER category:topic key:t")).await;
    let mut lines = registrations(&lookupd, &address);
    // In NSQ those of the end have no order.
    lines[8..].sort();
    let expected = [
        "REGISTER category:client key: subkey:",
        "REGISTER category:channel key:t subkey:ch",
        "REGISTER category:topic key:t subkey:",
        "REGISTER category:channel key:u subkey:x",
        "REGISTER category:topic key:u subkey:",
        "UNREGISTER category:channel key:t subkey:ch",
        "unexpected UNREGISTER category:channel key:u subkey:x",
        "UNREGISTER category:topic key:u subkey:",
        "UNREGISTER category:client key: subkey:",
        "UNREGISTER category:topic key:t subkey:",
    ];
    assert_eq!(lines, expected);
}

#[tokio::test]
async fn an_orderly_end_is_no_error() {
    // Protects the log from alarms about nsqds that stop, and from load balancers that connect and close.
    if !ours_only("it is an ERROR line") {
        return;
    }
    let lookupd = Lookupd::start().await;
    drop(LookupClient::connect_silently(lookupd.tcp_address()).await);
    let client = lookupd.identified().await;
    let address = client.address();
    drop(client);
    lookupd.await_log(&format!("INFO: client({address}) disconnected: closed by the peer")).await;
    let mut wrong = lookupd.connect().await;
    wrong.send("FOO\n").await;
    wrong.answer().await;
    lookupd.await_log(&format!("ERROR: [{}] - E_INVALID invalid command FOO", wrong.address())).await;
    let log = lookupd.log();
    assert_eq!(log.iter().filter(|line| line.contains("ERROR")).count(), 1, "{log:#?}");
    assert_eq!(log.iter().filter(|line| line.contains("new client(")).count(), 2, "{log:#?}");
}
