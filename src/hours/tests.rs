//! What the file of markets says about days and minutes.

use std::time::Duration;

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn hours(symbol: &str) -> Option<Hours> {
    let symbol = Symbol::named(symbol).unwrap();
    Hours::of(&symbol, symbol.class())
}

/// The sessions of a market that open on a day, in local time.
fn day(market: &str, day: &str) -> Vec<String> {
    let hours = Hours::named(market).unwrap();
    let clock = |time: Timestamp| time.to_zoned(hours.time_zone().clone());
    let sessions = hours.0.sessions().iter();
    let of_the_day = sessions.filter(|session| clock(session.opening).date().to_string() == day);
    let written = |time| clock(time).strftime("%H:%M").to_string();
    of_the_day.map(|session| format!("{}-{}", written(session.opening), written(session.closing))).collect()
}

#[test]
fn the_file_can_be_read_and_reaches_to_the_end_of_2028() {
    let file = File::read(SESSIONS).unwrap_or_else(|error| panic!("{error}"));
    assert!(SESSIONS.contains("\npackage exchange_calendars ") && SESSIONS.contains("\nexported 20"));
    assert_eq!(file.past_end(at("2026-11-28T00:00:00Z")), None);
    let partly = file.past_end(at("2028-12-31T00:00:00Z")).unwrap();
    assert!(!partly.everywhere && partly.sentence.contains("XBOM"), "{partly:?}");
    assert!(file.past_end(at("2029-01-02T00:00:00Z")).unwrap().everywhere);
    for market in ["XNYS", "XLON", "XETR", "XTKS", "XTAE", "BVMF"] {
        assert!(day(market, "2028-12-28").len() == 1 || market == "XTKS", "{market}");
    }
}

#[test]
fn every_exchange_of_the_table_has_hours() {
    for suffix in crate::symbol::suffixes() {
        assert!(hours(&format!("X.{suffix}")).is_some(), "{suffix}");
    }
    for line in SESSIONS.lines().filter_map(|line| line.strip_prefix("for ")) {
        for symbols in line.split(' ') {
            let known = match symbols.strip_prefix('.') {
                Some(suffix) => crate::symbol::suffixes().any(|known| known == suffix),
                None => matches!(symbols, "US" | "fx" | "metals") || Symbol::parse(symbols).is_ok(),
            };
            assert!(known, "{symbols} is not a symbol that users ask for");
        }
    }
}

#[test]
fn each_kind_of_symbol_has_its_market() {
    let market = |symbol: &str| hours(symbol).map(|hours| hours.name());
    let known = [
        ("AAPL", "XNYS"),
        ("BRK.B", "XNYS"),
        ("^GSPC", "XNYS"),
        ("VOD.L", "XLON"),
        ("^FTSE", "XLON"),
        ("7203.T", "XTKS"),
        ("^TA125.TA", "XTAE"),
        ("EUR-USD", "fx"),
        ("XAU-USD", "metals"),
    ];
    for (symbol, name) in known {
        assert_eq!(market(symbol), Some(name), "{symbol}");
    }
    for symbol in ["BTC-USD", "USDT-USD", "^ZZZ", "X.RO", "US0378331005", "0700"] {
        assert_eq!(market(symbol), None, "{symbol}");
    }
    let apple = Symbol::parse("AAPL").unwrap();
    assert_eq!(Hours::of(&apple, Class::Fund), None, "a fund has one price a day, no matter its name");
}

#[test]
fn new_york_is_closed_on_thanksgiving_and_closes_early_on_the_day_after() {
    assert_eq!(day("XNYS", "2026-11-25"), ["09:30-16:00"]);
    assert!(day("XNYS", "2026-11-26").is_empty());
    assert_eq!(day("XNYS", "2026-11-27"), ["09:30-13:00"]);
    assert!(day("XNYS", "2026-11-28").is_empty());
}

#[test]
fn tokyo_has_lunch_and_tel_aviv_a_short_friday() {
    assert_eq!(day("XTKS", "2026-11-24"), ["09:00-11:30", "12:30-15:30"]);
    assert_eq!(day("XTAE", "2026-11-26"), ["09:59-17:15"]);
    assert_eq!(day("XTAE", "2026-11-27"), ["09:59-13:50"]);
    assert!(day("XTAE", "2026-11-29").is_empty(), "a Sunday");
    assert_eq!(day("XIDX", "2026-11-27"), ["09:00-11:30", "14:00-15:49"]);
    assert_eq!(day("XCAI", "2026-11-29"), ["10:00-13:15"]);
}

