//! Decoding alone: what a message of each dialect costs, and what the dialects cost those that speak none.

use std::time::Instant;

use penstock_agent::config::DecodeSettings;
use penstock_agent::decode::Decoder;
use penstock_shared::id::AgentId;
use penstock_shared::reading::TimestampMicros;
use penstock_tests::device::Message;

use super::messages::{SPARKPLUG, SPEECHES, Speech};
use crate::table::{Goal, Table};

const MESSAGES: u64 = 1000;
const ROUNDS: usize = 2;
/// The best of many short turns: what else the machine does only ever adds, and leaves some of them alone.
const TURNS: usize = 300;
/// Speeches of no dialect, at the head of [`SPEECHES`].
const PLAIN: usize = 3;
/// What having the dialects on may cost those.
const MOST: f64 = 1.05;

/// Measures every dialect, and the default mapping with and without them.
pub(super) fn measure(table: &mut Table) {
    let mut yardstick = f64::INFINITY;
    for speech in &SPEECHES[..PLAIN] {
        let (with, without) = in_turns(speech);
        // Bare numbers come first, and nothing is faster.
        yardstick = yardstick.min(with);
        table.add(
            &format!("decoding: {}, with all dialects on", speech.name),
            format!("{with:.0} ns a message"),
            format!("without dialects {without:.0} ns"),
            (with / without, " ×"),
            Goal::AtMost(MOST),
        );
    }
    for speech in SPEECHES.iter().chain([&SPARKPLUG]).skip(1) {
        let (each, readings) = nanos(speech);
        table.add(
            &format!("decoding: {}", speech.name),
            format!("{each:.0} ns a message, {:.0} a reading", each / readings),
            format!("bare number {yardstick:.0} ns"),
            (each / readings / yardstick, " × a reading"),
            Goal::None,
        );
    }
}

/// With and without dialects by turns, so that both meet the same machine.
fn in_turns(speech: &Speech) -> (f64, f64) {
    let (mut with, mut without) = (Talk::new(speech, true), Talk::new(speech, false));
    let turns = (0..TURNS).map(|_| (with.turn(), without.turn()));
    turns.fold((f64::INFINITY, f64::INFINITY), |best, turn| (best.0.min(turn.0), best.1.min(turn.1)))
}

/// Returns nanoseconds a message, and readings a message.
fn nanos(speech: &Speech) -> (f64, f64) {
    let mut talk = Talk::new(speech, true);
    let nanos = (0..TURNS).map(|_| talk.turn()).fold(f64::INFINITY, f64::min);
    (nanos, talk.readings_each())
}

/// A decoder and what it is told again and again.
struct Talk {
    decoder: Decoder,
    messages: Vec<Message>,
    now: TimestampMicros,
}

impl Talk {
    fn new(speech: &Speech, dialects: bool) -> Self {
        let agent = AgentId::new("bench").expect("a valid id");
        let decoder = Decoder::new(&agent, true, [].into());
        let decoder = if dialects { decoder.with_dialects(&DecodeSettings::default()) } else { decoder };
        let messages = (2..2 + MESSAGES).map(|number| (speech.next)(0, number)).collect();
        let mut talk = Self { decoder, messages, now: TimestampMicros::now() };
        let announcement = (speech.next)(0, 1);
        talk.decoder.decode(&announcement.topic, &announcement.payload, talk.now);
        talk
    }

    fn turn(&mut self) -> f64 {
        let started = Instant::now();
        for message in (0..ROUNDS).flat_map(|_| &self.messages) {
            let message = std::hint::black_box(message);
            std::hint::black_box(self.decoder.decode(&message.topic, &message.payload, self.now));
        }
        started.elapsed().as_nanos() as f64 / (ROUNDS as f64 * MESSAGES as f64)
    }

    fn readings_each(&mut self) -> f64 {
        let decoder = &mut self.decoder;
        let decoded =
            self.messages.iter().map(|message| decoder.decode(&message.topic, &message.payload, self.now));
        let readings: usize = decoded.map(|decoded| decoded.readings.len()).sum();
        assert!(readings > 0, "a message holds no reading");
        readings as f64 / MESSAGES as f64
    }
}
