//! How one charge point proves who it is and whom it trusts (security whitepaper for OCPP 1.6-J, edition 3):
//! its profile, password, certificate and roots. What is new is tried first and holds once a socket was
//! opened with it; what was before stays until then, so that no change from afar cuts a charge point off.

pub(super) mod certificates;
pub(super) mod events;
pub(super) mod form;
pub(super) mod kept;

use std::path::Path;

use ocpp::v16::{
    CertificateHashData, CertificateUse, DeleteCertificateStatus, InstallCertificateStatus,
};
use rustls::pki_types::CertificateDer;
use site_model::WallTime;

use super::endpoint::{Endpoint, InvalidUrl, Url};
use super::socket;
use crate::secret::Secret;
use crate::store::lines::Line;
use crate::uplink::Tls;
use certificates::{check_own, check_root, hash_data, same};
use form::Form;
use kept::{Door, Identity, Kept, Next, Vault};

/// `CertificateStoreMaxLength`: roots of both kinds together.
const ROOTS_MAX: usize = 10;
/// A certificate is renewed so long before its end, or in the last third of a short life
/// (security whitepaper, use case A03: a month).
const RENEW_BEFORE_MS: i64 = 30 * 86_400_000;

/// One way to open a socket.
#[derive(Debug, Clone)]
pub(super) struct Attempt {
    /// Where, and with which password.
    pub(super) endpoint: Endpoint,
    /// How its password is shown.
    pub(super) form: Form,
    /// With which certificate (profile 3).
    pub(super) identity: Option<Identity>,
    /// Roots that are trusted besides the endpoint's.
    pub(super) roots: Vec<CertificateDer<'static>>,
}

/// The security settings of one charge point.
#[derive(Debug)]
pub(super) struct Security {
    vault: Vault,
    kept: Kept,
    /// Profile, password and roots of the configuration.
    base: u8,
    password: Option<Secret>,
    tls: Tls,
    /// PEM: the configuration's roots, where it names them no more.
    roots: Option<String>,
    encrypted: bool,
    name: String,
}

impl Security {
    /// What the configuration says, and what was kept since.
    pub(super) async fn load(data_dir: &Path, line: &Line, endpoint: &Endpoint) -> Self {
        let vault = Vault::of(data_dir, line);
        let url = endpoint.url.to_string();
        let kept = read(&vault, line, &url).await;
        let readable = kept.is_some();
        let mut security = Self::new(vault, kept.unwrap_or_default(), endpoint);
        // One that is not understood is left for whoever restores it.
        if readable && let Err(problem) = security.keep_door(endpoint).await {
            tracing::error!(charge_point.id = %endpoint.charge_point, "Its password for {}: {problem}", endpoint.url);
        }
        security
    }

    /// Where the configuration says nothing any more: as it was said last, and what was kept since.
    ///
    /// # Errors
    /// [`InvalidUrl`]: its address was never known.
    pub(super) async fn kept(
        data_dir: &Path,
        line: &Line,
        url: &str,
    ) -> Result<(Self, Endpoint), InvalidUrl> {
        let vault = Vault::of(data_dir, line);
        let kept = read(&vault, line, url).await.unwrap_or_default();
        let url: Url = url.parse()?;
        let door = kept.door.clone().unwrap_or_default();
        let endpoint = Endpoint {
            charge_point: line.charge_point.clone(),
            electrics: Vec::new(),
            measurands: Vec::new(),
            tls: if url.encrypted && door.roots.is_none() {
                Tls::SystemRoots
            } else {
                Tls::Off
            },
            url,
            password: door.password,
            external: false,
        };
        let mut security = Self::new(vault, kept, &endpoint);
        security.roots = door.roots;
        Ok((security, endpoint))
    }

