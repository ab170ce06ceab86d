//! Climbs down from the best quotes to worse ones until there are enough to decide.

use std::cmp::Reverse;

use rust_decimal::Decimal;

use super::admit::{Eligibility, Entry};
use super::price::{Agreed, Disagreement, decide};
use super::{BelowQuorum, Book, Degraded, Exclusion, Folded, Rule, Status, Verdict, age};
use crate::decimal::is_beyond;
use crate::quote::{Origin, Quote, Role, Session};

/// How the ladder ended.
#[derive(Debug)]
pub(super) enum Decision {
    /// On a rung whose quotes agree.
    Agreed { status: Status, agreed: Agreed },
    /// On a rung whose quotes disagree, or before the first rung: no older or derived quote may overrule that.
    Disagreed(Disagreement),
    /// No rung has enough quotes.
    NoQuorum,
}

impl Decision {
    pub(super) fn folded(&self) -> Option<&Folded> {
        match self {
            Decision::Agreed { agreed, .. } => Some(&agreed.folded),
            Decision::Disagreed(_) | Decision::NoQuorum => None,
        }
    }

    /// The session of the price, if it is known. Where no source states one, the last quotes of a closed market mean
    /// `closed`.
    pub(super) fn session(&self, market_closed: bool) -> Option<Session> {
        match self {
            Decision::Agreed { agreed, .. } => agreed.session.or(market_closed.then_some(Session::Closed)),
            Decision::Disagreed(_) | Decision::NoQuorum => None,
        }
    }
}

/// A quote on a rung: what the rung looks at, and the verdict that may still change.
pub(super) struct Member<'a> {
    pub(super) origin: &'a Origin,
    pub(super) quote: &'a Quote,
    pub(super) eligibility: Eligibility,
    pub(super) price: Decimal,
    /// Bid and ask of a book that counts.
    pub(super) book: Option<(Decimal, Decimal)>,
    pub(super) verdict: &'a mut Verdict,
}

/// What decides on which rungs a quote stands. A derived quote stands no higher than its rate.
#[derive(Clone, Copy)]
struct Footing {
    role: Role,
    eligibility: Eligibility,
    rate: Option<Degraded>,
}

/// Whether a quote on this footing stands on a rung.
type Allows = fn(Footing) -> bool;

/// The rungs that need as many quotes as are `required`, best first.
const RUNGS: [(Status, Allows); 4] = [
    (Status::Ok, |on| on.eligibility.is_usable() && on.role != Role::Reference && on.rate.is_none()),
    (Status::Degraded(Degraded::WithReferences), |on| on.eligibility.is_usable() && on.rate_leans_on_references()),
    (Status::Degraded(Degraded::StaleFallback), |on| {
        on.eligibility != Eligibility::Out && on.rate != Some(Degraded::FewSources)
    }),
    (Status::Degraded(Degraded::FewSources), any_usable),
];

fn any_usable(on: Footing) -> bool {
    on.eligibility.is_usable()
}

fn any_quiet(on: Footing) -> bool {
    on.eligibility == Eligibility::Quiet
}

impl Footing {
    fn of(entry: &Entry) -> Self {
        let (outcome, derivation) = (&entry.judged.outcome, &entry.judged.derivation);
        let rate = derivation.as_ref().and_then(|derivation| derivation.degraded()).map(|(_, reason)| reason);
        Footing { role: outcome.origin.role, eligibility: entry.eligibility, rate }
    }

    fn rate_leans_on_references(self) -> bool {
        matches!(self.rate, None | Some(Degraded::WithReferences))
    }
}

/// The first rung with a quorum decides. Admitted quotes that do not stand on it were not needed: references, and
/// quotes with a degraded rate.
pub(super) fn climb(entries: &mut [Entry], rule: &Rule, covering: usize) -> Decision {
    let decision = descend(entries, rule, covering);
    if decision.folded().is_some() {
        let left_over = Verdict::Excluded(Exclusion::NotFolded);
        for entry in entries.iter_mut().filter(|entry| entry.judged.verdict == left_over) {
            let is_reference = Footing::of(entry).role == Role::Reference;
            let exclusion = if is_reference { Exclusion::Reference } else { Exclusion::DegradedRate };
            entry.judged.verdict = Verdict::Excluded(exclusion);
        }
    }
    decision
}

