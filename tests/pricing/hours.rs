//! Markets that open and close, minute by minute: over holidays, half days and lunch, with feeds that are late or dead.

use std::sync::{Arc, LazyLock};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use quotefold::fold::{BelowQuorum, Degraded, Price, Status, Unavailable, Verdict, fold};
use quotefold::hours::Hours;
use quotefold::quote::{Origin, Outcome, Quote, Role, Session};
use quotefold::settings::Settings;
use quotefold::settings::load::{LoadOptions, load};
use quotefold::symbol::{Currency, Symbol};
use rust_decimal::Decimal;

use crate::world::{World, of, says, source, status};

const MINUTE: SignedDuration = SignedDuration::from_mins(1);
const HOUR: SignedDuration = SignedDuration::from_hours(1);
const STALE_FALLBACK: Status = Status::Degraded(Degraded::StaleFallback);
const FEW_SOURCES: Status = Status::Degraded(Degraded::FewSources);

/// What one source says.
#[derive(Clone, Debug)]
struct Says {
    source: &'static str,
    price: i64,
    /// When the market said it; `None` if the source does not say.
    at: Option<Timestamp>,
    /// How late the source says it is.
    lag: SignedDuration,
    role: Role,
}

fn last(source: &'static str, at: Timestamp) -> Says {
    Says { source, price: 100, at: Some(at), lag: SignedDuration::ZERO, role: Role::Primary }
}

/// Folds what was said; every source has been asked just now.
fn fold_at(symbol: &str, now: Timestamp, said: &[Says]) -> Price {
    static SETTINGS: LazyLock<Settings> = LazyLock::new(|| load(&LoadOptions::default()).unwrap());
    let symbol = Symbol::parse(symbol).unwrap();
    let outcome = |says: &Says| {
        let (source, lag_ms) = (says.source.to_owned(), i64::try_from(says.lag.as_millis()).unwrap());
        let origin = Origin { source: source.clone(), account: source, role: says.role, lag_ms, by_isin: false };
        let currency = symbol.usual_currency().unwrap_or_else(|| Currency::new("USD"));
        let quote = Quote {
            observed_at: says.at,
            currency: Some(currency),
            ..Quote::bare(Decimal::from(says.price), now - SignedDuration::from_secs(1))
        };
        Outcome { origin: Arc::new(origin), symbol: symbol.clone(), quote: Some(quote), failure: None }
    };
    fold(&symbol, said.iter().map(outcome), &SETTINGS.rule(&symbol, None), now)
}

/// An instant by the clocks of a city: `2026-11-23 09:30`.
fn local(zone: &str, text: &str) -> Timestamp {
    let time: jiff::civil::DateTime = text.replace(' ', "T").parse().unwrap();
    TimeZone::get(zone).unwrap().to_timestamp(time).unwrap()
}

fn new_york(text: &str) -> Timestamp {
    local("America/New_York", text)
}

/// Every instant from one until just before another.
fn every(step: SignedDuration, from: Timestamp, until: Timestamp) -> impl Iterator<Item = Timestamp> {
    std::iter::successors(Some(from), move |at| Some(*at + step)).take_while(move |at| *at < until)
}

/// The latest minute at which a market that trades every minute of its sessions has traded, up to an instant.
fn last_trade(market: &str, until: Timestamp) -> Timestamp {
    let around = Hours::named(market).unwrap().around(until).unwrap();
    if around.opened_at.is_some() { until } else { around.closed_at }
}

/// Two sources that are late by this many minutes and say so or not, on a market that trades every minute of its
/// sessions.
fn late_feeds(symbol: &str, market: &str, now: Timestamp, late: [i64; 2], they_say_so: bool) -> Price {
    let feed = |(source, minutes): (&'static str, i64)| {
        let late = SignedDuration::from_mins(minutes);
        let lag = if they_say_so { late } else { SignedDuration::ZERO };
        Says { lag, ..last(source, last_trade(market, now - late)) }
    };
    fold_at(symbol, now, &[("a", late[0]), ("b", late[1])].map(feed))
}

