//! Holds one entry, and decides whether it still holds.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::depends::On;
use super::lasts::valid_until;
use super::{Look, Looks, Made};
use crate::answer::EntryText;
use crate::board::{Board, Freshness, Known, Mark, Stands};
use crate::clock::{Moment, age};
use crate::convert::Priced;
use crate::fold::{Price, Status};
use crate::metrics::PriceCounter;
use crate::plan::{Purpose, Target};
use crate::source::cooldown::Cooldown;
use crate::source::statistics::VerdictCounter;
use crate::symbol::Symbol;

/// How far the wall clock may drift against the monotonic one. If it was set, the times of the next calls are others.
const DRIFT: SignedDuration = SignedDuration::from_millis(100);

/// The entry of one symbol, with what it depends on.
#[derive(Debug)]
pub(super) struct ReadyEntry {
    /// The status of its price.
    pub(super) status: Status,
    with_quotes: Arc<EntryText>,
    without_quotes: Arc<EntryText>,
    made: Moment,
    /// Until when it stays the same by the wall clock.
    valid_until: Timestamp,
    /// Until when it stays the same by the monotonic clock, whatever its caller calls fresh.
    settled_until: Option<Instant>,
    /// When a call is due for a caller who leaves that to the settings.
    due_at: Option<Instant>,
    /// The symbols that were read, each with the version at which it was.
    marks: Vec<(Arc<Mark>, u64)>,
    places: Vec<Kept>,
    /// Whether a reserve was left out that has said something. Where older quotes count as fresh, it has a say.
    leaves_reserve_out: bool,
    /// Whether a reserve had to be asked, which refused.
    pub(super) needed_reserve: bool,
    verdicts: Vec<VerdictCounter>,
    /// What counts its price.
    counter: PriceCounter,
    /// The rates that were priced for it.
    pub(super) rates: Vec<Rate>,
}

/// A rate that was priced for an entry.
#[derive(Debug)]
pub(super) struct Rate {
    /// What it was priced for.
    pub(super) purpose: Purpose,
    pub(super) symbol: Symbol,
    /// What counts the verdicts on its quotes.
    pub(super) verdicts: Vec<VerdictCounter>,
}

/// An outcome that the entry was made from, or that decided that nothing was called.
#[derive(Debug)]
pub(super) struct Kept {
    source: usize,
    known: Arc<Known>,
    freshness: Freshness,
    /// If it is a failure, when the source is asked again.
    called_at: Option<Instant>,
    /// Until when and why the source is left alone, if no call is made only because of that.
    rest: Option<Cooldown>,
}

impl ReadyEntry {
    /// The entry of a price, if it can be kept.
    pub(super) fn of(
        priced: &Priced,
        on: &On<'_>,
        made: &Made<'_>,
        board: &Board,
        looks: &mut Looks<'_>,
    ) -> Option<Self> {
        let (places, leaves_reserve_out) = places(on, made, board, looks)?;
        let needed_reserve = places.iter().any(|place| place.rest.is_some() && looks.is_reserve(place.source));
        // other symbols of the question may have had a part in these
        let depends = |place: &Kept| place.depends_on_freshness() || place.rests_beside_quote();
        let is_shared = on.shares_freshness && (leaves_reserve_out || places.iter().any(depends));
        if is_shared || needed_reserve && made.question.symbols.len() > 1 {
            return None;
        }
        let marks = marks(on, made.plan.version, board)?;
        let rate = |target: &&Target| Some((target.purpose, made.valuation.rate(target)?));
        let rates: Vec<(Purpose, &Price)> = on.targets.iter().filter_map(rate).collect();
        let prices = || [&priced.price].into_iter().chain(rates.iter().map(|(_, rate)| *rate));
        let verdicts = |price: &Price| price.quotes.iter().filter_map(|judged| looks.counter(judged)).collect();
        let rate_of = |purpose, rate: &Price| Rate { purpose, symbol: rate.symbol.clone(), verdicts: verdicts(rate) };
        let settled = places.iter().filter(|place| place.rest.is_none());
        Some(ReadyEntry {
            status: priced.price.status,
            with_quotes: Arc::new(EntryText::of(priced, true).ok()?),
            without_quotes: Arc::new(EntryText::of(priced, false).ok()?),
            made: made.now,
            valid_until: valid_until(prices(), made.now.wall),
            settled_until: settled_until(&places, on),
            due_at: settled.filter_map(|place| place.known.due_at(place.freshness)).min(),
            marks,
            verdicts: verdicts(&priced.price),
            counter: (made.counter)(&priced.price),
            rates: rates.iter().map(|(purpose, rate)| rate_of(*purpose, rate)).collect(),
            places,
            leaves_reserve_out,
            needed_reserve,
        })
    }

