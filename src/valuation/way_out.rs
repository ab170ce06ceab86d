//! Says what a caller or an operator can do about a price that is missing or degraded.

use std::collections::BTreeSet;

use crate::fold::{Degraded, Exclusion, Judged, Price, Status, Unavailable, Verdict};
use crate::settings::Settings;
use crate::symbol::Symbol;

/// The advice at the end of the sentence about what is wrong. `None` for a price that is `ok`, and where the sentence
/// already says what to do.
pub(super) fn way_out(price: &Price, settings: &Settings) -> Option<String> {
    let symbol = &price.symbol;
    match price.status {
        Status::Ok | Status::Unavailable(Unavailable::NotCovered | Unavailable::NoConversion) => None,
        Status::Unknown => {
            if let Some(gone) = symbol.gone_money() {
                return Some(gone);
            }
            // the sentence about a pair without its hyphen already asks what was meant
            let spelling = "check how it is spelled";
            symbol.did_you_mean().is_none().then(|| or_another(spelling, symbol, settings))
        }
        Status::Unavailable(Unavailable::SourcesDisagree) => Some(choose(price)),
        Status::Unavailable(Unavailable::AllStale) => {
            let class = settings.class(symbol);
            let later =
                format!("ask again later, or allow older prices with a longer fallback_for under [class.{class}]");
            // beyond fallback_for, no max_age lets a quote in
            let is_callers = price.rule.max_age.is_some_and(|max_age| max_age < price.rule.fallback_for);
            Some(if is_callers { "ask with a longer max_age".to_owned() } else { later })
        }
        Status::Unavailable(Unavailable::NoAnswer) => Some(more_sources(price, settings)),
        Status::Degraded(Degraded::FewSources) | Status::Unavailable(Unavailable::NoQuorum)
            if lacks_currency(price) =>
        {
            Some(state_currency(symbol))
        }
        Status::Degraded(_) | Status::Unavailable(Unavailable::NoQuorum) => Some(more_sources(price, settings)),
    }
}

/// What could complete the quorum: sources whose failure may pass, another source, or a lower `required`.
fn more_sources(price: &Price, settings: &Settings) -> String {
    let symbol = &price.symbol;
    let may_pass = |judged: &Judged| {
        judged.outcome.failure.as_ref().is_some_and(|failure| failure.error.ends_by_itself())
            && judged.verdict == Verdict::Failed
    };
    let has_price = price.folded.is_some();
    if (!has_price || price.covering >= price.rule.required) && price.quotes.iter().any(may_pass) {
        return or_another("ask again", symbol, settings);
    }
    if let Some(another) = settings.one_more_vendor(symbol) {
        return another;
    }
    let class = settings.class(symbol);
    match price.status {
        Status::Degraded(Degraded::StaleFallback) => "ask again".to_owned(),
        _ => format!("add another source, or set a lower `required` under [class.{class}]"),
    }
}

/// The advice, and a provider that would help too.
fn or_another(advice: &str, symbol: &Symbol, settings: &Settings) -> String {
    match settings.one_more(symbol) {
        Some(another) => format!("{advice}; {another}"),
        None => advice.to_owned(),
    }
}

/// How to choose among sources that disagree.
fn choose(price: &Price) -> String {
    let symbol = &price.symbol;
    let prices = price.quotes.iter().filter(|judged| judged.verdict == Verdict::Excluded(Exclusion::NotFolded));
    let stated: BTreeSet<_> = prices.filter_map(|judged| judged.outcome.quote.as_ref()?.currency.as_ref()).collect();
    if symbol.legs().is_none() && price.currency.is_none() && stated.len() > 1 {
        return set_currency(symbol);
    }
    "name the ones you trust with `sources`".to_owned()
}

/// Whether a quote was left out because it does not state its currency and nothing else does.
fn lacks_currency(price: &Price) -> bool {
    price.quotes.iter().any(|judged| {
        let is_silent = judged.outcome.quote.as_ref().is_some_and(|quote| quote.currency.is_none());
        is_silent && judged.verdict == Verdict::Excluded(Exclusion::CurrencyUnknown)
    })
}

