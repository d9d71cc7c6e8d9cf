//! Topics are deleted and hidden on nodes.

use std::net::SocketAddr;
use std::time::Duration;

use tests::HttpConnection;
use tokio::task::JoinSet;

use crate::cluster::{Cluster, KNOWN, TOPIC};

/// Between two tombstones on the same node.
const TOMBSTONE_INTERVAL: Duration = Duration::from_millis(500);

/// Hides a node from those who look for the topic.
async fn tombstone(lookupd: SocketAddr, node: SocketAddr) {
    let target = format!("/topic/tombstone?topic={TOPIC}&node={node}");
    let response = HttpConnection::connect(lookupd).await.request("POST", &target, b"").await;
    assert_eq!(response.status, 200, "{target}: {}", response.text());
}

#[tokio::test]
async fn a_topic_that_is_deleted_on_one_node_stays_deleted_there() {
    // Protects operators, who take a node out of a topic as nsqadmin does: a tombstone first, so that no consumer asks just
    // before the node has said that the topic is gone, connects, and thereby makes it again.
    let Some(mut cluster) = Cluster::start_consumed(&["a", "b", "c"]).await else { return };
    for lookupd in cluster.lookupd_addresses() {
        tombstone(lookupd, cluster.node("b").http_address()).await;
    }
    cluster.node("b").post_ok(&format!("/topic/delete?topic={TOPIC}")).await;
    cluster.lookupds_list(KNOWN, &["a", "c"]).await;
    cluster.consumers_are_on(&["a", "c"]).await;
    assert_eq!(cluster.node("b").stats().await.0["topics"].as_array().map(Vec::len), Some(0));
    // It went with its tombstone: one that is published to is found at once, and nothing of it is missed.
    cluster.deliver(&["b"]).await;
    cluster.lookupds_are_complete(KNOWN, &["a", "b", "c"]).await;
    cluster.consumers_are_on(&["a", "b", "c"]).await;
    cluster.stop().await;
}

#[tokio::test]
async fn a_topic_that_is_deleted_everywhere_is_gone_until_it_is_made_again() {
    // Protects consumers of a topic that nobody has: they live, ask on, and are there when it comes back.
    let Some(mut cluster) = Cluster::start_consumed(&["a", "b", "c"]).await else { return };
    for lookupd in cluster.lookupds_up() {
        lookupd.post_ok(&format!("/topic/delete?topic={TOPIC}")).await;
    }
    for node in cluster.nodes.values() {
        node.post_ok(&format!("/topic/delete?topic={TOPIC}")).await;
    }
    cluster.lookupds_list(KNOWN, &[]).await;
    cluster.consumers_are_on(&[]).await;
    for (name, node) in &cluster.nodes {
        assert_eq!(node.stats().await.0["topics"].as_array().map(Vec::len), Some(0), "{name}");
    }
    cluster.node("b").post_ok(&format!("/topic/create?topic={TOPIC}")).await;
    cluster.lookupds_list(KNOWN, &["b"]).await;
    cluster.consumers_are_on(&["b"]).await;
    cluster.lookupds_are_complete(KNOWN, &["b"]).await;
    cluster.stop().await;
}

#[tokio::test]
async fn a_tombstone_keeps_new_consumers_away_for_its_lifetime() {
    // Protects a node that is to be emptied: who is connected stays and drains it, nobody new comes until it is over.
    let Some(mut cluster) = Cluster::start(&["a", "b", "c"], &["--tombstone-lifetime=3s"]).await else {
        return;
    };
    cluster.add_consumers("").await;
    cluster.consumers_are_on(&["a", "b", "c"]).await;
    let tombstones = keep_hidden(cluster.lookupd_addresses(), cluster.node("b").http_address());
    cluster.lookupds_list(KNOWN, &["a", "c"]).await;
    cluster.add_consumers("-late").await;
    let (early, late) = cluster.consumers.split_at(3);
    cluster.come_to(late, &["a", "c"]).await;
    cluster.stay_on(late, &["a", "c"]).await;
    cluster.stay_on(early, &["a", "b", "c"]).await;
    drop(tombstones);
    cluster.lookupds_list(KNOWN, &["a", "b", "c"]).await;
    cluster.consumers_are_on(&["a", "b", "c"]).await;
    cluster.stop().await;
}

/// Renews a node's tombstones until this is dropped, so that however slow a machine is, none ends before that.
fn keep_hidden(lookupds: Vec<SocketAddr>, node: SocketAddr) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        loop {
            for lookupd in &lookupds {
                tombstone(*lookupd, node).await;
            }
            tokio::time::sleep(TOMBSTONE_INTERVAL).await;
        }
    });
    tasks
}
