//! Turns targets into one query per source, with the symbols that matter most first.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use super::{BoardView, PerSource, PlanInput, Purpose, ReserveOption, SourceQuery, SourceRoute, Target};
use crate::board::{Freshness, Known};
use crate::failure::SourceError;
use crate::fold::is_usable;
use crate::pace::Pace;
use crate::profile::Profile;
use crate::profile::waits::SOONEST_AGAIN;
use crate::provider::description::Cost;
use crate::quote::Role;
use crate::route::Route;
use crate::source::coalescer::{Ask, Patience};
use crate::symbol::{QuickMap, Symbol};

/// A symbol that a source must be asked for.
struct Due {
    /// Whether the source denies the symbol, and is asked only to check the denial.
    is_denied: bool,
    rank: Rank,
    answered: Option<Instant>,
    /// Its position among everything that the source would be asked for.
    position: usize,
    symbol: Symbol,
    freshness: Freshness,
}

/// A symbol that a source would be asked for.
struct Wanted<'t> {
    asked: &'t Symbol,
    targets: BTreeSet<&'t Symbol>,
    /// For each of the targets, how far it is from a price.
    prospects: Vec<&'t Prospect<'t>>,
    /// Whether the primary sources are too few for a quorum.
    needs_reserves: bool,
    /// The age at which to fetch a quote again, if it is shorter than that of the symbol's class.
    refresh_after: Option<Duration>,
}

/// Everything that one source would be asked for.
#[derive(Default)]
struct Wants<'t> {
    wanted: Vec<Wanted<'t>>,
    /// The position of each symbol in `wanted`.
    positions: QuickMap<&'t Symbol, usize>,
    /// The routes that the source has denied.
    denied: Vec<&'t Route>,
}

/// How far a target is from a price, as far as the board knows.
struct Prospect<'a> {
    /// The accounts with a quote that is young enough to be folded and counts towards a quorum.
    quoted: BTreeSet<&'a str>,
    /// The accounts that cover the target, with those that deny it: one source's denial does not make a quote of another
    /// more likely.
    covering: BTreeSet<&'a str>,
    /// How many accounts make a quorum.
    required: usize,
    /// Whether the target converts prices into the caller's currency. Then all of these prices wait for it.
    converts: bool,
}

/// The priority of a symbol among those that one source must be asked for: the lowest rank is asked for first. Within a
/// rank, the symbol that has been unanswered for longest comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// The rate to the caller's currency.
    Rate,
    /// Last time, the call was refused because a limit had no room.
    Refused,
    /// The source's quote would complete the quorum, or is the only one possible. The fewer other sources there are,
    /// the sooner it is asked for.
    Decides { others: usize },
    /// The source's quote alone would not be enough. Again, the fewer others, the sooner.
    Adds { others: usize },
    /// There is a quorum without this source.
    HasQuorum,
    /// The source has denied the symbol, perhaps long ago.
    Denied,
}

