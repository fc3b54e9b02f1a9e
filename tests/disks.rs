//! Disks that can lose their power: ext4 images on a loop-mounted XFS. A clone of an image's blocks
//! (`FICLONE`) is what the disk held at that moment; what the file system above it still kept in memory
//! is not in it. The cache inside a disk is not modelled: what was handed to it counts as kept.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use demo::until;

/// Size of the file system that holds the images; its file stays sparse.
const BAY_BYTES: u64 = 2 << 30;
/// Size of one disk.
const DISK_BYTES: u64 = 64 << 20;

/// How long a disk that nobody needs may still be in use.
const UNUSED_WITHIN: Duration = Duration::from_secs(10);

/// Where disks are kept. Unmounted when dropped.
#[derive(Debug)]
pub struct Bay {
    mounted_at: PathBuf,
}

impl Bay {
    /// Makes it in a folder, which must be deleted later.
    ///
    /// # Errors
    /// Where the machine has no XFS tools or does not allow loop mounts: with what the system said.
    pub fn open(folder: &Path) -> anyhow::Result<Self> {
        let image = folder.join("bay.xfs");
        File::create(&image)?.set_len(BAY_BYTES)?;
        run(Command::new("mkfs.xfs")
            .args(["-q", "-m", "reflink=1"])
            .arg(&image))?;
        let mounted_at = folder.join("bay");
        std::fs::create_dir(&mounted_at)?;
        mount(&image, &mounted_at)?;
        Ok(Self { mounted_at })
    }

    /// A new disk, mounted at `at`.
    ///
    /// # Errors
    /// If it cannot be made or mounted.
    pub fn disk(&self, name: &str, at: &Path) -> anyhow::Result<Disk> {
        let image = self.mounted_at.join(format!("{name}.0"));
        File::create(&image)?.set_len(DISK_BYTES)?;
        run(Command::new("mkfs.ext4").arg("-q").arg(&image))?;
        std::fs::create_dir_all(at)?;
        mount(&image, at)?;
        Ok(Disk {
            image,
            mounted_at: at.to_owned(),
            cuts: 0,
        })
    }
}

impl Drop for Bay {
    fn drop(&mut self) {
        let _gone_already = detach(&self.mounted_at);
    }
}

/// One mounted disk. Unmounted when dropped.
#[derive(Debug)]
pub struct Disk {
    image: PathBuf,
    mounted_at: PathBuf,
    cuts: u32,
}

/// What a disk held when its power went.
#[derive(Debug)]
pub struct Cut(PathBuf);

impl Disk {
    /// The power goes: what the disk holds now is what there is.
    ///
    /// # Errors
    /// If the blocks cannot be cloned.
    pub fn cut(&mut self) -> anyhow::Result<Cut> {
        self.cuts += 1;
        let copy = self.image.with_extension(self.cuts.to_string());
        let (from, to) = (File::open(&self.image)?, File::create(&copy)?);
        rustix::fs::ioctl_ficlone(&to, &from).context("the disk's blocks cannot be cloned")?;
        Ok(Cut(copy))
    }

    /// The power is back: the disk as it was at the cut, its file system checked as at any start.
    /// The disk that kept its power is mounted read-only at `beside`, for comparison, until [`Disk::forget`].
    ///
    /// # Errors
    /// If the file system cannot be repaired or mounted.
    pub async fn back(&mut self, cut: Cut, beside: &Path) -> anyhow::Result<()> {
        unmount(&self.mounted_at).await?;
        std::fs::create_dir_all(beside)?;
        mount_with("loop,ro", &self.image, beside)?;
        // 1 says that it repaired something, as after any power cut.
        let checked = Command::new("e2fsck")
            .args(["-f", "-p"])
            .arg(&cut.0)
            .output()?;
        ensure!(
            checked.status.code().is_some_and(|code| code <= 1),
            "e2fsck: {}",
            String::from_utf8_lossy(&checked.stdout)
        );
        mount(&cut.0, &self.mounted_at)?;
        self.image = cut.0;
        Ok(())
    }

    /// The disk that kept its power is no longer needed.
    ///
    /// # Errors
    /// If it is still used.
    pub async fn forget(&self, beside: &Path) -> anyhow::Result<()> {
        unmount(beside).await?;
        let before = self.image.with_extension((self.cuts - 1).to_string());
        std::fs::remove_file(before)?;
        Ok(())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _gone_already = detach(&self.mounted_at);
    }
}

/// A small file system of its own in memory, mounted at `at`. Unmounted when dropped.
#[derive(Debug)]
pub struct SmallDisk {
    mounted_at: PathBuf,
}

impl SmallDisk {
    /// Of this many KiB.
    ///
    /// # Errors
    /// Where the machine does not allow mounts: with what the system said.
    pub fn open(at: &Path, kib: u32) -> anyhow::Result<Self> {
        std::fs::create_dir_all(at)?;
        let size = format!("size={kib}k");
        run(Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(at))?;
        Ok(Self {
            mounted_at: at.to_owned(),
        })
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _gone_already = detach(&self.mounted_at);
    }
}

fn mount(image: &Path, at: &Path) -> anyhow::Result<()> {
    mount_with("loop", image, at)
}

fn mount_with(options: &str, image: &Path, at: &Path) -> anyhow::Result<()> {
    run(Command::new("mount")
        .args(["-o", options])
        .arg(image)
        .arg(at))
}

/// A program that is just being started holds what this one has open for a moment.
async fn unmount(at: &Path) -> anyhow::Result<()> {
    let what = format!("{} is unmounted", at.display());
    until(UNUSED_WITHIN, &what, async || {
        run(Command::new("umount").arg(at)).map(Some)
    })
    .await
}

/// A process that still uses it goes on with it; nobody else sees it any more.
fn detach(at: &Path) -> anyhow::Result<()> {
    run(Command::new("umount").arg("--lazy").arg(at))
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .with_context(|| format!("{name} cannot be started"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{name}: {}", said.trim());
    Ok(())
}
