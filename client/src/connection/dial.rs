//! TCP connections, and their failures in Go's words, which scripts look for.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    net::{TcpSocket, TcpStream, lookup_host},
    time::timeout,
};

use super::ConnectError;
use crate::io_cause;

/// Connects to host:port, to the first of its addresses that takes it.
///
/// `limit` is for all of it; 0 for none.
///
/// # Errors
/// [`ConnectError::Dial`], of the first address.
pub(super) async fn dial(
    address: &str,
    local: Option<SocketAddr>,
    limit: Duration,
) -> Result<TcpStream, ConnectError> {
    let dialing = dial_any(address, local);
    if limit.is_zero() {
        return dialing.await;
    }
    timeout(limit, dialing).await.unwrap_or_else(|_| Err(failed(format!(" {address}: i/o timeout"))))
}

/// The host of host:port, without the brackets of IPv6.
pub(super) fn host(address: &str) -> &str {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

async fn dial_any(address: &str, local: Option<SocketAddr>) -> Result<TcpStream, ConnectError> {
    let Some((_, port)) = address.rsplit_once(':') else {
        return Err(failed(format!(": address {address}: missing port in address")));
    };
    let Ok(port) = port.parse::<u16>() else {
        return Err(failed(format!(": lookup tcp/{port}: unknown port")));
    };
    let name = host(address);
    // No host means this one, as in Go.
    let name = if name.is_empty() { "localhost" } else { name };
    let found = lookup_host((name, port)).await.map_err(|_| no_such_host(name))?;
    let mut first = None;
    for remote in found {
        match dial_one(remote, local).await {
            Ok(stream) => return Ok(stream),
            Err(cause) => {
                first.get_or_insert_with(|| failed(format!(" {remote}: connect: {}", io_cause(&cause))));
            }
        }
    }
    Err(first.unwrap_or_else(|| no_such_host(name)))
}

async fn dial_one(remote: SocketAddr, local: Option<SocketAddr>) -> io::Result<TcpStream> {
    let socket = if remote.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(local) = local {
        socket.bind(local)?;
    }
    let stream = socket.connect(remote).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn no_such_host(name: &str) -> ConnectError {
    failed(format!(": lookup {name}: no such host"))
}

fn failed(text: String) -> ConnectError {
    ConnectError::Dial { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(address: &str, expected: &str) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let error = runtime.block_on(dial(address, None, Duration::from_secs(5))).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn failures_are_told_as_go_tells_them() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let free = listener.local_addr().unwrap();
        drop(listener);
        check(&free.to_string(), &format!("dial tcp {free}: connect: connection refused"));
        check("127.0.0.1", "dial tcp: address 127.0.0.1: missing port in address");
        check("127.0.0.1:x", "dial tcp: lookup tcp/x: unknown port");
    }

    #[test]
    fn hosts_are_cut_from_addresses() {
        assert_eq!([host("a:1"), host("[::1]:1"), host(":1"), host("a")], ["a", "::1", "", "a"]);
    }
}
