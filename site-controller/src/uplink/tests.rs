//! The uplink against a broker of a few lines, spelled out in bytes (MQTT 5), with the cloud behind it.

mod by_hand;

use std::time::Duration;

use site_model::{
    BootId, Change, ChargePointId, ConnectorId, ConnectorStatus, Fact, Monotonic, Timestamp,
    WallTime,
};
use site_wire::topics::Topics;
use site_wire::v1::{Acknowledgement, FactBatch, GatewayState, SnapshotConnector, VERSION};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::*;
use crate::secret::Secret;
use crate::store::{Opened, Options, StoreEvent};

const SOON: Duration = Duration::from_secs(20);

#[tokio::test]
async fn it_says_hello_shows_the_live_view_and_sends_facts_only_after_the_clouds_word() {
    let mut world = World::new(5).await;
    let uplink = world.start();
    uplink.publish(&cp(), &snapshot(1));
    let mut cloud = world.accept().await;
    assert_eq!(cloud.will(), state(&world, false));

    assert_eq!(cloud.state().await, (true, state(&world, true)));
    let (topic, retained, payload) = cloud.publish().await;
    assert_eq!((topic, retained), (world.topics.snapshot(&cp()), true));
    assert_eq!(
        serde_json::from_slice::<Snapshot>(&payload).unwrap(),
        snapshot(1)
    );
    assert_eq!(uplink.status().facts_waiting, 5);

    cloud.acknowledge(&world, 2, vec![]).await;
    assert_eq!(cloud.facts().await, vec![3, 4, 5]);
    cloud.acknowledge(&world, 5, vec![]).await;
    until(|| uplink.status().facts_waiting == 0).await;
    assert!(uplink.status().connected_since.is_some());
    world.stop(&mut cloud).await;
}

#[tokio::test]
async fn the_live_view_is_shown_again_once_the_cloud_has_the_backlog_that_explains_it() {
    let mut world = World::new(5).await;
    let uplink = world.start();
    uplink.publish(&cp(), &snapshot(1));
    let mut cloud = world.accept().await;
    cloud.state().await;
    assert_eq!(cloud.publish().await.0, world.topics.snapshot(&cp()));
    cloud.acknowledge(&world, 0, vec![]).await;
    assert_eq!(cloud.facts().await, vec![1, 2, 3, 4, 5]);
    cloud.acknowledge(&world, 4, vec![]).await;
    until(|| uplink.status().facts_waiting == 1).await;
    cloud.acknowledge(&world, 5, vec![]).await;
    let (topic, retained, payload) = cloud.publish().await;
    assert_eq!((topic, retained), (world.topics.snapshot(&cp()), true));
    assert_eq!(
        serde_json::from_slice::<Snapshot>(&payload).unwrap(),
        snapshot(1)
    );
    world.stop(&mut cloud).await;
}

#[tokio::test]
async fn the_mark_moves_on_the_clouds_word_even_backwards_and_is_kept() {
    let mut world = World::new(4).await;
    let uplink = world.start();
    let mut cloud = world.accept().await;
    cloud.state().await;
    cloud.acknowledge(&world, 3, vec![]).await;
    assert_eq!(cloud.facts().await, vec![4]);
    // Restored from a backup: it knows less than it said.
    cloud.acknowledge(&world, 1, vec![]).await;
    assert_eq!(cloud.facts().await, vec![2, 3, 4]);
    // Words about another journal are not ours.
    cloud.acknowledge_journal("j_other", &world, 4).await;
    cloud.acknowledge(&world, 2, vec![]).await;
    until(|| uplink.status().facts_waiting == 2).await;
    world.stop(&mut cloud).await;
    assert_eq!(world.reopen().await.found.mark, 2);
}

#[tokio::test]
async fn after_a_break_it_comes_back_and_begins_at_the_mark() {
    let mut world = World::new(3).await;
    let uplink = world.start();
    uplink.publish(&cp(), &snapshot(1));
    let mut cloud = world.accept().await;
    cloud.state().await;
    cloud.publish().await;
    cloud.acknowledge(&world, 1, vec![]).await;
    assert_eq!(cloud.facts().await, vec![2, 3]);
    drop(cloud);

    let mut cloud = world.accept().await;
    until(|| uplink.status().last_error.is_none()).await;
    cloud.state().await;
    uplink.publish(&cp(), &snapshot(2));
    let (topic, _, _) = cloud.publish().await;
    assert_eq!(
        topic,
        world.topics.snapshot(&cp()),
        "the live view comes first"
    );
    cloud.acknowledge(&world, 1, vec![]).await;
    assert_eq!(cloud.next_facts().await, vec![2, 3]);
    world.stop(&mut cloud).await;
}

