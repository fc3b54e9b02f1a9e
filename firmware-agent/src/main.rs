//! The bench tool: finds, identifies, reads and limits one device from a laptop with an adapter.
//! `scan`, `identify`, `read` and `watch` never write.

mod bench;

use std::process::ExitCode;

use clap::Parser;

use bench::args::Args;

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stderr, reason = "a command line tool")]
async fn main() -> ExitCode {
    let log = std::env::var("DYNAMO_LOG")
        .ok()
        .and_then(|level| level.parse().ok());
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_max_level(log.unwrap_or(tracing::Level::WARN))
        .init();
    match bench::run(Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
