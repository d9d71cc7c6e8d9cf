//! Retention, and channels that go back or forward in what is kept.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tests::{Client, Message, Nsqd, ours_only};

/// All is kept, in segments so small that it is in many files.
const KEEP: [&str; 3] = ["--retention-bytes=100000000", "--max-bytes-per-file=8192", "--sync-timeout=20ms"];

const MESSAGES: usize = 300;

/// Publishes 300 messages and consumes them.
async fn consumed(nsqd: &Nsqd) -> Client {
    let mut consumer = nsqd.consumer("t", "c", 100).await;
    let mut producer = nsqd.connect().await;
    for from in (0..MESSAGES).step_by(50) {
        let bodies: Vec<_> = (from..from + 50).map(|number| format!("{number:>200}")).collect();
        producer.mpub("t", &bodies).await;
    }
    assert_eq!(numbers(&consumer.finish_messages(MESSAGES).await), (0..MESSAGES).collect::<Vec<_>>());
    nsqd.await_channel("t", "c", |channel| channel["depth"] == 0 && channel["in_flight_count"] == 0).await;
    consumer
}

fn numbers(messages: &[Message]) -> Vec<usize> {
    let number = |message: &Message| String::from_utf8_lossy(&message.body).trim().parse().expect("a number");
    messages.iter().map(number).collect()
}

#[tokio::test]
async fn what_was_consumed_is_delivered_again() {
    // Protects replay: from the start, from a seq, from a time, to the end, with the same consumer connected all the time.
    if !ours_only("it keeps nothing that was consumed") {
        return;
    }
    let nsqd = Nsqd::start_with(&KEEP).await;
    let mut consumer = consumed(&nsqd).await;
    nsqd.post_ok("/channel/seek?topic=t&channel=c&to=earliest").await;
    let again = consumer.finish_messages(MESSAGES).await;
    assert_eq!(numbers(&again), (0..MESSAGES).collect::<Vec<_>>());
    assert!(again.iter().all(|message| message.attempts == 1));
    nsqd.post_ok("/channel/seek?topic=t&channel=c&to=290").await;
    assert_eq!(numbers(&consumer.finish_messages(10).await), (290..300).collect::<Vec<_>>());
    // The messages of one command have one time.
    let time = again[123].timestamp_ns;
    let time = Duration::from_nanos(u64::try_from(time).expect("after 1970"));
    let text = rfc_3339(UNIX_EPOCH + time);
    nsqd.post_ok(&format!("/channel/seek?topic=t&channel=c&to={text}")).await;
    assert_eq!(numbers(&consumer.finish_messages(200).await), (100..300).collect::<Vec<_>>());
    nsqd.post_ok("/channel/seek?topic=t&channel=c&to=earliest").await;
    nsqd.post_ok("/channel/seek?topic=t&channel=c&to=latest").await;
    nsqd.await_channel("t", "c", |channel| channel["depth"] == 0 && channel["in_flight_count"] == 0).await;
    consumer.publish("t", "400").await;
    let last = loop {
        // What was under way when the channel moved may still come.
        let message = consumer.next_message().await;
        if message.body == b"400" {
            break message;
        }
    };
    consumer.fin(last.id).await;
    consumer.expect_alive().await;
}

/// A time as operators write it.
fn rfc_3339(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).expect("after 1970");
    let (days, seconds) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    // Civil from days (Hinnant, chrono-compatible low-level date algorithms).
    let z = days + 719_468;
    let era = z / 146_097;
    let day_of_era = z % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:09}Z", since.subsec_nanos())
}

#[tokio::test]
async fn a_seek_forgets_what_was_outstanding() {
    // Protects against doubles: what is in flight, requeued or deferred when the channel moves does not come besides.
    if !ours_only("it has no seek") {
        return;
    }
    let nsqd = Nsqd::start_with(&KEEP).await;
    let mut consumer = nsqd.consumer("t", "c", 3).await;
    consumer.dpub("t", Duration::from_mins(10), b"deferred").await;
    consumer.mpub("t", &[b"1", b"2", b"3"]).await;
    let held = [consumer.next_message().await, consumer.next_message().await, consumer.next_message().await];
    consumer.rdy(0).await;
    consumer.req(held[0].id, Duration::from_mins(10)).await;
    nsqd.await_channel("t", "c", |channel| channel["deferred_count"] == 2).await;
    nsqd.post_ok("/channel/seek?topic=t&channel=c&to=earliest").await;
    let channel = nsqd.stats().await.channel("t", "c");
    let counts = ["depth", "in_flight_count", "deferred_count"].map(|count| channel[count].clone());
    assert_eq!(counts, [3, 0, 1], "three, and one whose time has not come");
    consumer.fin(held[1].id).await;
    assert!(consumer.next_error().await.starts_with("E_FIN_FAILED"));
    consumer.rdy(5).await;
    let mut bodies: Vec<_> =
        consumer.finish_messages(3).await.into_iter().map(|message| message.body).collect();
    bodies.sort();
    assert_eq!(bodies, [b"1", b"2", b"3"]);
}

