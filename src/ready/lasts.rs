//! Finds how long prices stay as they are if nothing lands: until a quote becomes too old or is no longer ahead, a market opens
//! or closes, or a sentence would name a time in another way.
//!
//! It would be enough to look at what each price was in fact decided by. It is simpler, and safer, to take every time that was
//! read together with every length of time that a rule knows.

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

use crate::fold::{AHEAD, Judged, Price, with_lag};
use crate::quote::Quote;
use crate::text::words::A_WEEK_OR_SO;

/// No entry is kept for longer: what other machines say of this one's clock may grow old unheard.
const LONGEST: SignedDuration = SignedDuration::from_secs(60);

/// The first moment after `made` at which the prices may no longer be the same.
pub(crate) fn valid_until<'a>(prices: impl Iterator<Item = &'a Price>, made: Timestamp) -> Timestamp {
    let mut first = First { made, until: made.saturating_add(LONGEST).unwrap_or(made) };
    first.note(midnight_after(made));
    for price in prices {
        first.note_price(price);
    }
    first.until
}

struct First {
    made: Timestamp,
    until: Timestamp,
}

impl First {
    /// Notes a moment at which something changes, if it lies ahead.
    fn note(&mut self, at: Option<Timestamp>) {
        if let Some(at) = at.filter(|at| *at > self.made) {
            self.until = self.until.min(at);
        }
    }

    /// Notes the moment after which a time is older than a span. At that moment itself it is not.
    fn note_age(&mut self, time: Timestamp, span: Duration) {
        let at = SignedDuration::try_from(span).ok().and_then(|span| time.checked_add(span).ok());
        if let Some(at) = at.filter(|at| *at >= self.made) {
            self.until = self.until.min(at);
        }
    }

    fn note_price(&mut self, price: &Price) {
        self.note(price.rule.hours.and_then(|hours| hours.next_change(self.made)));
        let opened = price.market.and_then(|market| market.around.opened_at);
        // from then on the market counts as open, whether or not a source quotes the symbol
        opened.into_iter().for_each(|opened| self.note_age(opened, price.rule.usable_for));
        for judged in &price.quotes {
            let stated = judged.derivation.as_ref().and_then(|derivation| derivation.stated.as_ref());
            let times = judged.outcome.quote.iter().chain(stated).flat_map(times).chain(judged.last_at);
            times.chain(opened).for_each(|time| self.note_time(price, judged, time));
            self.note(judged.outcome.failure.as_ref().and_then(|failure| failure.retry_at));
        }
    }

    fn note_time(&mut self, price: &Price, judged: &Judged, time: Timestamp) {
        let rule = &price.rule;
        let spans = [rule.usable_for, with_lag(rule.usable_for, &judged.outcome.origin), rule.fallback_for];
        for span in spans.into_iter().chain(rule.closed_for) {
            self.note_age(time, span);
        }
        // from then on it is named with its date, or does not lie ahead any more
        self.note(time.checked_add(A_WEEK_OR_SO).ok());
        self.note(Some(time));
        self.note(SignedDuration::try_from(AHEAD).ok().and_then(|ahead| time.checked_sub(ahead).ok()));
    }
}

/// Every time that a quote's age may count from.
fn times(quote: &Quote) -> impl Iterator<Item = Timestamp> {
    [quote.observed_at, quote.book_at, Some(quote.received_at), Some(quote.aged_from())].into_iter().flatten()
}

/// From then on, times of this day are named with their date.
fn midnight_after(time: Timestamp) -> Option<Timestamp> {
    let tomorrow = time.to_zoned(TimeZone::UTC).date().checked_add(1.day()).ok()?;
    Some(tomorrow.to_zoned(TimeZone::UTC).ok()?.timestamp())
}