impl PlanInput<'_> {
    /// What to ask each source for these targets, what reserves could be asked for, and how fresh each outcome must be.
    pub(super) async fn queries(
        self,
        targets: &[Target],
        view: &mut BoardView<'_>,
        pace: &mut Pace,
    ) -> (Vec<SourceQuery>, Vec<ReserveOption>, PerSource<Freshness>) {
        for SourceRoute { route, denied, .. } in targets.iter().flat_map(|target| &target.routes) {
            denied.iter().chain([route]).for_each(|route| view.look_at(&route.asked));
        }
        let view = &*view;
        let prospects: Vec<Prospect<'_>> = targets.iter().map(|target| self.prospect(target, view)).collect();
        let (mut queries, mut reserves, mut freshness) = (Vec::new(), Vec::new(), PerSource::default());
        for (source, Wants { wanted, denied, .. }) in self.wants(targets, &prospects) {
            let Some(profile) = self.sources.get(source) else { continue };
            for one in &wanted {
                freshness.insert(source, one.asked.clone(), self.freshness(profile, one.asked, one.refresh_after));
            }
            let mut query = self.query(source, profile, &wanted, view, &mut reserves);
            // show a denial if the source has nothing better
            for route in denied {
                freshness.insert(source, route.asked.clone(), self.freshness(profile, &route.asked, None));
                query.settled.extend(view.known(source, &route.asked).cloned());
            }
            if !query.ask.due.is_empty() || !query.settled.is_empty() {
                queries.push(query);
            }
            pace.step(wanted.len()).await;
        }
        (queries, reserves, freshness)
    }

    /// Everything that each source would be asked for: each symbol once, in the order of the targets.
    fn wants<'t>(self, targets: &'t [Target], prospects: &'t [Prospect<'t>]) -> BTreeMap<usize, Wants<'t>> {
        let quickest = self.quickest_users(targets);
        let mut wants: BTreeMap<usize, Wants<'t>> = BTreeMap::new();
        for (target, prospect) in targets.iter().zip(prospects) {
            let needs_reserves = self.needs_reserves(target);
            let refresh_after = quickest.get(&target.symbol).copied().filter(|_| target.purpose == Purpose::Rate);
            for SourceRoute { source, route, denied } in &target.routes {
                let wants = wants.entry(*source).or_default();
                wants.denied.extend(denied);
                let position = *wants.positions.entry(&route.asked).or_insert(wants.wanted.len());
                match wants.wanted.get_mut(position) {
                    Some(wanted) => {
                        wanted.targets.insert(&target.symbol);
                        wanted.prospects.push(prospect);
                        wanted.needs_reserves |= needs_reserves;
                        wanted.refresh_after = wanted.refresh_after.into_iter().chain(refresh_after).min();
                    }
                    None => wants.wanted.push(Wanted {
                        asked: &route.asked,
                        targets: BTreeSet::from([&target.symbol]),
                        prospects: vec![prospect],
                        needs_reserves,
                        refresh_after,
                    }),
                }
            }
        }
        wants
    }

    /// The question to a source.
    pub(super) fn ask(self, due: Vec<(Symbol, Freshness)>, optional: Vec<Symbol>) -> Ask {
        Ask {
            arrived: self.question.arrived.monotonic,
            until: self.question.deadline(),
            patience: self.question.patience,
            due,
            optional,
            caller: self.question.caller,
        }
    }

    fn query(
        self,
        source: usize,
        profile: &Profile,
        wanted: &[Wanted<'_>],
        view: &BoardView<'_>,
        reserves: &mut Vec<ReserveOption>,
    ) -> SourceQuery {
        let (mut due, mut young, mut settled) = (Vec::new(), Vec::new(), Vec::new());
        let is_reserve = profile.settings.role == Role::Reserve;
        for (position, one) in wanted.iter().enumerate() {
            let known = view.known(source, one.asked);
            let freshness = self.freshness(profile, one.asked, one.refresh_after);
            let answered = known.and_then(|known| known.answered);
            match known.filter(|known| known.is_settled(freshness, self.now.monotonic)) {
                Some(known) => {
                    settled.push(known.clone());
                    if !known.outcome.is_denied() {
                        young.push((answered, one.asked.clone()));
                    }
                }
                // do not spend a scarce call on a caller that only tries
                None if is_reserve && self.question.patience == Patience::OnlyTries => {}
                None if is_reserve && !one.needs_reserves => {
                    let targets = one.targets.iter().map(|symbol| (*symbol).clone()).collect();
                    reserves.push(ReserveOption { source, asked: one.asked.clone(), freshness, targets });
                }
                None => {
                    let known = known.map(AsRef::as_ref);
                    let is_denied = known.is_some_and(|known| known.is_denied(self.now.monotonic));
                    let rank = Rank::of(&one.prospects, profile, known);
                    due.push(Due { is_denied, rank, answered, position, symbol: one.asked.clone(), freshness });
                }
            }
        }
        due.sort_by_key(|one| (one.is_denied, one.rank, one.answered, one.position));
        young.sort();
        let due = due.into_iter().map(|one| (one.symbol, one.freshness)).collect();
        let optional = young.into_iter().map(|(_, symbol)| symbol).collect();
        SourceQuery { source, ask: self.ask(due, optional), settled }
    }

    /// How fresh an outcome must be: as the caller or the class says, but never below the floors.
    fn freshness(self, source: &Profile, symbol: &Symbol, at_most: Option<Duration>) -> Freshness {
        let class = self.settings.of_class(self.settings.class(symbol));
        let asked = class.refresh_after(self.question.refresh_after);
        let asked = at_most.map_or(asked, |at_most| asked.min(at_most));
        // a quote that is too old for the caller does not save the call
        let of_use = self.question.max_age.map_or(asked, |max_age| asked.min(max_age.max(class.refresh_floor)));
        let floor = source.settings.refresh_after;
        Freshness {
            refresh_after: of_use.max(floor),
            // a file that is published once a day may be incomplete at first
            missing_after: of_use.max(floor.min(class.refresh_after)),
            denied_after: self.checks_denials(source).then(|| SOONEST_AGAIN.max(class.refresh_floor)),
        }
    }

    /// Whether to check denials: the caller wants everything fetched again, and the source has calls to spare.
    fn checks_denials(self, source: &Profile) -> bool {
        let is_cheap = source.settings.cost == Cost::Call && !source.waits().is_scarce();
        self.question.refresh_after == Some(Duration::ZERO) && is_cheap && source.settings.role != Role::Reserve
    }

    /// How far a target is from a price: which accounts have quoted it, and which could.
    fn prospect<'t>(self, target: &Target, view: &BoardView<'_>) -> Prospect<'t>
    where
        Self: 't,
    {
        let class = self.settings.class(&target.symbol);
        let set = self.settings.of_class(class);
        let (mut quoted, mut covering) = (BTreeSet::new(), BTreeSet::new());
        for SourceRoute { source, route, .. } in &target.routes {
            let Some(profile) = self.sources.get(*source) else { continue };
            let account = profile.settings.account.as_str();
            covering.insert(account);
            let quote = view.known(*source, &route.asked).and_then(|known| known.outcome.quote.as_ref());
            let is_fresh = |quote| is_usable(quote, &profile.origin(class), set.usable_for, self.now.wall);
            // references alone make no reliable quorum
            if profile.settings.role != Role::Reference && quote.is_some_and(is_fresh) {
                quoted.insert(account);
            }
        }
        Prospect { quoted, covering, required: set.required, converts: target.purpose == Purpose::Conversion }
    }

    /// How often to refresh each rate: as often as the most frequent of the prices that need it, because a derived
    /// quote is as old as its oldest part.
    fn quickest_users(self, targets: &[Target]) -> QuickMap<&Symbol, Duration> {
        let mut quickest: QuickMap<&Symbol, Duration> = QuickMap::default();
        for target in targets {
            let class = self.settings.of_class(self.settings.class(&target.symbol));
            let refresh_after = class.refresh_after(self.question.refresh_after);
            for rate in target.routes.iter().flat_map(|by| &by.route.rates) {
                let so_far = quickest.entry(&rate.symbol).or_insert(refresh_after);
                *so_far = refresh_after.min(*so_far);
            }
        }
        quickest
    }

    /// Whether no quorum is possible without reserves, so that it would be a waste of time to wait until the others
    /// fall short. Never for a rate: only when the quotes are in is it known whether the rate is needed.
    fn needs_reserves(self, target: &Target) -> bool {
        if target.purpose == Purpose::Rate {
            return false;
        }
        let primaries = target.routes.iter().filter_map(|by| self.sources.get(by.source));
        let primaries = primaries.filter(|source| source.settings.role == Role::Primary);
        let accounts: BTreeSet<&str> = primaries.map(|source| source.settings.account.as_str()).collect();
        accounts.len() < self.settings.of_class(self.settings.class(&target.symbol)).required
    }
}

