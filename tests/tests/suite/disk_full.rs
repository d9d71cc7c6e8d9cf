//! A disk that fills up, for real: a small file system in memory.

use std::path::Path;
use std::process::Command;

use tests::Nsqd;

/// A mounted file system of a few MiB; unmounted when dropped.
pub(crate) struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// `None`, with a printed line, where mounting is not allowed.
    #[expect(clippy::print_stdout, reason = "a test that does not run says so")]
    pub(crate) fn mount() -> Option<Self> {
        let folder = tempfile::TempDir::with_prefix("nsqd-small-").expect("a temporary folder can be made");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"])
            .arg(folder.path())
            .output()
            .is_ok_and(|output| output.status.success());
        if !mounted {
            println!("skipped: mounting a file system needs root");
        }
        mounted.then_some(Self(folder))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    fn free_bytes(&self) -> u64 {
        let output = Command::new("stat").args(["-f", "-c", "%a %S"]).arg(self.path()).output();
        let text = String::from_utf8(output.expect("stat can be run").stdout).expect("numbers");
        text.split_whitespace().map(|number| number.parse::<u64>().expect("a number")).product()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // The data path is busy until nsqd, which was started on it, is gone.
        let _ = Command::new("umount").arg("-l").arg(self.path()).output();
    }
}

#[tokio::test]
async fn a_full_disk_refuses_publishes_loses_nothing_and_heals() {
    // Protects acknowledged messages when there is no room for more: refused is refused, kept is kept.
    if !tests::ours_only("NSQ acknowledges what it then drops") {
        return;
    }
    for reserve in [0, 1_000_000] {
        let Some(disk) = SmallDisk::mount() else { return };
        fills_and_heals(&disk, reserve).await;
    }
}

async fn fills_and_heals(disk: &SmallDisk, reserve: u64) {
    let data_path = format!("--data-path={}", disk.path().display());
    let nsqd = Nsqd::start_with(&[&data_path, &format!("--min-free-bytes={reserve}")]).await;
    nsqd.create_channel("t", "c").await;
    let mut acknowledged: u64 = 0;
    let body = vec![b'x'; 10_000];
    // The last room may be in the hands of nsqd, which is about to make a segment of it: full is what stays full.
    let mut refusals = 0;
    let refused = loop {
        let response = nsqd.post("/pub?topic=t", &body).await;
        if response.status == 200 {
            acknowledged += 1;
            refusals = 0;
            assert!(acknowledged < 1000, "a disk of 4 MiB took 10 MB");
        } else {
            refusals += 1;
        }
        if refusals == 100 {
            break response;
        }
    };
    assert_eq!(refused.status, 503);
    assert!(refused.message().contains("no room"), "{}", refused.message());
    assert!(100 < acknowledged, "only {acknowledged} messages fitted");
    assert!(reserve <= disk.free_bytes(), "{} bytes are left of the reserve", disk.free_bytes());

    let mut producer = nsqd.connect().await;
    producer.send([b"PUB t\n".as_slice(), &10_000_u32.to_be_bytes(), &body].concat()).await;
    let error = producer.next_error().await;
    assert!(error.starts_with("E_PUB_FAILED PUB failed no room"), "{error}");
    let ping = nsqd.get("/ping").await;
    assert_eq!(ping.status, 500);
    assert!(ping.text().starts_with("NOK - "), "{}", ping.text());

    let mut consumer = nsqd.consumer("t", "c", 100).await;
    for _ in 0..acknowledged {
        let message = consumer.next_message().await;
        assert!(message.body == body);
        consumer.fin(message.id).await;
    }
    // Consumed segments are room again.
    nsqd.await_channel("t", "c", |channel| channel["in_flight_count"] == 0).await;
    tests::within("the first publish after the disk was full", async {
        while nsqd.post("/pub?topic=t", b"again").await.status != 200 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(consumer.next_message().await.body, b"again");
    assert_eq!(nsqd.get("/ping").await.status, 200);
}
