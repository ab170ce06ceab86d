//! What a new answer may say that a kept one does not.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use quotefold::question::Question;
use quotefold::ready::Part;

use super::ready::{Manner, Town, joined, run};
use super::world::source;

#[test]
fn a_market_without_any_source_opens_in_the_text_too() {
    run(async {
        // a little before New York has been open for as long as a quote is usable
        let settings =
            format!("[class.equity]\nusable_for = \"25m\"\n{}", source("dollar", "crypto", "currencies = [\"USD\"]"));
        let town = Town::over("2026-11-20T14:54:58Z", &settings);
        for _ in 0..40 {
            town.ask("symbols=AAPL").await;
            Town::wait(250).await;
        }
    });
}

#[test]
fn a_rate_that_must_be_young_for_one_symbol_leaves_its_reserve_out_of_all() {
    run(async {
        let settings = [
            "[class.crypto]\nrefresh_after = \"2s\"\nrequired = 1\n[class.fx]\nrefresh_after = \"20s\"\nrequired = 1\n"
                .to_owned(),
            source("dollar", "crypto", "currencies = [\"USD\"]"),
            source("bank", "fx", ""),
            source("spare", "fx", "role = \"reserve\""),
        ]
        .concat();
        let town = Town::over("2026-11-20T14:31:00Z", &settings);
        // the reserve is asked while the bank is down
        town.behave("bank", Manner::Down);
        town.ask("symbols=EUR-USD").await;
        town.behave("bank", Manner::Well);
        Town::wait(4_000).await;
        for _ in 0..4 {
            for query in ["symbols=EUR-USD", "symbols=BTC-EUR", "symbols=BTC-EUR,EUR-USD", "symbols=EUR-USD,BTC-EUR"] {
                town.ask(query).await;
                town.ask(query).await;
                town.ask(query).await;
            }
            Town::wait(700).await;
        }
    });
}

#[test]
fn the_long_texts_of_many_sources_are_shared_and_not_copied() {
    run(async {
        let sources: Vec<String> = (0..20).map(|number| source(&format!("ticker-{number:02}"), "equity", "")).collect();
        let town = Town::over("2026-11-20T15:31:00Z", &sources.concat());
        let query = "symbols=AAPL,NONE-USD,VOD.L";
        while !town.ask(query).await {}
        let (service, now) = (town.service(), town.service().clock().now());
        let question = Question::parse(query, service.bounds(), now).unwrap();
        let parts = service.ready_answer(&question).unwrap().parts(&question, now.wall).unwrap();
        let is_shared = |part: &Part| matches!(part, Part::Shared(_));
        assert_eq!(parts.iter().map(is_shared).collect::<Vec<_>>(), [false, true, false, true, false]);
        let copied: usize = parts.iter().filter(|part| !is_shared(part)).map(|part| part.as_ref().len()).sum();
        assert!(copied * 5 < joined(&parts).len(), "{copied} bytes are copied");
    });
}

#[test]
fn a_rate_of_two_purposes_counts_as_it_is_used() {
    run(async {
        let settings = [
            "[class.crypto]\nrequired = 1\n[class.equity]\nrequired = 1\n[class.fx]\nrequired = 1\n".to_owned(),
            source("dollar", "crypto", "currencies = [\"USD\"]"),
            source("ticker", "equity", ""),
            source("bank", "fx", "symbols = [\"GBP-USD\"]"),
            source("crosses", "fx", "symbols = [\"EUR-*\"]"),
        ]
        .concat();
        let town = Town::over("2026-11-20T15:31:00Z", &settings);
        for _ in 0..4 {
            for query in [
                "symbols=AAPL&currency=GBP",
                "symbols=BTC-GBP&currency=GBP",
                "symbols=AAPL,BTC-GBP&currency=GBP",
                "symbols=AAPL&currency=GBP",
                "symbols=BTC-GBP,AAPL&currency=GBP",
            ] {
                for _ in 0..3 {
                    town.ask(query).await;
                }
            }
            Town::wait(700).await;
        }
    });
}