impl Rank {
    /// The rank of a symbol at a source, from the targets that need it and from the source's latest outcome for it.
    fn of(prospects: &[&Prospect<'_>], source: &Profile, known: Option<&Known>) -> Self {
        if known.is_some_and(|known| known.outcome.denies_symbol()) {
            return Rank::Denied;
        }
        let open = || prospects.iter().filter(|prospect| prospect.quoted.len() < prospect.required);
        if open().any(|prospect| prospect.comes_first_at(source)) {
            return Rank::Rate;
        }
        let account = source.settings.account.as_str();
        match open().map(|prospect| prospect.rank_for(account)).min() {
            None => Rank::HasQuorum,
            Some(_) if known.is_some_and(was_refused) => Rank::Refused,
            Some(rank) => rank,
        }
    }
}

impl Prospect<'_> {
    /// Whether to ask this source for it first, because the prices of a whole question wait for it. At a source where
    /// it would take a unit from another symbol, it comes first only if the other sources are too few for a quorum.
    fn comes_first_at(&self, source: &Profile) -> bool {
        let costs_a_unit = source.settings.cost == Cost::Symbol || source.settings.batch == 1;
        let others = others(&self.covering, &source.settings.account);
        self.converts && (!costs_a_unit || others < self.required)
    }

    fn rank_for(&self, account: &str) -> Rank {
        let (quoted, others) = (others(&self.quoted, account), others(&self.covering, account));
        // if fewer accounts cover it than are required, fewer make a price
        let enough = self.required.min(others + 1);
        if quoted + 1 >= enough { Rank::Decides { others } } else { Rank::Adds { others } }
    }
}

/// How many other accounts there are.
fn others(accounts: &BTreeSet<&str>, account: &str) -> usize {
    accounts.len() - usize::from(accounts.contains(account))
}

/// Whether the latest call for a symbol failed because one of our limits had no room.
fn was_refused(known: &Known) -> bool {
    let failure = known.outcome.failure.as_ref();
    failure.is_some_and(|failure| matches!(failure.error, SourceError::Throttled { .. }))
}
