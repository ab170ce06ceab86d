//! Counts the vendors of each kind of symbol that people ask for first.

use std::collections::BTreeMap;

use crate::provider::description::SourceSettings;
use crate::provider::spelling::Spelling;
use crate::quote::Role;
use crate::settings::Settings;
use crate::symbol::Symbol;
use crate::text::words::list;

/// A kind of symbol.
struct Kind {
    /// Its name in the plural.
    name: &'static str,
    /// Symbols that stand for it: a vendor of any of them is a vendor of the kind.
    samples: &'static [&'static str],
}

/// The kinds in the order in which they are named.
const KINDS: [Kind; 7] = [
    Kind { name: US_SHARES, samples: &["AAPL"] },
    Kind { name: "US indices", samples: &["^GSPC"] },
    Kind { name: "European shares and funds", samples: &["VWCE.DE", "IE00BK5BQT80"] },
    Kind { name: "currencies", samples: &["EUR-USD"] },
    Kind { name: "metals", samples: &["XAU-USD"] },
    // prices in one currency or stable coin are turned into those in another
    Kind { name: "coins", samples: &["BTC-USD", "BTC-USDT", "BTC-EUR", "BTC-KRW", "BTC-BRL", "BTC-TRY", "BTC-ZAR"] },
    Kind { name: "futures", samples: &["GC=F"] },
];

/// The kind for which most people come.
pub(super) const US_SHARES: &str = "US shares";

/// The vendors of one kind.
#[derive(Clone)]
pub(super) struct Vendors<'a> {
    /// The kind's name in the plural.
    pub(super) kind: &'static str,
    /// How many vendors must agree.
    pub(super) required: usize,
    /// Each account, and the best role of its sources.
    accounts: BTreeMap<&'a str, Role>,
}

/// The vendors of every kind among these sources.
pub(super) fn vendors<'a>(
    sources: impl Iterator<Item = (&'a SourceSettings, &'a Spelling)>,
    settings: &Settings,
) -> Vec<Vendors<'a>> {
    let sources: Vec<_> = sources.collect();
    KINDS.iter().filter_map(|kind| of_kind(kind, &sources, settings)).collect()
}

fn of_kind<'a>(
    kind: &'static Kind,
    sources: &[(&'a SourceSettings, &'a Spelling)],
    settings: &Settings,
) -> Option<Vendors<'a>> {
    let samples: Vec<Symbol> = kind.samples.iter().filter_map(|text| Symbol::parse(text).ok()).collect();
    let required = settings.of_class(settings.class(samples.first()?)).required;
    let mut vendors = Vendors { kind: kind.name, required, accounts: BTreeMap::new() };
    for (source, spelling) in sources {
        let covers = |symbol: &Symbol| source.means(symbol) && spelling.covers(symbol, settings.class(symbol));
        if samples.iter().any(covers) {
            vendors.add(&source.account, source.role);
        }
    }
    Some(vendors)
}

impl<'a> Vendors<'a> {
    fn add(&mut self, account: &'a str, role: Role) {
        let known = self.accounts.entry(account).or_insert(role);
        *known = role.min(*known);
    }

    /// These vendors and others of the same kind.
    pub(super) fn and(&self, others: &Self) -> Self {
        let mut all = self.clone();
        others.accounts.iter().for_each(|(account, role)| all.add(account, *role));
        all
    }

    /// How many are independent: these make a quorum.
    pub(super) fn independent(&self) -> usize {
        self.accounts.values().filter(|role| **role != Role::Reference).count()
    }

    /// How many are independent, and always asked.
    pub(super) fn primaries(&self) -> usize {
        self.accounts.values().filter(|role| **role == Role::Primary).count()
    }

    /// How many more independent ones a quorum takes.
    pub(super) fn lacks(&self) -> usize {
        self.required.saturating_sub(self.independent())
    }

    /// How many there are, for people: `US shares 4`, or `metals 1 (and 2 references)` where that is no quorum.
    fn counted(&self) -> String {
        let (kind, independent) = (self.kind, self.independent());
        match self.accounts.len() - independent {
            1 if self.lacks() > 0 => format!("{kind} {independent} (and a reference)"),
            references @ 2.. if self.lacks() > 0 => format!("{kind} {independent} (and {references} references)"),
            _ => format!("{kind} {independent}"),
        }
    }
}

/// How many vendors there are of each kind that has any: `US shares 4, metals 2`. Empty if none has.
pub(super) fn counted<'v>(kinds: impl Iterator<Item = &'v Vendors<'v>>) -> String {
    let with_some = kinds.filter(|vendors| !vendors.accounts.is_empty());
    with_some.map(Vendors::counted).collect::<Vec<_>>().join(", ")
}

/// The names of the kinds without any vendor; empty if every kind has one.
pub(super) fn without_any(kinds: &[Vendors<'_>]) -> String {
    let without = kinds.iter().filter(|vendors| vendors.accounts.is_empty()).map(|vendors| vendors.kind);
    list(without, KINDS.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::load::{LoadOptions, load};

    /// The kinds among sources of one symbol each: name, symbol, further keys.
    fn counts(sources: &[(&str, &str, &str)]) -> (String, String) {
        let section = |(name, symbol, more): &(&str, &str, &str)| {
            format!(
                "[sources.{name}]\nclasses = [\"equity\", \"index\", \"crypto\", \"fx\"]\nsymbols = [\"{symbol}\"]\nfiat = [\"*\"]\n\
                 url = \"http://x.test/{{symbol}}\"\njq = \".\"\n{more}\n"
            )
        };
        let text = Some(("the settings".to_owned(), sources.iter().map(section).collect()));
        let settings = load(&LoadOptions { text, ..LoadOptions::default() }).unwrap();
        let on = settings.vendors_on();
        (counted(on.iter()), without_any(&on))
    }

    #[test]
    fn vendors_are_counted_by_account_and_references_only_below_a_quorum() {
        let reference = "role = \"reference\"";
        let share = |name, more| (name, "AAPL", more);
        let one_account = [share("a", "account = \"one\""), share("b", "account = \"one\"")];
        assert_eq!(counts(&one_account).0, "US shares 1");
        assert_eq!(counts(&[share("a", reference)]).0, "US shares 0 (and a reference)");
        assert_eq!(
            counts(&[share("a", ""), share("b", reference), share("c", reference)]).0,
            "US shares 1 (and 2 references)"
        );
        assert_eq!(counts(&[share("a", ""), share("b", "role = \"reserve\""), share("c", reference)]).0, "US shares 2");
    }

    #[test]
    fn what_has_no_vendor_is_named_apart() {
        let (some, none) = counts(&[("a", "XAU-USD", ""), ("b", "BTC-KRW", ""), ("c", "VWCE.DE", "")]);
        assert_eq!(some, "European shares and funds 1, metals 1, coins 1");
        assert_eq!(none, "US shares, US indices, currencies and futures");
        assert_eq!(KINDS.iter().flat_map(|kind| kind.samples).filter(|text| Symbol::parse(text).is_err()).count(), 0);
    }
}
