//! What the board remembers, and what it forgets.

use rust_decimal::Decimal;

use super::*;
use crate::clock::Clock;
use crate::quote::{NoMarket, Role, Session, Sides};
use crate::symbol::Currency;

fn origin(name: &str) -> Arc<Origin> {
    Arc::new(Origin { source: name.into(), account: name.into(), role: Role::Primary, lag_ms: 0 })
}

fn quote(now: Moment) -> Landing {
    Landing::Quote(Quote::bare(Decimal::ONE, now.wall))
}

const NEED: Need =
    Need { refresh_after: Duration::from_secs(5), missing_after: Duration::from_secs(5), denied_after: None };

fn failure(error: SourceError, stands: Stands) -> Landing {
    let in_a_row = InARow::default();
    Landing::Failure(Fault { error, latency: Duration::ZERO, stands, is_doubted: false, in_a_row })
}

#[tokio::test(start_paused = true)]
async fn a_failure_stands_beside_the_last_quote_and_a_quote_wipes_it_out() {
    let (board, clock, symbol) = (Board::new(8), Clock::system(), Symbol::parse("AAPL").unwrap());
    let now = clock.now();
    board.land(&origin("alpha"), &symbol, quote(now), now);
    let timeout = failure(SourceError::Timeout(Duration::from_secs(1)), Stands::WithSource);
    let outcome = board.land(&origin("alpha"), &symbol, timeout, now);
    assert!(outcome.quote.is_some() && outcome.failure.is_some());
    let outcome = board.land(&origin("alpha"), &symbol, quote(now), now);
    assert!(outcome.quote.is_some() && outcome.failure.is_none());
    assert_eq!(board.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_quote_that_is_remembered_comes_back_with_all_it_states() {
    let (before, after, clock) = (Board::new(8), Board::new(8), Clock::system());
    let (now, symbol) = (clock.now(), Symbol::parse("BTC-USDT").unwrap());
    let number = |text: &str| crate::decimal::read(text);
    let quote = Quote {
        bid: number("0.99"),
        ask: number("1.01"),
        inverse_of: Some(Sides { last: number("1"), bid: number("0.990099"), ask: number("1.0101") }),
        volume: number("12.5"),
        currency: Some(Currency::new("USDT")),
        session: Some(Session::Regular),
        no_market: Some(NoMarket::CancelOnly),
        observed_at: Some(now.wall - jiff::SignedDuration::from_secs(9)),
        book_at: Some(now.wall - jiff::SignedDuration::from_secs(2)),
        latency: Duration::from_millis(88),
        ..Quote::bare(Decimal::ONE, now.wall)
    };
    before.land(&origin("alpha"), &symbol, Landing::Quote(quote.clone()), now);
    for kept in before.remember(8) {
        assert!(after.restore(&origin("alpha"), &kept, now));
    }
    assert_eq!(after.known("alpha", &symbol, now.monotonic).unwrap().outcome.quote, Some(quote));
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_an_answer_and_is_not_asked_for_again_before_its_time() {
    let (board, clock, symbol) = (Board::new(8), Clock::system(), Symbol::parse("AAPL").unwrap());
    let settled =
        |board: &Board| board.known("alpha", &symbol, Instant::now()).unwrap().is_settled(NEED, Instant::now());
    let missing = failure(SourceError::Missing(String::new()), Stands::LikeQuote);
    board.land(&origin("alpha"), &symbol, missing, clock.now());
    assert!(settled(&board));
    tokio::time::advance(Duration::from_secs(5)).await;
    assert!(!settled(&board));
    let until = Instant::now() + Duration::from_secs(3600);
    let unknown = failure(SourceError::UnknownSymbol(String::new()), Stands::Until(until));
    board.land(&origin("alpha"), &symbol, unknown, clock.now());
    tokio::time::advance(Duration::from_secs(3599)).await;
    assert!(settled(&board));
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(!settled(&board));
}

#[tokio::test(start_paused = true)]
async fn what_failed_with_its_source_or_was_refused_by_us_is_as_fresh_as_the_quote_beside_it() {
    let (clock, symbol) = (Clock::system(), Symbol::parse("AAPL").unwrap());
    let settled =
        |board: &Board| board.known("alpha", &symbol, Instant::now()).unwrap().is_settled(NEED, Instant::now());
    let until = Instant::now() + Duration::from_secs(60);
    let throttled = SourceError::Throttled { limit: "1/min".into(), retry_after: Duration::from_secs(60) };
    let refusal = Landing::Refusal(throttled, until);
    let failed = failure(SourceError::Connection(String::new()), Stands::WithSource);
    for landing in [refusal, failed] {
        let board = Board::new(8);
        board.land(&origin("alpha"), &symbol, landing.clone(), clock.now());
        // whether the source may be asked is the source's matter
        assert!(!settled(&board));
        board.land(&origin("alpha"), &symbol, quote(clock.now()), clock.now());
        board.land(&origin("alpha"), &symbol, landing, clock.now());
        assert!(settled(&board));
        tokio::time::advance(Duration::from_secs(5)).await;
        assert!(!settled(&board));
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_ours_is_no_answer_and_is_not_shown_beside_a_quote_once_it_is_over() {
    let (board, clock, symbol) = (Board::new(8), Clock::system(), Symbol::parse("AAPL").unwrap());
    let until = Instant::now() + Duration::from_secs(2);
    let refusal =
        Landing::Refusal(SourceError::Throttled { limit: "1/s".into(), retry_after: Duration::from_secs(2) }, until);
    board.land(&origin("alpha"), &symbol, refusal.clone(), clock.now());
    assert!(board.known("alpha", &symbol, Instant::now()).unwrap().answered.is_none());
    board.land(&origin("alpha"), &symbol, quote(clock.now()), clock.now());
    board.land(&origin("alpha"), &symbol, refusal, clock.now());
    assert!(board.known("alpha", &symbol, Instant::now()).unwrap().outcome.failure.is_some());
    tokio::time::advance(Duration::from_secs(2)).await;
    assert_eq!(board.known("alpha", &symbol, Instant::now()).unwrap().outcome.failure, None);
}

#[tokio::test(start_paused = true)]
async fn who_wants_even_denials_checked_has_them_checked_sooner_and_nothing_else() {
    let (board, clock, symbol) = (Board::new(8), Clock::system(), Symbol::parse("AAPL").unwrap());
    let now = Instant::now();
    let denied_after = Some(Duration::from_secs(5));
    let checks = Need { denied_after, ..Need::of(Duration::ZERO) };
    let until = Stands::Until(now + Duration::from_secs(3600));
    let due_at = |error, need| {
        board.land(&origin("alpha"), &symbol, failure(error, until), clock.now());
        board.known("alpha", &symbol, now).unwrap().due_at(need).unwrap() - now
    };
    let unknown = || SourceError::UnknownSymbol(String::new());
    assert_eq!(due_at(unknown(), checks).as_secs(), 5);
    assert_eq!(due_at(unknown(), Need::of(Duration::ZERO)).as_secs(), 3600);
    assert_eq!(due_at(SourceError::Malformed(String::new()), checks).as_secs(), 3600);
}

#[tokio::test(start_paused = true)]
async fn the_symbols_asked_for_least_recently_go_first() {
    let (board, now) = (Board::new(2), Clock::system().now());
    let [a, b, c] = ["A", "B", "C"].map(|text| Symbol::parse(text).unwrap());
    board.land(&origin("alpha"), &a, quote(now), now);
    board.land(&origin("alpha"), &b, quote(now), now);
    board.recall(&a, now.monotonic);
    board.land(&origin("alpha"), &c, quote(now), now);
    assert!(board.known("alpha", &a, now.monotonic).is_some());
    assert!(board.known("alpha", &b, now.monotonic).is_none());
    assert_eq!(board.len(), 2);
}
