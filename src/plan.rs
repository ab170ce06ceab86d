//! Decides which source is asked for which symbols, and in which order scarce calls are given out.
//!
//! A pure function of the question, what the board knows, the sources and the settings. Who is asked when a limit is short
//! follows from the order made here, never from luck.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::board::{Known, Need};
use crate::clock::{Moment, age};
use crate::question::Question;
use crate::quote::{Origin, Outcome, Quote, Role};
use crate::settings::Settings;
use crate::source::profile::Profile;
use crate::source::share::Ask;
use crate::symbol::Symbol;

/// What the board knows of the symbols of a question, by symbol and source.
pub type Memory = BTreeMap<Symbol, BTreeMap<String, Known>>;

/// Who is asked for what.
#[derive(Clone, Debug)]
pub struct Plan {
    /// One per source that covers any of the symbols, in the order of the sources.
    pub errands: Vec<Errand>,
}

/// What one source is asked for.
#[derive(Clone, Debug)]
pub struct Errand {
    /// Which source: its place in the list of sources.
    pub source: usize,
    /// What it must be asked.
    pub ask: Ask,
    /// What the board already has and is fresh enough.
    pub settled: Vec<Outcome>,
}

/// Everything a plan is made from.
struct Table<'a> {
    question: &'a Question,
    memory: &'a Memory,
    sources: &'a [&'a Profile],
    settings: &'a Settings,
    now: Moment,
}

/// Makes the plan for a question.
pub fn plan(question: &Question, memory: &Memory, sources: &[&Profile], settings: &Settings, now: Moment) -> Plan {
    let table = Table { question, memory, sources, settings, now };
    let with_quorum: BTreeSet<&Symbol> = question.symbols.iter().filter(|symbol| table.has_quorum(symbol)).collect();
    let lets_in = |(_, source): &(usize, &&Profile)| question.lets_in(source.name());
    let errand = |(index, source): (usize, &&Profile)| table.errand(index, source, &with_quorum);
    Plan { errands: sources.iter().enumerate().filter(lets_in).filter_map(errand).collect() }
}

impl Table<'_> {
    /// What a source is asked for; `None` if it covers nothing that the question asks for.
    fn errand(&self, index: usize, source: &Profile, with_quorum: &BTreeSet<&Symbol>) -> Option<Errand> {
        let (mut due, mut young, mut settled) = (Vec::new(), Vec::new(), Vec::new());
        for (place, symbol) in self.question.symbols.iter().enumerate() {
            if !self.settings.allows(symbol) || !source.covers(symbol, self.settings.class(symbol)) {
                continue;
            }
            let known = self.known(source, symbol);
            let need = self.need(source, symbol);
            let answered = known.and_then(|known| known.answered);
            match known.filter(|known| known.is_settled(need, self.now.monotonic)) {
                Some(known) => {
                    settled.push(known.outcome.clone());
                    if !known.outcome.denies_symbol() {
                        young.push((answered, symbol.clone()));
                    }
                }
                None => due.push((with_quorum.contains(symbol), answered, place, symbol.clone(), need)),
            }
        }
        due.sort_by_key(|(has_quorum, answered, place, ..)| (*has_quorum, *answered, *place));
        young.sort();
        let ask = Ask {
            arrived: self.question.arrived.monotonic,
            due: due.into_iter().map(|(_, _, _, symbol, need)| (symbol, need)).collect(),
            riders: young.into_iter().map(|(_, symbol)| symbol).collect(),
        };
        (!ask.due.is_empty() || !settled.is_empty()).then_some(Errand { source: index, ask, settled })
    }

    fn known(&self, source: &Profile, symbol: &Symbol) -> Option<&Known> {
        self.memory.get(symbol)?.get(source.name())
    }

    /// How fresh an outcome must be: what the caller or the class says, never below the floors.
    fn need(&self, source: &Profile, symbol: &Symbol) -> Need {
        let class = self.settings.of_class(self.settings.class(symbol));
        let asked = class.refresh_after(self.question.refresh_after);
        // what the caller will not use is no reason to spare the call
        let of_use = self.question.max_age.map_or(asked, |max_age| asked.min(max_age.max(class.refresh_floor)));
        Need { refresh_after: of_use.max(source.settings.refresh_after), unknown_for: class.unknown_for }
    }

    /// Whether enough accounts have a quote on the board that is not too old to be folded and counts towards a quorum.
    fn has_quorum(&self, symbol: &Symbol) -> bool {
        let class = self.settings.class(symbol);
        let set = self.settings.of_class(class);
        let counts =
            |source: &&&Profile| self.question.lets_in(source.name()) && source.settings.role != Role::Reference;
        let fresh = self.sources.iter().filter(counts).filter_map(|source| {
            let quote = self.known(source, symbol)?.outcome.quote.as_ref()?;
            let origin = source.origin(class);
            is_usable(quote, &origin, set.usable_for, self.now).then(|| origin.account.clone())
        });
        fresh.collect::<BTreeSet<_>>().len() >= set.required
    }
}

/// Whether a quote is young enough to be folded.
pub fn is_usable(quote: &Quote, origin: &Origin, usable_for: Duration, now: Moment) -> bool {
    let old = age(now.wall, quote.observed_at.unwrap_or(quote.received_at));
    let allowed = i128::try_from(usable_for.as_millis()).unwrap_or(i128::MAX).saturating_add(origin.lag_ms.into());
    i128::try_from(old.as_millis()).is_ok_and(|old| old <= allowed)
}

#[cfg(test)]
mod tests;