    /// The configuration's password and roots are kept for when it names another central system.
    async fn keep_door(&mut self, endpoint: &Endpoint) -> Result<(), String> {
        let roots = match &endpoint.tls {
            Tls::Off | Tls::SystemRoots => None,
            // While it cannot be read no socket is opened either, and that is told.
            Tls::CaFile(path) => match tokio::fs::read_to_string(path).await {
                Ok(roots) => Some(roots),
                Err(_) => return Ok(()),
            },
        };
        let password = endpoint.password.clone();
        let url = endpoint.url.to_string();
        let door = Some(Door {
            url,
            password,
            roots,
        });
        if self.kept.door == door {
            return Ok(());
        }
        self.change(|kept| kept.door = door).await
    }

    fn new(vault: Vault, kept: Kept, endpoint: &Endpoint) -> Self {
        let base = match (endpoint.url.encrypted, &endpoint.password) {
            (true, Some(_)) => 2,
            (false, Some(_)) => 1,
            (true | false, None) => 0,
        };
        Self {
            vault,
            kept,
            base,
            password: endpoint.password.clone(),
            tls: endpoint.tls.clone(),
            roots: None,
            encrypted: endpoint.url.encrypted,
            name: endpoint.charge_point.to_string(),
        }
    }

    /// The profile in force.
    pub(super) fn profile(&self) -> u8 {
        self.kept
            .profile
            .map_or(self.base, |kept| kept.max(self.base))
    }

    /// How to open a socket with what is to come into force, if something is: one way after the other.
    pub(super) fn candidates(&self, endpoint: &Endpoint) -> Vec<Attempt> {
        let next = &self.kept.next;
        if next.is_empty() {
            return Vec::new();
        }
        let identity = next.identity.as_ref().or(self.kept.identity.as_ref());
        let profile = next.profile.unwrap_or_else(|| self.profile());
        let (password, mut forms) = match &next.password {
            Some(password) => (Some(password), Form::of(password.reveal())),
            None => (self.kept.password.as_ref(), vec![self.kept.password_form]),
        };
        if profile == 3 {
            // No password is shown.
            forms.truncate(1);
        }
        let attempt = |form| self.attempt(endpoint, profile, password, form, identity);
        forms.into_iter().map(attempt).collect()
    }

    /// How to open a socket with what is in force.
    pub(super) fn current(&self, endpoint: &Endpoint) -> Attempt {
        let (password, identity) = (self.kept.password.as_ref(), self.kept.identity.as_ref());
        let form = self.kept.password_form;
        self.attempt(endpoint, self.profile(), password, form, identity)
    }

    fn attempt(
        &self,
        endpoint: &Endpoint,
        profile: u8,
        password: Option<&Secret>,
        form: Form,
        identity: Option<&Identity>,
    ) -> Attempt {
        let mut endpoint = endpoint.clone();
        if profile >= 2 && !endpoint.url.encrypted {
            endpoint.url.encrypted = true;
            // The usual port becomes the other usual port; one that was chosen stays.
            if endpoint.url.port == 80 {
                endpoint.url.port = 443;
            }
        }
        let password = password.or(self.password.as_ref());
        endpoint.password = password.filter(|_| profile < 3).cloned();
        Attempt {
            endpoint,
            form,
            identity: identity.filter(|_| profile == 3).cloned(),
            roots: ders(self.kept.central_roots.iter().chain(&self.roots)),
        }
    }

    /// A socket was opened with the candidate, its password in this form: it is in force.
    pub(super) async fn proved(&mut self, form: Form) -> Result<(), String> {
        self.change(|kept| {
            let next = std::mem::take(&mut kept.next);
            kept.password_form = form;
            kept.profile = next.profile.or(kept.profile);
            kept.password = next.password.or(kept.password.take());
            kept.identity = next.identity.or(kept.identity.take());
        })
        .await
    }

    /// A socket was opened with what is in force, but not with the candidate: it is given up.
    pub(super) async fn disproved(&mut self) -> Result<(), String> {
        self.change(|kept| kept.next = Next::default()).await
    }

    /// A new password, used from the next socket on.
    pub(super) async fn set_password(&mut self, password: Secret) -> Result<(), String> {
        self.change(|kept| kept.next.password = Some(password))
            .await
    }

