//! A new configuration while the agent runs: validated wholly, then swapped in part by part. Where it cannot stand, the
//! old one goes on as if nothing had been asked.

use super::running::Running;
use super::{RunError, change};
use crate::config::{ConfigFaults, Settings};

/// Why a new configuration is not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    /// It is faulty.
    #[error(transparent)]
    Faulty(#[from] ConfigFaults),
    /// It changes what cannot change while the agent runs.
    #[error("{} cannot change while the agent runs: restart it", .0.join(" and "))]
    Fixed(Vec<&'static str>),
    /// What it wants is not to be had.
    #[error(transparent)]
    Start(#[from] RunError),
}

impl Running {
    /// Takes the configuration as it is now. Whatever is wrong with it is told, and the old one goes on.
    ///
    /// # Errors
    /// When the agent cannot go on, with the new one nor with the old one.
    pub(super) async fn reload(&mut self) -> Result<(), RunError> {
        self.supervisor.reloading();
        match self.take_new().await {
            Ok(()) => self.supervisor.ready(&self.describe()),
            Err(Refused::Start(RunError::Forward(error))) => return Err(error.into()),
            Err(refused) => {
                let reason = refused.to_string().replace('\n', "; ");
                tracing::error!(reason, "configuration refused, the old one goes on");
                self.supervisor.ready(&format!("goes on with the old configuration: {reason}"));
            }
        }
        Ok(())
    }

    async fn take_new(&mut self) -> Result<(), Refused> {
        let settings: Settings = (self.load)()?;
        let change = change::between(&self.settings, &settings).map_err(Refused::Fixed)?;
        // The last thing that can fail; what follows cannot, but for the lack of descriptors.
        let listener = self.inflow.prepare(&settings).await?;
        if change.rules {
            self.commits.change_rules(settings.series.clone(), settings.limits);
        }
        let sources = self.inflow.change(&settings, listener).await;
        if change.outflow {
            self.observer.set_hub_url(settings.hub.url.clone());
            self.outflow.change(&settings).await.map_err(RunError::from)?;
        }
        self.settings = settings;
        tracing::info!(
            sources_stopped = sources.stopped,
            sources_started = sources.started,
            rules = change.rules,
            hub = change.outflow,
            "configuration taken"
        );
        Ok(())
    }
}
