//! Shows a survey on one screen: a line per source, and a sentence for each source that is off.

use std::collections::BTreeSet;

use rust_decimal::Decimal;

use super::compare::{Standing, apart, distance};
use super::explain::shortened;
use super::survey::{Line, Said, Survey};
use super::trouble::Trouble;
use crate::cli::print::table;
use crate::decimal::{fraction, plain};
use crate::failure::SourceError;
use crate::quote::Role;
use crate::text::words::{clock_time, list};

/// The most characters of an error in one line of the table; the source's own page shows the rest.
const LONGEST: usize = 120;
/// The most sources that one sentence names.
const MOST_NAMED: usize = 4;

impl Survey {
    /// The table, and below it what deserves a closer look.
    pub(super) fn page(&self) -> String {
        let heads = ["SOURCE", "SYMBOL", "SAID", "TOOK", "COMPARED, OR WHAT IS WRONG"];
        let mut rows = vec![heads.map(str::to_owned).to_vec()];
        rows.extend(self.lines.iter().map(|line| self.row(line)));
        let sentences = self.sentences().into_iter().map(|sentence| format!("{sentence}\n"));
        format!("{}\n{}", table(&rows), sentences.collect::<String>())
    }

    fn row(&self, line: &Line) -> Vec<String> {
        let (name, dash) = (&line.source.name, || "-".to_owned());
        let Some(said) = &line.said else {
            let what = format!("not asked: name a symbol, as in `quotefold check {name} SYMBOL --live`");
            return vec![name.clone(), dash(), dash(), dash(), what];
        };
        let outcome = &said.judged.outcome;
        let quote = outcome.quote.as_ref().map(|quote| quote.latency);
        let took = outcome.failure.as_ref().map_or(quote, |failure| failure.latency);
        vec![
            name.clone(),
            outcome.symbol.to_string(),
            self.price(said).unwrap_or_else(dash),
            took.map_or_else(dash, |took| format!("{} ms", took.as_millis())),
            shortened(&self.remark(line, said), LONGEST),
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
