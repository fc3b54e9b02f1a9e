//! Secrets: values that cannot be printed, random texts, and the key under which the server hashes
//! what it must recognise but never know.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use ring::hmac;
use serde::Deserialize;

/// Name of the hashing key's file in the data directory: 32 random bytes.
const HASHING_KEY_FILE: &str = "hashing.key";

/// A value that shows as `[secret]` wherever it is printed, and that cannot be serialised.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    /// Takes a value into custody.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself, for the one place that needs it.
    pub const fn expose(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl<T> fmt::Display for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// `length` random characters of `0-9 A-Z a-z`: log2(62) = 5.954 bits each, so 27 are 160 bits.
#[must_use]
pub fn random_base62(length: usize) -> Secret<String> {
    const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut text = String::with_capacity(length);
    let mut bytes = [0; 32];
    while text.len() < length {
        fill_random(&mut bytes);
        // 248 is the greatest multiple of 62 in a byte: above it some letters would be likelier.
        let fair = bytes.iter().filter(|byte| **byte < 248);
        let letters = fair.map(|byte| char::from(ALPHABET[usize::from(byte % 62)]));
        text.extend(letters.take(length - text.len()));
    }
    Secret(text)
}

/// Fills `bytes` from the operating system's generator.
pub fn fill_random(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("the operating system gives random bytes");
}

/// Whether two byte strings are equal, in a time that depends on their lengths only.
#[must_use]
pub fn equal_in_constant_time(left: &[u8], right: &[u8]) -> bool {
    let difference = left.iter().zip(right).fold(0, |sum, (a, b)| sum | (a ^ b));
    left.len() == right.len() && std::hint::black_box(difference) == 0
}

/// Why the server's secrets cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file system refused.
    #[error("cannot use {}: {source}; data_dir must be a directory that this program may write", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Other users of the machine could read it.
    #[error("{} can be read by other users (mode {mode:o}); run: chmod 600 {}", path.display(), path.display())]
    Readable {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Not what this program once wrote there.
    #[error("{} is damaged ({reason}); put it back from a backup: what was made with it cannot be recognised with another", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// The server's own key: keys and passwords it generated are kept as hashes under it.
#[derive(Clone)]
pub struct ServerSecrets {
    hashing: hmac::Key,
}

impl fmt::Debug for ServerSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerSecrets([secret])")
    }
}

impl ServerSecrets {
    /// Reads the key from `data_dir`, or makes it there (file mode 0600) if there is none yet.
    /// Two programs that start at once end up with the same key.
    ///
    /// # Errors
    /// [`SecretError`] with the file and what to do.
    pub fn load_or_create(data_dir: &Path) -> Result<Self, SecretError> {
        let path = data_dir.join(HASHING_KEY_FILE);
        let bytes = load_or_create_file(&path, || {
            let mut bytes = vec![0; 32];
            fill_random(&mut bytes);
            bytes
        })?;
        if bytes.expose().len() != 32 {
            let reason = format!("{} bytes instead of 32", bytes.expose().len());
            return Err(SecretError::Damaged { path, reason });
        }
        Ok(Self {
            hashing: hmac::Key::new(hmac::HMAC_SHA256, bytes.expose()),
        })
    }

    /// HMAC-SHA256 of `text` under the server's key. A `purpose`, for instance `api key`, keeps
    /// hashes of different kinds apart; it is constant text without a NUL.
    #[must_use]
    pub fn hash(&self, purpose: &str, text: &str) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.hashing);
        context.update(purpose.as_bytes());
        context.update(&[0]);
        context.update(text.as_bytes());
        let tag = context.sign();
        tag.as_ref().try_into().expect("SHA-256 gives 32 bytes")
    }
}

/// Reads a secret file, or makes it with `make` if it is missing; whoever comes first wins.
pub(crate) fn load_or_create_file(
    path: &Path,
    make: impl FnOnce() -> Vec<u8>,
) -> Result<Secret<Vec<u8>>, SecretError> {
    let refused = |source| SecretError::File {
        path: path.to_owned(),
        source,
    };
    if !path.try_exists().map_err(refused)? {
        create_whole(path, &make()).map_err(refused)?;
    }
    let mut file = File::open(path).map_err(refused)?;
    let mode = file.metadata().map_err(refused)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(SecretError::Readable {
            path: path.to_owned(),
            mode,
        });
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(refused)?;
    Ok(Secret(bytes))
}

