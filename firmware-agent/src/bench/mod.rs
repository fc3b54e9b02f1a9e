//! What the bench tool does with a line.

pub(crate) mod args;
mod block;
mod find;
mod phases;
mod table;

use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use firmware_agent::client::{Client, Unanswered};
use firmware_agent::codec::{Answer, Request};
use firmware_agent::decode::Image;
use firmware_agent::{encode, scan};
use hw_profiles::Profile;
use site_model::{DeviceFault, Milliamps};

use self::args::{Args, Command, Device, Line};
use self::table::Shown;

pub(crate) async fn run(args: Args) -> Result<()> {
    match args.command {
        Command::Scan {
            units,
            timeout_ms,
            every_setting,
        } => find::scan_line(&args.line, units, timeout_ms, every_setting).await,
        Command::Identify { unit } => find::identify(&args.line, unit).await,
        Command::Read {
            device,
            raw: Some((table, address, count)),
        } => {
            let request = Request::Read {
                table,
                address,
                count,
            };
            read_raw(&args.line, device.unit.unwrap_or(1), &request).await
        }
        Command::Read { device, raw: None } => {
            let (mut client, unit, profile) = open(&args.line, &device).await?;
            say(&read_table(&mut client, unit, &profile).await?);
            Ok(())
        }
        Command::Write {
            device,
            limit,
            phases,
            yes,
        } => write(&args.line, &device, Milliamps(limit), phases, yes).await,
        Command::Phases {
            device,
            phases,
            yes,
        } => phases::switch(&args.line, &device, phases, yes).await,
        Command::Watch {
            device,
            interval_ms,
        } => watch(&args.line, &device, Duration::from_millis(interval_ms)).await,
    }
}

async fn read_raw(line: &Line, unit: u8, request: &Request) -> Result<()> {
    let mut client = Client::open(line.link(None)?).await.map_err(told)?;
    let asked = client
        .ask(unit, request, Duration::from_millis(1_000), Duration::ZERO)
        .await;
    match asked.map_err(unanswered)? {
        Answer::Registers(words) => {
            let Request::Read { address, .. } = request else {
                bail!("only a read is asked here");
            };
            for (offset, word) in (u32::from(*address)..).zip(words) {
                say(&format!("{offset:>6}  0x{word:04X}  {word}"));
            }
            Ok(())
        }
        Answer::Written => Ok(()),
        Answer::Exception(code) => bail!("Unit {unit} refused the {request} with {code}."),
    }
}

async fn open(line: &Line, device: &Device) -> Result<(Client, u8, Profile)> {
    let profile = device.profile()?;
    let link = line.link(Some(&profile))?;
    let mut client = Client::open(link).await.map_err(told)?;
    let unit = device.unit.unwrap_or(profile.link.unit);
    let Some(located) = scan::locate(&mut client, unit, &profile).await else {
        bail!(
            "Unit {unit} has none of the SunSpec models of profile {}, or does not answer.",
            profile.id
        );
    };
    Ok((client, unit, located))
}

/// Reads register by register, so that one that is refused does not hide the others.
async fn read_table(client: &mut Client, unit: u8, profile: &Profile) -> Result<String> {
    let mut image = Image::new(profile);
    let mut faults = vec![None; profile.registers.len()];
    let mut answered = false;
    // Conditions may name registers that stand further down: a second pass knows them.
    for _ in 0..2 {
        for (index, register) in profile.registers.iter().enumerate() {
            let exists = image.holds(profile, &register.when) == Some(true);
            if !exists || image.words(index).is_some() || faults[index].is_some() {
                continue;
            }
            match client.read(unit, profile, register).await {
                Ok(words) => {
                    answered = true;
                    image.set(index, &words);
                }
                Err(missing) if answered || !missing.response.is_empty() => {
                    faults[index] = Some(missing.fault.message);
                }
                Err(missing) => return Err(unanswered(missing)),
            }
        }
    }
    Ok(table::values(profile, &image, &faults))
}

