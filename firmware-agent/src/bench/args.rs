//! The command line.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use clap::{Parser, Subcommand, ValueEnum};
use firmware_agent::{BusLink, Phases, SerialFraming, TcpFraming};
use hw_profiles::{Parity, Profile, SerialLine, Table, WordOrder};

/// Bench tool for Modbus charging hardware.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) line: Line,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Where the device is.
#[derive(Debug, clap::Args)]
pub(crate) struct Line {
    /// Serial port, for instance /dev/serial/by-id/usb-…
    #[arg(long, global = true, value_name = "PATH", conflicts_with = "tcp")]
    serial: Option<PathBuf>,
    /// Bits per second; by default the profile's
    #[arg(long, global = true)]
    baud: Option<u32>,
    /// Parity; by default the profile's
    #[arg(long, global = true)]
    parity: Option<ParityArg>,
    /// Stop bits; by default the profile's
    #[arg(long, global = true, value_parser = clap::value_parser!(u8).range(1..=2))]
    stop_bits: Option<u8>,
    /// Modbus TCP
    #[arg(long, global = true, value_name = "HOST[:PORT]")]
    tcp: Option<String>,
    /// What frames look like: rtu or ascii on a serial line, mbap or rtu over TCP
    #[arg(long, global = true)]
    framing: Option<FramingArg>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FramingArg {
    Rtu,
    Ascii,
    Mbap,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ParityArg {
    None,
    Even,
    Odd,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Find the devices on a line and print a configuration for them
    ///
    /// Without --baud, --parity and --stop-bits the settings are found out. Nothing is ever written.
    Scan {
        /// Units to ask, for instance 1-247; by default those that factories set, then 1 to 32
        #[arg(long, value_parser = unit_range)]
        units: Option<(u8, u8)>,
        /// How long to wait for a unit beyond the time on the wire; by default 100, over TCP 300
        #[arg(long)]
        timeout_ms: Option<u64>,
        /// Go on with the other settings when devices have been found
        #[arg(long)]
        every_setting: bool,
    },
    /// Say which profiles recognise a device
    Identify {
        /// Modbus unit to ask
        #[arg(long)]
        unit: u8,
    },
    /// Read every value of a device, or raw registers
    Read {
        #[command(flatten)]
        device: Device,
        /// Raw registers instead, as holding:ADDRESS:COUNT, or input, coil, discrete
        #[arg(long, value_parser = raw_read)]
        raw: Option<(Table, u16, u16)>,
    },
    /// Write the current limit, then read it back
    Write {
        #[command(flatten)]
        device: Device,
        /// Amperes, for instance 10.5; 0 pauses
        #[arg(long, value_parser = amperes)]
        limit: u32,
        /// Phases that the device is wired to
        #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=3))]
        phases: u8,
        /// Really write
        #[arg(long)]
        yes: bool,
    },
    /// Switch between one phase and three; a model that must not charge meanwhile is paused for it
    Phases {
        #[command(flatten)]
        device: Device,
        /// 1 or 3
        #[arg(value_parser = phases)]
        phases: Phases,
        /// Really write
        #[arg(long)]
        yes: bool,
    },
    /// Read again and again until Ctrl-C
    Watch {
        #[command(flatten)]
        device: Device,
        /// Pause between two tables
        #[arg(long, default_value_t = 1_000)]
        interval_ms: u64,
    },
}

/// Which device.
#[derive(Debug, clap::Args)]
pub(crate) struct Device {
    /// Modbus unit; by default the profile's
    #[arg(long)]
    pub(crate) unit: Option<u8>,
    /// Id of a built-in profile, or a profile file
    #[arg(long, value_name = "ID|FILE")]
    pub(crate) profile: Option<String>,
    /// Which connector of the device
    #[arg(long, default_value_t = 1)]
    pub(crate) connector: u8,
    /// Word order of this variant, if it is not the profile's
    #[arg(long)]
    words: Option<WordsArg>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
#[value(rename_all = "snake_case")]
enum WordsArg {
    HighFirst,
    LowFirst,
}

impl Device {
    /// Of the connector that was named, in the word order that was named.
    pub(crate) fn profile(&self) -> Result<Profile> {
        let profile = self.named_profile()?;
        let profile = self
            .words()
            .map_or_else(|| profile.clone(), |words| profile.with_words(words));
        let connectors = profile.connectors.as_ref().map_or(1, |it| it.maximum);
        profile.for_connector(self.connector).with_context(|| {
            format!(
                "profile {} knows connectors 1 to {connectors}, not {}.",
                profile.id, self.connector
            )
        })
    }

    pub(crate) fn words(&self) -> Option<WordOrder> {
        self.words.map(|words| match words {
            WordsArg::HighFirst => WordOrder::HighFirst,
            WordsArg::LowFirst => WordOrder::LowFirst,
        })
    }

    /// As its file says.
    pub(crate) fn named_profile(&self) -> Result<Profile> {
        let Some(wanted) = &self.profile else {
            bail!(
                "--profile is missing. `firmware-agent identify` finds it; built in are: {}.",
                ids()
            );
        };
        if let Some(profile) = hw_profiles::find(wanted) {
            return Ok(profile.clone());
        }
        if Path::new(wanted).exists() {
            return hw_profiles::load_file(Path::new(wanted)).map_err(|faults| anyhow!("{faults}"));
        }
        bail!(
            "no profile and no file is named {wanted}. Built in are: {}.",
            ids()
        );
    }
}

impl Line {
    /// The one line that was named; settings that were not are those of the profile.
    pub(crate) fn link(&self, profile: Option<&Profile>) -> Result<BusLink> {
        if let Some(tcp) = &self.tcp {
            let usual = profile
                .and_then(|profile| profile.link.tcp)
                .map_or(502, |tcp| tcp.port);
            let (host, port) = match tcp.rsplit_once(':') {
                Some((host, port)) => (
                    host,
                    port.parse()
                        .with_context(|| format!("port of --tcp {tcp}"))?,
                ),
                None => (tcp.as_str(), usual),
            };
            let framing = match self.framing {
                None | Some(FramingArg::Mbap) => TcpFraming::Mbap,
                Some(FramingArg::Rtu) => TcpFraming::Rtu,
                Some(FramingArg::Ascii) => bail!("over TCP frames are mbap or rtu, not ascii."),
            };
            return Ok(BusLink::Tcp {
                host: host.to_owned(),
                port,
                framing,
            });
        }
        let Some(path) = &self.serial else {
            bail!(
                "name the line: --serial PATH or --tcp HOST:PORT. `ls /dev/serial/by-id` shows serial adapters."
            );
        };
        let (rtu, ascii) = profile.map_or((None, None), |p| (p.link.rtu, p.link.ascii));
        let framing = match self.framing {
            Some(FramingArg::Rtu) => SerialFraming::Rtu,
            Some(FramingArg::Ascii) => SerialFraming::Ascii,
            Some(FramingArg::Mbap) => bail!("on a serial line frames are rtu or ascii, not mbap."),
            None if rtu.is_none() && ascii.is_some() => SerialFraming::Ascii,
            None => SerialFraming::Rtu,
        };
        let usual = match framing {
            SerialFraming::Rtu => rtu,
            SerialFraming::Ascii => ascii,
        };
        let usual = usual.unwrap_or(SerialLine {
            baud: 19_200,
            parity: Parity::Even,
            stop_bits: 1,
        });
        let parity = self.parity.map(|parity| match parity {
            ParityArg::None => Parity::None,
            ParityArg::Even => Parity::Even,
            ParityArg::Odd => Parity::Odd,
        });
        let line = SerialLine {
            baud: self.baud.unwrap_or(usual.baud),
            parity: parity.unwrap_or(usual.parity),
            stop_bits: self.stop_bits.unwrap_or(usual.stop_bits),
        };
        Ok(BusLink::Serial {
            path: path.clone(),
            line,
            framing,
        })
    }

    /// Whether the settings of the serial line are to be found out.
    pub(crate) fn is_open(&self) -> bool {
        self.serial.is_some()
            && self.baud.is_none()
            && self.parity.is_none()
            && self.stop_bits.is_none()
            && self.framing.is_none()
    }
}

fn ids() -> String {
    let ids: Vec<&str> = hw_profiles::builtin()
        .iter()
        .map(|profile| profile.id.as_str())
        .collect();
    ids.join(", ")
}

fn unit_range(text: &str) -> Result<(u8, u8), String> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    match (first.parse(), last.parse()) {
        (Ok(first), Ok(last)) if first <= last => Ok((first, last)),
        (Ok(_) | Err(_), _) => Err("must be one unit or a range such as 1-32".to_owned()),
    }
}

fn phases(text: &str) -> Result<Phases, String> {
    match text {
        "1" => Ok(Phases::One),
        "3" => Ok(Phases::Three),
        _ => Err("must be 1 or 3".to_owned()),
    }
}

fn raw_read(text: &str) -> Result<(Table, u16, u16), String> {
    let usage =
        || "must be holding, input, coil or discrete:ADDRESS:COUNT, COUNT 1 to 125".to_owned();
    let mut parts = text.split(':');
    let table = match parts.next() {
        Some("holding") => Table::Holding,
        Some("input") => Table::Input,
        Some("coil") => Table::Coil,
        Some("discrete") => Table::Discrete,
        Some(_) | None => return Err(usage()),
    };
    let address: u16 = parts
        .next()
        .and_then(|part| part.parse().ok())
        .ok_or_else(usage)?;
    let count: u16 = parts.next().unwrap_or("1").parse().map_err(|_| usage())?;
    let fits = u32::from(address) + u32::from(count) <= 0x1_0000;
    if parts.next().is_some() || !(1..=125).contains(&count) || !fits {
        return Err(usage());
    }
    Ok((table, address, count))
}

/// Amperes with up to three decimals, as milliamperes; exact.
fn amperes(text: &str) -> Result<u32, String> {
    let usage = || "must be amperes such as 6 or 10.5".to_owned();
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 3 || !fraction.chars().all(|c| c.is_ascii_digit()) {
        return Err(usage());
    }
    let whole: u32 = whole.parse().map_err(|_| usage())?;
    let milli: u32 = format!("{fraction:0<3}").parse().map_err(|_| usage())?;
    whole
        .checked_mul(1_000)
        .and_then(|ma| ma.checked_add(milli))
        .ok_or_else(usage)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_checked() {
        use clap::CommandFactory;
        Args::command().debug_assert();
    }

    #[test]
    fn amperes_are_exact() {
        assert_eq!(amperes("10.5"), Ok(10_500));
        assert_eq!(amperes("6"), Ok(6_000));
        assert_eq!(amperes("0.001"), Ok(1));
        for bad in ["", "-1", "1.2345", "1.x", "9999999999"] {
            assert!(amperes(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn raw_reads_and_ranges_are_checked() {
        assert_eq!(raw_read("holding:1000:2"), Ok((Table::Holding, 1_000, 2)));
        assert_eq!(raw_read("input:5"), Ok((Table::Input, 5, 1)));
        assert_eq!(raw_read("coil:400:1"), Ok((Table::Coil, 400, 1)));
        for bad in [
            "relay:1:1",
            "input",
            "input:1:126",
            "input:65535:2",
            "input:1:1:1",
        ] {
            assert!(raw_read(bad).is_err(), "{bad}");
        }
        assert_eq!(unit_range("7"), Ok((7, 7)));
        assert!(unit_range("9-2").is_err());
    }
}
