//! Ranks what a source must be asked for: where one call less would cost a price comes first.

use std::collections::BTreeSet;

use crate::board::Known;
use crate::failure::SourceError;
use crate::profile::Profile;
use crate::provider::description::Cost;

/// How far a target is from a price, as far as the board knows.
pub(super) struct Prospect<'a> {
    /// The accounts with a quote that is young enough to be folded and counts towards a quorum.
    pub(super) quoted: BTreeSet<&'a str>,
    /// The accounts that cover the target, including those that deny it: a denial by others does not make a quote here
    /// likelier.
    pub(super) covering: BTreeSet<&'a str>,
    /// How many accounts make a quorum.
    pub(super) required: usize,
    /// Whether it turns prices into the caller's currency: then every one of them waits for it.
    pub(super) converts: bool,
}

/// Where a symbol stands among those that one source must be asked for; the least is asked first. Symbols of one rank go by how
/// long they have been unanswered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// The rate to the caller's currency.
    Rate,
    /// It was refused before, for want of room.
    Refused,
    /// The source's quote would make the quorum whole, or be the only one there can be. The fewer others could stand in for
    /// it, the sooner.
    Decides { others: usize },
    /// The source's quote would not be enough by itself. Again, fewer others come sooner.
    Adds { others: usize },
    /// There is a quorum without it.
    HasQuorum,
    /// The source has denied that there is such a symbol, if long ago.
    Denied,
}

impl Rank {
    /// The rank of a symbol at a source, by the targets it is asked for and by what the source said of it last.
    pub(super) fn of(prospects: &[&Prospect<'_>], source: &Profile, known: Option<&Known>) -> Self {
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
    /// Whether the prices of a whole question wait for it. At a source where it would take a unit from another symbol,
    /// it comes first only if the others are too few for a quorum.
    fn comes_first_at(&self, source: &Profile) -> bool {
        let costs_a_unit = source.settings.cost == Cost::Symbol || source.settings.batch == 1;
        let others = self.others(&self.covering, &source.settings.account);
        self.converts && (!costs_a_unit || others < self.required)
    }

    fn rank_for(&self, account: &str) -> Rank {
        let (quoted, others) = (self.others(&self.quoted, account), self.others(&self.covering, account));
        // where no more cover it, fewer give a price
        let enough = self.required.min(others + 1);
        if quoted + 1 >= enough { Rank::Decides { others } } else { Rank::Adds { others } }
    }

    fn others(&self, accounts: &BTreeSet<&str>, account: &str) -> usize {
        accounts.len() - usize::from(accounts.contains(account))
    }
}

/// Whether the last word on a symbol is that there was no room for it.
fn was_refused(known: &Known) -> bool {
    let failure = known.outcome.failure.as_ref();
    failure.is_some_and(|failure| matches!(failure.error, SourceError::Throttled { .. }))
}