    /// A higher profile, used from the next socket on; `false` where nothing changes.
    ///
    /// # Errors
    /// What is missing for it (use case A05), or why it cannot be kept.
    pub(super) async fn raise(&mut self, profile: u8) -> Result<bool, String> {
        if profile < self.profile() {
            return Err("a security profile is not lowered from afar".to_owned());
        }
        if profile == self.profile() {
            return Ok(false);
        }
        let has_password = self.password.is_some()
            || self.kept.password.is_some()
            || self.kept.next.password.is_some();
        let has_identity = self.kept.identity.is_some() || self.kept.next.identity.is_some();
        let has_roots = self.encrypted || !self.kept.central_roots.is_empty();
        if profile >= 2 && !has_roots {
            return Err("no root certificate of the central system is installed".to_owned());
        }
        if profile < 3 && !has_password {
            return Err("there is no AuthorizationKey".to_owned());
        }
        if profile == 3 && !has_identity {
            return Err("there is no certificate of the charge point".to_owned());
        }
        self.change(|kept| kept.next.profile = Some(profile))
            .await?;
        Ok(true)
    }

    /// A signing request with a new key pair; the key waits for its certificate.
    pub(super) async fn request(&mut self, operator: &str) -> Result<String, String> {
        let (name, operator) = (self.name.clone(), operator.to_owned());
        let made = tokio::task::spawn_blocking(move || {
            let key = certificates::new_key()?;
            let request = certificates::signing_request(&key, &name, &operator)?;
            Ok::<_, String>((key, request))
        });
        let (key, request) = made.await.map_err(|panic| panic.to_string())??;
        self.change(|kept| kept.pending_key = Some(key)).await?;
        Ok(request)
    }

    /// The certificate that was asked for; used from the next socket on.
    ///
    /// # Errors
    /// Why it is not taken, as a sentence fragment.
    pub(super) async fn signed(&mut self, chain: &str, now: WallTime) -> Result<(), String> {
        let pending = self.kept.pending_key.clone();
        let key = pending.ok_or_else(|| "none was asked for".to_owned())?;
        let mut roots = ders(&self.kept.central_roots);
        roots.extend(socket::configured_roots(&self.tls)?);
        check_own(chain, &key, &self.name, &roots, now)?;
        let identity = Identity {
            key,
            chain: chain.to_owned(),
        };
        self.change(|kept| {
            kept.pending_key = None;
            kept.next.identity = Some(identity);
        })
        .await
    }

    /// Whether the certificate in use ends soon.
    pub(super) fn ends_soon(&self, now: WallTime) -> bool {
        let next = self.kept.next.identity.as_ref();
        let Some(identity) = next.or(self.kept.identity.as_ref()) else {
            return false;
        };
        let first = certificates::read(&identity.chain).map(|mut chain| chain.swap_remove(0));
        let Ok(own) = first.and_then(|first| certificates::facts(&first)) else {
            return true;
        };
        let life = own.not_after.0 - own.not_before.0;
        now.0 >= own.not_after.0 - RENEW_BEFORE_MS.min(life / 3)
    }

    pub(super) async fn install(
        &mut self,
        kind: CertificateUse,
        pem: &str,
        now: WallTime,
    ) -> (InstallCertificateStatus, Option<String>) {
        let rejected = |why: String| (InstallCertificateStatus::Rejected, Some(why));
        let root = match check_root(pem, now) {
            Ok(root) => root,
            Err(why) => return rejected(why),
        };
        if ders(self.roots(kind)).contains(&root) {
            return (InstallCertificateStatus::Accepted, None);
        }
        if self.kept.central_roots.len() + self.kept.manufacturer_roots.len() >= ROOTS_MAX {
            return rejected(format!("{ROOTS_MAX} certificates are installed already"));
        }
        let kept = self.change(|kept| roots_mut(kept, kind).push(pem.to_owned()));
        match kept.await {
            Ok(()) => (InstallCertificateStatus::Accepted, None),
            Err(why) => (InstallCertificateStatus::Failed, Some(why)),
        }
    }

