//! A market counts as open within its hours.

use jiff::{SignedDuration, Timestamp};
use quotefold::hours::Hours;

use super::{Case, assert_priced, own, source_of, verdict};

/// Two hours before the end of the latest session in New York: whenever this test runs, the market has traded since for
/// longer than a quote is usable.
fn in_the_middle() -> Timestamp {
    let around = Hours::named("XNYS").unwrap().around(Timestamp::now()).unwrap();
    around.closed_at - SignedDuration::from_hours(2)
}

/// Two own sources whose last trade was at a time.
fn stuck_at(time: Timestamp) -> Case {
    Case::new(&(own("a", "equity") + &own("b", "equity")), move |call| {
        let price = if source_of(call) == "a" { "100.1" } else { "100.2" };
        call.json(&format!(r#"{{"p":{price},"c":"USD","t":{}}}"#, time.as_second()))
    })
}

#[test]
fn two_feeds_stuck_since_the_middle_of_a_session_are_not_ok() {
    let case = stuck_at(in_the_middle());
    let entry = case.entry("AAPL");
    assert_priced(&entry, Some("100.15"), Some("USD"), "degraded / stale_fallback");
    assert_eq!((verdict(&entry, "a").as_str(), entry["session"].is_null()), ("used", true), "{entry:#}");
    assert!(entry["detail"].as_str().unwrap().contains("; last traded "), "{entry:#}");
    assert_eq!(entry["rule"]["hours"], "XNYS");
    assert_eq!(case.get("/prices?symbols=AAPL&require=ok").status, 503);
}

#[test]
fn nor_is_one_of_them_beside_a_market_of_which_no_hours_are_known() {
    // the hours of an unknown suffix are unknown: the last quotes count as those of a closed market
    let entry = stuck_at(in_the_middle()).entry("QQQQ.RO");
    assert_priced(&entry, Some("100.15"), Some("USD"), "ok");
    assert_eq!((entry["session"].as_str(), entry["rule"]["hours"].is_null()), (Some("closed"), true), "{entry:#}");
}
