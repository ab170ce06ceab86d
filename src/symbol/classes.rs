//! The classes that the configuration sets for symbols.

use std::collections::BTreeMap;

use super::{Class, Symbol};
use crate::units::Glob;

/// The classes that are set for symbols whose spelling does not imply them.
#[derive(Clone, Debug, Default)]
pub struct SetClasses {
    single: BTreeMap<Symbol, Class>,
    /// The longest first.
    patterns: Vec<(Glob, Class)>,
}

impl SetClasses {
    /// The classes of single symbols and of patterns, of which the longest comes first.
    pub(crate) fn new(single: BTreeMap<Symbol, Class>, patterns: Vec<(Glob, Class)>) -> Self {
        SetClasses { single, patterns }
    }

    /// A symbol's class: the one that is set, else the one that its spelling implies.
    pub fn of(&self, symbol: &Symbol) -> Class {
        let fitting = || self.patterns.iter().find(|(glob, _)| glob.matches(symbol.as_str()));
        let set = self.single.get(symbol).or_else(|| fitting().map(|(_, class)| class));
        set.copied().unwrap_or_else(|| symbol.class())
    }

    /// The classes by the symbol or pattern that each is set for.
    pub(crate) fn by_name(&self) -> BTreeMap<String, &'static str> {
        let single = self.single.iter().map(|(symbol, class)| (symbol.to_string(), class.as_str()));
        single.chain(self.patterns.iter().map(|(glob, class)| (glob.to_string(), class.as_str()))).collect()
    }
}

impl From<BTreeMap<Symbol, Class>> for SetClasses {
    fn from(single: BTreeMap<Symbol, Class>) -> Self {
        SetClasses { single, patterns: Vec::new() }
    }
}
