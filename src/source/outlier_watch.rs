//! Watches how a source's latest quotes compare with the prices, and notices a persistent outlier.
//!
//! One quote that is far off is a bad second. A source that is far off most of the time uses another unit, quotes another
//! market, or is broken.

use std::collections::VecDeque;

use jiff::Timestamp;
use rust_decimal::Decimal;

use crate::fold::{Exclusion, Judged, Verdict};
use crate::symbol::{QuickSet, Symbol};

/// How many quotes are remembered.
const REMEMBERED: usize = 128;
/// With fewer quotes, no outlier is called persistent.
const ENOUGH: usize = 8;

/// A source's latest quotes that were compared with a price.
#[derive(Debug, Default)]
pub(super) struct OutlierWatch {
    quotes: VecDeque<Compared>,
    /// The quotes that are among them. They are read for every quote of an answer, so they are not searched for one by one.
    known: QuickSet<QuoteId>,
    /// How many of them were outliers.
    outliers: usize,
}

/// What tells a quote of one source from its others: what it prices, and when it came.
type QuoteId = (Symbol, Timestamp);

#[derive(Clone, Debug)]
struct Compared {
    quote: QuoteId,
    is_outlier: bool,
    deviation_bps: Decimal,
}

/// How a source's latest quotes compared with the prices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RecentQuotes {
    /// How many quotes were compared with a price: at most 128.
    pub compared: usize,
    /// How many of them were outliers.
    pub outliers: usize,
    /// The mean of their deviations, outliers included, in basis points with one decimal.
    pub mean_deviation_bps: Option<Decimal>,
}

impl OutlierWatch {
    /// Remembers a quote that was compared with a price; once, however often it is read. Returns whether the source has just
    /// become a persistent outlier.
    pub(super) fn remember(&mut self, judged: &Judged) -> bool {
        let is_outlier = judged.verdict == Verdict::Excluded(Exclusion::Outlier);
        let Some(deviation_bps) = judged.deviation_bps.filter(|_| is_outlier || judged.verdict == Verdict::Used) else {
            return false;
        };
        let Some(quote) = &judged.outcome.quote else { return false };
        let quote = (judged.outcome.symbol.clone(), quote.received_at);
        if !self.known.insert(quote.clone()) {
            return false;
        }
        let before = is_persistent(self.quotes.len(), self.outliers);
        if self.quotes.len() == REMEMBERED
            && let Some(oldest) = self.quotes.pop_front()
        {
            self.known.remove(&oldest.quote);
            self.outliers -= usize::from(oldest.is_outlier);
        }
        self.outliers += usize::from(is_outlier);
        self.quotes.push_back(Compared { quote, is_outlier, deviation_bps });
        !before && is_persistent(self.quotes.len(), self.outliers)
    }

    /// How the latest quotes compared.
    pub(super) fn recent(&self) -> RecentQuotes {
        let (compared, outliers) = (self.quotes.len(), self.outliers);
        let sum = self.quotes.iter().try_fold(Decimal::ZERO, |sum, quote| sum.checked_add(quote.deviation_bps));
        let mean = sum.and_then(|sum| sum.checked_div(Decimal::from(compared)));
        RecentQuotes { compared, outliers, mean_deviation_bps: mean.map(|mean| mean.round_dp(1)) }
    }
}

impl RecentQuotes {
    /// Whether the source is the outlier more often than not, in enough quotes to say so.
    pub(crate) fn is_persistent(&self) -> bool {
        is_persistent(self.compared, self.outliers)
    }
}

fn is_persistent(compared: usize, outliers: usize) -> bool {
    compared >= ENOUGH && outliers * 2 > compared
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fold::testing::{ago, equity, fold, says, with};

    /// The verdict on a quote that came this many seconds ago, beside two honest ones.
    fn judged(price: &str, seconds: i64) -> Judged {
        let says_then = with(says("alpha", price), |quote| quote.received_at = ago(seconds));
        let folded = fold("AAPL", [says_then, says("beta", "100"), says("gamma", "100")], &equity());
        folded.quotes.into_iter().next().unwrap()
    }

    #[test]
    fn a_source_that_is_off_most_of_the_time_is_noticed_once() {
        let mut watch = OutlierWatch::default();
        let mut seconds = 1000;
        let mut noticed = |watch: &mut OutlierWatch, price: &str| {
            seconds -= 1;
            watch.remember(&judged(price, seconds))
        };
        assert!((0..4).all(|_| !noticed(&mut watch, "100")));
        assert!((0..4).all(|_| !noticed(&mut watch, "108")), "half of the time is not most of it");
        assert!(noticed(&mut watch, "108"));
        assert!(!noticed(&mut watch, "108"));
        let recent = watch.recent();
        assert_eq!((recent.compared, recent.outliers, recent.is_persistent()), (10, 6, true));
        assert_eq!(recent.mean_deviation_bps, crate::decimal::read("480.0"));
        // agreeing again for long enough makes up for it
        assert!((0..128).all(|_| !noticed(&mut watch, "100")));
        assert_eq!(
            watch.recent(),
            RecentQuotes { compared: 128, outliers: 0, mean_deviation_bps: Some(Decimal::ZERO) }
        );
    }

    #[test]
    fn a_quote_counts_once_however_often_it_is_read() {
        let mut watch = OutlierWatch::default();
        assert!((0..20).all(|_| !watch.remember(&judged("108", 1))));
        assert_eq!(watch.recent().compared, 1);
    }

    #[test]
    fn a_quote_that_is_no_longer_remembered_counts_again() {
        let mut watch = OutlierWatch::default();
        for seconds in 0..=i64::try_from(REMEMBERED).unwrap() {
            watch.remember(&judged("100", seconds));
        }
        assert_eq!((watch.quotes.len(), watch.known.len()), (REMEMBERED, REMEMBERED));
        // the first has made room for the last, and now makes the second go
        watch.remember(&judged("108", 0));
        assert_eq!(watch.recent().outliers, 1);
        watch.remember(&judged("108", 2));
        assert_eq!((watch.recent().outliers, watch.known.len()), (1, REMEMBERED), "the third is still remembered");
    }

    #[test]
    fn what_was_compared_with_no_price_says_nothing() {
        let mut watch = OutlierWatch::default();
        let alone = fold("AAPL", [says("alpha", "0")], &equity());
        assert!(!watch.remember(&alone.quotes[0]));
        assert_eq!(watch.recent(), RecentQuotes::default());
    }
}
