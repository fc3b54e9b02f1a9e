//! Waiting for a condition, never for luck.

use std::time::Duration;

use tokio::time::Instant;

/// Asks again until `look` finds something.
///
/// # Errors
/// After `limit`: a sentence with `what` was awaited and what `look` said last.
pub async fn until<T>(
    limit: Duration,
    what: &str,
    mut look: impl AsyncFnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let began = Instant::now();
    let mut last = String::from("it was not so");
    while began.elapsed() < limit {
        match look().await {
            Ok(Some(found)) => return Ok(found),
            Ok(None) => {}
            Err(error) => last = format!("{error:#}"),
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    anyhow::bail!("{what}: not within {:.1} s ({last})", limit.as_secs_f64())
}
