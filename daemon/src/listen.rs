//! Listeners: TCP or unix sockets.

use std::{fs, io, io::Write, net::SocketAddr, os::unix::fs::FileTypeExt, path::PathBuf, time::Duration};

use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tracing::error;

use crate::{address::ListenAddress, io_cause};

/// Connections that wait to be accepted.
const BACKLOG: i32 = 4096;
/// Dead peers of connections without heartbeats are found by this.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// After a failed accept (out of descriptors, mostly) the next is tried so much later.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A bound socket.
#[derive(Debug)]
pub enum Listener {
    /// And the address that it has.
    Tcp(std::net::TcpListener, SocketAddr),
    /// And where it lies.
    Unix(std::os::unix::net::UnixListener, PathBuf),
}

impl Listener {
    /// Binds. Whatever keeps a second daemon from starting must be held: a unix socket on which nobody listens is replaced.
    ///
    /// # Errors
    /// The text of NSQ's start error.
    pub fn bind(address: &ListenAddress) -> Result<Self, String> {
        match address {
            ListenAddress::Tcp(text) => Self::bind_tcp(text).map_err(|error| {
                format!("listen ({text}) failed - listen tcp {text}: bind: {}", io_cause(&error))
            }),
            ListenAddress::Unix(path) => Self::bind_unix(path).map_err(|error| {
                let path = path.display();
                format!("listen ({path}) failed - listen unix {path}: bind: {}", io_cause(&error))
            }),
        }
    }

    fn bind_tcp(text: &str) -> io::Result<Self> {
        let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in std::net::ToSocketAddrs::to_socket_addrs(text)? {
            match bind_socket(address) {
                Ok(listener) => {
                    let bound = listener.local_addr()?;
                    return Ok(Self::Tcp(listener, bound));
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn bind_unix(path: &PathBuf) -> io::Result<Self> {
        let is_socket = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket());
        if is_socket && std::os::unix::net::UnixStream::connect(path).is_err() {
            fs::remove_file(path)?;
        }
        let listener = std::os::unix::net::UnixListener::bind(path)?;
        listener.set_nonblocking(true)?;
        Ok(Self::Unix(listener, path.clone()))
    }

    /// The bound port; −1 for a unix socket.
    pub fn port(&self) -> i32 {
        match self {
            Self::Tcp(_, address) => i32::from(address.port()),
            Self::Unix(..) => -1,
        }
    }

    /// As logs show it.
    pub fn name(&self) -> String {
        match self {
            Self::Tcp(_, address) => address.to_string(),
            Self::Unix(_, path) => path.display().to_string(),
        }
    }

    /// Hands every accepted connection to `serve`, for ever. To be called on the runtime that accepts.
    ///
    /// # Errors
    /// The runtime does not take the socket.
    pub async fn accept(self, serve: impl Fn(Accepted)) -> io::Result<()> {
        match self {
            Self::Tcp(listener, _) => {
                let listener = TcpListener::from_std(listener)?;
                loop {
                    let accepted = listener.accept().await.and_then(|(stream, _)| Accepted::tcp(stream));
                    hand_over(accepted, &serve).await;
                }
            }
            Self::Unix(listener, path) => {
                let _removed_at_the_end = RemoveFile(path);
                let listener = UnixListener::from_std(listener)?;
                loop {
                    let accepted = listener
                        .accept()
                        .await
                        .and_then(|(stream, _)| Ok(Accepted::Unix(stream.into_std()?)));
                    hand_over(accepted, &serve).await;
                }
            }
        }
    }
}

async fn hand_over(accepted: io::Result<Accepted>, serve: &impl Fn(Accepted)) {
    match accepted {
        Ok(accepted) => serve(accepted),
        Err(cause) if cause.kind() == io::ErrorKind::ConnectionAborted => {}
        Err(cause) => {
            error!(%cause, "cannot accept a connection; trying again");
            tokio::time::sleep(ACCEPT_PAUSE).await;
        }
    }
}

/// Removes a unix socket when its listener ends.
struct RemoveFile(PathBuf);

impl Drop for RemoveFile {
    fn drop(&mut self) {
        // Whoever removed it before had the same wish.
        let _ = fs::remove_file(&self.0);
    }
}

/// An accepted connection, not yet tied to a runtime.
#[derive(Debug)]
pub enum Accepted {
    /// And its peer's address.
    Tcp(std::net::TcpStream, SocketAddr),
    /// Of a peer that has no address.
    Unix(std::os::unix::net::UnixStream),
}

impl Accepted {
    fn tcp(stream: TcpStream) -> io::Result<Self> {
        let address = stream.peer_addr()?;
        stream.set_nodelay(true)?;
        let stream = stream.into_std()?;
        let keep_alive = TcpKeepalive::new().with_time(KEEP_ALIVE).with_interval(KEEP_ALIVE);
        socket2::SockRef::from(&stream).set_tcp_keepalive(&keep_alive)?;
        Ok(Self::Tcp(stream, address))
    }

    /// The peer's address with port, as logs and statistics show it, and its IP address alone.
    pub fn peer(&self) -> (String, String) {
        match self {
            Self::Tcp(_, address) => (address.to_string(), address.ip().to_string()),
            Self::Unix(_) => ("@".to_owned(), String::new()),
        }
    }

    /// Says something to a client that is not served, if that can be done at once, and ends the connection.
    pub fn farewell(self, words: &[u8]) {
        // It is turned away in any case.
        let _ = match self {
            Self::Tcp(mut stream, _) => stream.write(words),
            Self::Unix(mut stream) => stream.write(words),
        };
    }
}

/// The connection on the runtime that asks.
///
/// # Errors
/// The runtime does not take the socket.
pub fn into_tcp(stream: std::net::TcpStream) -> io::Result<TcpStream> {
    TcpStream::from_std(stream)
}

/// The connection on the runtime that asks.
///
/// # Errors
/// The runtime does not take the socket.
pub fn into_unix(stream: std::os::unix::net::UnixStream) -> io::Result<UnixStream> {
    UnixStream::from_std(stream)
}

fn bind_socket(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}
