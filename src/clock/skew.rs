//! Judges this machine's clock by other machines' clocks.
//!
//! With a slow clock every quote is `future`, with a fast one every quote is `stale`, and either looks as if the
//! sources were at fault. There are two kinds of evidence:
//!
//! - **Dates.** Every HTTP server states its own time in the `Date` header of a reply. Three hosts of different vendors
//!   that are all off in the same direction, by nearly the same amount, outweigh this one machine. If a single host
//!   agrees with this machine, there is no verdict.
//! - **Times in quotes**, only if they lie ahead, and only if no host's date agrees with this machine: times that lie
//!   behind are normal for a closed or delayed market, and some vendors state the end of a minute that has not ended
//!   yet.
//!
//! The verdict corrects nothing. It explains why prices are missing, and says what to repair.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::Moment;
use crate::text::words::duration;

/// Clocks this close to one another agree.
const RIGHT: SignedDuration = SignedDuration::from_secs(5);
/// A clock that was judged to be off must come this close to be right again. Otherwise the verdict on a clock that is
/// 5 s off would change with every reply.
const RIGHT_AGAIN: SignedDuration = SignedDuration::from_secs(3);
/// How many witnesses a verdict needs.
const ENOUGH: usize = 3;
/// How far apart the dates of several hosts may be. A date is cut to the second, and was written at an unknown moment
/// between sending and receiving.
const DATES_AGREE: SignedDuration = SignedDuration::from_secs(3);
/// How far apart the times that several sources state may be.
const TIMES_AGREE: SignedDuration = SignedDuration::from_secs(2);
/// A `Date` has no fractions of a second, so on average it is half a second behind.
const HALF_A_SECOND: SignedDuration = SignedDuration::from_millis(500);
/// The longest time that a reply may take to count: after a longer one, the moment at which it was dated is too
/// uncertain.
const QUICK: Duration = Duration::from_secs(2);
/// How long a reading counts: long, because rarely asked sources are witnesses too.
const KEPT: Duration = Duration::from_secs(3600);
/// Within this time, only the newest time that a source states counts: older ones belong to symbols that trade less
/// often.
const NEWEST_OF: Duration = Duration::from_secs(60);
/// If the wall clock moves this much more or less than the monotonic clock, it was set, or the machine was suspended.
const STEPPED: Duration = Duration::from_secs(1);

/// Names with these endings exist only within a private network.
const NEAR: [&str; 5] = [".localhost", ".local", ".internal", ".lan", ".home.arpa"];

/// How far this machine's clock seems to be off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Skew {
    /// How far the others' clocks are ahead of this machine's; less than zero if they are behind.
    pub ahead: SignedDuration,
    /// How many witnesses say so.
    pub witnesses: usize,
    /// What their clocks were read from.
    pub evidence: Evidence,
}

/// The kind of evidence from which other clocks are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// The `Date` headers of hosts.
    Dates,
    /// The times that sources state in their quotes.
    Times,
}

/// What other machines say about the time: at most one date and one stated time per account.
#[derive(Debug, Default)]
pub(crate) struct Witnesses {
    by_account: BTreeMap<String, Witness>,
    judged: bool,
}

#[derive(Debug, Default)]
struct Witness {
    date: Option<(Host, Reading)>,
    time: Option<Reading>,
}

/// A host that dates its replies.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Host {
    name: String,
    /// Whether it may be this machine, or share its clock.
    is_near: bool,
}

/// How far another clock was ahead of this machine's.
#[derive(Clone, Copy, Debug)]
struct Reading {
    ahead: SignedDuration,
    at: Moment,
}

impl Host {
    /// A host by its name and port. On this machine and in private networks each port counts as a host of its own,
    /// because a proxy there may pass on the dates of a different vendor at each port.
    pub fn new(name: &str, port: Option<u16>) -> Self {
        let is_near = match name.trim_matches(['[', ']']).parse() {
            Ok(IpAddr::V4(address)) => address.is_loopback() || address.is_private() || address.is_link_local(),
            Ok(IpAddr::V6(address)) => address.is_loopback() || address.is_unique_local(),
            Err(_) => !name.contains('.') || NEAR.iter().any(|suffix| name.ends_with(suffix)),
        };
        let name = match port.filter(|_| is_near) {
            Some(port) => format!("{name}:{port}"),
            None => name.to_owned(),
        };
        Host { name, is_near }
    }
}

impl Witnesses {
    /// Records the date of a reply from an account's host, with the moments at which the request was sent and the head
    /// of the reply was received.
    pub(crate) fn hear_date(&mut self, account: &str, host: Host, date: Timestamp, sent: Moment, received: Moment) {
        let took = received.monotonic.saturating_duration_since(sent.monotonic);
        if took > QUICK || has_stepped(sent, received) {
            return;
        }
        let sent_back = received.wall.saturating_sub(took / 2).unwrap_or(received.wall);
        let ahead = date.duration_since(sent_back).saturating_add(HALF_A_SECOND);
        self.witness(account).date = Some((host, Reading { ahead, at: received }));
    }

    /// Records the newest time that an account's reply states in its quotes.
    pub(crate) fn hear_time(&mut self, account: &str, time: Timestamp, received: Moment) {
        let reading = Reading { ahead: time.duration_since(received.wall), at: received };
        let known = &mut self.witness(account).time;
        let is_newer = known.is_none_or(|known| reading.ahead >= known.ahead || !known.holds(received, NEWEST_OF));
        if is_newer {
            *known = Some(reading);
        }
    }

