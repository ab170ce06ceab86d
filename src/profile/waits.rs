//! Decides how long a failure is believed. Pure: the present is passed in.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::board::{Fault, InARow, Known, Stands};
use crate::clock::{Moment, age};
use crate::failure::SourceError;
use crate::provider::description::{SourceSettings, Unknown};
use crate::settings::{ClassSettings, Settings};
use crate::symbol::SetClasses;
use crate::symbol::{Class, Symbol};

/// The range of the random factor on waits, in thousandths, so that sources that fail together are not tried again
/// together.
pub const SPREAD: RangeInclusive<u32> = 800..=1200;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

/// How many denials in a row of a symbol that the source has quoted lately are doubted before one is believed. A denial
/// counts only if it comes no sooner than the check that the previous one calls for.
const DOUBTED: u32 = 2;

/// How soon after a denial a symbol is asked for again for a caller who wants everything fetched anew.
pub(crate) const SOONEST_AGAIN: Duration = Duration::from_secs(5);

/// How long failures of one source are believed. The default is for a source without any settings.
#[derive(Clone, Debug, Default)]
pub struct Waits {
    /// Whether one of its limits has a period of an hour or more: then retries in a short outage must not use up the calls of a
    /// day.
    is_scarce: bool,
    /// Whether one unknown symbol fails a call for several.
    unknown_kills: bool,
    classes: BTreeMap<Class, ClassSettings>,
    set: SetClasses,
}

/// How long an outage of a source is likely to last, judged by a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The source does not answer, or says that it is down: this usually passes within seconds.
    Passing,
    /// The proxy in front of the source does not answer. Such a call costs nothing at the source, so it is tried soon again.
    Proxy,
    /// The source answers something that it should not: this usually lasts until it is repaired.
    Lasting,
}

impl Kind {
    /// How long a failure usually lasts.
    pub fn of(error: &SourceError) -> Self {
        use SourceError as E;
        match error {
            E::Connection(_) | E::Tls(_) | E::Timeout(_) | E::Unavailable { .. } => Kind::Passing,
            E::Proxy { passing: true, .. } => Kind::Proxy,
            // a firewall's page may have been about that one call only; the next call will show
            E::Blocked { .. } => Kind::Passing,
            _ => Kind::Lasting,
        }
    }

    fn bounds(self) -> (Duration, Duration) {
        match self {
            Kind::Passing => (SECOND, 30 * SECOND),
            Kind::Proxy => (SECOND, 10 * SECOND),
            Kind::Lasting => (10 * SECOND, 300 * SECOND),
        }
    }
}

impl Waits {
    /// The waits of a source; `settings` holds those of the whole service.
    pub fn new(source: &SourceSettings, settings: &Settings) -> Self {
        let classes = source.classes.iter().map(|class| (*class, settings.of_class(*class))).collect();
        let (is_scarce, set) = (is_scarce(source, settings), settings.symbols.classes());
        Waits { is_scarce, unknown_kills: source.unknown == Unknown::Kills, classes, set }
    }

    /// Whether one unknown symbol fails a call for several.
    pub fn unknown_kills(&self) -> bool {
        self.unknown_kills
    }

    /// Whether one of the source's limits has a period of an hour or more.
    pub fn is_scarce(&self) -> bool {
        self.is_scarce
    }

    /// How long after its latest quote the source still counts as serving: the longest `fallback_for` of its classes.
    pub(crate) fn serves_for(&self) -> Duration {
        self.classes.values().map(|class| class.fallback_for).max().unwrap_or_default()
    }

    /// How long a source is left alone after a failure of this kind; `before` counts the failures in a row before it.
    ///
    /// A scarce source starts with the shortest `refresh_after` of its classes.
    pub fn of_source(&self, kind: Kind, before: u32) -> Duration {
        let shortest = self.classes.values().map(|class| class.refresh_after).min();
        self.doubled(kind, before, shortest.unwrap_or(SECOND))
    }

    fn doubled(&self, kind: Kind, before: u32, refresh_after: Duration) -> Duration {
        let (first, most) = kind.bounds();
        let is_costly = self.is_scarce && kind != Kind::Proxy;
        let (first, most) = if is_costly { (first.max(refresh_after), HOUR) } else { (first, most) };
        first.saturating_mul(1 << before.min(16)).min(most)
    }

    /// What one symbol's failure in a call means for that symbol, given what was known of it before.
    ///
    /// `rests`: the failure is about the whole source, which is left alone because of it.
    pub fn judge(
        &self,
        symbol: &Symbol,
        error: SourceError,
        latency: Duration,
        before: Option<&Known>,
        rests: bool,
        now: Moment,
    ) -> Fault {
        let class = self.class(symbol);
        let in_a_row = before.map(|known| known.in_a_row).unwrap_or_default();
        let InARow { denials, denial_counts_from, failures } = in_a_row;
        let quote = before.and_then(|known| known.outcome.quote.as_ref());
        let was_quoted = quote.is_some_and(|quote| age(now.wall, quote.received_at) <= class.fallback_for);
        let until = |wait| Stands::Until(now.monotonic + wait);
        let comes_too_soon = denial_counts_from.filter(|from| now.monotonic < *from);
        let is_doubted = error.denies_symbol() && was_quoted && (denials < DOUBTED || comes_too_soon.is_some());
        let (stands, in_a_row) = if error.denies_symbol() {
            let wait = match denials {
                _ if !is_doubted => class.unknown_for,
                _ if self.is_scarce => class.refresh_after,
                0 => 5 * SECOND,
                _ => 30 * SECOND,
            };
            match comes_too_soon.filter(|_| is_doubted) {
                // a caller who wants everything fetched anew had it checked early, which adds no evidence
                Some(from) => (Stands::Until(from), InARow { failures: 0, ..in_a_row }),
                None => {
                    let denial_counts_from = is_doubted.then(|| now.monotonic + wait);
                    (until(wait), InARow { denials: denials.saturating_add(1), denial_counts_from, failures: 0 })
                }
            }
        } else if matches!(error, SourceError::Missing(_)) {
            (Stands::LikeQuote, InARow { failures: 0, ..in_a_row })
        } else if rests {
            (Stands::WithSource, in_a_row)
        } else {
            let wait = spread(self.doubled(Kind::of(&error), failures, class.refresh_after));
            (until(wait), InARow { failures: failures.saturating_add(1), ..in_a_row })
        };
        Fault { error, latency, stands, is_doubted, in_a_row }
    }

    fn class(&self, symbol: &Symbol) -> ClassSettings {
        let class = self.set.of(symbol);
        self.classes.get(&class).copied().unwrap_or_else(|| ClassSettings::built_in(class))
    }
}

/// Whether a limit of a source, or of another source of its account, is over an hour or more.
fn is_scarce(source: &SourceSettings, settings: &Settings) -> bool {
    let sisters = settings.sources.iter().filter(|other| other.account == source.account);
    sisters.chain([source]).flat_map(|source| &source.limits).any(|limit| limit.period >= HOUR)
}

/// A wait, plus or minus up to a fifth, so that sources that failed together are not tried again together.
pub(crate) fn spread(wait: Duration) -> Duration {
    wait * fastrand::u32(SPREAD) / 1000
}
