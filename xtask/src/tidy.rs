//! What no compiler checks. Every ban gives its reason and what to do instead.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::makers::Makers;
use crate::named_tests;

/// Which of our crates a crate may use. Dependencies point down only; `cloud-api` and
/// `site-controller` share nothing but the pure crates.
const MAY_USE: [(&str, &[&str]); 13] = [
    ("site-model", &[]),
    ("site-core", &["site-model"]),
    ("site-wire", &["site-model"]),
    ("hw-profiles", &["site-model"]),
    ("ocpp", &[]),
    ("station", &["ocpp", "site-model"]),
    ("firmware-agent", &["hw-profiles", "site-model"]),
    ("simulator", &["hw-profiles", "site-model"]),
    (
        "site-controller",
        &[
            "firmware-agent",
            "hw-profiles",
            "ocpp",
            "site-core",
            "site-model",
            "site-wire",
            "station",
        ],
    ),
    ("cloud-api", &["ocpp", "site-model", "site-wire"]),
    ("demo", &["hw-profiles", "simulator", "site-model"]),
    (
        "scenarios",
        &[
            "demo",
            "firmware-agent",
            "hw-profiles",
            "ocpp",
            "simulator",
            "site-controller",
            "site-model",
            "site-wire",
        ],
    ),
    ("xtask", &[]),
];

/// Which of our crates a crate's tests may use besides.
const TESTS_MAY_USE: [(&str, &[&str]); 3] = [
    ("firmware-agent", &["simulator"]),
    ("site-controller", &["simulator"]),
    ("scenarios", &["cloud-api", "site-controller", "site-core"]),
];

/// Crates that decide: which outside crates they may name.
const PURE: [(&str, &[&str]); 5] = [
    ("site-model", &[]),
    ("site-core", &[]),
    ("site-wire", &["serde", "serde_json", "thiserror"]),
    ("ocpp", &["serde_json", "thiserror"]),
    ("station", &["thiserror"]),
];

/// Packages that must not be linked, with the reason.
const BANNED_PACKAGES: [(&str, &str); 6] = [
    (
        "aws-lc-rs",
        "TLS is rustls on ring: aws-lc needs cmake in every cross build; switch the default features off",
    ),
    (
        "openssl-sys",
        "a system library in every cross build; use rustls on ring",
    ),
    ("native-tls", "use rustls on ring"),
    (
        "tokio-modbus",
        "took late answers for the next request's; firmware-agent has a strict client",
    ),
    (
        "rumqttd",
        "no access lists and no shutdown; the embedded broker is mqtt5",
    ),
    (
        "sqlx-sqlite",
        "links sqlite3 a second time; use rusqlite through `Db`",
    ),
];

/// Words that must not stand in source files, with what to do instead. Split so that this file passes.
const BANNED_WORDS: [(&str, &str); 5] = [
    (concat!("FIX", "ME"), "fix it, or file an issue"),
    (concat!("TO", "DO"), "do it, or file an issue"),
    (concat!("#[", "ignore"), "a test runs, or it is deleted"),
    (
        concat!("#[", "allow("),
        "use #[expect(.., reason = \"..\")]: it complains once useless",
    ),
    (
        concat!("#![", "allow("),
        "use #[expect(.., reason = \"..\")]: it complains once useless",
    ),
];

/// A file longer than this has become two rooms.
const LINES_MAX: usize = 700;

/// Runs every check and names every fault.
pub(crate) fn run(root: &Path) -> anyhow::Result<()> {
    let metadata = metadata(root)?;
    let mut faults = Vec::new();
    check_dependencies(&metadata, &mut faults);
    check_banned_packages(&metadata, &mut faults);
    check_manifests(root, &metadata, &mut faults)?;
    let makers = Makers::read(root)?;
    let sources = source_files(root)?;
    for file in &sources {
        check_source(root, file, &makers, &mut faults)?;
    }
    named_tests::check(root, &sources, &mut faults)?;
    check_frames(root, &mut faults)?;
    if faults.is_empty() {
        return Ok(());
    }
    let count = faults.len();
    bail!("tidy found {count} fault(s):\n  {}", faults.join("\n  "))
}

