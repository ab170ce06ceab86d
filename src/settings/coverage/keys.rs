//! Ranks the free keys by what they add to the sources that are on.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::kinds::{Vendors, vendors};
use crate::settings::{OffSource, Settings};

/// What a key adds, the most important first.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Gain {
    /// The kinds that come closer to a quorum, by a vendor that is always asked.
    always: usize,
    /// The kinds that come closer to a quorum.
    closer: usize,
    /// The kinds with one more independent vendor.
    more: usize,
}

/// Keys that are not set: the variables that hold each, and the providers that it would switch on.
type Keys<'a> = BTreeMap<&'a [String], Vec<&'a OffSource>>;

impl Settings {
    /// Ranks the providers that are off by what their keys add, from 1 on: those of one key have one rank. What a key does not
    /// switch on comes last.
    pub(in crate::settings) fn rank_keys(&mut self) {
        let ranks = ranks(self);
        for off in &mut self.off {
            off.rank = ranks.get(&off.source.name).copied().unwrap_or(usize::MAX);
        }
    }
}

/// The rank of each provider that a key would switch on, by its name.
fn ranks(settings: &Settings) -> BTreeMap<String, usize> {
    let on = settings.vendors_on();
    let mut keys: Vec<(Gain, Vec<&OffSource>)> =
        keys(settings).into_values().map(|offers| (gain(&on, &settings.vendors_of(&offers)), offers)).collect();
    keys.sort_by_key(|(gain, offers)| {
        let first = offers.first().map(|off| (off.source.key_from.len(), &off.source.name));
        (Reverse(*gain), first)
    });
    let ranked = keys.into_iter().enumerate();
    ranked
        .flat_map(|(rank, (_, offers))| offers.into_iter().map(move |off| (off.source.name.clone(), rank + 1)))
        .collect()
}

/// The free keys that are not set, and what each would switch on.
fn keys(settings: &Settings) -> Keys<'_> {
    let mut keys = Keys::new();
    for off in settings.offered().into_iter().filter(|off| off.needs_a_key()) {
        keys.entry(off.source.key_from.as_slice()).or_default().push(off);
    }
    keys
}

/// What vendors add to those that are on.
fn gain(on: &[Vendors<'_>], added: &[Vendors<'_>]) -> Gain {
    on.iter().zip(added).map(|(before, added)| Gain::of_kind(before, added)).fold(Gain::default(), Gain::and)
}

impl Gain {
    fn of_kind(before: &Vendors<'_>, added: &Vendors<'_>) -> Self {
        let after = before.and(added);
        let more = after.independent() - before.independent();
        let closer = more.min(before.lacks());
        Gain { always: closer.min(after.primaries() - before.primaries()), closer, more }
    }

    fn and(self, other: Self) -> Self {
        Gain { always: self.always + other.always, closer: self.closer + other.closer, more: self.more + other.more }
    }
}

impl Settings {
    /// The vendors of every kind that are on.
    pub(super) fn vendors_on(&self) -> Vec<Vendors<'_>> {
        let on = self.sources.iter().filter_map(|source| Some((source, self.spellings.get(&source.name)?.as_ref())));
        vendors(on, self)
    }

    /// The vendors of every kind among providers that are off.
    pub(super) fn vendors_of<'a>(&self, off: &[&'a OffSource]) -> Vec<Vendors<'a>> {
        vendors(off.iter().filter_map(|off| Some((&off.source, off.spelling.as_deref()?))), self)
    }

    /// The free key that adds most, its best provider first, and the kinds of which it adds an independent vendor. `None` if
    /// no key adds any.
    pub(super) fn best_key(&self) -> Option<(&OffSource, Vec<&'static str>)> {
        let on = self.vendors_on();
        let keys = keys(self).into_values();
        let best = keys.min_by_key(|offers| offers.first().map_or(usize::MAX, |off| off.rank))?;
        let added = self.vendors_of(&best);
        let gains = on.iter().zip(&added).filter(|(on, added)| Gain::of_kind(on, added).more > 0);
        let kinds: Vec<&'static str> = gains.map(|(on, _)| on.kind).collect();
        Some((*best.first()?, kinds)).filter(|(_, kinds)| !kinds.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::load::{Environment, LoadOptions, load};

    /// The settings where these variables hold keys.
    fn with_keys(variables: &[String]) -> Settings {
        let environment: Environment = variables.iter().map(|name| (name.clone(), "abcdef".to_owned())).collect();
        load(&LoadOptions { environment, ..LoadOptions::default() }).unwrap()
    }

    #[test]
    fn no_free_key_adds_more_than_the_one_that_is_named() {
        let bare = with_keys(&[]);
        let on = bare.vendors_on();
        let after = |variables: &[String]| gain(&on, &with_keys(variables).vendors_on());
        let (best, kinds) = bare.best_key().unwrap();
        let most = after(&best.source.key_from);
        assert_eq!((kinds.len(), kinds.contains(&crate::settings::coverage::kinds::US_SHARES)), (most.more, true));
        for variables in keys(&bare).into_keys() {
            assert!(after(variables) <= most, "{variables:?} adds more than {}", best.source.name);
        }
    }

    #[test]
    fn a_key_that_is_set_is_not_named_again() {
        let bare = with_keys(&[]);
        let best = &bare.best_key().unwrap().0.source;
        let with_it = with_keys(&best.key_from);
        assert_ne!(with_it.best_key().unwrap().0.source.key_from, best.key_from);
    }
}
