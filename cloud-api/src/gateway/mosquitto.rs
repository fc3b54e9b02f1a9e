//! Files for an external Mosquitto: password file, access list and the lines of its configuration.
//! Format of the password file: `$7$iterations$salt$hash`, PBKDF2 with HMAC-SHA-512
//! (`mosquitto_passwd(1)` of Mosquitto 2.0, `password_mosq.c`).

use std::{
    fmt::Write as _,
    io::{self, Write as _},
    num::NonZeroU32,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::pbkdf2;
use site_model::GatewayId;
use site_wire::topics::{INGEST_FILTERS, Topics};

use super::{Gateways, PASSWORD_LENGTH, id_of};
use crate::{
    db::DbError,
    ingest::PACKET_MAX,
    secret::{Secret, SecretError, fill_random, load_or_create_file, random_base62},
};

/// Mosquitto's own default. The passwords have 190 random bits: stretching adds nothing.
const ITERATIONS: NonZeroU32 = NonZeroU32::new(101).expect("101 is not 0");
const SALT_LENGTH: usize = 12;
const HASH_LENGTH: usize = 64;
/// The cloud's own user.
const INGEST_USER: &str = "ingest";
/// Where ingest publishes: the acknowledgement of every gateway.
const ACKNOWLEDGEMENTS: &str = "dynamo/v1/+/+/ack";

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MosquittoFiles {
    /// Password file.
    pub passwords: PathBuf,
    /// Access list.
    pub access: PathBuf,
    /// Lines for `mosquitto.conf`.
    pub configuration: PathBuf,
    /// Password of the user `ingest`, for `mqtt.external.password_file`.
    pub ingest_password: PathBuf,
    /// Gateways that may connect.
    pub gateways: usize,
}

/// Why the files were not written.
#[derive(Debug, thiserror::Error)]
pub enum MosquittoError {
    /// The file system refused.
    #[error("cannot write {}: {source}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The password of `ingest` cannot be used.
    #[error(transparent)]
    Password(#[from] SecretError),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl Gateways {
    /// Writes what Mosquitto needs to know these gateways into `dir` (made if missing): every file
    /// whole, readable by its owner only. The password of `ingest` is made once and kept.
    /// Write again and reload Mosquitto (SIGHUP) whenever a gateway was created or revoked.
    ///
    /// # Errors
    /// [`MosquittoError`].
    pub async fn write_mosquitto_files(
        &self,
        dir: &Path,
    ) -> Result<MosquittoFiles, MosquittoError> {
        let rows = self
            .db
            .query(
                "SELECT id, mosquitto_hash FROM gateways WHERE revoked_at_ms IS NULL ORDER BY id",
                vec![],
            )
            .await?;
        let gateways = rows
            .iter()
            .map(|row| Ok((id_of(row)?, row.text("mosquitto_hash")?.to_owned())))
            .collect::<Result<Vec<_>, DbError>>()?;
        let files = MosquittoFiles {
            passwords: dir.join("dynamo.passwords"),
            access: dir.join("dynamo.acl"),
            configuration: dir.join("mosquitto.conf"),
            ingest_password: dir.join("ingest.password"),
            gateways: gateways.len(),
        };
        let made = std::fs::create_dir_all(dir);
        made.map_err(|source| cannot_write(dir, source))?;
        let ingest = load_or_create_file(&files.ingest_password, || {
            random_base62(PASSWORD_LENGTH).expose().clone().into_bytes()
        })?;
        let ingest = String::from_utf8_lossy(ingest.expose()).trim().to_owned();
        let absolute = std::path::absolute(dir).map_err(|source| cannot_write(dir, source))?;
        write_whole(
            &files.passwords,
            &passwords(&gateways, &Secret::new(ingest)),
        )?;
        write_whole(&files.access, &access(&gateways))?;
        write_whole(&files.configuration, &configuration(&absolute))?;
        Ok(files)
    }
}

/// The hash of a password as Mosquitto's password file holds it, with a new salt.
pub(super) fn hash(password: &Secret<String>) -> String {
    let mut salt = [0; SALT_LENGTH];
    fill_random(&mut salt);
    hash_with(password, &salt)
}

pub(super) fn hash_with(password: &Secret<String>, salt: &[u8]) -> String {
    let mut hash = [0; HASH_LENGTH];
    let secret = password.expose().as_bytes();
    pbkdf2::derive(
        pbkdf2::PBKDF2_HMAC_SHA512,
        ITERATIONS,
        salt,
        secret,
        &mut hash,
    );
    let (salt, hash) = (STANDARD.encode(salt), STANDARD.encode(hash));
    format!("$7${ITERATIONS}${salt}${hash}")
}

fn passwords(gateways: &[(GatewayId, String)], ingest: &Secret<String>) -> String {
    let mut text = format!("{INGEST_USER}:{}\n", hash(ingest));
    for (id, hash) in gateways {
        writeln!(text, "{id}:{hash}").expect("a String takes everything");
    }
    text
}

fn access(gateways: &[(GatewayId, String)]) -> String {
    let mut text = format!("user {INGEST_USER}\n");
    for filter in INGEST_FILTERS {
        writeln!(text, "topic read {filter}").expect("a String takes everything");
    }
    writeln!(text, "topic write {ACKNOWLEDGEMENTS}").expect("a String takes everything");
    for (id, _) in gateways {
        let topics = Topics::of(id);
        writeln!(text, "\nuser {id}").expect("a String takes everything");
        for filter in topics.publish_filters() {
            writeln!(text, "topic write {filter}").expect("a String takes everything");
        }
        for filter in topics.subscribe_filters() {
            writeln!(text, "topic read {filter}").expect("a String takes everything");
        }
    }
    text
}

fn configuration(dir: &Path) -> String {
    let dir = dir.display();
    format!(
        "# Lines for mosquitto.conf. Mosquitto must be able to read both files:
# chown mosquitto {dir}/dynamo.passwords {dir}/dynamo.acl
allow_anonymous false
password_file {dir}/dynamo.passwords
acl_file {dir}/dynamo.acl
# Facts wait here while the cloud restarts.
max_queued_messages 10000
message_size_limit {PACKET_MAX}
# A listener for gateways, with your certificate:
# listener 8883
# certfile /etc/mosquitto/certs/server.crt
# keyfile /etc/mosquitto/certs/server.key
"
    )
}

/// Writes a file that is either the old one or the new one, for its owner only.
fn write_whole(path: &Path, text: &str) -> Result<(), MosquittoError> {
    let draft = path.with_extension(format!("draft-{}", std::process::id()));
    std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&draft)
        .and_then(|mut file| {
            file.write_all(text.as_bytes())
                .and_then(|()| file.sync_all())
        })
        .and_then(|()| std::fs::rename(&draft, path))
        .map_err(|source| cannot_write(path, source))
}

fn cannot_write(path: &Path, source: io::Error) -> MosquittoError {
    MosquittoError::File {
        path: path.to_owned(),
        source,
    }
}
