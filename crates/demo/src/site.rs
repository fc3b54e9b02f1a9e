//! The simulated site: four chargers of three makes and a grid meter, on one RS-485 line and Modbus TCP.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use hw_profiles::{Parity, Profile, SerialLine};
use simulator::{
    BaseLoad, ChargerHandle, ChargerOptions, MeterHandle, MeterOf, RtuLine, TcpServer, World,
};
use site_model::Milliamps;
use tokio::task::AbortHandle;

/// One connector of the site with its simulated parts.
#[derive(Debug)]
pub struct Connector {
    /// Its charge point's identity.
    pub charge_point: String,
    /// The charger.
    pub charger: ChargerHandle,
    /// The meter assigned to it, if its charger has no register of active energy.
    pub meter: Option<MeterHandle>,
}

/// A site whose hardware is simulated and whose lines and sockets are real.
#[derive(Debug)]
pub struct SimulatedSite {
    /// The physics.
    pub world: World,
    /// Connectors in the order of their charge points' names.
    pub connectors: Vec<Connector>,
    /// The meter of the grid connection.
    pub grid: MeterHandle,
    /// The RS-485 line.
    pub line: RtuLine,
    servers: [TcpServer; 2],
    line_is_used: bool,
    driver: AbortHandle,
}

/// A pty carries no parity, so the line is run without.
const ANSWER_DELAY_MS: u64 = 5;
const LINE: SerialLine = SerialLine {
    baud: 19_200,
    parity: Parity::None,
    stop_bits: 1,
};

/// Where a charge point of the demo finds its OCPP password, beside its configuration.
pub(crate) const OCPP_PASSWORD_FILE: &str = "ocpp.password";

impl SimulatedSite {
    /// Builds the site and opens its line and sockets. Must run inside a tokio runtime.
    ///
    /// # Errors
    /// If no pty or no port can be had.
    pub async fn start(seed: u64) -> anyhow::Result<Self> {
        let world = World::new(seed);
        let heidelberg = profile("heidelberg-energy-control")?;
        let sdm630 = profile("eastron-sdm630")?;
        let keba = profile("keba-p40")?;
        let bender = profile("bender-cc612")?;

        let options = |serial: &str, firmware: &str| ChargerOptions {
            serial: serial.to_owned(),
            firmware: Some(firmware.to_owned()),
            ..ChargerOptions::default()
        };
        let left = world.add_charger("left", heidelberg.clone(), options("HD-0001", "104"));
        let right = world.add_charger("right", heidelberg, options("HD-0002", "104"));
        let front = world.add_charger("front", keba.clone(), options("40000017", "10201"));
        let back = world.add_charger("back", bender.clone(), options("CC-0004", "5.22"));
        let left_meter = world.add_meter(
            "left-meter",
            sdm630.clone(),
            MeterOf::Charger(left.clone()),
            1_204_310,
        );
        let right_meter = world.add_meter(
            "right-meter",
            sdm630.clone(),
            MeterOf::Charger(right.clone()),
            87_002,
        );
        let grid = world.add_meter("grid", sdm630, MeterOf::Grid, 33_870_144);
        let current = [Milliamps(8_200), Milliamps(4_100), Milliamps(6_000)];
        world.set_base_load(BaseLoad {
            current,
            power_factor_permille: 970,
        });

        let line = RtuLine::start(&world, LINE, true, ANSWER_DELAY_MS)
            .context("no pty for the simulated RS-485 line: is /dev/pts mounted?")?;
        line.add(1, &left);
        line.add(2, &right);
        line.add(11, &left_meter);
        line.add(12, &right_meter);
        line.add(20, &grid);
        let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
        let keba_server = TcpServer::start(any_port, vec![(255, front.device().clone())]).await?;
        let bender_server = TcpServer::start(any_port, vec![(255, back.device().clone())]).await?;
        let driver = tokio::spawn(simulator::run(world.clone())).abort_handle();

        let connector = |name: &str, charger, meter| Connector {
            charge_point: name.to_owned(),
            charger,
            meter,
        };
        Ok(Self {
            connectors: vec![
                connector("CP-LEFT", left, Some(left_meter)),
                connector("CP-RIGHT", right, Some(right_meter)),
                connector("CP-FRONT", front, None),
                connector("CP-BACK", back, None),
            ],
            world,
            grid,
            line,
            servers: [keba_server, bender_server],
            line_is_used: true,
            driver,
        })
    }

