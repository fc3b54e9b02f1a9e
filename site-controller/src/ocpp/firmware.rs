//! UpdateFirmware and SignedUpdateFirmware: fetched, and checked against its signature. No device profile has
//! a way to put firmware into its device, so every update ends with `InstallationFailed` and the reason in the
//! log; nothing that charges is touched. docs/decisions/0008-firmware-is-checked-not-installed.md says why it is fetched at all.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ocpp::v16::{FirmwareStatus, SignedFirmwareStatus};
use rustls::pki_types::CertificateDer;
use site_model::ChargePointId;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, sleep, sleep_until};

use super::progress::{Progress, Tries};
use super::security::certificates::signed_by;
use super::security::events::Kind;
use super::transfer::{self, Failed, Location, Temporary};

/// Where a charge point's firmware lies meanwhile.
pub(super) fn file(data_dir: &Path, charge_point: &ChargePointId) -> PathBuf {
    data_dir.join(format!("firmware-{charge_point}.part"))
}

/// An update as it was asked for.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) charge_point: ChargePointId,
    pub(super) location: Location,
    /// When to begin.
    pub(super) begin: Instant,
    pub(super) tries: Tries,
    /// Where the file lies meanwhile.
    pub(super) file: PathBuf,
    /// Of SignedUpdateFirmware.
    pub(super) signed: Option<Signed>,
}

/// What makes an update a signed one.
#[derive(Debug)]
pub(super) struct Signed {
    pub(super) request_id: i64,
    /// Checked already.
    pub(super) signer: CertificateDer<'static>,
    /// In base64.
    pub(super) signature: String,
}

impl Job {
    /// Carries the update out as far as it goes; says how it goes.
    pub(super) async fn run(self, turn: &Semaphore, progress: &mpsc::Sender<Progress>) {
        if self.begin > Instant::now() {
            self.tell(progress, SignedFirmwareStatus::DownloadScheduled)
                .await;
            sleep_until(self.begin).await;
        }
        // One file at a time moves between this gateway and the world.
        let _turn = turn.acquire().await;
        self.tell(progress, SignedFirmwareStatus::Downloading).await;
        let file = match self.fetch().await {
            Ok(file) => file,
            Err(why) => {
                tracing::warn!(charge_point.id = %self.charge_point, "A firmware was not fetched: {why}");
                return self
                    .tell(progress, SignedFirmwareStatus::DownloadFailed)
                    .await;
            }
        };
        self.tell(progress, SignedFirmwareStatus::Downloaded).await;
        if let Some(signed) = &self.signed {
            if let Err(why) = signed.check(file).await {
                tracing::warn!(charge_point.id = %self.charge_point, "A firmware is refused: {why}");
                let event = Progress::Event(Kind::InvalidFirmwareSignature, why);
                // A link that ended wants no news.
                let _unheard = progress.send(event).await;
                return self
                    .tell(progress, SignedFirmwareStatus::InvalidSignature)
                    .await;
            }
            self.tell(progress, SignedFirmwareStatus::SignatureVerified)
                .await;
        }
        tracing::warn!(
            charge_point.id = %self.charge_point,
            "A firmware was fetched and is not installed: this device takes none over its line. Update it with its maker's tool"
        );
        self.tell(progress, SignedFirmwareStatus::InstallationFailed)
            .await;
    }

    async fn fetch(&self) -> Result<Temporary, Failed> {
        let mut left = self.tries.attempts;
        loop {
            left -= 1;
            match transfer::download(&self.location, &self.file).await {
                Err(Failed::Again(why)) if left > 0 => {
                    tracing::info!(charge_point.id = %self.charge_point, "A firmware is fetched again later: {why}");
                    sleep(self.tries.interval).await;
                }
                fate => return fate,
            }
        }
    }

    async fn tell(&self, progress: &mpsc::Sender<Progress>, status: SignedFirmwareStatus) {
        let told = match &self.signed {
            Some(signed) => Some(Progress::SignedFirmware(signed.request_id, status)),
            None => plain(status).map(Progress::Firmware),
        };
        if let Some(told) = told {
            // A link that ended wants no news.
            let _unheard = progress.send(told).await;
        }
    }
}

impl Signed {
    async fn check(&self, file: Temporary) -> Result<(), String> {
        let signature = BASE64_STANDARD.decode(self.signature.trim());
        let signature =
            signature.map_err(|error| format!("its signature is no base64 ({error})"))?;
        let signer = self.signer.clone();
        let checked = tokio::task::spawn_blocking(move || {
            let bytes = std::fs::read(file.path()).map_err(|error| error.to_string())?;
            let genuine = signed_by(&signer, &bytes, &signature);
            genuine
                .then_some(())
                .ok_or_else(|| "its signature is not the signer's".to_owned())
        });
        checked.await.map_err(|panic| panic.to_string())?
    }
}

/// The words of UpdateFirmware, where it has one.
fn plain(status: SignedFirmwareStatus) -> Option<FirmwareStatus> {
    match status {
        SignedFirmwareStatus::Downloaded => Some(FirmwareStatus::Downloaded),
        SignedFirmwareStatus::DownloadFailed => Some(FirmwareStatus::DownloadFailed),
        SignedFirmwareStatus::Downloading => Some(FirmwareStatus::Downloading),
        SignedFirmwareStatus::Idle => Some(FirmwareStatus::Idle),
        SignedFirmwareStatus::InstallationFailed
        | SignedFirmwareStatus::InstallVerificationFailed
        | SignedFirmwareStatus::InvalidSignature => Some(FirmwareStatus::InstallationFailed),
        SignedFirmwareStatus::Installing => Some(FirmwareStatus::Installing),
        SignedFirmwareStatus::Installed => Some(FirmwareStatus::Installed),
        SignedFirmwareStatus::DownloadScheduled
        | SignedFirmwareStatus::DownloadPaused
        | SignedFirmwareStatus::InstallRebooting
        | SignedFirmwareStatus::InstallScheduled
        | SignedFirmwareStatus::SignatureVerified => None,
    }
}
