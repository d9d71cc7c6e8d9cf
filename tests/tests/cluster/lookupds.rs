//! nsqlookupds die and come back.

use crate::cluster::{Cluster, KNOWN, TOPIC, complete_again};

#[tokio::test]
async fn one_nsqlookupd_of_two_is_enough() {
    // Protects discovery from the loss of one nsqlookupd: what comes meanwhile is found by the other, and the one that comes
    // back, which remembers nothing, is told all.
    let Some(mut cluster) = Cluster::start_consumed(&["a", "b"]).await else { return };
    cluster.kill_lookupd(0).await;
    cluster.add_node("c").await;
    cluster.deliver(&["c"]).await;
    cluster.consumers_are_on(&["a", "b", "c"]).await;
    cluster.start_lookupd_again(0).await;
    cluster.lookupds_are_complete(complete_again(), &["a", "b", "c"]).await;
    // Now by the one that was away, alone.
    cluster.kill_lookupd(1).await;
    cluster.add_node("d").await;
    cluster.deliver(&["d"]).await;
    cluster.consumers_are_on(&["a", "b", "c", "d"]).await;
    cluster.stop().await;
}

#[tokio::test]
async fn without_any_nsqlookupd_consumers_keep_what_they_have() {
    // Protects what runs from the loss of all nsqlookupds: connections stay, publishing goes on, and what is new is found
    // when they are back.
    let Some(mut cluster) = Cluster::start_consumed(&["a", "b"]).await else { return };
    cluster.kill_lookupd(0).await;
    cluster.kill_lookupd(1).await;
    cluster.add_node("c").await;
    cluster.node("c").post_ok(&format!("/topic/create?topic={TOPIC}")).await;
    cluster.consumers_are_on(&["a", "b"]).await;
    cluster.start_lookupd_again(0).await;
    cluster.start_lookupd_again(1).await;
    cluster.lookupds_list(complete_again(), &["a", "b", "c"]).await;
    cluster.consumers_are_on(&["a", "b", "c"]).await;
    cluster.lookupds_are_complete(KNOWN, &["a", "b", "c"]).await;
    cluster.stop().await;
}