#[tokio::test]
async fn facts_that_arrive_while_connected_follow_at_once() {
    let mut world = World::new(1).await;
    let uplink = world.start();
    let mut cloud = world.accept().await;
    cloud.state().await;
    cloud.acknowledge(&world, 1, vec![]).await;
    world.append(2).await;
    uplink.committed(3);
    assert_eq!(cloud.facts().await, vec![2, 3]);
    world.stop(&mut cloud).await;
}

#[tokio::test]
async fn a_backlog_travels_in_batches_of_two_hundred_and_no_more_than_eight_at_once() {
    let mut world = World::new(2_000).await;
    let uplink = world.start();
    let mut cloud = world.accept().await;
    cloud.state().await;
    cloud.acknowledge(&world, 0, vec![]).await;
    for batch in 0..8_u64 {
        let facts = cloud.facts().await;
        assert_eq!((facts[0], facts.len()), (batch * 200 + 1, 200));
    }
    // Live state does not wait behind the backlog.
    uplink.publish(&cp(), &snapshot(1));
    assert_eq!(cloud.publish().await.0, world.topics.snapshot(&cp()));
    cloud.acknowledge(&world, 400, vec![]).await;
    assert_eq!(cloud.facts().await[0], 1_601);
    assert_eq!(cloud.facts().await[0], 1_801);
    world.stop(&mut cloud).await;
}

#[tokio::test]
async fn refused_charge_points_are_shown() {
    let mut world = World::new(1).await;
    let uplink = world.start();
    let mut cloud = world.accept().await;
    cloud.state().await;
    let refused: Vec<_> = (1..=200)
        .map(|number| RefusedChargePoint {
            charge_point_id: format!("CP-{number}"),
            reason: "It belongs to another organisation.".into(),
        })
        .collect();
    cloud.acknowledge(&world, 1, refused.clone()).await;
    until(|| uplink.status().refused == refused).await;
    world.stop(&mut cloud).await;
}

#[tokio::test]
async fn of_an_old_copy_nothing_is_told_and_a_new_journal_is_asked_for() {
    let ends_early = (
        9,
        None,
        "the cloud already has facts up to 9, more than this journal",
    );
    let other_boot = Some(BootId(8).to_string());
    let written_on = (
        4,
        other_boot,
        "the cloud has another fact 4 than this journal",
    );
    for (sequence, boot, problem) in [ends_early, written_on] {
        let mut world = World::new(5).await;
        let uplink = world.start();
        let mut cloud = world.accept().await;
        cloud.state().await;
        let journal = world.opened().found.journal.to_string();
        let mut told = Acknowledgement {
            boot,
            ..word(journal, sequence, vec![])
        };
        cloud.say(&world, &told).await;
        assert_eq!(
            cloud.state().await,
            (true, state_asking(&world, true, true))
        );
        let error = uplink.status().last_error.unwrap();
        assert!(error.starts_with(problem), "{error}");
        // What was said before it asked is no answer.
        cloud.say(&world, &told).await;
        told.sessions = Some(vec![]);
        cloud.say(&world, &told).await;
        let event = world.opened.as_mut().unwrap().events.recv();
        let event = timeout(SOON, event).await.unwrap().unwrap();
        assert_eq!(event, StoreEvent::Superseded { problem: error });
        world.stop(&mut cloud).await;
        let again = world.reopen().await.found;
        assert_eq!(
            (again.journal.as_str() == told.journal_id, again.mark),
            (false, 0)
        );
    }
}

#[tokio::test]
async fn the_clouds_word_is_taken_when_its_fact_is_the_journals_own() {
    let mut world = World::new(5).await;
    let uplink = world.start();
    let mut cloud = world.accept().await;
    cloud.state().await;
    let journal = world.opened().found.journal.to_string();
    let told = Acknowledgement {
        boot: Some(BootId(7).to_string()),
        ..word(journal, 3, vec![])
    };
    cloud.say(&world, &told).await;
    assert_eq!(cloud.facts().await, vec![4, 5]);
    assert_eq!(uplink.status().facts_waiting, 2);
    world.stop(&mut cloud).await;
}

#[tokio::test]
async fn refused_credentials_are_explained() {
    let mut world = World::new(0).await;
    world.refuse = true;
    let uplink = world.start();
    let _closed = timeout(SOON, Cloud::accept(&world.listener, true))
        .await
        .unwrap();
    until(|| uplink.status().last_error.is_some()).await;
    assert_eq!(
        uplink.status().last_error.unwrap(),
        format!(
            "127.0.0.1:{} refuses `gw_1` (BadUserNamePassword): check mqtt.username and mqtt.password, or create the \
             gateway anew in the cloud (`cloud-api admin gateway create`)",
            world.port
        )
    );
}

