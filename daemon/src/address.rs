//! Listen addresses: TCP or a unix socket.

use std::fmt::{self, Display, Formatter};
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Where a listener binds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenAddress {
    /// `host:port` with a number as port and a host that is not empty, ready to be resolved and bound.
    Tcp(String),
    /// The path of a unix socket.
    Unix(PathBuf),
}

/// Why a text is not a listen address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "an error's message is its doc")]
pub enum AddressError {
    #[error("the address is empty; give host:port, or the path of a unix socket")]
    Empty,
    #[error("{text:?} has no port; write {text}:<port>, or, for a unix socket, a path with a / in it")]
    NoPort { text: String },
    #[error("{text:?} has no port, or an IPv6 address without brackets; write [{text}]:<port>")]
    NoBrackets { text: String },
    #[error("{text:?} names the port {port:?}, which is neither a number up to 65535 nor a known service")]
    UnknownPort { text: String, port: String },
}

impl FromStr for ListenAddress {
    type Err = AddressError;

    /// Whatever has a `/` in it, or ends in `.sock` or `.socket` and has no port, is a path. All else needs a port:
    /// `host:port`, `:port` for all interfaces of both families, `[v6]:port`. A service's name serves as port.
    ///
    /// NSQ takes every text without a port for a path, so that `127.0.0.1` silently becomes a socket file of that name;
    /// this is refused.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        if text.is_empty() {
            return Err(AddressError::Empty);
        }
        if text.contains('/') {
            return Ok(Self::Unix(text.into()));
        }
        let Some((host, port)) = text.rsplit_once(':') else {
            let extension = Path::new(text).extension();
            let is_socket_name =
                extension.is_some_and(|extension| extension == "sock" || extension == "socket");
            return if is_socket_name {
                Ok(Self::Unix(text.into()))
            } else {
                Err(AddressError::NoPort { text: text.to_owned() })
            };
        };
        if text.ends_with(']') {
            return Err(AddressError::NoPort { text: text.to_owned() });
        }
        let in_brackets = host.starts_with('[') && host.ends_with(']');
        if !in_brackets && host.contains(':') {
            return Err(AddressError::NoBrackets { text: text.to_owned() });
        }
        let number = port_number(port)
            .ok_or_else(|| AddressError::UnknownPort { text: text.to_owned(), port: port.to_owned() })?;
        let host = if host.is_empty() || host == "[]" { "[::]" } else { host };
        Ok(Self::Tcp(format!("{host}:{number}")))
    }
}

impl Display for ListenAddress {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => f.write_str(address),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

/// An empty port is 0, as in the reference: any free one.
fn port_number(port: &str) -> Option<u16> {
    if port.is_empty() {
        return Some(0);
    }
    if port.bytes().all(|b| b.is_ascii_digit()) {
        return port.parse().ok();
    }
    let services = fs::read_to_string("/etc/services").unwrap_or_default();
    service_port(&services, port)
}

/// Looks a TCP service up in the text of a services file: `name port/protocol alias...`, `#` begins a comment.
fn service_port(services: &str, name: &str) -> Option<u16> {
    services.lines().find_map(|line| {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        let official = words.next()?;
        let port = words.next()?.strip_suffix("/tcp")?;
        let is_named = official == name || words.any(|alias| alias == name);
        is_named.then(|| port.parse().ok()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_tcp(text: &str, expected: &str) {
        assert_eq!(text.parse(), Ok(ListenAddress::Tcp(expected.to_owned())), "{text}");
    }

    #[track_caller]
    fn check_unix(text: &str) {
        assert_eq!(text.parse(), Ok(ListenAddress::Unix(PathBuf::from(text))), "{text}");
    }

    #[track_caller]
    fn check_error(text: &str, expected: &str) {
        assert_eq!(text.parse::<ListenAddress>().unwrap_err().to_string(), expected);
    }

    #[test]
    fn host_and_port_is_tcp() {
        check_tcp("0.0.0.0:4150", "0.0.0.0:4150");
        check_tcp("localhost:0", "localhost:0");
        check_tcp("nsqd-1.example.com:", "nsqd-1.example.com:0");
        check_tcp(":4150", "[::]:4150");
        check_tcp("[::1]:4150", "[::1]:4150");
        check_tcp("[]:1", "[::]:1");
    }

    #[test]
    fn a_path_is_a_unix_socket() {
        check_unix("/run/nsqd/tcp.sock");
        check_unix("./socket");
        check_unix("/run/a:b");
        check_unix("nsqd.sock");
        check_unix("nsqd.socket");
    }

    /// `--tcp-address=127.0.0.1` made a socket file of that name in the working directory.
    #[test]
    fn an_address_without_a_port_is_refused() {
        check_error(
            "127.0.0.1",
            r#""127.0.0.1" has no port; write 127.0.0.1:<port>, or, for a unix socket, a path with a / in it"#,
        );
        check_error(
            "localhost",
            r#""localhost" has no port; write localhost:<port>, or, for a unix socket, a path with a / in it"#,
        );
        check_error("", "the address is empty; give host:port, or the path of a unix socket");
        let v6 = r#""::1" has no port, or an IPv6 address without brackets; write [::1]:<port>"#;
        check_error("::1", v6);
        check_error(
            "[::1]",
            r#""[::1]" has no port; write [::1]:<port>, or, for a unix socket, a path with a / in it"#,
        );
    }

    #[test]
    fn a_port_is_a_number_or_a_service() {
        let unknown = r#"names the port "65536", which is neither a number up to 65535 nor a known service"#;
        check_error("a:65536", &format!("\"a:65536\" {unknown}"));
        assert!("a:no-such-service".parse::<ListenAddress>().is_err());
        assert!("a:-1".parse::<ListenAddress>().is_err());

        let services = "# ssh 1/tcp\nssh 22/tcp # shell\nntp 123/udp\nhttp 80/tcp www web\n";
        assert_eq!(service_port(services, "ssh"), Some(22));
        assert_eq!(service_port(services, "web"), Some(80));
        assert_eq!(service_port(services, "ntp"), None);
    }
}
