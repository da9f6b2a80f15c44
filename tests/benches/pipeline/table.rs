//! The figures as a table of Markdown.

use std::fmt;

/// Lines gathered as the sections run.
#[derive(Debug, Default)]
pub(crate) struct Table(Vec<[String; 5]>);

/// What a figure must reach.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Goal {
    /// At least so much.
    AtLeast(f64),
    /// At most so much.
    AtMost(f64),
    /// Nothing in particular.
    None,
}

impl Table {
    /// Adds a line, and prints it at once: some sections take long.
    pub(crate) fn add(
        &mut self,
        what: &str,
        measured: String,
        yardstick: String,
        decisive: (f64, &str),
        goal: Goal,
    ) {
        let (value, unit) = decisive;
        let (goal, verdict) = match goal {
            Goal::AtLeast(least) => {
                (format!("≥ {least}{unit}"), if value >= least { "met" } else { "MISSED" })
            }
            Goal::AtMost(most) => (format!("≤ {most}{unit}"), if value <= most { "met" } else { "MISSED" }),
            Goal::None => ("–".to_owned(), ""),
        };
        let line =
            [what.to_owned(), measured, yardstick, format!("{value:.2}{unit}"), format!("{goal} {verdict}")];
        println!("{}", line.join(" | "));
        self.0.push(line);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = ["what", "measured", "yardstick in the same run", "figure", "goal"].map(str::to_owned);
        let rule = std::array::from_fn(|_| "---".to_owned());
        writeln!(f)?;
        for line in [&head, &rule].into_iter().chain(&self.0) {
            writeln!(f, "| {} |", line.join(" | "))?;
        }
        Ok(())
    }
}

/// Writes a rate with its unit, such as `61 k readings/s`.
pub(crate) fn rate(per_second: f64, what: &str) -> String {
    if per_second >= 10_000.0 {
        format!("{:.0} k {what}/s", per_second / 1000.0)
    } else {
        format!("{per_second:.0} {what}/s")
    }
}
