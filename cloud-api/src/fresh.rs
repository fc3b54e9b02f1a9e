//! What is made from files, and made anew when they change while the server runs: certificates are
//! renewed, and nobody is cut off for it.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// How often it is looked whether the files were changed.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// The value as it is now; clones share it.
#[derive(Debug)]
pub struct Fresh<T>(Arc<RwLock<Arc<T>>>);

impl<T> Clone for Fresh<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Fresh<T> {
    /// A value that nothing changes yet.
    #[must_use]
    pub fn new(value: T) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(value))))
    }

    /// The value for who needs it now.
    #[must_use]
    pub fn now(&self) -> Arc<T> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn set(&self, value: T) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(value);
    }
}

/// Makes a value, again and again.
type Make<T, E> = Box<dyn Fn() -> Result<T, E> + Send + Sync>;

/// Keeps a value as its files are.
pub struct Following<T, E> {
    fresh: Fresh<T>,
    what: &'static str,
    files: Vec<PathBuf>,
    make: Make<T, E>,
    known: Vec<Option<Vec<u8>>>,
}

impl<T, E: fmt::Display> Following<T, E> {
    /// Makes the value that `files` lead to; `what` is where the configuration names them.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn load(
        what: &'static str,
        files: Vec<PathBuf>,
        make: impl Fn() -> Result<T, E> + Send + Sync + 'static,
    ) -> Result<Self, E> {
        // Before they are read: a change meanwhile is seen.
        let known = digests(&files);
        let fresh = Fresh::new(make()?);
        Ok(Self {
            fresh,
            what,
            files,
            make: Box::new(make),
            known,
        })
    }

    /// The value.
    #[must_use]
    pub fn fresh(&self) -> Fresh<T> {
        self.fresh.clone()
    }

    /// Looks at the files until it is told to stop. What cannot be used is logged, once for each change,
    /// and what could be used last stays.
    pub async fn run(mut self, stop: CancellationToken) {
        let pause = || tokio::time::sleep(LOOK_EVERY);
        while stop.run_until_cancelled(pause()).await.is_some() {
            self.look();
        }
    }

    /// A few small files of this machine: read in no time.
    fn look(&mut self) {
        let found = digests(&self.files);
        if found == self.known {
            return;
        }
        self.known = found;
        let what = self.what;
        match (self.make)() {
            Ok(value) => {
                self.fresh.set(value);
                tracing::info!("The files of {what} were changed and are in use");
            }
            Err(error) => {
                tracing::warn!(%error, "The files of {what} were changed and cannot be used: {error}; what they held before stays in use");
            }
        }
    }
}

impl<T: fmt::Debug, E> fmt::Debug for Following<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Following")
            .field("what", &self.what)
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

/// Of what each file holds; none where it cannot be read.
fn digests(files: &[PathBuf]) -> Vec<Option<Vec<u8>>> {
    let digest = |bytes: Vec<u8>| ring::digest::digest(&ring::digest::SHA256, &bytes);
    files
        .iter()
        .map(|path| {
            let bytes = std::fs::read(path).ok()?;
            Some(digest(bytes).as_ref().to_vec())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_changed_is_taken_and_what_cannot_be_used_leaves_the_last_that_could() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("number");
        fs::write(&path, "1").unwrap();
        let file = path.clone();
        let make = move || -> Result<u32, String> {
            let text = fs::read_to_string(&file).map_err(|error| error.to_string())?;
            text.parse().map_err(|_| format!("`{text}` is no number"))
        };
        let following = Following::load("[test]", vec![path.clone()], make).unwrap();
        let number = following.fresh();
        let stop = CancellationToken::new();
        let running = tokio::spawn(following.run(stop.clone()));
        let later = || tokio::time::sleep(LOOK_EVERY * 2);
        let first = number.now();
        later().await;
        assert!(Arc::ptr_eq(&first, &number.now()), "nothing was changed");
        for (text, now) in [("x", 1), ("2", 2), ("3", 3)] {
            fs::write(&path, text).unwrap();
            later().await;
            assert_eq!(*number.now(), now, "after {text}");
        }
        fs::remove_file(&path).unwrap();
        later().await;
        assert_eq!(*number.now(), 3);
        fs::write(&path, "4").unwrap();
        later().await;
        assert_eq!(*number.now(), 4);
        assert_eq!(*first, 1, "who has the old one keeps it");
        stop.cancel();
        running.await.unwrap();
    }
}
