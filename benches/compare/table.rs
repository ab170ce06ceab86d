//! The table: what was measured, beside what it should be.

use std::fmt;

/// What a figure should be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    /// At least this much, in this unit.
    AtLeast(f64, &'static str),
    /// At most this much, in this unit.
    AtMost(f64, &'static str),
}

/// One figure of a row: a value per round.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    pub(crate) what: &'static str,
    pub(crate) target: Target,
    pub(crate) rounds: Vec<f64>,
}

/// The lines so far.
pub(crate) struct Table {
    lines: Vec<[String; 5]>,
    /// Whether the rounds were too short for a verdict.
    is_short: bool,
}

impl Target {
    fn unit(self) -> &'static str {
        let (Target::AtLeast(_, unit) | Target::AtMost(_, unit)) = self;
        unit
    }

    fn is_met(self, value: f64) -> bool {
        match self {
            Target::AtLeast(least, _) => value >= least,
            Target::AtMost(most, _) => value <= most,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::AtLeast(least, unit) => write!(to, "≥ {}", with_unit(*least, unit)),
            Target::AtMost(most, unit) => write!(to, "≤ {}", with_unit(*most, unit)),
        }
    }
}

impl Figure {
    /// The middle one of the rounds.
    fn middle(&self) -> f64 {
        let mut sorted = self.rounds.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
    }
}

impl Table {
    pub(crate) fn new(is_short: bool) -> Self {
        Table { lines: Vec::new(), is_short }
    }

    /// Adds the figures of a row.
    pub(crate) fn add(&mut self, row: &str, figures: Vec<Figure>) {
        for figure in figures {
            let Figure { what, target, rounds } = &figure;
            let (least, most) = rounds
                .iter()
                .fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), round| (least.min(*round), most.max(*round)));
            let middle = figure.middle();
            let verdict = match target.is_met(middle) {
                _ if self.is_short => "not judged",
                true => "met",
                false => "**missed**",
            };
            self.lines.push([
                if what.is_empty() { row.to_owned() } else { format!("{row}: {what}") },
                target.to_string(),
                with_unit(middle, target.unit()),
                format!("{}–{}", shown(least), shown(most)),
                verdict.to_owned(),
            ]);
        }
    }

    /// Adds a row that cannot be measured here.
    pub(crate) fn skip(&mut self, row: &str, missing: &str) {
        self.lines.push([row, "", "", "", &format!("skipped: {missing}")].map(str::to_owned));
    }
}

impl fmt::Display for Table {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(to, "| what | target | measured | rounds | verdict |\n|---|---|---|---|---|")?;
        self.lines.iter().try_for_each(|line| writeln!(to, "| {} |", line.join(" | ")))
    }
}

fn with_unit(value: f64, unit: &str) -> String {
    format!("{} {unit}", shown(value)).trim_end().to_owned()
}

/// A figure with three digits or so.
pub(crate) fn shown(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 0.1 || size == 0.0 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}
