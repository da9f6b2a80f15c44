//! What is asked of the buffer, and its answer: over the socket where the agent runs, directly where it does not.

use penstock_shared::id::CommitNumber;
use penstock_shared::reading::Reading;

use super::message::{Answer, Request, SentReading};
use crate::buffer::{Buffer, Place, Replay, ReplayError};

/// More letters at once would make a long answer.
const MOST_LETTERS: usize = 500;

/// A page of commits ends behind the one that reaches this.
const PAGE_BYTES: usize = 2 << 20;

/// Does what is asked. Blocks on the disk.
#[must_use]
pub fn answer(request: Request, buffer: &Buffer) -> Answer {
    let outcome = match request {
        Request::DeadLetters { before, limit } => letters(buffer, before, limit),
        Request::DeadLetter { number } => letter(buffer, number),
        Request::ReplayLetter { number, readings } => commit(buffer, Replay::Letter(number), readings),
        Request::Segments => Ok(Answer::Segments {
            segments: buffer.segments(),
            quarantined: buffer.quarantined(),
            faults: buffer.disk_faults(),
        }),
        Request::Verify { first } => {
            buffer.verify(first).map(Answer::Verified).map_err(|error| error.to_string())
        }
        Request::Commits { place, from } => commits(buffer, &place, from),
        Request::ReplayBatch { batch, readings } => commit(buffer, Replay::Batch(batch), readings),
        Request::Status | Request::Tap(_) => Err("only a running agent tells that".to_owned()),
    };
    outcome.unwrap_or_else(|reason| Answer::Refused { reason })
}

fn letters(buffer: &Buffer, before: u64, limit: usize) -> Result<Answer, String> {
    let page = buffer.dead_letters(before, limit.min(MOST_LETTERS)).map_err(|error| error.to_string())?;
    let letters = page.letters.into_iter().map(Into::into).collect();
    Ok(Answer::DeadLetters { letters, older: page.older, damaged: page.damaged })
}

fn letter(buffer: &Buffer, number: u64) -> Result<Answer, String> {
    match buffer.dead_letter(number).map_err(|error| error.to_string())? {
        Some(letter) => Ok(Answer::DeadLetter(Box::new(letter))),
        None => Err(format!("there is no dead letter {number}, or it was sent again")),
    }
}

fn commit(buffer: &Buffer, replay: Replay, readings: Vec<SentReading>) -> Result<Answer, String> {
    let readings: Vec<Reading> = readings.into_iter().map(Into::into).collect();
    if let Some(fault) = readings.iter().find_map(|reading| reading.series.validate().err()) {
        return Err(fault.to_string());
    }
    match buffer.replay(replay, readings) {
        Ok(commit) => Ok(Answer::Committed { commit }),
        Err(ReplayError::Done) => Ok(Answer::AlreadyCommitted),
        Err(error) => Err(error.to_string()),
    }
}

fn commits(buffer: &Buffer, place: &Place, from: CommitNumber) -> Result<Answer, String> {
    let page = buffer.commits(place, from, PAGE_BYTES).map_err(|error| error.to_string())?;
    let commits = page.commits.into_iter().map(Into::into).collect();
    Ok(Answer::Commits { commits, next: page.next, damaged: page.damaged })
}
