//! `cloud-api admin gateway …` and `cloud-api admin mosquitto`.

use std::net::SocketAddr;
use std::path::Path;

use clap::Subcommand;
use serde_json::{Value, json};
use site_model::GatewayId;

use crate::config::Mqtt;
use crate::gateway::{CreatedGateway, Gateway, Gateways};
use crate::id::SiteId;

use super::{Desk, Report, lines, site_id};

#[derive(Debug, Subcommand)]
pub(super) enum GatewayCommand {
    /// Create a gateway for a site; its password is shown this once.
    Create {
        /// Where it is.
        #[arg(long, value_parser = site_id)]
        site: SiteId,
        /// Its name.
        #[arg(long)]
        name: String,
    },
    /// Show all gateways, their charge points, and those they were refused.
    List,
    /// Refuse a gateway from now on. Its charge points may then move to another one.
    Revoke {
        /// Its id.
        #[arg(long, value_parser = gateway_id)]
        gateway: GatewayId,
    },
}

pub(super) async fn run(desk: &Desk, command: GatewayCommand) -> anyhow::Result<Report> {
    let gateways = gateways(desk);
    match command {
        GatewayCommand::Create { site, name } => {
            let made = gateways.create(&site, &name).await?;
            Ok(Report {
                text: created(&made, &desk.config.mqtt),
                json: json!({ "gateway_id": made.id.as_str(), "password": made.password.expose() }),
            })
        }
        GatewayCommand::List => {
            let all = gateways.list().await?;
            Ok(Report {
                text: lines(&all, "There is no gateway yet.", show),
                json: json!({ "gateways": all.iter().map(to_json).collect::<Vec<_>>() }),
            })
        }
        GatewayCommand::Revoke { gateway } => {
            gateways.revoke(&gateway).await?;
            Ok(Report {
                text: format!(
                    "Revoked the gateway {gateway}. With an external Mosquitto: run `cloud-api admin mosquitto` and reload it."
                ),
                json: json!({ "gateway_id": gateway.as_str() }),
            })
        }
    }
}

pub(super) async fn write_mosquitto_files(desk: &Desk, out: &Path) -> anyhow::Result<Report> {
    let files = gateways(desk).write_mosquitto_files(out).await?;
    let path = |path: &Path| path.display().to_string();
    Ok(Report {
        text: format!(
            "Wrote {}, {} and {} for {} gateways.\nInclude the last one in mosquitto.conf and reload Mosquitto (SIGHUP).\nOur own password there: mqtt.external.password_file = \"{}\" (user ingest).",
            files.passwords.display(),
            files.access.display(),
            files.configuration.display(),
            files.gateways,
            files.ingest_password.display(),
        ),
        json: json!({
            "password_file": path(&files.passwords),
            "acl_file": path(&files.access),
            "conf_file": path(&files.configuration),
            "ingest_password_file": path(&files.ingest_password),
            "gateways": files.gateways,
        }),
    })
}

fn gateways(desk: &Desk) -> Gateways {
    Gateways::new(desk.db.clone(), desk.secrets.clone(), desk.clock.clone())
}

/// With the two blocks that the site controller's configuration begins with.
fn created(made: &CreatedGateway, mqtt: &Mqtt) -> String {
    let CreatedGateway { id, password } = made;
    let (host, port, tls) = match mqtt {
        Mqtt::Embedded(broker) => (
            reachable(broker.listen),
            broker.listen.port(),
            broker.tls.is_some(),
        ),
        Mqtt::External(broker) => (broker.host.clone(), broker.port, broker.tls),
    };
    let unknown_port = if port == 0 {
        " (with the port that the server prints)"
    } else {
        ""
    };
    format!(
        r#"Created the gateway {id}. Its password is shown this once.
For the site controller's configuration{unknown_port}:

[gateway]
id = "{id}"
data_dir = "/var/lib/dynamo"
socket = "/run/dynamo/site-controller.sock"

[mqtt]
host = "{host}"
port = {port}
tls = {tls}
username = "{id}"
password = "{}"
"#,
        password.expose()
    )
}

/// A broker that listens on every address is reached by a name that only its operator knows.
fn reachable(listen: SocketAddr) -> String {
    if listen.ip().is_unspecified() {
        return "NAME-OF-THIS-SERVER".to_owned();
    }
    listen.ip().to_string()
}

fn show(gateway: &Gateway) -> String {
    let Gateway {
        id,
        name,
        site,
        charge_points,
        refused,
        revoked_at,
        ..
    } = gateway;
    let revoked = revoked_at.map_or_else(String::new, |at| format!(", revoked at {at}"));
    let own = if charge_points.is_empty() {
        "none yet".to_owned()
    } else {
        charge_points.join(" ")
    };
    let mut text = format!("{id}  {name} ({site}{revoked})\n  charge points: {own}");
    for refused in refused {
        text.push_str(&format!(
            "\n  refused {}: {}",
            refused.charge_point, refused.reason
        ));
    }
    text
}

fn to_json(gateway: &Gateway) -> Value {
    let refused = gateway.refused.iter().map(|refused| {
        json!({
            "charge_point_id": refused.charge_point,
            "reason": refused.reason,
            "at": refused.at.to_string(),
        })
    });
    json!({
        "gateway_id": gateway.id.as_str(),
        "name": gateway.name,
        "site_id": gateway.site.as_str(),
        "organisation_id": gateway.organisation.as_str(),
        "created_at": gateway.created_at.to_string(),
        "revoked_at": gateway.revoked_at.map(|at| at.to_string()),
        "charge_points": gateway.charge_points,
        "refused_charge_points": refused.collect::<Vec<_>>(),
    })
}

fn gateway_id(text: &str) -> Result<GatewayId, String> {
    GatewayId::new(text).map_err(|error| error.to_string())
}