    /// How far the clock is off, if enough witnesses say so; and whether the last verdict said otherwise.
    pub(crate) fn judge(&mut self, now: Moment) -> (Option<Skew>, bool) {
        let right = if self.judged { RIGHT_AGAIN } else { RIGHT };
        let skew = self.skew(right, now);
        let was = std::mem::replace(&mut self.judged, skew.is_some());
        (skew, was != self.judged)
    }

    fn witness(&mut self, account: &str) -> &mut Witness {
        self.by_account.entry(account.to_owned()).or_default()
    }

    fn skew(&self, right: SignedDuration, now: Moment) -> Option<Skew> {
        let dates = self.dates(right, now);
        if dates.iter().any(|ahead| ahead.abs() <= right) {
            return None;
        }
        of_dates(dates).or_else(|| self.of_times(right, now))
    }

    /// How far ahead the newest date of each host is. A near host that agrees is left out: its clock may be this
    /// machine's.
    fn dates(&self, right: SignedDuration, now: Moment) -> Vec<SignedDuration> {
        let mut by_host: BTreeMap<&Host, Reading> = BTreeMap::new();
        let dates = self.by_account.values().filter_map(|witness| witness.date.as_ref());
        let counts = |(host, reading): &&(Host, Reading)| {
            let is_ours = host.is_near && reading.ahead.abs() <= right;
            !is_ours && reading.holds(now, KEPT)
        };
        for (host, reading) in dates.filter(counts) {
            let newest = by_host.entry(host).or_insert(*reading);
            if newest.at.monotonic < reading.at.monotonic {
                *newest = *reading;
            }
        }
        by_host.into_values().map(|reading| reading.ahead).collect()
    }

    /// The verdict from times in quotes. The accounts that agree on a time ahead must outnumber all other accounts
    /// whose times do not lie behind.
    fn of_times(&self, right: SignedDuration, now: Moment) -> Option<Skew> {
        // the usual case, at every reply: no need to sort
        let ahead = self.by_account.values().filter_map(|witness| witness.time).filter(|time| time.ahead > right);
        if ahead.count() < ENOUGH {
            return None;
        }
        let readings = self.by_account.values().filter_map(|witness| witness.time).filter(|time| time.holds(now, KEPT));
        let mut times: Vec<SignedDuration> =
            readings.map(|reading| reading.ahead).filter(|ahead| *ahead >= -right).collect();
        times.sort_unstable();
        let all = times.len();
        let agreeing = (0..all).map(|first| {
            let from = times.get(first..).unwrap_or_default();
            let count = from.iter().take_while(|time| **time - from[0] <= TIMES_AGREE).count();
            from.get(..count).unwrap_or_default()
        });
        let agreeing = agreeing.max_by_key(|agreeing| agreeing.len())?;
        let is_ahead = agreeing.first().is_some_and(|ahead| *ahead > right);
        (is_ahead && agreeing.len() >= ENOUGH && agreeing.len() * 2 > all).then(|| Skew {
            ahead: middle(agreeing),
            witnesses: agreeing.len(),
            evidence: Evidence::Times,
        })
    }
}

/// The verdict from dates, none of which agrees with this machine.
fn of_dates(mut dates: Vec<SignedDuration>) -> Option<Skew> {
    dates.sort_unstable();
    let (lowest, highest) = (*dates.first()?, *dates.last()?);
    let agree = lowest.is_positive() == highest.is_positive() && highest - lowest <= DATES_AGREE;
    (agree && dates.len() >= ENOUGH).then(|| Skew {
        ahead: middle(&dates),
        witnesses: dates.len(),
        evidence: Evidence::Dates,
    })
}

/// The middle value.
fn middle(sorted: &[SignedDuration]) -> SignedDuration {
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

/// Whether the wall clock was set between two moments, or the machine was suspended.
fn has_stepped(before: Moment, after: Moment) -> bool {
    let waited = after.monotonic.saturating_duration_since(before.monotonic);
    let waited = SignedDuration::try_from(waited).unwrap_or(SignedDuration::MAX);
    let by_the_wall = after.wall.duration_since(before.wall);
    by_the_wall.saturating_sub(waited).unsigned_abs() > STEPPED
}

impl Reading {
    /// Whether the reading is young enough and this machine's clock has run undisturbed since.
    fn holds(&self, now: Moment, kept: Duration) -> bool {
        now.monotonic.saturating_duration_since(self.at.monotonic) <= kept && !has_stepped(self.at, now)
    }
}

impl Skew {
    /// The present according to the other clocks.
    pub(crate) fn corrected(&self, now: Timestamp) -> Timestamp {
        now.saturating_add(self.ahead).unwrap_or(now)
    }

    /// A clause that says who the witnesses are.
    pub(crate) fn witnesses(&self) -> String {
        match self.evidence {
            Evidence::Dates => format!("the dates in the replies of {} hosts say so", self.witnesses),
            Evidence::Times => format!("the times that {} sources state say so", self.witnesses),
        }
    }
}

impl fmt::Display for Skew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = if self.ahead.is_positive() { "slow" } else { "fast" };
        let by = self.ahead.unsigned_abs() + Duration::from_millis(500);
        let by = duration(Duration::from_secs(by.as_secs()));
        write!(f, "this machine's clock seems to be {by} {way}")
    }
}

#[cfg(test)]
mod tests;