/// How to state the currency of sources that state none.
fn state_currency(symbol: &Symbol) -> String {
    match symbol.listing() {
        Some((_, exchange)) if exchange.quotes_in_parts() => {
            let (suffix, whole) = (exchange.suffix, exchange.currency.unwrap_or("a currency"));
            format!(
                "in [sources.NAME], set units = {{ {suffix} = \"…\" }} to say whether its prices are in {whole} or in a part of it"
            )
        }
        _ => set_currency(symbol),
    }
}

/// How to state the currency of a listing.
fn set_currency(symbol: &Symbol) -> String {
    let currency = symbol.usual_currency().map_or_else(|| "…".to_owned(), |currency| currency.to_string());
    format!("set {} currency = \"{currency}\" in the configuration", symbol.section())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::failure::SourceError;
    use crate::fold::Rule;
    use crate::fold::testing::{MINUTE, equity, failed, fold, reference, refused, rule, says, says_at, with};
    use crate::quote::Outcome;
    use crate::settings::load::{LoadOptions, load};
    use crate::symbol::Currency;

    fn advice(symbol: &str, outcomes: impl IntoIterator<Item = Outcome>, rule: &Rule) -> (Status, String) {
        let text = Some(("the settings".to_owned(), "[sources.coinbase]".to_owned()));
        let settings = load(&LoadOptions { text, ..LoadOptions::default() }).unwrap();
        let price = fold(symbol, outcomes, rule);
        let advice = way_out(&price, &settings).unwrap_or_default();
        assert!(!advice.contains(".toml"), "{advice}");
        (price.status, advice)
    }

    #[test]
    fn every_price_that_is_missing_or_degraded_has_a_way_out() {
        let silent = |source| failed(source, SourceError::unavailable("503"));
        let denies = |source| failed(source, SourceError::UnknownSymbol("no such symbol".into()));
        let labelled =
            |source, label: Option<&str>| with(says(source, "100"), |quote| quote.currency = label.map(Currency::new));
        let within = |seconds| Rule { max_age: Some(Duration::from_secs(seconds)), ..rule() };
        let gone = |source| refused(says_at(source, "100", 16 * MINUTE), SourceError::unavailable("503"));
        let cases: [(&str, Vec<Outcome>, Rule, &str); 12] = [
            ("BTC-USD", vec![says("a", "100"), reference("b", "100")], rule(), "would make it ok: add [sources."),
            ("AAPL", vec![says("a", "100")], equity(), "would help: add [sources."),
            ("AAPL", vec![says("a", "100"), silent("b")], equity(), "ask again"),
            ("BTC-USD", vec![silent("a"), gone("b")], rule(), "ask again"),
            ("AAPL", vec![failed("a", SourceError::Malformed("no JSON".into()))], equity(), "twelvedata would help"),
            ("BTC-USD", vec![says_at("a", "100", 20 * MINUTE)], rule(), "fallback_for under [class.crypto]"),
            ("BTC-USD", vec![says_at("a", "100", 40)], within(30), "ask with a longer max_age"),
            ("BTC-USD", vec![says_at("a", "100", 20 * MINUTE)], within(86_400), "fallback_for under [class.crypto]"),
            ("BTC-USD", vec![says("a", "100"), says("b", "120")], rule(), "`sources`"),
            ("SAP.DE", vec![labelled("a", Some("EUR")), labelled("b", Some("USD"))], rule(), "[symbols.\"SAP.DE\"]"),
            ("QQQQ.RO", vec![labelled("a", None), labelled("b", None)], rule(), "[symbols.\"QQQQ.RO\"] currency"),
            ("BTC-USD", vec![denies("a"), denies("b")], rule(), "check how it is spelled"),
        ];
        for (symbol, outcomes, rule, expected) in cases {
            let (status, advice) = advice(symbol, outcomes, &rule);
            assert!(status != Status::Ok && advice.contains(expected), "{symbol} {status:?}: {advice}");
        }
        assert_eq!(advice("BTC-USD", [says("a", "100"), says("b", "100")], &rule()), (Status::Ok, String::new()));
    }
}
