//! A modelled disk below SQLite: a virtual file system over real files in memory that remembers what
//! was written and not synced. A power cut keeps a random part of that, and may tear a write.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Error, ErrorKind};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use sqlite_vfs::wip::{WalIndex, WalIndexLock};
use sqlite_vfs::{DatabaseHandle, LockKind, OpenAccess, OpenOptions as How, Vfs};

/// The name under which SQLite knows the disk.
pub(crate) const VFS: &str = "modelled-disk";
/// What a disk writes as a whole: a torn write ends at a multiple of this.
const SECTOR: usize = 512;

/// What is wrong with the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Trouble {
    /// Nothing.
    #[default]
    None,
    /// No write that makes a file longer succeeds.
    Full,
    /// No write succeeds.
    ReadOnly,
    /// Nothing succeeds: the machine is off.
    Off,
}

/// One disk: the files of one folder.
#[derive(Debug, Clone)]
pub(crate) struct Disk {
    folder: PathBuf,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    trouble: Trouble,
    /// Syncs are acknowledged and not done.
    lies: bool,
    /// The machine goes off after so many more writes and syncs.
    operations_left: Option<u64>,
    unsynced: BTreeMap<PathBuf, Vec<Write>>,
}

/// One change of a file that may not have reached the disk.
#[derive(Debug)]
enum Write {
    Bytes {
        offset: u64,
        before: Vec<u8>,
        length_before: u64,
        after: Vec<u8>,
    },
    Length {
        length: u64,
        tail: Vec<u8>,
        length_before: u64,
    },
}

type Registry = Mutex<BTreeMap<PathBuf, Arc<Mutex<State>>>>;

fn registry() -> &'static Registry {
    static DISKS: OnceLock<Registry> = OnceLock::new();
    DISKS.get_or_init(|| {
        sqlite_vfs::register(VFS, Files, false).expect("SQLite takes another file system");
        Registry::default()
    })
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Disk {
    /// The disk that holds this folder. SQLite finds it by the paths of its files.
    #[must_use]
    pub(crate) fn new(folder: &Path) -> Self {
        let state = Arc::<Mutex<State>>::default();
        locked(registry()).insert(folder.to_owned(), Arc::clone(&state));
        Self {
            folder: folder.to_owned(),
            state,
        }
    }

    /// From now on.
    pub(crate) fn set(&self, trouble: Trouble) {
        let mut state = locked(&self.state);
        state.trouble = trouble;
        state.operations_left = None;
    }

    /// What is wrong with it.
    #[must_use]
    pub(crate) fn trouble(&self) -> Trouble {
        locked(&self.state).trouble
    }

    /// The power goes with one of the next writes or syncs.
    pub(crate) fn fail_after(&self, operations: u64) {
        locked(&self.state).operations_left = Some(operations);
    }

    /// It does not, after all.
    pub(crate) fn never_fail(&self) {
        locked(&self.state).operations_left = None;
    }

    /// From now on syncs do nothing: for the proof that the simulation would see it.
    pub(crate) fn lie(&self) {
        locked(&self.state).lies = true;
    }

    /// The power comes back: of what was not synced a random part is there. How many writes were lost
    /// or torn.
    pub(crate) fn lose_power(&self, rng: &mut fastrand::Rng) -> usize {
        let mut state = locked(&self.state);
        let mut lost = 0;
        for (path, writes) in std::mem::take(&mut state.unsynced) {
            let Ok(file) = OpenOptions::new().write(true).open(&path) else {
                continue;
            };
            for write in writes.iter().rev() {
                write.undo(&file);
            }
            for write in &writes {
                if rng.bool() {
                    write.redo(&file, rng.bool().then_some(rng));
                } else {
                    lost += 1;
                }
            }
        }
        lost
    }

    /// Only the process died: what it wrote is there.
    pub(crate) fn keep_all(&self) {
        locked(&self.state).unsynced.clear();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        locked(registry()).remove(&self.folder);
    }
}

