//! The windows against a naive reference, which counts every unit anew.

use proptest::prelude::*;

use super::*;

/// A unit that was granted; `ended` is `None` while its call is in flight.
#[derive(Clone, Copy, Debug)]
struct Unit {
    ticket: u64,
    granted: Instant,
    over_by: Instant,
    ended: Option<Instant>,
}

/// What a window should say, worked out from all that ever happened.
struct Reference {
    limits: Vec<Limit>,
    units: Vec<Unit>,
    promised: Vec<(u64, usize)>,
    expected: Vec<usize>,
    took: Vec<Duration>,
}

impl Reference {
    /// How many units the window of a limit that ends now holds, whatever calls in flight do.
    fn counted(&self, limit: &Limit, now: Instant) -> usize {
        self.units.iter().filter(|unit| unit.ended.is_none_or(|ended| ended + limit.period > now)).count()
    }

    fn may_spend(&self, units: usize, now: Instant) -> bool {
        self.limits.iter().all(|limit| self.counted(limit, now) + units <= limit.calls as usize)
    }

    /// The ends of all units, as far as they are known, or likely if calls take `takes`.
    fn ends(&self, takes: Duration, now: Instant) -> Vec<Instant> {
        self.units.iter().map(|unit| unit.ended.unwrap_or_else(|| (unit.granted + takes).max(now))).collect()
    }

    /// The first instant at which no window would hold too many: one at which some unit leaves some window, or now.
    fn earliest(&self, ends: &[Instant], units: usize, now: Instant) -> Instant {
        let fits = |at: &Instant| {
            let counted = |limit: &Limit| ends.iter().filter(|end| **end + limit.period > *at).count();
            self.limits.iter().all(|limit| counted(limit) + units <= limit.calls as usize)
        };
        let leaves = self.limits.iter().flat_map(|limit| ends.iter().map(|end| *end + limit.period));
        leaves.filter(|at| *at > now).chain([now]).filter(fits).min().unwrap()
    }

    fn usual(&self) -> Duration {
        let mut last: Vec<Duration> = self.took.iter().rev().take(9).copied().collect();
        last.sort_unstable();
        last.get(last.len() / 2).copied().unwrap_or_default()
    }

    /// When each promise can probably be kept, and the ends that follow.
    fn forecast(&self, now: Instant) -> (Vec<Instant>, Vec<Instant>) {
        let usual = self.usual();
        let mut ends = self.ends(usual, now);
        let mut likely = Vec::new();
        for (_, units) in &self.promised {
            let at = self.earliest(&ends, *units, now);
            ends.extend(std::iter::repeat_n((at + usual).max(now), *units));
            likely.push(at);
        }
        (likely, ends)
    }

    /// When single units can be spent one after the other, after all that is promised: first those that are expected, then as
    /// many more.
    fn moments(&self, more: usize, now: Instant) -> Vec<Instant> {
        let (_, mut ends) = self.forecast(now);
        let mut moments = Vec::new();
        for _ in 0..self.expected() + more {
            let at = self.earliest(&ends, 1, now);
            ends.push((at + self.usual()).max(now));
            moments.push(at);
        }
        moments
    }

    fn expected(&self) -> usize {
        self.expected.iter().sum()
    }
}

#[derive(Clone, Debug)]
enum Step {
    Pass(u64),
    Expect(usize),
    Unexpect,
    Promise(usize, u64),
    TakeBack(usize),
    /// With how long the call may take.
    Grant(usize, u64),
    Ends(usize),
    NotWritten(usize),
    /// With how long it may still arrive; `None` for what was stated at the grant.
    Cancelled(usize, Option<u64>),
    Restart,
    /// Other limits are set: those at this place in `LIMITS`.
    Limits(usize),
}

/// Limits that a vendor may state.
const LIMITS: [&[&str]; 6] = [&["5/s"], &["3/s", "20/min"], &["2/s", "5/min"], &["7/min", "25/day"], &[], &["4/h"]];

fn limits(place: usize) -> Limits {
    let stated: Vec<Limit> = LIMITS[place].iter().map(|text| Limit::try_from((*text).to_owned()).unwrap()).collect();
    Limits::new(&stated)
}

fn step() -> impl Strategy<Value = Step> {
    let (units, place, moment) = (1..4_usize, 0..4_usize, 0..5_000_u64);
    prop_oneof![
        4 => prop_oneof![0..300_u64, 0..5_000_u64, 0..90_000_u64].prop_map(Step::Pass),
        1 => units.clone().prop_map(Step::Expect),
        1 => Just(Step::Unexpect),
        4 => (units, 0..60_000_u64).prop_map(|(units, patience)| Step::Promise(units, patience)),
        1 => place.clone().prop_map(Step::TakeBack),
        6 => (place.clone(), moment.clone()).prop_map(|(place, most)| Step::Grant(place, most)),
        3 => place.clone().prop_map(Step::Ends),
        1 => place.clone().prop_map(Step::NotWritten),
        1 => (place, proptest::option::of(moment)).prop_map(|(place, late)| Step::Cancelled(place, late)),
        1 => Just(Step::Restart),
        1 => (0..LIMITS.len()).prop_map(Step::Limits),
    ]
}

