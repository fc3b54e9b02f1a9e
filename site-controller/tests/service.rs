//! The daemon as systemd sees it: ready, fed by its loop, stopping, and gone with the right status.

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

const SOON: Duration = Duration::from_secs(20);

/// The daemon with lines and a broker that are not there: it charges nothing and runs all the same.
struct Service {
    daemon: Child,
    notices: UnixDatagram,
    _dir: TempDir,
}

impl Service {
    fn start() -> Self {
        let dir = TempDir::new().expect("a folder");
        let shown = dir.path().display();
        let sample = site_controller::config::sample()
            .replace("\"/var/lib/dynamo\"", &format!("\"{shown}/data\""))
            .replace(
                "\"/run/dynamo/site-controller.sock\"",
                &format!("\"{shown}/socket\""),
            )
            .replace("\"mqtt.example.com\"", "\"127.0.0.1\"")
            .replace("# port = 8883", "port = 1");
        let config = dir.path().join("site.toml");
        std::fs::write(&config, sample).expect("it can be written");
        let address = dir.path().join("notify");
        let notices = UnixDatagram::bind(&address).expect("a socket");
        notices
            .set_read_timeout(Some(SOON))
            .expect("it is not zero");
        let daemon = daemon(&config)
            .env("NOTIFY_SOCKET", &address)
            .env("WATCHDOG_USEC", "20000000")
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        Self {
            daemon,
            notices,
            _dir: dir,
        }
    }

    /// What it tells next.
    fn told(&self) -> String {
        let mut bytes = [0; 256];
        let count = self
            .notices
            .recv(&mut bytes)
            .expect("it tells something in time");
        String::from_utf8_lossy(&bytes[..count])
            .trim_end()
            .to_owned()
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill")
            .args([signal, &self.daemon.id().to_string()])
            .status();
        assert!(sent.expect("kill exists").success());
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It has ended already unless the test failed.
        let _ended = self.daemon.kill();
        let _status = self.daemon.wait();
    }
}

fn daemon(config: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_site-controller"));
    command.arg("--config").arg(config);
    command
}

#[test]
fn systemd_hears_ready_then_the_loop_then_the_end() {
    let mut service = Service::start();
    assert_eq!(service.told(), "READY=1\nSTATUS=charging");
    for _ in 0..3 {
        assert_eq!(service.told(), "WATCHDOG=1");
    }
    service.signal("-TERM");
    let last = std::iter::repeat_with(|| service.told()).find(|told| told != "WATCHDOG=1");
    assert_eq!(last.as_deref(), Some("STOPPING=1"));
    assert!(service.daemon.wait().unwrap().success());
}

#[test]
fn a_bad_configuration_ends_with_the_status_that_is_not_tried_again() {
    let dir = TempDir::new().unwrap();
    let config = dir.path().join("site.toml");
    std::fs::write(&config, "[gateway]\n").unwrap();
    let output = daemon(&config).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let unit = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../packaging/systemd/site-controller.service"
    );
    let unit = std::fs::read_to_string(unit).unwrap();
    assert!(unit.contains("\nRestartPreventExitStatus=2\n"), "{unit}");
    assert!(!unit.contains("\nExecStartPre"), "{unit}");
}
