//! Many chargers of one model behind Modbus TCP: a site as large as one gateway takes.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use simulator::{ChargerHandle, ChargerOptions, TcpServer, World};
use tokio::task::AbortHandle;

const CHARGERS_PER_BUS: usize = 4;

/// The chargers, simulated until it is dropped.
#[derive(Debug)]
pub struct Depot {
    /// Charge points `CP-01`, `CP-02` …, one connector each, free for all.
    pub chargers: Vec<ChargerHandle>,
    configuration: String,
    _servers: Vec<TcpServer>,
    driver: AbortHandle,
}

impl Depot {
    /// Starts `count` chargers, a multiple of 4. Must run inside a tokio runtime.
    ///
    /// # Errors
    /// If no port can be had.
    pub async fn start(seed: u64, count: usize) -> anyhow::Result<Self> {
        let world = World::new(seed);
        let profile = hw_profiles::find("bender-cc612").context("no profile")?;
        let profile = Arc::new(profile.clone());
        let (mut buses, mut points) = (String::new(), String::new());
        let (mut chargers, mut servers) = (Vec::new(), Vec::new());
        for bus in 0..count / CHARGERS_PER_BUS {
            let (mut units, mut devices) = (Vec::new(), String::new());
            for place in 0..CHARGERS_PER_BUS {
                let number = bus * CHARGERS_PER_BUS + place + 1;
                let unit = u8::try_from(place + 1)?;
                let name = format!("charger-{number}");
                let charger = world.add_charger(&name, profile.clone(), ChargerOptions::default());
                units.push((unit, charger.device().clone()));
                chargers.push(charger);
                devices += &format!(
                    "[[bus.device]]\nid = \"{name}\"\nprofile = \"bender-cc612\"\nunit = {unit}\n"
                );
                points += &format!(
                    "\n[[charge_point]]\nid = \"{}\"\n[[charge_point.connector]]\nid = 1\ntype = \"Type2\"\ndevice = \"{name}\"\nmax_current_a = 16\nphases = 3\nauthorization = \"free\"\n",
                    charge_point(number)
                );
            }
            let server = TcpServer::start(SocketAddr::from(([127, 0, 0, 1], 0)), units).await?;
            let address = server.address();
            buses += &format!(
                "[[bus]]\nname = \"bus-{bus}\"\ntcp = {{ host = \"{}\", port = {} }}\n{devices}",
                address.ip(),
                address.port()
            );
            servers.push(server);
        }
        Ok(Self {
            chargers,
            configuration: buses + &points,
            _servers: servers,
            driver: tokio::spawn(simulator::run(world)).abort_handle(),
        })
    }

    /// Buses and charge points as the site controller's configuration says them.
    #[must_use]
    pub fn configuration(&self) -> &str {
        &self.configuration
    }

    /// Names of the charge points.
    #[must_use]
    pub fn charge_points(&self) -> Vec<String> {
        (1..=self.chargers.len()).map(charge_point).collect()
    }
}

fn charge_point(number: usize) -> String {
    format!("CP-{number:02}")
}

impl Drop for Depot {
    fn drop(&mut self) {
        self.driver.abort();
    }
}
