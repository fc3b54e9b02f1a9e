//! The central system of the real binary against an independent charge point: Python's `ocpp` package,
//! which holds every message in both directions to the official schemas.

use anyhow::ensure;
use demo::{Binaries, Cloud, CloudOptions};
use serde_json::{Value, json};

use crate::peers;

/// Calls of REST that the charge point answers otherwise than with a plain acceptance.
const REJECTED: [&str; 1] = ["get_installed_certificate_ids"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_independent_charge_point_is_served_whole() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let binaries = Binaries::beside_this_program()?;
    let options = CloudOptions::default();
    let cloud = Cloud::start(&binaries, &folder.path().join("cloud"), options).await?;
    let tenant = cloud.tenant("Scenario", 1_000_000)?;
    let base = cloud.base();
    let told = tokio::task::spawn_blocking({
        let key = tenant.key.clone();
        move || peers::run("ocpp_station.py", &[&base, &key])
    });
    let shown: Value = serde_json::from_str(&told.await??)?;

    let calls = shown["calls"].as_object().cloned().unwrap_or_default();
    ensure!(calls.len() == 23, "{shown}");
    for (path, status) in calls {
        let expected = if REJECTED.contains(&path.as_str()) {
            "Rejected"
        } else {
            "Accepted"
        };
        ensure!(status == expected, "{path}: {status}");
    }
    let mut rest = shown.clone();
    rest["calls"].take();
    let expected = json!({
        "boot": "Accepted",
        "status": [true, "3.1"],
        "authorize": {
            "GOOD": "Accepted", "BLOCKED": "Blocked", "EXPIRED": "Expired", "INVALID": "Invalid",
            "NOBODY": "Invalid",
        },
        "concurrent": "ConcurrentTx",
        "local session": [2.6, "Local", false],
        "remote start": "Accepted",
        "remote start led to a session": ["completed", true],
        "power limit": ["Accepted", "W", [{"start_period": 0, "limit": 7400}]],
        "remote stop": ["completed", 1.25, "Remote"],
        "calls": null,
        "local list": ["Accepted", {
            "GOOD": "Accepted", "BLOCKED": "Blocked", "EXPIRED": "Expired", "INVALID": "Invalid",
        }],
        "reservation": ["accepted", "used"],
        "notifications": ["UnknownVendorId", "Rejected"],
        "offline": "charge_point_offline",
        "reset": ["Accepted", "completed"],
        "frames that are not valid": [],
    });
    ensure!(rest == expected, "{rest:#}");
    Ok(())
}