impl Write {
    fn undo(&self, file: &File) {
        match self {
            Self::Bytes {
                offset,
                before,
                length_before,
                ..
            } => {
                file.write_all_at(before, *offset).expect("memory takes it");
                file.set_len(*length_before).expect("memory takes it");
            }
            Self::Length {
                length,
                tail,
                length_before,
            } => {
                file.set_len(*length_before).expect("memory takes it");
                file.write_all_at(tail, *length).expect("memory takes it");
            }
        }
    }

    /// `torn`: only a beginning of it was written.
    fn redo(&self, file: &File, torn: Option<&mut fastrand::Rng>) {
        match self {
            Self::Bytes { offset, after, .. } => {
                let sectors = after.len() / SECTOR;
                let kept = match torn {
                    Some(rng) if sectors > 0 => rng.usize(0..=sectors) * SECTOR,
                    Some(_) | None => after.len(),
                };
                let kept = &after[..kept.min(after.len())];
                file.write_all_at(kept, *offset).expect("memory takes it");
            }
            Self::Length { length, .. } => file.set_len(*length).expect("memory takes it"),
        }
    }
}

/// The file system that SQLite sees.
#[derive(Debug)]
struct Files;

/// One open file.
#[derive(Debug)]
pub(crate) struct Handle {
    file: File,
    path: PathBuf,
    disk: Arc<Mutex<State>>,
    lock: LockKind,
}

fn off() -> Error {
    Error::other("the machine is off")
}

fn disk_of(path: &Path) -> Result<Arc<Mutex<State>>, Error> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    let disks = locked(registry());
    disks
        .get(folder)
        .cloned()
        .ok_or_else(|| Error::new(ErrorKind::NotFound, "no disk holds this folder"))
}

impl Vfs for Files {
    type Handle = Handle;

    fn open(&self, name: &str, how: How) -> Result<Handle, Error> {
        let path = PathBuf::from(name);
        let disk = disk_of(&path)?;
        let trouble = locked(&disk).trouble;
        let creates = matches!(how.access, OpenAccess::Create | OpenAccess::CreateNew);
        match trouble {
            Trouble::Off => return Err(off()),
            Trouble::Full | Trouble::ReadOnly if creates && !path.exists() => {
                return Err(Error::from(ErrorKind::PermissionDenied));
            }
            Trouble::ReadOnly if how.access != OpenAccess::Read => {
                return Err(Error::from(ErrorKind::PermissionDenied));
            }
            Trouble::None | Trouble::Full | Trouble::ReadOnly => {}
        }
        let file = OpenOptions::new()
            .read(true)
            .write(how.access != OpenAccess::Read)
            .create(creates)
            .open(&path)?;
        Ok(Handle {
            file,
            path,
            disk,
            lock: LockKind::None,
        })
    }

    fn delete(&self, name: &str) -> Result<(), Error> {
        let path = PathBuf::from(name);
        let disk = disk_of(&path)?;
        let mut state = locked(&disk);
        match state.trouble {
            Trouble::Off => Err(off()),
            Trouble::ReadOnly => Err(Error::from(ErrorKind::PermissionDenied)),
            Trouble::None | Trouble::Full => {
                state.unsynced.remove(&path);
                std::fs::remove_file(&path)
            }
        }
    }

    fn exists(&self, name: &str) -> Result<bool, Error> {
        let path = PathBuf::from(name);
        let disk = disk_of(&path)?;
        if locked(&disk).trouble == Trouble::Off {
            return Err(off());
        }
        Ok(path.exists())
    }

    fn access(&self, name: &str, write: bool) -> Result<bool, Error> {
        let path = PathBuf::from(name);
        let disk = disk_of(&path)?;
        let read_only = locked(&disk).trouble == Trouble::ReadOnly;
        Ok(path.exists() && !(write && read_only))
    }

    fn temporary_name(&self) -> String {
        "/nonexistent/temporary".to_owned()
    }

    /// Zeroes: salts of logs count up from there, and a seed's run is the same each time.
    fn random(&self, buffer: &mut [i8]) {
        buffer.fill(0);
    }

    fn sleep(&self, duration: Duration) -> Duration {
        duration
    }
}