#[test]
fn on_a_monday_morning_late_vendors_go_straight_from_closed_to_open() {
    for they_say_so in [false, true] {
        let mut sessions = Vec::new();
        for now in every(MINUTE, new_york("2026-11-23 09:25"), new_york("2026-11-23 10:00")) {
            let price = late_feeds("AAPL", "XNYS", now, [15, 20], they_say_so);
            assert_eq!(price.status, Status::Ok, "{now}: {:?}", price.detail);
            sessions.push(price.session);
        }
        sessions.dedup();
        assert_eq!(sessions, [Some(Session::Closed), None]);
    }
}

#[test]
fn a_live_market_anywhere_is_ok_at_every_minute_of_the_week() {
    let markets = [
        ("AAPL", "XNYS"),
        ("VOD.L", "XLON"),
        ("7203.T", "XTKS"),
        ("TEVA.TA", "XTAE"),
        ("BBRI.JK", "XIDX"),
        ("PETR4.SA", "BVMF"),
        ("COMI.CA", "XCAI"),
        ("^N225", "XTKS"),
        ("EUR-USD", "fx"),
        ("XAU-USD", "metals"),
    ];
    for (symbol, market) in markets {
        // no vendor of fx or metals is 15 minutes late here, because their quotes are usable for only 10
        let late = if market == "fx" || market == "metals" { [1, 4] } else { [2, 17] };
        for now in every(MINUTE * 7, new_york("2026-11-16 00:00"), new_york("2026-11-30 00:00")) {
            let price = late_feeds(symbol, market, now, late, false);
            assert_eq!(price.status, Status::Ok, "{symbol} {now}: {:?}", price.detail);
        }
    }
}

#[test]
fn a_slow_vendor_does_not_make_a_quick_one_stale_after_the_close() {
    let close = new_york("2026-11-17 16:00");
    for now in every(MINUTE, close, close + HOUR * 2) {
        // the slow one says how slow it is, and closes with an auction
        let slow = Says { lag: MINUTE * 20, ..last("slow", (now - MINUTE * 20).min(close + MINUTE * 5)) };
        assert_eq!(fold_at("AAPL", now, &[last("quick", close), slow]).status, Status::Ok, "{now}");
    }
}

#[test]
fn thanksgiving_is_closed_and_the_day_after_it_ends_early() {
    // Wednesday's close stands through Thursday, until vendors can have seen Friday's opening
    let wednesday = new_york("2026-11-25 16:00");
    let feeds = [last("a", wednesday), last("b", wednesday - MINUTE)];
    for now in every(MINUTE * 5, wednesday + MINUTE * 30, new_york("2026-11-27 09:55")) {
        let price = fold_at("AAPL", now, &feeds);
        assert_eq!((price.status, price.session), (Status::Ok, Some(Session::Closed)), "{now}");
    }
    assert_eq!(fold_at("AAPL", new_york("2026-11-27 09:55"), &feeds).status, STALE_FALLBACK);
    // Friday closes at 13:00, and its close stands over the weekend
    let friday = new_york("2026-11-27 13:00");
    for now in every(MINUTE * 5, friday, new_york("2026-11-30 09:55")) {
        assert_eq!(fold_at("AAPL", now, &[last("a", friday), last("b", friday - MINUTE)]).status, Status::Ok, "{now}");
        // a feed that stopped an hour before that is dead
        let noon = new_york("2026-11-27 12:00");
        assert_eq!(fold_at("AAPL", now, &[last("a", noon), last("b", noon)]).status, STALE_FALLBACK, "{now}");
    }
}

