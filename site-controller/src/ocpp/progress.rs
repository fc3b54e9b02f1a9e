//! How long work for a central system goes: what it tells on its way, and how often it is tried.

use std::time::Duration;

use ocpp::v16::{DiagnosticsStatus, FirmwareStatus, SignedFirmwareStatus, UploadLogStatus};

use super::security::events::Kind;

/// Attempts where the central system names no number.
const ATTEMPTS: i64 = 3;
/// More is a mistake.
const ATTEMPTS_MAX: i64 = 10;
/// Pause between them where it names none.
const INTERVAL_S: i64 = 60;
/// A longer one is a mistake.
const INTERVAL_MAX_S: i64 = 86_400;

/// News of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Progress {
    /// Of GetLog, by its request.
    Log(i64, UploadLogStatus),
    /// Of GetDiagnostics.
    Diagnostics(DiagnosticsStatus),
    /// Of UpdateFirmware.
    Firmware(FirmwareStatus),
    /// Of SignedUpdateFirmware, by its request.
    SignedFirmware(i64, SignedFirmwareStatus),
    /// For the security log.
    Event(Kind, String),
}

/// How often something is tried, at least once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tries {
    pub(super) attempts: u32,
    pub(super) interval: Duration,
}

impl Tries {
    /// As a message has it.
    pub(super) fn new(retries: Option<i64>, interval_s: Option<i64>) -> Self {
        let attempts = retries.unwrap_or(ATTEMPTS).clamp(1, ATTEMPTS_MAX);
        let interval = interval_s.unwrap_or(INTERVAL_S).clamp(0, INTERVAL_MAX_S);
        Self {
            attempts: u32::try_from(attempts).unwrap_or(1),
            interval: Duration::from_secs(u64::try_from(interval).unwrap_or(0)),
        }
    }
}
