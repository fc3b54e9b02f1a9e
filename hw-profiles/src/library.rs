//! The profiles that come with the software, and those that a site adds as files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};

use crate::fault::{Fault, Faults};
use crate::frames::FrameFile;
use crate::profile::Profile;

/// A file that `build.rs` found and embedded.
struct Embedded {
    name: &'static str,
    text: &'static str,
}

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

static BUILTIN: LazyLock<Vec<Profile>> = LazyLock::new(|| PROFILES.iter().map(load).collect());

/// Every profile that comes with the software, by id.
///
/// # Panics
/// If an embedded file has a fault; a test of this crate loads each.
#[must_use]
pub fn builtin() -> &'static [Profile] {
    &BUILTIN
}

/// The built-in profile of this id. Loads it alone: a site has few of them.
///
/// # Panics
/// As [`builtin`].
#[must_use]
pub fn find(id: &str) -> Option<&'static Profile> {
    static FOUND: Mutex<BTreeMap<&str, &Profile>> = Mutex::new(BTreeMap::new());
    let is_it = |file: &&Embedded| file.name.strip_suffix(".toml") == Some(id);
    let file = PROFILES.iter().find(is_it)?;
    // Nobody panics between a change of the map and its end.
    let mut found = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
    let profile = found
        .entry(file.name)
        .or_insert_with(|| Box::leak(Box::new(load(file))));
    Some(profile)
}

fn load(file: &Embedded) -> Profile {
    Profile::from_toml(file.name, file.text).unwrap_or_else(|faults| panic!("{faults}"))
}

/// The frames of every built-in profile, by id.
///
/// # Errors
/// Every fault of every frame file, and everything of a profile that no frame proves.
pub fn builtin_frames() -> Result<Vec<FrameFile>, Faults> {
    let mut loaded = Vec::new();
    let mut faults = Vec::new();
    for file in FRAMES {
        let id = file.name.strip_suffix(".frames.toml").unwrap_or(file.name);
        let frames = match find(id) {
            Some(profile) => FrameFile::for_profile(profile, file.name, file.text),
            None => FrameFile::from_toml(file.name, file.text),
        };
        match frames {
            Ok(frames) => loaded.push(frames),
            Err(Faults(found)) => faults.extend(found),
        }
    }
    if faults.is_empty() {
        Ok(loaded)
    } else {
        Err(Faults(faults))
    }
}

/// Loads one profile.
///
/// # Errors
/// Every fault of the file; one without a line if it cannot be read.
pub fn load_file(path: &Path) -> Result<Profile, Faults> {
    let name = path.display().to_string();
    match fs::read_to_string(path) {
        Ok(text) => Profile::from_toml(&name, &text),
        Err(error) => Err(Faults(vec![unreadable(&name, &error)])),
    }
}

/// Loads one profile and the frames beside it (`acme-ac22.frames.toml`), and checks that the frames
/// prove all of it.
///
/// # Errors
/// Every fault of both files. What no frame proves is told once both files are sound.
pub fn load_proven(path: &Path) -> Result<(Profile, FrameFile), Faults> {
    let beside = path.with_extension("frames.toml");
    let name = beside.display().to_string();
    let text = fs::read_to_string(&beside).map_err(|error| {
        let problem = format!("cannot be read: {error}");
        let remedy = "Write the frames that prove the profile";
        Faults(vec![Fault::of_file(&name, problem, remedy)])
    });
    let profile = load_file(path);
    let frames = text.and_then(|text| match &profile {
        Ok(profile) => FrameFile::for_profile(profile, &name, &text),
        Err(_) => FrameFile::from_toml(&name, &text),
    });
    match (profile, frames) {
        (Ok(profile), Ok(frames)) => Ok((profile, frames)),
        (profile, frames) => {
            let found = [profile.err(), frames.err()];
            let faults = found.into_iter().flatten().flat_map(|Faults(found)| found);
            Err(Faults(faults.collect()))
        }
    }
}

/// Loads every profile of a folder (`*.toml`, except `*.frames.toml`; not of folders in it), by id.
///
/// # Errors
/// Every fault of every file; also an id that is built in already.
pub fn load_dir(path: &Path) -> Result<Vec<Profile>, Faults> {
    let files = profile_files(path).map_err(|error| {
        let name = path.display().to_string();
        Faults(vec![unreadable(&name, &error)])
    })?;
    let mut profiles = Vec::new();
    let mut faults = Vec::new();
    for file in files {
        match load_file(&file) {
            Ok(profile) if find(&profile.id).is_some() => faults.push(taken(&file, &profile.id)),
            Ok(profile) => profiles.push(profile),
            Err(Faults(found)) => faults.extend(found),
        }
    }
    if faults.is_empty() {
        Ok(profiles)
    } else {
        Err(Faults(faults))
    }
}

fn profile_files(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(path)? {
        let file = entry?.path();
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        if file.is_file() && name.ends_with(".toml") && !name.ends_with(".frames.toml") {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

fn unreadable(name: &str, error: &std::io::Error) -> Fault {
    let problem = format!("cannot be read: {error}");
    Fault::of_file(name, problem, "Check the path and its permissions")
}

fn taken(file: &Path, id: &str) -> Fault {
    let name = file.display().to_string();
    let problem = format!("the profile id `{id}` is built in");
    Fault::of_file(&name, problem, "Give the file another name")
}
