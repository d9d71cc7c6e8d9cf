//! A network that breaks: what goes through it comes in pieces, and ends in the middle of anything.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use fastrand::Rng;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Bytes in each direction behind which a connection breaks, at most.
const BYTES_MAX: usize = 30_000;
/// Bytes of a piece, at most.
const PIECE_BYTES_MAX: usize = 2_000;

/// Stands between clients and a server, and breaks so many connections; those behind them stay.
pub struct FaultProxy {
    address: SocketAddr,
    broken: Arc<AtomicU32>,
    accepting: JoinHandle<()>,
}

impl FaultProxy {
    /// Breaks the first `faults` connections to `server`, at places that `seed` decides.
    pub async fn start(server: SocketAddr, faults: u32, seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there are ports");
        let address = listener.local_addr().expect("it is bound");
        let broken = Arc::new(AtomicU32::new(0));
        let accepting =
            tokio::spawn(accept(listener, server, faults, Rng::with_seed(seed), Arc::clone(&broken)));
        Self { address, broken, accepting }
    }

    /// Where clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections it has broken.
    pub fn broken(&self) -> u32 {
        self.broken.load(Ordering::Relaxed)
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(
    listener: TcpListener,
    server: SocketAddr,
    faults: u32,
    mut rng: Rng,
    broken: Arc<AtomicU32>,
) {
    loop {
        let (client, _) = listener.accept().await.expect("it takes connections");
        let Ok(server) = TcpStream::connect(server).await else { continue };
        let is_fated = broken.load(Ordering::Relaxed) < faults;
        // Some break in the handshake, others later.
        let mut budget = || if is_fated { rng.usize(..BYTES_MAX) } else { usize::MAX };
        let (up, down) = (budget(), budget());
        let is_reset = rng.bool();
        let pieces = rng.fork();
        let broken = Arc::clone(&broken);
        tokio::spawn(async move {
            if is_fated && is_reset {
                client.set_zero_linger().expect("a TCP socket has this option");
            }
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            tokio::select! {
                () = pass(from_client, to_server, up, pieces.clone()) => {}
                () = pass(from_server, to_client, down, pieces) => {}
            }
            if is_fated {
                broken.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
}

/// Passes so many bytes on, in pieces of any size. Both sides are closed when it returns.
async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut budget: usize, mut rng: Rng) {
    let mut buffer = vec![0; PIECE_BYTES_MAX];
    while 0 < budget {
        let limit = rng.usize(1..=PIECE_BYTES_MAX).min(budget);
        match from.read(&mut buffer[..limit]).await {
            Ok(read) if read != 0 => {
                if to.write_all(&buffer[..read]).await.is_err() {
                    return;
                }
                budget -= read;
            }
            _ => return,
        }
    }
}
