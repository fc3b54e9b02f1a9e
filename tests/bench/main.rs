//! The figures. Each is a ratio within this run, or an absolute number beside its limit; a figure that
//! is not reached is said and makes the exit status 1.

mod catchup;
mod gateway;
mod latency;
mod line;
mod modbus;
mod ocpp;
mod process;
mod rest;
mod start;

use std::process::ExitCode;

/// One figure and the limit it is held to.
struct Figure {
    name: String,
    value: String,
    limit: String,
    reached: bool,
}

impl Figure {
    fn at_least(name: impl Into<String>, value: f64, limit: f64) -> Self {
        Self {
            name: name.into(),
            value: format!("{value:.3}"),
            limit: format!(">= {limit:.2}"),
            reached: value >= limit,
        }
    }

    fn at_most(name: impl Into<String>, value: f64, limit: f64, unit: &str) -> Self {
        Self {
            name: name.into(),
            value: format!("{value:.1} {unit}"),
            limit: format!("<= {limit:.0} {unit}"),
            reached: value <= limit,
        }
    }

    fn report(name: impl Into<String>, value: String) -> Self {
        Self {
            name: name.into(),
            value,
            limit: String::new(),
            reached: true,
        }
    }
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(run(&words)),
        Err(error) => Err(error.into()),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("bench: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(words: &[String]) -> anyhow::Result<bool> {
    if let [mode, body] = words
        && mode == rest::BARE
    {
        return rest::serve_bare(body).await.map(|()| true);
    }
    if let [mode, port] = words
        && mode == modbus::DRIVER
    {
        return modbus::drive(port).await.map(|()| true);
    }
    if let [mode] = words
        && mode == ocpp::ECHO
    {
        return ocpp::serve_echo().await.map(|()| true);
    }
    let wanted =
        |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word.as_str()));
    let mut figures = Vec::new();
    if wanted("gateway") {
        figures.extend(gateway::figures().await?);
    }
    if wanted("catchup") {
        figures.extend(catchup::figures().await?);
    }
    if wanted("start") {
        figures.extend(start::figures().await?);
    }
    if wanted("line") {
        figures.extend(line::figures().await?);
    }
    if wanted("modbus") {
        figures.extend(modbus::figures().await?);
    }
    if wanted("latency") {
        figures.extend(latency::figures().await?);
    }
    if wanted("rest") {
        figures.extend(rest::figures().await?);
    }
    if wanted("ocpp") {
        figures.extend(ocpp::figures().await?);
    }
    for figure in &figures {
        let mark = if figure.reached { "" } else { "  NOT REACHED" };
        say(&format!(
            "{:<74} {:>12}  {}{mark}",
            figure.name, figure.value, figure.limit
        ));
    }
    Ok(figures.iter().all(|figure| figure.reached))
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

#[expect(clippy::print_stdout, reason = "this program prints figures")]
fn say(text: &str) {
    println!("{text}");
}
