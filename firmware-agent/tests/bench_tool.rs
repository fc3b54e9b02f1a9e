//! The bench tool as a person runs it, against simulated devices on a real pseudo-terminal.

use std::io::Read as _;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use hw_profiles::find;
use simulator::{ChargerHandle, ChargerOptions, MeterOf, RtuLine, TcpServer, World};
use site_model::Milliamps;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// A charger with unit 1 and a meter with unit 2.
struct Desk {
    world: World,
    line: RtuLine,
    charger: ChargerHandle,
    driver: JoinHandle<()>,
}

impl Desk {
    fn set_up() -> Self {
        let world = World::new(3);
        let charger_profile =
            Arc::new(find("heidelberg-energy-control").expect("built in").clone());
        let meter_profile = Arc::new(find("eastron-sdm630").expect("built in").clone());
        let settings = charger_profile.link.rtu.expect("it has a serial line");
        let line = RtuLine::start(&world, settings, true, 5).expect("a pseudo-terminal");
        let charger = world.add_charger("left", charger_profile, ChargerOptions::default());
        let meter = MeterOf::Charger(charger.clone());
        line.add(1, &charger);
        line.add(
            2,
            world.add_meter("left-meter", meter_profile, meter, 5_000),
        );
        let driver = tokio::spawn(simulator::run(world.clone()));
        Self {
            world,
            line,
            charger,
            driver,
        }
    }

    /// `words`, then the line.
    fn tool(&self, words: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_firmware-agent"));
        command
            .args(words.split(' '))
            .args("--baud 19200 --parity even --stop-bits 1 --serial".split(' '))
            .arg(self.line.path());
        command
    }