fn descend(entries: &mut [Entry], rule: &Rule, covering: usize) -> Decision {
    let required = rule.required.max(1);
    for (status, allows) in RUNGS {
        let rung = Rung::of(entries, allows);
        if let Some(decision) = rung.decide(status, Quorum { of_the_fold: required, least: required }, rule) {
            return decision;
        }
    }
    // there are fewer than required, or they would have decided above; but they may be all that exist
    let least = if rule.below_quorum == BelowQuorum::Degrade { 1 } else { covering.max(1) };
    for allows in [any_usable, any_quiet] {
        let rung = Rung::of(entries, allows);
        let few = rung.decide(Status::Degraded(Degraded::FewSources), Quorum { of_the_fold: 1, least }, rule);
        if let Some(decision) = few {
            return decision;
        }
    }
    let mut rung = Rung::of(entries, any_usable);
    // old quotes that did not support the younger ones could not have made a price
    let (_, older) = rung.younger_and_older();
    rung.left_out.extend(older.into_iter().map(|member| (member, Exclusion::Stale)));
    rung.leave_out();
    Decision::NoQuorum
}

/// How many quotes a rung needs.
#[derive(Clone, Copy)]
struct Quorum {
    /// How many must agree when outliers are left out.
    of_the_fold: usize,
    /// How many must stand on the rung, those that disagree included.
    least: usize,
}

/// The quotes that stand on one rung: at most one per account, all of one session.
struct Rung<'a> {
    members: Vec<Member<'a>>,
    left_out: Vec<(Member<'a>, Exclusion)>,
}

impl<'a> Rung<'a> {
    fn of(entries: &'a mut [Entry], allows: Allows) -> Self {
        let eligible = entries.iter_mut().filter(|entry| allows(Footing::of(entry)));
        let mut rung = Rung { members: eligible.filter_map(member).collect(), left_out: Vec::new() };
        rung.keep_one_session();
        rung.keep_one_per_account();
        rung
    }

    /// Regular quotes win. Without any, the newer of the pre-market and after-hours sessions wins. If any quote is
    /// usable, the others have no say in this.
    fn keep_one_session(&mut self) {
        let any_usable = self.members.iter().any(|member| member.eligibility.is_usable());
        let has_a_say = |member: &&Member<'_>| member.eligibility.is_usable() || !any_usable;
        let winner = if self.members.iter().filter(has_a_say).any(|member| off_hours(member.quote).is_none()) {
            None
        } else {
            let heard = self.members.iter().filter(has_a_say);
            let newest = heard.max_by_key(|member| (age::time_of(member.quote), member.quote.session));
            newest.and_then(|member| off_hours(member.quote))
        };
        for member in std::mem::take(&mut self.members) {
            if off_hours(member.quote) == winner {
                self.members.push(member);
            } else {
                self.left_out.push((member, Exclusion::OtherSession));
            }
        }
    }

    /// The newest quote of an account wins: an older one from the same vendor is not a second witness.
    fn keep_one_per_account(&mut self) {
        self.members
            .sort_by_key(|member| (&member.origin.account, Reverse(age::time_of(member.quote)), &member.origin.source));
        for member in std::mem::take(&mut self.members) {
            match self.members.last() {
                Some(newer) if newer.origin.account == member.origin.account => {
                    self.left_out.push((member, Exclusion::SameAccount));
                }
                _ => self.members.push(member),
            }
        }
    }

    /// How the ladder ends on this rung; `None` if the next one has to decide.
    ///
    /// Younger quotes decide. Older ones may support them, if together they are enough and agree, but never contradict
    /// them.
    fn decide(mut self, status: Status, quorum: Quorum, rule: &Rule) -> Option<Decision> {
        if self.members.len() < quorum.least {
            return None;
        }
        let (mut members, older) = self.younger_and_older();
        if !older.is_empty() {
            match tried(&members, 1, rule) {
                Err(disagreement) => {
                    self.leave_out();
                    return Some(Decision::Disagreed(disagreement));
                }
                Ok(alone) => self.support(&mut members, older, &alone, quorum, rule),
            }
        }
        if members.len() < quorum.least {
            return None;
        }
        // old quotes that disagree with one another are no reason to refuse a younger one on a lower rung
        let only_old = members.iter().all(|member| !member.eligibility.is_usable());
        if only_old && tried(&members, quorum.of_the_fold, rule).is_err() {
            return None;
        }
        self.leave_out();
        Some(match decide(members, quorum.of_the_fold, rule) {
            Ok(agreed) => Decision::Agreed { status, agreed },
            Err(disagreement) => Decision::Disagreed(disagreement),
        })
    }

