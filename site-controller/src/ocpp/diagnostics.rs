//! The files of GetDiagnostics and GetLog: what the charge point and its lines look like, its settings, its
//! security events and the last log lines; gzip, without secrets, and without what concerns other charge points.

use std::io::Write as _;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use ocpp::Time;
use ocpp::v16::{DiagnosticsStatus, Log, UploadLogStatus};
use serde_json::{Value, json};
use site_model::{ChargePointId, WallTime};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{sleep, timeout};

use super::progress::{Progress, Tries};
use super::transfer::{self, Failed, Location};
use crate::clock::Clock;
use crate::local::report::StatusReport;
use crate::log;
use crate::runtime::LocalRequest;
use crate::store::{Store, security_events};

/// How long the site may take for its status.
const STATUS_WITHIN: Duration = Duration::from_secs(10);

/// What is wanted, and from where it comes.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) charge_point: ChargePointId,
    pub(super) kind: Log,
    /// Of GetLog; absent for GetDiagnostics.
    pub(super) request_id: Option<i64>,
    /// Events and lines before this are left out.
    pub(super) from: Option<Time>,
    /// Those after this too.
    pub(super) to: Option<Time>,
    pub(super) location: Location,
    pub(super) name: String,
    pub(super) tries: Tries,
    /// Configuration keys as the central system reads them.
    pub(super) configuration: Value,
    pub(super) store: Store,
    pub(super) clock: Clock,
    pub(super) desk: mpsc::Sender<LocalRequest>,
}

/// The name of a file made now.
pub(super) fn file_name(charge_point: &ChargePointId, kind: Log, now: WallTime) -> String {
    let what = match kind {
        Log::DiagnosticsLog => "diagnostics",
        Log::SecurityLog => "security",
    };
    // An id may hold what a path of an address must not.
    let id = charge_point.as_str().replace(['*', '='], "_");
    format!("{id}-{what}-{}.json.gz", now.0 / 1_000)
}

impl Job {
    /// Makes the file and puts it into its location; says how it goes.
    pub(super) async fn run(self, turn: &Semaphore, progress: &mpsc::Sender<Progress>) {
        let tell = async |status: UploadLogStatus| {
            let told = match self.request_id {
                Some(id) => Progress::Log(id, status),
                None => Progress::Diagnostics(plain(status)),
            };
            // A link that ended wants no news.
            let _unheard = progress.send(told).await;
        };
        // One file at a time moves between this gateway and the world.
        let _turn = turn.acquire().await;
        tell(UploadLogStatus::Uploading).await;
        let content = self.content().await;
        let mut left = self.tries.attempts;
        let fate = loop {
            left -= 1;
            match transfer::upload(&self.location, &self.name, content.clone()).await {
                Err(Failed::Again(why)) if left > 0 => {
                    tracing::info!(charge_point.id = %self.charge_point, "A log is uploaded again later: {why}");
                    sleep(self.tries.interval).await;
                }
                fate => break fate,
            }
        };
        let status = match &fate {
            Ok(()) => UploadLogStatus::Uploaded,
            Err(Failed::NotSupported(_)) => UploadLogStatus::NotSupportedOperation,
            Err(Failed::Denied(_)) => UploadLogStatus::PermissionDenied,
            Err(Failed::Again(_)) => UploadLogStatus::UploadFailure,
        };
        match fate {
            Ok(()) => {
                tracing::info!(charge_point.id = %self.charge_point, "{} was uploaded", self.name);
            }
            Err(why) => {
                tracing::warn!(charge_point.id = %self.charge_point, "{} was not uploaded: {why}", self.name);
            }
        }
        tell(status).await;
    }

