//! Counts what became of each quote, once for everyone who is given the answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::Quotefold;
use crate::fold::{Judged, Price};
use crate::source::Source;
use crate::source::statistics::VerdictCounter;
use crate::valuation::Valuation;

/// The verdicts on the quotes of one answer, which count once per caller. They were counted once when it was made.
#[derive(Clone, Debug)]
pub struct Verdicts(Arc<Counted>);

#[derive(Debug)]
struct Counted {
    counters: Vec<VerdictCounter>,
    /// Whether someone has been answered.
    by_first: AtomicBool,
}

impl Verdicts {
    /// Counts them for someone who is answered.
    pub fn count(&self) {
        if self.0.by_first.swap(true, Ordering::Relaxed) {
            self.0.counters.iter().for_each(VerdictCounter::count);
        }
    }
}

impl Quotefold {
    /// Counts the verdict on every quote.
    pub(super) fn count_verdicts(&self, valuation: &Valuation) {
        self.judged(valuation).for_each(|(source, judged)| source.statistics.verdict(judged));
    }

    /// What counts the verdicts once more.
    pub(super) fn verdicts(&self, valuation: &Valuation) -> Verdicts {
        let counters = self.judged(valuation).map(|(source, judged)| source.statistics.verdict_counter(judged));
        Verdicts(Arc::new(Counted { counters: counters.collect(), by_first: AtomicBool::new(false) }))
    }

    /// Every quote on which there is a verdict, with its source.
    fn judged<'v>(&'v self, valuation: &'v Valuation) -> impl Iterator<Item = (&'v Source, &'v Judged)> {
        // a rate that the caller also asked for is counted once
        let asked = || valuation.prices.iter().map(|priced| &priced.price);
        let is_asked = move |rate: &&Price| asked().any(|price| price.symbol == rate.symbol);
        let rates = valuation.rates().filter(move |rate| !is_asked(rate));
        asked().chain(rates).flat_map(|price| &price.quotes).filter_map(|judged| {
            let place = self.profiles.place(&judged.outcome.origin.source)?;
            Some((&**self.sources.get(place)?, judged))
        })
    }
}
