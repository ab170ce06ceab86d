//! Settles which currency a symbol's prices are in, and leaves out the quotes in another one.
//!
//! The symbol itself decides where it can: a pair by its right-hand leg, a listing in the United States by its
//! spelling, any symbol by its entry in the settings. A source's label cannot overrule that; a contrary one only
//! excludes its own quote. Elsewhere labels vote.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::admit::Entry;
use super::price::Disagreement;
use super::{Exclusion, Rule, age};
use crate::symbol::{Currency, Symbol};

/// Settles the symbol's currency. `None` for an index, unless settings fix its currency or one leads among the labels,
/// and for a listing of which nothing is known.
///
/// # Errors
/// The symbol does not settle its currency, and no currency leads among the accounts: two or more are stated equally
/// often.
pub(super) fn settle(symbol: &Symbol, entries: &mut [Entry], rule: &Rule) -> Result<Option<Currency>, Disagreement> {
    if rule.in_points {
        // points are not in any currency: a label says where the index is from, not what its figures are in
        let most_named = || match most_stated(entries).as_slice() {
            [(currency, _)] => Some(currency.clone()),
            _ => None,
        };
        return Ok(rule.currency.clone().or_else(most_named));
    }
    let fixed = symbol.pair_currency().or_else(|| rule.currency.clone());
    let stated = if fixed.is_some() { Vec::new() } else { most_stated(entries) };
    let settled = match (&fixed, stated.as_slice()) {
        (Some(fixed), _) => Ok(Some(fixed.clone())),
        (None, []) => Ok(symbol.listing_currency()),
        (None, [(currency, _)]) => Ok(Some(currency.clone())),
        (None, _) => Err(Disagreement::Currencies(stated)),
    };
    // that the currency is GBP does not say whether an unlabelled figure is in pounds or in pence
    let in_parts = symbol.listing().is_some_and(|(_, exchange)| exchange.quotes_in_parts());
    let of_unlabelled = fixed.filter(|_| !in_parts);
    let by_isin = rule.security_currency.clone().filter(|_| !in_parts);
    for entry in entries {
        let settled = settled.as_ref().ok().and_then(Option::as_ref);
        let of_unlabelled = if entry.judged.outcome.origin.by_isin { &by_isin } else { &of_unlabelled };
        if let Some(exclusion) = exclusion(entry, settled, of_unlabelled.as_ref()) {
            entry.exclude(exclusion);
        }
    }
    settled
}

/// Why a quote is left out, if its currency is not the symbol's. `settled` is the symbol's currency; `of_unlabelled` is
/// the currency of a quote that states none.
fn exclusion(entry: &Entry, settled: Option<&Currency>, of_unlabelled: Option<&Currency>) -> Option<Exclusion> {
    let quote = entry.admitted()?;
    if let Some(derivation) = &entry.judged.derivation {
        // it was converted from the currency of the pair that was asked for, so it must have been in that one
        let stated = derivation.stated.as_ref().and_then(|stated| stated.currency.as_ref());
        let is_other = derivation.states_other_currency();
        return stated.filter(|_| is_other).map(contrary);
    }
    let Some(stated) = &quote.currency else { return of_unlabelled.is_none().then_some(Exclusion::CurrencyUnknown) };
    match settled {
        Some(settled) if stated == settled => None,
        // a tie: each may be right
        None if stated.prices_listings() => None,
        _ => Some(contrary(stated)),
    }
}

/// The exclusion of a quote whose label is not the symbol's currency: it is another currency, or not a currency at all.
fn contrary(stated: &Currency) -> Exclusion {
    if stated.is_code() { Exclusion::CurrencyMismatch } else { Exclusion::CurrencyUnknown }
}

