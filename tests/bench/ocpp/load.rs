//! Charge points that call as fast as they are answered, each one call at a time, in rounds: the echo,
//! heartbeats and meter values in turn.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use tokio::time::Instant;

use super::echo::Echo;
use super::station::Station;
use crate::{Figure, median, process};

/// Charge points that call at the same time.
pub(super) const CALLERS: usize = 64;
const ROUND: Duration = Duration::from_secs(3);
const ROUNDS: usize = 5;
/// What the echo is sent: as long as a heartbeat.
const ECHOED: &str = "[2,\"1000\",\"Heartbeat\",{}]";

/// A charge point with a transaction that runs.
#[derive(Debug)]
pub(super) struct Charging {
    pub(super) station: Station,
    transaction: i64,
    /// When its transaction began.
    began: jiff::Timestamp,
    /// Meter values that it has sent.
    pub(super) sent: i64,
}

impl Charging {
    /// Starts a transaction that began a day ago, so that none of its meter values lies in the future.
    pub(super) async fn start(mut station: Station, id_tag: &str) -> anyhow::Result<Self> {
        let began = jiff::Timestamp::now() - Duration::from_secs(24 * 3_600);
        let payload = format!(
            "{{\"connectorId\":1,\"idTag\":\"{id_tag}\",\"meterStart\":0,\"timestamp\":\"{began:.3}\"}}"
        );
        let answer = station.call("StartTransaction", &payload).await?;
        let answer: serde_json::Value = serde_json::from_str(answer.as_str())?;
        ensure!(
            answer[2]["idTagInfo"]["status"] == "Accepted",
            "StartTransaction was answered by {answer}"
        );
        let transaction = answer[2]["transactionId"].as_i64();
        Ok(Self {
            station,
            transaction: transaction.context("no transactionId")?,
            began,
            sent: 0,
        })
    }

    /// A second later, and 3 Wh more, than the one before; with power and current as stations send them.
    fn next_meter_values(&mut self) -> String {
        self.sent += 1;
        let at = self.began + Duration::from_secs(self.sent.unsigned_abs());
        let (transaction, wh) = (self.transaction, self.sent * 3);
        format!(
            "{{\"connectorId\":1,\"transactionId\":{transaction},\"meterValue\":[{{\"timestamp\":\"{at:.3}\",\"sampledValue\":[\
             {{\"value\":\"{wh}\",\"context\":\"Sample.Periodic\",\"measurand\":\"Energy.Active.Import.Register\",\"unit\":\"Wh\"}},\
             {{\"value\":\"11040\",\"context\":\"Sample.Periodic\",\"measurand\":\"Power.Active.Import\",\"unit\":\"W\"}},\
             {{\"value\":\"16.0\",\"context\":\"Sample.Periodic\",\"measurand\":\"Current.Import\",\"unit\":\"A\",\"phase\":\"L1\"}}]}}]}}"
        )
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Echo,
    Heartbeats,
    MeterValues,
}

/// What the rounds of one kind showed.
#[derive(Debug, Default)]
struct Seen {
    per_second: Vec<f64>,
    per_cpu_second: Vec<f64>,
    waits_ms: Vec<f64>,
}

/// Lets `callers` call the server whose process is `cloud`, in turn with the echo.
pub(super) async fn figures(
    callers: Vec<Charging>,
    cloud: u32,
    echo: &Echo,
) -> anyhow::Result<(Vec<Charging>, Vec<Figure>)> {
    let mut callers = callers;
    let mut echoers = Vec::new();
    for _ in 0..CALLERS {
        let station = Station::connect(&echo.address, None).await?;
        echoers.push(Charging {
            station,
            transaction: 0,
            began: jiff::Timestamp::UNIX_EPOCH,
            sent: 0,
        });
    }
    let (mut bare, mut heartbeats, mut meter_values) =
        (Seen::default(), Seen::default(), Seen::default());
    for number in 0..=ROUNDS {
        // The first round warms up, and is a short one.
        let lasts = if number == 0 { ROUND / 3 } else { ROUND };
        let mut seen = Seen::default();
        echoers = round(Kind::Echo, echoers, lasts, echo.id(), &mut seen).await?;
        if number > 0 {
            bare.add(seen);
        }
        for (kind, all) in [
            (Kind::Heartbeats, &mut heartbeats),
            (Kind::MeterValues, &mut meter_values),
        ] {
            let mut seen = Seen::default();
            callers = round(kind, callers, lasts, cloud, &mut seen).await?;
            if number > 0 {
                all.add(seen);
            }
        }
    }
    let (mut figures, limit) = bare.figures(
        &format!("echo by the same WebSocket library, {CALLERS} callers"),
        None,
    );
    figures.extend(
        heartbeats
            .figures(&format!("heartbeats, {CALLERS} callers"), Some(limit))
            .0,
    );
    figures.extend(
        meter_values
            .figures(
                "MeterValues, in the database before the answer",
                Some(limit),
            )
            .0,
    );
    Ok((callers, figures))
}

impl Seen {
    fn add(&mut self, one: Self) {
        self.per_second.extend(one.per_second);
        self.per_cpu_second.extend(one.per_cpu_second);
        self.waits_ms.extend(one.waits_ms);
    }

