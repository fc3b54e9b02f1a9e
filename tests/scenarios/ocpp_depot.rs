//! The cloud as a central system, with charge points by the Python `ocpp` package, which holds every
//! frame to the official schemas in both directions.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use demo::{Answer, Api, Binaries, Cloud, CloudOptions, CloudTls, Process, until};
use jiff::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::peers::python;

/// How long the other end may take on a busy machine: more than the peer's own patience.
const DEADLINE: Duration = Duration::from_secs(60);

/// A cloud, an organisation, and charge points that connect themselves.
pub(crate) struct Depot {
    pub(crate) cloud: Cloud,
    api: Api,
    stations: Stations,
    folder: tempfile::TempDir,
}

/// The charge points' process.
struct Stations {
    _process: Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

/// What the other end made of a call.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Told {
    Ok(Value),
    /// Code, or HTTP status, and description.
    Refused(Value, Value),
}

impl Told {
    pub(crate) fn ok(self) -> anyhow::Result<Value> {
        match self {
            Self::Ok(value) => Ok(value),
            Self::Refused(code, why) => bail!("refused with {code}: {why}"),
        }
    }

    pub(crate) fn code(self) -> anyhow::Result<Value> {
        match self {
            Self::Refused(code, _) => Ok(code),
            Self::Ok(value) => bail!("not refused, but answered {value}"),
        }
    }
}

impl Stations {
    async fn tell(&mut self, order: &Value) -> anyhow::Result<Value> {
        self.orders
            .write_all(format!("{order}\n").as_bytes())
            .await?;
        let line = tokio::time::timeout(DEADLINE, self.answers.next_line());
        let line = line
            .await
            .with_context(|| format!("no answer to {order}"))?;
        let line = line?.context("the charge points' process has ended")?;
        Ok(serde_json::from_str(&line)?)
    }
}

fn order(id: &str, word: &str, how: Value) -> Value {
    let mut order = how;
    order["station"] = id.into();
    order["do"] = word.into();
    order
}

fn told(mut answer: Value) -> anyhow::Result<Told> {
    if let Some(failure) = answer.get("failed") {
        bail!("it failed: {failure}");
    }
    Ok(match answer.get_mut("refused").map(Value::take) {
        Some(refused) => Told::Refused(refused[0].clone(), refused[1].clone()),
        None => Told::Ok(answer["ok"].take()),
    })
}

impl Depot {
    pub(crate) async fn open() -> anyhow::Result<Self> {
        Self::open_with(|_| Ok(None)).await
    }

