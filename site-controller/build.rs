//! Tells the program when it was built: the floor of its wall clock.

use std::time::UNIX_EPOCH;

fn main() {
    println!("cargo::rerun-if-env-changed=SOURCE_DATE_EPOCH");
    println!("cargo::rerun-if-changed=Cargo.toml");
    println!("cargo::rustc-env=DYNAMO_BUILT_AT_S={}", built_at_s());
}

/// `SOURCE_DATE_EPOCH` for reproducible builds, else the time at which this source was written to disk.
fn built_at_s() -> u64 {
    std::env::var("SOURCE_DATE_EPOCH")
        .ok()
        .and_then(|seconds| seconds.parse().ok())
        .or_else(|| {
            let written = std::fs::metadata("Cargo.toml").ok()?.modified().ok()?;
            Some(written.duration_since(UNIX_EPOCH).ok()?.as_secs())
        })
        .unwrap_or(0)
}
