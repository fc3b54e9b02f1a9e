//! Checks of profile files, for whoever writes one.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};

/// Checks each file with the frames beside it; every fault of all of them is told.
pub(crate) fn check(files: &[PathBuf]) -> anyhow::Result<()> {
    let here = std::env::current_dir().context("there is no current folder")?;
    // Cargo runs in the root: files inside it are named from there.
    let named = |file: &PathBuf| {
        let file = here.join(file);
        let inside = file.strip_prefix(crate::root()).map(Path::to_path_buf);
        inside.unwrap_or(file)
    };
    let files: Vec<PathBuf> = files.iter().map(named).collect();
    let missing: Vec<&Path> = files
        .iter()
        .map(PathBuf::as_path)
        .filter(|file| !crate::root().join(file).is_file())
        .collect();
    ensure!(
        missing.is_empty(),
        "{} is no file; name a profile, for instance hw-profiles/chargers/acme-ac22.toml",
        missing
            .iter()
            .map(|file| file.display().to_string())
            .collect::<Vec<_>>()
            .join(" and ")
    );
    let status = crate::cargo()
        .args([
            "run",
            "--quiet",
            "-p",
            "firmware-agent",
            "--example",
            "profile-check",
            "--",
        ])
        .args(&files)
        .status()
        .context("cargo could not be started")?;
    ensure!(status.success(), "correct what is told above");
    Ok(())
}
