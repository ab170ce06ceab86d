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

const NEED: Need = Need { refresh_after: Duration::from_secs(5), unknown_for: Duration::from_secs(3600) };

#[tokio::test(start_paused = true)]
async fn a_failure_stands_beside_the_last_quote_and_a_quote_wipes_it_out() {
    let (board, clock, symbol) = (Board::new(8), Clock::system(), Symbol::parse("AAPL").unwrap());
    let now = clock.now();
    board.land(&origin("alpha"), &symbol, quote(now), now, None);
    let timeout = Landing::Failure(SourceError::Timeout(Duration::from_secs(1)), Duration::from_secs(1));
    let outcome = board.land(&origin("alpha"), &symbol, timeout, now, None);
    assert!(outcome.quote.is_some() && outcome.failure.is_some());
    let outcome = board.land(&origin("alpha"), &symbol, quote(now), now, None);
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
    before.land(&origin("alpha"), &symbol, Landing::Quote(quote.clone()), now, None);
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
    let missing = Landing::Failure(SourceError::Missing(String::new()), Duration::ZERO);
    board.land(&origin("alpha"), &symbol, missing, clock.now(), None);
    assert!(settled(&board));
    tokio::time::advance(Duration::from_secs(5)).await;
    assert!(!settled(&board));
    let unknown = Landing::Failure(SourceError::UnknownSymbol(String::new()), Duration::ZERO);
    board.land(&origin("alpha"), &symbol, unknown, clock.now(), None);
    tokio::time::advance(Duration::from_secs(3599)).await;
    assert!(settled(&board));
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(!settled(&board));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_ours_stands_until_its_time_and_is_no_answer() {
    let (board, clock, symbol) = (Board::new(8), Clock::system(), Symbol::parse("AAPL").unwrap());
    let until = Instant::now() + Duration::from_secs(2);
    let refusal =
        Landing::Refusal(SourceError::Throttled { limit: "1/s".into(), retry_after: Duration::from_secs(2) }, until);
    board.land(&origin("alpha"), &symbol, refusal.clone(), clock.now(), Some(until));
    let known = board.known("alpha", &symbol, Instant::now()).unwrap();
    assert!(known.is_settled(NEED, Instant::now()) && known.answered.is_none());
    tokio::time::advance(Duration::from_secs(2)).await;
    assert!(!board.known("alpha", &symbol, Instant::now()).unwrap().is_settled(NEED, Instant::now()));
    // once it no longer stands, a quote is not shown with it
    board.land(&origin("alpha"), &symbol, quote(clock.now()), clock.now(), None);
    board.land(&origin("alpha"), &symbol, refusal, clock.now(), Some(until));
    assert_eq!(board.known("alpha", &symbol, Instant::now()).unwrap().outcome.failure, None);
}

#[tokio::test(start_paused = true)]
async fn the_symbols_asked_for_least_recently_go_first() {
    let (board, now) = (Board::new(2), Clock::system().now());
    let [a, b, c] = ["A", "B", "C"].map(|text| Symbol::parse(text).unwrap());
    board.land(&origin("alpha"), &a, quote(now), now, None);
    board.land(&origin("alpha"), &b, quote(now), now, None);
    board.recall(&a, now.monotonic);
    board.land(&origin("alpha"), &c, quote(now), now, None);
    assert!(board.known("alpha", &a, now.monotonic).is_some());
    assert!(board.known("alpha", &b, now.monotonic).is_none());
    assert_eq!(board.len(), 2);
}