    /// Whether a new answer would have the same text, and would lead to no call either. `refresh_after` is what the caller
    /// states.
    pub(super) fn holds(&self, refresh_after: Option<Duration>, now: Moment, looks: &mut Looks<'_>) -> bool {
        let is_in_time = self.made.wall <= now.wall
            && now.wall < self.valid_until
            && self.settled_until.is_none_or(|until| now.monotonic < until)
            && is_steady(self.made, now);
        is_in_time
            && self.marks.iter().all(|(mark, version)| mark.version() == *version)
            && self.is_fresh(refresh_after, now.monotonic)
            && self.places.iter().all(|place| place.is_as_before(looks))
    }

    fn is_fresh(&self, refresh_after: Option<Duration>, now: Instant) -> bool {
        let Some(refresh_after) = refresh_after else { return self.due_at.is_none_or(|due| now < due) };
        // the floors of classes and sources can only make an outcome count as fresh for longer
        let is_fresh = |place: &Kept| match place.rest {
            Some(_) => !place.rests_beside_quote(),
            None => place.known.is_settled(Freshness::of(refresh_after), now),
        };
        let depends = refresh_after.is_zero() || self.depends_on_freshness();
        !depends && self.places.iter().all(is_fresh)
    }

    /// Whether what counts as fresh decides what its text says: when a source is asked again, or what a reserve has said.
    pub(super) fn depends_on_freshness(&self) -> bool {
        self.leaves_reserve_out || self.places.iter().any(Kept::depends_on_freshness)
    }

    /// How long it can be kept from now on, for a caller who states this `refresh_after`; zero if a source has failed.
    pub(super) fn lasts(&self, refresh_after: Option<Duration>, now: Moment) -> Duration {
        if self.places.iter().any(|place| place.known.outcome.failure.is_some()) {
            return Duration::ZERO;
        }
        let freshness = |place: &Kept| refresh_after.map_or(place.freshness, Freshness::of);
        let due = self.places.iter().filter_map(|place| place.known.due_at(freshness(place))).min();
        let until = due.into_iter().chain(self.settled_until).min();
        let by_wall = age(self.valid_until, now.wall);
        until.map_or(by_wall, |until| by_wall.min(until.saturating_duration_since(now.monotonic)))
    }

    /// Whether no call is made only because a source is left alone.
    pub(super) fn rests(&self) -> bool {
        self.places.iter().any(|place| place.rest.is_some())
    }

    /// Its text, with the proof or without.
    pub(super) fn text(&self, quotes: bool) -> &Arc<EntryText> {
        if quotes { &self.with_quotes } else { &self.without_quotes }
    }

    /// Counts what became of each quote, and notes that the symbols were asked for.
    pub(super) fn note_use(&self) {
        self.counter.count();
        self.verdicts.iter().for_each(VerdictCounter::count);
        self.marks.iter().for_each(|(mark, _)| mark.note_asked());
    }

    /// How many bytes it takes, about.
    pub(super) fn bytes(&self) -> usize {
        let rates = self.rates.iter().map(|rate| size_of::<Rate>() + size_of_val(&rate.verdicts[..]));
        size_of::<Self>()
            + self.with_quotes.len()
            + self.without_quotes.len()
            + size_of_val(&self.marks[..])
            // nothing but this entry may keep what it was made from
            + self.places.len() * (size_of::<Kept>() + size_of::<Known>())
            + size_of_val(&self.verdicts[..])
            + rates.sum::<usize>()
    }
}

