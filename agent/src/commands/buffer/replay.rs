//! `buffer replay`: an export back into the buffer, once.
//!
//! An export is cut into batches, which its bytes alone decide. Each is known by the hash of the whole export and its
//! place, so that what was interrupted goes on where it was, and a second time is refused.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use penstock_agent::control::{Answer, Door, Request};
use penstock_agent::second_reading::kept_reading;
use penstock_shared::reading::{Reading, TimestampMicros, Value};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::{ConfigArgument, with_door};
use crate::commands::output;

/// A batch must fit into one commit, which a crash cannot divide: it has fewer readings and fewer bytes than that.
const MOST_READINGS: usize = 500;
const MOST_BYTES: usize = 24 * 1024;
const READING_BYTES: usize = 16;
/// No line of an export is longer: the longest text, all of it escaped, and the longest names.
const MOST_LINE_BYTES: u64 = 1 << 20;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// An export: JSON, one reading a line.
    file: PathBuf,
    /// Takes it in although that was done before, which doubles it.
    #[arg(long)]
    again: bool,
}

impl Arguments {
    pub(super) fn act(self) -> ExitCode {
        with_door(&self.config, |_, door| {
            let name = || self.file.display().to_string();
            let mut file = File::open(&self.file).with_context(name)?;
            // All of it is looked at before any of it is taken in.
            let mut export = hash_of(&mut file).with_context(name)?;
            each_reading(&mut file, |_| Ok(())).with_context(name)?;
            if self.again {
                export ^= xxh3_64(&TimestampMicros::now().0.to_le_bytes());
            }
            let mut replay =
                Replay { door, export, place: 0, batch: Vec::new(), bytes: 0, taken: 0, known: 0 };
            each_reading(&mut file, |reading| replay.add(reading)).with_context(name)?;
            replay.send()?;
            let Replay { taken, known, .. } = replay;
            output::line(&format!("{taken} readings taken in, {known} had been before"))?;
            if taken == 0 && known > 0 {
                anyhow::bail!(
                    "all of it was taken in before; --again takes it in once more, which doubles it"
                );
            }
            Ok(ExitCode::SUCCESS)
        })
    }
}

struct Replay<'a> {
    door: &'a mut Door,
    /// The hash of the whole export.
    export: u64,
    /// The batch's place in it.
    place: u64,
    batch: Vec<Reading>,
    bytes: usize,
    taken: usize,
    known: usize,
}

impl Replay<'_> {
    fn add(&mut self, reading: Reading) -> anyhow::Result<()> {
        let bytes = match &reading.value {
            Value::Text(text) => READING_BYTES + text.len(),
            _ => READING_BYTES,
        };
        if self.batch.len() >= MOST_READINGS || self.bytes + bytes > MOST_BYTES {
            self.send()?;
        }
        self.bytes += bytes;
        self.batch.push(reading);
        Ok(())
    }

    fn send(&mut self) -> anyhow::Result<()> {
        let readings: Vec<_> = std::mem::take(&mut self.batch).into_iter().map(Into::into).collect();
        if readings.is_empty() {
            return Ok(());
        }
        let count = readings.len();
        let name = [self.export.to_le_bytes(), self.place.to_le_bytes()].concat();
        match self.door.ask(Request::ReplayBatch { batch: xxh3_64(&name), readings })? {
            Answer::Committed { .. } => self.taken += count,
            Answer::AlreadyCommitted => self.known += count,
            other => anyhow::bail!("the agent answers {other:?}"),
        }
        self.place += 1;
        self.bytes = 0;
        Ok(())
    }
}

fn hash_of(file: &mut File) -> io::Result<u64> {
    let mut hash = Xxh3::new();
    let mut chunk = vec![0; 64 * 1024];
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(hash.digest()),
            count => hash.update(&chunk[..count]),
        }
    }
}

/// Reads the file from its beginning, a reading a line.
fn each_reading(file: &mut File, mut take: impl FnMut(Reading) -> anyhow::Result<()>) -> anyhow::Result<()> {
    file.rewind()?;
    let mut reader = BufReader::new(file);
    for number in 1_u64.. {
        let mut line = Vec::new();
        if (&mut reader).take(MOST_LINE_BYTES).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let reading = kept_reading(&line).with_context(|| format!("line {number}"))?;
        take(reading)?;
    }
    Ok(())
}