struct World {
    dir: TempDir,
    opened: Option<Opened>,
    listener: TcpListener,
    port: u16,
    topics: Topics,
    stop: CancellationToken,
    task: Option<JoinHandle<()>>,
    refuse: bool,
}

impl World {
    async fn new(facts: usize) -> Self {
        let dir = TempDir::new().unwrap();
        let mut opened =
            Store::open(dir.path(), crate::store::at_start(), Options::default()).unwrap();
        if facts > 0 {
            opened
                .store
                .append((0..facts).map(|_| fact()).collect(), None);
            opened.events.recv().await.unwrap();
            opened.found.last_sequence = u64::try_from(facts).unwrap();
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self {
            dir,
            port: listener.local_addr().unwrap().port(),
            opened: Some(opened),
            listener,
            topics: Topics::of(&gateway()),
            stop: CancellationToken::new(),
            task: None,
            refuse: false,
        }
    }

    fn opened(&self) -> &Opened {
        self.opened.as_ref().unwrap()
    }

    fn config(&self, mark: u64) -> UplinkConfig {
        UplinkConfig {
            gateway: gateway(),
            boot: BootId(7),
            journal: self.opened().found.journal.clone(),
            last_sequence: self.opened().found.last_sequence,
            mark,
            broker: BrokerConfig {
                host: "127.0.0.1".into(),
                port: self.port,
                username: "gw_1".into(),
                password: Secret::new("secret"),
                tls: Tls::Off,
            },
        }
    }

    fn start(&mut self) -> Uplink {
        let config = self.config(0);
        let clock = Clock::system(BootId(7));
        let store = self.opened().store.clone();
        let (uplink, task) = Uplink::spawn(config, store, clock, self.stop.clone());
        self.task = Some(task);
        uplink
    }

    async fn accept(&self) -> Cloud {
        timeout(SOON, Cloud::accept(&self.listener, self.refuse))
            .await
            .expect("it connects")
    }

    async fn append(&mut self, facts: usize) {
        let opened = self.opened.as_mut().unwrap();
        opened
            .store
            .append((0..facts).map(|_| fact()).collect(), None);
        opened.events.recv().await.unwrap();
    }

    /// The goodbye: offline, retained, then DISCONNECT.
    async fn stop(&mut self, cloud: &mut Cloud) {
        self.stop.cancel();
        loop {
            let (topic, retained, payload) = cloud.publish().await;
            if topic == self.topics.state() {
                assert_eq!((retained, payload), (true, state(self, false)));
                break;
            }
        }
        assert_eq!(cloud.packet().await.0 >> 4, 14, "DISCONNECT");
        timeout(SOON, self.task.take().unwrap())
            .await
            .expect("it ends")
            .unwrap();
    }

    async fn reopen(&mut self) -> Opened {
        self.opened.take().unwrap().store.close().await;
        Store::open(
            self.dir.path(),
            crate::store::at_start(),
            Options::default(),
        )
        .unwrap()
    }
}

/// One connection, seen from the broker.
struct Cloud {
    stream: TcpStream,
    connect: Vec<u8>,
}

impl Cloud {
    async fn accept(listener: &TcpListener, refuse: bool) -> Self {
        let (stream, _) = listener.accept().await.unwrap();
        let connect = Vec::new();
        let mut cloud = Self { stream, connect };
        let (kind, connect) = cloud.packet().await;
        assert_eq!(kind >> 4, 1, "CONNECT");
        cloud.connect = connect;
        let reason = if refuse { 0x86 } else { 0 };
        cloud.write(&[0x20, 3, 0, reason, 0]).await;
        if !refuse {
            let (kind, subscribe) = cloud.packet().await;
            assert_eq!(kind >> 4, 8, "SUBSCRIBE");
            cloud
                .write(&[0x90, 4, subscribe[0], subscribe[1], 0, 1])
                .await;
        }
        cloud
    }

    /// The JSON of the will inside CONNECT.
    fn will(&self) -> Vec<u8> {
        let text = String::from_utf8_lossy(&self.connect);
        let begin = text.find("{\"v\"").unwrap();
        let end = text.find('}').unwrap();
        text[begin..=end].as_bytes().to_vec()
    }

    async fn packet(&mut self) -> (u8, Vec<u8>) {
        timeout(SOON, self.read_packet())
            .await
            .expect("a packet arrives")
    }

