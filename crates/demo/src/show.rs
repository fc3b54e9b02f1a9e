//! What the demo prints.

use std::path::Path;

use demo::SimulatedSite;

/// One line about what is going on.
pub(crate) fn step(text: &str) {
    say(&format!("· {text}"));
}

/// One event of the site, with the time of day.
pub(crate) fn event(charge_point: &str, text: &str) {
    let now = jiff::Zoned::now();
    say(&format!(
        "{}  {charge_point:<9} {text}",
        now.strftime("%H:%M:%S")
    ));
}

/// Everything to paste; printed when every charge point is online, not before.
pub(crate) fn welcome(base: &str, key: &str, site: &SimulatedSite, folder: &Path) {
    let first = site.charge_points()[0];
    say(&format!(
        "
Every charge point is online.

  API          {base}/api/v1
  API key      {key}
  reference    {base}/docs

Fleet summary
  curl -H \"Authorization: Bearer {key}\" {base}/api/v1/cpo/fleet/summary

One charge point
  curl -H \"Authorization: Bearer {key}\" {base}/api/v1/chargepoints/{first}/status

Takes the connector out of operation, by OCPP; the answer tells what became of it (`set_available` gives it back)
  curl -H \"Authorization: Bearer {key}\" -H \"Content-Type: application/json\" \\
    -d '{{\"command\": \"set_unavailable\", \"parameters\": {{\"connector_id\": 1}}}}' \\
    {base}/api/v1/cpo/commands/{first}

API keys
  curl -H \"Authorization: Bearer {key}\" {base}/api/v1/org/api-keys

At the cabinet
  target/debug/site-controller --socket {}/gateway/socket status
",
        folder.display()
    ));
}

/// Why the demo ends.
#[expect(
    clippy::print_stderr,
    reason = "this program speaks to whoever typed it"
)]
pub(crate) fn problem(text: &str) {
    eprintln!("demo: {text}");
}

#[expect(
    clippy::print_stdout,
    reason = "this program speaks to whoever typed it"
)]
fn say(text: &str) {
    println!("{text}");
}
