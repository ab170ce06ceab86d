//! Says when asking again can change an answer: when each source would be called again, and which of these calls could
//! change the answer.
//!
//! Pure: it turns what is known of the sources at the end of a request into times.

use jiff::{SignedDuration, Timestamp};

use crate::board::Told;
use crate::convert::Priced;
use crate::fold::{Degraded, Exclusion, Judged, Price, Status, Unavailable, Verdict};
use crate::quote::Outcome;
use crate::symbol::{QuickMap, Symbol};

/// When the same question would lead to another call: by the source's name, and by the symbol it is asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct NextCalls(QuickMap<String, QuickMap<Symbol, Timestamp>>);

impl NextCalls {
    /// Notes when a source would be called again for a symbol. If the outcome is a failure, states the time there too.
    pub(crate) fn note(&mut self, told: &mut Told, at: Timestamp) {
        let mut at = at;
        if let Some(failure) = &told.outcome().failure {
            // a refusal of ours may apply to this caller alone, and then only the failure records it
            let stands = failure.error.stands_for().and_then(|span| SignedDuration::try_from(span).ok());
            let over = stands.and_then(|span| failure.at.checked_add(span).ok());
            // a list of what the vendor trades says itself until when it denies a symbol
            let latest = [over, failure.retry_at].into_iter().flatten().fold(at, Timestamp::max);
            at = whole_milliseconds(latest);
            told.set_retry_at(at);
        }
        let Outcome { origin, symbol, .. } = told.outcome();
        if let Some(calls) = self.0.get_mut(&origin.source) {
            calls.insert(symbol.clone(), at);
        } else {
            self.0.insert(origin.source.clone(), QuickMap::from_iter([(symbol.clone(), at)]));
        }
    }

    /// The first call that can make a price better, or give one where there is none; `None` if no source is ever asked.
    pub(crate) fn that_changes(&self, priced: &Priced) -> Option<Timestamp> {
        let Priced { price, conversion } = priced;
        let rate = conversion.as_ref().map(|conversion| (&conversion.rate, conversion.price.is_some()));
        let first = match rate {
            // there is a price, and only the rate is missing
            Some((Some(rate), false)) => self.of_price(rate),
            Some((None, _)) => Some(price.as_of),
            Some((Some(rate), true)) if rate.status != Status::Ok => {
                self.of_lacking(price).into_iter().chain(self.of_price(rate)).min()
            }
            Some((Some(_), true)) | None => self.of_lacking(price),
        };
        first.or_else(|| self.of_any(price))
    }

    fn of_price(&self, price: &Price) -> Option<Timestamp> {
        self.of_lacking(price).or_else(|| self.of_any(price))
    }

    /// The first call for any quote: where nothing is wrong with the quotes, only newer ones make a difference.
    fn of_any(&self, price: &Price) -> Option<Timestamp> {
        price.quotes.iter().filter_map(|judged| self.of(judged)).min()
    }

    fn of_lacking(&self, price: &Price) -> Option<Timestamp> {
        price.quotes.iter().filter(|judged| lacks(price, judged)).filter_map(|judged| self.of(judged)).min()
    }

    /// When everything that a quote lacks can have been asked for.
    fn of(&self, judged: &Judged) -> Option<Timestamp> {
        let Judged { outcome: Outcome { origin, symbol, failure, .. }, derivation, .. } = judged;
        let asked = derivation.as_ref().map_or(symbol, |derivation| &derivation.asked);
        let known = || self.0.get(&origin.source)?.get(asked).copied();
        let own = failure.as_ref().and_then(|failure| failure.retry_at).or_else(known);
        let rates = derivation.iter().flat_map(|derivation| &derivation.rates);
        let mut weak = rates.map(|rate| rate.price.as_ref()).filter(|rate| match judged.verdict {
            Verdict::Failed | Verdict::Excluded(Exclusion::NoConversion) => rate.folded.is_none(),
            _ => rate.status != Status::Ok,
        });
        let rates = weak.try_fold(None, |latest, rate| Some(latest.max(Some(self.of_price(rate)?))))?;
        match judged.verdict {
            Verdict::Failed => own.max(rates),
            _ => rates.or(own),
        }
    }
}

/// A time as it is shown, rounded up: asking a moment too early would lead to no call.
fn whole_milliseconds(at: Timestamp) -> Timestamp {
    let milliseconds = (at.as_nanosecond() + 999_999).div_euclid(1_000_000);
    Timestamp::from_nanosecond(milliseconds * 1_000_000).unwrap_or(at)
}

/// Whether a call that renews this quote could change the price.
fn lacks(price: &Price, judged: &Judged) -> bool {
    use Exclusion as E;
    let any_change_helps = matches!(
        price.status,
        Status::Degraded(Degraded::StaleFallback)
            | Status::Unavailable(Unavailable::AllStale | Unavailable::SourcesDisagree)
    );
    let has_weak_rate = || judged.derivation.as_ref().is_some_and(|derivation| derivation.degraded().is_some());
    any_change_helps
        || match judged.verdict {
            Verdict::Failed => true,
            Verdict::Used => has_weak_rate(),
            Verdict::Excluded(E::NotFolded | E::SameAccount | E::Reference) => false,
            Verdict::Excluded(_) => true,
        }
}
