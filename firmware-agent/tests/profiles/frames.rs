//! Every frame of every built-in profile is encoded and read by the driver as its file says.

#[path = "../proof/mod.rs"]
mod proof;

use hw_profiles::{builtin_frames, find};

#[test]
fn every_frame_of_every_profile_is_read_as_its_file_says() {
    let files = builtin_frames().unwrap_or_else(|faults| panic!("{faults}"));
    let mut found = Vec::new();
    for file in &files {
        let profile = find(&file.profile).expect("frames belong to a profile");
        let faults = proof::faults(profile, file);
        found.extend(
            faults
                .into_iter()
                .map(|fault| format!("{}: {fault}", file.profile)),
        );
    }
    assert_eq!(found, Vec::<String>::new(), "{}", found.join("\n"));
    let frames: usize = files.iter().map(|file| file.frames.len()).sum();
    assert!(frames >= 300, "{frames} frames");
}

/// The proof itself must be able to fail, in each of its ways.
#[test]
fn a_frame_that_the_driver_reads_otherwise_is_told() {
    let files = builtin_frames().expect("tested above");
    let file = files
        .iter()
        .find(|file| file.profile == "heidelberg-energy-control");
    let mut file = file.expect("it is built in").clone();
    let profile = find(&file.profile).expect("frames belong to a profile");
    let read = file
        .frames
        .iter()
        .position(|frame| frame.expect.contains_key("state"));
    let frame = &mut file.frames[read.expect("it reads its state")];
    frame.expect.insert("state".to_owned(), "77".to_owned());
    let changed = frame.name.clone();
    let faults = proof::faults(profile, &file);
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert!(
        faults[0].starts_with(&format!("frame `{changed}`: the driver reads")),
        "{faults:?}"
    );

    let write = file
        .frames
        .iter()
        .position(|frame| frame.expect.contains_key("limit"));
    let frame = &mut file.frames[write.expect("it writes its limit")];
    frame
        .expect
        .insert("limit".to_owned(), "7300 mA".to_owned());
    let faults = proof::faults(profile, &file);
    assert_eq!(faults.len(), 2, "{faults:?}");
    assert!(
        faults
            .iter()
            .any(|fault| fault.contains("the driver writes")),
        "{faults:?}"
    );
}
