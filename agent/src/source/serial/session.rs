//! One opening of a port: read until it ends, falls silent for too long, or the agent stops.

use std::sync::Arc;
use std::time::Instant;

use tokio::io::AsyncWriteExt;
use tokio::sync::watch;
use tokio_serial::{ClearBuffer, SerialPort, SerialStream};

use super::ahead::Ahead;
use super::clocks::{Clocks, Due};
use super::instrument::{Instrument, Wanted};
use crate::clock::Clock;
use crate::config::SerialSettings;
use crate::delivery::NotCommitted;

/// Why a session is over.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    Stopped,
    Lost(String),
    Idle,
}

impl From<NotCommitted> for End {
    /// An outlet gives up only when the agent stops.
    fn from(_: NotCommitted) -> Self {
        Self::Stopped
    }
}

enum Event {
    Stop,
    Heard,
    Due(Due),
}

pub(super) struct Session<'a> {
    ahead: Ahead,
    settings: &'a SerialSettings,
    clocks: Clocks,
    stopping: watch::Receiver<bool>,
    was_heard: bool,
}

impl<'a> Session<'a> {
    pub(super) fn new(
        port: SerialStream,
        settings: &'a SerialSettings,
        clock: Arc<Clock>,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        let clocks = Clocks::new(settings, Instant::now());
        let ahead = Ahead::new(port, settings.port.baud, clock);
        Self { ahead, settings, clocks, stopping, was_heard: false }
    }

    /// Returns why it ended, and whether the line said anything.
    pub(super) async fn run(mut self, instrument: &mut Instrument) -> (End, bool) {
        let end = loop {
            let event = self.next_event().await;
            if let Err(end) = self.apply(event, instrument).await {
                break end;
            }
        };
        // Closing would wait for what the line did not take.
        if let Err(error) = self.ahead.port.clear(ClearBuffer::Output) {
            tracing::debug!(%error, "what was not sent stays with the port");
        }
        match instrument.end(self.wanted()).await {
            Ok(_) => (end, self.was_heard),
            Err(_) => (End::Stopped, self.was_heard),
        }
    }

    async fn next_event(&mut self) -> Event {
        let due = self.clocks.next();
        let at = due.map(|(at, _)| tokio::time::Instant::from_std(at));
        let timer = async move {
            match at {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        // Every branch is cancel-safe: a watch, a read that takes nothing before it is ready, a timer. Bytes go before
        // the clock, so that a line is not called silent while its bytes wait.
        tokio::select! {
            biased;
            _ = self.stopping.wait_for(|stop| *stop) => Event::Stop,
            () = self.ahead.read() => Event::Heard,
            () = timer => due.map_or(Event::Stop, |(_, due)| Event::Due(due)),
        }
    }

    async fn apply(&mut self, event: Event, instrument: &mut Instrument) -> Result<(), End> {
        match event {
            Event::Stop => Err(End::Stopped),
            Event::Heard => self.hear(instrument).await,
            Event::Due(due) => {
                self.clocks.done(due, Instant::now());
                let wanted = self.wanted();
                match due {
                    Due::Settle => {
                        let answered = self.ahead.meanwhile(instrument.settle(wanted)).await?;
                        self.note(answered);
                    }
                    Due::Gap => {
                        let answered = self.ahead.meanwhile(instrument.end(wanted)).await?;
                        self.note(answered);
                    }
                    Due::Idle => return Err(End::Idle),
                    Due::Poll => self.ask(instrument).await?,
                    Due::Unanswered => {
                        instrument.counters.count_unanswered();
                        instrument.end(Wanted::Nothing).await?;
                    }
                }
                // What was read meanwhile is not announced again.
                self.hear(instrument).await
            }
        }
    }

    /// Takes all that was read, and what is read meanwhile.
    async fn hear(&mut self, instrument: &mut Instrument) -> Result<(), End> {
        while let Some((bytes, read_at)) = self.ahead.take() {
            self.was_heard = true;
            self.clocks.heard(self.ahead.heard);
            let wanted = self.wanted();
            let answered = self.ahead.meanwhile(instrument.take(&bytes, read_at, wanted)).await?;
            self.note(answered);
            if *self.stopping.borrow() {
                return Err(End::Stopped);
            }
        }
        self.ahead.ended().map_or(Ok(()), |reason| Err(End::Lost(reason)))
    }

    async fn ask(&mut self, instrument: &mut Instrument) -> Result<(), End> {
        let Some(poll) = &self.settings.poll else { return Ok(()) };
        // What came unasked must not pass for the answer.
        instrument.end(Wanted::Nothing).await?;
        match tokio::time::timeout(poll.timeout, self.ahead.port.write_all(&poll.send)).await {
            Ok(Ok(())) => self.clocks.asked(Instant::now()),
            Ok(Err(error)) => return Err(End::Lost(error.to_string())),
            Err(_) => return Err(End::Lost("the line takes no question".to_owned())),
        }
        Ok(())
    }

    const fn note(&mut self, answered: bool) {
        if answered {
            self.clocks.answered();
        }
    }

    fn wanted(&self) -> Wanted<'a> {
        match &self.settings.poll {
            None => Wanted::Every,
            Some(poll) if self.clocks.is_asking() => Wanted::AnswerTo(&poll.send),
            Some(_) => Wanted::Nothing,
        }
    }
}
