//! Shows a survey on one screen: a line per source, and a sentence for each source that is off.

use std::collections::BTreeSet;

use rust_decimal::Decimal;

use super::compare::{Standing, apart, distance};
use super::explain::shortened;
use super::survey::{Line, Said, Survey};
use super::trouble::Trouble;
use crate::cli::lines::{Lines, Tone};
use crate::cli::table::{Cell, Column, Step, Table};
use crate::cli::terminal::Terminal;
use crate::decimal::{fraction, plain};
use crate::failure::SourceError;
use crate::quote::Role;
use crate::text::words::{clock_time, list};

/// The most characters of an error in one line of the table; the source's own page shows the rest.
const LONGEST: usize = 120;
/// The most sources that one sentence names.
const MOST_NAMED: usize = 4;

const SOURCE: &str = "SOURCE";
const SYMBOL: &str = "SYMBOL";
const TOOK: &str = "TOOK";
const COMPARED: &str = "COMPARED, OR WHAT IS WRONG";

/// How the table gives way.
const STEPS: [Step; 4] = [Step::Below(COMPARED), Step::Drop(TOOK), Step::Cut(SYMBOL, 12), Step::Cut(SOURCE, 12)];

impl Survey {
    /// The table, and below it what deserves a closer look. With all, no remark is shortened.
    pub(super) fn page(&self, with_all: bool, terminal: Option<&Terminal>) -> Lines {
        let columns = [
            Column::left(SOURCE),
            Column::left(SYMBOL),
            Column::left("SAID"),
            Column::left(TOOK),
            Column::prose(COMPARED),
        ];
        let mut table = Table::new(columns, STEPS);
        self.lines.iter().for_each(|line| table.push(self.row(line, with_all)));
        let mut lines = table.on(terminal);
        lines.gap();
        for sentence in self.sentences() {
            lines.sentence(&sentence, terminal.map(|terminal| terminal.width));
        }
        lines
    }

    fn row(&self, line: &Line, with_all: bool) -> [Cell; 5] {
        let (name, dash) = (&line.source.name, || Cell::new("-"));
        let Some(said) = &line.said else {
            let what = format!("not asked: name a symbol, as in `quotefold check {name} SYMBOL --live`");
            return [Cell::new(name), dash(), dash(), dash(), Cell::new(what)];
        };
        let outcome = &said.judged.outcome;
        let quote = outcome.quote.as_ref().map(|quote| quote.latency);
        let took = outcome.failure.as_ref().map_or(quote, |failure| failure.latency);
        let remark = self.remark(line, said);
        [
            Cell::new(name),
            Cell::new(outcome.symbol.to_string()),
            Cell::or_dash(self.price(said)),
            Cell::or_dash(took.map(|took| format!("{} ms", took.as_millis()))),
            Cell::new(if with_all { remark } else { shortened(&remark, LONGEST) }).tone(tone(said)),
        ]
    }

    /// The price in short: "231.38 USD, regular, 14:31:09 UTC", with the parts that the source states.
    fn price(&self, said: &Said) -> Option<String> {
        let (price, quote) = (said.judged.price?, said.judged.outcome.quote.as_ref()?);
        let currency = quote.currency.as_ref().map(|currency| format!(" {currency}")).unwrap_or_default();
        let session = quote.session.map(|session| session.as_str().to_owned());
        let at = quote.observed_at.map(|at| clock_time(at, self.now));
        let parts = [Some(format!("{}{currency}", plain(price))), session, at];
        Some(parts.into_iter().flatten().collect::<Vec<_>>().join(", "))
    }

    /// How the price compares with the others, or why there is none.
    fn remark(&self, line: &Line, said: &Said) -> String {
        let outcome = &said.judged.outcome;
        if let Some((price, standing)) = &said.standing {
            return standing.words(*price);
        }
        if let Some(failure) = &outcome.failure {
            let trouble = Trouble { source: &line.source, settings: &self.settings, now: failure.at };
            return trouble.words(&failure.error, outcome.symbol.as_str());
        }
        let reason = said.judged.reason().unwrap_or_default();
        format!("{reason}: {}", said.judged.detail.as_deref().unwrap_or("it cannot be used"))
    }

