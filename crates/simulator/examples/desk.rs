//! Devices on a desk, for a bench tool or a new profile: `cargo run -p simulator --example desk --
//! [--baud N] PROFILE…` where a profile is the id of a built-in one or a file. RTU devices share one
//! line, with units from 1 up; ASCII devices have a line each and TCP devices a port each, with their
//! own units. A car comes to every charger. Rules that a master breaks are printed as they happen.

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use hw_profiles::{Kind, Profile, SerialLine, find, load_file};
use simulator::{ChargerOptions, DeviceHandle, Ev, MeterOf, RtuLine, TcpServer, World, run};

#[tokio::main(flavor = "current_thread")]
#[expect(
    clippy::print_stderr,
    reason = "a command says on stderr why it failed"
)]
async fn main() -> ExitCode {
    match desk(std::env::args().skip(1).collect()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            eprintln!("{sentence}");
            ExitCode::FAILURE
        }
    }
}

#[expect(
    clippy::print_stdout,
    reason = "the paths and ports are what the user needs"
)]
async fn desk(mut arguments: Vec<String>) -> Result<(), String> {
    let baud = match arguments.iter().position(|argument| argument == "--baud") {
        Some(at) if at + 1 < arguments.len() => {
            let baud = arguments.remove(at + 1);
            arguments.remove(at);
            let number = baud
                .parse()
                .map_err(|_| format!("{baud} is not a baud rate"))?;
            Some(number)
        }
        Some(_) => return Err("--baud needs a number".to_owned()),
        None => None,
    };
    if arguments.is_empty() {
        return Err("Name at least one profile, such as heidelberg-energy-control.".to_owned());
    }
    let world = World::new(fastrand::u64(..));
    let mut line: Option<RtuLine> = None;
    let (mut ascii, mut servers) = (Vec::new(), Vec::new());
    let mut unit = 0;
    for name in &arguments {
        let profile = profile(name)?;
        let device = device(&world, &profile);
        if let Some(factory) = profile.link.rtu {
            let settings = SerialLine {
                baud: baud.unwrap_or(factory.baud),
                ..factory
            };
            if line.is_none() {
                let started = RtuLine::start(&world, settings, true, 5);
                line = Some(started.map_err(|error| error.to_string())?);
            }
            unit += 1;
            if let Some(line) = &line {
                wire(line, &device, unit);
                println!("{}: {}, unit {unit}", profile.id, line.path().display());
            }
        } else if let Some(settings) = profile.link.ascii {
            let line = RtuLine::start_ascii(&world, settings, true, 5);
            let line = line.map_err(|error| error.to_string())?;
            let unit = profile.link.unit;
            wire(&line, &device, unit);
            println!("{}: {}, unit {unit}", profile.id, line.path().display());
            ascii.push(line);
        } else {
            let any = SocketAddr::from(([127, 0, 0, 1], 0));
            let unit = profile.link.unit;
            let server = TcpServer::start(any, device.faces(unit)).await;
            let server = server.map_err(|error| error.to_string())?;
            println!("{}: {}, unit {unit}", profile.id, server.address());
            servers.push(server);
        }
    }
    let driver = tokio::spawn(run(world.clone()));
    report(&world).await;
    driver.abort();
    Ok(())
}

/// Connects a device with all its units.
fn wire(line: &RtuLine, device: &DeviceHandle, unit: u8) {
    for (unit, face) in device.faces(unit) {
        line.add(unit, face);
    }
}

fn profile(name: &str) -> Result<Arc<Profile>, String> {
    if let Some(built_in) = find(name) {
        return Ok(Arc::new(built_in.clone()));
    }
    let loaded = load_file(Path::new(name)).map_err(|faults| faults.to_string())?;
    Ok(Arc::new(loaded))
}

fn device(world: &World, profile: &Arc<Profile>) -> DeviceHandle {
    match profile.kind {
        Kind::Charger => {
            let options = ChargerOptions::default();
            let charger = world.add_charger(&profile.id, Arc::clone(profile), options);
            charger.plug_in(Ev::three_phase_11_kw());
            charger.into()
        }
        Kind::Meter => {
            let meter = world.add_meter(&profile.id, Arc::clone(profile), MeterOf::Grid, 0);
            meter.into()
        }
    }
}

/// Prints broken rules until Ctrl-C, the first 4096 of each device.
#[expect(
    clippy::print_stdout,
    reason = "broken rules are what the user watches for"
)]
async fn report(world: &World) {
    let mut told = 0;
    let mut ticks = tokio::time::interval(Duration::from_millis(200));
    loop {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => return,
            _ = ticks.tick() => {}
        }
        let violations = world.violations();
        for violation in violations.iter().skip(told) {
            println!("{violation}");
        }
        told = violations.len();
    }
}
