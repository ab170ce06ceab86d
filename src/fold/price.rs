//! Makes one price out of quotes that agree, and says when they do not.

use rust_decimal::Decimal;

use super::ladder::Member;
use super::{Exclusion, Folded, Rule, Verdict, age};
use crate::decimal::{basis_points, is_beyond, middle};
use crate::quote::Session;
use crate::symbol::Currency;

/// Among fewer quotes, an outlier cannot be identified.
const ENOUGH_FOR_OUTLIERS: usize = 3;

/// The price that the quotes of one rung agreed on.
#[derive(Debug)]
pub(super) struct Agreed {
    /// The price and its figures.
    pub(super) folded: Folded,
    /// The session of the used quotes, if one of them states it.
    pub(super) session: Option<Session>,
    /// What outliers were measured from.
    pub(super) median: Decimal,
}

/// Why quotes of one rung gave no price.
#[derive(Debug)]
pub(super) enum Disagreement {
    /// The lowest and the highest are too far apart.
    Apart { lowest: Said, highest: Said, median: Decimal },
    /// Too few are near the median of all.
    NoMajority { lowest: Said, highest: Said, median: Decimal, near: usize, of: usize, needed: usize },
    /// No currency leads: these are stated equally often. Each is given with a source that states it.
    Currencies(Vec<(Currency, String)>),
}

/// Who said what.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) source: String,
    pub(super) price: Decimal,
}

/// Leaves out outliers, asks for agreement, and takes the median. Verdicts change only if there is a price.
///
/// # Errors
/// The quotes disagree: the average of two camps would be a price that no source stated.
pub(super) fn decide(mut members: Vec<Member<'_>>, quorum: usize, rule: &Rule) -> Result<Agreed, Disagreement> {
    members.sort_by(|one, other| (one.price, &one.origin.source).cmp(&(other.price, &other.origin.source)));
    let median = median(&members, |member| member.price);
    let outlier = |member: &Member<'_>| is_beyond(rule.outlier_beyond, member.price, median);
    let near = members.iter().filter(|member| !outlier(member)).count();
    let needed = quorum.max(members.len() / 2 + 1);
    if members.len() < ENOUGH_FOR_OUTLIERS {
        return agree(members, median, rule);
    }
    if near < needed {
        let of = members.len();
        return Err(disagreement(&members, |lowest, highest| Disagreement::NoMajority {
            lowest,
            highest,
            median,
            near,
            of,
            needed,
        }));
    }
    let (mut outliers, survivors): (Vec<_>, Vec<_>) = members.into_iter().partition(outlier);
    let agreed = agree(survivors, median, rule)?;
    for outlier in &mut outliers {
        *outlier.verdict = Verdict::Excluded(Exclusion::Outlier);
    }
    Ok(agreed)
}

/// The price of the survivors, lowest first, if they agree.
fn agree(mut survivors: Vec<Member<'_>>, median_of_all: Decimal, rule: &Rule) -> Result<Agreed, Disagreement> {
    let price = median(&survivors, |member| member.price);
    let spread = spread(&survivors);
    if spread > rule.disagree_beyond.saturating_mul(price) {
        return Err(disagreement(&survivors, |lowest, highest| Disagreement::Apart { lowest, highest, median: price }));
    }
    let several = survivors.len() > 1;
    let folded = Folded {
        price,
        plus_minus: several.then(|| plus_minus(&survivors, price)),
        divergence_bps: basis_points(spread, price).filter(|_| several),
        observed_at: survivors.iter().filter_map(|member| member.quote.observed_at).min(),
        aged_from: survivors.iter().map(|member| age::time_of(member.quote)).min().unwrap_or_default(),
    };
    for member in &mut survivors {
        *member.verdict = Verdict::Used;
    }
    Ok(Agreed { folded, session: session(&survivors), median: median_of_all })
}

/// The session of quotes that stand on one rung: all of them are pre-market, or all after-hours, or else each states
/// `regular`, `closed` or nothing.
fn session(used: &[Member<'_>]) -> Option<Session> {
    let said = |session| used.iter().any(|member| member.quote.session == Some(session));
    [Session::Pre, Session::Post, Session::Regular, Session::Closed].into_iter().find(|session| said(*session))
}

fn disagreement(members: &[Member<'_>], of: impl FnOnce(Said, Said) -> Disagreement) -> Disagreement {
    let said = |member: Option<&Member<'_>>| Said {
        source: member.map_or_else(String::new, |member| member.origin.source.clone()),
        price: member.map_or(Decimal::ZERO, |member| member.price),
    };
    of(said(members.first()), said(members.last()))
}

/// The median of items sorted by `price`; zero if there are no items.
pub(crate) fn median<T>(sorted: &[T], price: impl Fn(&T) -> Decimal) -> Decimal {
    let half = sorted.len() / 2;
    let upper = sorted.get(half).map_or(Decimal::ZERO, &price);
    match sorted.get(half.saturating_sub(1)) {
        Some(lower) if sorted.len().is_multiple_of(2) => middle(price(lower), upper),
        _ => upper,
    }
}

/// The highest price less the lowest, of members sorted by price.
fn spread(sorted: &[Member<'_>]) -> Decimal {
    let ends = sorted.last().zip(sorted.first());
    ends.map_or(Decimal::ZERO, |(highest, lowest)| highest.price.saturating_sub(lowest.price))
}

/// How far the middle half of the votes reaches from the price. A quote whose book counts votes with its bid, price and
/// ask, any other three times with its price: so every source has the same weight.
fn plus_minus(used: &[Member<'_>], price: Decimal) -> Decimal {
    let mut votes: Vec<Decimal> = used
        .iter()
        .flat_map(|member| match member.book {
            Some((bid, ask)) => [bid, member.price, ask],
            None => [member.price; 3],
        })
        .collect();
    votes.sort_unstable();
    let quarter = votes.len() / 4;
    let ends = [votes.get(quarter), votes.iter().rev().nth(quarter)];
    let distances = ends.into_iter().flatten().map(|vote| vote.saturating_sub(price).abs());
    distances.max().unwrap_or_default()
}

#[cfg(test)]
mod tests;
