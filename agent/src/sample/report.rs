//! The tally as a person reads it.

use std::fmt::Write;
use std::time::Duration;

use penstock_shared::reading::{Series, Value};

use super::tally::{DeadLetterTally, SeriesTally, Tally};
use crate::edge::Withheld;

/// Of each list this many lines are printed.
const MAX_LINES: usize = 100;
/// Of a text or payload this many characters are printed.
const MAX_SHOWN: usize = 40;
const SECONDS_A_DAY: f64 = 86_400.0;

pub(super) fn render(tally: &Tally, duration: Duration) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    write_report(&mut text, tally, duration.as_secs_f64().max(f64::MIN_POSITIVE)).unwrap_or_default();
    text
}

fn write_report(text: &mut String, tally: &Tally, seconds: f64) -> std::fmt::Result {
    for note in &tally.notes {
        writeln!(text, "✗ {note}")?;
    }
    let mark = if tally.readings > 0 { '✓' } else { '✗' };
    let (readings, series) = (tally.readings, tally.series.len());
    writeln!(text, "{mark} {readings} readings of {series} series in {seconds:.0} s")?;
    write_series(text, tally, seconds)?;
    write_dead_letters(text, tally)?;
    write_withheld(text, &tally.withheld)?;
    let per_day = SECONDS_A_DAY / seconds;
    if tally.readings > 0 {
        writeln!(
            text,
            "  a day: {} readings, {} to the hub in {} batches ({:.1} bytes a reading; HTTP's headers come on top)",
            short(tally.readings as f64 * per_day, ""),
            short(tally.bytes as f64 * per_day, "B"),
            short(tally.batches as f64 * per_day, ""),
            tally.bytes as f64 / tally.readings as f64,
        )?;
    }
    if tally.unacknowledged > 0 {
        let count = tally.unacknowledged;
        writeln!(
            text,
            "  {count} messages at the listener were not acknowledged: QoS 1 devices send them again"
        )?;
    }
    writeln!(text, "  nothing was stored")
}

fn write_series(text: &mut String, tally: &Tally, seconds: f64) -> std::fmt::Result {
    if tally.series.is_empty() {
        return Ok(());
    }
    let rows: Vec<[String; 6]> =
        tally.series.iter().take(MAX_LINES).map(|(series, tally)| row(series, tally, seconds)).collect();
    let heads = ["readings", "per s", "type", "source", "unit", "last value"].map(str::to_owned);
    let width = |column: usize| {
        let cells = rows.iter().chain([&heads]).map(|row| row[column].chars().count());
        cells.max().unwrap_or_default()
    };
    let widths: [usize; 6] = std::array::from_fn(width);
    for row in [&heads].into_iter().chain(&rows) {
        let [count, rate, event_type, source, unit, last] = row;
        let [w0, w1, w2, w3, w4, _] = widths;
        let line =
            format!("  {count:>w0$}  {rate:>w1$}  {event_type:<w2$}  {source:<w3$}  {unit:<w4$}  {last}");
        writeln!(text, "{}", line.trim_end())?;
    }
    write_rest(text, tally.series.len())
}

fn row(series: &Series, tally: &SeriesTally, seconds: f64) -> [String; 6] {
    let unit = series.labels.get("unit").cloned().unwrap_or_default();
    let last = match &tally.last {
        Value::Number(number) => number.to_string(),
        Value::Boolean(state) => state.to_string(),
        Value::Text(text) => format!("\"{}\"", cut(text)),
    };
    let others = series.labels.iter().filter(|(name, _)| *name != "unit");
    let labels: String = others.map(|(name, value)| format!(" {name}={value}")).collect();
    let source = format!("{}{labels}", series.source);
    let rate = format!("{:.1}", tally.readings as f64 / seconds);
    [tally.readings.to_string(), rate, series.event_type.clone(), source, unit, last]
}

fn write_dead_letters(text: &mut String, tally: &Tally) -> std::fmt::Result {
    let count: u64 = tally.dead_letters.values().map(|letters| letters.count).sum();
    if count == 0 {
        return Ok(());
    }
    writeln!(text, "✗ {count} messages or values could not be decoded")?;
    for ((reason, origin), DeadLetterTally { count, example }) in tally.dead_letters.iter().take(MAX_LINES) {
        let payload = String::from_utf8_lossy(&example.payload);
        writeln!(text, "  {count:>8}  {reason}  {origin}: {}; got {:?}", example.detail, cut(&payload))?;
    }
    write_rest(text, tally.dead_letters.len())
}

fn write_withheld(text: &mut String, withheld: &Withheld) -> std::fmt::Result {
    let Withheld { unchanged, too_soon, rate_limit, series_limit, out_of_range } = withheld;
    if withheld.total() == 0 {
        return Ok(());
    }
    writeln!(
        text,
        "  {} readings would not be kept: {unchanged} unchanged, {too_soon} too soon, {rate_limit} above a rate, \
         {series_limit} of series beyond the limit, {out_of_range} out of range",
        withheld.total()
    )
}

fn write_rest(text: &mut String, length: usize) -> std::fmt::Result {
    if length > MAX_LINES { writeln!(text, "  … and {} more", length - MAX_LINES) } else { Ok(()) }
}

fn cut(text: &str) -> String {
    let shown: String = text.chars().take(MAX_SHOWN).collect();
    if shown.len() < text.len() { format!("{shown}…") } else { shown }
}

/// Returns a number with three digits and a letter for thousands, millions and so on.
fn short(number: f64, unit: &str) -> String {
    let mut scaled = number;
    for prefix in ["", "k", "M", "G"] {
        if scaled < 1000.0 {
            let blank = if unit.is_empty() && prefix.is_empty() { "" } else { " " };
            let digits = if scaled < 10.0 && !prefix.is_empty() { 1 } else { 0 };
            return format!("{scaled:.digits$}{blank}{prefix}{unit}");
        }
        scaled /= 1000.0;
    }
    format!("{scaled:.0} T{unit}")
}
