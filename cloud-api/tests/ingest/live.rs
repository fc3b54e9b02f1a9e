//! The live view: what REST will say, from facts and snapshots together; over the real broker too.

use std::time::Duration;

use cloud_api::{
    broker::{Broker, BrokerSettings, TlsFiles},
    gateway::CreatedGateway,
    ingest::{RunningIngest, Source, Transport},
};
use jiff::SignedDuration;
use rumqttc::{AsyncClient, Event, EventLoop, LastWill, MqttOptions, Packet, PublishOptions, QoS};
use site_model::ConnectorStatus;
use site_wire::{
    topics::Topics,
    v1::{Acknowledgement, FactBatch, GatewayState, VERSION},
};

use crate::world::*;

const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn announced_then_seen_then_charging_then_silent() {
    let mut world = World::new().await;
    let gateway = world.gateway.clone();
    world.facts(&whole_session()[..1]).await;
    let live = world.fleet.find(&cp("CP1")).unwrap();
    assert_eq!(live.organisation, world.organisation);
    assert!(!live.online);

    world.state_of(&gateway, true).await;
    world.snapshot(&snapshot(1, "Preparing", START, None)).await;
    let live = world.fleet.find(&cp("CP1")).unwrap();
    assert!(live.online);
    assert_eq!(live.firmware_version, "1.0.8");
    assert_eq!(live.last_heartbeat_at, Some(START.parse().unwrap()));
    assert_eq!(live.connectors[0].status, ConnectorStatus::Preparing);
    assert_eq!(live.connectors[0].observed_at, Some(START.parse().unwrap()));

    let view = snapshot(2, "Charging", START, Some(("sess_1", 250)));
    world.snapshot(&view).await;
    world.facts(&whole_session()[1..2]).await;
    let summary = world.summary();
    assert_eq!(
        (
            summary.online,
            summary.charging,
            summary.active_sessions,
            summary.energy_today_wh
        ),
        (1, 1, 1, 250)
    );
    world.clock.advance(SignedDuration::from_secs(120));
    world.fleet.sweep(world.clock.now());
    assert_eq!((world.summary().online, world.summary().offline), (0, 1));
    world.snapshot(&view).await;
    assert_eq!(world.summary().online, 1);
    world.state_of(&gateway, false).await;
    assert_eq!(world.summary().offline, 1);
}

#[tokio::test]
async fn energy_of_two_days_sums_up_to_the_meters_difference_also_when_the_clocks_change() {
    // Berlin: 25 October 2026 has 25 hours, from 24 October 22:00 to 25 October 23:00 UTC.
    let mut world = World::in_zone("Europe/Berlin").await;
    let back = ms(START) - ms("2026-10-24T21:59:00Z");
    world.clock.advance(SignedDuration::from_millis(-back));
    let first = [
        fact(1, "2026-10-24T21:00:00Z", announced("CP1")),
        fact(2, "2026-10-24T21:30:00Z", started("sess_1", "CP1", 1_000)),
        fact(3, "2026-10-24T21:45:00Z", read("sess_1", 2_000)),
    ];
    world.facts(&first).await;
    assert_eq!(world.summary().energy_today_wh, 1_000);
    let second = [
        fact(4, "2026-10-24T22:00:00Z", read("sess_1", 3_000)),
        fact(5, "2026-10-25T22:45:00Z", read("sess_1", 103_000)),
        fact(6, "2026-10-25T23:00:00Z", read("sess_1", 104_000)),
        fact(7, "2026-10-25T23:30:00Z", ended("sess_1", "CP1", 106_000)),
    ];
    world.facts(&second).await;
    let at = |world: &World, time: &str| {
        let now = time.parse().unwrap();
        world
            .fleet
            .summary(&world.organisation, now)
            .energy_today_wh
    };
    // On the 25th everything after its midnight counts, also what lies beyond `now`.
    let on_25th = at(&world, "2026-10-25T22:59:59Z");
    let on_26th = at(&world, "2026-10-25T23:30:00Z");
    let on_24th = 3_000 - 1_000;
    assert_eq!((on_25th, on_26th), (103_000, 2_000));
    assert_eq!(on_24th + (on_25th - on_26th) + on_26th, 106_000 - 1_000);
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let done = tokio::time::timeout(PATIENCE, wait).await;
    done.unwrap_or_else(|_| panic!("waited in vain until {what}"));
}

/// A gateway that speaks for itself over MQTT.
struct Speaker {
    topics: Topics,
    client: AsyncClient,
    events: EventLoop,
}

impl Speaker {
    fn new(created: &CreatedGateway, host: &str, port: u16) -> Self {
        let topics = Topics::of(&created.id);
        let will = LastWill::new(topics.state(), state(false), QoS::AtLeastOnce, true, None);
        let mut options = MqttOptions::new(created.id.as_str(), (host.to_owned(), port));
        options
            .set_credentials(created.id.as_str(), created.password.expose().clone())
            .set_outgoing_inflight_upper_limit(10)
            .set_last_will(will);
        let (client, events) = AsyncClient::builder(options).capacity(10).build();
        Self {
            topics,
            client,
            events,
        }
    }

    async fn say(&self, topic: String, body: Vec<u8>, retain: bool) {
        let options = PublishOptions::at_least_once().retain(retain);
        self.client.publish(topic, body, options).await.unwrap();
    }

    /// Comes online and tells a whole session and how the charge point looks after it.
    async fn tell_everything(&self) {
        let acknowledgement = self.topics.acknowledgement();
        let subscribed = self.client.subscribe(acknowledgement, QoS::AtLeastOnce);
        subscribed.await.unwrap();
        let batch = FactBatch {
            v: VERSION,
            journal_id: "j1".to_owned(),
            facts: whole_session(),
        };
        let view = snapshot(5, "Available", START, None);
        self.say(self.topics.state(), state(true), true).await;
        self.say(
            self.topics.facts(),
            serde_json::to_vec(&batch).unwrap(),
            false,
        )
        .await;
        self.say(
            self.topics.snapshot(&cp("CP1")),
            serde_json::to_vec(&view).unwrap(),
            true,
        )
        .await;
    }

