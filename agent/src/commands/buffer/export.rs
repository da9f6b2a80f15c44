//! `buffer export`: readings as JSON, one a line.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use penstock_agent::buffer::Place;
use penstock_agent::control::{Answer, Door, KeptCommit, Request};
use penstock_shared::id::CommitNumber;
use penstock_shared::reading::Reading;

use super::{ConfigArgument, Span, held, with_door};
use crate::commands::output;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigArgument,
    #[command(flatten)]
    span: Span,
    /// Also the readings that the hub has and that lie here still.
    #[arg(long)]
    all: bool,
    /// What a segment of the quarantine holds, as far as it reads back; `buffer ls` tells the names.
    #[arg(long, value_name = "NAME")]
    quarantined: Option<String>,
    /// Writes into this new file.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Arguments {
    pub(super) fn act(self) -> ExitCode {
        with_door(&self.config, |_, door| {
            let out: Box<dyn Write> = match &self.output {
                Some(path) => Box::new(File::create_new(path).with_context(|| {
                    format!("{} (made as the buffer's owner: redirect stdout instead)", path.display())
                })?),
                None => Box::new(io::stdout().lock()),
            };
            let mut out = BufWriter::new(out);
            let places = match &self.quarantined {
                Some(name) => vec![Place::Quarantined(name.clone())],
                None => held(door)?.segments.iter().map(|segment| Place::Segment(segment.first)).collect(),
            };
            let (mut readings, mut damaged) = (0, 0);
            for place in places {
                let (written, passed) = self.export(door, place, &mut out)?;
                readings += written;
                damaged += passed;
            }
            out.flush()?;
            output::note(&format!("{readings} readings"));
            if damaged > 0 {
                output::note(&format!("{damaged} commits do not read back"));
                return Ok(ExitCode::FAILURE);
            }
            Ok(ExitCode::SUCCESS)
        })
    }

    fn export(&self, door: &mut Door, place: Place, out: &mut impl Write) -> anyhow::Result<(u64, u64)> {
        let (mut written, mut passed) = (0, 0);
        let mut from = CommitNumber::NONE;
        loop {
            let answer = door.ask(Request::Commits { place: place.clone(), from })?;
            let Answer::Commits { commits, next, damaged } = answer else {
                anyhow::bail!("the agent answers {answer:?}");
            };
            passed += damaged;
            for commit in commits {
                written += self.write(commit, out)?;
            }
            match next {
                Some(next) => from = next,
                None => return Ok((written, passed)),
            }
        }
    }

    fn write(&self, commit: KeptCommit, out: &mut impl Write) -> anyhow::Result<u64> {
        if commit.is_settled && !self.all {
            return Ok(0);
        }
        let mut written = 0;
        for reading in commit.readings.into_iter().map(Reading::from) {
            if self.span.holds(reading.time) {
                serde_json::to_writer(&mut *out, &reading).map_err(io::Error::from)?;
                out.write_all(b"\n")?;
                written += 1;
            }
        }
        Ok(written)
    }
}