#[test]
fn over_lunch_in_tokyo_the_morning_stands() {
    let tokyo = |text: &str| local("Asia/Tokyo", text);
    for now in every(MINUTE, tokyo("2026-11-24 11:25"), tokyo("2026-11-24 13:05")) {
        let price = late_feeds("7203.T", "XTKS", now, [15, 20], false);
        assert_eq!(price.status, Status::Ok, "{now}");
    }
    let at_noon =
        fold_at("7203.T", tokyo("2026-11-24 12:00"), &["a", "b"].map(|name| last(name, tokyo("2026-11-24 11:30"))));
    assert_eq!((at_noon.status, at_noon.session), (Status::Ok, Some(Session::Closed)));
    let stuck = ["a", "b"].map(|name| last(name, tokyo("2026-11-24 10:30")));
    for now in every(MINUTE, tokyo("2026-11-24 10:56"), tokyo("2026-11-24 18:00")) {
        assert_eq!(fold_at("7203.T", now, &stuck).status, STALE_FALLBACK, "{now}");
    }
}

#[test]
fn in_tel_aviv_friday_is_a_short_day_and_sunday_is_closed() {
    let tel_aviv = |text: &str| local("Asia/Tel_Aviv", text);
    let close = tel_aviv("2026-11-27 13:50");
    for now in every(MINUTE * 5, close + MINUTE * 30, tel_aviv("2026-11-30 10:20")) {
        let price = fold_at("TEVA.TA", now, &[last("a", close), last("b", close)]);
        assert_eq!((price.status, price.session), (Status::Ok, Some(Session::Closed)), "{now}");
    }
    let thursday = tel_aviv("2026-11-26 17:15");
    let at = |text: &str| fold_at("TEVA.TA", tel_aviv(text), &[last("a", thursday), last("b", thursday)]).status;
    assert_eq!((at("2026-11-27 10:20"), at("2026-11-27 10:24")), (Status::Ok, STALE_FALLBACK));
    assert_eq!(at("2026-11-28 12:00"), STALE_FALLBACK, "Friday's session was missed");
}

#[test]
fn feeds_that_got_stuck_during_a_session_are_never_ok_again() {
    let stuck = new_york("2026-11-17 11:00");
    let feeds = [last("a", stuck), last("b", stuck - MINUTE)];
    assert_eq!(fold_at("AAPL", new_york("2026-11-17 11:24"), &feeds).status, Status::Ok);
    for now in every(MINUTE * 3, new_york("2026-11-17 11:26"), stuck + HOUR * 24 * 5 - MINUTE) {
        let price = fold_at("AAPL", now, &feeds);
        assert_eq!((price.status, price.session), (STALE_FALLBACK, None), "{now}");
    }
    let detail = |time: &str| fold_at("AAPL", new_york(time), &feeds).detail.unwrap();
    let afternoon = detail("2026-11-17 13:00");
    assert!(
        afternoon.ends_with("; last traded Tue 11:00, and the market has been open since Tue 09:30"),
        "{afternoon}"
    );
    let evening = detail("2026-11-17 18:00");
    assert!(evening.ends_with("; last traded Tue 11:00, 5 h before the close"), "{evening}");
    // a feed that has seen the close does not vouch for one that has not
    let mixed = [last("a", new_york("2026-11-17 16:00")), last("b", stuck)];
    for now in every(MINUTE * 3, new_york("2026-11-17 11:26"), new_york("2026-11-18 09:55")) {
        let live = [last("a", last_trade("XNYS", now)), last("b", stuck)];
        assert_eq!(fold_at("AAPL", now, &live).status, STALE_FALLBACK, "{now}");
    }
    assert_eq!(fold_at("AAPL", new_york("2026-11-17 20:00"), &mixed).status, STALE_FALLBACK);
}

