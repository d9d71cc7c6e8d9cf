//! Nodes come, die, and move.

use tests::ours_only;

use crate::cluster::{Cluster, KNOWN, TOPIC, complete_again};

#[tokio::test]
async fn consumers_are_connected_to_the_nodes_that_have_the_topic() {
    // Protects the whole of discovery: each consumer to each node that has the topic, once, and to no other.
    let Some(mut cluster) = Cluster::start(&["a", "b", "c"], &[]).await else { return };
    cluster.add_node("d").await;
    cluster.node("d").post_ok("/topic/create?topic=another").await;
    cluster.add_consumers("").await;
    cluster.consumers_are_on(&["a", "b", "c"]).await;
    // It gets the topic by a publish; its first message comes, too: its channels are those of the other nodes.
    cluster.deliver(&["d"]).await;
    cluster.consumers_are_on(&["a", "b", "c", "d"]).await;
    cluster.lookupds_are_complete(KNOWN, &["a", "b", "c", "d"]).await;
    cluster.stop().await;
}

#[tokio::test]
async fn a_killed_node_is_dropped_and_the_others_go_on() {
    // Protects consumers from one dead node among several, and its messages: they come when it is back, elsewhere.
    let Some(mut cluster) = Cluster::start_consumed(&["a", "b", "c"]).await else { return };
    // Acknowledged, and not yet on its way to anybody.
    cluster.node("b").post_ok(&format!("/topic/pause?topic={TOPIC}")).await;
    cluster.node("b").connect().await.publish(TOPIC, "kept").await;
    let killed = cluster.kill_node("b").await;
    cluster.lookupds_list(KNOWN, &["a", "c"]).await;
    cluster.consumers_are_on(&["a", "c"]).await;
    cluster.start_again("b", killed).await;
    cluster.node("b").post_ok(&format!("/topic/unpause?topic={TOPIC}")).await;
    cluster.lookupds_are_complete(KNOWN, &["a", "b", "c"]).await;
    cluster.consumers_are_on(&["a", "b", "c"]).await;
    if ours_only("what is in memory is lost with the process") {
        for consumer in &cluster.consumers {
            consumer.await_messages(&["kept".to_owned()]).await;
        }
    }
    cluster.stop().await;
}

#[tokio::test]
async fn a_node_that_stops_and_comes_back_under_a_new_port_is_found_there() {
    // Protects rolling restarts under a scheduler, which gives other ports: what waits there is delivered.
    let Some(mut cluster) = Cluster::start_consumed(&["a", "b", "c"]).await else { return };
    let mut moved = cluster.nodes.remove("c").expect("it runs");
    assert!(moved.terminate().await.success());
    cluster.lookupds_list(KNOWN, &["a", "b"]).await;
    cluster.consumers_are_on(&["a", "b"]).await;
    cluster.start_again("c", moved).await;
    // Before anybody is connected there.
    cluster.deliver(&["c"]).await;
    cluster.lookupds_are_complete(complete_again(), &["a", "b", "c"]).await;
    cluster.consumers_are_on(&["a", "b", "c"]).await;
    cluster.stop().await;
}