    /// The first acknowledgement of stored facts.
    async fn acknowledged(&mut self) -> Acknowledgement {
        let wait = async {
            loop {
                if let Event::Incoming(Packet::Publish(publish)) = self.events.poll().await.unwrap()
                {
                    let told: Acknowledgement = serde_json::from_slice(&publish.payload).unwrap();
                    if told.sequence > 0 {
                        return told;
                    }
                }
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.unwrap()
    }
}

fn state(online: bool) -> Vec<u8> {
    serde_json::to_vec(&GatewayState {
        v: VERSION,
        online,
        boot: "0000000000000001".to_owned(),
        journal_id: "j1".to_owned(),
        software_version: "0.1.0".to_owned(),
        asks_for_sessions: false,
    })
    .unwrap()
}

/// A gateway speaks, is stored, acknowledged and shown; then it vanishes and is missed.
pub(crate) async fn speak_and_vanish(
    world: &World,
    created: &CreatedGateway,
    host: &str,
    port: u16,
) {
    let mut speaker = Speaker::new(created, host, port);
    speaker.tell_everything().await;
    assert_eq!(Some(speaker.acknowledged().await), acknowledgement(5));
    let mut events = speaker.events;
    let alive = tokio::spawn(async move { while events.poll().await.is_ok() {} });
    let is_online = |wanted: bool| {
        let found = world.fleet.find(&cp("CP1"));
        found.is_some_and(|live| live.online == wanted)
    };
    until("the charge point is online", || is_online(true)).await;
    alive.abort();
    until("its gateway is missed", || is_online(false)).await;
}

#[tokio::test]
async fn a_gateway_that_speaks_over_the_broker_is_stored_acknowledged_and_missed() {
    let world = World::new().await;
    let created = world.gateways.create(&world.site, "Real").await.unwrap();
    let settings = BrokerSettings {
        listen: "127.0.0.1:0".parse().unwrap(),
        tls: None,
    };
    let broker = Broker::start(settings, world.gateways.clone())
        .await
        .unwrap();
    let mut running =
        RunningIngest::start(world.another_ingest(), &broker.ingest_source()).unwrap();
    running.until_subscribed().await;
    let address = broker.address();
    speak_and_vanish(&world, &created, &address.ip().to_string(), address.port()).await;
    running.stop().await;
    broker.stop().await;
    assert_eq!(world.books().await, WHOLE_SESSION_BOOKS);
}

#[tokio::test]
async fn with_tls_gateways_speak_encrypted_and_plain_text_is_not_understood() {
    let _installed_before = rustls::crypto::ring::default_provider().install_default();
    let world = World::new().await;
    let folder = tempfile::tempdir().unwrap();
    let certified = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let files = TlsFiles {
        certificate: folder.path().join("certificate.pem"),
        key: folder.path().join("key.pem"),
    };
    std::fs::write(&files.certificate, certified.cert.pem()).unwrap();
    std::fs::write(&files.key, certified.signing_key.serialize_pem()).unwrap();
    let settings = BrokerSettings {
        listen: "127.0.0.1:0".parse().unwrap(),
        tls: Some(files.clone()),
    };
    let broker = Broker::start(settings, world.gateways.clone())
        .await
        .unwrap();
    let inside = broker.ingest_source();
    assert_ne!(inside.port, broker.address().port());
    // Over the public listener, as ingest does at somebody else's broker.
    let outside = Source {
        host: "localhost".to_owned(),
        port: broker.address().port(),
        transport: Transport::Tls {
            ca_file: Some(files.certificate),
        },
        ..inside.clone()
    };
    let mut running = RunningIngest::start(world.another_ingest(), &outside).unwrap();
    let subscribed = tokio::time::timeout(PATIENCE, running.until_subscribed());
    subscribed.await.unwrap();
    running.stop().await;

    let mut options = MqttOptions::new("x", ("127.0.0.1", broker.address().port()));
    options.set_outgoing_inflight_upper_limit(10);
    let (_client, mut events) = AsyncClient::builder(options).capacity(1).build();
    let plain = tokio::time::timeout(PATIENCE, events.poll()).await.unwrap();
    assert!(plain.is_err(), "plain text on a TLS port: {plain:?}");
    broker.stop().await;
}

#[tokio::test]
async fn a_late_last_will_does_not_keep_a_gateway_offline_that_speaks() {
    let mut world = World::new().await;
    let gateway = world.gateway.clone();
    world.facts(&whole_session()[..1]).await;
    world.state_of(&gateway, true).await;
    let view = snapshot(1, "Available", START, None);
    world.snapshot(&view).await;
    world.state_of(&gateway, false).await;
    let online = |world: &World| world.fleet.find(&cp("CP1")).unwrap().online;
    // What the broker kept from earlier proves nothing, what is said now does.
    world.retained_snapshot(&view).await;
    assert!(!online(&world));
    world.snapshot(&view).await;
    assert!(online(&world));
}

#[tokio::test]
async fn a_revoked_gateways_snapshots_show_nothing() {
    let mut world = World::new().await;
    let gateway = world.gateway.clone();
    world.facts(&whole_session()[..1]).await;
    world.gateways.revoke(&gateway).await.unwrap();
    world.clock.advance(SignedDuration::from_secs(10));
    world.snapshot(&snapshot(1, "Charging", START, None)).await;
    assert_eq!(world.summary().offline, 1);
}
