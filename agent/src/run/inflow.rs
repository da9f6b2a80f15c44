//! All sources together: started, changed one by one, stopped.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;

use super::listener::{self, StartedListener};
use super::sources::{self, StartedSource};
use super::{RunError, announce};
use crate::committer::CommitHandle;
use crate::config::Settings;
use crate::status::SourceBoard;

/// How long a source has for what it took and not acknowledged yet.
const SOURCE_DEADLINE: Duration = Duration::from_secs(10);

/// The sources that run.
pub(super) struct Inflow {
    commits: CommitHandle,
    board: Arc<SourceBoard>,
    listener: Option<StartedListener>,
    sources: Vec<StartedSource>,
}

/// The built-in MQTT server of a new configuration.
pub(super) enum NextListener {
    /// The one that runs does what it says.
    Same,
    /// Another serves already, beside it; or there is none any more.
    Other(Option<Box<StartedListener>>),
}

/// What a change came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Changed {
    pub(super) stopped: usize,
    pub(super) started: usize,
}

impl Inflow {
    /// Starts every source; what they hear goes to `commits`, and where they count to `board`.
    ///
    /// # Errors
    /// When the built-in MQTT server cannot serve.
    pub(super) async fn start(
        settings: &Settings,
        commits: CommitHandle,
        board: Arc<SourceBoard>,
    ) -> Result<Self, RunError> {
        let listener = listener::start(settings, &commits, None).await?;
        let plans = sources::plans(settings).into_iter();
        let sources = plans.map(|plan| sources::start(plan, settings, &commits)).collect();
        let inflow = Self { commits, board, listener, sources };
        inflow.announce();
        inflow.fill_board();
        Ok(inflow)
    }

    /// Starts the built-in MQTT server of a new configuration, where it differs. Nothing else is touched.
    ///
    /// # Errors
    /// When it cannot serve.
    pub(super) async fn prepare(&self, settings: &Settings) -> Result<NextListener, RunError> {
        let before = self.listener.as_ref();
        if listener::plan(settings).as_ref() == before.map(|started| &started.plan) {
            return Ok(NextListener::Same);
        }
        Ok(NextListener::Other(listener::start(settings, &self.commits, before).await?.map(Box::new)))
    }

    /// Stops what is not wanted any more, and starts what is new; the rest goes on.
    pub(super) async fn change(&mut self, settings: &Settings, next: NextListener) -> Changed {
        let mut wanted = sources::plans(settings);
        let (kept, unwanted): (Vec<_>, Vec<_>) =
            self.sources.drain(..).partition(|source| take(&mut wanted, &source.plan));
        let mut changed = Changed { stopped: unwanted.len(), started: wanted.len() };
        // A port or a session has one owner, so the old one is gone before the new one comes.
        join_all(unwanted.into_iter().map(|source| source.task.stop(SOURCE_DEADLINE))).await;
        self.sources = kept;
        self.sources.extend(wanted.into_iter().map(|plan| sources::start(plan, settings, &self.commits)));
        if let NextListener::Other(next) = next {
            changed.started += usize::from(next.is_some());
            if let Some(before) = std::mem::replace(&mut self.listener, next.map(|next| *next)) {
                before.listener.stop().await;
                changed.stopped += 1;
            }
            self.announce();
        }
        self.fill_board();
        changed
    }

    /// Names a source that has ended, which none does by itself.
    pub(super) fn ended(&self) -> Option<&'static str> {
        if self.listener.as_ref().is_some_and(|started| started.listener.has_ended()) {
            return Some("mqtt listener");
        }
        self.sources.iter().find(|source| source.task.has_ended()).map(|source| source.task.name())
    }

    /// Returns how many sources run.
    pub(super) fn count(&self) -> usize {
        self.sources.len() + usize::from(self.listener.is_some())
    }

    /// Takes nothing more, and returns when what was taken is on its way to the disk.
    pub(super) async fn stop(self) {
        if let Some(started) = self.listener {
            started.listener.stop().await;
        }
        join_all(self.sources.into_iter().map(|source| source.task.stop(SOURCE_DEADLINE))).await;
    }

    fn announce(&self) {
        let lines = self.listener.iter().flat_map(|started| &started.announcements);
        lines.for_each(|line| announce(line));
    }

    fn fill_board(&self) {
        let sources = self.sources.iter().filter_map(|source| source.status.clone());
        self.board.set(sources.chain(self.listener.iter().map(StartedListener::status)).collect());
    }
}

/// Takes one that equals `plan` out of `wanted`, if there is one.
fn take(wanted: &mut Vec<sources::SourcePlan>, plan: &sources::SourcePlan) -> bool {
    let place = wanted.iter().position(|other| other == plan);
    place.map(|place| wanted.remove(place)).is_some()
}
