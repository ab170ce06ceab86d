//! Describes how a source spells symbols: the key `format`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How a source spells symbols: one template for all classes, or one per class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Format {
    /// One template.
    One(String),
    /// A template per class, and how listings are spelled.
    PerClass(ClassFormat),
}

impl Format {
    /// The template of a source that spells everything as we do.
    pub(crate) const PLAIN: &'static str = "{symbol}";

    /// Its templates.
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        let texts = match self {
            Format::One(text) => vec![text],
            Format::PerClass(ClassFormat { equity, index, fund, crypto, fx, future, dot: _, suffix: _, unit: _ }) => {
                [equity, index, fund, crypto, fx, future].into_iter().flatten().collect()
            }
        };
        texts.into_iter().map(String::as_str)
    }
}

/// A template per class. Placeholders: `{symbol}`, `{base}`, `{quote}`, `{id}`, `{isin}`, and `{symbol:lower}` and so on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassFormat {
    /// Shares.
    pub equity: Option<String>,
    /// Indices; `{symbol}` is without the `^`.
    pub index: Option<String>,
    /// Funds.
    pub fund: Option<String>,
    /// Crypto pairs.
    pub crypto: Option<String>,
    /// Currency pairs.
    pub fx: Option<String>,
    /// Futures (`GC=F`), which are of the class equity. Without this template, a source is not asked for them.
    // left out where it is not stated, so that marks in a state file stay the same
    #[serde(skip_serializing_if = "Option::is_none")]
    pub future: Option<String>,
    /// What replaces the dot of a share class: `-` for `BRK-B`.
    pub dot: Option<String>,
    /// What replaces the `.U` of a unit in the United States: `-UN` for `CCIV-UN`. If not given, only its dot is replaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// The endings of listings abroad, by our suffix: `L = ":LSE"`. If given, listings with other suffixes cannot be
    /// spelled; if not, all keep ours (`.L`). `US` is the ending of listings in the United States.
    pub suffix: Option<BTreeMap<String, String>>,
}
