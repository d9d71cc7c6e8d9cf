//! Checks of our own sources.

use std::collections::HashSet;
use std::path::Path;

use crate::rust_file::{RustFile, all};
use crate::{expect_none, root};

/// Lines of a file without its tests module.
const FILE_LINES_MAX: usize = 500;

/// Files that may be longer, how long, and why.
const LONGER_FILES: [(&str, usize, &str); 0] = [];

/// What may not use what. A path ending in `/` is a folder; names are modules of the same crate.
const FORBIDDEN_EDGES: [(&str, &[&str], &str); 11] = [
    ("nsqd/src/log/", &["topic", "channel", "tcp", "http"], "the log is the lowest layer"),
    ("nsqd/src/topic", &["tcp", "http", "lookup", "auth"], "queues do not know how they are reached"),
    ("nsqd/src/channel", &["tcp", "http"], "queues do not know how they are reached"),
    ("nsqd/src/tcp", &["http", "lookup"], "the two doors do not know each other"),
    ("nsqd/src/auth", &["tcp", "http", "topic", "lookup"], "who asks and for what is not its business"),
    ("nsqd/src/lookup", &["tcp", "http", "auth"], "it tells of queues, not of how they are reached"),
    (
        "nsqlookupd/src/registry/",
        &["clock", "lookupd", "tcp", "http", "run", "options"],
        "the registry is plain code that is given the time",
    ),
    ("nsqlookupd/src/tcp", &["http", "run", "options"], "the two doors do not know each other"),
    (
        "client/src/consumer/pacing/",
        &["hub", "link", "queue", "connection", "pacer", "Message"],
        "who gets which RDY is plain code that is given the time",
    ),
    ("client/src/connection/", &["consumer", "producer"], "a connection does not know what it is for"),
    ("client/src/producer/", &["consumer"], "the two uses do not know each other"),
];

/// Where `unsafe` may be written: mapped memory, and one call of the C library that has no safe form.
const UNSAFE_PREFIXES: [&str; 2] = ["nsqd/src/log/segment", "nsqd/src/heap.rs"];

/// What a TODO must tell: when it is to be done.
const TODO_CONDITIONS: [&str; 3] = ["when ", "once ", "if "];

#[test]
fn files_are_short() {
    // Protects readers: a file that grows beyond one subject is cut.
    let mut findings = Vec::new();
    for file in all() {
        let exception = LONGER_FILES.iter().find(|(path, _, _)| *path == file.path);
        let limit = exception.map_or(FILE_LINES_MAX, |(_, limit, _)| *limit);
        let lines = file.lines_without_tests();
        if lines > limit {
            findings.push(format!("{} has {lines} lines without tests, the limit is {limit}", file.path));
        }
    }
    for (path, _, reason) in LONGER_FILES {
        if reason.is_empty() || !root().join(path).exists() {
            findings.push(format!("the exception for {path} is not needed, or has no reason"));
        }
    }
    expect_none("files that are too long", &findings);
}

#[test]
fn modules_begin_with_docs() {
    // Protects strangers: every file says first what it is.
    let findings: Vec<_> =
        all().into_iter().filter(|file| !file.text.starts_with("//! ")).map(|file| file.path).collect();
    expect_none("files that do not begin with `//! `", &findings);
}

#[test]
fn every_file_is_part_of_a_crate() {
    // Protects against dead files: each is a crate's root or named by a `mod` line.
    let files = all();
    let named: HashSet<String> = files.iter().flat_map(RustFile::child_modules).flatten().collect();
    let findings: Vec<_> =
        files.into_iter().filter(|file| !is_crate_root(&file.path) && !named.contains(&file.path)).collect();
    let findings: Vec<_> = findings.into_iter().map(|file| file.path).collect();
    expect_none("files that no `mod` line names", &findings);
}

/// Whether cargo compiles the file by its place.
fn is_crate_root(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    matches!(
        parts.as_slice(),
        [_, "build.rs"]
            | [_, "src", "lib.rs" | "main.rs"]
            | [_, "src", "bin", _]
            | [_, "src", "bin", _, "main.rs"]
            | [_, "tests" | "benches" | "examples", _]
            | [_, "tests" | "benches" | "examples", _, "main.rs"]
            | [_, "fuzz", "fuzz_targets", _]
    )
}

#[test]
fn modules_use_only_what_lies_below_them() {
    // Protects the layers inside nsqd: connections use queues, queues use the log, never back.
    let mut findings = Vec::new();
    for file in all() {
        for (path, forbidden, reason) in FORBIDDEN_EDGES {
            if !is_below(&file.path, path) {
                continue;
            }
            let used = modules_used(&file);
            for module in forbidden.iter().filter(|module| used.contains(**module)) {
                findings.push(format!("{} uses {module}, but {reason}", file.path));
            }
        }
    }
    expect_none("uses against the direction of the layers", &findings);
}

