//! The status page in a terminal of 80 columns, and the meaning of a command's fate.

use site_model::RefusalReason;

use super::report::{
    ChargePoint, Cloud, Connector, Device, Failsafe, Ocpp, Owed, StatusReport, Storage,
};

/// Columns of the terminal that the page is made for.
const COLUMNS: usize = 80;
/// Where the right-hand column of a block begins.
const INDENT: usize = 12;
/// A space at which no line breaks; printed as a space.
const GLUE: &str = "\u{a0}";

/// The page.
#[must_use]
pub fn render(report: &StatusReport) -> String {
    let mut page = Page::default();
    let clock = if report.clock_known {
        "clock right"
    } else {
        "clock NOT known to be right"
    };
    page.entry(
        "Gateway",
        &format!(
            "{}, version {}, up {}, {clock}",
            report.gateway_id,
            report.software_version,
            duration(report.uptime_ms)
        ),
    );
    clock_lines(&mut page, report);
    cloud(&mut page, &report.cloud, report.now_ms);
    storage(&mut page, &report.storage);
    for charge_point in &report.charge_points {
        charge_point_block(&mut page, charge_point, report.now_ms);
    }
    owed_block(&mut page, &report.owed);
    if !report.meters.is_empty() {
        page.line("");
    }
    for meter in &report.meters {
        let power = meter.power_w.map_or("power unknown".to_owned(), |power| {
            format!("{power}{GLUE}W")
        });
        page.entry(
            "Grid meter",
            &format!("{}: {power}, {}", meter.device, ago(meter.age_ms)),
        );
    }
    for bus in &report.buses {
        page.line("");
        page.entry("Bus", &bus.name);
        if let Some(problem) = &bus.closed {
            page.entry("", &format!("closed: {}", problem.message));
            page.entry("", &format!("→ {}", problem.remedy));
        }
        for device in &bus.devices {
            device_lines(&mut page, device);
        }
    }
    page.text
}

/// Only what is worth a line.
fn clock_lines(page: &mut Page, report: &StatusReport) {
    let clock = &report.clock;
    let mut told = Vec::new();
    if let (Some(since), Some(drift)) = (clock.synchronised_ms_ago, clock.drift_ms) {
        told.push(format!(
            "set by the time service {}, since then it may have drifted by {}",
            ago(since),
            duration(drift)
        ));
    }
    if let Some(step) = clock.last_step_ms {
        let way = if step < 0 { "back" } else { "forward" };
        let by = duration(step.unsigned_abs());
        told.push(format!(
            "the system clock was set {way} by {by} while the daemon ran"
        ));
    }
    if clock.ahead_ms > 0 {
        told.push(format!(
            "recorded times are {} ahead of it and slow down until it has caught up",
            duration(clock.ahead_ms)
        ));
    }
    let mut title = "Clock";
    for line in told {
        page.entry(std::mem::take(&mut title), &line);
    }
}

fn cloud(page: &mut Page, cloud: &Cloud, now_ms: i64) {
    let waiting = match cloud.facts_waiting {
        0 => "nothing waits".to_owned(),
        1 => "1 fact waits".to_owned(),
        many => format!("{many} facts wait"),
    };
    match cloud.connected_since_ms {
        Some(since) => {
            let up = u64::try_from(now_ms - since).unwrap_or(0);
            page.entry(
                "Cloud",
                &format!("connected for {}, {waiting}", duration(up)),
            );
        }
        None => page.entry(
            "Cloud",
            &format!("NOT connected, {waiting}; charging goes on"),
        ),
    }
    if let Some(error) = &cloud.last_error {
        page.entry("", error);
    }
    for refused in &cloud.refused {
        page.entry(
            "",
            &format!("REFUSED {}: {}", refused.charge_point_id, refused.reason),
        );
    }
}

