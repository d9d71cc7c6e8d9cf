//! Checks of dependencies: our own crates' edges, and what comes from others.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

use crate::{expect_none, root};

/// Which of our crates may depend on which. The tests may use the lower ones.
const EDGES: [(&str, &[&str]); 8] = [
    ("protocol", &[]),
    ("client", &["protocol"]),
    ("daemon", &[]),
    ("nsqd", &["daemon", "protocol"]),
    ("nsqlookupd", &["daemon", "protocol"]),
    ("nsqadmin", &["daemon", "protocol"]),
    ("tools", &["client", "daemon", "nsqadmin", "nsqd", "nsqlookupd", "protocol"]),
    ("tests", &["client", "protocol"]),
];

/// Licences that ask for nothing but to be named.
const LICENCES: [&str; 11] = [
    "MIT",
    "MIT-0",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "ISC",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Crates that are there in more than one version, and why.
const DUPLICATES: [(&str, &str); 7] = [
    ("bitflags", "pprof stays with an old version, by its nix"),
    (
        "cpufeatures",
        "of the build of pprof and of tests, each with its own version; nothing of it is in a binary",
    ),
    ("getrandom", "ring, the cryptography of rustls, stays with an old version until its next one"),
    ("synstructure", "of derive macros only, as syn"),
    ("nix", "pprof stays with an old version; ours is that of the load generator"),
    (
        "syn",
        "of derive macros only, whose authors move to its version 3 one by one; nothing of it is in a binary",
    ),
    ("winnow", "toml has moved its parser to a new version and not yet itself"),
];

/// What cargo knows about the workspace, without asking the network.
fn metadata() -> Value {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    // For the platform that the project is for: crates of other systems are in the lock file, but never built.
    let arguments = ["metadata", "--format-version=1", "--offline", "--locked", "--filter-platform"];
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let output = Command::new(cargo).args(arguments).arg(target).current_dir(root()).output();
    let output = output.expect("cargo can be run");
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON")
}

fn packages(metadata: &Value) -> impl Iterator<Item = &Value> {
    let nodes = metadata["resolve"]["nodes"].as_array().into_iter().flatten();
    let used: BTreeSet<&str> = nodes.filter_map(|node| node["id"].as_str()).collect();
    let packages = metadata["packages"].as_array().expect("cargo metadata lists packages").iter();
    packages.filter(move |package| package["id"].as_str().is_some_and(|id| used.contains(id)))
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

#[test]
fn our_crates_depend_one_way() {
    // Protects the order of the crates: the wire and what daemons share know none of ours, daemons never each other.
    let metadata = metadata();
    let members: BTreeSet<&str> = EDGES.iter().map(|(name, _)| *name).collect();
    let mut findings = Vec::new();
    for package in packages(&metadata).filter(|package| package["source"].is_null()) {
        let name = text(package, "name");
        let Some((_, allowed)) = EDGES.iter().find(|(member, _)| *member == name) else {
            findings.push(format!("{name} is not in the table of crates"));
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let dependency = text(dependency, "name");
            if members.contains(dependency) && !allowed.contains(&dependency) {
                findings.push(format!("{name} depends on {dependency}"));
            }
        }
    }
    expect_none("edges between crates that are not in the table", &findings);
}

#[test]
fn dependencies_are_there_once() {
    // Protects build time and binary size: one version of each crate, or a reason.
    let metadata = metadata();
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in packages(&metadata) {
        versions.entry(text(package, "name")).or_default().insert(text(package, "version"));
    }
    let mut findings = Vec::new();
    for (name, versions) in &versions {
        if versions.len() > 1 && !DUPLICATES.iter().any(|(duplicate, _)| duplicate == name) {
            findings.push(format!("{name}: {versions:?}"));
        }
    }
    for (name, reason) in DUPLICATES {
        if reason.is_empty() || versions.get(name).is_none_or(|versions| versions.len() < 2) {
            findings.push(format!("the exception for {name} is not needed, or has no reason"));
        }
    }
    expect_none("crates in more than one version", &findings);
}

#[test]
fn licences_are_permissive() {
    // Protects users: nothing in a binary asks for more than to be named.
    let metadata = metadata();
    let mut findings = Vec::new();
    for package in packages(&metadata) {
        let licence = text(package, "license");
        if !is_allowed(licence) {
            findings.push(format!("{} {}: {licence:?}", text(package, "name"), text(package, "version")));
        }
    }
    expect_none("licences that are not in the list", &findings);
    assert!(is_allowed("MIT OR GPL-3.0") && !is_allowed("MIT AND GPL-3.0") && !is_allowed(""));
    assert!(is_allowed("(MIT OR Apache-2.0) AND Unicode-3.0"));
}

/// Whether one of the choices of each part is in the list. Parentheses stand around choices only.
fn is_allowed(licence: &str) -> bool {
    licence.split(" AND ").all(|part| {
        let part = part.trim_matches(['(', ')']);
        part.split(" OR ").flat_map(|part| part.split('/')).any(|choice| LICENCES.contains(&choice.trim()))
    })
}

#[test]
fn dependencies_come_from_the_registry() {
    // Protects builds that can be repeated: no branches of repositories, no folders outside.
    let metadata = metadata();
    let mut findings = Vec::new();
    for package in packages(&metadata) {
        let (name, source) = (text(package, "name"), text(package, "source"));
        let is_ours = source.is_empty() && EDGES.iter().any(|(member, _)| *member == name);
        if !is_ours && !source.starts_with("registry+") {
            findings.push(format!("{name}: {source:?}"));
        }
    }
    expect_none("dependencies from elsewhere than the registry", &findings);
}

#[test]
fn dependencies_say_what_they_are_for() {
    // Protects the list of dependencies: each stands under a comment with its purpose.
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).expect("the manifest can be read");
    let table = manifest.split("[workspace.dependencies]").nth(1).expect("the workspace has dependencies");
    let table = table.split("\n[").next().unwrap_or_default();
    let mut findings = Vec::new();
    let mut has_comment = false;
    for line in table.lines() {
        if line.is_empty() {
            has_comment = false;
        } else if line.starts_with('#') {
            has_comment = true;
        } else if !has_comment {
            findings.push(line.to_owned());
        }
    }
    expect_none("dependencies without a comment above them", &findings);
}
