//! Rate-limits callers, each in exact sliding windows, in a table of bounded size.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::caller::Caller;
use crate::units::Limit;

/// The most callers that are remembered.
const MOST_CALLERS: usize = 65_536;

/// The most requests that are remembered, of all callers together: 16 MB.
const MOST_REQUESTS: usize = 1 << 20;

/// The rate limit that applies to each caller.
#[derive(Debug)]
pub(super) struct Rates {
    limits: Vec<Limit>,
    table: Mutex<Table>,
}

#[derive(Debug)]
struct Table {
    callers: HashMap<Caller, Window>,
    /// The callers by the tick of their last request: the least recent caller comes first.
    order: BTreeMap<u64, Caller>,
    /// Grows with every request.
    tick: u64,
    requests: usize,
    most_callers: usize,
    most_requests: usize,
}

#[derive(Debug, Default)]
struct Window {
    /// The tick of the last request, admitted or not.
    tick: u64,
    /// When requests were admitted, as far back as any limit looks; refused ones are not counted.
    passed: VecDeque<Instant>,
}

impl Rates {
    /// All limits apply at once; without any, every request passes.
    pub(super) fn new(limits: Vec<Limit>) -> Self {
        Rates { limits, table: Mutex::new(Table::new(MOST_CALLERS, MOST_REQUESTS)) }
    }

    /// Whether others have the same limits.
    pub(super) fn have_the_limits_of(&self, others: &Rates) -> bool {
        self.limits == others.limits
    }

    /// Admits one request and counts it, or returns how long until one would be admitted.
    pub(super) fn admit(&self, caller: Caller, now: Instant) -> Result<(), Duration> {
        if self.limits.is_empty() {
            return Ok(());
        }
        self.table.lock().admit(caller, &self.limits, now)
    }
}

impl Table {
    fn new(most_callers: usize, most_requests: usize) -> Self {
        let (callers, order) = (HashMap::new(), BTreeMap::new());
        Table { callers, order, tick: 0, requests: 0, most_callers, most_requests }
    }

    fn admit(&mut self, caller: Caller, limits: &[Limit], now: Instant) -> Result<(), Duration> {
        let longest = limits.iter().map(|limit| limit.period).max().unwrap_or_default();
        let most = limits.iter().map(|limit| limit.calls as usize).max().unwrap_or_default();
        self.forget_the_idle(longest, now);
        self.tick += 1;
        let window = self.callers.entry(caller).or_default();
        self.order.remove(&window.tick);
        self.order.insert(self.tick, caller);
        window.tick = self.tick;
        if let Some(wait) = limits.iter().filter_map(|limit| window.wait(limit, now)).max() {
            return Err(wait);
        }
        window.passed.push_back(now);
        self.requests += 1;
        // no limit looks further back than the number of requests it allows
        if window.passed.len() > most {
            window.passed.pop_front();
            self.requests -= 1;
        }
        while self.callers.len() > self.most_callers || self.requests > self.most_requests {
            self.forget_the_first();
        }
        Ok(())
    }

    /// Forgets the callers at the front who would be admitted whether they are remembered or not.
    fn forget_the_idle(&mut self, longest: Duration, now: Instant) {
        let is_idle = |window: &Window| window.passed.back().is_none_or(|last| *last + longest <= now);
        while self.order.values().next().and_then(|first| self.callers.get(first)).is_some_and(is_idle) {
            self.forget_the_first();
        }
    }

    fn forget_the_first(&mut self) {
        let first = self.order.pop_first().and_then(|(_, caller)| self.callers.remove(&caller));
        self.requests -= first.map_or(0, |window| window.passed.len());
    }
}

