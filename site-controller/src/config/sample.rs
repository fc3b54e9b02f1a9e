//! The commented sample, made from the same table of keys that reading uses.

use super::keys::{self, Key};

/// A whole configuration file with every key; it passes the check as it stands.
#[must_use]
pub fn sample() -> String {
    let mut text = String::from(
        "# site-controller: one charging site. Check a file with `site-controller --config FILE --check-config`.\n",
    );
    section(&mut text, "[gateway]", keys::GATEWAY);
    section(&mut text, "[mqtt]", keys::MQTT);
    section(&mut text, "[ocpp]", keys::OCPP);
    section(&mut text, "[[bus]]", keys::BUS);
    section(&mut text, "[[bus.device]]", keys::DEVICE);
    device(&mut text, "left-meter", "eastron-sdm630", 2);
    device(&mut text, "grid", "eastron-sdm630", 3);
    section(&mut text, "[[charge_point]]", keys::CHARGE_POINT);
    section(&mut text, "[[charge_point.connector]]", keys::CONNECTOR);
    section(&mut text, "[[meter]]", keys::METER);
    // This charger counts VAh only: the sample gives its connector the meter that it needs.
    text.replace("# meter = \"left-meter\"", "meter = \"left-meter\"")
}

fn section(text: &mut String, title: &str, keys: &[Key]) {
    text.push_str(&format!("\n{title}\n"));
    for key in keys.iter().filter(|key| !key.example.is_empty()) {
        let comment = if key.active { "" } else { "# " };
        text.push_str(&format!(
            "# {}\n{comment}{} = {}\n",
            key.help, key.name, key.example
        ));
    }
}

fn device(text: &mut String, id: &str, profile: &str, unit: u8) {
    text.push_str(&format!(
        "\n[[bus.device]]\nid = \"{id}\"\nprofile = \"{profile}\"\nunit = {unit}\n"
    ));
}