fn storage(page: &mut Page, storage: &Storage) {
    page.entry(
        "Storage",
        &format!(
            "{}, {} on disk",
            counted(storage.last_sequence, "fact"),
            bytes(storage.bytes_on_disk)
        ),
    );
    page.entry(
        "",
        &format!(
            "{} written in 24 h, {} since the start",
            bytes(storage.bytes_written_last_day),
            bytes(storage.bytes_written)
        ),
    );
    if let Some(problem) = &storage.problem {
        page.entry(
            "",
            &format!(
                "FAILED, {} facts wait in memory: {problem}",
                storage.facts_waiting
            ),
        );
    }
    for notice in &storage.notices {
        page.entry("", &format!("AT THE START {notice}"));
    }
    if storage.facts_dropped > 0 {
        page.entry(
            "",
            &format!(
                "{} facts were dropped while the disk failed",
                storage.facts_dropped
            ),
        );
    }
}

fn charge_point_block(page: &mut Page, charge_point: &ChargePoint, now_ms: i64) {
    page.line("");
    let answer = match (charge_point.online, charge_point.last_answer_age_ms) {
        (true, Some(age)) => format!("answered {}", ago(age)),
        (true, None) => "online".to_owned(),
        (false, Some(age)) => format!("OFFLINE, last answer {}", ago(age)),
        (false, None) => "OFFLINE, no answer since the start".to_owned(),
    };
    page.entry(
        &charge_point.charge_point_id,
        &format!(
            "{} {}: {}, {answer}",
            charge_point.vendor, charge_point.model, charge_point.status
        ),
    );
    if let Some(link) = &charge_point.ocpp {
        ocpp(page, link, now_ms);
    }
    for connector in &charge_point.connectors {
        connector_lines(page, connector);
    }
}

fn ocpp(page: &mut Page, link: &Ocpp, now_ms: i64) {
    let state = match link.connected_since_ms {
        Some(since) => {
            let up = u64::try_from(now_ms - since).unwrap_or(0);
            format!("connected for {}, {}", duration(up), link.registration)
        }
        None => "NOT connected; charging goes on".to_owned(),
    };
    let waiting = match link.waiting {
        0 => "nothing waits".to_owned(),
        1 => "1 message waits".to_owned(),
        many => format!("{many} messages wait"),
    };
    page.entry("  OCPP", &format!("{}: {state}, {waiting}", link.address));
    if link.set_aside > 0 {
        let refused = counted(link.set_aside, "message");
        let why = link.set_aside_why.as_deref().unwrap_or("unknown");
        page.entry(
            "",
            &format!("{refused} NOT TAKEN, kept in the journal; the newest: {why}"),
        );
    }
    if let Some(error) = &link.last_error {
        page.entry("", error);
    }
}

fn owed_block(page: &mut Page, all: &[Owed]) {
    if !all.is_empty() {
        page.line("");
    }
    for owed in all {
        let waits = counted(owed.waiting, "message");
        page.entry(
            &owed.charge_point_id,
            &format!("has left {}: {waits} still to be told there", owed.address),
        );
        if let Some(error) = &owed.last_error {
            page.entry("", error);
        }
    }
}

fn connector_lines(page: &mut Page, connector: &Connector) {
    let power = connector
        .power_w
        .map(|power| format!(", {power}{GLUE}W"))
        .unwrap_or_default();
    let error = match connector.error_code {
        Some(code) if code != 0 => format!(", error code {code}"),
        Some(_) | None => String::new(),
    };
    page.entry(
        &format!("  conn. {}", connector.connector_id),
        &format!("{}{power}{error}", connector.status),
    );
    let read_back = connector
        .limit_read_back_ma
        .map_or("not read back yet".to_owned(), |limit| {
            format!("reads back {}", amps(limit))
        });
    page.entry(
        "",
        &format!(
            "limit {} ({}), {read_back}",
            amps(connector.limit_ma),
            connector.limit_reason
        ),
    );
    if let Some(session) = &connector.session {
        page.entry(
            "",
            &format!("session {}, {}", session.session_id, kwh(session.energy_wh)),
        );
    }
    if let Some(meter) = connector.meter_wh {
        page.entry("", &format!("register {}", kwh(meter)));
    }
    if let Some(fault) = &connector.fault {
        page.entry("", &format!("FAULT {}", fault.message));
        page.entry("", &format!("→ {}", fault.remedy));
    }
}

