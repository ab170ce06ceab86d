//! Counts what became of each quote and each symbol, once for everyone who is given the answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::Quotefold;
use crate::convert::Priced;
use crate::fold::{Judged, Price};
use crate::metrics::PriceCounter;
use crate::question::Question;
use crate::source::Source;
use crate::source::coalescer::Patience;
use crate::source::statistics::VerdictCounter;
use crate::valuation::Valuation;

/// The verdicts on the quotes of one answer, which count once per caller. They were counted once when it was made.
#[derive(Clone, Debug)]
pub struct Verdicts(Arc<Counted>);

#[derive(Debug)]
struct Counted {
    quotes: Vec<VerdictCounter>,
    prices: Vec<PriceCounter>,
    /// Whether someone has been answered.
    by_first: AtomicBool,
}

impl Verdicts {
    /// Counts them for someone who is answered.
    pub fn count(&self) {
        if self.0.by_first.swap(true, Ordering::Relaxed) {
            self.0.quotes.iter().for_each(VerdictCounter::count);
            self.0.prices.iter().for_each(PriceCounter::count);
        }
    }
}

impl Quotefold {
    /// Counts the verdict on every quote and, unless the answer is the service's own, the status of every symbol.
    pub(super) fn count_verdicts(&self, valuation: &Valuation, question: &Question) {
        self.judged(valuation).for_each(|(source, judged)| source.statistics.verdict(judged));
        if question.patience == Patience::Waits {
            self.prices(valuation, question).for_each(|price| price.count());
        }
    }

    /// What counts the verdicts once more.
    pub(super) fn verdicts(&self, valuation: &Valuation, question: &Question) -> Verdicts {
        let quotes = self.judged(valuation).map(|(source, judged)| source.statistics.verdict_counter(judged)).collect();
        let prices = self.prices(valuation, question).collect();
        Verdicts(Arc::new(Counted { quotes, prices, by_first: AtomicBool::new(false) }))
    }

    /// What counts the symbols of an answer, each by its status.
    fn prices<'v>(
        &'v self,
        valuation: &'v Valuation,
        question: &'v Question,
    ) -> impl Iterator<Item = PriceCounter> + 'v {
        let of_symbol = |priced: &Priced| self.price_counter(&priced.price);
        let not_symbols = question.not_symbols.iter().map(|_| self.metrics.not_symbols());
        valuation.prices.iter().map(of_symbol).chain(not_symbols)
    }

    /// What counts a price by its status.
    pub(super) fn price_counter(&self, price: &Price) -> PriceCounter {
        self.metrics.prices(self.settings.class(&price.symbol), price.status)
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
