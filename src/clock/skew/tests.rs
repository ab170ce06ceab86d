use proptest::prelude::*;
use tokio::time::Instant;

use super::*;

const START: &str = "2026-11-20T14:31:00Z";

/// A network of hosts, seen by a machine whose clock is off.
struct World {
    witnesses: Witnesses,
    start: Moment,
    /// How far this machine's clock is behind, in milliseconds.
    behind: i64,
}

fn milliseconds(count: i64) -> SignedDuration {
    SignedDuration::from_millis(count)
}

impl World {
    fn behind(behind: i64) -> Self {
        let start = Moment { wall: START.parse().unwrap(), monotonic: Instant::now() };
        World { witnesses: Witnesses::default(), start, behind }
    }

    /// What this machine's clocks say this many milliseconds after the start.
    fn at(&self, elapsed: u64) -> Moment {
        let elapsed = Duration::from_millis(elapsed);
        let wall = self.start.wall.checked_sub(milliseconds(self.behind)).unwrap().checked_add(elapsed).unwrap();
        Moment { wall, monotonic: self.start.monotonic + elapsed }
    }

    /// A host whose clock is off by this many milliseconds dates a reply in the middle of the time that it takes.
    fn date(&mut self, account: &str, host: &str, host_ahead: i64, sent: u64, took: u64) {
        let true_time = self.start.wall.checked_add(Duration::from_millis(sent + took / 2)).unwrap();
        let stated = true_time.checked_add(milliseconds(host_ahead)).unwrap();
        let cut = Timestamp::from_second(stated.as_second()).unwrap();
        let (sent, received) = (self.at(sent), self.at(sent + took));
        self.witnesses.hear_date(account, Host::new(host, Some(443)), cut, sent, received);
    }

    /// A source states a time that is this many milliseconds old, or ahead if the number is negative.
    fn time(&mut self, account: &str, age: i64, received: u64) {
        let true_time = self.start.wall.checked_add(Duration::from_millis(received)).unwrap();
        let stated = true_time.checked_sub(milliseconds(age)).unwrap();
        let received = self.at(received);
        self.witnesses.hear_time(account, stated, received);
    }

    fn judge(&mut self, at: u64) -> Option<String> {
        let now = self.at(at);
        self.witnesses.judge(now).0.map(|skew| skew.to_string())
    }
}

const HOSTS: [(&str, &str); 4] = [("a", "api.a.test"), ("b", "api.b.test"), ("c", "api.c.test"), ("d", "api.d.test")];

fn slow() -> Option<String> {
    Some("this machine's clock seems to be 30 s slow".to_owned())
}

#[test]
fn three_hosts_that_agree_outweigh_one_machine_and_two_do_not() {
    for (behind, said) in [(30_000, slow()), (-30_000, slow().map(|said| said.replace("slow", "fast")))] {
        let mut world = World::behind(behind);
        for (account, host) in &HOSTS[..2] {
            world.date(account, host, 0, 0, 100);
        }
        assert_eq!(world.judge(200), None);
        world.date("c", "api.c.test", 0, 0, 100);
        assert_eq!(world.judge(200), said);
    }
}

#[test]
fn one_host_that_agrees_with_this_machine_is_enough_to_acquit_it() {
    let mut world = World::behind(0);
    for (account, host) in &HOSTS[..3] {
        world.date(account, host, 30_000, 0, 100);
    }
    assert_eq!(world.judge(200), slow());
    world.date("d", "api.d.test", 0, 300, 100);
    assert_eq!(world.judge(500), None);
    // hosts that are off in different directions, or far from one another, do not accuse it either
    for others in [[30_000, 30_000, -30_000], [30_000, 30_000, 40_000]] {
        let mut world = World::behind(0);
        for ((account, host), ahead) in HOSTS.iter().zip(others) {
            world.date(account, host, ahead, 0, 100);
        }
        assert_eq!(world.judge(200), None, "{others:?}");
    }
}

#[test]
fn a_vendor_and_a_host_have_one_vote_each() {
    // three mirrors of one vendor
    let mut world = World::behind(30_000);
    for host in ["eu.a.test", "us.a.test", "asia.a.test"] {
        world.date("a", host, 0, 0, 100);
    }
    world.date("b", "api.b.test", 0, 0, 100);
    assert_eq!(world.judge(200), None);
    // three vendors behind one host
    let mut world = World::behind(30_000);
    for account in ["a", "b", "c"] {
        world.date(account, "proxy.test", 0, 0, 100);
    }
    world.date("d", "api.d.test", 0, 0, 100);
    assert_eq!(world.judge(200), None);
}

