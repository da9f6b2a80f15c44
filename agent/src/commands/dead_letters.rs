//! `dead-letters`: what could not become a reading, and another try at it.

use std::process::ExitCode;

use clap::Subcommand;
use penstock_agent::config::Settings;
use penstock_agent::control::{Answer, Door, LetterSummary, Request};
use penstock_agent::delivery::DeadLetter;
use penstock_agent::second_reading;

use super::output;
use super::settings::{ConfigArgument, with_door};
use super::tap::moment;

/// So much of a detail stands in a line.
const SHOWN_CHARS: usize = 60;
const HEX_COLUMNS: usize = 16;

/// Lists and shows what could not become a reading, and sends it again once it can; while the agent runs or not.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Lists them, the newest last.
    Ls {
        #[command(flatten)]
        config: ConfigArgument,
        /// How many.
        #[arg(long, value_name = "NUMBER", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=500))]
        limit: u16,
        /// Those before this one.
        #[arg(long, value_name = "LETTER")]
        before: Option<u64>,
        /// Prints JSON, one letter a line.
        #[arg(long)]
        json: bool,
    },
    /// Shows one: when, whence, why, and its payload.
    Show {
        #[command(flatten)]
        config: ConfigArgument,
        /// The letter's number.
        letter: u64,
        /// Prints the payload only, as it came.
        #[arg(long)]
        raw: bool,
    },
    /// Reads letters anew by the configuration as it is now, and sends the readings; each letter once, whatever happens
    /// meanwhile. Exit code 1 when one of them stays.
    Replay {
        #[command(flatten)]
        config: ConfigArgument,
        /// The letters' numbers.
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        letters: Vec<u64>,
        /// All that there are.
        #[arg(long)]
        all: bool,
        /// Also those whose message is stored in part, which doubles that part.
        #[arg(long)]
        force: bool,
        /// Only says what would be sent.
        #[arg(long)]
        dry_run: bool,
    },
}

impl Arguments {
    pub(super) fn act(self) -> ExitCode {
        match self.action {
            Action::Ls { config, limit, before, json } => {
                with_door(&config, |_, door| list(door, before.unwrap_or(u64::MAX), usize::from(limit), json))
            }
            Action::Show { config, letter, raw } => with_door(&config, |_, door| show(door, letter, raw)),
            Action::Replay { config, letters, all, force, dry_run } => {
                with_door(&config, |settings, door| {
                    let letters = if all { numbers(door)? } else { letters };
                    replay(settings, door, &letters, force, dry_run)
                })
            }
        }
    }
}

struct Page {
    letters: Vec<LetterSummary>,
    older: u64,
    damaged: Vec<String>,
}

fn page(door: &mut Door, before: u64, limit: usize) -> anyhow::Result<Page> {
    match door.ask(Request::DeadLetters { before, limit })? {
        Answer::DeadLetters { letters, older, damaged } => Ok(Page { letters, older, damaged }),
        other => anyhow::bail!("the agent answers {other:?}"),
    }
}

/// Returns the numbers of all letters, the oldest first.
fn numbers(door: &mut Door) -> anyhow::Result<Vec<u64>> {
    let (mut numbers, mut before) = (Vec::new(), u64::MAX);
    loop {
        let page = page(door, before, usize::from(u16::MAX))?;
        numbers.extend(page.letters.iter().rev().map(|letter| letter.number));
        match page.letters.first() {
            Some(first) if page.older > 0 => before = first.number,
            _ => break,
        }
    }
    numbers.reverse();
    Ok(numbers)
}

fn list(door: &mut Door, before: u64, limit: usize, json: bool) -> anyhow::Result<ExitCode> {
    let Page { letters, older, damaged } = page(door, before, limit)?;
    if json {
        for letter in &letters {
            output::line(&serde_json::to_string(letter)?)?;
        }
    } else if letters.is_empty() {
        output::line("no dead letters")?;
    } else {
        for letter in &letters {
            output::line(&format!(
                "{:>6}  {}  {:<18} {:>6} B  {}: {}",
                letter.number,
                moment(letter.arrived_at),
                letter.reason,
                letter.payload_bytes,
                letter.origin,
                start_of(&letter.detail),
            ))?;
        }
        if let (Some(first), 1..) = (letters.first(), older) {
            output::line(&format!("… {older} older ones: --before {}", first.number))?;
        }
    }
    for fault in &damaged {
        output::note(&format!("not readable: {fault}"));
    }
    Ok(if damaged.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn start_of(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{} …", &text[..end]),
        None => text.to_owned(),
    }
}

fn fetch(door: &mut Door, number: u64) -> anyhow::Result<DeadLetter> {
    match door.ask(Request::DeadLetter { number })? {
        Answer::DeadLetter(letter) => Ok(*letter),
        other => anyhow::bail!("the agent answers {other:?}"),
    }
}

fn show(door: &mut Door, number: u64, raw: bool) -> anyhow::Result<ExitCode> {
    let letter = fetch(door, number)?;
    if raw {
        output::bytes(&letter.payload)?;
        return Ok(ExitCode::SUCCESS);
    }
    output::line(&format!("letter   {number}"))?;
    output::line(&format!("arrived  {}", moment(letter.arrived_at)))?;
    output::line(&format!("from     {}", letter.origin))?;
    output::line(&format!("reason   {}: {}", letter.reason, letter.detail))?;
    output::line(&format!("payload  {} bytes", letter.payload.len()))?;
    output::line(payload(&letter.payload).trim_end())?;
    Ok(ExitCode::SUCCESS)
}

/// Returns a payload as text where it is text that a terminal may show, else in hexadecimal.
fn payload(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text)
            if !text.contains(|letter: char| letter.is_control() && letter != '\n' && letter != '\t') =>
        {
            text.lines().map(|line| format!("  {line}\n")).collect()
        }
        _ => hexadecimal(bytes),
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    let rows = bytes.chunks(HEX_COLUMNS).enumerate().map(|(row, bytes)| {
        let digits: String = bytes.iter().map(|byte| format!("{byte:02x} ")).collect();
        let shown = |byte: &u8| if byte.is_ascii_graphic() { char::from(*byte) } else { '.' };
        let text: String = bytes.iter().map(shown).collect();
        format!("  {:06x}  {digits:<48} {text}\n", row * HEX_COLUMNS)
    });
    rows.collect()
}

fn replay(
    settings: &Settings,
    door: &mut Door,
    letters: &[u64],
    force: bool,
    dry_run: bool,
) -> anyhow::Result<ExitCode> {
    let (mut sent, mut stayed) = (0, 0);
    for number in letters {
        let outcome = fetch(door, *number).and_then(|letter| {
            let readings = second_reading::read(settings, &letter, force)?;
            let count = readings.len();
            if !dry_run {
                let readings = readings.into_iter().map(Into::into).collect();
                if door.ask(Request::ReplayLetter { number: *number, readings })? == Answer::AlreadyCommitted
                {
                    anyhow::bail!("sent again already");
                }
            }
            Ok(count)
        });
        match outcome {
            Ok(count) => {
                sent += 1;
                output::line(&format!("✓ letter {number}: {count} readings"))?;
            }
            Err(error) => {
                stayed += 1;
                output::line(&format!("✗ letter {number}: {error:#}"))?;
            }
        }
    }
    let done = if dry_run { "would be sent" } else { "sent" };
    output::line(&format!("{sent} {done}, {stayed} stay"))?;
    Ok(if stayed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