#[test]
fn a_share_that_trades_twice_a_week_always_has_a_price() {
    let trades: Vec<Timestamp> = (0..6)
        .flat_map(|week| {
            let monday = new_york("2026-10-19 10:00") + HOUR * 24 * 7 * week;
            [monday, monday + HOUR * (3 * 24 + 5)]
        })
        .collect();
    for now in every(MINUTE * 20, trades[0], *trades.last().unwrap()) {
        let latest = *trades.iter().rev().find(|trade| **trade <= now).unwrap();
        let both = fold_at("ZZZ", now, &[last("a", latest), last("b", latest)]);
        assert!(matches!(both.status, Status::Ok) || both.status == STALE_FALLBACK, "{now}: {:?}", both.status);
        // also if only one source has it
        let alone = fold_at("ZZZ", now, &[last("a", latest)]);
        assert_eq!(alone.status, FEW_SOURCES, "{now}");
    }
    let alone = fold_at("ZZZ", new_york("2026-10-20 18:00"), &[last("a", new_york("2026-10-19 10:00"))]);
    let expected =
        "of the vendors asked, only 1 covers ZZZ; 2 are required; last traded Mon 10:00, 30 h before the close";
    assert_eq!((alone.detail.as_deref(), alone.session), (Some(expected), None));
}

#[test]
fn a_holiday_that_is_not_listed_degrades_prices_but_refuses_none() {
    // a Wednesday on which New York should have traded, but did not
    let tuesday = new_york("2026-11-17 16:00");
    let feeds = [last("a", tuesday), last("b", tuesday)];
    for now in every(MINUTE * 5, tuesday, new_york("2026-11-19 09:30")) {
        let expected = if now < new_york("2026-11-18 09:55") { Status::Ok } else { STALE_FALLBACK };
        assert_eq!(fold_at("AAPL", now, &feeds).status, expected, "{now}");
    }
}

#[test]
fn foreign_exchange_that_starts_late_on_sunday_is_degraded_until_then() {
    let (friday, starts) = (new_york("2026-11-20 17:00"), new_york("2026-11-22 18:30"));
    for now in every(MINUTE, friday, starts + HOUR) {
        let feed = |name| last(name, if now < starts { friday } else { now });
        let price = fold_at("EUR-USD", now, &[feed("a"), feed("b")]);
        let awaited = now >= new_york("2026-11-22 17:10") && now < starts;
        assert_eq!(price.status, if awaited { STALE_FALLBACK } else { Status::Ok }, "{now}");
    }
}

#[test]
fn a_close_stays_usable_until_the_next_opening_even_if_the_clocks_change() {
    for (close, opening) in [
        (new_york("2026-10-30 16:00"), new_york("2026-11-02 09:30")),
        (new_york("2027-03-12 16:00"), new_york("2027-03-15 09:30")),
    ] {
        let feeds = [last("a", close), last("b", close)];
        let status = |now| fold_at("AAPL", now, &feeds).status;
        assert_eq!((status(opening + MINUTE * 24), status(opening + MINUTE * 25)), (Status::Ok, STALE_FALLBACK));
    }
}

#[test]
fn a_lone_live_price_is_not_contradicted_by_the_last_close() {
    let close = new_york("2026-11-20 16:00");
    // after hours, and on Monday while a slower vendor cannot have seen the opening
    let evening = (new_york("2026-11-20 18:00"), (STALE_FALLBACK, None));
    let monday = (new_york("2026-11-23 09:40"), (Status::Ok, Some(Session::Closed)));
    for (now, supported) in [evening, monday] {
        let live = |price| Says { price, ..last("live", now - MINUTE) };
        let near = fold_at("AAPL", now, &[live(101), last("a", close)]);
        assert_eq!((near.status, near.session), supported, "{now}");
        for closes in [vec![last("a", close)], vec![last("a", close), last("b", close)]] {
            let far = fold_at("AAPL", now, &[closes, vec![live(105)]].concat());
            let price = far.folded.as_ref().map(|folded| folded.price);
            assert_eq!((far.status, price, far.session), (FEW_SOURCES, Some(Decimal::from(105)), None), "{now}");
            assert_eq!(far.quotes[0].verdict.as_str(), "excluded");
        }
    }
    // a price that states no time may be the close itself, so it has no more say than the others
    let sunday = new_york("2026-11-22 12:00");
    let timeless = Says { price: 105, at: None, ..last("timeless", close) };
    let price = fold_at("AAPL", sunday, &[timeless.clone(), last("a", close), last("b", close)]);
    assert_eq!((price.status, price.folded.map(|folded| folded.price)), (Status::Ok, Some(Decimal::from(100))));
    let price = fold_at("AAPL", sunday, &[timeless, last("a", close)]);
    assert_eq!(price.status, Status::Unavailable(Unavailable::SourcesDisagree));
}