impl Kept {
    /// An outcome for which a request makes no call now; `None` if it would make one.
    fn of(source: usize, known: &Arc<Known>, freshness: Freshness, looks: &mut Looks<'_>) -> Option<Self> {
        let now = looks.now;
        let Look { openings, rest } = looks.at(source)?;
        let is_settled = known.is_settled(freshness, now);
        let rest = rest.as_ref().filter(|rest| known.is_refused_for(&rest.error, rest.until));
        if !is_settled && rest.is_none() {
            return None;
        }
        let called_at = known.outcome.failure.as_ref().map(|_| known.called_at(freshness, *openings));
        let rest = rest.filter(|_| !is_settled).cloned();
        Some(Kept { source, known: Arc::clone(known), freshness, called_at, rest })
    }

    /// Whether its source is in the state in which it was.
    fn is_as_before(&self, looks: &mut Looks<'_>) -> bool {
        let Some(called_at) = self.called_at else { return true };
        let Some(Look { openings, rest }) = looks.at(self.source) else { return false };
        // a refusal for another reason would land anew
        (self.rest.is_none() || *rest == self.rest) && self.known.called_at(self.freshness, *openings) == called_at
    }

    /// Whether a quote stands beside a refusal. Where older quotes count as fresh, it is not due, and the source not asked.
    fn rests_beside_quote(&self) -> bool {
        self.rest.is_some() && self.known.quote_landed.is_some()
    }

    fn depends_on_freshness(&self) -> bool {
        self.called_at.is_some() && self.rest.is_none() && !matches!(self.known.stands, Stands::Until(_))
    }
}

/// The outcomes of everything that a request would ask for, if it asks for nothing, and whether a reserve was left out that has
/// an outcome on the board; `None` if it would make a call, or if the caller was told something else than what is there.
fn places(on: &On<'_>, made: &Made<'_>, board: &Board, looks: &mut Looks<'_>) -> Option<(Vec<Kept>, bool)> {
    let (mut places, mut leaves_reserve_out) = (Vec::new(), false);
    for target in &on.targets {
        for by in &target.routes {
            for route in by.denied.iter().chain([&by.route]) {
                let Some(told) = made.told.get(by.source, &route.asked) else {
                    if !is_not_needed(target, by.source, by.denied.is_some(), made, looks) {
                        return None;
                    }
                    leaves_reserve_out |= looks.has_said(by.source, &route.asked, board);
                    continue;
                };
                let freshness = made.plan.freshness.get(by.source, &route.asked)?;
                places.push(Kept::of(by.source, told.on_board()?, *freshness, looks)?);
            }
        }
    }
    Some((places, leaves_reserve_out))
}

/// Whether a source was not asked because it is a reserve, and enough others have answered.
fn is_not_needed(target: &Target, source: usize, has_denied: bool, made: &Made<'_>, looks: &Looks<'_>) -> bool {
    looks.is_reserve(source) && !has_denied && !made.valuation.short_of_quorum.contains(&target.symbol)
}

/// The marks of everything that was read; `None` if something has changed since, so that a new plan might be another one.
fn marks(on: &On<'_>, version: u64, board: &Board) -> Option<Vec<(Arc<Mark>, u64)>> {
    let mark = |symbol: Symbol| {
        let mark = board.mark(&symbol);
        let changed = mark.version();
        (changed <= version).then_some((mark, changed))
    };
    on.symbols().into_iter().map(mark).collect()
}

/// Until when all outcomes stay as they are by the monotonic clock.
fn settled_until(places: &[Kept], on: &On<'_>) -> Option<Instant> {
    let of_place = |place: &Kept| {
        let stands = match place.known.stands {
            Stands::Until(until) => Some(until),
            Stands::WithSource | Stands::LikeQuote => None,
        };
        [place.known.refused_until, stands, place.rest.as_ref().map(|rest| rest.until)]
    };
    let reads = on.targets.iter().filter_map(|target| target.reads.until);
    places.iter().flat_map(of_place).flatten().chain(reads).min()
}

/// Whether the wall clock has not been set in between.
fn is_steady(made: Moment, now: Moment) -> bool {
    now.wall.duration_since(made.wall_at(now.monotonic)).abs() < DRIFT
}