proptest! {
    #[test]
    fn a_window_says_what_a_recount_says_and_never_exceeds_its_limit(
        stated in 0..LIMITS.len(),
        steps in proptest::collection::vec(step(), 1..60),
    ) {
        let mut limits = limits(stated);
        let mut most = limits.most_at_once();
        // limits that are set later may have been exceeded before
        let mut were_changed = false;
        let milliseconds = Duration::from_millis;
        let mut now = Instant::now() + Duration::from_secs(1_000);
        let mut window = Window::new(limits.clone());
        let (units, promised, expected, took) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut reference = Reference { limits: limits.0.to_vec(), units, promised, expected, took };
        for step in steps {
            match step {
                Step::Pass(span) => now += milliseconds(span),
                Step::Expect(units) => {
                    window.expect(units);
                    reference.expected.push(units);
                }
                Step::Unexpect => {
                    if let Some(units) = reference.expected.pop() {
                        window.unexpect(units);
                    }
                }
                Step::Promise(units, patience) => {
                    let (units, until) = (units.min(most), now + milliseconds(patience));
                    let (_, ends) = reference.forecast(now);
                    let at = reference.earliest(&ends, units, now);
                    match window.promise(units, now, until) {
                        Ok((ticket, likely)) => {
                            prop_assert!(at <= until);
                            prop_assert_eq!(likely, at);
                            reference.promised.push((ticket, units));
                        }
                        Err(full) => {
                            prop_assert!(at > until);
                            prop_assert_eq!(now + full.wait, at);
                        }
                    }
                }
                Step::TakeBack(place) if place < reference.promised.len() => {
                    let (ticket, _) = reference.promised.remove(place);
                    prop_assert!(window.take_back(ticket));
                    prop_assert!(!window.take_back(ticket));
                }
                Step::Grant(place, takes) if place < reference.promised.len() => {
                    let (ticket, units) = reference.promised[place];
                    let over_by = now + milliseconds(takes);
                    let may = reference.may_spend(units, now);
                    prop_assert_eq!(window.grant(ticket, now, over_by), may);
                    if may {
                        reference.promised.remove(place);
                        let unit = Unit { ticket, granted: now, over_by, ended: None };
                        reference.units.extend(std::iter::repeat_n(unit, units));
                    }
                }
                Step::Ends(place) | Step::NotWritten(place) | Step::Cancelled(place, _) => {
                    let in_flight = reference.units.iter().filter(|unit| unit.ended.is_none());
                    let Some(unit) = in_flight.copied().nth(place) else { continue };
                    let end = match step {
                        Step::Ends(_) => End::Known,
                        Step::NotWritten(_) => End::NotWritten,
                        Step::Cancelled(_, late) => End::Unknown(late.map(|late| now + milliseconds(late))),
                        _ => unreachable!(),
                    };
                    prop_assert!(window.end(unit.ticket, end, now));
                    let ended = match end {
                        End::Known => Some(now),
                        End::NotWritten => None,
                        End::Unknown(latest) => Some(latest.unwrap_or(unit.over_by).max(now)),
                    };
                    if matches!(end, End::Known) {
                        reference.took.push(now - unit.granted);
                    }
                    let is_it = |other: &Unit| other.ticket == unit.ticket && other.ended.is_none();
                    reference.units.retain(|other| !is_it(other) || ended.is_some());
                    reference.units.iter_mut().filter(|other| is_it(other)).for_each(|other| other.ended = ended);
                }
                Step::Restart => {
                    let ends = window.ends(now);
                    prop_assert!(ends.is_sorted());
                    window = Window::new(limits.clone());
                    window.restore(ends);
                    // only what some limit counts is written
                    let longest = limits.longest();
                    reference.units.retain(|unit| unit.ended.unwrap_or(unit.over_by.max(now)) + longest > now);
                    for unit in reference.units.iter_mut().filter(|unit| unit.ended.is_none()) {
                        unit.ended = Some(unit.over_by.max(now));
                    }
                    (reference.promised, reference.expected, reference.took) = (Vec::new(), Vec::new(), Vec::new());
                }
                Step::Limits(place) => {
                    (limits, were_changed) = (self::limits(place), true);
                    (reference.limits, most) = (limits.0.to_vec(), limits.most_at_once());
                    window.set_limits(limits.clone(), now);
                    for (ticket, _) in reference.promised.extract_if(.., |(_, units)| *units > most) {
                        prop_assert!(!window.grant(ticket, now, now));
                        prop_assert!(window.estimate(ticket, now).limit.is_some());
                        prop_assert!(window.take_back(ticket));
                    }
                }
                _ => {}
            }
            let promised: usize = reference.promised.iter().map(|(_, units)| units).sum();
            for Left { limit, left } in window.left(now) {
                let counted = reference.counted(&limit, now);
                prop_assert!(were_changed || counted <= limit.calls as usize, "{} in {}", counted, limit);
                prop_assert_eq!(left, (limit.calls as usize).saturating_sub(counted + promised));
            }
            let (likely, _) = reference.forecast(now);
            let ends_now = reference.ends(Duration::ZERO, now);
            for ((ticket, units), likely) in reference.promised.iter().zip(likely) {
                let estimate = window.estimate(*ticket, now);
                prop_assert_eq!(estimate.likely, likely);
                prop_assert_eq!(estimate.soonest, reference.earliest(&ends_now, *units, now));
                prop_assert_eq!(estimate.limit.is_none(), likely == now);
            }
            let moments = reference.moments(6, now);
            let own = &moments[reference.expected()..];
            prop_assert_eq!(window.room_at(1, now), own[0]);
            prop_assert_eq!(window.room_at(2, now), own[1]);
            for until in [now, now + milliseconds(700), now + milliseconds(40_000)] {
                let (room, full) = window.room(6, now, until);
                prop_assert_eq!(room, own.iter().take_while(|at| **at <= until).count());
                prop_assert_eq!(full.map(|full| now + full.wait), moments.iter().find(|at| **at > until).copied());
            }
            let is_idle = reference.units.iter().all(|unit| unit.ended.is_some());
            let is_free = reference.promised.is_empty() && reference.expected() == 0;
            prop_assert_eq!(window.is_at_rest(), is_idle && is_free);
        }
    }
}
