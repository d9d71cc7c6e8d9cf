//! An nsqlookupd that is slow, silent, mad or behind the times, beside a good one.

use tests::HttpServer;

use crate::cluster::{Cluster, TOPIC};

/// Adds a node with the topic, which the good nsqlookupd alone knows.
async fn a_node_comes(cluster: &mut Cluster, name: &'static str, all: &[&str]) {
    cluster.add_node(name).await;
    cluster.node(name).post_ok(&format!("/topic/create?topic={TOPIC}")).await;
    cluster.consumers_are_on(all).await;
}

#[tokio::test]
async fn a_bad_nsqlookupd_does_not_hide_what_a_good_one_knows() {
    // Protects consumers, who believe every nsqlookupd: they go on by what the good one says, live, and are connected once
    // to what both say.
    let Some(mut cluster) = Cluster::start(&["a"], &[]).await else { return };
    let bad = HttpServer::start().await;
    bad.say(200, "this is no JSON");
    let addresses = [cluster.lookupd_addresses()[0], bad.address()];
    cluster.add_consumers_of(&addresses, "").await;
    cluster.consumers_are_on(&["a"]).await;
    bad.say(500, r#"{"message":"INTERNAL_ERROR"}"#);
    a_node_comes(&mut cluster, "b", &["a", "b"]).await;
    // Stale: nobody is at the one address any more, and everybody is connected to the other already.
    let known = cluster.node("a").tcp_address();
    let producer = |address: &str, port: u16| {
        format!(
            r#"{{"remote_address":"{address}:9","hostname":"h","broadcast_address":"{address}","tcp_port":{port},"http_port":9,"version":"1.3.0"}}"#
        )
    };
    let producers = [producer("127.0.0.99", 9), producer(&known.ip().to_string(), known.port())].join(",");
    bad.say(200, &format!(r#"{{"channels":["gone"],"producers":[{producers}]}}"#));
    a_node_comes(&mut cluster, "c", &["a", "b", "c"]).await;
    // Silent, from here on.
    bad.hold(true);
    a_node_comes(&mut cluster, "d", &["a", "b", "c", "d"]).await;
    // Late: what was asked long ago is answered now.
    bad.hold(false);
    a_node_comes(&mut cluster, "e", &["a", "b", "c", "d", "e"]).await;
    cluster.stop().await;
}