/// The currency that most accounts state, or those that share the lead, each with the first source that states it.
fn most_stated(entries: &[Entry]) -> Vec<(Currency, String)> {
    // an account has one vote, and its newest quote casts it: the others are not folded
    let mut newest: BTreeMap<&str, (Timestamp, &Currency, &str)> = BTreeMap::new();
    for entry in entries {
        let origin = &entry.judged.outcome.origin;
        let Some(quote) = entry.admitted() else { continue };
        let Some(currency) = quote.currency.as_ref().filter(|currency| currency.prices_listings()) else { continue };
        let vote = (age::time_of(quote), currency, origin.source.as_str());
        let held = newest.entry(origin.account.as_str()).or_insert(vote);
        if vote.0 > held.0 {
            *held = vote;
        }
    }
    let mut voters: BTreeMap<&str, (&Currency, usize, &str)> = BTreeMap::new();
    for (_, currency, source) in newest.into_values() {
        let (_, accounts, first) = voters.entry(currency.as_str()).or_insert((currency, 0, source));
        *accounts += 1;
        *first = (*first).min(source);
    }
    let most = voters.values().map(|(_, accounts, _)| *accounts).max();
    let leading = voters.into_values().filter(|(_, accounts, _)| Some(*accounts) == most);
    leading.map(|(currency, _, source)| (currency.clone(), source.to_owned())).collect()
}

