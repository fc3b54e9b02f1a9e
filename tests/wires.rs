//! Three ends in network namespaces of their own: the site (this one), the broker and the cloud. The wires
//! between them lose packets, are narrow, or are pulled out. Also where it is noted what a machine does not allow.

use std::io::Write as _;
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};

/// Packets lost of a thousand when a wire is pulled out.
const ALL: u32 = 1_000;

/// A wire that ends at the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    /// Between the site and the broker.
    Site,
    /// Between the cloud and the broker.
    Cloud,
}

/// The namespaces and their wires. Deleted when dropped.
#[derive(Debug)]
pub struct Wires {
    broker: String,
    cloud: String,
    /// Third part of the addresses.
    net: u8,
}

impl Wires {
    /// Makes them; the wires carry everything.
    ///
    /// # Errors
    /// Where the machine does not allow namespaces, veth or nftables: with what the system said.
    pub fn open() -> anyhow::Result<Self> {
        let id = std::process::id();
        let wires = Self {
            broker: format!("dynamo-broker-{id}"),
            cloud: format!("dynamo-cloud-{id}"),
            net: u8::try_from(id % 250)?,
        };
        let (broker, cloud, net) = (&wires.broker, &wires.cloud, wires.net);
        for name in [broker, cloud] {
            ip(&format!("netns add {name}"))?;
            ip(&format!("-n {name} link set lo up"))?;
        }
        let (near_broker, near_cloud) = (format!("dyb{id}"), format!("dyc{id}"));
        ip(&format!(
            "link add {near_broker} type veth peer name site netns {broker}"
        ))?;
        ip(&format!(
            "link add {near_cloud} type veth peer name site netns {cloud}"
        ))?;
        ip(&format!(
            "-n {cloud} link add broker type veth peer name cloud netns {broker}"
        ))?;
        let ends = [
            ("", near_broker.as_str(), 1),
            (broker, "site", 2),
            (cloud, "broker", 5),
            (broker, "cloud", 6),
            ("", &near_cloud, 9),
            (cloud, "site", 10),
        ];
        for (namespace, device, last) in ends {
            let at = if namespace.is_empty() {
                String::new()
            } else {
                format!("-n {namespace} ")
            };
            ip(&format!(
                "{at}address add 10.213.{net}.{last}/30 dev {device}"
            ))?;
            ip(&format!("{at}link set {device} up"))?;
        }
        for device in ["site", "cloud"] {
            let narrow =
                format!("qdisc add dev {device} root tbf rate 2mbit burst 16kb latency 300ms");
            run(inside(broker, "tc").args(narrow.split(' ')))?;
        }
        wires.lose(0, 0)?;
        Ok(wires)
    }

    /// The broker as the site sees it.
    #[must_use]
    pub fn broker_from_site(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 213, self.net, 2)
    }

    /// The broker as the cloud sees it.
    #[must_use]
    pub fn broker_from_cloud(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 213, self.net, 6)
    }

    /// The cloud's API as this namespace sees it, over a wire without faults.
    #[must_use]
    pub fn cloud(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 213, self.net, 10)
    }

    /// Words before a program that is to run where the broker is.
    #[must_use]
    pub fn at_broker(&self) -> Vec<String> {
        words(&self.broker)
    }

    /// Words before a program that is to run where the cloud is.
    #[must_use]
    pub fn at_cloud(&self) -> Vec<String> {
        words(&self.cloud)
    }

    /// From now on so many packets of a thousand are lost at random, either way, on the site's and on
    /// the cloud's wire.
    ///
    /// # Errors
    /// If the rules cannot be set.
    pub fn lose(&self, site: u32, cloud: u32) -> anyhow::Result<()> {
        let mut rules = "flush ruleset\ntable inet wires {\n".to_owned();
        for (hook, side) in [("input", "iifname"), ("output", "oifname")] {
            rules += &format!("chain {hook} {{ type filter hook {hook} priority 0;\n");
            for (wire, lost) in [("site", site), ("cloud", cloud)] {
                let chance = if lost < ALL {
                    format!("numgen random mod {ALL} < {lost}")
                } else {
                    String::new()
                };
                rules += &format!("{side} \"{wire}\" {chance} drop\n");
            }
            rules += "}\n";
        }
        let mut nft = inside(&self.broker, "nft");
        let mut child = nft
            .args(["-f", "-"])
            .stdin(Stdio::piped())
            .spawn()
            .context("nft cannot be started")?;
        let mut input = child.stdin.take().context("nft takes no input")?;
        input.write_all((rules + "}\n").as_bytes())?;
        drop(input);
        ensure!(child.wait()?.success(), "nft does not take the rules");
        Ok(())
    }

    /// One wire is pulled out, the other carries everything.
    ///
    /// # Errors
    /// If the rules cannot be set.
    pub fn pull_out(&self, wire: Wire) -> anyhow::Result<()> {
        match wire {
            Wire::Site => self.lose(ALL, 0),
            Wire::Cloud => self.lose(0, ALL),
        }
    }
}

impl Drop for Wires {
    fn drop(&mut self) {
        for name in [&self.broker, &self.cloud] {
            let _gone_already = ip(&format!("netns delete {name}"));
        }
    }
}

/// Notes for whoever runs the tests that this machine did not allow something.
///
/// # Errors
/// If the note cannot be written.
pub fn leave_out(sentence: &str) -> anyhow::Result<()> {
    let note = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/left-out.txt");
    let mut file = std::fs::File::options()
        .create(true)
        .append(true)
        .open(note)?;
    writeln!(file, "scenarios: {sentence}")?;
    Ok(())
}

fn words(namespace: &str) -> Vec<String> {
    ["ip", "netns", "exec", namespace]
        .map(str::to_owned)
        .to_vec()
}

fn inside(namespace: &str, program: &str) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", namespace, program]);
    command
}

fn ip(arguments: &str) -> anyhow::Result<()> {
    run(Command::new("ip").args(arguments.split(' ')))
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let output = command.output().context("iproute2 is missing")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {}", said.trim());
    Ok(())
}
