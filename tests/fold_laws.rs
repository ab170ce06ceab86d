//! The laws of every fold, no matter what the sources say: tried with random outcomes.

// clippy takes only functions marked as tests for test code
#![allow(clippy::unwrap_used)]
#![allow(clippy::disallowed_methods, reason = "a test may block its thread")]

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use quotefold::answer::{Answer, Answered};
use quotefold::clock::Clock;
use quotefold::failure::{Failure, SourceError};
use quotefold::fold::{Basis, BelowQuorum, Book, Degraded, Price, Rule, Status, Unavailable, Verdict, fold};
use quotefold::hours::Hours;
use quotefold::question::{Bounds, Question};
use quotefold::quote::{NoMarket, Origin, Outcome, Quote, Role, Session, Stated};
use quotefold::symbol::{Currency, Symbol};
use quotefold::verify::verify;
use rust_decimal::Decimal;
use serde_json::Value;

fn now() -> Timestamp {
    "2026-11-20T14:31:10.412Z".parse().unwrap()
}

fn ago(seconds: i64) -> Timestamp {
    now().checked_sub(SignedDuration::from_secs(seconds)).unwrap()
}

fn rule(required: usize) -> Rule {
    Rule {
        required,
        below_quorum: BelowQuorum::Refuse,
        outlier_beyond: Decimal::new(2, 2),
        disagree_beyond: Decimal::new(3, 2),
        book_within: Some(Decimal::new(2, 2)),
        usable_for: Duration::from_secs(60),
        fallback_for: Duration::from_secs(900),
        closed_for: None,
        max_age: None,
        currency: None,
        in_points: false,
        security_currency: None,
        hours: None,
    }
}

fn outcome(source: &str, price: Decimal) -> Outcome {
    let origin =
        Origin { source: source.into(), account: source.into(), role: Role::Primary, lag_ms: 0, by_isin: false };
    let quote = Quote::bare(price, ago(1));
    Outcome { origin: Arc::new(origin), symbol: symbol(), quote: Some(quote), failure: None }
}

fn symbol() -> Symbol {
    Symbol::parse("BTC-USD").unwrap()
}

fn fold_all(outcomes: Vec<Outcome>, rule: &Rule) -> Price {
    fold(&symbol(), outcomes, rule, now())
}

/// Fresh quotes with these prices, each of another primary.
fn quotes(prices: &[Decimal]) -> Vec<Outcome> {
    prices.iter().enumerate().map(|(number, price)| outcome(&format!("s{number}"), *price)).collect()
}

fn fold_prices(prices: &[Decimal]) -> Option<Decimal> {
    fold_all(quotes(prices), &rule(2)).folded.map(|folded| folded.price)
}

fn spread(prices: &[Decimal]) -> Decimal {
    *prices.iter().max().unwrap() - *prices.iter().min().unwrap()
}