fn is_below(path: &str, place: &str) -> bool {
    let file = format!("{place}.rs");
    path == file || path.starts_with(place) && (place.ends_with('/') || path[place.len()..].starts_with('/'))
}

/// The first names behind each `crate::` and `super::`, with all of a group in braces.
fn modules_used(file: &RustFile) -> HashSet<String> {
    let code: Vec<&str> = file.code(true).map(|(_, line)| line).collect();
    let code = code.join(" ");
    let mut used = HashSet::new();
    for start in ["crate::", "super::"] {
        for (at, _) in code.match_indices(start) {
            let rest = &code[at + start.len()..];
            match rest.strip_prefix('{') {
                Some(group) => used.extend(names_in_group(group)),
                None => used.extend(first_name(rest)),
            }
        }
    }
    used
}

/// Of `a::{b, c}, d}` the names `a` and `d`.
fn names_in_group(group: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut depth = 0;
    let mut entry_start = 0;
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' | ',' if depth == 0 => {
                names.extend(first_name(&group[entry_start..at]));
                entry_start = at + 1;
                if character == '}' {
                    break;
                }
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
    names
}

fn first_name(path: &str) -> Option<String> {
    let is_part = |character: char| character.is_alphanumeric() || character == '_';
    let name: String = path.trim_start().chars().take_while(|character| is_part(*character)).collect();
    (!name.is_empty()).then_some(name)
}

#[test]
fn unsafe_stays_where_it_is_needed() {
    // Protects memory: what needs care is in one place, where it is tested for it.
    let mut findings = Vec::new();
    for file in all() {
        if UNSAFE_PREFIXES.iter().any(|prefix| file.path.starts_with(prefix))
            || file.path.ends_with("tidy/sources.rs")
        {
            continue;
        }
        for (number, line) in file.code(false) {
            let keyword = ["unsafe {", "unsafe fn ", "unsafe impl ", "unsafe extern ", "unsafe trait "];
            if keyword.iter().any(|keyword| line.contains(keyword)) || line.contains("(unsafe_code") {
                findings.push(format!("{}:{number}", file.path));
            }
        }
    }
    expect_none("unsafe where it is not expected", &findings);
}

#[test]
fn what_is_left_to_do_has_a_condition() {
    // Protects against wishes that nobody will ever come back to.
    let mut findings = Vec::new();
    for file in all() {
        if Path::new(&file.path).ends_with("tidy/sources.rs") {
            continue;
        }
        for (index, line) in file.text.lines().enumerate() {
            let marker = ["TODO", "FIXME", "XXX", "HACK"].into_iter().find_map(|word| line.split_once(word));
            let Some((before, after)) = marker else { continue };
            let is_comment = before.contains("//");
            if is_comment && !TODO_CONDITIONS.iter().any(|condition| after.contains(condition)) {
                findings.push(format!("{}:{}", file.path, index + 1));
            }
        }
    }
    expect_none("TODO without its condition (when, once, if …)", &findings);
}

#[test]
fn the_checks_see_what_they_look_for() {
    // Protects these checks themselves from seeing nothing.
    let used = |text: &str| {
        let mut used: Vec<_> =
            modules_used(&RustFile { path: String::new(), text: text.to_owned() }).into_iter().collect();
        used.sort();
        used.join(" ")
    };
    assert_eq!(used("use crate::tcp::Server; // crate::http"), "tcp");
    assert_eq!(used("use crate::{\n    log::{Log, Seq},\n    tcp,\n};"), "log tcp");
    assert_eq!(used("let x = crate::http::serve(super::tcp_options);"), "http tcp_options");
    assert_eq!(used("let x = 1;\n#[cfg(test)]\nmod tests {\nuse crate::tcp;\n}"), "");
    assert!(is_below("nsqd/src/log/segment.rs", "nsqd/src/log/"));
    assert!(
        is_below("nsqd/src/topic.rs", "nsqd/src/topic")
            && is_below("nsqd/src/topic/mod.rs", "nsqd/src/topic")
    );
    assert!(!is_below("nsqd/src/topics.rs", "nsqd/src/topic"));
    let file =
        RustFile { path: "a/src/b.rs".to_owned(), text: "mod c;\nlet u = \"x//y\"; // z\n".to_owned() };
    assert_eq!(file.child_modules(), [["a/src/b/c.rs", "a/src/b/c/mod.rs"]]);
    assert_eq!(file.code(true).map(|(_, line)| line).collect::<Vec<_>>(), ["mod c;", "let u = \"x//y\";"]);
}
