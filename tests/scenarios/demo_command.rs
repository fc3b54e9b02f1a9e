//! The demo as somebody types it, and what it says when something is in its way.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use demo::{Binaries, until};
use tokio::time::Instant;

use scenarios::leave_out;

fn demo() -> anyhow::Result<PathBuf> {
    let beside = Binaries::beside_this_program()?.cloud_api;
    Ok(beside.with_file_name("demo"))
}

fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
}

/// It failed with a sentence that holds these words, and nothing like a backtrace.
fn is_a_sentence(output: &Output, words: &[&str]) -> anyhow::Result<()> {
    let said = printed(output);
    ensure!(
        output.status.code() == Some(1),
        "{:?}:\n{said}",
        output.status
    );
    for word in words {
        ensure!(said.contains(word), "`{word}` is missing in:\n{said}");
    }
    ensure!(
        !said.contains("backtrace") && !said.contains("panicked"),
        "{said}"
    );
    Ok(())
}

#[test]
fn once_runs_a_whole_session_within_thirty_seconds_and_leaves_nothing_behind() -> anyhow::Result<()>
{
    let folder = tempfile::tempdir()?;
    let began = Instant::now();
    let output = Command::new(demo()?)
        .args(["--no-build", "--once"])
        .env("TMPDIR", folder.path())
        .output()?;
    let said = printed(&output);
    ensure!(output.status.success(), "{said}");
    ensure!(
        began.elapsed() < Duration::from_secs(30),
        "it took {:?}",
        began.elapsed()
    );
    let order = [
        "Every charge point is online.",
        "dyn_live_",
        "http://127.0.0.1:",
        "/api/v1/cpo/fleet/summary",
        "Preparing",
        "Charging",
        "session over",
    ];
    let mut rest = said.as_str();
    for word in order {
        let at = rest
            .find(word)
            .with_context(|| format!("`{word}` is missing, or not in order, in:\n{said}"))?;
        rest = &rest[at..];
    }
    ensure!(
        std::fs::read_dir(folder.path())?.next().is_none(),
        "it left files in {}",
        folder.path().display()
    );
    Ok(())
}

#[tokio::test]
async fn a_closed_terminal_ends_the_demo_and_all_that_it_started() -> anyhow::Result<()> {
    for signal in ["-TERM", "-HUP"] {
        let folder = tempfile::tempdir()?;
        let mut child = Command::new(demo()?)
            .args(["--no-build", "--dir"])
            .arg(folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let holder = folder.path().join("gateway/data/holder.pid");
        let daemon = until(
            Duration::from_secs(30),
            "the site controller runs",
            async || Ok(std::fs::read_to_string(&holder).ok()),
        )
        .await?;
        let daemon = Path::new("/proc").join(daemon.trim());
        ensure!(daemon.exists(), "{}", daemon.display());
        Command::new("kill")
            .args([signal, &child.id().to_string()])
            .status()?;
        let ended = until(Duration::from_secs(20), "the demo ends", || {
            let looked = child.try_wait();
            async move { Ok(looked?) }
        })
        .await?;
        ensure!(ended.code() == Some(1), "{signal}: {ended}");
        ensure!(!daemon.exists(), "{signal}: the site controller lives on");
    }
    Ok(())
}

#[test]
fn a_port_in_use_is_named() -> anyhow::Result<()> {
    let taken = std::net::TcpListener::bind("127.0.0.1:0")?;
    let port = taken.local_addr()?.port().to_string();
    for option in ["--http-port", "--mqtt-port"] {
        let output = Command::new(demo()?)
            .args(["--no-build", "--once", option, &port])
            .output()?;
        is_a_sentence(
            &output,
            &[
                &format!("port {port} on 127.0.0.1 is taken"),
                "stop the other program",
            ],
        )?;
    }
    Ok(())
}

#[test]
fn a_full_disk_is_named() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let command = format!(
        "mount -t tmpfs -o size=200k none {0} && exec {1} --no-build --once --dir {0}",
        folder.path().display(),
        demo()?.display()
    );
    let Some(output) = in_own_mounts(&command)? else {
        return Ok(());
    };
    is_a_sentence(&output, &["disk is full"])
}

#[test]
fn a_missing_pty_is_named() -> anyhow::Result<()> {
    let empty = tempfile::tempdir()?;
    let command = format!(
        "mount --bind {} /dev/pts && exec {} --no-build --once",
        empty.path().display(),
        demo()?.display()
    );
    let Some(output) = in_own_mounts(&command)? else {
        return Ok(());
    };
    is_a_sentence(&output, &["no pty", "/dev/pts"])
}

/// Runs a shell command in mounts of its own; `None`, said aloud, where the machine does not allow that.
fn in_own_mounts(command: &str) -> anyhow::Result<Option<Output>> {
    let allowed = Path::new("/usr/bin/unshare").exists()
        && Command::new("unshare")
            .args(["--mount", "true"])
            .output()?
            .status
            .success();
    if !allowed {
        leave_out(
            "mounts of one's own are not allowed here, so the full disk and the missing pty were not tried",
        )?;
        return Ok(None);
    }
    Ok(Some(
        Command::new("unshare")
            .args(["--mount", "sh", "-c", command])
            .output()?,
    ))
}