impl Window {
    /// How long until a limit has room; `None` if it has room now.
    fn wait(&self, limit: &Limit, now: Instant) -> Option<Duration> {
        // the request that must leave the window before another fits in
        let at = self.passed.len().checked_sub(limit.calls as usize)?;
        let free = *self.passed.get(at)? + limit.period;
        (free > now).then(|| free - now)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn limits(texts: &[&str]) -> Vec<Limit> {
        texts.iter().map(|text| Limit::try_from((*text).to_owned()).unwrap()).collect()
    }

    fn caller(number: u8) -> Caller {
        Caller::at(Some(Ipv4Addr::new(10, 0, 0, number).into()))
    }

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn no_window_wherever_it_begins_holds_more_than_the_limit() {
        let limits = limits(&["3/s", "5/4s"]);
        let (mut table, start) = (Table::new(10, 100), Instant::now());
        let mut passed: Vec<u64> = Vec::new();
        for at in (0..20_000).step_by(70) {
            let verdict = table.admit(caller(1), &limits, start + ms(at));
            let room = |count: usize, period: u64| passed.iter().filter(|then| **then + period > at).count() < count;
            assert_eq!(verdict.is_ok(), room(3, 1000) && room(5, 4000), "at {at} after {passed:?}");
            match verdict {
                Ok(()) => passed.push(at),
                Err(wait) => {
                    let later = start + ms(at) + wait;
                    let fits = |at| limits.iter().all(|limit| table.callers[&caller(1)].wait(limit, at).is_none());
                    assert!(fits(later) && !fits(later - ms(1)), "{wait:?} is not when it would pass");
                }
            }
        }
        assert!(passed.len() >= 24, "{passed:?}");
    }

    #[test]
    fn callers_are_counted_apart_and_an_ipv6_network_as_one() {
        let (limits, now) = (limits(&["1/s"]), Instant::now());
        let mut table = Table::new(10, 100);
        let mut passes = |text: &str| table.admit(Caller::at(text.parse().ok()), &limits, now).is_ok();
        assert!(passes("10.0.0.1") && passes("10.0.0.2") && !passes("10.0.0.1"));
        assert!(passes("2001:db8:0:1::1") && !passes("2001:db8:0:1:ffff::2") && passes("2001:db8:0:2::1"));
    }

    #[test]
    fn many_callers_do_not_fill_the_table_the_least_recent_are_forgotten() {
        let (limits, now) = (limits(&["2/min"]), Instant::now());
        let mut table = Table::new(3, 100);
        let mut passes = |number: u8| table.admit(caller(number), &limits, now).is_ok();
        assert!([1, 1, 2, 2, 3, 3].into_iter().all(&mut passes));
        // refused, yet more recent than the second
        assert!(!passes(1) && passes(4));
        assert!(!passes(1) && !passes(3) && passes(2), "only the second was forgotten");
        for number in 0..=255 {
            let _ = table.admit(caller(number), &limits, now);
            assert!(table.callers.len() <= 3 && table.order.len() == table.callers.len());
        }
        assert_eq!(table.requests, table.callers.values().map(|window| window.passed.len()).sum::<usize>());
    }

    #[test]
    fn many_requests_of_few_callers_do_not_fill_it_either() {
        let (limits, now) = (limits(&["40/min"]), Instant::now());
        let mut table = Table::new(1000, 100);
        for number in (0..200).map(|count| count % 5) {
            assert!(table.admit(caller(number), &limits, now).is_ok());
            assert!(table.requests <= 100);
        }
        assert_eq!(table.requests, table.callers.values().map(|window| window.passed.len()).sum::<usize>());
    }

    #[test]
    fn a_caller_who_would_be_admitted_anyway_is_forgotten() {
        let (limits, now) = (limits(&["1/s", "2/10s"]), Instant::now());
        let mut table = Table::new(1000, 1000);
        for number in 0..100 {
            assert!(table.admit(caller(number), &limits, now).is_ok());
        }
        assert!(table.admit(caller(100), &limits, now + ms(9_999)).is_ok());
        assert_eq!(table.callers.len(), 101);
        assert!(table.admit(caller(100), &limits, now + ms(11_000)).is_ok());
        assert_eq!((table.callers.len(), table.requests), (1, 2));
    }
}