#[test]
fn a_caller_in_a_hurry_asks_no_reserve_that_is_left_alone() {
    run(async {
        let settings = [
            "[class.crypto]\nrefresh_after = \"10s\"\nbelow_quorum = \"degrade\"\n".to_owned(),
            source("dollar", "crypto", "currencies = [\"USD\"]"),
            source("other", "crypto", "currencies = [\"USD\"]"),
            source("third", "crypto", "currencies = [\"USD\"]"),
            source("spare", "crypto", "currencies = [\"USD\"]\nrole = \"reserve\""),
        ]
        .concat();
        let town = Town::over("2026-11-20T14:31:00Z", &settings);
        town.behave("other", Manner::Denies);
        town.behave("third", Manner::Denies);
        town.behave("spare", Manner::LimitsFor(30));
        let mut ready = 0;
        for _ in 0..4 {
            for query in ["symbols=BTC-USD", "symbols=BTC-USD&timeout=50ms"] {
                ready += usize::from(town.ask(query).await);
                Town::wait(5).await;
            }
        }
        assert!(ready > 0);
    });
}

#[test]
fn the_reason_for_which_a_source_is_left_alone_may_change_before_the_time() {
    run(async {
        let settings = [
            "[class.crypto]\nrefresh_after = \"2s\"\nrequired = 1\n".to_owned(),
            source("one", "crypto", "currencies = [\"USD\"]"),
            source("other", "crypto", "currencies = [\"USD\"]"),
        ]
        .concat();
        let town = Town::over("2026-11-20T14:31:00Z", &settings);
        town.behave("one", Manner::Down);
        let mut ready = 0;
        for _ in 0..120 {
            for _ in 0..3 {
                ready += usize::from(town.ask("symbols=BTC-USD").await);
            }
            Town::wait(300).await;
        }
        assert!(ready > 0);
    });
}

#[test]
fn a_source_may_be_left_alone_from_the_middle_of_an_answer_on() {
    // each time the reply that limits us comes a little later
    for yields in 0..12 {
        run(async {
            let settings = [
                "[class.crypto]\nrefresh_after = \"60s\"\nrequired = 1\n[freshness]\nunknown_for = \"5s\"\n".to_owned(),
                source("one", "crypto", "currencies = [\"USD\"]"),
                source("other", "crypto", "currencies = [\"USD\"]"),
            ]
            .concat();
            let town = Town::over("2026-11-20T14:31:00Z", &settings);
            town.behave("one", Manner::Denies);
            let symbols: Vec<String> = (0..300).map(|number| format!("X{number}-USD")).collect();
            let query = format!(
                "symbols={}",
                ["BTC-USD".to_owned()].into_iter().chain(symbols).take(80).collect::<Vec<_>>().join(",")
            );
            for _ in 0..3 {
                town.ask(&query).await;
                Town::wait(10).await;
            }
            town.behave("one", Manner::LimitsAtOnce(20));
            let limited = async {
                for _ in 0..yields {
                    tokio::task::yield_now().await;
                }
                town.answer("symbols=XRP-USD&sources=one").await
            };
            tokio::join!(limited, town.answer(&query));
            town.ask("symbols=BTC-USD").await;
        });
    }
}

/// Vendors of further kinds: of one account, with one symbol per call, with reserves of rates, with pairs the other way.
fn further_vendors(required: usize, below_quorum: &str, background: &str) -> String {
    let refresh = |class| if background == class { "refresh = \"background\"\n" } else { "" };
    let rules = |class| format!("required = {required}\nbelow_quorum = \"{below_quorum}\"\n{}", refresh(class));
    let classes = format!(
        "[class.crypto]\nrefresh_after = \"2s\"\nusable_for = \"6s\"\nfallback_for = \"20s\"\n{}\
         [class.fx]\nrefresh_after = \"5s\"\nusable_for = \"30s\"\n{}\
         [class.equity]\nrefresh_after = \"20s\"\nusable_for = \"2m\"\n{}\
         [freshness]\nunknown_for = \"40s\"\n",
        rules("crypto"),
        rules("fx"),
        rules("equity")
    );
    let single = |name, class, more| source(name, class, more).replace("batch = 9", "batch = 1");
    let sources = [
        source("dollar", "crypto", "currencies = [\"USD\"]"),
        single("tether", "crypto", "currencies = [\"USDT\"]\nlimits = [\"40/day\"]"),
        source("twin", "crypto", "currencies = [\"USD\"]\naccount = \"twins\""),
        source("twinned", "crypto", "currencies = [\"USD\", \"EUR\"]\naccount = \"twins\""),
        source("kills", "crypto", "currencies = [\"USD\"]\nunknown = \"kills\""),
        source("spare", "crypto", "currencies = [\"USD\"]\nrole = \"reserve\""),
        source("bank", "fx", "symbols = [\"USD-*\"]"),
        source("pounds", "fx", "symbols = [\"EUR-*\"]"),
        single("money", "fx", "limits = [\"9/min\"]"),
        source("vault", "fx", "role = \"reserve\""),
        source("fixing", "fx", "role = \"reference\"\nlag = \"1h\""),
        source("ticker", "equity", ""),
        source("delayed", "equity", "lag = \"15m\""),
        source("paper", "equity", "role = \"reserve\""),
    ];
    classes + &sources.concat()
}