    async fn run(&self, words: &str) -> Output {
        let mut command = self.tool(words);
        let ended = tokio::task::spawn_blocking(move || command.output());
        let ended = timeout(Duration::from_secs(60), ended).await;
        ended
            .expect("in time")
            .expect("no panic")
            .expect("it starts")
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn looking_at_a_line_never_writes_to_it() {
    let desk = Desk::set_up();
    let found = desk.run("scan --units 1-3").await;
    let configuration = text(&found.stdout);
    assert!(found.status.success(), "{}", text(&found.stderr));
    let recognised =
        "[[bus.device]]\nid = \"charger-1\"\nprofile = \"heidelberg-energy-control\"\nunit = 1\n";
    assert!(configuration.contains(recognised), "{configuration}");
    let doubtful = configuration
        .lines()
        .find(|line| line.starts_with("# Not certain"));
    assert!(
        doubtful.is_some_and(|line| line.contains("eastron-sdm630")),
        "{configuration}"
    );
    let profile = "--profile heidelberg-energy-control";
    for words in [
        "identify --unit 1".to_owned(),
        format!("read {profile}"),
        "read --unit 1 --raw holding:261:1".to_owned(),
    ] {
        let output = desk.run(&words).await;
        assert!(output.status.success(), "{words}: {}", text(&output.stderr));
    }
    let refused = desk.run(&format!("write {profile} --limit 10")).await;
    assert_eq!(refused.status.code(), Some(1), "without --yes");
    assert_eq!(desk.charger.writes(), []);

    let absent = desk.run("identify --unit 9").await;
    assert_eq!(
        text(&absent.stderr),
        format!(
            "Unit 9 does not answer on {} at 19200 8E1. `firmware-agent scan` tries other units and line settings.\n",
            desk.line.path().display()
        )
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_that_the_model_cannot_keep_is_told_before_it_is_written() {
    let desk = Desk::set_up();
    let write =
        |amperes: &str| format!("write --profile heidelberg-energy-control --limit {amperes}");
    for (amperes, told) in [
        ("10", "write of 100 to register 261: a limit of 10.000 A\n"),
        (
            "3",
            "Energy Control cannot be limited to 3.000 A.\nwrite of 0 to register 261: a pause\n",
        ),
        (
            "200",
            "Energy Control cannot be limited to 200.000 A.\nwrite of 160 to register 261: a limit of 16.000 A\n",
        ),
    ] {
        let asked = desk.run(&write(amperes)).await;
        assert_eq!(text(&asked.stdout), told);
        assert_eq!(
            text(&asked.stderr),
            "Nothing was written. Add --yes to write.\n"
        );
    }
    assert_eq!(desk.charger.writes(), []);
    let written = desk.run(&format!("{} --yes", write("10"))).await;
    assert_eq!(
        text(&written.stdout),
        "write of 100 to register 261: a limit of 10.000 A\nWritten and echoed. Read back: 10.000 A\n"
    );
    assert_eq!(desk.world.violations(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watching_ends_with_ctrl_c_also_in_the_middle_of_a_read() {
    let desk = Desk::set_up();
    // Almost all of the time is spent reading.
    let mut command = desk.tool("watch --profile heidelberg-energy-control --interval-ms 1");
    let watched = tokio::task::spawn_blocking(move || {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("it starts");
        let mut output = child.stdout.take().expect("it is piped");
        let mut shown = String::new();
        let mut byte = [0];
        while shown.matches("failsafe_limit").count() < 2 {
            output.read_exact(&mut byte).expect("it goes on");
            shown.push(char::from(byte[0]));
        }
        let interrupt = ["-INT".to_owned(), child.id().to_string()];
        let sent = Command::new("kill").args(interrupt).status();
        assert!(sent.expect("kill exists").success());
        let _rest = output.read_to_string(&mut shown);
        child.wait().expect("it is ours")
    });
    let ended = timeout(Duration::from_secs(30), watched).await;
    let status = ended.expect("it ends").expect("no panic");
    assert!(status.success(), "{status}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scan_that_is_interrupted_prints_what_it_found() {
    let desk = Desk::set_up();
    // All units: it is still asking long after both devices have answered.
    let mut command = desk.tool("scan --units 1-247 --timeout-ms 500");
    let scanned = tokio::task::spawn_blocking(move || {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut way = child.stderr.take().expect("it is piped");
        let mut shown = String::new();
        let mut byte = [0];
        while !shown.contains("unit 1: heidelberg-energy-control") {
            way.read_exact(&mut byte).expect("it goes on");
            shown.push(char::from(byte[0]));
        }
        let interrupt = ["-INT".to_owned(), child.id().to_string()];
        let sent = Command::new("kill").args(interrupt).status();
        assert!(sent.expect("kill exists").success());
        way.read_to_string(&mut shown).expect("a text");
        (child.wait_with_output().expect("it is ours"), shown)
    });
    let ended = timeout(Duration::from_secs(30), scanned).await;
    let (output, way) = ended.expect("it ends").expect("no panic");
    assert!(output.status.success(), "{way}");
    let told = "Interrupted: this is what was found so far.\n";
    assert!(way.ends_with(told), "{way}");
    let block =
        "[[bus.device]]\nid = \"charger-1\"\nprofile = \"heidelberg-energy-control\"\nunit = 1\n";
    assert!(
        text(&output.stdout).contains(block),
        "{}",
        text(&output.stdout)
    );
    assert_eq!(desk.charger.writes(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn phases_are_switched_only_when_told_to_and_the_limit_is_as_before() {
    let profile = Arc::new(find("kathrein-kwb").expect("built in").clone());
    let world = World::new(5);
    let charger = world.add_charger("left", Arc::clone(&profile), ChargerOptions::default());
    let address = "127.0.0.1:0".parse().expect("an address");
    let devices = vec![(profile.link.unit, charger.device().clone())];
    let server = TcpServer::start(address, devices).await.expect("a port");
    let driver = tokio::spawn(simulator::run(world.clone()));
    let tool = |yes: bool| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_firmware-agent"));
        command.args(["phases", "1", "--profile", "kathrein-kwb", "--tcp"]);
        command.arg(server.address().to_string());
        if yes {
            command.arg("--yes");
        }
        tokio::task::spawn_blocking(move || command.output().expect("it starts"))
    };
    let asked = tool(false).await.expect("no panic");
    assert_eq!(
        text(&asked.stderr),
        "Nothing was written. Add --yes to write.\n"
    );
    assert_eq!(
        text(&asked.stdout),
        "write of 32768 to register 160, unless it is so already, then write of 1 to register 161: \
         one phase; if it charges, it is paused first. Known from one source only\n"
    );
    assert_eq!(charger.writes(), []);

    charger.plug_in(simulator::Ev::three_phase_11_kw());
    let charging = async {
        while charger.currents()[2] < Milliamps(6_000) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let charges = timeout(Duration::from_secs(30), charging).await;
    charges.expect("it charges");
    let before = charger.limit();
    let switched = timeout(Duration::from_secs(120), tool(true)).await;
    let switched = switched.expect("in time").expect("no panic");
    let told = text(&switched.stdout);
    assert!(
        switched.status.success(),
        "{told}{}",
        text(&switched.stderr)
    );
    let end = format!(
        "Switched to one phase.\nThe limit is {}.000 A as before.\n",
        before.0 / 1_000
    );
    assert!(told.ends_with(&end), "{told}");
    assert_eq!(charger.limit(), before);
    assert_eq!(world.violations(), []);
    driver.abort();
}