    /// The connector of a charge point.
    ///
    /// # Errors
    /// If the site has no such charge point.
    pub fn connector(&self, charge_point: &str) -> anyhow::Result<&Connector> {
        let found = self
            .connectors
            .iter()
            .find(|connector| connector.charge_point == charge_point);
        found.with_context(|| format!("the demo site has no {charge_point}"))
    }

    /// Names of all charge points.
    #[must_use]
    pub fn charge_points(&self) -> Vec<&str> {
        self.connectors
            .iter()
            .map(|connector| connector.charge_point.as_str())
            .collect()
    }

    /// Breaches of a device's rules by whoever talks to it, as sentences.
    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        self.world
            .violations()
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    /// Leaves the line and its devices out of the configuration, for a controller that cannot set a
    /// serial line: emulators of user programs know no `TCSETS2`.
    pub fn leave_line_out(&mut self) {
        self.line_is_used = false;
        self.connectors
            .retain(|connector| connector.meter.is_none());
    }

    /// Buses, charge points and meters as the site controller's configuration says them.
    #[must_use]
    pub fn configuration(&self) -> String {
        let line = if self.line_is_used {
            self.on_the_line()
        } else {
            String::new()
        };
        line + &self.on_tcp()
    }

    /// The same, each charge point connected by OCPP to the central system at `base` (`http://…`).
    #[must_use]
    pub fn configuration_with_ocpp(&self, base: &str) -> String {
        let address = base.replacen("http", "ws", 1);
        let points = self.configuration().replace(
            "\n[[charge_point.connector]]",
            &format!(
                "\nocpp = {{ password_file = {OCPP_PASSWORD_FILE:?} }}\n[[charge_point.connector]]"
            ),
        );
        format!("[ocpp]\nurl = \"{address}/ocpp/1.6\"\n\n{points}")
    }

    fn on_the_line(&self) -> String {
        let line = self.line.path().display().to_string();
        let mut text = format!(
            "[[bus]]\nname = \"garage\"\nserial = {{ path = {line:?}, baud = {baud}, parity = \"none\", stop_bits = 1 }}\n",
            baud = LINE.baud
        );
        for (id, profile, unit) in [
            ("left", "heidelberg-energy-control", 1),
            ("right", "heidelberg-energy-control", 2),
            ("left-meter", "eastron-sdm630", 11),
            ("right-meter", "eastron-sdm630", 12),
            ("grid", "eastron-sdm630", 20),
        ] {
            text += &device(id, profile, unit);
        }
        text += &charge_point("CP-LEFT", "left", Some("left-meter"));
        text += &charge_point("CP-RIGHT", "right", Some("right-meter"));
        text + "\n[[meter]]\ndevice = \"grid\"\nrole = \"grid\"\n\n"
    }

    fn on_tcp(&self) -> String {
        let mut text = String::new();
        for (id, profile, address) in [
            ("front", "keba-p40", self.servers[0].address()),
            ("back", "bender-cc612", self.servers[1].address()),
        ] {
            let (ip, port) = (address.ip(), address.port());
            text +=
                &format!("[[bus]]\nname = \"{id}\"\ntcp = {{ host = \"{ip}\", port = {port} }}\n");
            text += &device(id, profile, 255);
        }
        text += &charge_point("CP-FRONT", "front", None);
        text + &charge_point("CP-BACK", "back", None)
    }
}

fn charge_point(id: &str, device: &str, meter: Option<&str>) -> String {
    let meter = meter
        .map(|meter| format!("meter = \"{meter}\"\n"))
        .unwrap_or_default();
    format!(
        "\n[[charge_point]]\nid = \"{id}\"\n[[charge_point.connector]]\nid = 1\ntype = \"Type2\"\ndevice = \"{device}\"\n\
         {meter}max_current_a = 16\nphases = 3\nauthorization = \"free\"\n"
    )
}

impl Drop for SimulatedSite {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

fn device(id: &str, profile: &str, unit: u8) -> String {
    format!("[[bus.device]]\nid = \"{id}\"\nprofile = \"{profile}\"\nunit = {unit}\n")
}

fn profile(id: &str) -> anyhow::Result<Arc<Profile>> {
    let found = hw_profiles::find(id).with_context(|| format!("no built-in profile `{id}`"))?;
    Ok(Arc::new(found.clone()))
}
