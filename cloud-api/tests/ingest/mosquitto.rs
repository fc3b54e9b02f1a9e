//! Debian's Mosquitto as the broker, with the access files that we write for it.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
};

use cloud_api::{
    ingest::{RunningIngest, Source, Transport},
    secret::Secret,
};

use crate::{live::speak_and_vanish, world::*};

/// Ends with the test.
struct Mosquitto(Child);

impl Drop for Mosquitto {
    fn drop(&mut self) {
        let _gone_already = self.0.kill();
        let _reaped = self.0.wait();
    }
}

fn start(folder: &Path, port: u16) -> Mosquitto {
    let lines = std::fs::read_to_string(folder.join("mosquitto.conf")).unwrap();
    let configuration = folder.join("test.conf");
    // As root it would become a user that cannot read the files of this test.
    let text = format!("user root\nlistener {port} 127.0.0.1\n{lines}");
    std::fs::write(&configuration, text).unwrap();
    let started = Command::new("mosquitto")
        .arg("-c")
        .arg(&configuration)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    Mosquitto(started.expect("Mosquitto is installed: apt-get install mosquitto"))
}

#[tokio::test]
async fn a_gateway_that_speaks_over_mosquitto_is_stored_acknowledged_and_missed() {
    let world = World::new().await;
    let created = world.gateways.create(&world.site, "Real").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let files = world
        .gateways
        .write_mosquitto_files(folder.path())
        .await
        .unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let broker = start(folder.path(), port);
    let password = std::fs::read_to_string(&files.ingest_password).unwrap();
    let source = Source {
        host: "127.0.0.1".to_owned(),
        port,
        username: "ingest".to_owned(),
        password: Secret::new(password),
        client_id: "dynamo-ingest".to_owned(),
        transport: Transport::Plain,
    };
    let mut running = RunningIngest::start(world.another_ingest(), &source).unwrap();
    running.until_subscribed().await;
    speak_and_vanish(&world, &created, "127.0.0.1", port).await;
    running.stop().await;
    drop(broker);
    assert_eq!(world.books().await, WHOLE_SESSION_BOOKS);
}