    /// A depot whose cloud speaks TLS with what is made in its folder.
    pub(crate) async fn open_with(
        tls: impl FnOnce(&Path) -> anyhow::Result<Option<CloudTls>>,
    ) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let options = CloudOptions {
            tls: tls(folder.path())?,
            ..CloudOptions::default()
        };
        let binaries = Binaries::beside_this_program()?;
        let files = folder.path().join("cloud");
        let cloud = Cloud::start(&binaries, &files, options).await?;
        let tenant = cloud.tenant("Depot", 1_000_000)?;
        let log = std::fs::File::create(folder.path().join("stations.log"))?;
        let mut process = Command::new(python()?)
            .arg(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/peers/ocpp_station.py"
            ))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .context("the charge points cannot be started")?;
        let orders = process.stdin.take().context("its input is piped")?;
        let answers = process.stdout.take().context("its output is piped")?;
        Ok(Self {
            api: cloud.api(&tenant.key)?,
            cloud,
            stations: Stations {
                _process: process,
                orders,
                answers: BufReader::new(answers).lines(),
            },
            folder,
        })
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts the cloud again on the port it had, with more at the end of its configuration, and waits
    /// until it speaks `http` or `https` there.
    pub(crate) async fn restart_with(&mut self, scheme: &str, more: &str) -> anyhow::Result<()> {
        self.cloud.process.terminate().await?;
        let files = self.cloud.folder().to_owned();
        let file = files.join("cloud-api.toml");
        let port = self.cloud.base().replacen("http://", "", 1);
        let text = std::fs::read_to_string(&file)?.replacen("127.0.0.1:0", &port, 1);
        std::fs::write(&file, format!("{text}{more}"))?;
        let mut command = std::process::Command::new(Binaries::beside_this_program()?.cloud_api);
        command.arg("--config").arg(file);
        self.cloud.process = Process::start("cloud-api", command, &files)?;
        let listening = format!("HTTP listening on {scheme}://{port}");
        self.cloud.process.line(&listening).await?;
        Ok(())
    }

    /// Registers a charge point with two connectors, of which the operator knows the first. Answers
    /// its password.
    pub(crate) async fn register(&self, id: &str) -> anyhow::Result<String> {
        let body = json!({
            "charge_point_id": id, "vendor": "Peer", "model": "Python",
            "connectors": [{"connector_id": 1, "type": "Type2", "max_power_kw": 22}],
        });
        let made = self.post("/chargepoints", &body).await?;
        ensure!(made.status == 201, "{made:?}");
        let password = made.body["provisioning_password"].as_str();
        Ok(password.context("a password is shown once")?.to_owned())
    }

    /// A charge point that is registered, connected and accepted. Answers its password.
    pub(crate) async fn station(&mut self, id: &str) -> anyhow::Result<String> {
        let password = self.register(id).await?;
        self.connect(id, &password).await?;
        self.boot(id).await?;
        Ok(password)
    }

    pub(crate) async fn connect(&mut self, id: &str, password: &str) -> anyhow::Result<()> {
        let how = json!({"url": self.address(id), "password": password});
        let spoken = self.say(id, "connect", how).await?.ok()?;
        ensure!(spoken == "ocpp1.6", "{spoken} is spoken");
        Ok(())
    }

    /// Where a charge point connects.
    pub(crate) fn address(&self, id: &str) -> String {
        format!("{}/ocpp/{id}", self.cloud.base().replacen("http", "ws", 1))
    }

    pub(crate) async fn boot(&mut self, id: &str) -> anyhow::Result<()> {
        let boot = json!({"chargePointVendor": "Peer", "chargePointModel": "Python", "firmwareVersion": "2.1.0"});
        let booted = self.call(id, "BootNotification", boot).await?;
        ensure!(
            booted["status"] == "Accepted" && booted["interval"] == 300,
            "{booted}"
        );
        Ok(())
    }

    /// Tells a charge point to do something, and answers what the other end made of it.
    pub(crate) async fn say(&mut self, id: &str, word: &str, how: Value) -> anyhow::Result<Told> {
        let answer = self.stations.tell(&order(id, word, how)).await?;
        told(answer).with_context(|| format!("{word} of {id}"))
    }

    /// Tells many at the same time. Answers what the other end made of each, which must be well.
    pub(crate) async fn together(
        &mut self,
        orders: impl IntoIterator<Item = (String, &str, Value)>,
    ) -> anyhow::Result<Vec<Value>> {
        let orders = orders.into_iter();
        let orders: Vec<_> = orders
            .map(|(id, word, how)| order(&id, word, how))
            .collect();
        let mut answers = self.stations.tell(&json!({ "together": orders })).await?;
        let answers: Vec<Value> = serde_json::from_value(answers["ok"].take())?;
        ensure!(answers.len() == orders.len(), "{answers:?}");
        answers
            .into_iter()
            .map(|answer| told(answer)?.ok())
            .collect()
    }

    /// A call of a charge point that must be answered.
    pub(crate) async fn call(
        &mut self,
        id: &str,
        action: &str,
        payload: Value,
    ) -> anyhow::Result<Value> {
        let how = json!({"action": action, "payload": payload});
        let told = self.say(id, "call", how).await?;
        told.ok().with_context(|| format!("{action} of {id}"))
    }

    /// The cloud's clock, as a charge point sees it, in whole seconds.
    pub(crate) async fn now(&mut self, id: &str) -> anyhow::Result<Timestamp> {
        let beat = self.call(id, "Heartbeat", json!({})).await?;
        let time = beat["currentTime"].as_str().context("no currentTime")?;
        let now: Timestamp = time.parse()?;
        Ok(Timestamp::from_second(now.as_second())?)
    }

    pub(crate) async fn status(
        &mut self,
        id: &str,
        connector: u8,
        status: &str,
    ) -> anyhow::Result<()> {
        let told = json!({"connectorId": connector, "errorCode": "NoError", "status": status});
        let answer = self.call(id, "StatusNotification", told).await?;
        ensure!(answer == json!({}), "{answer}");
        Ok(())
    }

    /// Starts a transaction. Answers its id.
    pub(crate) async fn start(&mut self, id: &str, start: Value) -> anyhow::Result<i64> {
        let began = self.call(id, "StartTransaction", start).await?;
        ensure!(began["idTagInfo"]["status"] == "Accepted", "{began}");
        let transaction = began["transactionId"].as_i64();
        transaction.filter(|id| *id > 0).context("no transactionId")
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Answer> {
        let path = format!("/api/v1{path}");
        self.api.send(Method::POST, &path, Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> anyhow::Result<Answer> {
        let path = format!("/api/v1{path}");
        self.api.send(Method::DELETE, &path, None).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> anyhow::Result<Answer> {
        let path = format!("/api/v1{path}");
        self.api.send(Method::PATCH, &path, Some(body)).await
    }

    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.api.get(&format!("/api/v1{path}")).await
    }

    /// Creates a token. Answers its id.
    pub(crate) async fn token(&self, token: &Value) -> anyhow::Result<String> {
        let made = self.post("/tokens", token).await?;
        ensure!(made.status == 201, "{made:?}");
        Ok(made.body["id"].as_str().context("no id")?.to_owned())
    }

    pub(crate) async fn sessions(&self) -> anyhow::Result<Vec<Value>> {
        let mut list = self.get("/sessions?limit=200").await?;
        let sessions = list["sessions"].take();
        Ok(serde_json::from_value(sessions)?)
    }

    /// Orders something that the charge point answers with `answer`. What REST told, which must be
    /// 200, and what the charge point was asked for.
    pub(crate) async fn order(
        &mut self,
        id: &str,
        (path, body): (&str, &Value),
        (action, answer): (&str, Value),
    ) -> anyhow::Result<(Value, Value)> {
        let how = json!({"action": action, "payload": answer});
        self.say(id, "answer", how).await?.ok()?;
        let told = self.post(path, body).await?;
        ensure!(told.status == 200, "{path} {body}: {told:?}");
        let asked = self.say(id, "asked", json!({"action": action})).await?;
        Ok((told.body, asked.ok()?))
    }

    /// A command of the contract's, by its name.
    pub(crate) async fn command(
        &mut self,
        id: &str,
        (name, parameters): (&str, Value),
        (action, answer): (&str, Value),
    ) -> anyhow::Result<(Value, Value)> {
        let path = format!("/cpo/commands/{id}");
        let body = json!({"command": name, "parameters": parameters});
        self.order(id, (&path, &body), (action, answer)).await
    }

    /// What is known of a command by now.
    pub(crate) async fn command_now(&self, command: &Value) -> anyhow::Result<Value> {
        let id = command["command_id"].as_str().context("no command_id")?;
        self.get(&format!("/cpo/commands/{id}")).await
    }

    /// Waits until the cloud knows that a charge point is connected, or that it is not.
    pub(crate) async fn online_is(&self, id: &str, online: bool) -> anyhow::Result<Value> {
        let path = format!("/chargepoints/{id}/status");
        until(DEADLINE, &format!("online is {online}"), async || {
            let status = self.get(&path).await?;
            Ok((status["online"] == online).then_some(status))
        })
        .await
    }

    /// Waits until so many frames of a charge point are kept; oldest first. What the cloud asks of its own
    /// accord is not among them.
    pub(crate) async fn frames(&self, id: &str, count: u64) -> anyhow::Result<Vec<Value>> {
        let path = format!("/chargepoints/{id}/frames?limit=200");
        let unasked = |frame: &Value| {
            let id = frame["message_id"].as_str();
            id.is_some_and(|id| id.starts_with("sys_"))
        };
        let count = usize::try_from(count)?;
        let mut frames = until(DEADLINE, &format!("{count} frames"), async || {
            let mut answer = self.get(&path).await?;
            let mut frames: Vec<Value> = serde_json::from_value(answer["frames"].take())?;
            frames.retain(|frame| !unasked(frame));
            ensure!(frames.len() <= count, "{frames:?}");
            Ok((frames.len() == count).then_some(frames))
        })
        .await?;
        frames.reverse();
        Ok(frames)
    }

    /// Waits until the cloud has logged this of a charge point. Answers the line.
    pub(crate) async fn logged(&self, id: &str, what: &str) -> anyhow::Result<String> {
        let line = async || {
            let printed = self.cloud.process.printed();
            let mut lines = printed.lines();
            let line = lines.find(|line| line.contains(id) && line.contains(what));
            Ok(line.map(str::to_owned))
        };
        until(DEADLINE, &format!("`{what}` is logged of {id}"), line)
            .await
            .with_context(|| self.cloud.process.last_words())
    }
}

/// So many seconds before a moment.
pub(crate) fn ago(now: Timestamp, seconds: i64) -> anyhow::Result<String> {
    Ok(Timestamp::from_second(now.as_second() - seconds)?.to_string())
}

/// Names of the states that a command went through.
pub(crate) fn states(command: &Value) -> Vec<&str> {
    let states = command["states"].as_array().into_iter().flatten();
    states.filter_map(|state| state["state"].as_str()).collect()
}
