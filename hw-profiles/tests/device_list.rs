//! The committed list of devices is what the profiles say.

#[path = "../examples/device-list/document.rs"]
mod document;

#[test]
fn the_list_of_devices_is_up_to_date() {
    let committed = include_str!("../../docs/devices.md");
    assert!(
        committed == document::document(),
        "docs/devices.md is out of date: run `cargo xtask generate`"
    );
}
