//! The file as it is written: one struct per section, every value with its place.

use std::path::PathBuf;

use firmware_agent::{SerialFraming, TcpFraming};
use hw_profiles::{Parity, SerialLine, WordOrder};
use site_model::{ChargePointId, ConnectorId, ConnectorType, DeviceId, GatewayId, IdTag};

use super::fault::Place;
use super::keys;
use super::ocpp::PointOcpp;
use super::section::{At, Section, names};

/// Bus and device together read at most this often per second.
const POLL_INTERVAL_MS: (u64, u64, u64) = (100, 500, 60_000);

#[derive(Debug)]
pub(super) struct GatewaySection {
    pub(super) id: At<GatewayId>,
    pub(super) data_dir: PathBuf,
    pub(super) socket: PathBuf,
    pub(super) profiles_dir: Option<At<PathBuf>>,
}

impl GatewaySection {
    pub(super) fn read(section: &Section<'_>) -> Option<Self> {
        let path = |key| section.need(key, section.text(key).map(|at| PathBuf::from(at.value)));
        let (id, data_dir, socket) = (
            section.need("id", section.parsed("id")),
            path("data_dir"),
            path("socket"),
        );
        let profiles_dir = section.text("profiles_dir").map(|at| at.map(PathBuf::from));
        Some(Self {
            id: id?,
            data_dir: data_dir?,
            socket: socket?,
            profiles_dir,
        })
    }
}

#[derive(Debug)]
pub(super) struct MqttSection {
    pub(super) host: At<String>,
    pub(super) port: Option<u16>,
    pub(super) username: Option<String>,
    pub(super) password: Option<String>,
    pub(super) password_file: Option<At<PathBuf>>,
    pub(super) ca_file: Option<At<PathBuf>>,
    pub(super) tls: Option<At<bool>>,
    pub(super) place: Place,
}

impl MqttSection {
    pub(super) fn read(section: &Section<'_>) -> Option<Self> {
        let path = |key| section.text(key).map(|at| at.map(PathBuf::from));
        let text = |key| section.text(key).map(|at| at.value.to_owned());
        let host = section.need("host", section.text("host"));
        let read = Self {
            port: section.number("port", 1, u16::MAX).map(|at| at.value),
            username: text("username"),
            password: text("password"),
            password_file: path("password_file"),
            ca_file: path("ca_file"),
            tls: section.flag("tls"),
            place: section.place.clone(),
            host: host?.map(str::to_owned),
        };
        Some(read)
    }
}

#[derive(Debug)]
pub(super) struct BusSection {
    pub(super) name: At<String>,
    pub(super) link: LinkSection,
    pub(super) devices: Vec<DeviceSection>,
}

#[derive(Debug)]
pub(super) enum LinkSection {
    Serial(PathBuf, SerialLine, SerialFraming),
    Tcp(String, At<u16>, TcpFraming),
}

impl BusSection {
    pub(super) fn read(section: &Section<'_>) -> Option<Self> {
        let name = section.need("name", section.text("name"));
        let serial = section.table("serial", keys::SERIAL);
        let tcp = section.table("tcp", keys::TCP);
        let link = match (serial, tcp) {
            (Some(serial), None) => serial_link(&serial),
            (None, Some(tcp)) => tcp_link(&tcp),
            (Some(_), Some(_)) | (None, None) => {
                section.report.fault(
                    section.place.clone(),
                    "a bus is either a serial line or a TCP connection",
                    "Set exactly one of serial and tcp",
                );
                None
            }
        };
        let devices = section.tables("device", &names(keys::DEVICE));
        if devices.is_empty() {
            section.report.fault(
                section.place.clone(),
                "it has no device",
                "Add a [[bus.device]], or remove the bus",
            );
        }
        let units = match link {
            Some(LinkSection::Serial(..)) => SERIAL_UNITS,
            Some(LinkSection::Tcp(..)) | None => TCP_UNITS,
        };
        let devices = devices
            .iter()
            .filter_map(|device| DeviceSection::read(device, units))
            .collect();
        Some(Self {
            name: name?.map(str::to_owned),
            link: link?,
            devices,
        })
    }
}

fn serial_link(section: &Section<'_>) -> Option<LinkSection> {
    let parities = [
        ("none", Parity::None),
        ("even", Parity::Even),
        ("odd", Parity::Odd),
    ];
    let path = section.need("path", section.text("path"));
    let baud = section.need("baud", section.number("baud", 300, 1_000_000_u32));
    let parity = section.need("parity", section.word("parity", &parities));
    let stop_bits = section.need("stop_bits", section.number("stop_bits", 1, 2_u8));
    let line = SerialLine {
        baud: baud?.value,
        parity: parity?.value,
        stop_bits: stop_bits?.value,
    };
    let framings = [("rtu", SerialFraming::Rtu), ("ascii", SerialFraming::Ascii)];
    let framing = section.word("framing", &framings);
    Some(LinkSection::Serial(
        PathBuf::from(path?.value),
        line,
        framing.map_or(SerialFraming::Rtu, |at| at.value),
    ))
}

fn tcp_link(section: &Section<'_>) -> Option<LinkSection> {
    let host = section.need("host", section.text("host"));
    let port = section.need("port", section.number("port", 1, u16::MAX));
    let framings = [("mbap", TcpFraming::Mbap), ("rtu", TcpFraming::Rtu)];
    let framing = section.word("framing", &framings);
    Some(LinkSection::Tcp(
        host?.value.to_owned(),
        port?,
        framing.map_or(TcpFraming::Mbap, |at| at.value),
    ))
}

