//! Remembers which of a vendor's addresses is asked first.
//!
//! Mirrors stand for one vendor: the same limits, the same keys, the same prices. The next one is tried only if nothing
//! reached the one before, so a call is made once. Whichever is turned to is asked first from then on, until it cannot be
//! reached, even if the first of the list is back: mirrors are equal, and looking for a dead one costs a share of somebody's
//! time.

use std::sync::atomic::{AtomicUsize, Ordering};

use reqwest::Url;

use super::host;
use crate::profile::Profile;

/// Which address is asked first.
#[derive(Debug, Default)]
pub struct Mirrors {
    first: AtomicUsize,
    /// The one that people were last told of.
    told: AtomicUsize,
}

impl Mirrors {
    /// The places of so many addresses in the order in which they are tried: the one that is asked first, then the others as
    /// they are listed.
    pub fn order(&self, addresses: usize) -> impl Iterator<Item = usize> + use<> {
        let first = self.first.load(Ordering::Relaxed);
        let others = (0..addresses).filter(move |place| *place != first);
        (first < addresses).then_some(first).into_iter().chain(others)
    }

    /// The hosts that a source is asked at, in the order in which they are tried now. Without a key that may be a part of one.
    pub fn hosts(&self, profile: &Profile) -> Vec<String> {
        let request = profile.extractor.spelling().request(&[]);
        let urls: Vec<Option<Url>> = request.urls().map(|url| Url::parse(url).ok()).collect();
        let hosts = self.order(urls.len()).filter_map(|place| urls[place].as_ref().map(host));
        hosts.map(|host| profile.extractor.scrub().clean(&host)).collect()
    }

    /// Asks an address first from now on. It is not waited for its reply: one that is slow, but there, would never be
    /// remembered if each attempt first looked for the one that is not.
    pub(super) fn turn_to(&self, place: usize) {
        self.first.store(place, Ordering::Relaxed);
    }

    /// An address was reached; says whether it is asked first, and people do not know yet.
    pub(super) fn is_news(&self, place: usize) -> bool {
        self.first.load(Ordering::Relaxed) == place && self.told.swap(place, Ordering::Relaxed) != place
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_that_was_turned_to_is_first_and_the_others_keep_their_order() {
        let mirrors = Mirrors::default();
        let order = || mirrors.order(3).collect::<Vec<_>>();
        assert_eq!(order(), [0, 1, 2]);
        mirrors.turn_to(2);
        assert_eq!(order(), [2, 0, 1]);
        mirrors.turn_to(0);
        assert_eq!(order(), [0, 1, 2]);
        assert_eq!(mirrors.order(1).collect::<Vec<_>>(), [0]);
    }

    #[test]
    fn people_are_told_of_a_change_once() {
        let mirrors = Mirrors::default();
        assert!(!mirrors.is_news(0), "that is how it started");
        mirrors.turn_to(1);
        // a call that was in the air when it changed is no news
        assert!(!mirrors.is_news(0));
        assert!(mirrors.is_news(1) && !mirrors.is_news(1));
        mirrors.turn_to(0);
        assert!(mirrors.is_news(0));
    }
}
