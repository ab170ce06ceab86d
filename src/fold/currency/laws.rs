//! The laws of currencies, which hold for any labels: tried with random labels over random majorities.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use rust_decimal::Decimal;

use crate::fold::testing::{equity, fold, of_origin, says, with};
use crate::fold::{Exclusion, Price, Verdict};
use crate::quote::{Outcome, Stated};
use crate::symbol::Currency;

/// What one source says: its account, its price in cents, and its label.
type Saying = (u8, i64, Option<&'static str>);

fn sayings() -> impl Strategy<Value = Vec<Saying>> {
    let label = select(vec!["USD", "USD", "INR", "INR", "EUR", "GBP", "USDT", "PENCE", "P", "CHf", "PTS"]);
    // camps of prices, so that majorities form and change
    let price = select(vec![10_000_i64, 10_010, 10_020, 312_000, 312_050, 5_000]);
    vec((0_u8..6, price, option::weighted(0.6, label)), 1..9)
}

fn outcomes(sayings: &[Saying]) -> Vec<Outcome> {
    let outcome = |(number, (account, cents, label)): (usize, &Saying)| {
        let said = with(says(&format!("s{number}"), "1"), |quote| {
            quote.price = Stated::Number(Decimal::new(*cents, 2));
            quote.currency = label.map(|label| Currency::of_unit(label).0);
        });
        of_origin(said, |origin| origin.account = format!("account{account}"))
    };
    sayings.iter().enumerate().map(outcome).collect()
}

fn is_left_out_for_its_label(price: &Price, source: &str) -> bool {
    let quote = price.quotes.iter().find(|judged| judged.outcome.origin.source == source);
    let verdict = quote.map(|judged| judged.verdict);
    matches!(verdict, Some(Verdict::Excluded(Exclusion::CurrencyMismatch | Exclusion::CurrencyUnknown)))
}

fn label(outcome: &Outcome) -> Option<&str> {
    outcome.quote.as_ref().and_then(|quote| quote.currency.as_ref()).map(Currency::as_str)
}

proptest! {
    #[test]
    fn where_the_symbol_settles_its_currency_a_label_excludes_only_its_own_quote(sayings in sayings()) {
        for symbol in ["TCS", "BRK.B", "BTC-USD"] {
            let all = outcomes(&sayings);
            let price = fold(symbol, all.clone(), &equity());
            prop_assert_eq!(price.currency.as_ref().map(Currency::as_str), Some("USD"));
            for outcome in &all {
                let is_contrary = label(outcome).is_some_and(|label| label != "USD");
                prop_assert_eq!(is_left_out_for_its_label(&price, &outcome.origin.source), is_contrary);
            }
            let fitting = all.into_iter().filter(|outcome| label(outcome).is_none_or(|label| label == "USD"));
            let without_labels = fitting.map(|outcome| with(outcome, |quote| quote.currency = None));
            prop_assert_eq!(price.folded, fold(symbol, without_labels, &equity()).folded);
        }
    }

    #[test]
    fn the_order_in_which_sources_answer_does_not_matter(sayings in sayings(), turn in 0_usize..9) {
        for symbol in ["TCS", "SAP.DE", "VOD.L", "^GSPC", "BTC-USD", "QQQQ.RO"] {
            let mut outcomes = outcomes(&sayings);
            let price = fold(symbol, outcomes.clone(), &equity());
            let places = outcomes.len();
            outcomes.rotate_left(turn % places);
            prop_assert_eq!(&fold(symbol, outcomes.clone(), &equity()), &price);
            outcomes.reverse();
            prop_assert_eq!(&fold(symbol, outcomes, &equity()), &price);
        }
    }

    #[test]
    fn a_listing_abroad_uses_only_quotes_in_a_currency_that_no_other_outvotes(sayings in sayings()) {
        let outcomes = outcomes(&sayings);
        let price = fold("SAP.DE", outcomes.clone(), &equity());
        for judged in price.quotes.iter().filter(|judged| judged.verdict == Verdict::Used) {
            prop_assert_eq!(label(&judged.outcome), price.currency.as_ref().map(Currency::as_str));
        }
        // all quotes are of one age here, so the first label of an account is its vote
        let mut voted = std::collections::BTreeMap::new();
        for outcome in &outcomes {
            let currency = outcome.quote.as_ref().and_then(|quote| quote.currency.as_ref());
            if let Some(currency) = currency.filter(|currency| currency.is_code()) {
                voted.entry(&outcome.origin.account).or_insert(currency.as_str());
            }
        }
        let votes = |code: &str| voted.values().filter(|voted| **voted == code).count();
        if let Some(settled) = price.currency.as_ref().filter(|_| price.folded.is_some()) {
            prop_assert!(settled.is_code());
            for other in ["USD", "INR", "EUR", "GBP", "USDT"].into_iter().filter(|other| *other != settled.as_str()) {
                prop_assert!(votes(other) < votes(settled.as_str()), "{} outvotes {}", other, settled);
            }
        }
    }

    #[test]
    fn a_label_changes_nothing_for_an_index(sayings in sayings()) {
        let labelled = fold("^GSPC", outcomes(&sayings), &equity());
        let silent = outcomes(&sayings).into_iter().map(|outcome| with(outcome, |quote| quote.currency = None));
        let silent = fold("^GSPC", silent, &equity());
        prop_assert_eq!((labelled.status, &labelled.folded), (silent.status, &silent.folded));
        let verdicts = |price: &Price| price.quotes.iter().map(|judged| judged.verdict).collect::<Vec<_>>();
        prop_assert_eq!(verdicts(&labelled), verdicts(&silent));
        prop_assert!(labelled.currency.is_none_or(|currency| currency.is_code()));
    }
}
