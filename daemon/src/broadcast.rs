//! The address under which others reach a daemon: what they are told of it.

use std::{
    env,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, ToSocketAddrs, UdpSocket},
};

use nix::ifaddrs::getifaddrs;

use crate::options::Refused;

const NAME: &str = "broadcast-address";

/// What `--broadcast-address` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Broadcast {
    /// This name or address.
    Given(String),
    /// The address from which the one who is told is reached.
    Auto,
}

impl Broadcast {
    /// Reads the option: a name or address; `auto`; `interface:NAME`, the first address of an interface, of IPv4 if it
    /// has one; `env:NAME`, the value of a variable. Empty is `hostname`.
    ///
    /// # Errors
    /// There is no such interface or variable, or it has no address.
    pub fn read(text: &str, hostname: &str) -> Result<Self, Refused> {
        let refused = |why: String| Refused::value(NAME, text, why);
        if text.is_empty() {
            return Ok(Self::Given(hostname.to_owned()));
        }
        if text == "auto" {
            return Ok(Self::Auto);
        }
        if let Some(variable) = text.strip_prefix("env:") {
            let value = env::var(variable).ok().filter(|value| !value.is_empty());
            let value = value.ok_or_else(|| refused(format!("the variable {variable} is not set")))?;
            return Ok(Self::Given(value));
        }
        if let Some(interface) = text.strip_prefix("interface:") {
            return interface_address(interface)
                .map(|address| Self::Given(address.to_string()))
                .map_err(refused);
        }
        Ok(Self::Given(text.to_owned()))
    }

    /// The address to tell where nobody in particular is told: with `auto` that of the route to the first of `peers` (each
    /// host:port) that has one. `None` if none has.
    pub fn address(&self, peers: &[String]) -> Option<String> {
        match self {
            Self::Given(address) => Some(address.clone()),
            Self::Auto => peers.iter().find_map(|peer| route_to(peer)).map(|address| address.to_string()),
        }
    }
}

/// The address from which packets to `peer` go. Nothing is sent.
fn route_to(peer: &str) -> Option<IpAddr> {
    peer.to_socket_addrs().ok()?.find_map(|to| {
        let any: IpAddr =
            if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let socket = UdpSocket::bind((any, 0)).ok()?;
        socket.connect(to).ok()?;
        Some(socket.local_addr().ok()?.ip())
    })
}

fn interface_address(name: &str) -> Result<IpAddr, String> {
    let all = getifaddrs().map_err(|cause| format!("the interfaces cannot be listed: {cause}"))?;
    let (mut found, mut names) = (Vec::new(), Vec::new());
    for interface in all {
        if interface.interface_name == name
            && let Some(address) = interface.address
        {
            let v4 = address.as_sockaddr_in().map(|address| IpAddr::from(address.ip()));
            let v6 = address.as_sockaddr_in6().map(|address| IpAddr::from(address.ip()));
            found.extend(v4.or(v6));
        }
        names.push(interface.interface_name);
    }
    // An address that is of use on one link only is no address to tell.
    let is_told = |address: &&IpAddr| match address {
        IpAddr::V4(_) => true,
        IpAddr::V6(address) => !address.is_unicast_link_local(),
    };
    let best = found.iter().filter(is_told).min_by_key(|address| address.is_ipv6());
    best.copied().ok_or_else(|| {
        names.sort();
        names.dedup();
        if names.iter().any(|present| present == name) {
            "the interface has no address".to_owned()
        } else {
            format!("there is no such interface; there are {}", names.join(", "))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(text: &str) -> Result<Broadcast, String> {
        Broadcast::read(text, "web01").map_err(|refused| refused.to_string())
    }

    #[test]
    fn a_name_is_what_it_is() {
        assert_eq!(given(""), Ok(Broadcast::Given("web01".to_owned())));
        assert_eq!(given("nsqd-1.example"), Ok(Broadcast::Given("nsqd-1.example".to_owned())));
        assert_eq!(given("fd00::1"), Ok(Broadcast::Given("fd00::1".to_owned())));
        assert_eq!(given("auto"), Ok(Broadcast::Auto));
    }

    #[test]
    fn interfaces_and_variables_have_addresses_or_are_refused() {
        assert_eq!(given("interface:lo"), Ok(Broadcast::Given("127.0.0.1".to_owned())));
        let refused = given("interface:nope").unwrap_err();
        assert!(
            refused.starts_with("--broadcast-address=interface:nope: there is no such interface; there are ")
        );
        assert!(refused.contains("lo"), "{refused}");
        let path = env::var("PATH").expect("tests have a path");
        assert_eq!(given("env:PATH"), Ok(Broadcast::Given(path)));
        let expected = "--broadcast-address=env:NSQD_NOT_SET: the variable NSQD_NOT_SET is not set";
        assert_eq!(given("env:NSQD_NOT_SET"), Err(expected.to_owned()));
    }

    #[test]
    fn the_route_to_a_peer_has_an_address() {
        let peers = ["nohost.invalid:1".to_owned(), "127.0.0.1:4160".to_owned()];
        assert_eq!(Broadcast::Auto.address(&peers), Some("127.0.0.1".to_owned()));
        assert_eq!(Broadcast::Auto.address(&[]), None);
    }
}
