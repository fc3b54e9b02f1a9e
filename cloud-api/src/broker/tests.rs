//! The door, seen from outside with an independent client (rumqttc).
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "of a foreign library's packets a test wants one"
)]

use std::time::Duration;

use rumqttc::{
    AsyncClient, ConnectReturnCode, ConnectionError, Event, EventLoop, LastWill, MqttOptions,
    Packet, PubAckReason, PublishOptions, QoS, SubscribeReasonCode,
};
use site_model::ChargePointId;
use site_wire::topics::Topics;

use super::*;
use crate::{
    clock::Clock,
    db::Db,
    gateway::CreatedGateway,
    organisation::{NewOrganisation, Organisations, Plan, Tier},
    secret::ServerSecrets,
    site::{NewSite, Sites},
};

const PATIENCE: Duration = Duration::from_secs(10);

struct Fixture {
    _dir: tempfile::TempDir,
    gateways: Gateways,
    broker: Broker,
    one: CreatedGateway,
    other: CreatedGateway,
}

async fn fixture() -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let db = Db::open(&dir.path().join("cloud.sqlite")).unwrap();
    let organisation = Organisations::new(db.clone(), Clock::system())
        .create(NewOrganisation {
            name: "Acme".to_owned(),
            plan: Plan::new(Tier::Free, None).unwrap(),
            time_zone: "UTC".to_owned(),
            sandbox: false,
        })
        .await
        .unwrap();
    let site = Sites::new(db.clone(), Clock::system())
        .create(NewSite {
            organisation,
            name: "Depot".to_owned(),
            address: None,
            max_power_w: 44_000,
        })
        .await
        .unwrap();
    let secrets = ServerSecrets::load_or_create(dir.path()).unwrap();
    let gateways = Gateways::new(db, secrets, Clock::system());
    let one = gateways.create(&site, "One").await.unwrap();
    let other = gateways.create(&site, "Other").await.unwrap();
    let settings = BrokerSettings {
        listen: "127.0.0.1:0".parse().unwrap(),
        tls: None,
    };
    let broker = Broker::start(settings, gateways.clone()).await.unwrap();
    Fixture {
        _dir: dir,
        gateways,
        broker,
        one,
        other,
    }
}

impl Fixture {
    fn options(&self, client_id: &str) -> MqttOptions {
        let address = self.broker.address();
        let mut options = MqttOptions::new(client_id, (address.ip().to_string(), address.port()));
        options
            .set_keep_alive(5)
            .set_outgoing_inflight_upper_limit(10);
        options
    }

    fn options_of(&self, gateway: &CreatedGateway) -> MqttOptions {
        let mut options = self.options(gateway.id.as_str());
        options.set_credentials(gateway.id.as_str(), gateway.password.expose().clone());
        options
    }

    fn ingest_options(&self) -> MqttOptions {
        let source = self.broker.ingest_source();
        let mut options = self.options(&source.client_id);
        options.set_credentials(source.username, source.password.expose().clone());
        options
    }
}

struct Client {
    client: AsyncClient,
    events: EventLoop,
}

impl Client {
    fn new(options: MqttOptions) -> Self {
        let (client, events) = AsyncClient::builder(options).capacity(10).build();
        Self { client, events }
    }

    async fn connected(options: MqttOptions) -> Self {
        let mut client = Self::new(options);
        client
            .packet(|packet| matches!(packet, Packet::ConnAck(_)).then_some(()))
            .await;
        client
    }

    /// The first packet that `wanted` recognises.
    async fn packet<T>(&mut self, wanted: impl Fn(Packet) -> Option<T>) -> T {
        tokio::time::timeout(PATIENCE, async {
            loop {
                if let Event::Incoming(packet) = self.events.poll().await.unwrap()
                    && let Some(found) = wanted(packet)
                {
                    return found;
                }
            }
        })
        .await
        .expect("the packet comes")
    }

    async fn subscribe(&mut self, filter: &str) -> SubscribeReasonCode {
        self.client
            .subscribe(filter, QoS::AtLeastOnce)
            .await
            .unwrap();
        self.packet(|packet| match packet {
            Packet::SubAck(answer) => Some(answer.return_codes[0]),
            _ => None,
        })
        .await
    }