/// Addresses of devices on a serial line (Modbus over serial line V1.02, section 2.2).
const SERIAL_UNITS: (u8, u8) = (1, 247);
/// TCP has no broadcast; makers use 0 and 255 too (Modbus messaging on TCP/IP V1.0b, section 4.4.2).
const TCP_UNITS: (u8, u8) = (0, 255);

#[derive(Debug)]
pub(super) struct DeviceSection {
    pub(super) id: At<DeviceId>,
    pub(super) profile: At<String>,
    pub(super) unit: At<u8>,
    pub(super) connector: Option<At<u8>>,
    pub(super) poll_interval_ms: u64,
    pub(super) words: Option<At<WordOrder>>,
    pub(super) failsafe: Option<FailsafeSection>,
}

/// What the device is to do by itself when it hears nothing.
#[derive(Debug)]
pub(super) struct FailsafeSection {
    pub(super) place: Place,
    pub(super) current_ma: Option<At<u32>>,
    pub(super) timeout_ms: Option<At<u32>>,
}

impl DeviceSection {
    fn read(section: &Section<'_>, units: (u8, u8)) -> Option<Self> {
        let (least, default, most) = POLL_INTERVAL_MS;
        let id = section.need("id", section.parsed("id"));
        let profile = section.need("profile", section.text("profile"));
        let unit = section.need("unit", section.number("unit", units.0, units.1));
        let connector = section.number("connector", 1, u8::MAX);
        let poll = section.number("poll_interval_ms", least, most);
        let orders = [
            ("high_first", WordOrder::HighFirst),
            ("low_first", WordOrder::LowFirst),
        ];
        let words = section.word("words", &orders);
        let failsafe = section.table("failsafe", keys::FAILSAFE);
        Some(Self {
            id: id?,
            profile: profile?.map(str::to_owned),
            unit: unit?,
            connector,
            poll_interval_ms: poll.map_or(default, |at| at.value),
            words,
            failsafe: failsafe.map(|failsafe| FailsafeSection {
                place: failsafe.place.clone(),
                current_ma: failsafe.thousandths("current_a"),
                timeout_ms: failsafe.thousandths("timeout_s"),
            }),
        })
    }
}

#[derive(Debug)]
pub(super) struct ChargePointSection {
    pub(super) id: At<ChargePointId>,
    pub(super) ocpp: Option<PointOcpp>,
    pub(super) connectors: Vec<ConnectorSection>,
}

impl ChargePointSection {
    pub(super) fn read(section: &Section<'_>) -> Option<Self> {
        let id = section.need("id", section.parsed("id"));
        let ocpp = section.table("ocpp", keys::POINT_OCPP);
        let connectors = section.tables("connector", &names(keys::CONNECTOR));
        if connectors.is_empty() {
            section.report.fault(
                section.place.clone(),
                "it has no connector",
                "Add a [[charge_point.connector]]",
            );
        }
        let connectors = connectors
            .iter()
            .filter_map(ConnectorSection::read)
            .collect();
        Some(Self {
            id: id?,
            ocpp: ocpp.as_ref().map(PointOcpp::read),
            connectors,
        })
    }
}

#[derive(Debug)]
pub(super) struct ConnectorSection {
    pub(super) id: At<ConnectorId>,
    pub(super) kind: ConnectorType,
    pub(super) device: At<DeviceId>,
    pub(super) meter: Option<At<DeviceId>>,
    pub(super) max_current_ma: At<u32>,
    pub(super) phases: u8,
    pub(super) free: At<bool>,
    pub(super) free_id_tag: Option<At<IdTag>>,
    pub(super) billing_grade: Option<At<bool>>,
}

impl ConnectorSection {
    fn read(section: &Section<'_>) -> Option<Self> {
        let kinds: Vec<(&str, ConnectorType)> = ConnectorType::ALL
            .iter()
            .map(|kind| (kind.as_str(), *kind))
            .collect();
        let id = section.number("id", 1, u8::MAX).and_then(|at| {
            let id = ConnectorId::new(at.value).ok()?;
            Some(at.map(|_| id))
        });
        let id = section.need("id", id);
        let kind = section.need("type", section.word("type", &kinds));
        let device = section.need("device", section.parsed("device"));
        let current = section.need("max_current_a", section.thousandths("max_current_a"));
        let phases = section.need("phases", section.number("phases", 1, 3_u8));
        let free = section.word("authorization", &[("free", true), ("required", false)]);
        let free = section.need("authorization", free);
        let (meter, free_id_tag) = (section.parsed("meter"), section.parsed("free_id_tag"));
        let billing_grade = section.flag("billing_grade");
        Some(Self {
            id: id?,
            kind: kind?.value,
            device: device?,
            meter,
            max_current_ma: current?,
            phases: phases?.value,
            free: free?,
            free_id_tag,
            billing_grade,
        })
    }
}

#[derive(Debug)]
pub(super) struct MeterSection {
    pub(super) device: At<DeviceId>,
}

impl MeterSection {
    pub(super) fn read(section: &Section<'_>) -> Option<Self> {
        let device = section.need("device", section.parsed("device"));
        let role = section.need("role", section.word("role", &[("grid", ())]));
        role?;
        Some(Self { device: device? })
    }
}