#[test]
fn a_market_is_open_from_its_opening_until_just_before_its_closing() {
    let new_york = Hours::named("XNYS").unwrap();
    let moments = [
        ("2026-11-23T14:29:59Z", false),
        ("2026-11-23T14:30:00Z", true),
        ("2026-11-23T20:59:59Z", true),
        ("2026-11-23T21:00:00Z", false),
    ];
    for (time, open) in moments {
        assert_eq!(new_york.is_open(at(time)), open, "{time}");
    }
    let around = new_york.around(at("2026-11-23T14:30:00Z")).unwrap();
    assert_eq!(around.opened_at, Some(at("2026-11-23T14:30:00Z")));
    assert_eq!(around.closed_at, at("2026-11-20T21:00:00Z"), "Friday's close");
    assert_eq!(new_york.around(at("2026-11-23T21:00:00Z")).unwrap().closed_at, at("2026-11-23T21:00:00Z"));
}

#[test]
fn openings_follow_the_local_time_of_the_exchange_when_clocks_change() {
    let opening = |market: &str, time: &str| Hours::named(market).unwrap().around(at(time)).unwrap().opened_at.unwrap();
    // New York: the Friday before the change, and the Monday after it
    assert_eq!(opening("XNYS", "2026-10-30T15:00:00Z"), at("2026-10-30T13:30:00Z"));
    assert_eq!(opening("XNYS", "2026-11-02T15:00:00Z"), at("2026-11-02T14:30:00Z"));
    assert_eq!(opening("XNYS", "2027-03-12T15:00:00Z"), at("2027-03-12T14:30:00Z"));
    assert_eq!(opening("XNYS", "2027-03-15T15:00:00Z"), at("2027-03-15T13:30:00Z"));
    // London's clocks change on another day
    assert_eq!(opening("XLON", "2027-03-25T10:00:00Z"), at("2027-03-25T08:00:00Z"));
    assert_eq!(opening("XLON", "2027-03-30T10:00:00Z"), at("2027-03-30T07:00:00Z"));
    // Brazil has no such change, but closes with New York
    assert_eq!(day("BVMF", "2026-10-30"), ["10:00-16:55"]);
    assert_eq!(day("BVMF", "2026-11-03"), ["10:00-17:55"]);
}

#[test]
fn foreign_exchange_is_one_session_from_sunday_to_friday() {
    let fx = Hours::named("fx").unwrap();
    let around = fx.around(at("2026-11-25T05:00:00Z")).unwrap();
    assert_eq!(around.opened_at, Some(at("2026-11-22T22:00:00Z")), "midnight is not an opening");
    assert_eq!(around.closed_at, at("2026-11-20T22:00:00Z"));
    // in summer an hour earlier in UTC
    assert!(!fx.is_open(at("2026-07-05T20:59:00Z")) && fx.is_open(at("2026-07-05T21:00:00Z")));
    let gold = Hours::named("metals").unwrap();
    assert!(!gold.is_open(at("2026-11-24T22:30:00Z")) && gold.is_open(at("2026-11-24T23:00:00Z")));
}

#[test]
fn past_the_end_the_usual_week_goes_on_without_holidays() {
    let shanghai = Hours::named("XSHG").unwrap();
    assert!(shanghai.is_open(at("2027-02-08T02:00:00Z")), "the lunar new year, which was not known");
    assert!(Hours::named("XNYS").unwrap().is_open(at("2035-06-05T15:00:00Z")));
    // before the first session nothing is known
    assert_eq!(Hours::named("XNYS").unwrap().around(at("2025-06-05T15:00:00Z")), None);
}

#[test]
fn no_market_is_open_for_over_a_day_or_closed_for_over_two_weeks() {
    for market in SESSIONS.lines().filter_map(|line| line.strip_prefix("market ")) {
        let name = market.split(' ').next().unwrap();
        let sessions = Hours::named(name).unwrap().0.sessions();
        let longest = Duration::from_secs(if name == "fx" { 121 * 3600 } else { 24 * 3600 });
        for (session, next) in sessions.iter().zip(&sessions[1..]) {
            assert!(session.closing > session.opening && next.opening > session.closing, "{name} {session:?}");
            assert!(crate::clock::age(session.closing, session.opening) <= longest, "{name} {session:?}");
            assert!(
                crate::clock::age(next.opening, session.closing) <= Duration::from_secs(14 * 86_400),
                "{name} {session:?}"
            );
        }
    }
}