    async fn content(&self) -> Vec<u8> {
        let now = self.clock.now();
        let id = self.charge_point.clone();
        let events = self
            .store
            .work(move |db| security_events::all(db, &id, &now));
        let events = match events.await {
            Ok(events) => {
                let events = events.iter().filter(|event| self.wants(event.at));
                let told = events.map(|event| {
                    json!({"timestamp": told(event.at), "type": event.kind, "techInfo": event.info})
                });
                told.collect()
            }
            Err(problem) => json!({"unreadable": problem}),
        };
        let mut file = json!({
            "charge_point_id": self.charge_point.as_str(),
            "made_at": told(now.wall),
            "clock_known": now.wall_known,
            "software_version": env!("CARGO_PKG_VERSION"),
            "security_events": events,
        });
        if self.kind == Log::DiagnosticsLog {
            let report = self.report().await;
            file["log"] = self.lines(report.as_ref()).into();
            file["configuration"] = self.configuration.clone();
            file["status"] = report.map_or(Value::Null, |report| self.own(report));
        }
        compressed(&format!("{file:#}\n"))
    }

    async fn report(&self) -> Option<StatusReport> {
        let (reply, report) = oneshot::channel();
        self.desk.send(LocalRequest::Status(reply)).await.ok()?;
        timeout(STATUS_WITHIN, report).await.ok()?.ok()
    }

    /// The report without the other charge points, which may be another operator's, and without the cloud's link.
    fn own(&self, mut report: StatusReport) -> Value {
        let own = self.charge_point.as_str();
        report
            .charge_points
            .retain(|point| point.charge_point_id == own);
        let mut value = serde_json::to_value(report).unwrap_or_default();
        if let Some(members) = value.as_object_mut() {
            members.remove("cloud");
        }
        value
    }

    /// The last log lines, without those that name another charge point.
    fn lines(&self, report: Option<&StatusReport>) -> Vec<String> {
        let points = report.into_iter().flat_map(|report| &report.charge_points);
        let others: Vec<&str> = points
            .map(|point| point.charge_point_id.as_str())
            .filter(|id| *id != self.charge_point.as_str())
            .collect();
        let mut lines = log::recent();
        lines.retain(|line| {
            let at = line.split_whitespace().next().unwrap_or_default();
            let at: Option<jiff::Timestamp> = at.parse().ok();
            at.is_none_or(|at| self.wants(WallTime(at.as_millisecond())))
                && !others.iter().any(|other| names(line, other))
        });
        lines
    }

    fn wants(&self, at: WallTime) -> bool {
        self.from.is_none_or(|from| from.unix_ms() <= at.0)
            && self.to.is_none_or(|to| at.0 <= to.unix_ms())
    }
}

/// Whether the id stands in the line as a word of its own.
fn names(line: &str, id: &str) -> bool {
    let part = |c: char| c.is_ascii_alphanumeric() || "-_*".contains(c);
    line.match_indices(id).any(|(at, _)| {
        let (before, after) = (&line[..at], &line[at + id.len()..]);
        !before.ends_with(part) && !after.starts_with(part)
    })
}

fn told(at: WallTime) -> String {
    Time::from_unix_ms(at.0).map_or_else(String::new, |time| time.to_string())
}

fn compressed(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    let written = encoder.write_all(text.as_bytes());
    let content = written.and_then(|()| encoder.finish());
    content.expect("memory takes every byte")
}

/// The words of GetDiagnostics.
fn plain(status: UploadLogStatus) -> DiagnosticsStatus {
    match status {
        UploadLogStatus::Idle => DiagnosticsStatus::Idle,
        UploadLogStatus::Uploading => DiagnosticsStatus::Uploading,
        UploadLogStatus::Uploaded => DiagnosticsStatus::Uploaded,
        UploadLogStatus::BadMessage
        | UploadLogStatus::NotSupportedOperation
        | UploadLogStatus::PermissionDenied
        | UploadLogStatus::UploadFailure => DiagnosticsStatus::UploadFailed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_a_charge_point_only_by_its_whole_id() {
        assert!(names("charge_point.id=CP-1 is up", "CP-1"));
        assert!(names("CP-1", "CP-1"));
        assert!(!names("charge_point.id=CP-10 is up", "CP-1"));
        assert!(!names("MY-CP-1 is up", "CP-1"));
    }
}
