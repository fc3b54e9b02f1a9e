//! Embeds every file of `chargers/` and `meters/`, so that a new device touches no code.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let mut files = Vec::new();
    for folder in ["chargers", "meters"] {
        println!("cargo::rerun-if-changed={folder}");
        files.extend(toml_files(&root.join(folder))?);
    }
    files.sort_by_key(|file| id_of(file));
    let is_frames = |file: &&PathBuf| file.to_string_lossy().ends_with(".frames.toml");
    let (frames, profiles): (Vec<&PathBuf>, Vec<&PathBuf>) = files.iter().partition(is_frames);
    let mut code = list("PROFILES", &profiles);
    code.push_str(&list("FRAMES", &frames));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    fs::write(out.join("embedded.rs"), code)
}

/// The file's name up to its first dot; an id has none.
fn id_of(file: &Path) -> String {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    name.split('.').next().unwrap_or_default().to_owned()
}

fn toml_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            files.push(path);
        }
    }
    Ok(files)
}

fn list(name: &str, files: &[&PathBuf]) -> String {
    let mut code = format!("const {name}: &[Embedded] = &[\n");
    for file in files {
        let short = file.file_name().unwrap_or_default().to_string_lossy();
        writeln!(
            code,
            "    Embedded {{ name: {short:?}, text: include_str!({:?}) }},",
            file.to_string_lossy()
        )
        .expect("writing to a string");
    }
    code.push_str("];\n");
    code
}