/// Creates a file that is either whole or absent, also after a power cut; an existing one stays.
fn create_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let draft = path.with_extension(format!("draft-{}", std::process::id()));
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| unless(io::ErrorKind::AlreadyExists, fs::hard_link(&draft, path)));
    unless(io::ErrorKind::NotFound, fs::remove_file(&draft))?;
    written?;
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

fn unless(harmless: io::ErrorKind, result: io::Result<()>) -> io::Result<()> {
    result.or_else(|error| {
        if error.kind() == harmless {
            Ok(())
        } else {
            Err(error)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_shows_nothing_of_itself() {
        let secret = Secret::new("hunter2".to_owned());
        assert_eq!(
            format!("{secret} {secret:?} {secret:#?}"),
            "[secret] [secret] [secret]"
        );
        assert_eq!(secret.expose(), "hunter2");

        let dir = tempfile::tempdir().unwrap();
        let secrets = ServerSecrets::load_or_create(dir.path()).unwrap();
        assert_eq!(format!("{secrets:?}"), "ServerSecrets([secret])");
    }

    #[test]
    fn the_hashing_key_is_made_once_and_is_for_its_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let first = ServerSecrets::load_or_create(dir.path()).unwrap();
        let second = ServerSecrets::load_or_create(dir.path()).unwrap();
        assert_eq!(first.hash("api key", "x"), second.hash("api key", "x"));

        let names: Vec<_> = fs::read_dir(dir.path())
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        assert_eq!(names, ["hashing.key"]);
        let mode = fs::metadata(dir.path().join("hashing.key"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn hashes_differ_by_text_purpose_and_server() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let secrets = ServerSecrets::load_or_create(one.path()).unwrap();
        let hash = secrets.hash("api key", "x");
        assert_ne!(hash, secrets.hash("api key", "y"));
        assert_ne!(hash, secrets.hash("gateway", "x"));
        assert_ne!(
            hash,
            ServerSecrets::load_or_create(other.path())
                .unwrap()
                .hash("api key", "x")
        );
    }

    #[test]
    fn hash_is_hmac_sha256_of_purpose_nul_text() {
        let dir = tempfile::tempdir().unwrap();
        create_whole(&dir.path().join(HASHING_KEY_FILE), &[0x0b; 32]).unwrap();
        let hash = ServerSecrets::load_or_create(dir.path())
            .unwrap()
            .hash("Hi", "There");
        // printf 'Hi\0There' | openssl dgst -sha256 -mac HMAC -macopt hexkey:0b0b…0b
        let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            hex,
            "4a01cac9698c82030c7487d8109290916f10111ccacc9e10031434fc7266d69a"
        );
    }

    #[test]
    fn a_key_that_others_can_read_or_of_another_length_is_refused_with_the_remedy() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(HASHING_KEY_FILE);
        fs::write(&path, [7; 31]).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let refusal = |dir: &Path| ServerSecrets::load_or_create(dir).unwrap_err().to_string();
        let shown = path.display();
        assert_eq!(
            refusal(dir.path()),
            format!("{shown} can be read by other users (mode 640); run: chmod 600 {shown}")
        );
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(
            refusal(dir.path()),
            format!(
                "{shown} is damaged (31 bytes instead of 32); put it back from a backup: \
                 what was made with it cannot be recognised with another"
            )
        );
    }

    #[test]
    fn random_texts_have_their_length_their_alphabet_and_never_repeat() {
        let (one, other) = (random_base62(27), random_base62(27));
        assert_eq!(one.expose().len(), 27);
        assert!(one.expose().chars().all(|c| c.is_ascii_alphanumeric()));
        assert_ne!(one.expose(), other.expose());
    }

    #[test]
    fn equality_sees_a_difference_anywhere_and_in_length() {
        assert!(equal_in_constant_time(b"abc", b"abc"));
        assert!(!equal_in_constant_time(b"abc", b"abd"));
        assert!(!equal_in_constant_time(b"bbc", b"abc"));
        assert!(!equal_in_constant_time(b"abc", b"abcd"));
        assert!(!equal_in_constant_time(b"abc", b""));
    }
}
