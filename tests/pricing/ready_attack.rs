//! What a new answer may say that a kept one does not.

use super::ready::{Manner, Town, run};
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
            source("one", "crypto", "currencies = [\"USD\"]\naccount = \"vendor\""),
            source("sister", "crypto", "currencies = [\"USD\"]\naccount = \"vendor\"\nsymbols = [\"ETH-*\"]"),
            source("other", "crypto", "currencies = [\"USD\"]"),
        ]
        .concat();
        let town = Town::over("2026-11-20T14:31:00Z", &settings);
        town.behave("one", Manner::Down);
        let mut ready = 0;
        for round in 0..120 {
            if round % 20 == 10 {
                town.behave("sister", Manner::LimitsFor(1));
                town.ask("symbols=ETH-USD&sources=sister").await;
            }
            for _ in 0..3 {
                ready += usize::from(town.ask("symbols=BTC-USD").await);
            }
            Town::wait(300).await;
        }
        assert!(ready > 0);
    });
}

