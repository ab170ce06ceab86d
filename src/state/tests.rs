//! What a state file may hold, and that nothing else passes for a state.

use jiff::Timestamp;
use rust_decimal::Decimal;

use super::*;
use crate::board::SidesState;
use crate::quote::{NoMarket, Session};
use crate::source::account::CooldownState;
use crate::source::cooldown::Refused;
use crate::state::snapshot::MOST_QUOTES;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn quote() -> QuoteState {
    QuoteState {
        source: "kraken".to_owned(),
        symbol: "BTC-USD".to_owned(),
        price: Some("92375.030000000001".parse().unwrap()),
        bid: Some("92375.02".parse().unwrap()),
        ask: Some("92375.04".parse().unwrap()),
        inverse_of: Some(SidesState { last: Some("0.0000108".parse().unwrap()), bid: None, ask: None }),
        volume: Some("1234.56789012".parse().unwrap()),
        currency: Some("USD".to_owned()),
        session: Some(Session::Regular),
        no_market: Some(NoMarket::Halted),
        observed_at: Some(at("2026-11-20T14:31:09.123456789Z")),
        book_at: Some(at("2026-11-20T14:31:09.5Z")),
        received_at: at("2026-11-20T14:31:09.912Z"),
        latency_ms: 88,
    }
}

fn state() -> State {
    let cooldown = CooldownState {
        reason: "quota_exhausted".to_owned(),
        detail: "25 calls a day".to_owned(),
        until: at("2026-11-20T20:00:00Z"),
    };
    let account = AccountState {
        key_mark: Some(Fingerprint::of(["a key"], 2)),
        spent: vec![(1_763_649_060, 3), (1_763_649_070, 1)],
        cooldown: Some(cooldown),
        refused: Refused { quota_exhausted: 2, ..Refused::default() },
    };
    let list = || ListState {
        described: Some(Fingerprint::of(["a list"], 16)),
        asked_at: "2026-11-03T05:00:00Z".parse().unwrap(),
        landed_at: "2026-11-03T05:00:01Z".parse().unwrap(),
        names: [("XBTUSD".to_owned(), String::new()), ("XDGEUR".to_owned(), "cancel_only".to_owned())].into(),
    };
    let suspects = || SuspectState {
        unknown_kills: true,
        groups: vec![vec!["FOO-USD".to_owned(), "BAR-USD".to_owned()], vec!["NOPE-USD".to_owned()]],
    };
    State {
        version: VERSION,
        saved_at: at("2026-11-20T14:31:10.5Z"),
        accounts: [("alphavantage".to_owned(), account)].into(),
        meanings: [("kraken".to_owned(), Fingerprint::of(["a description"], 8))].into(),
        suspects: [("kraken".to_owned(), suspects())].into(),
        lists: [("kraken".to_owned(), list())].into(),
        quotes: vec![quote(), QuoteState { price: None, volume: None, session: None, observed_at: None, ..quote() }],
    }
}

#[test]
fn a_state_is_read_as_it_was_written() {
    assert_eq!(State::parse(&state().to_bytes().unwrap()).unwrap(), state());
}

#[test]
fn a_quote_that_was_written_before_books_had_times_can_be_read() {
    let old = r#"{"source":"kraken","symbol":"BTC-USD","price":"7","bid":"6","received_at":"2026-11-20T14:31:09Z","latency_ms":88}"#;
    let quote: QuoteState = serde_json::from_str(old).unwrap();
    assert_eq!(
        (quote.bid, quote.book_at, quote.no_market, quote.inverse_of),
        (Some(Decimal::from(6)), None, None, None)
    );
}

#[test]
fn prices_and_times_are_written_as_text() {
    let text = String::from_utf8(state().to_bytes().unwrap()).unwrap();
    for part in [r#""price":"92375.030000000001""#, r#""observed_at":"2026-11-20T14:31:09.123456789Z""#] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn a_truncated_file_is_not_a_state_wherever_it_ends() {
    let bytes = state().to_bytes().unwrap();
    for length in 0..bytes.len() {
        assert!(matches!(State::parse(&bytes[..length]), Err(NoState::NotReadable { .. })), "{length}");
    }
}

#[test]
fn a_file_of_another_version_is_recognised_whatever_else_it_holds() {
    let error = State::parse(br#"{"version":2,"accounts":"elsewhere"}"#).unwrap_err();
    assert_eq!(error.to_string(), "its version is 2; this program reads version 1");
}

#[test]
fn no_bytes_make_the_reader_panic() {
    let mut chance = fastrand::Rng::with_seed(11);
    let whole = state().to_bytes().unwrap();
    for _ in 0..20_000 {
        let mut bytes = whole.clone();
        for _ in 0..chance.usize(1..4) {
            let place = chance.usize(..bytes.len());
            bytes[place] = chance.u8(..);
        }
        // it may still be a state: then it can be written again
        if let Ok(state) = State::parse(&bytes) {
            assert!(state.to_bytes().is_ok());
        }
    }
}

#[test]
fn a_full_file_stays_under_two_megabytes() {
    let longest = QuoteState {
        symbol: "A".repeat(32),
        source: "exchangerate_host".to_owned(),
        price: Some(Decimal::new(1_234_567_890_123_456_789, 12)),
        ..quote()
    };
    // a day of a call each second, as it is kept: each second of an hour, each minute of a day
    let spent: Vec<_> = (0..5_000).map(|unit| (1_763_649_070 + unit, 1)).collect();
    let account = AccountState { spent, ..AccountState::default() };
    let accounts = (0..5).map(|number| (format!("account-{number}"), account.clone())).collect();
    let full = State { accounts, quotes: vec![longest; MOST_QUOTES], ..state() };
    let length = full.to_bytes().unwrap().len();
    assert!(length < 2_000_000, "{length} bytes");
    assert!(length > 1_000_000, "the bound is meant: {length} bytes");
}
