//! What sources that cannot ask their device to send again do with what they measured: hold it until the disk has it.
//!
//! A source reads no more meanwhile, or only a bounded amount ahead: the device, or the port's own buffer, waits.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{oneshot, watch};

use crate::clock::Clock;
use crate::committer::CommitHandle;
use crate::decode::{Decoded, Sample, SampleDecoder, Unreadable};
use crate::delivery::{Delivery, NotCommitted};

/// How long to wait before a refused commit is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// A source's own way from samples to the committer.
#[derive(Debug)]
pub struct Outlet {
    origin: String,
    decoder: SampleDecoder,
    commits: CommitHandle,
    stopping: watch::Receiver<bool>,
}

impl Outlet {
    /// Joins a decoder, which is this source's alone, to the committer. `origin` names the source in dead letters,
    /// such as `serial scale`.
    #[must_use]
    pub const fn new(
        origin: String,
        decoder: SampleDecoder,
        commits: CommitHandle,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        Self { origin, decoder, commits, stopping }
    }

    /// Returns the source's name as its readings carry it.
    #[must_use]
    pub fn source(&self) -> &str {
        self.decoder.source()
    }

    /// Returns the clock that tells when something was read.
    #[must_use]
    pub const fn clock(&self) -> &Arc<Clock> {
        self.commits.clock()
    }

    /// Commits what was measured, and returns when it is on disk. While the disk refuses, it tries again.
    ///
    /// # Errors
    /// When the agent stops before the disk has it.
    pub async fn commit(
        &mut self,
        samples: Vec<Sample>,
        unreadable: Vec<Unreadable>,
    ) -> Result<(), NotCommitted> {
        let decoded = self.decoder.decode(&self.origin, samples, unreadable, self.commits.clock().now());
        self.hold(decoded).await
    }

    /// As [`Self::commit`], of a device with parts.
    ///
    /// # Errors
    /// When the agent stops before the disk has it.
    pub async fn commit_parts(
        &mut self,
        samples: impl IntoIterator<Item = (String, Sample)>,
    ) -> Result<(), NotCommitted> {
        let now = self.commits.clock().now();
        let decoded = self.decoder.decode_parts(&self.origin, samples, Vec::new(), now);
        self.hold(decoded).await
    }

    async fn hold(&mut self, decoded: Decoded) -> Result<(), NotCommitted> {
        if decoded.is_empty() {
            return Ok(());
        }
        let mut warned = false;
        loop {
            let (sender, done) = oneshot::channel();
            let delivery = Delivery {
                readings: decoded.readings.clone(),
                dead_letters: decoded.dead_letters.clone(),
                // Nobody listens any more only when the source was dropped.
                done: Box::new(move |outcome| drop(sender.send(outcome))),
            };
            self.commits.submit(delivery).await?;
            match done.await.unwrap_or(Err(NotCommitted::Stopping)) {
                Ok(()) => return Ok(()),
                Err(NotCommitted::Stopping) => return Err(NotCommitted::Stopping),
                Err(reason) if !warned => {
                    tracing::warn!(origin = self.origin, %reason, "readings held until the disk takes them");
                    warned = true;
                }
                Err(_) => {}
            }
            // Both branches are cancel-safe: a timer and a watch.
            tokio::select! {
                () = tokio::time::sleep(RETRY) => {}
                _ = self.stopping.wait_for(|stop| *stop) => return Err(NotCommitted::Stopping),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use penstock_shared::id::AgentId;
    use penstock_shared::reading::Value;
    use tokio::sync::mpsc;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_refused_commit_is_tried_again_until_the_disk_has_it() {
        let (queue, mut deliveries) = mpsc::channel::<Delivery>(1);
        let (_stop, stopping) = watch::channel(false);
        let decoder = SampleDecoder::new(&AgentId::new("gw1").expect("a valid id"), true, "scale");
        let mut outlet = Outlet::new("serial scale".into(), decoder, CommitHandle::over(queue), stopping);
        let committer = tokio::spawn(async move {
            let mut tries = 0;
            while let Some(delivery) = deliveries.recv().await {
                tries += 1;
                assert_eq!(delivery.readings.len(), 1);
                (delivery.done)(if tries < 3 { Err(NotCommitted::BufferFull) } else { Ok(()) });
            }
            tries
        });
        let sample = Sample::new("weight", Value::Number(1.0));
        assert_eq!(outlet.commit(vec![sample], Vec::new()).await, Ok(()));
        drop(outlet);
        assert_eq!(committer.await.expect("no panic"), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn stopping_ends_the_wait_for_a_disk_that_refuses() {
        let (queue, mut deliveries) = mpsc::channel::<Delivery>(1);
        let (stop, stopping) = watch::channel(false);
        let decoder = SampleDecoder::new(&AgentId::new("gw1").expect("a valid id"), true, "scale");
        let mut outlet = Outlet::new("serial scale".into(), decoder, CommitHandle::over(queue), stopping);
        tokio::spawn(async move {
            while let Some(delivery) = deliveries.recv().await {
                (delivery.done)(Err(NotCommitted::Disk("full".into())));
                stop.send_replace(true);
            }
        });
        let sample = Sample::new("weight", Value::Number(1.0));
        assert_eq!(outlet.commit(vec![sample], Vec::new()).await, Err(NotCommitted::Stopping));
    }
}
