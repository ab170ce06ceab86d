//! Checks how survivors become one price.

use super::*;
use crate::fold::testing::{book, decimal, equity, fold, rule, says, used};
use crate::fold::{Price, Status, Unavailable};

fn fold_of(prices: &[&str]) -> Price {
    let names = ["alpha", "beta", "gamma", "delta", "epsilon"];
    fold("BTC-USD", names.iter().zip(prices).map(|(name, price)| says(name, price)), &rule())
}

fn priced(prices: &[&str]) -> Option<String> {
    fold_of(prices).folded.map(|folded| crate::decimal::plain(folded.price))
}

#[test]
fn an_odd_number_has_its_middle_and_an_even_one_the_mean_of_two() {
    assert_eq!(priced(&["101", "100", "100.5"]).unwrap(), "100.5");
    assert_eq!(priced(&["100", "101", "100.5", "100.2"]).unwrap(), "100.35");
}

#[test]
fn the_mean_of_two_is_exact_wherever_it_can_be_written() {
    let means = [
        ("0.000000000000000001", "0.000000000000000002", "0.0000000000000000015"),
        ("12345678901234.12345678901233", "12345678901234.12345678901234", "12345678901234.123456789012335"),
        // with as many digits as fit, so that the sum of the two would not fit
        ("792281625142643.37593543950331", "792281625142643.37593543950335", "792281625142643.37593543950333"),
        ("7", "7", "7"),
    ];
    for (lower, upper, expected) in means {
        let exact = |text| Decimal::from_str_exact(text).unwrap();
        assert_eq!(middle(exact(lower), exact(upper)), exact(expected), "{lower} {upper}");
    }
}

#[test]
fn an_outlier_is_left_out_and_the_border_itself_is_near() {
    let price = fold_of(&["100", "100", "102"]);
    assert_eq!(used(&price).len(), 3);
    let price = fold_of(&["100", "100", "102.01"]);
    assert_eq!(used(&price), ["alpha", "beta"]);
    assert_eq!(price.quotes[2].deviation_bps.unwrap().to_string(), "201.0");
    assert_eq!(price.quotes[2].detail.as_deref(), Some("2.01 % from the median 100, 2 % allowed"));
}

#[test]
fn two_quotes_agree_or_disagree_and_neither_is_an_outlier() {
    assert_eq!(priced(&["100", "103"]).unwrap(), "101.5");
    let price = fold_of(&["58123.45", "61990.00"]);
    assert_eq!(price.status, Status::Unavailable(Unavailable::SourcesDisagree));
    let sentence = "alpha says 58123.45, beta 61990: 6.4 % apart, 3 % allowed";
    assert_eq!(price.detail.as_deref(), Some(sentence));
}

#[test]
fn two_camps_are_not_averaged() {
    let price = fold_of(&["50000", "50000", "100000", "100000"]);
    assert_eq!(price.status, Status::Unavailable(Unavailable::SourcesDisagree));
    assert!(price.quotes.iter().all(|quote| quote.verdict == Verdict::Excluded(Exclusion::NotFolded)));
    // nor does the median's own camp win if it holds only half of them
    let price = fold_of(&["100", "100.1", "110", "120"]);
    assert_eq!(price.status, Status::Unavailable(Unavailable::SourcesDisagree));
}

#[test]
fn outliers_may_not_cost_the_quorum() {
    let of_three = |required| {
        let rule = Rule { required, ..rule() };
        fold("BTC-USD", [says("alpha", "100"), says("beta", "100"), says("gamma", "110")], &rule).status
    };
    assert_eq!(of_three(2), Status::Ok);
    assert_eq!(of_three(3), Status::Unavailable(Unavailable::SourcesDisagree));
}

#[test]
fn survivors_near_the_median_may_still_be_too_far_apart() {
    let price = fold_of(&["98.2", "100", "101.8"]);
    assert_eq!(price.status, Status::Unavailable(Unavailable::SourcesDisagree));
}

#[test]
fn a_single_quote_has_neither_plus_minus_nor_divergence() {
    let folded = fold("AAPL", [says("alpha", "231.44")], &equity()).folded.unwrap();
    assert_eq!((folded.plus_minus, folded.divergence_bps), (None, None));
}

#[test]
fn plus_minus_holds_the_middle_half_of_the_votes() {
    let quotes = [
        book("alpha", "100", "99.2", "100.8"),
        book("beta", "100.1", "99.5", "100.7"),
        book("gamma", "100.2", "99.8", "100.6"),
    ];
    // votes: 99.2 99.5 99.8 100 100.1 100.2 100.6 100.7 100.8; from the third to the third last
    let folded = fold("BTC-USD", quotes, &rule()).folded.unwrap();
    assert_eq!((folded.price, folded.plus_minus), (decimal("100.1"), Some(decimal("0.5"))));
}
