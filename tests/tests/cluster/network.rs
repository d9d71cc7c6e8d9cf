//! A network of its own for a test: hosts, which are namespaces, on a bridge, and links between two of them that can be cut.
//!
//! The thread of the test moves to the bridge, from where it reaches every host, whatever is cut. A cut drops packets and
//! tells nobody, as a broken switch does: both hosts become isolated ports, which hear everybody but each other.

use std::fs::File;
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::path::Path;
use std::pin::pin;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::process::geteuid;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// How the names of our namespaces begin; the number of the process follows.
const PREFIX: &str = "nsq-test-";

/// Where `ip netns` keeps them.
const FOLDER: &str = "/run/netns";

/// Networks that this process has made.
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// Namespaces that are removed when this is dropped, after a panic, too. It has to outlive what runs in them.
pub(crate) struct Network {
    name: String,
    hosts: Vec<&'static str>,
    bridge: File,
    /// The namespace that the thread came from.
    home: File,
}

impl Network {
    /// Hosts of these names, each connected to all others. `None` if it cannot be made here; says so.
    #[expect(clippy::print_stderr, reason = "a skipped test has to be seen")]
    pub(crate) fn start(hosts: &[&'static str]) -> Option<Self> {
        if !geteuid().is_root() {
            eprintln!("skipped: network namespaces need root");
            return None;
        }
        remove_leftovers();
        let name = format!("{PREFIX}{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        match Self::build(&name, hosts) {
            Ok(network) => Some(network),
            Err(cause) => {
                remove(&name);
                eprintln!("skipped: no network namespaces here: {cause}");
                None
            }
        }
    }

    fn build(name: &str, hosts: &[&'static str]) -> Result<Self, String> {
        let bridge = format!("{name}-bridge");
        ip(&["netns", "add", &bridge])?;
        ip(&["-n", &bridge, "link", "set", "lo", "up"])?;
        ip(&["-n", &bridge, "link", "add", "bridge", "type", "bridge"])?;
        ip(&["-n", &bridge, "addr", "add", "10.99.0.1/24", "dev", "bridge"])?;
        ip(&["-n", &bridge, "link", "set", "bridge", "up"])?;
        for (index, host) in hosts.iter().enumerate() {
            let space = format!("{name}-{host}");
            let address = format!("{}/24", address_of(index));
            ip(&["netns", "add", &space])?;
            ip(&["-n", &space, "link", "set", "lo", "up"])?;
            ip(&[
                "-n", &bridge, "link", "add", host, "type", "veth", "peer", "name", "eth0", "netns", &space,
            ])?;
            ip(&["-n", &bridge, "link", "set", host, "master", "bridge", "up"])?;
            ip(&["-n", &space, "addr", "add", &address, "dev", "eth0"])?;
            ip(&["-n", &space, "link", "set", "eth0", "up"])?;
        }
        let open = |path: &Path| File::open(path).map_err(|error| format!("{}: {error}", path.display()));
        let home = open(Path::new("/proc/thread-self/ns/net"))?;
        let bridge = open(&Path::new(FOLDER).join(bridge))?;
        let network = Self { name: name.to_owned(), hosts: hosts.to_vec(), bridge, home };
        enter(&network.bridge);
        Ok(network)
    }

    /// The address of a host.
    pub(crate) fn address(&self, host: &str) -> Ipv4Addr {
        let index = self.hosts.iter().position(|known| *known == host);
        address_of(index.expect("a host of this network"))
    }

    /// Flags by which a daemon listens on a host, and says so.
    pub(crate) fn flags(&self, host: &str) -> [String; 3] {
        let address = self.address(host);
        ["tcp-address", "http-address", "broadcast-address"].map(|flag| match flag {
            "broadcast-address" => format!("--{flag}={address}"),
            _ => format!("--{flag}={address}:0"),
        })
    }

    /// Does something on a host: sockets that `future` makes and processes that it starts are there.
    pub(crate) async fn on<T>(&self, host: &str, future: impl Future<Output = T>) -> T {
        let space = File::open(Path::new(FOLDER).join(format!("{}-{host}", self.name)));
        let space = space.expect("a host of this network");
        let mut future = pin!(future);
        // Other tasks of this thread stay at the bridge.
        std::future::poll_fn(|context| {
            let _there = Visit::new(&space, &self.bridge);
            future.as_mut().poll(context)
        })
        .await
    }

    /// Drops all packets between two hosts. At most one link is cut at a time.
    pub(crate) fn cut(&self, hosts: [&'static str; 2]) {
        self.cutting(hosts)();
    }

    /// What cuts a link, for another thread.
    pub(crate) fn cutting(&self, hosts: [&'static str; 2]) -> impl FnOnce() + Send + 'static {
        let bridge = format!("{}-bridge", self.name);
        move || hosts.iter().for_each(|host| isolate(&bridge, host, "on"))
    }

    /// Mends what was cut.
    pub(crate) fn heal(&self) {
        let bridge = format!("{}-bridge", self.name);
        self.hosts.iter().for_each(|host| isolate(&bridge, host, "off"));
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        enter(&self.home);
        remove(&self.name);
    }
}

/// The time in a namespace, and the way back, after a panic, too.
struct Visit<'a>(&'a File);

impl<'a> Visit<'a> {
    fn new(there: &File, back: &'a File) -> Self {
        enter(there);
        Self(back)
    }
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        enter(self.0);
    }
}

fn address_of(index: usize) -> Ipv4Addr {
    let index = u8::try_from(index).expect("a few hosts");
    Ipv4Addr::new(10, 99, 0, 11 + index)
}

/// Moves this thread.
fn enter(space: &File) {
    let moved = move_into_link_name_space(space.as_fd(), Some(LinkNameSpaceType::Network));
    moved.expect("root may enter a namespace");
}

fn isolate(bridge: &str, host: &str, is_isolated: &str) {
    let set =
        ip(&["-n", bridge, "link", "set", "dev", host, "type", "bridge_slave", "isolated", is_isolated]);
    set.expect("a bridge has isolated ports");
}

fn ip(arguments: &[&str]) -> Result<(), String> {
    let command = arguments.join(" ");
    let output = Command::new("ip").args(arguments).output();
    let output = output.map_err(|error| format!("ip {command}: {error}"))?;
    let error = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(format!("ip {command}: {}", error.trim())) }
}

/// Removes the namespaces of a network; their devices go with them.
fn remove(network: &str) {
    let prefix = format!("{network}-");
    remove_where(|name| name.starts_with(&prefix));
}

/// Removes those of processes that were killed.
fn remove_leftovers() {
    remove_where(|name| {
        let process = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
        process.is_some_and(|process| !Path::new("/proc").join(process).exists())
    });
}

fn remove_where(is_ours: impl Fn(&str) -> bool) {
    for entry in std::fs::read_dir(FOLDER).into_iter().flatten().flatten() {
        if let Some(name) = entry.file_name().to_str()
            && is_ours(name)
        {
            // What another test removes at the same time is gone, too.
            drop(ip(&["netns", "del", name]));
        }
    }
}

#[test]
fn no_namespace_is_left_behind() {
    // Protects the machine that runs the tests: a test that fails leaves nothing, nor does one that is killed, in the end.
    let Some(network) = Network::start(&["one", "two"]) else { return };
    let name = network.name.clone();
    let ours = || {
        let folder = std::fs::read_dir(FOLDER).expect("there are namespaces");
        folder.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(&name)).count()
    };
    assert_eq!(ours(), 3);
    let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _network = network;
        panic!("a test that fails");
    }));
    assert!(failed.is_err());
    assert_eq!(ours(), 0);
    // The number of no process.
    let leftover = format!("{PREFIX}{}-0-one", u32::MAX);
    ip(&["netns", "add", &leftover]).expect("it can be made");
    remove_leftovers();
    assert!(!Path::new(FOLDER).join(leftover).exists());
}