#[cfg(test)]
mod laws;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fold::testing::{equity, fold, of_origin, says, used, with};
    use crate::fold::{Price, Status, Unavailable, Verdict};
    use crate::quote::Outcome;

    fn stating(source: &str, price: &str, currency: Option<&str>) -> Outcome {
        with(says(source, price), |quote| quote.currency = currency.map(Currency::new))
    }

    fn settled(price: &Price) -> Option<&str> {
        price.currency.as_ref().map(Currency::as_str)
    }

    fn excluded(price: &Price, source: &str) -> Option<Exclusion> {
        price.quotes.iter().find(|judged| judged.outcome.origin.source == source).and_then(|judged| {
            match judged.verdict {
                Verdict::Excluded(exclusion) => Some(exclusion),
                _ => None,
            }
        })
    }

    #[test]
    fn a_listing_is_in_the_currency_most_sources_state() {
        let quotes = [
            stating("alpha", "95.00", Some("USD")),
            stating("beta", "95.01", Some("USD")),
            stating("gamma", "72.10", Some("GBP")),
            stating("delta", "72.10", None),
        ];
        let price = fold("VOD.L", quotes, &equity());
        assert_eq!((price.status, settled(&price)), (Status::Ok, Some("USD")));
        assert_eq!(excluded(&price, "gamma"), Some(Exclusion::CurrencyMismatch));
        assert_eq!(excluded(&price, "delta"), Some(Exclusion::CurrencyUnknown));
    }

    #[test]
    fn an_unlabelled_price_by_isin_is_only_in_the_currency_of_the_security() {
        let by_isin = |source: &str| {
            let origin = |origin: &mut crate::quote::Origin| origin.by_isin = true;
            of_origin(stating(source, "199.90", None), origin)
        };
        let quotes = || [stating("alpha", "231.44", Some("USD")), by_isin("beta"), by_isin("gamma")];
        let bare = Rule { currency: Some(Currency::new("USD")), ..equity() };
        let price = fold("AAPL", quotes(), &bare);
        assert_ne!(price.status, Status::Ok);
        assert_eq!(excluded(&price, "beta"), Some(Exclusion::CurrencyUnknown));
        assert_eq!(excluded(&price, "gamma"), Some(Exclusion::CurrencyUnknown));
        let own = Rule { security_currency: Some(Currency::new("USD")), ..bare };
        assert_eq!(excluded(&fold("AAPL", quotes(), &own), "beta"), None);
    }

    #[test]
    fn a_tie_of_currencies_is_a_disagreement() {
        let quotes = [stating("alpha", "95.00", Some("USD")), stating("beta", "72.10", Some("GBP"))];
        let price = fold("VOD.L", quotes, &equity());
        assert_eq!((price.status, settled(&price)), (Status::Unavailable(Unavailable::SourcesDisagree), None));
        assert_eq!(excluded(&price, "alpha"), Some(Exclusion::NotFolded));
        assert_eq!(price.detail.unwrap(), "beta states GBP, alpha states USD: no currency is stated by most sources");
    }

    #[test]
    fn two_sources_of_one_vendor_have_one_vote_on_the_currency() {
        let of_one = |outcome| of_origin(outcome, |origin| origin.account = "vendor".into());
        let quotes = [
            of_one(stating("alpha", "95.00", Some("USD"))),
            of_one(stating("beta", "95.00", Some("USD"))),
            stating("gamma", "72.10", Some("GBP")),
        ];
        assert_eq!(fold("VOD.L", quotes, &equity()).status, Status::Unavailable(Unavailable::SourcesDisagree));
    }

    #[test]
    fn an_account_that_states_two_currencies_votes_with_its_newest_quote() {
        let of = |account: &'static str, outcome| of_origin(outcome, |origin| origin.account = account.into());
        let old = |source, currency| {
            with(stating(source, "100", Some(currency)), |quote| quote.received_at = crate::fold::testing::ago(30))
        };
        let quotes = [
            of("x", old("alpha", "USD")),
            of("x", stating("beta", "100", Some("EUR"))),
            of("y", old("gamma", "USD")),
            of("y", stating("delta", "100", Some("EUR"))),
        ];
        let price = fold("SAP.DE", quotes, &equity());
        assert_eq!((price.status, settled(&price)), (Status::Ok, Some("EUR")));
    }

    #[test]
    fn a_settings_entry_outvotes_the_sources() {
        let rule = Rule { currency: Some(Currency::new("GBP")), ..equity() };
        let quotes = [stating("alpha", "95", Some("USD")), stating("beta", "95", Some("USD"))];
        let price = fold("VOD.L", quotes, &rule);
        assert_eq!((used(&price).len(), settled(&price)), (0, Some("GBP")));
        assert_eq!(excluded(&price, "alpha"), Some(Exclusion::CurrencyMismatch));
    }

    #[test]
    fn a_pair_is_in_its_right_hand_leg_despite_all_labels() {
        let quotes = [
            stating("alpha", "90000", Some("USDT")),
            stating("beta", "90000", Some("USDT")),
            stating("gamma", "90001", None),
        ];
        let price = fold("BTC-USD", quotes, &Rule { required: 1, ..equity() });
        assert_eq!((used(&price), settled(&price)), (vec!["gamma"], Some("USD")));
    }

    #[test]
    fn a_listing_in_the_united_states_is_in_dollars_despite_most_labels() {
        let price = fold("AAPL", [stating("alpha", "231", None), stating("beta", "231", None)], &equity());
        assert_eq!((price.status, settled(&price)), (Status::Ok, Some("USD")));
        let labelled = ["x", "y", "z"].map(|source| stating(source, "3120.5", Some("INR")));
        let silent = [stating("alpha", "2.11", None), stating("beta", "2.12", None)];
        let price = fold("TCS", labelled.into_iter().chain(silent), &equity());
        assert_eq!((price.status, settled(&price), used(&price)), (Status::Ok, Some("USD"), vec!["alpha", "beta"]));
        assert_eq!(excluded(&price, "x"), Some(Exclusion::CurrencyMismatch));
        let detail = price.detail.unwrap();
        assert!(detail.contains("most sources state INR") && detail.contains("TCS.NS"), "{detail}");
    }

    #[test]
    fn settings_give_the_currency_where_no_source_states_one() {
        let euros = Rule { currency: Some(Currency::new("EUR")), ..equity() };
        let silent = || [stating("alpha", "31.2", None), stating("beta", "31.2", None)];
        for symbol in ["SAP.DE", "QQQQ.RO", "WORLDFUND"] {
            let price = fold(symbol, silent(), &euros);
            assert_eq!((price.status, settled(&price)), (Status::Ok, Some("EUR")), "{symbol}");
        }
        // but they do not say whether it is pounds or pence
        let price = fold("VOD.L", silent(), &Rule { currency: Some(Currency::new("GBP")), ..equity() });
        assert_eq!((used(&price).len(), excluded(&price, "alpha")), (0, Some(Exclusion::CurrencyUnknown)));
    }

    #[test]
    fn a_listing_of_which_nothing_is_known_implies_no_currency() {
        for symbol in ["QQQQ.RO", "US0378331005", "600519", "WORLDFUND", "AAPL1"] {
            let price = fold(symbol, ["alpha", "beta"].map(|source| stating(source, "31.2", None)), &equity());
            assert_eq!((price.status, settled(&price)), (Status::Unavailable(Unavailable::NoQuorum), None), "{symbol}");
            assert_eq!(excluded(&price, "alpha"), Some(Exclusion::CurrencyUnknown));
            let labelled = ["alpha", "beta"].map(|source| stating(source, "31.2", Some("RON")));
            let price = fold(symbol, labelled, &equity());
            assert_eq!((price.status, settled(&price)), (Status::Ok, Some("RON")), "{symbol}");
        }
    }

    #[test]
    fn a_label_that_is_not_a_code_means_nothing_and_has_no_vote() {
        let quotes = [
            stating("alpha", "221.4", Some("EUR")),
            stating("beta", "221.6", Some("PENCE")),
            stating("gamma", "221.6", Some("PENCE")),
        ];
        let price = fold("SAP.DE", quotes.clone(), &equity());
        assert_eq!((settled(&price), used(&price)), (Some("EUR"), vec!["alpha"]));
        assert_eq!(excluded(&price, "beta"), Some(Exclusion::CurrencyUnknown));
        let beta = price.quotes.iter().find(|judged| judged.outcome.origin.source == "beta").unwrap();
        assert_eq!(beta.detail.as_deref(), Some("it states the currency \"PENCE\", which is not a currency code"));
        assert_eq!(excluded(&fold("AAPL", quotes, &equity()), "beta"), Some(Exclusion::CurrencyUnknown));
    }

    #[test]
    fn no_listing_is_priced_in_a_coin_or_in_metal() {
        for label in ["BTC", "ETH", "XAU", "XAG"] {
            for symbol in ["SAP.DE", "QQQQ.RO", "WORLDFUND", "US0378331005"] {
                let labelled = ["alpha", "beta"].map(|source| stating(source, "31.2", Some(label)));
                let price = fold(symbol, labelled, &equity());
                assert_eq!((used(&price).len(), price.folded.is_some()), (0, false), "{symbol} in {label}");
                assert_ne!(settled(&price), Some(label), "{symbol}");
            }
        }
    }

    #[test]
    fn a_listing_elsewhere_needs_a_source_that_states_its_currency() {
        let price = fold("VOD.L", [stating("alpha", "72", None), stating("beta", "72", None)], &equity());
        assert_eq!((price.status, settled(&price)), (Status::Unavailable(Unavailable::NoQuorum), Some("GBP")));
        assert_eq!(excluded(&price, "alpha"), Some(Exclusion::CurrencyUnknown));
    }

    #[test]
    fn an_index_is_in_points_and_no_label_leaves_a_quote_out() {
        let index = |quotes: Vec<Outcome>| fold("^ZZZ", quotes, &equity());
        let price = index(vec![stating("alpha", "6900", None), stating("beta", "6900", None)]);
        assert_eq!((price.status, settled(&price)), (Status::Ok, None));
        let price = index(vec![stating("alpha", "6900", Some("USD")), stating("beta", "6900", None)]);
        assert_eq!((used(&price), settled(&price)), (vec!["alpha", "beta"], Some("USD")));
        let tie = vec![stating("alpha", "6900", Some("USD")), stating("beta", "6900", Some("EUR"))];
        let price = index(tie);
        assert_eq!((price.status, used(&price).len(), settled(&price)), (Status::Ok, 2, None));
        let outlier = [stating("a", "500", Some("EUR")), stating("b", "610", None), stating("c", "610.2", None)];
        let price = index(outlier.into());
        assert_eq!((price.status, excluded(&price, "a")), (Status::Ok, Some(Exclusion::Outlier)));
        assert_eq!(price.folded.unwrap().price, crate::fold::testing::decimal("610.1"));
        assert_eq!(used(&index(vec![stating("a", "7", Some("PTS")), stating("b", "7", None)])).len(), 2);
    }

    #[test]
    fn pence_taken_for_pounds_are_never_averaged_with_pounds() {
        let pounds = |source| stating(source, "0.7210", Some("GBP"));
        let pence = |source| stating(source, "72.10", Some("GBP"));
        let price = fold("VOD.L", [pounds("alpha"), pence("beta")], &equity());
        assert_eq!(price.status, Status::Unavailable(Unavailable::SourcesDisagree));
        let price = fold("VOD.L", [pounds("alpha"), pence("beta"), pounds("gamma")], &equity());
        assert_eq!((price.status, excluded(&price, "beta")), (Status::Ok, Some(Exclusion::Outlier)));
    }
}