    async fn publish(&mut self, topic: &str, retain: bool) -> PubAckReason {
        let options = PublishOptions::at_least_once().retain(retain);
        self.client.publish(topic, "body", options).await.unwrap();
        self.packet(|packet| match packet {
            Packet::PubAck(answer) => Some(answer.reason),
            _ => None,
        })
        .await
    }

    async fn message(&mut self) -> (String, Vec<u8>) {
        self.packet(|packet| match packet {
            Packet::Publish(publish) => Some((
                String::from_utf8(publish.topic.to_vec()).unwrap(),
                publish.payload.to_vec(),
            )),
            _ => None,
        })
        .await
    }
}

/// With what the broker refuses a connection.
async fn refusal(options: MqttOptions) -> ConnectReturnCode {
    let mut client = Client::new(options);
    let error = tokio::time::timeout(PATIENCE, client.events.poll())
        .await
        .expect("the refusal comes")
        .expect_err("the connection is refused");
    match error {
        ConnectionError::ConnectionRefused(code) => code,
        other => panic!("refused without a code: {other}"),
    }
}

#[tokio::test]
async fn strangers_are_refused_with_the_reason() {
    let f = fixture().await;
    let nobody = f.options("x");
    assert_eq!(refusal(nobody).await, ConnectReturnCode::NotAuthorized);

    for (user, password) in [
        (f.one.id.as_str(), "wrong"),
        (f.one.id.as_str(), f.other.password.expose().as_str()),
        ("gw_unknown", f.one.password.expose().as_str()),
        ("ingest", f.one.password.expose().as_str()),
        ("../../etc", "x"),
    ] {
        let mut options = f.options(f.one.id.as_str());
        options.set_credentials(user, password.to_owned());
        assert_eq!(
            refusal(options).await,
            ConnectReturnCode::BadUserNamePassword,
            "{user}"
        );
    }
    f.broker.stop().await;
}

#[tokio::test]
async fn nobody_takes_over_another_gateways_client_id_or_speaks_its_last_will() {
    let f = fixture().await;
    let mut options = f.options_of(&f.one);
    options.set_client_id(f.other.id.to_string());
    assert_eq!(
        refusal(options).await,
        ConnectReturnCode::ClientIdentifierNotValid
    );
    let mut options = f.options_of(&f.one);
    let foreign = Topics::of(&f.other.id).state();
    options.set_last_will(LastWill::new(foreign, "gone", QoS::AtLeastOnce, true, None));
    assert_eq!(refusal(options).await, ConnectReturnCode::NotAuthorized);
    let mut options = f.options_of(&f.one);
    options.set_client_id(format!("{}-laptop", f.one.id));
    Client::connected(options).await;
    f.broker.stop().await;
}

#[tokio::test]
async fn a_gateway_publishes_on_its_own_topics_only() {
    let f = fixture().await;
    let mut client = Client::connected(f.options_of(&f.one)).await;
    let cp = ChargePointId::new("CP1").unwrap();
    let (own, foreign) = (Topics::of(&f.one.id), Topics::of(&f.other.id));
    for topic in [own.facts(), own.state(), own.snapshot(&cp)] {
        let reason = client.publish(&topic, false).await;
        let taken = [PubAckReason::Success, PubAckReason::NoMatchingSubscribers];
        assert!(taken.contains(&reason), "{topic}: {reason:?}");
    }
    for topic in [
        foreign.facts(),
        foreign.state(),
        foreign.snapshot(&cp),
        own.acknowledgement(),
        own.facts().replace("dynamo/v1", "dynamo/v2"),
        "anything".to_owned(),
    ] {
        let reason = client.publish(&topic, false).await;
        assert_eq!(reason, PubAckReason::NotAuthorized, "{topic}");
    }
    f.broker.stop().await;
}