    /// Its figures, and how many the server did per second of its CPU; `limit` is how many the echo did.
    fn figures(mut self, what: &str, limit: Option<f64>) -> (Vec<Figure>, f64) {
        let per_cpu_second = median(&mut self.per_cpu_second);
        let mut of_cpu = format!("{per_cpu_second:.0}/s");
        if let Some(limit) = limit {
            of_cpu += &format!(" ({:.3} of the echo)", per_cpu_second / limit);
        }
        let middle = median(&mut self.waits_ms);
        let p99 = percentile_99(&self.waits_ms);
        let figures = vec![
            Figure::report(
                format!("OCPP: {what}"),
                format!("{:.0}/s", median(&mut self.per_second)),
            ),
            Figure::report("  per second of one core of the server", of_cpu),
            Figure::report(
                "  wait for the answer, median and 99 of 100",
                format!("{middle:.2} ms, {p99:.2} ms"),
            ),
        ];
        (figures, per_cpu_second)
    }
}

/// The value that 99 of 100 do not exceed; `sorted` is in order.
pub(super) fn percentile_99(sorted: &[f64]) -> f64 {
    let place = (sorted.len() * 99).div_ceil(100).saturating_sub(1);
    sorted.get(place).copied().unwrap_or(f64::NAN)
}

async fn round(
    kind: Kind,
    callers: Vec<Charging>,
    lasts: Duration,
    server: u32,
    seen: &mut Seen,
) -> anyhow::Result<Vec<Charging>> {
    let server = server.to_string();
    let cpu_before = process::cpu_ns(&server)?;
    let began = Instant::now();
    let mut calling = Vec::new();
    for caller in callers {
        calling.push(tokio::spawn(call_until(kind, caller, began + lasts)));
    }
    let mut callers = Vec::with_capacity(calling.len());
    for call in calling {
        let (caller, waits) = call.await??;
        callers.push(caller);
        seen.waits_ms.extend(waits);
    }
    let elapsed = began.elapsed().as_secs_f64();
    let cpu = Duration::from_nanos(process::cpu_ns(&server)? - cpu_before);
    let answers = f64::from(u32::try_from(seen.waits_ms.len())?);
    seen.per_second.push(answers / elapsed);
    seen.per_cpu_second.push(answers / cpu.as_secs_f64());
    Ok(callers)
}

async fn call_until(
    kind: Kind,
    mut caller: Charging,
    end: Instant,
) -> anyhow::Result<(Charging, Vec<f64>)> {
    let mut waits = Vec::new();
    let mut asked = Instant::now();
    while asked < end {
        match kind {
            Kind::Echo => caller.station.round_trip(ECHOED.to_owned()).await?,
            Kind::Heartbeats => caller.station.call("Heartbeat", "{}").await?,
            Kind::MeterValues => {
                let payload = caller.next_meter_values();
                caller.station.call("MeterValues", &payload).await?
            }
        };
        let answered = Instant::now();
        waits.push((answered - asked).as_secs_f64() * 1_000.0);
        asked = answered;
    }
    Ok((caller, waits))
}
