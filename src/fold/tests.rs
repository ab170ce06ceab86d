//! Checks the worked example, figure by figure, and what an age counts from.

use super::testing::{book, decimal, failed, fold, rule, says, says_at, used, with};
use super::*;
use crate::failure::SourceError;

#[test]
fn three_quotes_and_a_timeout_give_the_documented_figures() {
    let outcomes = [
        with(book("alpha", "231.45", "231.44", "231.46"), |quote| quote.observed_at = Some(testing::ago(1))),
        says("beta", "231.43"),
        says("gamma", "213.00"),
        failed("delta", SourceError::Timeout(Duration::from_millis(700))),
    ];
    let price = fold("AAPL", outcomes, &rule());
    assert_eq!((price.status, price.covering), (Status::Ok, 4));
    assert_eq!(price.currency.as_ref().map(Currency::as_str), Some("USD"));
    assert_eq!(used(&price), ["alpha", "beta"]);
    let names = price.quotes.iter().map(|judged| judged.outcome.origin.source.as_str());
    assert_eq!(names.collect::<Vec<_>>(), ["alpha", "beta", "delta", "gamma"]);
    let folded = price.folded.unwrap();
    assert_eq!(folded.price, decimal("231.44"));
    assert_eq!(folded.plus_minus, Some(decimal("0.01")));
    assert_eq!(folded.divergence_bps.unwrap().to_string(), "0.9");
    assert_eq!((folded.observed_at, folded.aged_from), (Some(testing::ago(1)), testing::ago(1)));
    let deviations = price.quotes.iter().map(|judged| judged.deviation_bps.map(|points| points.to_string()));
    let expected = [Some("0.4"), Some("-0.4"), None, Some("-796.8")];
    assert_eq!(deviations.collect::<Vec<_>>(), expected.map(|points| points.map(str::to_owned)));
    assert_eq!(price.quotes[2].verdict, Verdict::Failed);
    assert_eq!(price.quotes[3].verdict, Verdict::Excluded(Exclusion::Outlier));
    assert_eq!(price.quotes[3].detail.as_deref(), Some("8.0 % from the median 231.43, 2 % allowed"));
}

#[test]
fn an_age_counts_from_the_oldest_used_quote() {
    let folded = fold("ZZZZ", [says_at("alpha", "1", 30), says("beta", "1")], &rule()).folded.unwrap();
    assert_eq!((folded.observed_at, folded.aged_from), (Some(testing::ago(30)), testing::ago(30)));
    let late = with(says("beta", "1"), |quote| quote.received_at = testing::ago(40));
    let folded = fold("ZZZZ", [says_at("alpha", "1", 30), late, says_at("gamma", "1", 20)], &rule()).folded.unwrap();
    assert_eq!((folded.observed_at, folded.aged_from), (Some(testing::ago(30)), testing::ago(40)));
}
