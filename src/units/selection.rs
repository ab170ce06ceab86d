//! Reads lists of patterns that select symbols, in which `!` takes symbols away: `["*", "!DOGE-*"]`.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Glob;

/// Which symbols a list of patterns selects: those that one of its patterns matches and none with `!` in front does, in any
/// order. A list that has only patterns with `!` selects everything else, and an empty list selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(transparent)]
pub struct Selection(Vec<Entry>);

/// One pattern of a [`Selection`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
struct Entry {
    /// Whether it stands for symbols that are not selected.
    denies: bool,
    glob: Glob,
}

impl Selection {
    /// The list `["*"]`, which selects every symbol.
    pub(crate) fn any() -> Self {
        Selection(vec![Entry { denies: false, glob: Glob::any() }])
    }

    /// Whether the list has no entry.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the list names what it selects. If not, it selects everything but what it denies.
    pub(crate) fn names_symbols(&self) -> bool {
        self.0.iter().any(|entry| !entry.denies)
    }

    /// The patterns, without their `!`.
    pub(crate) fn patterns(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|entry| entry.glob.to_string())
    }

    /// The patterns as they are written, each with its `!`.
    pub(crate) fn texts(&self) -> Vec<String> {
        self.0.iter().map(ToString::to_string).collect()
    }

    /// Whether the list selects a symbol in its canonical spelling.
    pub fn selects(&self, symbol: &str) -> bool {
        self.selects_named(&[symbol])
    }

    /// Whether the list selects what has all of these names: by any of them, if it denies none of them.
    pub(crate) fn selects_named(&self, names: &[&str]) -> bool {
        let is_one = |glob: &Glob| names.iter().any(|name| glob.matches(name));
        let matched = |denies| self.0.iter().any(|entry| entry.denies == denies && is_one(&entry.glob));
        !matched(true) && (!self.names_symbols() || matched(false))
    }
}

impl TryFrom<String> for Entry {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let (denies, glob) = text.strip_prefix('!').map_or((false, text.as_str()), |denied| (true, denied));
        Ok(Entry { denies, glob: Glob::parse(glob)? })
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.denies { "!" } else { "" }, self.glob)
    }
}

impl Serialize for Entry {
    fn serialize<S: serde::Serializer>(&self, into: S) -> Result<S::Ok, S::Error> {
        into.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn list(texts: &[String]) -> Selection {
        Selection(texts.iter().map(|text| Entry::try_from(text.clone()).unwrap()).collect())
    }

    fn selects(texts: &[&str], symbol: &str) -> bool {
        list(&texts.iter().map(ToString::to_string).collect::<Vec<_>>()).selects(symbol)
    }

    #[test]
    fn a_pattern_with_an_exclamation_mark_takes_symbols_away() {
        assert!(selects(&["*", "!DOGE-*"], "BTC-USD") && !selects(&["*", "!DOGE-*"], "DOGE-USD"));
        assert!(!selects(&["!doge-*", "*"], "DOGE-USD"), "the order does not matter");
        assert!(!selects(&["!DOGE-*", "DOGE-USD"], "DOGE-USD"), "a denial wins, even over a narrower pattern");
        assert!(selects(&["!DOGE-*"], "BTC-USD"), "only denials leave everything else");
        assert!(!selects(&["ETH-*", "!ETH-EUR"], "BTC-USD") && !selects(&["ETH-*", "!ETH-EUR"], "ETH-EUR"));
        assert!(selects(&[], "AAPL") && Selection::any().selects("AAPL"));
    }

    #[test]
    fn what_has_two_names_is_selected_by_either_and_denied_by_either() {
        let selects = |texts: &[&str]| {
            list(&texts.iter().map(ToString::to_string).collect::<Vec<_>>()).selects_named(&["VWCE.DE", "IE00BK5BQT80"])
        };
        assert!(selects(&["IE00*"]) && selects(&["*.DE"]) && selects(&[]) && selects(&["!AAPL"]));
        assert!(!selects(&["LU0*"]) && !selects(&["*", "!VWCE.DE"]) && !selects(&["*.DE", "!IE00*"]));
    }

    #[test]
    fn a_mark_alone_or_in_another_place_is_refused() {
        for wrong in ["!", "!!A", "A!", "! A", ""] {
            assert!(Entry::try_from(wrong.to_owned()).unwrap_err().contains("is not a symbol pattern"), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn what_is_denied_is_never_selected_and_a_denial_takes_nothing_else(
            patterns in proptest::collection::vec("[AB*]{1,3}", 0..4),
            denied in "[AB*]{1,3}",
            symbol in "[AB]{1,4}",
        ) {
            let without = list(&patterns);
            let with = list(&[patterns.clone(), vec![format!("!{denied}")]].concat());
            let is_denied = Glob::parse(&denied).unwrap().matches(&symbol);
            prop_assert_eq!(with.selects(&symbol), without.selects(&symbol) && !is_denied);
        }
    }
}
