//! Checks what the board remembers, and what it forgets.

use proptest::prelude::*;
use rust_decimal::Decimal;

use super::*;
use crate::clock::Clock;
use crate::quote::{NoMarket, Role, Session, Sides};
use crate::symbol::Currency;

fn origin(name: &str) -> Arc<Origin> {
    Arc::new(Origin { source: name.into(), account: name.into(), role: Role::Primary, lag_ms: 0, by_isin: false })
}

fn quote(now: Moment) -> Update {
    Update::Quote(Quote::bare(Decimal::ONE, now.wall))
}

const NEED: Freshness =
    Freshness { refresh_after: Duration::from_secs(5), missing_after: Duration::from_secs(5), denied_after: None };

fn failure(error: SourceError, stands: Stands) -> Update {
    let in_a_row = InARow::default();
    Update::Failure(Fault { error, latency: Duration::ZERO, stands, is_doubted: false, in_a_row })
}

#[tokio::test(start_paused = true)]
async fn a_failure_stands_beside_the_last_quote_and_a_quote_removes_it() {
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
async fn a_source_quotes_what_it_has_quoted_and_not_denied_since() {
    let (board, now) = (Board::new(8), Clock::system().now());
    assert!(board.is_empty());
    let land = |source: &str, symbol: &str, update| {
        board.land(&origin(source), &Symbol::parse(symbol).unwrap(), update, now);
    };
    let timeout = || failure(SourceError::Timeout(Duration::from_secs(1)), Stands::WithSource);
    let denial = || failure(SourceError::UnknownSymbol(String::new()), Stands::LikeQuote);
    for symbol in ["AAPL", "MSFT", "NVDA"] {
        land("alpha", symbol, quote(now));
    }
    land("alpha", "MSFT", timeout());
    land("alpha", "NVDA", denial());
    land("alpha", "TSLA", timeout());
    land("beta", "SPY", quote(now));
    let mut quoted = board.quoted_by("alpha");
    quoted.sort_by_key(ToString::to_string);
    assert_eq!(quoted, ["AAPL", "MSFT"].map(|symbol| Symbol::parse(symbol).unwrap()));
    assert!(!board.is_empty());
    // the test sees quotes only, each with its source
    let of = |source: &str| board.any_quote(|outcome, _| outcome.origin.source == source);
    assert!(of("alpha") && of("beta") && !of("gamma"));
    assert!(!board.any_quote(|outcome, _| outcome.symbol == Symbol::parse("TSLA").unwrap()));
}

#[tokio::test(start_paused = true)]
async fn a_remembered_quote_comes_back_with_everything_it_states() {
    let (before, after, clock) = (Board::new(8), Board::new(8), Clock::system());
    let (now, symbol) = (clock.now(), Symbol::parse("BTC-USDT").unwrap());
    let number = |text: &str| crate::decimal::read(text);
    let quote = Quote {
        bid: number("0.99"),
        ask: number("1.01"),
        inverse_of: Some(Box::new(Sides { last: number("1"), bid: number("0.990099"), ask: number("1.0101") })),
        volume: number("12.5"),
        currency: Some(Currency::new("USDT")),
        session: Some(Session::Regular),
        no_market: Some(NoMarket::CancelOnly),
        observed_at: Some(now.wall - jiff::SignedDuration::from_secs(9)),
        book_at: Some(now.wall - jiff::SignedDuration::from_secs(2)),
        latency: Duration::from_millis(88),
        ..Quote::bare(Decimal::ONE, now.wall)
    };
    before.land(&origin("alpha"), &symbol, Update::Quote(quote.clone()), now);
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
async fn a_failed_source_or_our_refusal_leaves_a_symbol_as_fresh_as_its_quote() {
    let (clock, symbol) = (Clock::system(), Symbol::parse("AAPL").unwrap());
    let settled =
        |board: &Board| board.known("alpha", &symbol, Instant::now()).unwrap().is_settled(NEED, Instant::now());
    let until = Instant::now() + Duration::from_secs(60);
    let throttled = SourceError::Throttled { limit: "1/min".into(), retry_after: Duration::from_secs(60) };
    let refusal = Update::Refusal(throttled, until);
    let failed = failure(SourceError::Connection(String::new()), Stands::WithSource);
    for update in [refusal, failed] {
        let board = Board::new(8);
        board.land(&origin("alpha"), &symbol, update.clone(), clock.now());
        // whether the source may be asked is up to the source, not to the symbol
        assert!(!settled(&board));
        board.land(&origin("alpha"), &symbol, quote(clock.now()), clock.now());
        board.land(&origin("alpha"), &symbol, update, clock.now());
        assert!(settled(&board));
        tokio::time::advance(Duration::from_secs(5)).await;
        assert!(!settled(&board));
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_a_refusal_has_hidden_is_no_answer_once_the_refusal_is_over() {
    let (board, clock, symbol) = (Board::new(8), Clock::system(), Symbol::parse("AAPL").unwrap());
    let answered = |since: Instant| board.known("alpha", &symbol, Instant::now()).unwrap().answered_since(since);
    board.land(&origin("alpha"), &symbol, quote(clock.now()), clock.now());
    tokio::time::advance(Duration::from_secs(1)).await;
    let asked = Instant::now();
    assert!(!answered(asked));
    let down = SourceError::Connection(String::new());
    board.land(&origin("alpha"), &symbol, failure(down.clone(), Stands::WithSource), clock.now());
    assert!(answered(asked));
    board.land(&origin("alpha"), &symbol, Update::Refusal(down, asked + Duration::from_secs(2)), clock.now());
    assert!(answered(asked), "the refusal says the same");
    tokio::time::advance(Duration::from_secs(2)).await;
    assert!(!answered(asked), "only the quote from before is left");
    board.land(&origin("alpha"), &symbol, quote(clock.now()), clock.now());
    assert!(answered(asked));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_ours_is_not_an_answer_and_is_hidden_once_it_is_over() {
    let (board, clock, symbol) = (Board::new(8), Clock::system(), Symbol::parse("AAPL").unwrap());
    let until = Instant::now() + Duration::from_secs(2);
    let refusal =
        Update::Refusal(SourceError::Throttled { limit: "1/s".into(), retry_after: Duration::from_secs(2) }, until);
    board.land(&origin("alpha"), &symbol, refusal.clone(), clock.now());
    assert!(board.known("alpha", &symbol, Instant::now()).unwrap().answered.is_none());
    board.land(&origin("alpha"), &symbol, quote(clock.now()), clock.now());
    board.land(&origin("alpha"), &symbol, refusal, clock.now());
    assert!(board.known("alpha", &symbol, Instant::now()).unwrap().outcome.failure.is_some());
    tokio::time::advance(Duration::from_secs(2)).await;
    assert_eq!(board.known("alpha", &symbol, Instant::now()).unwrap().outcome.failure, None);
}

#[tokio::test(start_paused = true)]
async fn denied_after_makes_denials_due_sooner_and_nothing_else() {
    let (board, clock, symbol) = (Board::new(8), Clock::system(), Symbol::parse("AAPL").unwrap());
    let now = Instant::now();
    let denied_after = Some(Duration::from_secs(5));
    let checks = Freshness { denied_after, ..Freshness::of(Duration::ZERO) };
    let until = Stands::Until(now + Duration::from_secs(3600));
    let due_at = |error, need| {
        board.land(&origin("alpha"), &symbol, failure(error, until), clock.now());
        board.known("alpha", &symbol, now).unwrap().due_at(need).unwrap() - now
    };
    let unknown = || SourceError::UnknownSymbol(String::new());
    assert_eq!(due_at(unknown(), checks).as_secs(), 5);
    assert_eq!(due_at(unknown(), Freshness::of(Duration::ZERO)).as_secs(), 3600);
    assert_eq!(due_at(SourceError::Malformed(String::new()), checks).as_secs(), 3600);
}

const SECOND: Duration = Duration::from_secs(1);

/// The cost of a source that may be asked 25 times a day: a call takes nearly an hour.
const SCARCE: Duration = Duration::from_secs(86_400 / 25);

fn denial() -> Update {
    failure(SourceError::UnknownSymbol(String::new()), Stands::WithSource)
}

fn symbol(text: &str) -> Symbol {
    Symbol::named(text).unwrap()
}

fn has(board: &Board, source: &str, name: &str) -> bool {
    board.known(source, &symbol(name), Instant::now()).is_some()
}

#[tokio::test(start_paused = true)]
async fn the_symbols_asked_for_least_recently_go_first() {
    let (board, now) = (Board::new(4), Clock::system().now());
    let land = |name: &str| board.land(&origin("alpha"), &symbol(name), quote(now), now);
    land("A");
    land("B");
    board.recall(&symbol("A"), now.monotonic);
    land("C");
    assert!(has(&board, "alpha", "A") && !has(&board, "alpha", "B") && has(&board, "alpha", "C"));
    assert_eq!(board.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn no_flood_of_junk_symbols_takes_the_place_of_a_costly_quote() {
    let (board, now) = (Board::new(64), Clock::system().now());
    board.set_cost("scarce", SCARCE);
    board.set_cost("quick", Duration::from_millis(100));
    for number in 0..20 {
        board.land(&origin("scarce"), &symbol(&format!("S{number}")), quote(now), now);
    }
    for number in 0..10_000 {
        let junk = symbol(&format!("J{number}-USD"));
        board.recall(&junk, now.monotonic);
        board.land(&origin("scarce"), &junk, denial(), now);
        board.land(&origin("quick"), &junk, quote(now), now);
        board.land(&origin("other"), &junk, denial(), now);
    }
    assert!((0..20).all(|number| has(&board, "scarce", &format!("S{number}"))));
    // and the next process starts with these quotes
    let kept = board.remember(20);
    assert!(kept.iter().all(|quote| quote.source == "scarce"), "{kept:?}");
}

#[tokio::test(start_paused = true)]
async fn a_costly_quote_that_is_no_longer_asked_for_gives_way_to_others_in_the_end() {
    let (board, now) = (Board::new(8), Clock::system().now());
    board.set_cost("scarce", 10 * SECOND);
    board.set_cost("slow", 5 * SECOND);
    board.set_cost("slower", 5 * SECOND);
    board.land(&origin("scarce"), &symbol("OLD"), quote(now), now);
    for number in 0..100 {
        for source in ["slow", "slower"] {
            board.land(&origin(source), &symbol(&format!("N{number}")), quote(now), now);
        }
    }
    assert!(!has(&board, "scarce", "OLD"));
    assert!(has(&board, "slow", "N99"));
}

#[tokio::test(start_paused = true)]
async fn a_denial_for_one_caller_is_not_evicted_by_those_for_another() {
    let (board, now) = (Board::new(4 * 64), Clock::system().now());
    let [one, other] = [1, 2].map(Caller::Key).map(Some);
    board.land_for(one, &origin("alpha"), &symbol("RARE-USD"), denial(), now);
    for number in 0..1_000 {
        board.land_for(other, &origin("alpha"), &symbol(&format!("J{number}-USD")), denial(), now);
    }
    assert!(has(&board, "alpha", "RARE-USD") && has(&board, "alpha", "J999-USD"));
    assert_eq!(board.len(), 64, "as long as there is room, a caller may have more than a sixteenth of it");
}

#[tokio::test(start_paused = true)]
async fn junk_symbols_never_age_or_evict_costly_quotes() {
    let (board, now) = (Board::new(256), Clock::system().now());
    let [scarce, quick, other] = ["scarce", "quick", "other"].map(origin);
    board.set_cost("scarce", SCARCE);
    let dear: Vec<Symbol> = (0..100).map(|number| symbol(&format!("S{number}"))).collect();
    dear.iter().for_each(|dear| drop(board.land(&scarce, dear, quote(now), now)));
    // a full board forgets each of them before it comes again, so to the board it is new every time
    let junk: Vec<Symbol> = (0..501).map(|number| symbol(&format!("J{number}-USD"))).collect();
    let level = board.lock().quotes.level();
    for number in 0..100_000 {
        let junk = &junk[number % junk.len()];
        match number % 16 {
            0 => drop(board.land(&quick, junk, quote(now), now)),
            1 => drop(board.land(&other, junk, failure(SourceError::Timeout(SECOND), Stands::WithSource), now)),
            _ => drop(board.land(&scarce, junk, denial(), now)),
        }
    }
    assert!(dear.iter().all(|dear| board.known("scarce", dear, now.monotonic).is_some()));
    // junk could change nothing else on which the order of eviction depends, so no more of it can do harm either
    assert_eq!(board.lock().quotes.level(), level);
}

/// A quote that arrived at this second.
fn arrived(second: i64) -> Update {
    Update::Quote(Quote::bare(Decimal::ONE, Timestamp::from_second(second).unwrap()))
}

fn repeated() -> SourceError {
    SourceError::Connection("its connection gave the same reply for two symbols".to_owned())
}

/// Withdraws the quote that arrived at this second.
fn taken_back(second: i64) -> Update {
    Update::Withdrawal(Timestamp::from_second(second).unwrap(), repeated())
}

#[tokio::test(start_paused = true)]
async fn a_quote_withdrawn_before_it_lands_is_a_failure_beside_the_earlier_quote() {
    let (board, now, alpha) = (Board::new(8), Clock::system().now(), origin("alpha"));
    board.land(&alpha, &symbol("A"), arrived(1), now);
    board.land(&alpha, &symbol("A"), taken_back(2), now);
    let outcome = board.land(&alpha, &symbol("A"), arrived(2), now);
    assert_eq!(outcome.failure.map(|failure| failure.error), Some(repeated()), "waiting callers are told so");
    assert_eq!(outcome.quote.map(|quote| quote.received_at.as_second()), Some(1));
    // the withdrawal is about that quote alone
    assert_eq!(board.land(&origin("beta"), &symbol("A"), arrived(2), now).failure, None);
    assert_eq!(board.land(&alpha, &symbol("B"), arrived(2), now).failure, None);
    assert_eq!(board.land(&alpha, &symbol("A"), arrived(3), now).failure, None);
}

#[tokio::test(start_paused = true)]
async fn withdrawn_quotes_that_never_land_take_bounded_room() {
    let (board, now, alpha) = (Board::new(8), Clock::system().now(), origin("alpha"));
    for second in 0..10_000 {
        board.land(&alpha, &symbol("A"), taken_back(second), now);
    }
    assert_eq!(board.lock().withdrawn.len(), WITHDRAWN);
    assert!(board.land(&alpha, &symbol("A"), arrived(9_999), now).failure.is_some());
}

proptest! {
    /// Each of six calls for one of two symbols lands at some time, and some of their quotes are withdrawn before or
    /// after.
    #[test]
    fn a_withdrawn_quote_is_never_on_the_board_no_matter_when_it_lands(
        order in Just((0..12_usize).collect::<Vec<usize>>()).prop_shuffle(),
        wrong in proptest::collection::btree_set(0..6_usize, 0..6),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let _entered = runtime.enter();
        let (board, now, alpha) = (Board::new(8), Clock::system().now(), origin("alpha"));
        let (of, at) = (|call: usize| symbol(["A", "B"][call % 2]), |call: usize| call as i64);
        let mut latest = [None; 2];
        for step in order {
            let call = step % 6;
            match step < 6 {
                true => {
                    board.land(&alpha, &of(call), arrived(at(call)), now);
                    latest[call % 2] = Some(call);
                }
                false if wrong.contains(&call) => {
                    board.land(&alpha, &of(call), taken_back(at(call)), now);
                }
                false => {}
            }
        }
        for (name, latest) in ["A", "B"].into_iter().zip(latest) {
            let known = board.known("alpha", &symbol(name), now.monotonic).unwrap();
            let on_board = known.outcome.quote.as_ref().map(|quote| quote.received_at.as_second() as usize);
            prop_assert!(on_board.is_none_or(|call| !wrong.contains(&call)), "{on_board:?} of {wrong:?}");
            if latest.is_some_and(|call| !wrong.contains(&call)) {
                prop_assert_eq!(on_board, latest, "a right one that landed last stays");
            }
        }
    }
}

/// What happens to a board.
#[derive(Clone, Debug)]
enum Event {
    Quote(usize, usize),
    Fails(usize, usize, usize),
    Denied(usize, usize, usize),
    Asked(usize),
}

fn event() -> impl Strategy<Value = Event> {
    let (source, symbol, caller) = (0..4_usize, 0..60_usize, 0..4_usize);
    prop_oneof![
        (source.clone(), symbol.clone()).prop_map(|(source, symbol)| Event::Quote(source, symbol)),
        (source.clone(), symbol.clone(), caller.clone()).prop_map(|(s, n, caller)| Event::Fails(s, n, caller)),
        (source, symbol.clone(), caller).prop_map(|(s, n, caller)| Event::Denied(s, n, caller)),
        symbol.prop_map(Event::Asked),
    ]
}

proptest! {
    /// The sources 0 and 1 cost nothing, 2 costs an hour and 3 a day. Half of the board has room for everything that 2
    /// and 3 can quote here.
    #[test]
    fn the_board_always_stays_within_its_room_and_keeps_costly_quotes(
        events in proptest::collection::vec(event(), 1..400),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let _entered = runtime.enter();
        const CAPACITY: usize = 128;
        let (board, now) = (Board::new(CAPACITY), Clock::system().now());
        let origins = ["0", "1", "2", "3"].map(origin);
        board.set_cost("2", 3600 * SECOND);
        board.set_cost("3", 86_400 * SECOND);
        let name = |number: usize| symbol(&format!("S{number}-USD"));
        let mut dear = std::collections::BTreeSet::new();
        for event in events {
            match event {
                Event::Quote(source, number) => {
                    board.land(&origins[source], &name(number), quote(now), now);
                    if source >= 2 {
                        dear.insert((source, number));
                    }
                }
                Event::Fails(source, number, caller) => {
                    let timeout = failure(SourceError::Timeout(SECOND), Stands::WithSource);
                    let caller = caller.checked_sub(1).map(|key| Caller::Key(key as u32));
                    board.land_for(caller, &origins[source], &name(number), timeout, now);
                }
                Event::Denied(source, number, caller) => {
                    let caller = caller.checked_sub(1).map(|key| Caller::Key(key as u32));
                    board.land_for(caller, &origins[source], &name(number), denial(), now);
                    dear.remove(&(source, number));
                }
                Event::Asked(number) => drop(board.recall(&name(number), now.monotonic)),
            }
            let state = board.lock();
            let entries = || state.symbols.values().flat_map(|entries| entries.by_source.all());
            let quoted = |entry: &&Entry| entry.known.outcome.quote.is_some();
            let of = |source: &str| entries().filter(quoted).filter(|e| e.known.outcome.origin.source == source).count();
            prop_assert_eq!(entries().count(), state.outcomes);
            prop_assert!(entries().filter(quoted).count() <= CAPACITY);
            prop_assert!(origins.iter().all(|origin| of(&origin.source) <= CAPACITY / 2));
            let failures = || entries().filter(|entry| !quoted(entry));
            prop_assert!(failures().count() <= CAPACITY / 4);
        }
        for (source, number) in dear {
            prop_assert!(has(&board, &source.to_string(), &format!("S{number}-USD")), "{source} {number}");
        }
    }

    #[test]
    fn a_caller_within_its_share_of_the_failures_loses_none_to_others(
        events in proptest::collection::vec((0..4_u32, 0..300_usize), 1..600),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let _entered = runtime.enter();
        let (board, now) = (Board::new(4 * 64), Clock::system().now());
        let (alpha, mut own) = (origin("alpha"), std::collections::BTreeSet::new());
        for (caller, number) in events {
            // the first one asks for four symbols of its own, again and again
            let name = if caller == 0 { format!("OWN{}-USD", number % 4) } else { format!("J{number}-USD") };
            board.land_for(Some(Caller::Key(caller)), &alpha, &symbol(&name), denial(), now);
            if caller == 0 {
                own.insert(name);
            }
            prop_assert!(own.iter().all(|name| has(&board, "alpha", name)) && board.len() <= 64);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_mark_tells_of_every_landing_refusal_and_eviction_of_its_symbol_alone() {
    let (board, now) = (Board::new(4), Clock::system().now());
    let land = |name: &str, update| board.land(&origin("alpha"), &symbol(name), update, now);
    land("AAPL", quote(now));
    let mark = board.mark(&symbol("AAPL"));
    let changes = |change: &dyn Fn()| {
        let before = mark.version();
        change();
        mark.version() > before
    };
    assert!(changes(&|| drop(land("AAPL", quote(now)))));
    assert!(!changes(&|| drop(land("MSFT", quote(now)))));
    let refusal = |left: u64| {
        let error = SourceError::CircuitOpen { detail: "down".into(), retry_after: Duration::from_secs(left) };
        Update::Refusal(error, now.monotonic + Duration::from_secs(9))
    };
    assert!(changes(&|| drop(land("AAPL", refusal(9)))));
    assert!(!changes(&|| drop(land("AAPL", refusal(8)))), "the same refusal, a second later");
    // the board has room for two quotes of a source
    assert!(changes(&|| ["TSLA", "NVDA", "SPY"].iter().for_each(|name| drop(land(name, quote(now))))));
    assert!(!has(&board, "alpha", "AAPL"));
    assert!(changes(&|| drop(land("AAPL", quote(now)))), "it is back");
}

#[tokio::test(start_paused = true)]
async fn a_symbol_that_is_only_asked_for_by_its_mark_is_evicted_after_others() {
    let (board, now) = (Board::new(4), Clock::system().now());
    let land = |name: &str| board.land(&origin("alpha"), &symbol(name), quote(now), now);
    land("AAPL");
    let mark = board.mark(&symbol("AAPL"));
    for name in ["MSFT", "TSLA", "NVDA", "SPY"] {
        mark.note_asked();
        land(name);
        assert!(has(&board, "alpha", "AAPL"), "{name}");
    }
    assert!(!has(&board, "alpha", "MSFT"));
}

#[test]
fn marks_without_a_reader_are_dropped() {
    let board = Board::new(8);
    let kept = board.mark(&symbol("AAPL"));
    for number in 0..10_000 {
        drop(board.mark(&symbol(&format!("X{number}-USD"))));
    }
    let marks = format!("{:?}", board.lock().marks);
    assert!(marks.matches("Mark {").count() < 3_000);
    assert!(Arc::ptr_eq(&kept, &board.mark(&symbol("AAPL"))));
}

#[test]
fn what_is_known_of_a_quote_takes_little_room() {
    // with the counts of its `Arc`, and as allocators round that up; there are 65,536 of them on a full board
    let counts = 2 * size_of::<usize>();
    assert!(size_of::<Known>() + counts <= 384, "{}", size_of::<Known>());
}
