//! Every profile that comes with the software loads, has frames, and states the facts that the
//! register tables state.

use std::fs;
use std::path::Path;

use hw_profiles::{builtin, builtin_frames, find};

#[test]
fn built_in_profiles_are_found_by_their_ids() {
    for id in [
        "bender-cc612",
        "eastron-sdm630",
        "heidelberg-energy-control",
        "keba-p30",
        "keba-p40",
    ] {
        assert_eq!(find(id).map(|profile| profile.id.as_str()), Some(id));
    }
    assert_eq!(find("acme-ac22"), None);
}

/// Loading checks that each frame fits its profile, cites its source, and that nothing is left
/// without a frame.
#[test]
fn every_profile_is_proven_by_its_frames() {
    let frames = builtin_frames().unwrap_or_else(|faults| panic!("{faults}"));
    let proven: Vec<&str> = frames.iter().map(|file| file.profile.as_str()).collect();
    let profiles: Vec<&str> = builtin().iter().map(|p| p.id.as_str()).collect();
    assert_eq!(proven, profiles, "one frame file per profile");
}

/// The facts as one line each, next to what a person has compared with the register tables.
#[test]
fn facts_of_built_in_profiles_are_those_that_were_compared_with_the_sources() {
    let mut differing = Vec::new();
    for profile in builtin() {
        let file = format!("tests/facts/{}.txt", profile.id);
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(&file);
        let compared = fs::read_to_string(path).unwrap_or_default();
        let found = profile.facts();
        if found != compared {
            differing.push(format!("hw-profiles/{file}:\n{found}"));
        }
    }
    assert!(
        differing.is_empty(),
        "compare with the sources, then write to {}",
        differing.join("\n")
    );
}