#[test]
fn this_machines_own_date_does_not_count_but_dates_through_its_proxies_do() {
    for near in ["127.0.0.1", "localhost", "192.168.1.7", "[::1]", "desk", "desk.internal"] {
        let mut world = World::behind(30_000);
        for (account, host) in &HOSTS[..3] {
            world.date(account, host, 0, 0, 100);
        }
        world.date("own", near, -30_000, 0, 100);
        assert_eq!(world.judge(200), slow(), "{near}");
    }
    let mut world = World::behind(30_000);
    for (account, port) in [("a", 9001), ("b", 9002), ("c", 9003)] {
        let (date, sent, received) = (world.start.wall, world.at(0), world.at(10));
        world.witnesses.hear_date(account, Host::new("127.0.0.1", Some(port)), date, sent, received);
    }
    assert_eq!(world.judge(20), slow());
    assert_ne!(Host::new("localhost", Some(1)), Host::new("localhost", Some(2)));
    assert_eq!(Host::new("api.a.test", Some(1)), Host::new("api.a.test", Some(2)));
}

#[test]
fn a_date_that_took_long_or_slept_through_a_suspension_is_not_heard() {
    let mut world = World::behind(30_000);
    for (account, host) in HOSTS {
        world.date(account, host, 0, 0, 2_001);
    }
    assert_eq!(world.judge(3_000), None);
    // the machine was suspended for two hours while it waited, and its monotonic clock with it
    let mut world = World::behind(0);
    for (account, host) in HOSTS {
        let (sent, before) = (world.at(0), world.at(100));
        let received = Moment { wall: before.wall.checked_add(Duration::from_secs(7_200)).unwrap(), ..before };
        world.witnesses.hear_date(account, Host::new(host, None), world.start.wall, sent, received);
    }
    assert!(world.witnesses.by_account.is_empty());
}

#[test]
fn readings_from_before_the_clock_was_set_or_an_hour_ago_are_forgotten() {
    let hear = || {
        let mut world = World::behind(30_000);
        for (account, host) in HOSTS {
            world.date(account, host, 0, 0, 100);
            world.time(account, 0, 100);
        }
        world
    };
    assert_eq!(hear().judge(3_600_000), slow());
    assert_eq!(hear().judge(3_600_101), None);
    let mut world = hear();
    assert_eq!(world.judge(200), slow());
    world.behind = 0;
    assert_eq!(world.judge(300), None);
    // the same if it stood still in the meantime
    let mut world = hear();
    let now = world.at(60_000);
    let woken = Moment { monotonic: world.at(200).monotonic, ..now };
    assert_eq!(world.witnesses.judge(woken).0, None);
}

#[test]
fn a_skew_is_news_once_when_it_begins_and_once_when_it_ends() {
    let mut world = World::behind(30_000);
    let mut news = Vec::new();
    for round in 0..4_u64 {
        // corrected slowly, as NTP does it: every reading is taken anew
        world.behind = [30_000, 5_600, 4_400, 600][usize::try_from(round).unwrap()];
        for (account, host) in HOSTS {
            world.date(account, host, 0, round * 1_000, 100);
        }
        let now = world.at(round * 1_000 + 200);
        let (skew, is_news) = world.witnesses.judge(now);
        news.push((skew.is_some(), is_news));
    }
    assert_eq!(news, [(true, true), (true, false), (true, false), (false, true)]);
}

#[test]
fn times_count_only_ahead_and_only_if_most_sources_agree() {
    let judge = |ages: &[i64]| {
        let mut world = World::behind(0);
        for (place, age) in ages.iter().enumerate() {
            world.time(&format!("account {place}"), *age, 0);
        }
        world.judge(100)
    };
    assert_eq!(judge(&[-30_000, -29_000, -30_900]), slow());
    assert_eq!(judge(&[-30_000, -29_000]), None);
    assert_eq!(judge(&[-30_000, -29_000, -31_100]), None, "not within 2 s");
    // a closed or delayed market
    assert_eq!(judge(&[30_000, 30_000, 30_000]), None);
    assert_eq!(judge(&[-30_000, -30_000, -30_000, 900_000, 61_000]), slow());
    // as many agree with this machine
    assert_eq!(judge(&[-30_000, -30_000, -30_000, 0, 1_000, 0]), None);
    assert_eq!(judge(&[-30_000, -30_000, -30_000, 0, 1_000]), slow());
    // within what clocks may differ by
    assert_eq!(judge(&[-4_000, -4_500, -5_000]), None);
}

