//! What a charge point keeps of its security settings: passwords, keys and certificates, in one file of
//! mode 0600 beside the journal, which is copied for support where this file is not.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::form::Form;
use crate::secret::Secret;
use crate::store::lines::Line;

/// Directory of these files, below the data directory.
const FOLDER: &str = "ocpp";

/// A private key and the certificate that goes with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    /// PKCS #8, PEM.
    pub(crate) key: Secret,
    /// The charge point's certificate first, then its issuers; PEM.
    pub(crate) chain: String,
}

/// What is to replace what is in force, once a socket was opened with it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Next {
    pub(crate) profile: Option<u8>,
    pub(crate) password: Option<Secret>,
    pub(crate) identity: Option<Identity>,
}

impl Next {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What the configuration says of a central system, for when it says it no more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Door {
    /// Where; a file for elsewhere was left behind by a power cut.
    pub(crate) url: String,
    pub(crate) password: Option<Secret>,
    /// PEM; absent: the system's own.
    pub(crate) roots: Option<String>,
}

/// Everything that a central system set, beyond the configuration's own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Kept {
    /// The configuration's own.
    pub(crate) door: Option<Door>,
    pub(crate) profile: Option<u8>,
    pub(crate) password: Option<Secret>,
    /// How that password is shown.
    pub(crate) password_form: Form,
    pub(crate) identity: Option<Identity>,
    pub(crate) next: Next,
    /// Key of a certificate that was asked for and did not come yet.
    pub(crate) pending_key: Option<Secret>,
    /// `CentralSystemRootCertificate`s, PEM.
    pub(crate) central_roots: Vec<String>,
    /// `ManufacturerRootCertificate`s, PEM.
    pub(crate) manufacturer_roots: Vec<String>,
}

/// The file of one charge point's line.
#[derive(Debug, Clone)]
pub(crate) struct Vault(PathBuf);

impl Vault {
    pub(crate) fn of(data_dir: &Path, line: &Line) -> Self {
        // The prefix keeps ids like `..` from meaning something to the file system.
        let name = format!("cp-{}.json", line.name);
        Self(data_dir.join(FOLDER).join(name))
    }