#[tokio::test]
async fn a_new_channel_begins_where_it_is_told_to() {
    // Protects the way to give a new reader the history; a channel that is there is left alone.
    if !ours_only("it keeps nothing that was consumed") {
        return;
    }
    let nsqd = Nsqd::start_with(&KEEP).await;
    let _consumer = consumed(&nsqd).await;
    nsqd.post_ok("/channel/create?topic=t&channel=new&from=earliest").await;
    nsqd.post_ok("/channel/create?topic=t&channel=plain").await;
    nsqd.post_ok("/channel/create?topic=t&channel=plain&from=earliest").await;
    let stats = nsqd.stats().await;
    assert_eq!(stats.channel("t", "new")["depth"], MESSAGES);
    assert_eq!(stats.channel("t", "plain")["depth"], 0);
    let messages = nsqd.consumer("t", "new", 100).await.finish_messages(MESSAGES).await;
    assert_eq!(numbers(&messages), (0..MESSAGES).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_seek_survives_a_restart_and_a_kill() {
    // Protects the operator's word: the answer comes when the checkpoint is written; what is kept stays kept.
    if !ours_only("it keeps nothing that was consumed") {
        return;
    }
    let nsqd = Nsqd::start_with(&[KEEP[0], KEEP[1], "--sync-timeout=1h"]).await;
    drop(consumed(&nsqd).await);
    let mut nsqd = nsqd.restart().await;
    nsqd.post_ok("/channel/seek?topic=t&channel=c&to=100").await;
    assert_eq!(nsqd.stats().await.channel("t", "c")["depth"], 200);
    nsqd.kill().await;
    let nsqd = nsqd.start_again().await;
    assert_eq!(nsqd.stats().await.channel("t", "c")["depth"], 200);
    let nsqd = nsqd.restart().await;
    let messages = nsqd.consumer("t", "c", 100).await.finish_messages(200).await;
    assert_eq!(numbers(&messages), (100..300).collect::<Vec<_>>());
}

#[tokio::test]
async fn retention_ends_by_bytes_and_by_age() {
    // Protects the disk: what is beyond the limit goes, oldest first, also when nothing is published any more.
    if !ours_only("it keeps nothing that was consumed") {
        return;
    }
    for (limit, kept) in
        [("--retention-bytes=60000", true), ("--retention-age=1ms", false), ("--msg-timeout=1m", false)]
    {
        let nsqd = Nsqd::start_with(&[limit, KEEP[1], KEEP[2]]).await;
        let mut consumer = consumed(&nsqd).await;
        // One more has the segments before it looked at.
        consumer.publish("t", "300").await;
        consumer.finish_messages(1).await;
        nsqd.await_channel("t", "c", |channel| channel["in_flight_count"] == 0).await;
        let count = |nsqd: &Nsqd| {
            let files = std::fs::read_dir(nsqd.data_path().join("t.topic")).expect("the folder is there");
            files
                .filter(|file| {
                    file.as_ref().is_ok_and(|file| file.path().extension().is_some_and(|it| it == "seg"))
                })
                .count()
        };
        // Three spares are kept to be written into again, and one is made ahead.
        nsqd.await_stats("the removal of old segments", |_| count(&nsqd) <= if kept { 10 } else { 6 }).await;
        nsqd.post_ok("/channel/seek?topic=t&channel=c&to=earliest").await;
        let depth = nsqd.stats().await.channel("t", "c")["depth"].as_u64().expect("a count");
        assert_eq!(kept, 100 < depth, "{limit}: {depth}");
        assert!(depth < 200, "{limit}: {depth}");
    }
}

#[tokio::test]
async fn places_that_are_not_there_are_refused() {
    // Protects against a seek to somewhere that nobody meant.
    if !ours_only("it has no seek") {
        return;
    }
    let nsqd = Nsqd::start().await;
    nsqd.create_channel("t", "c").await;
    for (target, status, message) in [
        ("/channel/seek?topic=t&channel=c", 400, "MISSING_ARG_TO"),
        ("/channel/seek?topic=t&channel=c&to=yesterday", 400, "INVALID_ARG_TO"),
        ("/channel/seek?topic=t&channel=c&to=1", 400, "INVALID_ARG_TO"),
        ("/channel/seek?topic=t&channel=c&to=-1", 400, "INVALID_ARG_TO"),
        ("/channel/seek?topic=t&to=earliest", 400, "MISSING_ARG_CHANNEL"),
        ("/channel/seek?channel=c&to=earliest", 400, "MISSING_ARG_TOPIC"),
        ("/channel/seek?topic=t&channel=d&to=earliest", 404, "CHANNEL_NOT_FOUND"),
        ("/channel/seek?topic=u&channel=d&to=earliest", 404, "TOPIC_NOT_FOUND"),
        ("/channel/create?topic=t&channel=new&from=first", 400, "INVALID_ARG_FROM"),
    ] {
        let response = nsqd.post(target, b"").await;
        assert_eq!((response.status, response.message().as_str()), (status, message), "{target}");
    }
    assert!(nsqd.stats().await.channel("t", "new").is_null(), "nothing is made by a request that is refused");
    assert_eq!(nsqd.get("/channel/seek?topic=t&channel=c&to=earliest").await.status, 405);
    for to in ["earliest", "latest", "0", "2026-11-20T12:00:00Z"] {
        nsqd.post_ok(&format!("/channel/seek?topic=t&channel=c&to={to}")).await;
    }
}
