//! Every key of the file, once: what is allowed, what the sample shows, what people are told about it.

/// One key of a section.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) name: &'static str,
    /// Value in the sample, as TOML.
    pub(super) example: &'static str,
    /// Whether the sample shows it as an active line; others are shown commented out.
    pub(super) active: bool,
    /// What it means.
    pub(super) help: &'static str,
}

const fn shown(name: &'static str, example: &'static str, help: &'static str) -> Key {
    Key {
        name,
        example,
        active: true,
        help,
    }
}

const fn optional(name: &'static str, example: &'static str, help: &'static str) -> Key {
    Key {
        name,
        example,
        active: false,
        help,
    }
}

pub(super) const TOP: &[&str] = &["gateway", "mqtt", "ocpp", "bus", "charge_point", "meter"];

pub(super) const GATEWAY: &[Key] = &[
    shown(
        "id",
        "\"gw_01jd0example\"",
        "From `cloud-api admin gateway create`.",
    ),
    shown(
        "data_dir",
        "\"/var/lib/dynamo\"",
        "The journal lives here. Relative paths are relative to this file.",
    ),
    shown(
        "socket",
        "\"/run/dynamo/site-controller.sock\"",
        "For `site-controller status` and `command`. Who may open it may act.",
    ),
    optional(
        "profiles_dir",
        "\"/etc/dynamo/profiles\"",
        "Device profiles of your own, in addition to the built-in ones.",
    ),
];

pub(super) const MQTT: &[Key] = &[
    shown("host", "\"mqtt.example.com\"", "The cloud's broker."),
    optional("port", "8883", "8883 with TLS, 1883 without."),
    optional("username", "\"gw_01jd0example\"", "gateway.id unless set."),
    shown(
        "password",
        "\"from-cloud-api-admin-gateway-create\"",
        "Or password_file, one of the two.",
    ),
    optional(
        "password_file",
        "\"/etc/dynamo/mqtt-password\"",
        "One line.",
    ),
    optional(
        "ca_file",
        "\"/etc/dynamo/broker-ca.pem\"",
        "Certificates are checked against this file instead of the system's roots.",
    ),
    optional(
        "tls",
        "true",
        "TLS unless the host is a loopback address; false sends the password readable.",
    ),
];

pub(super) const OCPP: &[Key] = &[
    optional(
        "url",
        "\"wss://csms.example.com/ocpp/1.6\"",
        "Central system (OCPP 1.6J) of every charge point; its id is appended. None unless set.",
    ),
    optional(
        "ca_file",
        "\"/etc/dynamo/csms-ca.pem\"",
        "Certificates are checked against this file instead of the system's roots.",
    ),
    optional(
        "external",
        "true",
        "This central system is not Dynamo's cloud: it alone authorises, commands and bills.",
    ),
    optional(
        "plain",
        "true",
        "Allows ws:// beyond this machine: passwords and tags travel readable.",
    ),
];

pub(super) const BUS: &[Key] = &[
    shown("name", "\"garage\"", "For messages; unique."),
    shown(
        "serial",
        "{ path = \"/dev/serial/by-id/usb-FTDI_example-if00-port0\", baud = 19200, parity = \"even\", stop_bits = 1 }",
        "An RS-485 line; its settings are those of the devices. framing = \"ascii\" if they speak Modbus ASCII. Or tcp, one of the two.",
    ),
    optional(
        "tcp",
        "{ host = \"192.0.2.10\", port = 502 }",
        "A device or an RTU gateway on Ethernet (Modbus TCP); framing = \"rtu\" for a converter that passes bytes through.",
    ),
    Key {
        name: "device",
        example: "",
        active: false,
        help: "",
    },
];

pub(super) const SERIAL: &[&str] = &["path", "baud", "parity", "stop_bits", "framing"];
pub(super) const TCP: &[&str] = &["host", "port", "framing"];
pub(super) const POINT_OCPP: &[&str] = &["url", "external", "password_file"];
pub(super) const FAILSAFE: &[&str] = &["current_a", "timeout_s"];

pub(super) const DEVICE: &[Key] = &[
    shown("id", "\"left\"", "Unique at this site; referred to below."),
    shown(
        "profile",
        "\"heidelberg-energy-control\"",
        "Model; `firmware-agent identify` finds it.",
    ),
    shown("unit", "1", "Modbus unit: 1 to 247, over TCP 0 to 255."),
    optional(
        "connector",
        "1",
        "Which connector of a device that has several; each is a device here.",
    ),
    optional(
        "poll_interval_ms",
        "500",
        "How often it is read, 100 to 60000.",
    ),
    optional(
        "words",
        "\"low_first\"",
        "Word order of this device, if not that of its profile; `firmware-agent scan` proves it.",
    ),
    optional(
        "failsafe",
        "{ current_a = 6, timeout_s = 60 }",
        "What it falls back to when it hears nothing for so long; left as it is unless set.",
    ),
];

pub(super) const CHARGE_POINT: &[Key] = &[
    shown("id", "\"CP-LEFT\"", "Unique in the cloud."),
    optional(
        "ocpp",
        "{ password_file = \"/etc/dynamo/ocpp-cp-left\" }",
        "Its password at the central system; url (and external), if its central system is another one.",
    ),
    Key {
        name: "connector",
        example: "",
        active: false,
        help: "",
    },
];

pub(super) const CONNECTOR: &[Key] = &[
    shown("id", "1", "From 1."),
    shown("type", "\"Type2\"", "Type2, Type1, CCS2 or CHAdeMO."),
    shown(
        "device",
        "\"left\"",
        "The charger that drives it; each drives one connector.",
    ),
    optional(
        "meter",
        "\"left-meter\"",
        "A meter of its own; then energy is read there.",
    ),
    shown(
        "max_current_a",
        "16",
        "Most that the installation allows (fuse, cable), per phase.",
    ),
    shown("phases", "3", "Phases it is wired to, 1 to 3."),
    shown(
        "authorization",
        "\"free\"",
        "free: whoever plugs in charges. required: only after a start order or a tag that may charge.",
    ),
    optional(
        "free_id_tag",
        "\"FREE\"",
        "Tag under which free sessions are recorded; no central system can turn it away.",
    ),
    optional(
        "billing_grade",
        "true",
        "Whether its energy may be billed from; true with a meter of its own, else false.",
    ),
];

pub(super) const METER: &[Key] = &[
    shown("device", "\"grid\"", "A device with a meter's profile."),
    shown(
        "role",
        "\"grid\"",
        "grid: at the grid connection; observed.",
    ),
];
