//! Turns targets into errands: for each source what it must be asked, the most wanted first.

mod rank;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::memory::{Memory, Recalled};
use super::{Basis, Errand, Purpose, Spare, Target, Way, is_usable};
use crate::board::{Known, Need};
use crate::pace::Pace;
use crate::profile::Profile;
use crate::profile::waits::SOONEST_AGAIN;
use crate::provider::description::Cost;
use crate::quote::Role;
use crate::route::Route;
use crate::source::share::Ask;
use crate::source::share::Patience;
use crate::symbol::Symbol;
use rank::{Prospect, Rank};

/// How fresh what each source is asked for must be.
type Needs = BTreeMap<(usize, Symbol), Need>;

/// What the board knows of each symbol that a source would be asked for.
type Recollections<'t> = HashMap<&'t Symbol, Arc<Recalled>>;

/// Something a source must be asked for.
struct Due {
    /// Whether it is denied, and only to be checked.
    is_denied: bool,
    rank: Rank,
    answered: Option<Instant>,
    place: usize,
    symbol: Symbol,
    need: Need,
}

/// Something a source would be asked for.
struct Wanted<'t> {
    asked: &'t Symbol,
    targets: BTreeSet<&'t Symbol>,
    /// How far each of its targets is from a price.
    prospects: Vec<&'t Prospect<'t>>,
    /// Whether the sources that are asked anyway are too few for a quorum.
    needs_reserves: bool,
    /// How long a quote may be spared at most, whatever its own class says.
    refresh_after: Option<Duration>,
}

/// All that one source would be asked for.
#[derive(Default)]
struct Wants<'t> {
    wanted: Vec<Wanted<'t>>,
    /// Where each symbol stands among these.
    places: HashMap<&'t Symbol, usize>,
    /// The routes that the source has denied.
    denied: Vec<&'t Route>,
}

