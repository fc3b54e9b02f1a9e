//! Writes the messages of `crates/ocpp` from the official JSON schemas, which are read where the
//! Python package `ocpp` keeps them and are not committed.

mod names;
mod schema;
mod tables;
mod write;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};

use crate::complain;

/// Generates both versions from `schemas`, the package's folder that holds `v16/schemas` and
/// `v201/schemas`.
pub(crate) fn run(root: &Path, schemas: &Path) -> anyhow::Result<()> {
    for version in [&tables::V16, &tables::V201] {
        let folder = schemas.join(version.folder).join("schemas");
        let model = schema::load(&folder, version)
            .with_context(|| format!("the schemas in {}", folder.display()))?;
        let target = root.join("crates/ocpp/src").join(version.folder);
        std::fs::create_dir_all(&target)?;
        let files = write::files(&model, version)?;
        let paths: Vec<PathBuf> = files.iter().map(|(file, _)| target.join(file)).collect();
        for (path, (_, text)) in paths.iter().zip(&files) {
            std::fs::write(path, text)
                .with_context(|| format!("{} cannot be written", path.display()))?;
        }
        let formatted = Command::new("rustfmt")
            .args(["--edition", "2024"])
            .args(&paths)
            .status()?;
        ensure!(
            formatted.success(),
            "rustfmt refused what was written to {}",
            target.display()
        );
        complain(&format!(
            "wrote {} files to {}",
            paths.len(),
            target.display()
        ));
    }
    Ok(())
}
