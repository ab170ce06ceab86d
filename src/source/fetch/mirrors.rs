//! Remembers which of a vendor's addresses is asked first.
//!
//! Mirrors are addresses of one vendor, with the same limits, keys and prices. The next one is tried only if nothing reached
//! the one before, so a call is made once. The one that was reached is preferred from then on until it cannot be reached, even
//! if the first of the list is back: mirrors are equal, and trying a dead one costs a part of a caller's time.

use std::sync::atomic::{AtomicUsize, Ordering};

use reqwest::Url;

use super::host;
use crate::profile::Profile;

/// Which address is asked first.
#[derive(Debug, Default)]
pub struct Mirrors {
    first: AtomicUsize,
    /// The one that the log named last.
    told: AtomicUsize,
}

impl Mirrors {
    /// The places of this many addresses in the order in which they are tried: the preferred one, then the others as listed.
    pub fn order(&self, addresses: usize) -> impl Iterator<Item = usize> + use<> {
        let first = self.first.load(Ordering::Relaxed);
        let others = (0..addresses).filter(move |place| *place != first);
        (first < addresses).then_some(first).into_iter().chain(others)
    }

    /// The hosts that a source is asked at, in the order in which they are tried now, scrubbed of any key.
    pub fn hosts(&self, profile: &Profile) -> Vec<String> {
        let request = profile.extractor.spelling().request(&[]);
        let urls: Vec<Option<Url>> = request.urls().map(|url| Url::parse(url).ok()).collect();
        let hosts = self.order(urls.len()).filter_map(|place| urls[place].as_ref().map(host));
        hosts.map(|host| profile.extractor.scrub().clean(&host)).collect()
    }

    /// Prefers an address from now on. This is recorded before its reply arrives: otherwise a slow but working mirror would
    /// never become the preferred one, since each attempt would first spend its time on a dead one.
    pub(super) fn prefer(&self, place: usize) {
        self.first.store(place, Ordering::Relaxed);
    }

    /// Notes that an address was reached. Returns whether it is the preferred one and the log has not named it yet.
    pub(super) fn is_news(&self, place: usize) -> bool {
        self.first.load(Ordering::Relaxed) == place && self.told.swap(place, Ordering::Relaxed) != place
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_preferred_one_is_first_and_the_others_keep_their_order() {
        let mirrors = Mirrors::default();
        let order = || mirrors.order(3).collect::<Vec<_>>();
        assert_eq!(order(), [0, 1, 2]);
        mirrors.prefer(2);
        assert_eq!(order(), [2, 0, 1]);
        mirrors.prefer(0);
        assert_eq!(order(), [0, 1, 2]);
        assert_eq!(mirrors.order(1).collect::<Vec<_>>(), [0]);
    }

    #[test]
    fn people_are_told_of_a_change_once() {
        let mirrors = Mirrors::default();
        assert!(!mirrors.is_news(0), "that is how it started");
        mirrors.prefer(1);
        // a call that was in flight when it changed is no news
        assert!(!mirrors.is_news(0));
        assert!(mirrors.is_news(1) && !mirrors.is_news(1));
        mirrors.prefer(0);
        assert!(mirrors.is_news(0));
    }
}