fn device_lines(page: &mut Page, device: &Device) {
    let answer = device
        .last_answer_age_ms
        .map_or("never answered".to_owned(), |age| {
            format!("answered {}", ago(age))
        });
    let quarantine = device
        .quarantined_for_ms
        .map(|ms| format!(", asked again in {}", duration(ms)))
        .unwrap_or_default();
    page.entry(
        &format!("  unit {}", device.unit),
        &format!(
            "{}: {answer}{quarantine}, {}, {}",
            device.device,
            counted(device.answers, "answer"),
            troubles(device)
        ),
    );
    match device.phases {
        None => {}
        Some(1) => page.entry("", "charges with one phase"),
        Some(phases) => page.entry("", &format!("charges with {phases}{GLUE}phases")),
    }
    match &device.failsafe {
        None => {}
        Some(Failsafe::Confirmed) => page.entry("", "failsafe confirmed"),
        Some(Failsafe::NotReadable) => {
            page.entry("", "failsafe written; this model does not tell it");
        }
        Some(Failsafe::Differs(problem)) => {
            page.entry("", &format!("FAILSAFE DIFFERS: {}", problem.message));
            page.entry("", &format!("→ {}", problem.remedy));
        }
    }
    if let Some(error) = &device.last_error {
        page.entry(
            "",
            &format!("{}: {}", ago(error.age_ms), error.problem.message),
        );
        page.entry("", &format!("sent {}", error.request));
        let heard = if error.response.is_empty() {
            "nothing"
        } else {
            &error.response
        };
        page.entry("", &format!("heard {heard}"));
        page.entry("", &format!("→ {}", error.problem.remedy));
    }
}

/// What a command's fate means, as a sentence.
#[must_use]
pub fn outcome_sentence(outcome: &str, reason: Option<&str>) -> String {
    match outcome {
        "applied" => "Applied: the charger confirms it.".to_owned(),
        "expired" => "Expired: the charger did not confirm it in time. It may still follow; see `site-controller status`.".to_owned(),
        "superseded" => "Superseded: a later command for the same thing took its place.".to_owned(),
        "refused" => {
            let meaning = reason.and_then(RefusalReason::parse).map_or("for a reason this program does not know", refusal);
            format!("Refused, nothing was changed: {meaning}.")
        }
        other => format!("Ended as `{other}`, which this program does not know."),
    }
}

/// What became of a presented tag, as a sentence.
#[must_use]
pub fn tag_sentence(outcome: &str, reason: Option<&str>) -> String {
    let told = match (outcome, reason) {
        ("accepted", _) => {
            return "Accepted: the vehicle may charge; plug it in if it is not.".into();
        }
        ("stopping", _) => return "The session ends.".into(),
        (_, Some("blocked")) => "this tag is blocked",
        (_, Some("expired")) => "this tag has expired",
        (_, Some("invalid")) => "nobody here knows this tag",
        (_, Some("concurrent_tx")) => "this tag charges elsewhere at the moment",
        (_, Some("other_session")) => "another tag began the session that runs here",
        (_, Some("not_understood")) => {
            "the central system gave no answer that can be understood; see its frame log"
        }
        (_, Some("no_central_system")) => {
            "this charge point has no central system that knows tags; start by `site-controller command … start-session`"
        }
        (_, Some("not_possible")) => "no session can begin or end there now",
        (_, Some("busy")) => "other tags are being judged; try again",
        (_, Some("site_silent")) => "the site did not answer in time; try again",
        (_, reason) => reason
            .and_then(RefusalReason::parse)
            .map_or("for a reason this program does not know", refusal),
    };
    format!("Refused: {told}.")
}

/// What a connector may draw after an order: a cap above the installation's rating changes nothing.
#[must_use]
pub fn limit_sentence(report: &StatusReport, charge_point: &str, connector: u8) -> Option<String> {
    let is_it = |point: &&ChargePoint| point.charge_point_id == charge_point;
    let point = report.charge_points.iter().find(is_it)?;
    let found = point
        .connectors
        .iter()
        .find(|found| found.connector_id == connector)?;
    Some(format!(
        "{charge_point} connector {connector} is limited to {} ({}).",
        amps(found.limit_ma).replace(GLUE, " "),
        found.limit_reason
    ))
}