fn metadata(root: &Path) -> anyhow::Result<Value> {
    let output = Command::new("cargo")
        .args(["metadata", "--format-version", "1", "--locked"])
        .current_dir(root)
        .output()
        .context("cargo could not be started")?;
    if !output.status.success() {
        bail!(
            "cargo metadata failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn members(metadata: &Value) -> Vec<&Value> {
    let ids: Vec<&Value> = metadata["workspace_members"]
        .as_array()
        .into_iter()
        .flatten()
        .collect();
    let packages = metadata["packages"].as_array().into_iter().flatten();
    packages
        .filter(|package| ids.contains(&&package["id"]))
        .collect()
}

fn allowed<'a>(table: &[(&str, &'a [&'a str])], name: &str) -> Option<&'a [&'a str]> {
    table
        .iter()
        .find(|(row, _)| *row == name)
        .map(|(_, allowed)| *allowed)
}

fn check_dependencies(metadata: &Value, faults: &mut Vec<String>) {
    let members = members(metadata);
    let ours: Vec<&str> = members
        .iter()
        .filter_map(|package| package["name"].as_str())
        .collect();
    for package in &members {
        let name = package["name"].as_str().unwrap_or_default();
        let Some(may_use) = allowed(&MAY_USE, name) else {
            faults.push(format!("{name} is not in the table of dependencies: say in xtask/src/tidy.rs what it may use"));
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let used = dependency["name"].as_str().unwrap_or_default();
            let in_tests = dependency["kind"] == "dev";
            let tests_may = allowed(&TESTS_MAY_USE, name).unwrap_or_default();
            if ours.contains(&used)
                && !may_use.contains(&used)
                && !(in_tests && tests_may.contains(&used))
            {
                faults.push(format!("{name} uses {used}: dependencies point down only (design in docs/architecture.md); move what is shared into a pure crate"));
            }
            if let Some(outside) = allowed(&PURE, name)
                && !in_tests
                && !ours.contains(&used)
                && !outside.contains(&used)
            {
                faults.push(format!(
                    "{name} is pure and must not use {used}: pass what it needs as an argument"
                ));
            }
        }
    }
}

fn check_banned_packages(metadata: &Value, faults: &mut Vec<String>) {
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let name = package["name"].as_str().unwrap_or_default();
        if let Some((_, reason)) = BANNED_PACKAGES.iter().find(|(banned, _)| *banned == name) {
            faults.push(format!("the lock file holds {name}: {reason}"));
        }
    }
    for node in metadata["resolve"]["nodes"]
        .as_array()
        .into_iter()
        .flatten()
    {
        let id = node["id"].as_str().unwrap_or_default();
        let features = node["features"].as_array().into_iter().flatten();
        if id.contains("serde_json")
            && features
                .into_iter()
                .any(|feature| feature == "arbitrary_precision")
        {
            faults.push("serde_json's arbitrary_precision is on: it breaks tagged enums with numbers for everybody; find who asks with `cargo tree -e features -i serde_json`".into());
        }
    }
}

fn check_manifests(root: &Path, metadata: &Value, faults: &mut Vec<String>) -> anyhow::Result<()> {
    for package in members(metadata) {
        let path = Path::new(package["manifest_path"].as_str().unwrap_or_default());
        let text = std::fs::read_to_string(path)?;
        if !text.contains("[lints]\nworkspace = true") {
            let shown = path.strip_prefix(root).unwrap_or(path).display();
            faults.push(format!("{shown}: add `[lints]` with `workspace = true`"));
        }
    }
    Ok(())
}

fn source_files(root: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let output = Command::new("git")
        .args([
            "ls-files",
            "--cached",
            "--others",
            "--exclude-standard",
            "*.rs",
        ])
        .current_dir(root)
        .output()
        .context("git could not be started")?;
    let listed = String::from_utf8(output.stdout)?;
    Ok(listed
        .lines()
        .map(|line| root.join(line))
        .filter(|path| path.exists())
        .collect())
}

fn check_source(
    root: &Path,
    path: &Path,
    makers: &Makers,
    faults: &mut Vec<String>,
) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(path)?;
    let shown = path.strip_prefix(root).unwrap_or(path).display();
    if !text.starts_with("//!") {
        faults.push(format!(
            "{shown}:1: open the file with `//!`: what it does, what it never does"
        ));
    }
    makers.check(&shown.to_string(), &text, faults);
    let lines = text.lines().count();
    if lines > LINES_MAX {
        faults.push(format!("{shown}: {lines} lines; split it at {LINES_MAX}, so that a reader finds the room for a change"));
    }
    for (number, line) in text.lines().enumerate() {
        for (word, instead) in BANNED_WORDS {
            if line.contains(word) {
                faults.push(format!("{shown}:{}: `{word}`: {instead}", number + 1));
            }
        }
    }
    Ok(())
}

fn check_frames(root: &Path, faults: &mut Vec<String>) -> anyhow::Result<()> {
    for folder in ["chargers", "meters"] {
        for entry in std::fs::read_dir(root.join("hw-profiles").join(folder))? {
            let path = entry?.path();
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            let Some(model) = name.strip_suffix(".toml") else {
                continue;
            };
            if !model.ends_with(".frames")
                && !path.with_file_name(format!("{model}.frames.toml")).exists()
            {
                faults.push(format!("hw-profiles/{folder}/{name} has no frames: add {model}.frames.toml that proves it"));
            }
        }
    }
    Ok(())
}
