//! One opening of a port: read until it ends, falls silent for too long, or the agent stops.

use std::io;
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;
use tokio_serial::{ClearBuffer, SerialPort, SerialStream};

use super::clocks::{Clocks, Due};
use super::instrument::{Instrument, Wanted};
use crate::config::SerialSettings;
use crate::config::serial::PollSettings;

/// As much as the kernel keeps of a line.
const READ_BYTES: usize = 4096;

/// Why a session is over.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    Stopped,
    Lost(String),
    Idle,
}

enum Event {
    Stop,
    Read(io::Result<usize>),
    Due(Due),
}

pub(super) struct Session<'a> {
    port: SerialStream,
    settings: &'a SerialSettings,
    clocks: Clocks,
    stopping: watch::Receiver<bool>,
    was_heard: bool,
}

impl<'a> Session<'a> {
    pub(super) fn new(
        port: SerialStream,
        settings: &'a SerialSettings,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        let clocks = Clocks::new(settings, Instant::now());
        Self { port, settings, clocks, stopping, was_heard: false }
    }

    /// Returns why it ended, and whether the line said anything.
    pub(super) async fn run(mut self, instrument: &mut Instrument) -> (End, bool) {
        let mut buffer = vec![0; READ_BYTES];
        let end = loop {
            let event = self.next_event(&mut buffer).await;
            if let Err(end) = self.apply(event, &buffer, instrument).await {
                break end;
            }
        };
        // Closing would wait for what the line did not take; failing that, the kernel's own limit ends the wait.
        if let Err(error) = self.port.clear(ClearBuffer::Output) {
            tracing::debug!(%error, "what was not sent stays with the port");
        }
        let wanted = self.wanted();
        match instrument.end(wanted).await {
            Ok(_) => (end, self.was_heard),
            Err(_) => (End::Stopped, self.was_heard),
        }
    }

    async fn next_event(&mut self, buffer: &mut [u8]) -> Event {
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
            read = self.port.read(buffer) => Event::Read(read),
            () = timer => due.map_or(Event::Stop, |(_, due)| Event::Due(due)),
        }
    }

    async fn apply(&mut self, event: Event, buffer: &[u8], instrument: &mut Instrument) -> Result<(), End> {
        let answered = match event {
            Event::Stop => return Err(End::Stopped),
            Event::Read(Ok(0)) => return Err(End::Lost("the device is gone".to_owned())),
            Event::Read(Err(error)) => return Err(End::Lost(error.to_string())),
            Event::Read(Ok(count)) => {
                self.was_heard = true;
                self.clocks.heard(Instant::now());
                instrument.take(&buffer[..count], self.wanted()).await
            }
            Event::Due(due) => {
                self.clocks.done(due, Instant::now());
                match due {
                    Due::Settle => instrument.settle(self.wanted()).await,
                    Due::Gap => instrument.end(self.wanted()).await,
                    Due::Idle => return Err(End::Idle),
                    Due::Poll => self.ask(instrument).await?,
                    Due::Unanswered => {
                        let unanswered = instrument.counters.count_unanswered();
                        let name = self.settings.name.as_str();
                        tracing::debug!(name, unanswered, "no answer in time");
                        instrument.end(Wanted::Nothing).await
                    }
                }
            }
        };
        if answered.map_err(|_| End::Stopped)? && self.settings.poll.is_some() {
            self.clocks.answered();
        }
        Ok(())
    }

    async fn ask(
        &mut self,
        instrument: &mut Instrument,
    ) -> Result<Result<bool, crate::delivery::NotCommitted>, End> {
        let Some(PollSettings { send, timeout, .. }) = &self.settings.poll else { return Ok(Ok(false)) };
        // What came unasked must not pass for the answer.
        if instrument.is_waiting()
            && let Err(stopping) = instrument.end(Wanted::Nothing).await
        {
            return Ok(Err(stopping));
        }
        match tokio::time::timeout(*timeout, self.port.write_all(send)).await {
            Ok(Ok(())) => self.clocks.asked(Instant::now()),
            Ok(Err(error)) => return Err(End::Lost(error.to_string())),
            Err(_) => return Err(End::Lost("the line takes no question".to_owned())),
        }
        Ok(Ok(false))
    }

    fn wanted(&self) -> Wanted<'a> {
        match &self.settings.poll {
            None => Wanted::Every,
            Some(poll) if self.clocks.is_asking() => Wanted::AnswerTo(&poll.send),
            Some(_) => Wanted::Nothing,
        }
    }
}
