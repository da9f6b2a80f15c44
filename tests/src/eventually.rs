//! Waiting for what must come true, without guessing how long it takes.

use std::time::{Duration, Instant};

/// How long a claim may take to come true where a test says nothing else.
pub const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(25);

/// Asks again and again until the answer is `Ok`, for at most [`PATIENCE`].
///
/// # Panics
/// With the last reason, when the claim does not come true.
pub async fn eventually<T, F>(claim: &str, ask: F) -> T
where
    F: AsyncFnMut() -> Result<T, String>,
{
    eventually_within(PATIENCE, claim, ask).await
}

/// As [`eventually`], with a patience of its own.
///
/// # Panics
/// With the last reason, when the claim does not come true.
pub async fn eventually_within<T, F>(patience: Duration, claim: &str, mut ask: F) -> T
where
    F: AsyncFnMut() -> Result<T, String>,
{
    let deadline = Instant::now() + patience;
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(reason) if Instant::now() >= deadline => {
                panic!("not within {} s: {claim}: {reason}", patience.as_secs())
            }
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}