impl Handle {
    fn length(&self) -> Result<u64, Error> {
        Ok(self.file.metadata()?.len())
    }

    /// May the file be changed, growing by so much?
    fn may(&self, grows: bool) -> Result<(), Error> {
        let mut state = locked(&self.disk);
        if let Some(left) = &mut state.operations_left {
            *left = left.saturating_sub(1);
            if *left == 0 {
                state.trouble = Trouble::Off;
            }
        }
        match state.trouble {
            Trouble::None => Ok(()),
            Trouble::Full if grows => Err(Error::from(ErrorKind::WriteZero)),
            Trouble::Full => Ok(()),
            Trouble::ReadOnly => Err(Error::from(ErrorKind::ReadOnlyFilesystem)),
            Trouble::Off => Err(off()),
        }
    }

    fn remember(&self, write: Write) {
        let mut state = locked(&self.disk);
        state
            .unsynced
            .entry(self.path.clone())
            .or_default()
            .push(write);
    }
}

impl DatabaseHandle for Handle {
    type WalIndex = Index;

    fn size(&self) -> Result<u64, Error> {
        self.length()
    }

    fn read_exact_at(&mut self, buf: &mut [u8], offset: u64) -> Result<(), Error> {
        if locked(&self.disk).trouble == Trouble::Off {
            return Err(off());
        }
        let mut read = 0;
        while read < buf.len() {
            let more = self
                .file
                .read_at(&mut buf[read..], offset + u64::try_from(read).unwrap_or(0))?;
            if more == 0 {
                // SQLite wants the rest of a short read to be zeroes.
                buf[read..].fill(0);
                return Err(Error::from(ErrorKind::UnexpectedEof));
            }
            read += more;
        }
        Ok(())
    }

    fn write_all_at(&mut self, buf: &[u8], offset: u64) -> Result<(), Error> {
        let length_before = self.length()?;
        let bytes = u64::try_from(buf.len()).unwrap_or(0);
        let end = offset + bytes;
        self.may(end > length_before)?;
        let overwritten = length_before.min(end).saturating_sub(offset);
        let mut before = vec![0; usize::try_from(overwritten).unwrap_or(0)];
        self.file.read_exact_at(&mut before, offset)?;
        self.file.write_all_at(buf, offset)?;
        self.remember(Write::Bytes {
            offset,
            before,
            length_before,
            after: buf.to_vec(),
        });
        Ok(())
    }

    fn sync(&mut self, _data_only: bool) -> Result<(), Error> {
        self.may(false)?;
        let mut state = locked(&self.disk);
        if !state.lies {
            state.unsynced.remove(&self.path);
        }
        Ok(())
    }

    fn set_len(&mut self, length: u64) -> Result<(), Error> {
        let length_before = self.length()?;
        self.may(length > length_before)?;
        let cut = usize::try_from(length_before.saturating_sub(length)).unwrap_or(0);
        let mut tail = vec![0; cut];
        if cut > 0 {
            self.file.read_exact_at(&mut tail, length)?;
        }
        self.file.set_len(length)?;
        self.remember(Write::Length {
            length,
            tail,
            length_before,
        });
        Ok(())
    }

    fn lock(&mut self, lock: LockKind) -> Result<bool, Error> {
        self.lock = lock;
        Ok(true)
    }

    fn reserved(&mut self) -> Result<bool, Error> {
        Ok(false)
    }

    fn current_lock(&self) -> Result<LockKind, Error> {
        Ok(self.lock)
    }

    fn wal_index(&self, _readonly: bool) -> Result<Index, Error> {
        Ok(Index)
    }
}

/// The log's index: one connection has it for itself, so it is nowhere but in its memory.
#[derive(Debug)]
pub(crate) struct Index;

impl WalIndex for Index {
    fn map(&mut self, _region: u32) -> Result<[u8; 32_768], Error> {
        Ok([0; 32_768])
    }

    fn lock(&mut self, _locks: std::ops::Range<u8>, _lock: WalIndexLock) -> Result<bool, Error> {
        Ok(true)
    }

    fn delete(self) -> Result<(), Error> {
        Ok(())
    }
}