async fn write(
    line: &Line,
    device: &Device,
    limit: Milliamps,
    phases: u8,
    yes: bool,
) -> Result<()> {
    let profile = device.profile()?;
    let Some(control) = &profile.limit else {
        bail!("profile {} has no limit.", profile.id);
    };
    let order = encode::limit_order(control, limit, phases)?;
    let requests: Vec<String> = order
        .writes
        .iter()
        .map(|write| write.request.to_string())
        .collect();
    if order.applied != limit {
        say(&format!(
            "{} cannot be limited to {}.",
            profile.model,
            table::amperes(limit)
        ));
    }
    say(&format!(
        "{}: {}",
        requests.join(", then "),
        table::meaning(order.applied)
    ));
    if !yes {
        bail!("Nothing was written. Add --yes to write.");
    }
    let (mut client, unit, _) = open(line, device).await?;
    let timeout = Duration::from_millis(profile.link.answer_timeout_ms);
    let gap = Duration::from_millis(profile.link.gap_ms);
    for encode::Write { request, station } in &order.writes {
        let station_unit = profile.link.station_unit.filter(|_| *station);
        let unit = station_unit.unwrap_or(unit);
        match client
            .ask(unit, request, timeout, gap)
            .await
            .map_err(unanswered)?
        {
            Answer::Written | Answer::Registers(_) => {}
            Answer::Exception(code) => bail!("Unit {unit} refused the {request} with {code}."),
        }
    }
    let Some(read_back) = &control.read_back else {
        say("Written and echoed. This model does not tell the limit it applies.");
        return Ok(());
    };
    let mut image = Image::new(&profile);
    let mut shown = None;
    for (index, register) in profile.registers.iter().enumerate() {
        let scale = profile
            .register(read_back)
            .and_then(|r| r.scale_register.as_ref());
        if register.name == *read_back || Some(&register.name) == scale {
            let words = client.read(unit, &profile, register).await;
            image.set(index, &words.map_err(unanswered)?);
        }
        if register.name == *read_back {
            shown = Some(index);
        }
    }
    let shown = shown.map(|index| Shown::of(&profile, &image, index));
    say(&format!(
        "Written and echoed. Read back: {}",
        shown.map_or_else(|| "nothing".to_owned(), |shown| shown.to_string())
    ));
    Ok(())
}

async fn watch(line: &Line, device: &Device, interval: Duration) -> Result<()> {
    let (mut client, unit, profile) = open(line, device).await?;
    let interval = interval.max(Duration::from_millis(profile.link.read_interval_ms));
    // Heard from the first read on, also while a slow device is being read.
    let mut stopped = std::pin::pin!(tokio::signal::ctrl_c());
    loop {
        let table = tokio::select! {
            biased;
            stopped = &mut stopped => return Ok(stopped?),
            table = read_table(&mut client, unit, &profile) => table,
        };
        let shown = table.unwrap_or_else(|error| format!("{error:#}"));
        // Home, then clear what is below (ECMA-48).
        say(&format!(
            "\x1b[H\x1b[J{} unit {unit}, Ctrl-C ends\n\n{shown}",
            profile.model
        ));
        tokio::select! {
            stopped = &mut stopped => return Ok(stopped?),
            () = tokio::time::sleep(interval) => {}
        }
    }
}

fn told(fault: DeviceFault) -> anyhow::Error {
    anyhow!("{} {}", fault.message, fault.remedy)
}

fn unanswered(missing: Unanswered) -> anyhow::Error {
    let heard = if missing.response.is_empty() {
        "nothing"
    } else {
        &missing.response
    };
    anyhow!(
        "{} {}\n  sent:  {}\n  heard: {heard}",
        missing.fault.message,
        missing.fault.remedy,
        missing.request
    )
}

#[expect(clippy::print_stdout, reason = "a command line tool")]
fn say(text: &str) {
    println!("{text}");
}