fn refusal(reason: RefusalReason) -> &'static str {
    match reason {
        RefusalReason::UnknownConnector => {
            "this site has no such charge point or connector; see `site-controller status`"
        }
        RefusalReason::TooLate => "it arrived after its time; give it more with --timeout-s",
        RefusalReason::DeviceOffline => "the charger does not answer; see `site-controller status`",
        RefusalReason::SessionRunning => "a session runs already; stop it first",
        RefusalReason::NoSession => "no session runs",
        RefusalReason::NotOperative => {
            "the connector is out of operation or faulted; see `site-controller status`"
        }
        RefusalReason::LimitBelowMinimum => {
            "the limit must be 0 (pause) or at least what the charger can offer, 6 A or more"
        }
        RefusalReason::CannotPause => "this charger cannot be paused",
        RefusalReason::TooManyOpen => "too many commands are open; wait for their ends",
        RefusalReason::StorageUnavailable => {
            "the journal cannot be written, and nothing new that costs money may begin; see `site-controller status`"
        }
        RefusalReason::FreeForAll => {
            "the connector is free for all; set `authorization = \"required\"` to turn tags away"
        }
        RefusalReason::Reserved => {
            "it is reserved for somebody else; another tag may charge once the reservation is over"
        }
    }
}

/// Text in the making, wrapped at [`COLUMNS`].
#[derive(Debug, Default)]
struct Page {
    text: String,
}

impl Page {
    fn line(&mut self, line: &str) {
        self.text.push_str(&line.trim_end().replace(GLUE, " "));
        self.text.push('\n');
    }

    /// A title at the left, words at the right, wrapped.
    fn entry(&mut self, title: &str, words: &str) {
        let mut line = format!("{title:INDENT$}");
        let mut fresh = true;
        let space = |c: char| c.is_whitespace() && !GLUE.contains(c);
        for word in words.split(space).filter(|word| !word.is_empty()) {
            if !fresh && line.chars().count() + 1 + word.chars().count() > COLUMNS {
                self.line(&line);
                line = " ".repeat(INDENT);
                fresh = true;
            }
            if !fresh || !line.ends_with(' ') {
                line.push(' ');
            }
            line.push_str(word);
            fresh = false;
        }
        self.line(&line);
    }
}

fn duration(ms: u64) -> String {
    let s = ms / 1_000;
    match (s / 86_400, s / 3_600, s / 60) {
        (0, 0, 0) => format!("{s} s"),
        (0, 0, minutes) => format!("{minutes} min {} s", s % 60),
        (0, hours, _) => format!("{hours} h {} min", s / 60 % 60),
        (days, _, _) => format!("{days} d {} h", s / 3_600 % 24),
    }
    .replace(' ', GLUE)
}

fn bytes(count: u64) -> String {
    match count {
        0..1_024 => format!("{count} B"),
        1_024..1_048_576 => format!("{} KiB", count / 1_024),
        _ => format!(
            "{}.{} MiB",
            count / 1_048_576,
            count % 1_048_576 * 10 / 1_048_576
        ),
    }
    .replace(' ', GLUE)
}

/// How long ago, for people.
fn ago(ms: u64) -> String {
    if ms < 1_000 {
        "just now".to_owned()
    } else {
        format!("{}{GLUE}ago", duration(ms))
    }
}

/// What went wrong with a device so far; only what did.
fn troubles(device: &Device) -> String {
    let counts = [
        (device.timeouts, "timeout"),
        (device.crc_errors, "CRC error"),
        (device.exceptions, "refusal"),
    ];
    let told: Vec<String> = counts
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| counted(count, what))
        .collect();
    if told.is_empty() {
        "no errors".to_owned()
    } else {
        told.join(", ")
    }
}

fn counted(count: u64, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count}{GLUE}{what}{plural}").replace(' ', GLUE)
}

fn amps(milliamps: u32) -> String {
    let text = format!("{}.{:03}", milliamps / 1_000, milliamps % 1_000);
    format!(
        "{}{GLUE}A",
        text.trim_end_matches('0').trim_end_matches('.')
    )
}

fn kwh(watt_hours: u64) -> String {
    format!("{}.{:03}{GLUE}kWh", watt_hours / 1_000, watt_hours % 1_000)
}
