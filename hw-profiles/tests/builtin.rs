//! Every profile that comes with the software loads, has frames, and states the facts that the
//! register tables state.

use hw_profiles::{Origin, builtin, builtin_frames, find};

#[test]
fn every_built_in_profile_loads_and_is_found_by_its_id() {
    let ids: Vec<&str> = builtin()
        .iter()
        .map(|profile| profile.id.as_str())
        .collect();
    assert_eq!(
        ids,
        [
            "bender-cc612",
            "eastron-sdm630",
            "heidelberg-energy-control",
            "keba-p30",
            "keba-p40"
        ]
    );
    for id in ids {
        assert_eq!(find(id).unwrap().id, id);
    }
    assert_eq!(find("acme-ac22"), None);
}

#[test]
fn every_profile_has_frames_and_every_constructed_frame_cites_a_table() {
    let frames = builtin_frames().unwrap_or_else(|faults| panic!("{faults}"));
    let proven: Vec<&str> = frames.iter().map(|file| file.profile.as_str()).collect();
    let profiles: Vec<&str> = builtin()
        .iter()
        .map(|profile| profile.id.as_str())
        .collect();
    assert_eq!(proven, profiles);
    for file in &frames {
        for frame in &file.frames {
            let cites = frame.source.contains("register")
                && frame.source.contains(|c: char| c.is_ascii_digit());
            assert!(
                frame.origin == Origin::Published || cites,
                "{}: frame {} cites no register table: {}",
                file.profile,
                frame.name,
                frame.source
            );
        }
    }
}