    /// Whether no source is off, and no two are so far apart that either may be wrong.
    pub(super) fn agrees(&self) -> bool {
        let said = |line: &Line| line.said.as_ref().and_then(|said| disagreement(&line.source.name, said));
        self.lines.iter().all(|line| said(line).is_none())
    }

    /// How many sources gave a price, which are off, what deserves a closer look, and how many are switched off.
    fn sentences(&self) -> Vec<String> {
        let all = || self.lines.iter().filter_map(|line| Some((line.source.name.as_str(), line.said.as_ref()?)));
        let off: BTreeSet<String> = all().filter_map(|(name, said)| disagreement(name, said)).collect();
        let is_measured = |said: &Said| matches!(said.standing, Some((_, Standing::Measured { .. })));
        let none_is_off = off.is_empty() && all().any(|(_, said)| is_measured(said));
        let priced = all().filter(|(_, said)| said.judged.price.is_some()).count();
        let mut sentences = vec![format!("{priced} of {} sources gave a price.", self.lines.len())];
        sentences.extend(self.skew.map(|skew| format!("Note that {skew}: {}.", skew.witnesses())));
        sentences.extend(off);
        sentences.extend(none_is_off.then(|| "No source is off: all prices that can be compared agree.".to_owned()));
        sentences.extend(all().filter_map(|(name, said)| closer_look(name, said)));
        let others = self.settings.off.len();
        if others > 0 {
            sentences.push(format!("{others} more providers are off; `quotefold sources` says how to switch them on."));
        }
        sentences
    }
}

/// What the remark about a source says of it.
fn tone(said: &Said) -> Tone {
    match &said.standing {
        Some((_, Standing::Measured { is_off: false, .. })) => Tone::Good,
        Some((_, Standing::Alone)) => Tone::Plain,
        Some((_, Standing::Measured { is_off: true, .. } | Standing::Unclear { .. })) => Tone::Doubtful,
        None => Tone::Bad,
    }
}

/// How far a source is off, and from what. If no majority agrees, all that disagree get the same sentence.
fn disagreement(name: &str, said: &Said) -> Option<String> {
    let (price, standing) = said.standing.as_ref()?;
    let (symbol, allowed) = (&said.judged.outcome.symbol, fraction(said.allowed));
    match standing {
        Standing::Measured { median, others, is_off: true } => {
            let (distance, median) = (distance(*price, *median, true), plain(*median));
            let whose = match &others[..] {
                [only] => format!("what {only} says"),
                many => format!("the median of {}", list(many, MOST_NAMED)),
            };
            let (price, note) = (plain(*price), note(said));
            Some(format!(
                "{name} is off: {price} for {symbol} is {distance} {median}, {whose}; {allowed} is allowed{note}."
            ))
        }
        Standing::Unclear { lowest, highest, of } => {
            let apart = apart(lowest.1, highest.1);
            let said = |(source, price): &(String, Decimal)| format!("{source} says {}", plain(*price));
            let why = if *of == 2 { "either of the two may be wrong" } else { "no majority agrees" };
            Some(format!("{symbol}: {}, {}; {apart} apart, {allowed} is allowed: {why}.", said(lowest), said(highest)))
        }
        Standing::Alone | Standing::Measured { .. } => None,
    }
}

/// Why a source that is off may still be right.
fn note(said: &Said) -> &'static str {
    match said.judged.outcome.origin.role {
        Role::Reference => " (it is a reference: an average of other sources, or daily by design)",
        Role::Primary | Role::Reserve => "",
    }
}

/// The command that shows more, if the filter could not read the reply.
fn closer_look(name: &str, said: &Said) -> Option<String> {
    let outcome = &said.judged.outcome;
    let error = &outcome.failure.as_ref()?.error;
    let concerns_filter = matches!(error, SourceError::Malformed(_) | SourceError::Missing(_));
    let symbol = &outcome.symbol;
    concerns_filter.then(|| format!("`quotefold check {name} {symbol} --live` shows what {name} replied."))
}