#[tokio::test]
async fn a_gateway_reads_its_own_acknowledgement_only() {
    let f = fixture().await;
    let mut client = Client::connected(f.options_of(&f.one)).await;
    let (own, foreign) = (Topics::of(&f.one.id), Topics::of(&f.other.id));
    assert_eq!(
        client.subscribe(&own.acknowledgement()).await,
        SubscribeReasonCode::Success(QoS::AtLeastOnce)
    );
    for filter in [
        foreign.acknowledgement(),
        "#".to_owned(),
        "dynamo/#".to_owned(),
        "dynamo/v1/+/+/ack".to_owned(),
        own.facts(),
        format!("{}/#", own.acknowledgement()),
    ] {
        let code = client.subscribe(&filter).await;
        assert_eq!(code, SubscribeReasonCode::NotAuthorized, "{filter}");
    }
    f.broker.stop().await;
}

#[tokio::test]
async fn ingest_reads_all_and_writes_acknowledgements_only() {
    let f = fixture().await;
    let mut ingest = Client::connected(f.ingest_options()).await;
    assert_eq!(
        ingest.subscribe("dynamo/v1/+/+/facts").await,
        SubscribeReasonCode::Success(QoS::AtLeastOnce)
    );
    assert_eq!(
        ingest.subscribe("#").await,
        SubscribeReasonCode::NotAuthorized
    );
    let topics = Topics::of(&f.one.id);
    assert_eq!(
        ingest.publish(&topics.facts(), false).await,
        PubAckReason::NotAuthorized
    );
    ingest.publish(&topics.acknowledgement(), true).await;

    let mut gateway = Client::connected(f.options_of(&f.one)).await;
    gateway.subscribe(&topics.acknowledgement()).await;
    let retained = (topics.acknowledgement(), b"body".to_vec());
    assert_eq!(gateway.message().await, retained);

    gateway.publish(&topics.facts(), false).await;
    assert_eq!(ingest.message().await, (topics.facts(), b"body".to_vec()));
    f.broker.stop().await;
}

#[tokio::test]
async fn the_last_will_comes_when_a_gateway_vanishes_and_not_when_it_says_goodbye() {
    let f = fixture().await;
    let mut ingest = Client::connected(f.ingest_options()).await;
    ingest.subscribe("dynamo/v1/+/+/state").await;
    let with_will = |gateway: &CreatedGateway| {
        let topic = Topics::of(&gateway.id).state();
        let mut options = f.options_of(gateway);
        options.set_last_will(LastWill::new(topic, "gone", QoS::AtLeastOnce, true, None));
        options
    };
    let polite = Client::connected(with_will(&f.one)).await;
    let Client { client, mut events } = polite;
    client.disconnect().await.unwrap();
    while events.poll().await.is_ok() {}
    let vanished = Client::connected(with_will(&f.other)).await;
    drop(vanished);
    // The first will to come is the one of the gateway that vanished.
    assert_eq!(
        ingest.message().await,
        (Topics::of(&f.other.id).state(), b"gone".to_vec())
    );
    f.broker.stop().await;
}

#[tokio::test]
async fn a_revoked_gateway_is_cut_off_and_stays_out() {
    let f = fixture().await;
    let mut client = Client::connected(f.options_of(&f.one)).await;
    f.gateways.revoke(&f.one.id).await.unwrap();
    let cut_off = async { while client.events.poll().await.is_ok() {} };
    tokio::time::timeout(PATIENCE, cut_off)
        .await
        .expect("the connection ends within seconds");
    assert_eq!(
        refusal(f.options_of(&f.one)).await,
        ConnectReturnCode::BadUserNamePassword
    );
    f.broker.stop().await;
}

#[tokio::test]
async fn a_taken_port_is_an_error_with_its_address() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap();
    let f = fixture().await;
    let settings = BrokerSettings {
        listen: address,
        tls: None,
    };
    let error = Broker::start(settings, f.gateways.clone())
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("cannot listen on {address}: Address already in use (os error 98)")
    );
    f.broker.stop().await;
}

#[tokio::test]
async fn the_port_is_free_again_after_stop() {
    let f = fixture().await;
    let address = f.broker.address();
    let _client = Client::connected(f.options_of(&f.one)).await;
    f.broker.stop().await;
    tokio::net::TcpListener::bind(address).await.unwrap();
}