/// Prices around 100.00: sometimes close together, sometimes with outliers, sometimes in camps.
fn near_prices(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Decimal>> {
    (20_i64..400).prop_flat_map(move |cents| {
        vec((10_000 - cents..=10_000 + cents).prop_map(|cents| Decimal::new(cents, 2)), count.clone())
    })
}

/// Any number that a decimal can be.
fn any_decimal() -> impl Strategy<Value = Decimal> {
    let any = (any::<u32>(), any::<u32>(), any::<u32>(), any::<bool>(), 0_u32..=28)
        .prop_map(|(low, middle, high, negative, scale)| Decimal::from_parts(low, middle, high, negative, scale));
    // many of them are possible prices, and some lie at the very ends
    prop_oneof![
        4 => any,
        4 => (1_i64..1_000_000_000, 0_u32..=18).prop_map(|(number, scale)| Decimal::new(number, scale)),
        1 => select(vec![Decimal::MAX, Decimal::MIN, Decimal::ZERO, Decimal::new(1, 12), Decimal::new(1, 28)]),
        1 => Just(Decimal::from(1_000_000_000_000_000_i64)),
    ]
}

fn any_quote(price: impl Strategy<Value = Decimal> + 'static, lively: bool) -> impl Strategy<Value = Quote> {
    let stated = prop_oneof![
        8 => price.prop_map(Stated::Number),
        1 => Just(Stated::Absent),
        1 => Just(Stated::NotANumber("N/A".into())),
    ];
    let side = move || if lively { near_decimal().boxed() } else { any_decimal().boxed() };
    let sides = (option::weighted(0.3, side()), option::weighted(0.3, side()));
    // and narrow books, many of which count
    let narrow =
        (side(), 0_i64..300).prop_map(|(bid, width)| (Some(bid), Some(bid.saturating_add(Decimal::new(width, 2)))));
    let book = prop_oneof![2 => sides, 1 => narrow];
    let session = option::weighted(0.3, select(vec![Session::Pre, Session::Regular, Session::Post, Session::Closed]));
    let currency = option::weighted(0.5, select(vec!["USD", "USD", "USD", "EUR"]).prop_map(Currency::new));
    let no_market = option::weighted(0.05, select(vec![NoMarket::Halted, NoMarket::NothingTraded]));
    let ages = || select(vec![-6_i64, -2, 0, 1, 30, 60, 61, 300, 900, 901, 90_000, 150_000, 500_000]);
    let times = (option::of(ages()), option::weighted(0.3, ages()), ages());
    (stated, book, session, currency, no_market, times).prop_map(
        |(price, (bid, ask), session, currency, no_market, (observed, book, received))| Quote {
            price,
            bid,
            ask,
            currency,
            session,
            no_market,
            observed_at: observed.map(ago),
            book_at: book.map(ago),
            latency: Duration::from_millis(80),
            ..Quote::bare(Decimal::ONE, ago(received))
        },
    )
}

fn near_decimal() -> impl Strategy<Value = Decimal> {
    (9_800_i64..10_200).prop_map(|cents| Decimal::new(cents, 2))
}

fn any_failure() -> impl Strategy<Value = Failure> {
    let error = prop_oneof![
        Just(SourceError::Timeout(Duration::from_millis(700))),
        Just(SourceError::UnknownSymbol("no such symbol".into())),
        Just(SourceError::NotInPlan("premium".into())),
        Just(SourceError::RateLimited { detail: "slow down".into(), retry_after: None }),
    ];
    (error, any::<bool>(), option::of(Just(ago(-30)))).prop_map(|(error, is_doubted, retry_at)| Failure {
        error,
        at: now(),
        latency: None,
        is_doubted,
        retry_at,
    })
}

/// Outcomes of different sources, in every possible state.
fn any_outcomes(lively: bool) -> impl Strategy<Value = Vec<Outcome>> {
    let price = move || if lively { near_decimal().boxed() } else { any_decimal().boxed() };
    let role = select(vec![Role::Primary, Role::Primary, Role::Reserve, Role::Reference]);
    let lag = prop_oneof![4 => Just(0_i64), 1 => Just(900_000), 1 => Just(-59_000), 1 => any::<i64>()];
    let said = prop_oneof![
        6 => any_quote(price(), lively).prop_map(|quote| (Some(quote), None)),
        1 => any_failure().prop_map(|failure| (None, Some(failure))),
        1 => (any_quote(price(), lively), any_failure()).prop_map(|(quote, failure)| (Some(quote), Some(failure))),
    ];
    let account = 0_usize..12;
    vec((role, lag, account, said), 0..8).prop_map(|all| {
        let outcomes = all.into_iter().enumerate().map(|(number, (role, lag_ms, account, (quote, failure)))| {
            // some accounts hold two sources
            let account = if account < 3 { format!("shared{account}") } else { format!("own{number}") };
            let origin = Origin { source: format!("s{number}"), account, role, lag_ms, by_isin: false };
            Outcome { origin: Arc::new(origin), symbol: symbol(), quote, failure: failure.map(Box::new) }
        });
        outcomes.collect()
    })
}

fn any_rule() -> impl Strategy<Value = Rule> {
    let below = select(vec![BelowQuorum::Refuse, BelowQuorum::Degrade]);
    let closed_for = option::of(Just(Duration::from_secs(432_000)));
    let max_age = option::weighted(0.2, Just(Duration::from_secs(300)));
    let hours = select(vec![None, Hours::named("XNYS"), Hours::named("XTKS")]);
    (0_usize..5, below, closed_for, max_age, hours).prop_map(|(required, below_quorum, closed_for, max_age, hours)| {
        Rule { below_quorum, closed_for, max_age, hours, ..rule(required) }
    })
}

/// The symbols differ in how their currency is found.
fn any_symbol() -> impl Strategy<Value = Symbol> {
    select(vec!["BTC-USD", "AAPL", "VOD.L", "^GSPC"]).prop_map(|text| Symbol::parse(text).unwrap())
}

/// The answer that a price is stated in.
fn answer_with(price: Price) -> Value {
    let question = format!("symbols={}", price.symbol.as_str().replace('^', "%5E"));
    let question = Question::parse(&question, &Bounds::default(), Clock::from_fn(now).now()).unwrap();
    let answered = Answered { priced: price.into(), changes_at: None };
    let body = Answer::new(&question, vec![answered], now(), false).body(now()).unwrap();
    serde_json::from_slice(&body).unwrap()
}

/// The fields of an answer that do not follow from its quotes, according to `quotefold verify`.
fn differing(answer: &Value) -> Vec<String> {
    let verified = verify(&answer.to_string()).unwrap();
    verified.into_iter().flat_map(|entry| entry.differences).map(|difference| difference.field).collect()
}

/// The places of all texts in an entry of an answer that are numbers.
fn numbers(entry: &Value) -> Vec<String> {
    let mut places = vec![("".to_owned(), entry)];
    let mut found = Vec::new();
    while let Some((place, value)) = places.pop() {
        match value {
            Value::Object(fields) => {
                places.extend(fields.iter().map(|(name, value)| (format!("{place}/{name}"), value)));
            }
            Value::Array(all) => {
                places.extend(all.iter().enumerate().map(|(at, value)| (format!("{place}/{at}"), value)));
            }
            Value::String(text) if Decimal::from_str_exact(text).is_ok() => found.push(place),
            _ => {}
        }
    }
    found.sort();
    found
}

fn rank(status: Status) -> usize {
    match status {
        Status::Ok => 0,
        Status::Degraded(Degraded::WithReferences) => 1,
        Status::Degraded(Degraded::StaleFallback) => 2,
        Status::Degraded(Degraded::FewSources) => 3,
        Status::Unavailable(_) | Status::Unknown => 4,
    }
}

fn used(price: &Price) -> Vec<&Outcome> {
    price.quotes.iter().filter(|judged| judged.verdict == Verdict::Used).map(|judged| &judged.outcome).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_order_of_the_outcomes_does_not_matter(
        (outcomes, shuffled) in any_outcomes(true).prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
        rule in any_rule(),
        symbol in any_symbol(),
    ) {
        let price = fold(&symbol, outcomes, &rule, now());
        prop_assert_eq!(format!("{price:?}"), format!("{:?}", fold(&symbol, shuffled, &rule, now())));
    }

    #[test]
    fn the_same_outcomes_give_the_same_price(outcomes in any_outcomes(false), rule in any_rule()) {
        prop_assert_eq!(fold_all(outcomes.clone(), &rule), fold_all(outcomes, &rule));
    }

    #[test]
    fn no_decimal_makes_the_fold_panic_and_every_outcome_has_a_verdict(
        outcomes in any_outcomes(false),
        rule in any_rule(),
        symbol in any_symbol(),
        (outlier_beyond, disagree_beyond) in (any_decimal(), any_decimal()),
    ) {
        let count = outcomes.len();
        let price = fold(&symbol, outcomes, &Rule { outlier_beyond, disagree_beyond, ..rule }, now());
        prop_assert_eq!(price.quotes.len(), count);
        let priced = matches!(price.status, Status::Ok | Status::Degraded(_));
        prop_assert_eq!(price.folded.is_some(), priced);
        prop_assert_eq!(used(&price).is_empty(), !priced);
        // a price that is ok has a sentence only if most labels contradict it
        prop_assert!(price.detail.is_some() || price.status == Status::Ok);
    }

    #[test]
    fn what_an_answer_states_follows_from_its_quotes(
        outcomes in prop_oneof![any_outcomes(true), any_outcomes(false)],
        rule in any_rule(),
        symbol in any_symbol(),
    ) {
        let answer = answer_with(fold(&symbol, outcomes, &rule, now()));
        prop_assert_eq!(differing(&answer), Vec::<String>::new(), "{:#}", answer);
    }

    #[test]
    fn an_answer_in_which_one_digit_was_changed_is_found_out_where_the_digit_matters(
        outcomes in any_outcomes(true),
        rule in any_rule(),
        (which, digit, by) in (any::<prop::sample::Index>(), any::<prop::sample::Index>(), 1_u8..10),
    ) {
        let mut answer = answer_with(fold_all(outcomes, &rule));
        let entry = &mut answer["prices"][0];
        let places = numbers(entry);
        prop_assume!(!places.is_empty());
        let place = which.get(&places);
        let number = entry.pointer_mut(place).unwrap();
        let text = number.as_str().unwrap().to_owned();
        let digits: Vec<usize> = text.char_indices().filter(|(_, c)| c.is_ascii_digit()).map(|(at, _)| at).collect();
        let at = *digit.get(&digits);
        let changed = (text.as_bytes()[at] - b'0' + by) % 10;
        *number = format!("{}{changed}{}", &text[..at], &text[at + 1..]).into();
        // a volume is reported and takes no part; a side of a book, or a last price outside of one, may lie where it does not matter
        let is_last_price = {
            let quote = place.strip_suffix("/last").and_then(|quote| answer["prices"][0].pointer(quote));
            quote.is_none_or(|quote| quote["basis"] == "last")
        };
        let matters = ["/volume", "/bid", "/ask"].iter().all(|name| !place.ends_with(name)) && is_last_price;
        let differing = differing(&answer);
        prop_assert!(!matters || !differing.is_empty(), "{}: {} became {}", place, text, answer["prices"][0].pointer(place).unwrap());
    }

    #[test]
    fn the_price_lies_within_the_used_quotes(outcomes in any_outcomes(true), rule in any_rule()) {
        let price = fold_all(outcomes, &rule);
        if let Some(folded) = &price.folded {
            let used = price.quotes.iter().filter(|judged| judged.verdict == Verdict::Used);
            let prices: Vec<Decimal> = used.filter_map(|judged| judged.price).collect();
            prop_assert!(prices.iter().min().unwrap() <= &folded.price);
            prop_assert!(prices.iter().max().unwrap() >= &folded.price);
            prop_assert!(spread(&prices) <= rule.disagree_beyond * folded.price);
        }
    }

    #[test]
    fn quotes_scaled_alike_scale_the_price(prices in near_prices(1..8), by in 1_i64..100_000, decimals in 0_u32..6) {
        let by = Decimal::new(by, decimals);
        let scaled: Vec<Decimal> = prices.iter().map(|price| price * by).collect();
        let (plain, scaled) = (fold_all(quotes(&prices), &rule(2)), fold_all(quotes(&scaled), &rule(2)));
        prop_assert_eq!(plain.status, scaled.status);
        let figures = |price: &Price| price.folded.as_ref().map(|folded| (folded.price, folded.plus_minus));
        let expected = figures(&plain).map(|(price, plus_minus)| (price * by, plus_minus.map(|plus| plus * by)));
        prop_assert_eq!(figures(&scaled), expected);
    }

    #[test]
    fn one_liar_moves_the_price_by_at_most_the_honest_spread(
        honest in near_prices(2..7),
        lie in prop_oneof![any_decimal(), near_decimal(), (9_000_i64..11_000).prop_map(|cents| Decimal::new(cents, 2))],
    ) {
        let mut all = honest.clone();
        all.push(lie);
        if let (Some(without), Some(with)) = (fold_prices(&honest), fold_prices(&all)) {
            prop_assert!((with - without).abs() <= spread(&honest), "{} became {}", without, with);
        }
    }

    #[test]
    fn one_more_quote_equal_to_the_median_does_not_move_it(prices in near_prices(2..8)) {
        let price = fold_all(quotes(&prices), &rule(2));
        let Some(median) = price.folded.as_ref().map(|folded| folded.price) else { return Ok(()) };
        // where outliers were left out, the median they are measured from may move, and with it the set of outliers
        if used(&price).len() < prices.len() {
            return Ok(());
        }
        let mut more = prices;
        more.push(median);
        prop_assert_eq!(fold_prices(&more), Some(median));
    }

    #[test]
    fn a_worse_rung_never_has_a_better_status(outcomes in any_outcomes(true), rule in any_rule()) {
        let price = fold_all(outcomes.clone(), &Rule { closed_for: None, ..rule.clone() });
        let is_old = |outcome: &&Outcome| {
            let quote = outcome.quote.as_ref().unwrap();
            let time = quote.aged_from();
            let lag = i128::from(outcome.origin.lag_ms);
            now().duration_since(time).as_millis() > (60_000 + lag).max(0)
        };
        let used = used(&price);
        let (references, old) = (
            used.iter().filter(|outcome| outcome.origin.role == Role::Reference).count(),
            used.iter().copied().filter(|outcome| is_old(outcome)).count(),
        );
        let enough = used.len() >= rule.required;
        // the status is exactly as good as the worst quote that was used
        match price.status {
            Status::Ok => prop_assert!(enough && references == 0 && old == 0),
            Status::Degraded(Degraded::WithReferences) => prop_assert!(enough && references > 0 && old == 0),
            Status::Degraded(Degraded::StaleFallback) => prop_assert!(enough && old > 0),
            Status::Degraded(Degraded::FewSources) => prop_assert!(!enough && old == 0),
            Status::Unavailable(_) | Status::Unknown => prop_assert!(used.is_empty()),
        }
    }

    #[test]
    fn old_quotes_may_support_fresh_ones_but_never_contradict_them(
        fresh in vec((9_500_i64..10_500).prop_map(|cents| Decimal::new(cents, 2)), 0..4),
        old in vec((9_500_i64..10_500).prop_map(|cents| Decimal::new(cents, 2)), 0..4),
        required in 1_usize..4,
        below_quorum in select(vec![BelowQuorum::Refuse, BelowQuorum::Degrade]),
    ) {
        let rule = Rule { below_quorum, ..rule(required) };
        let fresh = quotes(&fresh);
        let old = old.iter().enumerate().map(|(number, price)| {
            let mut outcome = outcome(&format!("t{number}"), *price);
            outcome.quote.as_mut().unwrap().received_at = ago(300);
            outcome
        });
        let alone = fold_all(fresh.clone(), &Rule { below_quorum: BelowQuorum::Degrade, ..rule.clone() });
        let together = fold_all(fresh.iter().cloned().chain(old).collect(), &rule);
        if alone.status == Status::Unavailable(Unavailable::SourcesDisagree) {
            prop_assert!(together.folded.is_none(), "{:#?}", together);
        } else if alone.folded.is_some() {
            prop_assert_ne!(together.status, Status::Unavailable(Unavailable::SourcesDisagree));
            // the sources that make the price alone make it together with older ones too, if there is a price at all
            prop_assert!(together.folded.is_some() || below_quorum == BelowQuorum::Refuse, "{:#?}", together);
            let names = |price: &Price| used(price).iter().map(|outcome| outcome.origin.source.clone()).collect::<Vec<_>>();
            let (alone, together) = (names(&alone), names(&together));
            prop_assert!(together.is_empty() || alone.iter().all(|name| together.contains(name)), "{alone:?} {together:?}");
        }
    }

    #[test]
    fn the_same_quotes_from_worse_sources_never_have_a_better_status(prices in near_prices(1..7), required in 1_usize..4) {
        let with = |role: Role, seconds: i64| {
            let mut all = quotes(&prices);
            for outcome in &mut all {
                Arc::make_mut(&mut outcome.origin).role = role;
                outcome.quote.as_mut().unwrap().received_at = ago(seconds);
            }
            fold_all(all, &rule(required)).status
        };
        let ladder = [with(Role::Primary, 1), with(Role::Reference, 1), with(Role::Reference, 300), with(Role::Reference, 901)];
        prop_assert!(ladder.map(rank).is_sorted(), "{:?}", ladder);
    }

    #[test]
    fn a_book_that_counts_holds_the_price_and_any_other_leaves_it_alone(
        outcomes in any_outcomes(true),
        rule in any_rule(),
        symbol in any_symbol(),
    ) {
        for judged in &fold(&symbol, outcomes, &rule, now()).quotes {
            let (Some(price), Some(quote)) = (judged.price, &judged.outcome.quote) else {
                prop_assert_eq!(judged.basis, None);
                continue;
            };
            if judged.book == Some(Book::Counts) {
                prop_assert!((quote.bid.unwrap()..=quote.ask.unwrap()).contains(&price), "{:?}", judged);
            } else if let Stated::Number(last) = quote.price {
                prop_assert_eq!((price, judged.basis), (last, Some(Basis::Last)));
            }
        }
    }

    #[test]
    fn only_books_that_count_vote(outcomes in any_outcomes(true), rule in any_rule()) {
        let price = fold_all(outcomes.clone(), &rule);
        // the price of each quote, without the books that did not count
        let without = price.quotes.iter().map(|judged| {
            let mut outcome = judged.outcome.clone();
            let counts = judged.book == Some(Book::Counts);
            if let Some(quote) = outcome.quote.as_mut().filter(|quote| !counts && quote.price != Stated::Absent) {
                (quote.bid, quote.ask) = (None, None);
            }
            outcome
        });
        prop_assert_eq!(&fold_all(without.collect(), &rule).folded, &price.folded);
    }

    #[test]
    fn a_dead_market_changes_no_price(outcomes in any_outcomes(true), rule in any_rule(), last in near_decimal()) {
        let before = fold_all(outcomes.clone(), &rule);
        let mut dead = outcome("zz", last);
        dead.quote.as_mut().unwrap().no_market = Some(NoMarket::NothingTraded);
        let after = fold_all(outcomes.into_iter().chain([dead]).collect(), &rule);
        prop_assert_eq!(&after.folded, &before.folded);
        prop_assert_eq!(after.covering, before.covering);
        if before.folded.is_some() {
            prop_assert_eq!(after.status, before.status);
        }
    }
}