#[test]
fn each_source_is_held_to_its_own_lag() {
    let close = new_york("2026-11-17 16:00");
    let night = new_york("2026-11-17 22:00");
    let late = |source, before: SignedDuration, lag| Says { lag, ..last(source, close - before) };
    let status = |one, other| fold_at("AAPL", night, &[one, other]).status;
    assert_eq!(status(late("a", MINUTE * 25, SignedDuration::ZERO), late("b", MINUTE * 45, MINUTE * 20)), Status::Ok);
    assert_eq!(
        status(late("a", MINUTE * 26, SignedDuration::ZERO), late("b", MINUTE * 45, MINUTE * 20)),
        STALE_FALLBACK
    );
    assert_eq!(
        status(late("a", MINUTE * 25, SignedDuration::ZERO), late("b", MINUTE * 46, MINUTE * 20)),
        STALE_FALLBACK
    );
    // a daily source that has not seen today's close does not turn a feed that died at noon into the close
    let daily = Says { lag: HOUR * 24, ..last("daily", new_york("2026-11-16 16:00")) };
    let dead = last("dead", new_york("2026-11-16 12:00"));
    assert_eq!(status(daily, dead), STALE_FALLBACK);
}

#[test]
fn a_daily_fixing_neither_prevents_a_close_nor_is_needed_for_it() {
    // on Sunday, Friday's fixing is there beside the last quotes of the week
    let sunday = new_york("2026-11-22 12:00");
    let friday = new_york("2026-11-20 16:59");
    let fixing = Says { role: Role::Reference, lag: HOUR * 144, ..last("fixing", new_york("2026-11-20 10:00")) };
    let price = fold_at("EUR-USD", sunday, &[last("a", friday), last("b", friday), fixing]);
    assert_eq!((price.status, price.session), (Status::Ok, Some(Session::Closed)));
    // the same without the fixing, so it is neither needed nor in the way
    let price = fold_at("EUR-USD", sunday, &[last("a", friday), last("b", friday)]);
    assert_eq!((price.status, price.session), (Status::Ok, Some(Session::Closed)));
}

