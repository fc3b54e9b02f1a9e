//! The way up encrypted: gateway and cloud at a Mosquitto that speaks TLS, with a certificate that is
//! checked, and a gateway that trusts the wrong one until it is mended.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use demo::{Binaries, Cloud, CloudOptions, Gateway, MqttLink, SimulatedSite, until};
use simulator::Ev;

use crate::peers::Mosquitto;
use scenarios::{free_port, stored_sessions};

/// A fresh certificate for 127.0.0.1 and its key, as `NAME.pem` and `NAME.key`.
pub(crate) fn certificate(folder: &Path, name: &str) -> anyhow::Result<()> {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
    std::fs::write(folder.join(format!("{name}.pem")), made.cert.pem())?;
    std::fs::write(
        folder.join(format!("{name}.key")),
        made.signing_key.serialize_pem(),
    )?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_tls_only_the_right_broker_is_trusted_and_a_session_arrives_whole()
-> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let shown = folder.path().display();
    certificate(folder.path(), "broker")?;
    certificate(folder.path(), "stranger")?;
    let binaries = Binaries::beside_this_program()?;
    let cloud_folder = folder.path().join("cloud");
    let mut cloud = Cloud::start(&binaries, &cloud_folder, CloudOptions::default()).await?;
    let tenant = cloud.tenant("Encrypted", 1_000_000)?;
    let enrolled = cloud.enrol(&tenant.site_id)?;
    let access = folder.path().join("access");
    let written = cloud.admin_output(&["mosquitto", "--out", &access.display().to_string()])?;
    ensure!(
        written.status.success(),
        "{}",
        String::from_utf8_lossy(&written.stderr)
    );
    cloud.process.terminate().await?;
    // The listener's own options follow it in the file, before the access rules.
    let snippet = std::fs::read_to_string(access.join("mosquitto.conf"))?;
    std::fs::write(
        access.join("mosquitto.conf"),
        format!("certfile {shown}/broker.pem\nkeyfile {shown}/broker.key\n{snippet}"),
    )?;
    let broker = Mosquitto::start(&folder.path().join("broker"), &access, free_port()?)?;

    let options = CloudOptions {
        external_broker: Some(format!(
            "external = {{ host = \"127.0.0.1\", port = {}, username = \"ingest\", password_file = \"{}/ingest.password\", \
             tls = true, ca_file = \"{shown}/broker.pem\" }}",
            broker.port,
            access.display()
        )),
        ..CloudOptions::default()
    };
    let cloud = Cloud::start(&binaries, &cloud_folder, options).await?;
    let site = SimulatedSite::start(43).await?;
    let gateway_folder = folder.path().join("gateway");
    let link = MqttLink { port: broker.port };
    Gateway::configure(&gateway_folder, &enrolled, link, &site.configuration())?;
    let trusted = gateway_folder.join("trusted.pem");
    std::fs::copy(folder.path().join("stranger.pem"), &trusted)?;
    let config = gateway_folder.join("site-controller.toml");
    let text = std::fs::read_to_string(&config)?;
    std::fs::write(
        &config,
        text.replacen("[mqtt]\n", "[mqtt]\nca_file = \"trusted.pem\"\n", 1),
    )?;

    let gateway = Gateway::start(&binaries, &gateway_folder).await?;
    let refused = format!("127.0.0.1:{}: no trusted TLS connection (", broker.port);
    let status = gateway
        .status_when(
            Duration::from_secs(20),
            "the strange certificate is refused",
            |status| {
                let error = status["cloud"]["last_error"].as_str();
                error.is_some_and(|error| error.starts_with(&refused))
            },
        )
        .await
        .with_context(|| gateway.process.last_words())?;
    ensure!(status["cloud"]["connected_since_ms"].is_null(), "{status}");
    ensure!(
        !broker.process.printed().contains(&enrolled.gateway_id),
        "the password went to a broker that was not trusted"
    );

    // The file is read at every attempt: mending it needs no restart.
    std::fs::copy(folder.path().join("broker.pem"), &trusted)?;
    let api = cloud.api(&tenant.key)?;
    // Well before the snapshots are refreshed: they wait for nothing but the facts that register them.
    until(
        Duration::from_secs(30),
        "every charge point is online over TLS",
        async || Ok((api.summary().await?["online"] == 4).then_some(())),
    )
    .await
    .with_context(|| {
        format!(
            "{}\n{}",
            gateway.process.last_words(),
            cloud.process.last_words()
        )
    })?;

    let left = site.connector("CP-LEFT")?;
    left.charger.plug_in(Ev {
        ready_after_ms: 300,
        ..Ev::three_phase_11_kw()
    });
    let says = async |wanted: &str| {
        until(
            Duration::from_secs(15),
            &format!("REST says {wanted}"),
            async || {
                let status = api.status("CP-LEFT").await?;
                Ok((status["connectors"][0]["status"] == wanted).then_some(()))
            },
        )
        .await
    };
    says("Charging").await?;
    left.charger.unplug();
    says("Available").await?;
    let energy = until(
        Duration::from_secs(10),
        "the cloud has the session's end",
        async || {
            let sessions = stored_sessions(&cloud)?;
            ensure!(sessions.len() == 1, "{sessions:?}");
            Ok(sessions[0].energy_wh())
        },
    )
    .await?;
    let delivered = scenarios::meter_wh(left);
    let start = stored_sessions(&cloud)?[0].meter_start_wh;
    ensure!(
        u64::try_from(start)? + energy == delivered,
        "session of {energy} Wh from {start} Wh, meter at {delivered} Wh"
    );
    Ok(())
}