impl Basis<'_> {
    /// What each source is asked for these targets, and what reserves could be asked.
    pub(super) async fn errands(
        self,
        targets: &[Target],
        memory: &Memory<'_>,
        pace: &mut Pace,
    ) -> (Vec<Errand>, Vec<Spare>, Needs) {
        let routes =
            targets.iter().flat_map(|target| &target.ways).flat_map(|way| way.denied.iter().chain([&way.route]));
        let mut recalled = Recollections::new();
        for route in routes {
            recalled.entry(&route.asked).or_insert_with(|| memory.of(&route.asked));
        }
        let prospects: Vec<Prospect<'_>> = targets.iter().map(|target| self.prospect(target, &recalled)).collect();
        let (mut errands, mut spares, mut needs) = (Vec::new(), Vec::new(), Needs::new());
        for (source, Wants { wanted, denied, .. }) in self.wants(targets, &prospects) {
            let Some(profile) = self.sources.get(source) else { continue };
            for one in &wanted {
                needs.insert((source, one.asked.clone()), self.need(profile, one.asked, one.refresh_after));
            }
            let mut errand = self.errand(source, profile, &wanted, &recalled, &mut spares);
            // what was denied is shown where nothing else comes of the source
            for route in denied {
                needs.insert((source, route.asked.clone()), self.need(profile, &route.asked, None));
                errand.settled.extend(known(&recalled, profile, &route.asked).map(|denied| denied.outcome.clone()));
            }
            if !errand.ask.due.is_empty() || !errand.settled.is_empty() {
                errands.push(errand);
            }
            pace.step(wanted.len()).await;
        }
        (errands, spares, needs)
    }

    /// What each source would be asked for, each symbol once, in the order of the targets.
    fn wants<'t>(self, targets: &'t [Target], prospects: &'t [Prospect<'t>]) -> BTreeMap<usize, Wants<'t>> {
        let quickest = self.quickest_users(targets);
        let mut wants: BTreeMap<usize, Wants<'t>> = BTreeMap::new();
        for (target, prospect) in targets.iter().zip(prospects) {
            let needs_reserves = self.needs_reserves(target);
            let refresh_after = quickest.get(&target.symbol).copied().filter(|_| target.purpose == Purpose::Rate);
            for Way { source, route, denied } in &target.ways {
                let wants = wants.entry(*source).or_default();
                wants.denied.extend(denied);
                let place = *wants.places.entry(&route.asked).or_insert(wants.wanted.len());
                match wants.wanted.get_mut(place) {
                    Some(known) => {
                        known.targets.insert(&target.symbol);
                        known.prospects.push(prospect);
                        known.needs_reserves |= needs_reserves;
                        known.refresh_after = known.refresh_after.into_iter().chain(refresh_after).min();
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

    /// What a source is asked.
    pub(super) fn ask(self, due: Vec<(Symbol, Need)>, riders: Vec<Symbol>) -> Ask {
        Ask {
            arrived: self.question.arrived.monotonic,
            until: self.question.deadline(),
            due,
            riders,
            caller: self.question.caller,
        }
    }

    fn errand(
        self,
        index: usize,
        source: &Profile,
        wanted: &[Wanted<'_>],
        recalled: &Recollections<'_>,
        spares: &mut Vec<Spare>,
    ) -> Errand {
        let (mut due, mut young, mut settled) = (Vec::new(), Vec::new(), Vec::new());
        let is_reserve = source.settings.role == Role::Reserve;
        for (place, one) in wanted.iter().enumerate() {
            let known = known(recalled, source, one.asked);
            let need = self.need(source, one.asked, one.refresh_after);
            let answered = known.and_then(|known| known.answered);
            match known.filter(|known| known.is_settled(need, self.now.monotonic)) {
                Some(known) => {
                    settled.push(known.outcome.clone());
                    if !known.outcome.is_denied() {
                        young.push((answered, one.asked.clone()));
                    }
                }
                // what is scarce is not spent on somebody who only tries
                None if is_reserve && self.question.patience == Patience::OnlyTries => {}
                None if is_reserve && !one.needs_reserves => {
                    let targets = one.targets.iter().map(|symbol| (*symbol).clone()).collect();
                    spares.push(Spare { source: index, asked: one.asked.clone(), need, targets });
                }
                None => {
                    let is_denied = known.is_some_and(|known| known.is_denied(self.now.monotonic));
                    let rank = Rank::of(&one.prospects, source, known);
                    due.push(Due { is_denied, rank, answered, place, symbol: one.asked.clone(), need });
                }
            }
        }
        due.sort_by_key(|one| (one.is_denied, one.rank, one.answered, one.place));
        young.sort();
        let due = due.into_iter().map(|one| (one.symbol, one.need)).collect();
        let riders = young.into_iter().map(|(_, symbol)| symbol).collect();
        Errand { source: index, ask: self.ask(due, riders), settled }
    }

    /// How fresh an outcome must be: what the caller or the class says, never below the floors.
    pub(super) fn need(self, source: &Profile, symbol: &Symbol, at_most: Option<Duration>) -> Need {
        let class = self.settings.of_class(self.settings.class(symbol));
        let asked = class.refresh_after(self.question.refresh_after);
        let asked = at_most.map_or(asked, |at_most| asked.min(at_most));
        // what the caller will not use is no reason to spare the call
        let of_use = self.question.max_age.map_or(asked, |max_age| asked.min(max_age.max(class.refresh_floor)));
        let floor = source.settings.refresh_after;
        Need {
            refresh_after: of_use.max(floor),
            // a file that is made once a day need not be complete at once
            missing_after: of_use.max(floor.min(class.refresh_after)),
            denied_after: self.checks_denials(source).then(|| SOONEST_AGAIN.max(class.refresh_floor)),
        }
    }

    /// Whether the caller wants everything fetched anew, and a source has calls to spare for symbols that it has denied.
    fn checks_denials(self, source: &Profile) -> bool {
        let is_cheap = source.settings.cost == Cost::Call && !source.waits().is_scarce();
        self.question.refresh_after == Some(Duration::ZERO) && is_cheap && source.settings.role != Role::Reserve
    }

    /// How far a target is from a price: who has quoted it, and who could.
    fn prospect<'t>(self, target: &Target, recalled: &Recollections<'_>) -> Prospect<'t>
    where
        Self: 't,
    {
        let class = self.settings.class(&target.symbol);
        let set = self.settings.of_class(class);
        let (mut quoted, mut covering) = (BTreeSet::new(), BTreeSet::new());
        for Way { source, route, .. } in &target.ways {
            let Some(source) = self.sources.get(*source) else { continue };
            let account = source.settings.account.as_str();
            covering.insert(account);
            let quote = known(recalled, source, &route.asked).and_then(|known| known.outcome.quote.as_ref());
            let is_fresh = |quote| is_usable(quote, &source.origin(class), set.usable_for, self.now);
            // references alone make no quorum that could be relied on
            if source.settings.role != Role::Reference && quote.is_some_and(is_fresh) {
                quoted.insert(account);
            }
        }
        Prospect { quoted, covering, required: set.required, converts: target.purpose == Purpose::Conversion }
    }

    /// How often each rate is renewed: as often as the quickest of the prices that need it, for a quote is as old as its oldest
    /// part.
    fn quickest_users(self, targets: &[Target]) -> HashMap<&Symbol, Duration> {
        let mut quickest: HashMap<&Symbol, Duration> = HashMap::new();
        for target in targets {
            let class = self.settings.of_class(self.settings.class(&target.symbol));
            let refresh_after = class.refresh_after(self.question.refresh_after);
            for rate in target.ways.iter().flat_map(|way| &way.route.rates) {
                let so_far = quickest.entry(&rate.symbol).or_insert(refresh_after);
                *so_far = refresh_after.min(*so_far);
            }
        }
        quickest
    }

    /// Whether no quorum can come about without reserves: waiting for the others to fall short would be for nothing. Whether
    /// a rate is needed is known only when the quotes are in.
    fn needs_reserves(self, target: &Target) -> bool {
        if target.purpose == Purpose::Rate {
            return false;
        }
        let primaries = target.ways.iter().filter_map(|way| self.sources.get(way.source));
        let primaries = primaries.filter(|source| source.settings.role == Role::Primary);
        let accounts: BTreeSet<&str> = primaries.map(|source| source.settings.account.as_str()).collect();
        accounts.len() < self.settings.of_class(self.settings.class(&target.symbol)).required
    }
}

fn known<'m>(recalled: &'m Recollections<'_>, source: &Profile, symbol: &Symbol) -> Option<&'m Known> {
    recalled.get(symbol)?.get(source.name())
}