    async fn read_packet(&mut self) -> (u8, Vec<u8>) {
        let kind = self.stream.read_u8().await.unwrap();
        let mut length = 0;
        for shift in [0, 7, 14, 21] {
            let byte = self.stream.read_u8().await.unwrap();
            length |= usize::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await.unwrap();
        (kind, body)
    }

    /// The next PUBLISH, acknowledged: topic, retain flag, payload.
    async fn publish(&mut self) -> (String, bool, Vec<u8>) {
        let (kind, body) = self.packet().await;
        assert_eq!(kind >> 4, 3, "PUBLISH");
        assert_eq!(kind & 0b110, 0b010, "QoS 1");
        let topic_length = usize::from(u16::from_be_bytes([body[0], body[1]]));
        let (topic, rest) = body[2..].split_at(topic_length);
        self.write(&[0x40, 2, rest[0], rest[1]]).await;
        assert_eq!(rest[2], 0, "no properties");
        let topic = String::from_utf8(topic.to_vec()).unwrap();
        (topic, kind & 1 == 1, rest[3..].to_vec())
    }

    async fn state(&mut self) -> (bool, Vec<u8>) {
        let (topic, retained, payload) = self.publish().await;
        assert!(topic.ends_with("/state"), "{topic}");
        (retained, payload)
    }

    async fn facts(&mut self) -> Vec<u64> {
        let (topic, retained, payload) = self.publish().await;
        assert!(topic.ends_with("/facts") && !retained, "{topic}");
        let batch: FactBatch = serde_json::from_slice(&payload).unwrap();
        batch.facts.iter().map(|fact| fact.sequence).collect()
    }

    /// Like [`Self::facts`], past snapshots.
    async fn next_facts(&mut self) -> Vec<u64> {
        loop {
            let (topic, _, payload) = self.publish().await;
            if topic.ends_with("/facts") {
                let batch: FactBatch = serde_json::from_slice(&payload).unwrap();
                return batch.facts.iter().map(|fact| fact.sequence).collect();
            }
        }
    }

    async fn acknowledge(
        &mut self,
        world: &World,
        sequence: u64,
        refused: Vec<RefusedChargePoint>,
    ) {
        let journal = world.opened().found.journal.to_string();
        self.say(world, &word(journal, sequence, refused)).await;
    }

    async fn acknowledge_journal(&mut self, journal: &str, world: &World, sequence: u64) {
        let word = word(journal.to_owned(), sequence, vec![]);
        self.say(world, &word).await;
    }

    async fn say(&mut self, world: &World, word: &Acknowledgement) {
        let payload = serde_json::to_vec(word).unwrap();
        let topic = world.topics.acknowledgement();
        let mut body = u16::try_from(topic.len()).unwrap().to_be_bytes().to_vec();
        body.extend_from_slice(topic.as_bytes());
        body.push(0);
        body.extend_from_slice(&payload);
        let mut packet = vec![0x31];
        let mut rest = body.len();
        while rest >= 0x80 {
            packet.push(u8::try_from(rest & 0x7f).unwrap() | 0x80);
            rest >>= 7;
        }
        packet.push(u8::try_from(rest).unwrap());
        packet.extend_from_slice(&body);
        self.write(&packet).await;
    }

    async fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }
}

async fn until(holds: impl Fn() -> bool) {
    let wait = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, wait).await.expect("it comes true in time");
}

fn word(journal_id: String, sequence: u64, refused: Vec<RefusedChargePoint>) -> Acknowledgement {
    Acknowledgement {
        v: VERSION,
        journal_id,
        sequence,
        boot: None,
        sessions: None,
        refused,
    }
}

fn state(world: &World, online: bool) -> Vec<u8> {
    state_asking(world, online, false)
}

fn state_asking(world: &World, online: bool, asks_for_sessions: bool) -> Vec<u8> {
    serde_json::to_vec(&GatewayState {
        v: VERSION,
        online,
        boot: BootId(7).to_string(),
        journal_id: world.opened().found.journal.to_string(),
        software_version: env!("CARGO_PKG_VERSION").into(),
        asks_for_sessions,
    })
    .unwrap()
}

fn gateway() -> GatewayId {
    GatewayId::new("gw_1").unwrap()
}

fn cp() -> ChargePointId {
    ChargePointId::new("CP-1").unwrap()
}

fn snapshot(made_at_ms: i64) -> Snapshot {
    Snapshot {
        v: VERSION,
        journal_id: "j_1".into(),
        as_of_sequence: 1,
        made_at_ms,
        charge_point_id: "CP-1".into(),
        vendor: "Acme".into(),
        model: "One".into(),
        status: "Available".into(),
        online: true,
        last_answer_at_ms: None,
        serial: None,
        firmware: None,
        connectors: Vec::<SnapshotConnector>::new(),
    }
}

fn fact() -> Fact {
    Fact {
        at: Timestamp {
            boot: BootId(7),
            monotonic: Monotonic(1),
            wall: WallTime(1),
            wall_known: true,
        },
        change: Change::StatusChanged {
            charge_point: cp(),
            connector: ConnectorId::new(1).unwrap(),
            status: ConnectorStatus::Charging,
            error_code: None,
        },
    }
}