#[tokio::test(start_paused = true)]
async fn funds_and_names_that_the_user_defined_have_no_hours() {
    let settings = [
        "[symbols.VFIAX]\nclass = \"fund\"\n[symbols.MINE]\nspelled = { a = \"x\", b = \"y\" }\ncurrency = \"USD\"\n"
            .to_owned(),
        source("a", "fund\", \"equity", ""),
        source("b", "fund\", \"equity", ""),
    ];
    let world = World::at("2026-11-17T18:00:00Z", &settings.concat());
    let yesterday = std::time::Duration::from_secs(21 * 3600);
    for name in ["a", "b"] {
        for symbol in ["VFIAX", "MINE"] {
            world.say(name, symbol, says("100").in_unit("USD").old(yesterday));
        }
    }
    for entry in world.ask("symbols=VFIAX,MINE").await {
        assert_eq!((status(&entry).as_str(), &entry["rule"]["hours"]), ("ok", &serde_json::Value::Null), "{entry:#}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_proof_names_the_hours_by_which_a_market_is_closed_and_since_when() {
    let world = World::at("2026-11-22T12:00:00Z", &[source("a", "equity", ""), source("b", "equity", "")].concat());
    let since_friday = std::time::Duration::from_secs(39 * 3600);
    for name in ["a", "b"] {
        world.say(name, "AAPL", says("100").old(since_friday)).say(
            name,
            "ZZZ.RO",
            says("100").in_unit("RON").old(since_friday),
        );
    }
    let rule = &world.ask_one("symbols=AAPL").await["rule"];
    assert_eq!((&rule["hours"], &rule["market"]), (&"XNYS".into(), &"closed".into()));
    assert_eq!(
        (&rule["opened_at"], &rule["closed_at"]),
        (&serde_json::Value::Null, &"2026-11-20T21:00:00.000Z".into())
    );
    let unknown = world.ask_one("symbols=ZZZ.RO").await;
    assert_eq!((status(&unknown).as_str(), &unknown["session"]), ("ok", &"closed".into()));
    for field in ["hours", "market", "opened_at", "closed_at"] {
        assert_eq!(unknown["rule"].get(field), Some(&serde_json::Value::Null), "{field}");
    }
    let world = World::at("2026-11-23T15:00:00Z", &[source("a", "equity", ""), source("b", "equity", "")].concat());
    world.say("a", "AAPL", says("100").old(since_friday)).say("b", "AAPL", says("100"));
    let entry = world.ask_one("symbols=AAPL").await;
    assert_eq!(
        (status(&entry).as_str(), of(&entry, "a")["status"].as_str()),
        ("degraded / stale_fallback", Some("used"))
    );
    let rule = &entry["rule"];
    assert_eq!((&rule["market"], &rule["opened_at"]), (&"open".into(), &"2026-11-23T14:30:00.000Z".into()));
}

#[tokio::test(start_paused = true)]
async fn with_hours_switched_off_no_market_has_hours() {
    let settings = ["[freshness]\nhours = false\n".to_owned(), source("a", "equity", ""), source("b", "equity", "")];
    let world = World::at("2026-11-17T18:00:00Z", &settings.concat());
    let two_hours = std::time::Duration::from_secs(2 * 3600);
    world.say("a", "AAPL", says("100").old(two_hours)).say("b", "AAPL", says("100").old(two_hours));
    let entry = world.ask_one("symbols=AAPL").await;
    assert_eq!(
        (status(&entry).as_str(), &entry["session"], &entry["rule"]["hours"]),
        ("ok", &"closed".into(), &serde_json::Value::Null)
    );
}

const SYMBOLS: [(&str, &str); 6] = [
    ("AAPL", "XNYS"),
    ("VOD.L", "XLON"),
    ("7203.T", "XTKS"),
    ("TEVA.TA", "XTAE"),
    ("^GSPC", "XNYS"),
    ("EUR-USD", "fx"),
];

fn any_said() -> impl Strategy<Value = Vec<(i64, i64, bool)>> {
    // most of them were traded around a close, some at any time
    let back = prop_oneof![0_i64..3_600, 0_i64..90_000, 0_i64..500_000];
    proptest::collection::vec(
        (back, prop_oneof![3 => Just(0_i64), 1 => Just(20), 1 => Just(1_440)], any::<bool>()),
        1..4,
    )
}

/// Whole prices too far from 100 to support it.
fn far_from_a_hundred() -> impl Strategy<Value = i64> {
    prop_oneof![90_i64..=97, 103_i64..=110]
}

proptest! {
    #[test]
    fn just_after_a_close_its_last_quotes_vote_as_equals_at_any_age(
        closes in proptest::collection::vec(0_i32..=20, 2..6),
        other in far_from_a_hundred(),
        traded in -10_i32..=14,
        since in 1_i32..300,
    ) {
        let close = new_york("2026-12-01 16:00");
        let now = close + MINUTE * since;
        let names = ["b", "c", "d", "e", "f"];
        let closes = closes.iter().zip(names).map(|(before, name)| last(name, close - MINUTE * *before));
        let odd = Says { price: other, ..last("a", (close + MINUTE * traded).min(now)) };
        let price = fold_at("AAPL", now, &closes.chain([odd]).collect::<Vec<_>>());
        let figure = price.folded.as_ref().map(|folded| folded.price);
        prop_assert_eq!((price.status, figure), (Status::Ok, Some(Decimal::from(100))), "{:#?}", price.detail);
    }

    #[test]
    fn the_middle_of_the_close_and_a_live_quote_far_from_it_is_never_a_price(
        closes in 1_usize..6,
        other in far_from_a_hundred(),
        since in 1_i32..60,
        ago in 0_i32..10,
    ) {
        let opening = new_york("2026-11-30 09:30");
        let (now, close) = (opening + MINUTE * since, new_york("2026-11-27 12:59"));
        let names = ["b", "c", "d", "e", "f"];
        let closes = names.iter().take(closes).map(|name| last(name, close));
        let live = Says { price: other, ..last("a", now - MINUTE * ago.min(since)) };
        let price = fold_at("AAPL", now, &closes.chain([live]).collect::<Vec<_>>());
        let figure = price.folded.as_ref().map(|folded| folded.price);
        prop_assert!([None, Some(Decimal::from(100)), Some(Decimal::from(other))].contains(&figure), "{:?}", figure);
        prop_assert!(price.status != Status::Ok || figure == Some(Decimal::from(100)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_price_that_is_ok_is_from_now_or_from_the_close(
        (symbol, market) in proptest::sample::select(SYMBOLS.to_vec()),
        // any second of three years
        second in 0_i64..94_000_000,
        said in any_said(),
    ) {
        let now = new_york("2026-01-12 00:00") + SignedDuration::from_secs(second);
        let around = Hours::named(market).unwrap().around(now).unwrap();
        let quotes = said.iter().zip(["a", "b", "c", "d"]).map(|((back, lag, from_the_close), source)| {
            let from = if *from_the_close { around.closed_at + HOUR } else { now };
            let at = (from - SignedDuration::from_secs(*back)).min(now);
            Says { lag: MINUTE * i32::try_from(*lag).unwrap(), ..last(source, at) }
        });
        let price = fold_at(symbol, now, &quotes.collect::<Vec<_>>());
        let usable_for = SignedDuration::try_from(price.rule.usable_for).unwrap();
        let used = price.quotes.iter().filter(|judged| judged.verdict == Verdict::Used);
        let used: Vec<(Timestamp, SignedDuration)> = used
            .map(|judged| {
                let origin = &judged.outcome.origin;
                let at = judged.outcome.quote.as_ref().unwrap().observed_at.unwrap();
                (at, usable_for + SignedDuration::from_millis(origin.lag_ms))
            })
            .collect();
        if price.status == Status::Ok || price.session == Some(Session::Closed) {
            for (at, allowed) in &used {
                let is_young = now.duration_since(*at) <= *allowed;
                let opened_lately = around.opened_at.is_none_or(|opened_at| now.duration_since(opened_at) < *allowed);
                let is_of_the_close = opened_lately && around.closed_at.duration_since(*at) <= *allowed;
                prop_assert!(is_young || is_of_the_close, "{now} {price:#?}");
            }
        }
        if price.session == Some(Session::Closed) {
            prop_assert!(price.market.is_some_and(|market| !market.is_open));
        }
        // where few sources are enough, quotes from within closed_for always give a price
        let oldest = price.quotes.iter().filter_map(|judged| judged.outcome.quote.as_ref()?.observed_at).min().unwrap();
        let within = now.duration_since(oldest) <= SignedDuration::try_from(price.rule.closed_for.unwrap()).unwrap();
        if within && price.rule.below_quorum == BelowQuorum::Degrade {
            prop_assert!(price.folded.is_some(), "{now} {price:#?}");
        }
    }
}
