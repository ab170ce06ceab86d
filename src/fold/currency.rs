//! Settles which currency a symbol's prices are in, and leaves out the quotes in another one.

use std::collections::{BTreeMap, BTreeSet};

use super::admit::Entry;
use super::price::Disagreement;
use super::{Exclusion, Rule};
use crate::symbol::{Class, Currency, Symbol};

/// Settles the symbol's currency; `None` only for an index of which nobody states one.
///
/// # Errors
/// No entry fixes the currency, and as many sources state one as state another.
pub(super) fn settle(symbol: &Symbol, entries: &mut [Entry], rule: &Rule) -> Result<Option<Currency>, Disagreement> {
    let stated = most_stated(entries);
    // index points are in no currency, so nothing is missing where nobody states one
    let may_be_missing = symbol.class() == Class::Index && stated.is_empty();
    let fixed = rule.currency.clone().or_else(|| symbol.pair_currency());
    let settled = match (fixed, stated.as_slice()) {
        (Some(fixed), _) => Ok(Some(fixed)),
        (None, []) => Ok(symbol.usual_currency()),
        (None, [(currency, _)]) => Ok(Some(currency.clone())),
        (None, _) => Err(Disagreement::Currencies(stated)),
    };
    for entry in entries {
        let Some(quote) = entry.admitted() else { continue };
        // what is listed in the United States is in dollars, unless settings say otherwise; abroad nobody can tell
        let usual = || rule.currency.clone().filter(|_| symbol.is_united_states()).or_else(|| symbol.usual_currency());
        let unsaid = || usual().filter(|_| symbol.is_united_states() || symbol.legs().is_some());
        if let Some(derivation) = entry.judged.outcome.derivation.clone() {
            // it was turned into the symbol's currency from that of the pair that was asked for, and must have been in that
            if derivation.states_other_currency() {
                entry.exclude(Exclusion::CurrencyMismatch);
            }
            continue;
        }
        match (quote.currency.clone().or_else(unsaid), &settled) {
            (None, _) if !may_be_missing => entry.exclude(Exclusion::CurrencyUnknown),
            (Some(currency), Ok(Some(settled))) if currency != *settled => entry.exclude(Exclusion::CurrencyMismatch),
            _ => {}
        }
    }
    settled
}

/// The currency most accounts state, or those that share the lead, each with the first source that states it.
fn most_stated(entries: &[Entry]) -> Vec<(Currency, String)> {
    let mut voters: BTreeMap<&str, (&Currency, BTreeSet<&str>, &str)> = BTreeMap::new();
    for entry in entries {
        let origin = &entry.judged.outcome.origin;
        let Some(currency) = entry.admitted().and_then(|quote| quote.currency.as_ref()) else { continue };
        let (_, accounts, _) =
            voters.entry(currency.as_str()).or_insert((currency, BTreeSet::new(), origin.source.as_str()));
        accounts.insert(origin.account.as_str());
    }
    let most = voters.values().map(|(_, accounts, _)| accounts.len()).max();
    let leading = voters.into_values().filter(|(_, accounts, _)| Some(accounts.len()) == most);
    leading.map(|(currency, _, source)| (currency.clone(), source.to_owned())).collect()
}

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
    fn a_settings_entry_outvotes_the_sources() {
        let rule = Rule { currency: Some(Currency::new("GBP")), ..equity() };
        let quotes = [stating("alpha", "95", Some("USD")), stating("beta", "95", Some("USD"))];
        let price = fold("VOD.L", quotes, &rule);
        assert_eq!((used(&price).len(), settled(&price)), (0, Some("GBP")));
        assert_eq!(excluded(&price, "alpha"), Some(Exclusion::CurrencyMismatch));
    }

    #[test]
    fn a_pair_is_in_its_right_hand_leg_whatever_anyone_states() {
        let quotes = [
            stating("alpha", "90000", Some("USDT")),
            stating("beta", "90000", Some("USDT")),
            stating("gamma", "90001", None),
        ];
        let price = fold("BTC-USD", quotes, &Rule { required: 1, ..equity() });
        assert_eq!((used(&price), settled(&price)), (vec!["gamma"], Some("USD")));
    }

    #[test]
    fn a_listing_in_the_united_states_is_in_dollars_unless_said_otherwise() {
        let price = fold("AAPL", [stating("alpha", "231", None), stating("beta", "231", None)], &equity());
        assert_eq!((price.status, settled(&price)), (Status::Ok, Some("USD")));
    }

    #[test]
    fn a_listing_elsewhere_needs_somebody_to_state_its_currency() {
        let price = fold("VOD.L", [stating("alpha", "72", None), stating("beta", "72", None)], &equity());
        assert_eq!((price.status, settled(&price)), (Status::Unavailable(Unavailable::NoQuorum), Some("GBP")));
        assert_eq!(excluded(&price, "alpha"), Some(Exclusion::CurrencyUnknown));
    }

    #[test]
    fn an_index_may_be_in_points() {
        let price = fold("^GSPC", [stating("alpha", "6900", None), stating("beta", "6900", None)], &equity());
        assert_eq!((price.status, settled(&price)), (Status::Ok, None));
        let price = fold("^GSPC", [stating("alpha", "6900", Some("USD")), stating("beta", "6900", None)], &equity());
        assert_eq!((used(&price), settled(&price)), (vec!["alpha"], Some("USD")));
        assert_eq!(excluded(&price, "beta"), Some(Exclusion::CurrencyUnknown));
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