const FURTHER: [&str; 14] = [
    "dollar", "tether", "twin", "twinned", "kills", "spare", "bank", "pounds", "money", "vault", "fixing", "ticker",
    "delayed", "paper",
];

const SYMBOLS: [&str; 14] = [
    "BTC-USD",
    "BTC-EUR",
    "BTC-GBP",
    "BTC-USDT",
    "USDT-USD",
    "EUR-USD",
    "USD-EUR",
    "GBP-USD",
    "EUR-GBP",
    "AAPL",
    "VOD.L",
    "US0378331005",
    "NONE-USD",
    "ETH-USD",
];

#[derive(Clone, Debug)]
enum Act {
    Ask(String),
    Wait(u64),
    Behave(usize, Manner),
}

fn any_act() -> impl Strategy<Value = Act> {
    let symbols = proptest::sample::subsequence(SYMBOLS.to_vec(), 1..5).prop_shuffle();
    let currency = proptest::sample::select(vec!["", "", "&currency=EUR", "&currency=USD", "&currency=GBP"]);
    let more = proptest::sample::select(vec![
        "",
        "",
        "",
        "",
        "&quotes=false",
        "&refresh_after=1s",
        "&refresh_after=4s",
        "&refresh_after=60s",
        "&require=ok",
        "&wait=quorum",
        "&refresh=background",
        "&refresh=awaited",
        "&timeout=50ms",
        "&timeout=150ms&wait=quorum",
    ]);
    let ask = (symbols, currency, more)
        .prop_map(|(symbols, currency, more)| Act::Ask(format!("symbols={}{currency}{more}", symbols.join(","))));
    let wait = prop_oneof![
        4 => 0_u64..3_000,
        2 => 0_u64..40_000,
        1 => 0_u64..5_000_000,
        1 => 0_u64..250_000_000,
    ];
    let manner = prop_oneof![
        3 => Just(Manner::Well),
        2 => (-8_i64..200).prop_map(Manner::Stating),
        2 => (-8_i64..200, -8_i64..200).prop_map(|(last, book)| Manner::Book(last, book)),
        1 => (40_000_i64..400_000).prop_map(Manner::Stating),
        1 => Just(Manner::Down),
        1 => Just(Manner::RateLimits),
        1 => (1_u64..40).prop_map(Manner::LimitsFor),
        1 => Just(Manner::Denies),
        1 => Just(Manner::Off),
        1 => Just(Manner::Inverse),
        1 => Just(Manner::AfterHours),
        1 => Just(Manner::Halted),
    ];
    prop_oneof![
        6 => ask,
        3 => wait.prop_map(Act::Wait),
        2 => (0..FURTHER.len(), manner).prop_map(|(vendor, manner)| Act::Behave(vendor, manner)),
    ]
}

const TIMES: [&str; 6] = [
    "2026-11-20T14:29:30Z",
    "2026-11-20T20:59:00Z",
    "2026-11-20T21:59:00Z",
    "2026-11-22T21:59:00Z",
    "2026-11-22T23:59:30Z",
    "2026-11-26T17:59:00Z",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, rng_seed: RngSeed::Fixed(1), max_shrink_iters: 300, ..ProptestConfig::default() })]

    #[test]
    fn what_is_ready_of_further_vendors_is_what_a_new_answer_would_be(
        acts in proptest::collection::vec(any_act(), 1..60),
        again in any_act(),
        time in proptest::sample::select(TIMES.to_vec()),
        (required, below_quorum) in (1_usize..4, proptest::sample::select(vec!["refuse", "degrade"])),
        background in proptest::sample::select(vec!["", "crypto", "fx", "equity"]),
    ) {
        run(async {
            let town = Town::over(time, &further_vendors(required, below_quorum, background));
            for act in &acts {
                match act {
                    Act::Wait(milliseconds) => Town::wait(*milliseconds).await,
                    Act::Behave(vendor, manner) => town.behave(FURTHER[*vendor], *manner),
                    Act::Ask(query) => {
                        for _ in 0..3 {
                            town.ask(query).await;
                        }
                        if let Act::Ask(again) = &again {
                            town.ask(again).await;
                            town.ask(again).await;
                        }
                        Town::wait(20).await;
                        town.ask(query).await;
                    }
                }
            }
        });
    }
}