    /// Takes the members out, split into those with the best eligibility and the others.
    fn younger_and_older(&mut self) -> (Vec<Member<'a>>, Vec<Member<'a>>) {
        let members = std::mem::take(&mut self.members);
        let any_last = members.iter().any(|member| member.eligibility == Eligibility::Last);
        let seniority = |member: &Member<'_>| match member.eligibility {
            // a quote without a time may be the last one of a closed market too
            Eligibility::Usable => usize::from(any_last && age::stated_at(member.quote).is_none()),
            Eligibility::Last => 1,
            Eligibility::Quiet | Eligibility::Fallback | Eligibility::Out => 2,
        };
        let best = members.iter().map(seniority).min().unwrap_or_default();
        members.into_iter().partition(|member| seniority(member) == best)
    }

    /// Adds the older quotes that support the younger ones. These are the ones near the younger quotes' price, the
    /// nearest first, as long as they agree with all younger ones and among themselves. A quote that is farther away
    /// supports nothing: the middle between it and a younger one would be a price at which nothing was traded.
    fn support(
        &mut self,
        younger: &mut Vec<Member<'a>>,
        older: Vec<Member<'a>>,
        alone: &Trial,
        quorum: Quorum,
        rule: &Rule,
    ) {
        let count = younger.len();
        let is_far = |member: &Member<'_>| is_beyond(rule.outlier_beyond, member.price, alone.price);
        let (far, mut older): (Vec<_>, Vec<_>) = older.into_iter().partition(is_far);
        self.left_out.extend(far.into_iter().map(|member| (member, Exclusion::Stale)));
        older.sort_by_key(|member| (member.price.saturating_sub(alone.price).abs(), &member.origin.source));
        younger.append(&mut older);
        let keeps_all = |together: &Trial| {
            alone
                .verdicts
                .iter()
                .zip(&together.verdicts)
                .all(|(alone, together)| *alone != Verdict::Used || together == alone)
        };
        while younger.len() > count && !tried(younger, quorum.of_the_fold, rule).is_ok_and(|trial| keeps_all(&trial)) {
            self.left_out.extend(younger.pop().map(|farthest| (farthest, Exclusion::Stale)));
        }
    }

    /// Only the rung that ends the ladder may say why a quote had no part in it.
    fn leave_out(self) {
        for (member, exclusion) in self.left_out {
            *member.verdict = Verdict::Excluded(exclusion);
        }
    }
}

/// What folding some quotes would give.
struct Trial {
    price: Decimal,
    /// The verdict on each, in the order of the quotes.
    verdicts: Vec<Verdict>,
}

/// Folds members without changing their verdicts.
///
/// # Errors
/// They disagree.
fn tried(members: &[Member<'_>], quorum: usize, rule: &Rule) -> Result<Trial, Disagreement> {
    let mut verdicts = vec![Verdict::Excluded(Exclusion::NotFolded); members.len()];
    let copies = members.iter().zip(&mut verdicts).map(|(member, verdict)| Member { verdict, ..*member });
    let agreed = decide(copies.collect(), quorum, rule)?;
    Ok(Trial { price: agreed.folded.price, verdicts })
}

fn member(entry: &mut Entry) -> Option<Member<'_>> {
    let judged = &mut entry.judged;
    let quote = judged.outcome.quote.as_ref()?;
    Some(Member {
        origin: &judged.outcome.origin,
        quote,
        eligibility: entry.eligibility,
        price: judged.price?,
        book: quote.bid.zip(quote.ask).filter(|_| judged.book == Some(Book::Counts)),
        verdict: &mut judged.verdict,
    })
}

/// The session of a quote from before or after hours.
fn off_hours(quote: &Quote) -> Option<Session> {
    quote.session.filter(|session| matches!(session, Session::Pre | Session::Post))
}

#[cfg(test)]
mod tests;