#[test]
fn the_newest_of_a_sources_times_within_a_minute_counts() {
    let mut world = World::behind(30_000);
    for (account, _) in &HOSTS[..3] {
        world.time(account, 500, 0);
        // a coin that seldom trades
        world.time(account, 45_000, 1_000);
    }
    assert!(world.judge(2_000).is_some());
    for (account, _) in &HOSTS[..3] {
        world.time(account, 45_000, 62_000);
    }
    assert_eq!(world.judge(63_000), None);
}

#[test]
fn a_date_that_agrees_with_this_machine_outweighs_times_that_are_ahead() {
    // the end of a minute that has not ended yet
    let mut world = World::behind(0);
    for account in ["a", "b", "c"] {
        world.time(account, -30_000, 0);
    }
    assert_eq!(world.judge(100), slow());
    world.date("d", "api.d.test", 0, 0, 100);
    assert_eq!(world.judge(200), None);
}

#[test]
fn the_figure_is_in_the_unit_that_people_would_use() {
    let said = |seconds| {
        let skew = Skew { ahead: SignedDuration::from_secs(seconds), witnesses: 3, evidence: Evidence::Dates };
        skew.to_string().replace("this machine's clock seems to be ", "")
    };
    assert_eq!([30, -119, 120, -7_300].map(said), ["30 s slow", "119 s fast", "2 min slow", "2 h fast"]);
}

/// Dates of hosts: for each the time at which it was asked, how long it took, and its jitter.
fn honest(hosts: std::ops::Range<usize>) -> impl Strategy<Value = Vec<(u64, u64, i64)>> {
    prop::collection::vec((0..600_000_u64, 0..2_000_u64, -1_999..2_000_i64), hosts)
}

fn heard(behind: i64, dates: &[(u64, u64, i64)]) -> World {
    let mut world = World::behind(behind);
    for (place, (sent, took, jitter)) in dates.iter().enumerate() {
        world.date(&format!("account {place}"), &format!("host-{place}.test"), *jitter, *sent, *took);
    }
    world
}

proptest! {
    #[test]
    fn a_clock_that_is_right_is_never_judged_to_be_off(dates in honest(0..12), behind in -500..500_i64) {
        prop_assert_eq!(heard(behind, &dates).judge(700_000), None);
    }

    #[test]
    fn three_hosts_or_more_tell_that_a_clock_is_off_and_by_about_how_much(
        dates in prop::collection::vec((0..600_000_u64, 0..1_000_u64, -200..200_i64), 3..12),
        behind in prop_oneof![7_000..10_000_000_i64, -10_000_000..-7_000_i64],
    ) {
        let mut world = heard(behind, &dates);
        let now = world.at(700_000);
        let skew = world.witnesses.judge(now).0.map(|skew| skew.ahead.as_millis() as i64);
        prop_assert!(skew.is_some_and(|skew| (skew - behind).abs() < 2_000), "{skew:?} for {behind}");
    }

    #[test]
    fn two_hosts_are_too_few_no_matter_what_they_say(dates in honest(0..3), behind in -10_000_000..10_000_000_i64) {
        prop_assert_eq!(heard(behind, &dates).judge(700_000), None);
    }

    #[test]
    fn hosts_that_disagree_give_no_verdict(wrong in honest(1..8), right in honest(1..8), off in 8_000..10_000_000_i64) {
        let wrong = wrong.into_iter().map(|(sent, took, jitter)| (sent, took, jitter + off));
        let dates: Vec<_> = wrong.chain(right).collect();
        prop_assert_eq!(heard(0, &dates).judge(700_000), None);
    }

    #[test]
    fn times_that_lie_behind_never_accuse_a_clock(ages in prop::collection::vec(-2_000..1_000_000_i64, 0..12)) {
        let mut world = World::behind(0);
        for (place, age) in ages.iter().enumerate() {
            world.time(&format!("account {place}"), *age, 0);
        }
        prop_assert_eq!(world.judge(100), None);
    }
}