    /// Removes the file. Blocks.
    pub(crate) fn remove(&self) -> io::Result<()> {
        match fs::remove_file(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// What was kept; nothing where there is no file. Blocks.
    ///
    /// # Errors
    /// A sentence when the file cannot be read or is not understood.
    pub(crate) fn load(&self) -> Result<Kept, String> {
        let unusable = |why: &dyn std::fmt::Display| {
            format!(
                "{} cannot be used ({why}): the charge point goes on with what its configuration says. Restore the \
                 file, or delete it",
                self.0.display()
            )
        };
        match fs::read_to_string(&self.0) {
            Ok(text) => decode(&text).ok_or_else(|| unusable(&"it is not understood")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Kept::default()),
            Err(error) => Err(unusable(&error)),
        }
    }

    /// Replaces the file in one step: after a power cut there is the old one or the new one. Blocks.
    pub(crate) fn save(&self, kept: &Kept) -> io::Result<()> {
        let folder = self.0.parent().unwrap_or(Path::new("."));
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
        let fresh = self.0.with_extension("new");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&fresh)?;
        file.write_all(encode(kept).as_bytes())?;
        file.sync_all()?;
        fs::rename(&fresh, &self.0)?;
        fs::File::open(folder)?.sync_all()
    }
}

fn encode(kept: &Kept) -> String {
    let secret = |secret: &Option<Secret>| secret.as_ref().map(|secret| secret.reveal().to_owned());
    let identity = |identity: &Option<Identity>| {
        identity
            .as_ref()
            .map(|identity| json!({"key": identity.key.reveal(), "chain": identity.chain}))
    };
    let next = json!({
        "profile": kept.next.profile,
        "password": secret(&kept.next.password),
        "identity": identity(&kept.next.identity),
    });
    let door = kept.door.as_ref().map(|door| {
        json!({
            "url": door.url,
            "password": secret(&door.password),
            "roots": door.roots,
        })
    });
    let all = json!({
        "door": door,
        "profile": kept.profile,
        "password": secret(&kept.password),
        "password_as_bytes": kept.password_form == Form::Bytes,
        "identity": identity(&kept.identity),
        "next": next,
        "pending_key": secret(&kept.pending_key),
        "central_roots": kept.central_roots,
        "manufacturer_roots": kept.manufacturer_roots,
    });
    all.to_string()
}

fn decode(text: &str) -> Option<Kept> {
    let all: Value = serde_json::from_str(text).ok()?;
    let (next, all) = (all.get("next")?, all.as_object()?);
    Some(Kept {
        door: door(all.get("door").unwrap_or(&Value::Null))?,
        profile: profile(all.get("profile")?)?,
        password: secret(all.get("password")?)?,
        password_form: form(all.get("password_as_bytes"))?,
        identity: identity(all.get("identity")?)?,
        next: Next {
            profile: profile(next.get("profile")?)?,
            password: secret(next.get("password")?)?,
            identity: identity(next.get("identity")?)?,
        },
        pending_key: secret(all.get("pending_key")?)?,
        central_roots: texts(all.get("central_roots")?)?,
        manufacturer_roots: texts(all.get("manufacturer_roots")?)?,
    })
}

// Each gives `None` for what is not understood and `Some(None)` for what is not there.

fn profile(value: &Value) -> Option<Option<u8>> {
    let number = || u8::try_from(value.as_u64()?).ok();
    if value.is_null() {
        Some(None)
    } else {
        number().map(Some)
    }
}

fn door(value: &Value) -> Option<Option<Door>> {
    if value.is_null() {
        return Some(None);
    }
    let roots = value.get("roots")?;
    Some(Some(Door {
        url: value.get("url")?.as_str()?.to_owned(),
        password: secret(value.get("password")?)?,
        roots: match roots.as_str() {
            Some(roots) => Some(roots.to_owned()),
            None => roots.is_null().then_some(None)?,
        },
    }))
}

/// Files of earlier versions know text only.
fn form(value: Option<&Value>) -> Option<Form> {
    let bytes = value.map_or(Some(false), Value::as_bool)?;
    Some(if bytes { Form::Bytes } else { Form::Text })
}

fn secret(value: &Value) -> Option<Option<Secret>> {
    if value.is_null() {
        return Some(None);
    }
    Some(Some(Secret::new(value.as_str()?)))
}

fn identity(value: &Value) -> Option<Option<Identity>> {
    if value.is_null() {
        return Some(None);
    }
    let key = Secret::new(value.get("key")?.as_str()?);
    let chain = value.get("chain")?.as_str()?.to_owned();
    Some(Some(Identity { key, chain }))
}

fn texts(value: &Value) -> Option<Vec<String>> {
    let texts = value.as_array()?.iter();
    texts.map(|text| text.as_str().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_is_kept_comes_back_whole_and_is_for_this_user_alone() {
        let dir = tempfile::TempDir::new().unwrap();
        let line = Line::first(&site_model::ChargePointId::new("..").unwrap());
        let vault = Vault::of(dir.path(), &line);
        assert_eq!(vault.load(), Ok(Kept::default()));
        let kept = Kept {
            door: Some(Door {
                url: "ws://csms.example:80".to_owned(),
                password: Some(Secret::new("configured-secret")),
                roots: Some("configured root".to_owned()),
            }),
            profile: Some(2),
            password: Some(Secret::new("secret-of-the-station")),
            password_form: Form::Bytes,
            identity: Some(Identity {
                key: Secret::new("key"),
                chain: "chain".to_owned(),
            }),
            next: Next {
                profile: Some(3),
                password: Some(Secret::new("another-secret-of-it")),
                identity: None,
            },
            pending_key: Some(Secret::new("pending")),
            central_roots: vec!["root".to_owned()],
            manufacturer_roots: vec!["a".to_owned(), "b".to_owned()],
        };
        vault.save(&kept).unwrap();
        assert_eq!(vault.load().as_ref(), Ok(&kept));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(
            (mode(&vault.0), mode(vault.0.parent().unwrap())),
            (0o600, 0o700)
        );
        let printed = format!("{kept:?}");
        assert!(
            !printed.contains("-secret")
                && !printed.contains("secret-of")
                && !printed.contains("\"key\""),
            "{printed}"
        );
        fs::write(&vault.0, "{}").unwrap();
        let problem = vault.load().unwrap_err();
        assert!(problem.contains("it is not understood"), "{problem}");
    }
}
