//! The connectors of the simulated site: what stands there, and how the core is told of it.

use simulator::CoarseCharger;
use site_core::{
    Authorization, ChargePointConfig, ConnectorConfig, CurrentRange, EnergyConfig, SiteConfig,
};
use site_model::{
    ChargePointId, ConnectorId, ConnectorType, DeviceId, EnergySource, IdTag, Milliamps, WattHours,
};

use crate::model::MAX_CURRENT;

/// Connectors of the site.
pub(crate) const PLACES: usize = 6;

/// A stretch of true time.
pub(crate) type Stretch = (u64, u64);

/// A car's stay as it really was.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stay {
    pub(crate) from_ms: u64,
    pub(crate) to_ms: Option<u64>,
    pub(crate) meter_from: WattHours,
    pub(crate) meter_to: WattHours,
}

/// One connector.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) id: ChargePointId,
    pub(crate) charger: CoarseCharger,
    /// Anybody may charge; else a start must be ordered.
    pub(crate) free: bool,
    pub(crate) answers: bool,
    /// The next reading is nonsense.
    pub(crate) confused: bool,
    /// What was last written to it.
    pub(crate) wanted: Option<Milliamps>,
    pub(crate) poll_at: Option<u64>,
    /// Counts what changes when the car will be full.
    pub(crate) power: u32,
    pub(crate) stays: Vec<Stay>,
    /// When the gateway could not see it, or was told nonsense.
    pub(crate) blind: Vec<Stretch>,
}

impl Place {
    pub(crate) fn new(index: usize, rng: &mut fastrand::Rng) -> Self {
        let name = format!("dev-{index}");
        let meter = rng.bool().then(|| device(&format!("{name}-meter")));
        let count = WattHours([1, 1, 10][rng.usize(0..3)]);
        let register = WattHours(rng.u64(0..900_000) * 10);
        Self {
            id: ChargePointId::new(&format!("CP-{index}")).unwrap(),
            charger: CoarseCharger::new(device(&name), meter, register, count),
            free: index.is_multiple_of(2),
            answers: true,
            confused: false,
            wanted: None,
            poll_at: None,
            power: 0,
            stays: Vec::new(),
            blind: Vec::new(),
        }
    }

    /// Whether the gateway saw it all of the time, and a moment before and after.
    pub(crate) fn was_seen(&self, from_ms: u64, to_ms: u64, also_blind: &[Stretch]) -> bool {
        let all = self.blind.iter().chain(also_blind);
        !all.into_iter()
            .any(|(from, to)| *from <= to_ms && *to >= from_ms)
    }

    fn config(&self) -> ChargePointConfig {
        let energy = match self.charger.meter() {
            Some(meter) => (meter.clone(), EnergySource::ExternalMeter),
            None => (self.charger.id().clone(), EnergySource::LifetimeRegister),
        };
        let authorization = if self.free {
            Authorization::Free {
                id_tag: IdTag::new("FREE").unwrap(),
            }
        } else {
            Authorization::Required
        };
        ChargePointConfig {
            id: self.id.clone(),
            central_system: None,
            vendor: "Acme".to_owned(),
            model: "AC11".to_owned(),
            connectors: vec![ConnectorConfig {
                id: ConnectorId::new(1).unwrap(),
                kind: ConnectorType::Type2,
                phases: 3,
                max_current: MAX_CURRENT,
                range: CurrentRange {
                    minimum: Milliamps(6_000),
                    maximum: Milliamps(32_000),
                    step: Milliamps(100),
                    can_pause: true,
                    reads_back: true,
                },
                device: self.charger.id().clone(),
                energy: EnergyConfig {
                    device: energy.0,
                    source: energy.1,
                    billing_grade: true,
                },
                authorization,
            }],
        }
    }
}

fn device(name: &str) -> DeviceId {
    DeviceId::new(name).unwrap()
}

pub(crate) fn site(places: &[Place]) -> SiteConfig {
    let config = SiteConfig {
        charge_points: places.iter().map(Place::config).collect(),
    };
    assert_eq!(config.faults(), Vec::<String>::new());
    config
}
