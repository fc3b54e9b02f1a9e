//! Authenticated status read against a bare axum route with a body of the same size.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::Instant;

use scenarios::Stage;

use crate::{Figure, median};

/// Word that makes this program the bare server.
pub(crate) const BARE: &str = "--bare";

const CONNECTIONS: usize = 16;
const ROUND: Duration = Duration::from_secs(3);
const ROUNDS: usize = 7;

pub(crate) async fn figures() -> anyhow::Result<Vec<Figure>> {
    let mut stage = Stage::up(1).await?;
    // What is measured is reading; the site stops writing.
    stage.gateway.process.terminate().await?;
    let body = stage.api.status("CP-LEFT").await?.to_string();

    let mut bare = Command::new(std::env::current_exe()?)
        .args([BARE, &body])
        .stdout(Stdio::piped())
        .spawn()?;
    let result = compare(&stage.cloud, &stage.tenant.key, &mut bare).await;
    bare.kill()?;
    bare.wait()?;
    let (mut ratios, mut ours) = result?;
    Ok(vec![
        Figure::at_least(
            "REST: authenticated status read / bare axum route of the same size",
            median(&mut ratios),
            0.75,
        ),
        Figure::report(
            "REST: authenticated status reads, median of rounds",
            format!("{:.0}/s", median(&mut ours)),
        ),
    ])
}

async fn compare(
    cloud: &demo::Cloud,
    key: &str,
    bare: &mut std::process::Child,
) -> anyhow::Result<(Vec<f64>, Vec<f64>)> {
    let output = bare
        .stdout
        .take()
        .context("the bare server has no output")?;
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(output), &mut line)?;
    let bare_address = line.trim().to_owned();
    let our_address = cloud.base().trim_start_matches("http://").to_owned();
    let request = |path: &str, host: &str| {
        format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\n\r\n")
    };
    let ours = request("/api/v1/chargepoints/CP-LEFT/status", &our_address);
    let theirs = request("/status", &bare_address);
    let mut ratios = Vec::new();
    let mut rates = Vec::new();
    for round in 0..=ROUNDS {
        let our_rate = rate(&our_address, &ours).await?;
        let bare_rate = rate(&bare_address, &theirs).await?;
        // The first round warms both up.
        if round > 0 {
            ratios.push(our_rate / bare_rate);
            rates.push(our_rate);
        }
    }
    Ok((ratios, rates))
}

/// Serves one route that returns `body`, and says where.
pub(crate) async fn serve_bare(body: &str) -> anyhow::Result<()> {
    let body: &'static str = Box::leak(body.to_owned().into_boxed_str());
    let route = axum::routing::get(async move || {
        (
            [(axum::http::header::CONTENT_TYPE, "application/json")],
            body,
        )
    });
    let router = axum::Router::new().route("/status", route);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    crate::say(&listener.local_addr()?.to_string());
    Ok(axum::serve(listener, router).await?)
}

/// Answers per second over keep-alive connections that each have one request on its way.
async fn rate(address: &str, request: &str) -> anyhow::Result<f64> {
    let began = Instant::now();
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS {
        let (address, request) = (address.to_owned(), request.to_owned());
        clients.push(tokio::spawn(async move {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            let mut stream = BufReader::new(stream);
            let mut answers = 0_u32;
            while began.elapsed() < ROUND {
                stream.get_mut().write_all(request.as_bytes()).await?;
                answer(&mut stream).await?;
                answers += 1;
            }
            anyhow::Ok(answers)
        }));
    }
    let mut answers = 0;
    for client in clients {
        answers += client.await??;
    }
    Ok(f64::from(answers) / began.elapsed().as_secs_f64())
}

async fn answer(stream: &mut BufReader<TcpStream>) -> anyhow::Result<()> {
    let mut length = 0_usize;
    let mut line = Vec::new();
    let mut first = true;
    loop {
        line.clear();
        stream.read_until(b'\n', &mut line).await?;
        ensure!(!line.is_empty(), "the server closed the connection");
        if first {
            ensure!(
                line.starts_with(b"HTTP/1.1 200"),
                "{}",
                String::from_utf8_lossy(&line)
            );
            first = false;
        }
        if line == b"\r\n" {
            break;
        }
        if line.len() > 16 && line[..16].eq_ignore_ascii_case(b"content-length: ") {
            length = std::str::from_utf8(&line[16..])?.trim().parse()?;
        }
    }
    line.resize(length, 0);
    stream.read_exact(&mut line).await?;
    Ok(())
}