    /// Deletes a root. The last one that stands behind the central system stays.
    pub(super) async fn delete(
        &mut self,
        wanted: &CertificateHashData,
    ) -> (DeleteCertificateStatus, Option<String>) {
        use CertificateUse::{CentralSystemRootCertificate, ManufacturerRootCertificate};
        let is_wanted = |root: &CertificateDer<'_>| {
            hash_data(root, wanted.hash_algorithm).is_ok_and(|hash| same(&hash, wanted))
        };
        for kind in [CentralSystemRootCertificate, ManufacturerRootCertificate] {
            let Some(at) = ders(self.roots(kind)).iter().position(is_wanted) else {
                continue;
            };
            let last = kind == CentralSystemRootCertificate && self.kept.central_roots.len() == 1;
            let next = self.kept.next.profile.unwrap_or(0);
            if last && !self.encrypted && self.profile().max(next) >= 2 {
                let why = "it is the only one that stands behind the central system".to_owned();
                return (DeleteCertificateStatus::Failed, Some(why));
            }
            let removed = self.change(|kept| {
                roots_mut(kept, kind).remove(at);
            });
            return match removed.await {
                Ok(()) => (DeleteCertificateStatus::Accepted, None),
                Err(why) => (DeleteCertificateStatus::Failed, Some(why)),
            };
        }
        (DeleteCertificateStatus::NotFound, None)
    }

    /// For files from elsewhere: the system's roots, the configured and the installed ones.
    pub(super) fn transfer_tls(&self) -> Result<rustls::ClientConfig, String> {
        let mut known = socket::configured_roots(&Tls::SystemRoots)?;
        known.extend(ders(&self.kept.central_roots));
        socket::client(socket::roots(&self.tls, &known)?, None)
    }

    /// The installed roots of a kind.
    pub(super) fn installed(&self, kind: CertificateUse) -> Vec<CertificateDer<'static>> {
        ders(self.roots(kind))
    }

    fn roots(&self, kind: CertificateUse) -> &[String] {
        match kind {
            CertificateUse::CentralSystemRootCertificate => &self.kept.central_roots,
            CertificateUse::ManufacturerRootCertificate => &self.kept.manufacturer_roots,
        }
    }

    /// What is changed holds once it is safe on disk.
    async fn change(&mut self, change: impl FnOnce(&mut Kept)) -> Result<(), String> {
        let mut kept = self.kept.clone();
        change(&mut kept);
        let (vault, copy) = (self.vault.clone(), kept.clone());
        let saved = tokio::task::spawn_blocking(move || vault.save(&copy)).await;
        saved
            .map_err(|panic| panic.to_string())?
            .map_err(|error| format!("it cannot be kept ({error}): check the disk"))?;
        self.kept = kept;
        Ok(())
    }
}

fn roots_mut(kept: &mut Kept, kind: CertificateUse) -> &mut Vec<String> {
    match kind {
        CertificateUse::CentralSystemRootCertificate => &mut kept.central_roots,
        CertificateUse::ManufacturerRootCertificate => &mut kept.manufacturer_roots,
    }
}

/// A file that is not understood is told, and stands for nothing.
async fn read(vault: &Vault, line: &Line, url: &str) -> Option<Kept> {
    let file = vault.clone();
    let read = tokio::task::spawn_blocking(move || file.load()).await;
    let kept = read
        .map_err(|panic| panic.to_string())
        .and_then(|kept| kept);
    let elsewhere = |kept: &Kept| kept.door.as_ref().is_some_and(|door| door.url != url);
    let kept = kept.map(|kept| {
        if elsewhere(&kept) {
            Kept::default()
        } else {
            kept
        }
    });
    kept.inspect_err(|problem| tracing::error!(charge_point.id = %line.charge_point, "{problem}"))
        .ok()
}

/// They were checked before they were kept.
fn ders<'a>(pems: impl IntoIterator<Item = &'a String>) -> Vec<CertificateDer<'static>> {
    pems.into_iter()
        .filter_map(|pem| certificates::read(pem).ok())
        .flatten()
        .collect()
}
