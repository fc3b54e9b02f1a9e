//! Profiles that a site adds as files, and the smallest of meters.

use std::fs;

use hw_profiles::{KeepAlive, Profile, TcpDefaults, load_dir, load_file};

const GOOD: &str = include_str!("files/acme-ac22.toml");

#[test]
fn a_file_becomes_a_profile_named_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("acme-ac22.toml");
    fs::write(&path, GOOD).unwrap();
    let profile = load_file(&path).unwrap();
    assert_eq!(
        (profile.id.as_str(), profile.vendor.as_str()),
        ("acme-ac22", "Acme")
    );
}

#[test]
fn a_folder_gives_its_profiles_by_id_and_passes_over_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["b.toml", "a.toml", "a.frames.toml", "notes.txt"] {
        fs::write(folder.path().join(name), GOOD).unwrap();
    }
    fs::create_dir(folder.path().join("c.toml")).unwrap();
    let profiles = load_dir(folder.path()).unwrap();
    let ids: Vec<&str> = profiles.iter().map(|profile| profile.id.as_str()).collect();
    assert_eq!(ids, ["a", "b"]);
}

#[test]
fn a_folder_tells_the_faults_of_all_its_files() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().display();
    fs::write(folder.path().join("Acme AC.toml"), GOOD).unwrap();
    fs::write(folder.path().join("keba-p30.toml"), GOOD).unwrap();
    let bad = GOOD.replace("pause_value = 0", "pause_value = 6000");
    fs::write(folder.path().join("acme.toml"), bad).unwrap();
    let expected = format!(
        "{place}/Acme AC.toml:1:1: the file's name gives the profile id \"Acme AC\". \
         Name the file with 1 to 64 of a-z 0-9 -, for instance `acme-ac22.toml`\n\
         {place}/acme.toml:60:15: `limit.pause_value` 6000 is also a limit. \
         Write a value outside 6000 to 32000\n\
         {place}/keba-p30.toml: the profile id `keba-p30` is built in. \
         Give the file another name"
    );
    assert_eq!(load_dir(folder.path()).unwrap_err().to_string(), expected);
}

#[test]
fn a_meter_measures_something_and_controls_nothing() {
    let meter = "vendor = \"Acme\"\nmodel = \"M1\"\nkind = \"meter\"\nread = {}\n\
         [source]\ndocument = \"Acme meter guide 1.0\"\n\
         [link]\nunit = 1\ntcp = {}\n";
    let expected =
        "m1.toml:3:8: a meter that measures nothing. Give at least one register a `quantity`";
    let faults = Profile::from_toml("m1.toml", meter).unwrap_err();
    assert_eq!(faults.to_string(), expected);
    let register = "read.power = { quantity = \"power\", table = \"input\", address = 0, type = \"i32\", unit = \"kW\" }";
    let profile = Profile::from_toml("m1.toml", &meter.replace("read = {}", register)).unwrap();
    assert_eq!(
        profile.link.tcp,
        Some(TcpDefaults {
            port: 502,
            max_connections: None
        })
    );
    assert_eq!(profile.keep_alive, KeepAlive::None);
}

#[test]
fn what_cannot_be_read_is_told_with_its_path() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    let expected = format!(
        "{}: cannot be read: No such file or directory (os error 2). \
         Check the path and its permissions",
        missing.display()
    );
    assert_eq!(load_file(&missing).unwrap_err().to_string(), expected);
    assert_eq!(load_dir(&missing).unwrap_err().to_string(), expected);
}
