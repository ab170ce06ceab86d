//! Checks what is set for single symbols, and for those that fit a pattern.

use super::Report;
use crate::settings::SymbolSettings;
use crate::symbol::{Currency, Symbol};

/// Checks one section; `name` is how the file spells it, `currency` what it states there, as it stands.
pub(crate) fn check(name: &str, currency: Option<&str>, set: &SymbolSettings, report: &mut Report<'_>) {
    if let Some(code) = currency {
        let path = ["symbols", name, "currency"];
        let (whole, places) = Currency::of_unit(code);
        report.unless(
            places == 0,
            &path,
            format!(
                "{code:?} is a part of {whole}, and prices are in whole units; write {whole} here, \
                 and `units` for a source that does not say in which its prices are"
            ),
        );
        report.unless(
            (2..=10).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_alphanumeric()),
            &path,
            format!("{code:?} is no currency; write its code, such as \"USD\" or \"EUR\""),
        );
        let capitals = Currency::new(code);
        report.unless(
            places > 0 || whole == capitals,
            &path,
            format!("{code:?} is written like a part of {capitals}; write {capitals} if that is what is meant"),
        );
        if let Ok(symbol) = Symbol::parse(name) {
            let fixed = symbol.pair_currency();
            report.unless(
                fixed.is_none() || fixed.as_ref() == Some(&whole),
                &path,
                format!("{symbol} is a pair, and its right-hand side is its currency; take this line out"),
            );
        }
    }
    report.unless(
        set.spelled.is_empty() || !name.contains('*'),
        &["symbols", name, "spelled"],
        "symbols that fit a pattern have no name in common; give each of them a section of its own",
    );
    report.unless(
        set.currency.is_some() || set.class.is_some() || !set.spelled.is_empty(),
        &["symbols", name],
        "this section says nothing; write currency = \"USD\", class = \"fund\" or spelled = { yahoo = \"…\" }",
    );
}
