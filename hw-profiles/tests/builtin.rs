//! Every profile that comes with the software loads, has frames, and states the facts that the
//! register tables state.

use std::fs;
use std::path::Path;

use hw_profiles::{Origin, builtin, builtin_frames, find};

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

#[test]
fn every_profile_has_frames_and_every_constructed_frame_cites_a_register_table() {
    let frames = builtin_frames().unwrap_or_else(|faults| panic!("{faults}"));
    let proven: Vec<&str> = frames.iter().map(|file| file.profile.as_str()).collect();
    let profiles: Vec<&str> = builtin().iter().map(|p| p.id.as_str()).collect();
    assert_eq!(proven, profiles, "one frame file per profile");
    for file in &frames {
        for frame in &file.frames {
            let digits = frame.source.contains(|c: char| c.is_ascii_digit());
            let cites = frame.source.contains("register") && digits;
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

#[test]
fn every_expectation_names_a_register_of_its_profile() {
    for file in builtin_frames().unwrap() {
        let profile = find(&file.profile).unwrap();
        for frame in &file.frames {
            for key in frame.expect.keys() {
                let known = profile.register(key).is_some();
                assert!(
                    known || key == "vehicle_state" || key == "limit",
                    "{}: frame {} expects `{key}`",
                    file.profile,
                    frame.name
                );
            }
        }
    }
}

#[test]
fn every_register_state_and_pause_of_a_profile_is_proven_by_a_frame() {
    let mut unproven = Vec::new();
    for (profile, file) in builtin().iter().zip(&builtin_frames().unwrap()) {
        let proven = |key: &str, value: Option<&str>| {
            file.frames.iter().any(|frame| {
                let expected = frame.expect.get(key);
                expected.is_some_and(|found| value.is_none_or(|value| value == found))
            })
        };
        let registers = profile.registers.iter().map(|r| (r.name.as_str(), None));
        let rules = profile.state_rules.iter();
        let states = rules.map(|rule| ("vehicle_state", Some(rule.state.as_str())));
        let pause = profile.limit.iter().filter(|limit| limit.pause.is_some());
        let pause = pause.map(|_| ("limit", Some("0 mA")));
        for (key, value) in registers.chain(states).chain(pause) {
            if !proven(key, value) {
                unproven.push(format!(
                    "{}: {key} {}",
                    profile.id,
                    value.unwrap_or_default()
                ));
            }
        }
    }
    assert_eq!(
        unproven,
        Vec::<String>::new(),
        "add a frame that expects each"
    );
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
