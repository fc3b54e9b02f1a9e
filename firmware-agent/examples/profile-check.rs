//! Checks profile files with the frames beside them, through the driver: `cargo xtask profile check`.
//! The facts go to standard output, everything else to standard error.

#[path = "../tests/proof/mod.rs"]
mod proof;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use hw_profiles::{Faults, FrameFile};

fn main() -> ExitCode {
    let files: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let sound: Vec<bool> = files.iter().map(|file| check(file)).collect();
    if sound.iter().all(|sound| *sound) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Tells everything about one file; whether nothing was wrong.
#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a tool speaks to whoever runs it"
)]
fn check(file: &Path) -> bool {
    let beside = file.with_extension("frames.toml");
    if let Ok(profile) = hw_profiles::load_file(file) {
        eprintln!("What {} says; compare each line with", file.display());
        for source in [&profile.source.document]
            .into_iter()
            .chain(&profile.source.also)
        {
            eprintln!("  {source}");
        }
        print!("{}", profile.facts());
        for path in profile.unconfirmed() {
            eprintln!("unconfirmed, told at commissioning: {path}");
        }
    }
    let faults = faults(file, &beside);
    for fault in &faults {
        eprintln!("{fault}");
    }
    if faults.is_empty() {
        eprintln!(
            "{}: sound, and proven by {}",
            file.display(),
            beside.display()
        );
    }
    faults.is_empty()
}

/// Everything that is wrong: with the files, and with what the driver makes of the frames.
fn faults(file: &Path, beside: &Path) -> Vec<String> {
    let proven = hw_profiles::load_proven(file);
    let mut told = match &proven {
        Ok(_) => Vec::new(),
        Err(Faults(faults)) => faults.iter().map(ToString::to_string).collect(),
    };
    let text = std::fs::read_to_string(beside).unwrap_or_default();
    let name = beside.display().to_string();
    let sound = hw_profiles::load_file(file).ok();
    if let (Some(profile), Ok(frames)) = (sound, FrameFile::from_toml(&name, &text)) {
        let driver = proof::faults(&profile, &frames);
        told.extend(driver.iter().map(|fault| format!("{name}: {fault}")));
    }
    told
}
